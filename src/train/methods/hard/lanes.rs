//! Shallow layers: the distributions of eight samples of a channel at a time, a sample a lane.
//!
//! Two factors at a time map `y_k ← a y_k + b y_{k−1} + c y_{k−2}`, where `a` is the probability that both fail and `c` that both
//! succeed. All of a distribution is computed: it is short.

use super::{
    distribution::vectorised,
    leave_one_out::{Form, Nodes, SIDE, STEPS, TERMS},
    noise::{BEFORE, Tables},
};

/// Samples that are worked on together.
pub(super) const LANES: usize = 8;

/// A value of each sample.
pub(super) type Lane = [f32; LANES];

/// Memory for the distributions of so many factors.
pub(super) struct Lanes {
    /// The inputs, factor by factor.
    inputs: Vec<Lane>,
    /// Two zeros, then the distribution.
    y: Vec<Lane>,
}

impl Lanes {
    pub(super) fn new(depth: usize) -> Self {
        Self {
            inputs: vec![[0.0; LANES]; depth],
            y: vec![[0.0; LANES]; depth + 4],
        }
    }

    /// How many factors there are.
    pub(super) fn depth(&self) -> usize {
        self.inputs.len()
    }

    /// Takes the inputs of up to [`LANES`] rows; the lanes of missing rows are those of the first.
    pub(super) fn load(&mut self, rows: &[f32]) {
        let depth = self.inputs.len();
        let count = rows.len() / depth;
        for (k, inputs) in self.inputs.iter_mut().enumerate() {
            for (lane, input) in inputs.iter_mut().enumerate() {
                let row = if lane < count { lane } else { 0 };
                *input = rows[row * depth + k];
            }
        }
    }

    /// Survival, density, the derivative by the width, and the form's terms, of weights with these means.
    pub(super) fn evaluate(
        &mut self,
        means: &[f32],
        tables: &Tables,
        form: Form,
        nodes: &Nodes,
        terms: &mut [Lane; TERMS],
    ) -> [Lane; 3] {
        self.distribution(means);
        let y = &self.y[2..][..means.len() + 1];
        // y'_i has cell[j − i].
        let cell = |i: isize| &tables.cell[BEFORE.wrapping_add_signed(-i)..];
        match form {
            Form::Three => terms[..3].copy_from_slice(&dots(y, [cell(-1), cell(0), cell(1)])),
            Form::Five => {
                let cells = [cell(-2), cell(-1), cell(0), cell(1), cell(2)];
                terms[..5].copy_from_slice(&dots(y, cells));
            }
            Form::Extended => {
                let cells = [cell(-2), cell(-1), cell(0), cell(1)];
                terms[..4].copy_from_slice(&dots(y, cells));
            }
            Form::Precise | Form::Powers => {
                let extra = STEPS.saturating_sub(y.len());
                let cell = &cell(extra as isize)[..=y.len() + 2 * extra];
                let (below, above) = taken_out(nodes, y, extra, cell);
                let [low, high] = nodes.coefficients();
                for (d, term) in terms[..form.terms()].iter_mut().enumerate() {
                    *term = [0.0; LANES];
                    for i in 0..SIDE {
                        for lane in 0..LANES {
                            term[lane] += low[d][i] * below[i][lane] + high[d][i] * above[i][lane];
                        }
                    }
                }
            }
        }
        let lists = [&tables.survival, &tables.density, &tables.by_width];
        dots(y, lists.map(|list| &list[BEFORE..]))
    }

    fn distribution(&mut self, means: &[f32]) {
        let Self { inputs, y } = self;
        y.fill([0.0; LANES]);
        y[2] = [1.0; LANES];
        let mut entries = 3;
        for (means, inputs) in means.chunks(2).zip(inputs.chunks(2)) {
            // A factor that is missing always fails.
            let mut v = [[0.0; LANES]; 2];
            for (v, (mean, input)) in v.iter_mut().zip(means.iter().zip(inputs)) {
                let half = 0.5 * mean;
                *v = input.map(|input| 0.5 + half * input);
            }
            entries += means.len();
            pair(&v, &mut y[..entries]);
        }
    }
}

/// Two factors more, of entries that begin after two zeros.
fn pair([first, second]: &[Lane; 2], y: &mut [Lane]) {
    let (mut both_fail, mut both) = ([0.0; LANES], [0.0; LANES]);
    let mut one = [0.0; LANES];
    for lane in 0..LANES {
        both[lane] = first[lane] * second[lane];
        both_fail[lane] = (1.0 - first[lane]) * (1.0 - second[lane]);
        one[lane] = first[lane] * (1.0 - second[lane]) + second[lane] * (1.0 - first[lane]);
    }
    vectorised(|| {
        for at in (2..y.len()).rev() {
            let (low, this) = y.split_at_mut(at);
            let (this, below, lower) = (&mut this[0], &low[at - 1], &low[at - 2]);
            for lane in 0..LANES {
                this[lane] = both_fail[lane] * this[lane]
                    + one[lane] * below[lane]
                    + both[lane] * lower[lane];
            }
        }
    });
}

