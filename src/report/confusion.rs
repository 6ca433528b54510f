//! Confusion matrices.

use super::{Align, Table, escape};

/// How often each class was read as each other one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Confusion {
    names: Vec<String>,
    counts: Vec<u64>,
}

impl Confusion {
    /// Counts (label, reading) pairs.
    ///
    /// ```
    /// use bernet::report::Confusion;
    ///
    /// let confusion = Confusion::new(["cat", "dog"], [(0, 0), (0, 1), (1, 1)]);
    /// assert_eq!((confusion.count(0, 1), confusion.right(), confusion.total()), (1, 2, 3));
    /// ```
    ///
    /// # Panics
    /// Where a label or reading is not below the number of names.
    pub fn new<Name: Into<String>>(
        names: impl IntoIterator<Item = Name>,
        pairs: impl IntoIterator<Item = (usize, usize)>,
    ) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let classes = names.len();
        let mut counts = vec![0; classes * classes];
        for (label, reading) in pairs {
            assert!(
                label < classes && reading < classes,
                "label {label} read as {reading}, of {classes} classes"
            );
            counts[label * classes + reading] += 1;
        }
        Self { names, counts }
    }

    /// How often `label` was read as `reading`.
    ///
    /// # Panics
    /// Where one is not below the number of classes.
    pub fn count(&self, label: usize, reading: usize) -> u64 {
        assert!(
            reading < self.names.len(),
            "class {reading} of {}",
            self.names.len()
        );
        self.counts[label * self.names.len() + reading]
    }

    /// How many readings there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many of them are right.
    pub fn right(&self) -> u64 {
        (0..self.names.len())
            .map(|class| self.count(class, class))
            .sum()
    }

    fn row(&self, label: usize) -> &[u64] {
        &self.counts[label * self.names.len()..][..self.names.len()]
    }

    /// The share of a class that was read right, in per cent; `None` for a class without examples.
    fn recall(&self, label: usize) -> Option<f64> {
        let total: u64 = self.row(label).iter().sum();
        (total > 0).then(|| 100.0 * self.count(label, label) as f64 / total as f64)
    }

    /// The same as a plain table: labels down, readings across, the share that was read right at
    /// the end of each row.
    pub fn to_table(&self) -> Table {
        let readings = self.names.iter().map(|name| (name.clone(), Align::Right));
        let columns = [("label".to_owned(), Align::Left)]
            .into_iter()
            .chain(readings);
        let mut table = Table::new(columns.chain([("right, %".to_owned(), Align::Right)]));
        for (label, name) in self.names.iter().enumerate() {
            let counts = self.row(label).iter().map(u64::to_string);
            table.row(
                [name.clone()]
                    .into_iter()
                    .chain(counts)
                    .chain([share(self.recall(label))]),
            );
        }
        table
    }

    /// A heat map: right readings in one colour, mistakes in another, the more, the stronger.
    pub fn to_html(&self) -> String {
        let classes = self.names.len();
        let heads: String = self
            .names
            .iter()
            .map(|name| format!("<th>{}</th>", escape(name)))
            .collect();
        let mut html = String::from("<table class=\"confusion\">\n<thead>");
        html += &format!(
            "<tr><td></td><th class=\"axis\" colspan=\"{classes}\">read as</th><td></td></tr>\n"
        );
        html += &format!(
            "<tr><th class=\"axis\">label</th>{heads}<th class=\"axis\">right, %</th></tr></thead>\n<tbody>\n"
        );
        let places =
            || (0..classes).flat_map(|label| (0..classes).map(move |reading| (label, reading)));
        let greatest = |diagonal| {
            let of_kind = places().filter(|(label, reading)| (label == reading) == diagonal);
            of_kind
                .map(|(label, reading)| self.count(label, reading))
                .max()
                .unwrap_or(0)
                .max(1) as f64
        };
        let (most_right, most_wrong) = (greatest(true), greatest(false));
        for (label, name) in self.names.iter().enumerate() {
            html += &format!("<tr><th>{}</th>", escape(name));
            for reading in 0..classes {
                let count = self.count(label, reading);
                let (class, most) = if label == reading {
                    ("hit", most_right)
                } else {
                    ("miss", most_wrong)
                };
                html += &match count {
                    0 => "<td class=\"none\">·</td>".to_owned(),
                    // The square root keeps single mistakes visible beside the frequent ones.
                    _ => format!(
                        "<td class=\"{class}\" style=\"--heat:{:.2}\">{count}</td>",
                        (count as f64 / most).sqrt()
                    ),
                };
            }
            html += &format!(
                "<td class=\"share\">{}</td></tr>\n",
                share(self.recall(label))
            );
        }
        html += "</tbody>\n</table>\n";
        html
    }
}

fn share(recall: Option<f64>) -> String {
    recall.map_or("–".to_owned(), |share| format!("{share:.1}"))
}