/// What is left of the noisy distribution one below the threshold without a factor, at the nodes below 0 and above it; see
/// [`Nodes::evaluate`].
fn taken_out(
    nodes: &Nodes,
    y: &[Lane],
    extra: usize,
    cell: &[f32],
) -> ([Lane; SIDE], [Lane; SIDE]) {
    let mut sides = [[[0.0; LANES]; SIDE]; 2];
    let [below, above] = &mut sides;
    let (ascending, descending) = (&cell[extra + 1..], &cell[..extra + y.len()]);
    let zeros = || std::iter::repeat_n(&[0.0; LANES], extra);
    let up = y.iter().chain(zeros()).zip(ascending);
    let down = y.iter().rev().chain(zeros()).zip(descending.iter().rev());
    side(nodes, up, below);
    side(nodes, down, above);
    (*below, *above)
}

fn side<'a>(
    nodes: &Nodes,
    entries: impl Iterator<Item = (&'a Lane, &'a f32)>,
    sums: &mut [Lane; SIDE],
) {
    let mut left = [[0.0; LANES]; SIDE];
    vectorised(|| {
        for (y, cell) in entries {
            for i in 0..SIDE {
                for lane in 0..LANES {
                    // Scaled by the larger probability.
                    left[i][lane] = y[lane] - nodes.ratio[i] * left[i][lane];
                    sums[i][lane] += left[i][lane] * cell;
                }
            }
        }
    });
    for i in 0..SIDE {
        for lane in 0..LANES {
            sums[i][lane] *= nodes.scale[i];
        }
    }
}

/// `Σ_k y[k] · table[k]` of several tables.
fn dots<const N: usize>(y: &[Lane], tables: [&[f32]; N]) -> [Lane; N] {
    let tables = tables.map(|table| &table[..y.len()]);
    let mut sums = [[0.0; LANES]; N];
    vectorised(|| {
        for (k, y) in y.iter().enumerate() {
            for i in 0..N {
                let entry = tables[i][k];
                for lane in 0..LANES {
                    sums[i][lane] += y[lane] * entry;
                }
            }
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            distribution::{Buffers, Groups, patterns},
            leave_one_out::{Form, Nodes, TERMS},
            noise::{Curve, Tables},
        },
        LANES, Lanes,
    };
    use crate::train::{
        choices::Noise,
        random::{Purpose, Random},
    };

    /// A sample a lane, and one after the other.
    #[test]
    fn lanes_have_the_distributions_of_their_rows() {
        let mut random = Random::new(4, Purpose::Initial, 0);
        let mut number = || 2.0 * random.uniform() - 1.0;
        for depth in [1, 2, 7, 36, 64] {
            let means: Vec<f32> = (0..depth)
                .map(|k| if k % 5 == 4 { 1.0 } else { number() })
                .collect();
            let curve = Curve {
                noise: Noise::HeavyTailed,
                threshold: 0.5 * f64::from(depth),
                width: 2.5,
            };
            let depth = depth as usize;
            let tables = Tables::new(curve, depth);
            let (groups, mut buffers) = (Groups::new(&means), Buffers::new(depth));
            let (mut lanes, nodes) = (Lanes::new(depth), Nodes::new());
            // The second time some lanes are missing.
            for count in [LANES, 3] {
                let rows: Vec<f32> = (0..count * depth).map(|_| number().signum()).collect();
                lanes.load(&rows);
                for form in [Form::Three, Form::Five, Form::Extended, Form::Precise] {
                    let mut terms = [[0.0; LANES]; TERMS];
                    let found = lanes.evaluate(&means, &tables, form, &nodes, &mut terms);
                    for (lane, row) in rows.chunks_exact(depth).enumerate() {
                        let patterns: Vec<u8> = patterns(row).collect();
                        let (first, y) = groups.distribution(&patterns, &mut buffers);
                        let expected = tables.expect(first, y);
                        let mut right = [0.0; TERMS];
                        let right = &mut right[..form.terms()];
                        form.evaluate(&nodes, (first, y), &tables.cell, right);
                        for i in 0..3 {
                            let difference = (found[i][lane] - expected[i]).abs();
                            assert!(difference < 2e-6, "{depth} {form:?} {lane} {i}");
                        }
                        for (d, right) in right.iter().enumerate() {
                            let difference = (terms[d][lane] - right).abs();
                            assert!(difference < 1e-5, "{depth} {form:?} {lane} {d}");
                        }
                    }
                }
            }
        }
    }
}
