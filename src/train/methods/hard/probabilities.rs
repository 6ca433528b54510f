//! A layer's probabilities and what its gradients are made of, by the form that suits its depth.

use super::{
    super::distinct::Distinct,
    distribution::{Buffers, Groups, groups, patterns},
    lanes::{LANES, Lanes},
    leave_one_out::{Form, TERMS},
    noise::{Curve, SHARED, Tables},
    series::{Cumulants, FEWEST, Series},
};
use crate::train::matrix;
use rayon::prelude::*;

/// Rows of a task.
const ROWS: usize = 64;

/// What is computed of each row and channel.
#[derive(Default, Debug)]
pub(crate) struct Found {
    /// z, `R × N`.
    pub(super) probability: Vec<f32>,
    /// −∂z/∂t, t in successes, `R × N`.
    pub(super) density: Vec<f32>,
    /// ∂z/∂w, w in successes, `R × N`.
    pub(super) by_width: Vec<f32>,
    /// `R × terms · N`.
    pub(super) terms: Vec<f32>,
}

impl Found {
    /// From what was computed of each kind of rows, what belongs to every row.
    pub(super) fn spread(&mut self, distinct: &Distinct) {
        for values in [
            &mut self.probability,
            &mut self.density,
            &mut self.by_width,
            &mut self.terms,
        ] {
            let width = values.len() / distinct.kinds;
            let mut rows = vec![0.0; distinct.len() * width];
            distinct.spread(values, width, &mut rows);
            *values = rows;
        }
    }
}

/// How a channel's probabilities are had from samples.
enum Source {
    /// Each by its own distribution, some samples together.
    Lanes(Vec<f32>, Tables),
    /// Each by its own distribution.
    Exact(Groups, Tables),
    /// By the distribution of one of them, moved.
    Series(Series),
}

/// The results of some rows.
struct Results<'a> {
    n: usize,
    count: usize,
    probability: &'a mut [f32],
    density: &'a mut [f32],
    by_width: &'a mut [f32],
    terms: &'a mut [f32],
}

impl Results<'_> {
    fn set(&mut self, row: usize, j: usize, [z, f, w]: [f32; 3], terms: impl Iterator<Item = f32>) {
        let at = row * self.n + j;
        (self.probability[at], self.density[at], self.by_width[at]) = (z, f, w);
        let width = self.n * self.count;
        let list = &mut self.terms[row * width..][..width];
        for (to, term) in list[j..].iter_mut().step_by(self.n).zip(terms) {
            *to = term;
        }
    }
}

/// Computes with one form of gradients.
pub(super) struct Probabilities {
    form: Form,
}

impl Probabilities {
    pub(super) fn new(form: Form) -> Self {
        Self { form }
    }

    /// The form that gradients have in a layer of this depth.
    pub(super) fn form(&self, depth: usize) -> Form {
        if depth < FEWEST {
            self.form
        } else {
            Series::form(self.form)
        }
    }

    /// Of inputs `rows [R × K]` and means `weights [K × N]`.
    pub(super) fn compute(
        &self,
        weights: &[f32],
        curves: &[Curve],
        rows: &[f32],
        found: &mut Found,
    ) {
        let n = curves.len();
        let depth = weights.len() / n;
        let (form, deep) = (self.form(depth), depth >= FEWEST);
        let (count, terms) = (rows.len() / depth, form.terms());
        for values in [
            &mut found.probability,
            &mut found.density,
            &mut found.by_width,
        ] {
            values.resize(count * n, 0.0);
        }
        found.terms.resize(count * n * terms, 0.0);
        let cumulants = if deep {
            cumulants(weights, rows, depth, n)
        } else {
            Vec::new()
        };
        let sources: Vec<Source> = curves
            .par_iter()
            .enumerate()
            .map(|(j, curve)| {
                let means: Vec<f32> = weights.iter().skip(j).step_by(n).copied().collect();
                if !deep {
                    return Source::Lanes(means, Tables::new(*curve, form, depth));
                }
                let groups = Groups::new(&means);
                let samples = cumulants.iter().skip(j).step_by(n).copied();
                match series(form, *curve, &groups, samples, rows) {
                    Some(series) => Source::Series(series),
                    None => Source::Exact(groups, Tables::new(*curve, form, depth)),
                }
            })
            .collect();
        let results = found
            .probability
            .par_chunks_mut(ROWS * n)
            .zip(found.density.par_chunks_mut(ROWS * n))
            .zip(found.by_width.par_chunks_mut(ROWS * n))
            .zip(found.terms.par_chunks_mut(ROWS * n * terms))
            .enumerate();
        rows.par_chunks(ROWS * depth).zip(results).for_each_init(
            || (Buffers::new(depth), Lanes::new(depth)),
            |memory, (rows, (block, (((probability, density), by_width), terms_list)))| {
                let mut results = Results {
                    n,
                    count: terms,
                    probability,
                    density,
                    by_width,
                    terms: terms_list,
                };
                if deep {
                    let cumulants = &cumulants[block * ROWS * n..];
                    one_by_one(form, &sources, rows, cumulants, &mut memory.0, &mut results);
                } else {
                    together(&sources, rows, &mut memory.1, &mut results);
                }
            },
        );
    }
}

/// A block of rows of a deep layer.
fn one_by_one(
    form: Form,
    sources: &[Source],
    rows: &[f32],
    cumulants: &[Cumulants],
    buffers: &mut Buffers,
    results: &mut Results<'_>,
) {
    let depth = buffers.depth();
    let width = groups(depth);
    let own = sources
        .iter()
        .any(|source| matches!(source, Source::Exact(..)));
    let rows = rows.chunks_exact(depth);
    let count = rows.len();
    let patterns: Vec<u8> = if own {
        rows.flat_map(patterns).collect()
    } else {
        Vec::new()
    };
    let mut terms = [0.0; TERMS];
    let terms = &mut terms[..form.terms()];
    for (j, source) in sources.iter().enumerate() {
        for row in 0..count {
            let shared = match source {
                Source::Series(series) => {
                    series.evaluate(cumulants[row * sources.len() + j], terms)
                }
                Source::Exact(groups, tables) => {
                    let patterns = &patterns[row * width..][..width];
                    let (first, y) = groups.distribution(patterns, buffers);
                    tables.expect(first, y, terms)
                }
                Source::Lanes(..) => unreachable!("of shallow layers"),
            };
            results.set(row, j, shared, terms.iter().copied());
        }
    }
}

/// A block of rows of a shallow layer.
fn together(sources: &[Source], rows: &[f32], lanes: &mut Lanes, results: &mut Results<'_>) {
    let depth = lanes.depth();
    for (some, rows) in rows.chunks(LANES * depth).enumerate() {
        lanes.load(rows);
        for (j, source) in sources.iter().enumerate() {
            let Source::Lanes(means, tables) = source else {
                unreachable!("of deep layers")
            };
            let found = lanes.evaluate(means, tables);
            for lane in 0..rows.len() / depth {
                let value = |line: usize| found[line * LANES + lane];
                let shared = std::array::from_fn(value);
                let terms = (SHARED..found.len() / LANES).map(value);
                results.set(some * LANES + lane, j, shared, terms);
            }
        }
    }
}

/// How many successes each sample of each channel expects, and the third cumulants, `R × N`.
fn cumulants(weights: &[f32], rows: &[f32], depth: usize, n: usize) -> Vec<Cumulants> {
    let count = rows.len() / depth;
    // Both products at once.
    let mut both = Vec::with_capacity(2 * weights.len());
    for weights in weights.chunks_exact(n) {
        both.extend_from_slice(weights);
        both.extend(weights.iter().map(|m| m * (1.0 - m * m)));
    }
    let mut sums = vec![0.0; count * 2 * n];
    matrix::multiply(rows, &both, depth, 2 * n, &mut sums);
    let sums = sums.chunks_exact(2 * n);
    let cumulants = sums.flat_map(|sums| {
        let (first, third) = sums.split_at(n);
        first.iter().zip(third).map(|(first, third)| Cumulants {
            mean: 0.5 * (depth as f32 + first),
            third: -0.25 * third,
        })
    });
    cumulants.collect()
}

/// The series of a channel, about the sample whose third cumulant is nearest the average.
fn series(
    form: Form,
    curve: Curve,
    groups: &Groups,
    samples: impl Iterator<Item = Cumulants> + Clone,
    rows: &[f32],
) -> Option<Series> {
    let (mut count, mut total) = (0, 0.0);
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for sample in samples.clone() {
        (count, total) = (count + 1, total + f64::from(sample.third));
        (low, high) = (low.min(sample.mean), high.max(sample.mean));
    }
    let average = (total / f64::from(count)) as f32;
    let distance = |sample: &Cumulants| (sample.third - average).abs();
    let (nearest, sample) = samples
        .enumerate()
        .min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
    let depth = rows.len() / count as usize;
    let patterns: Vec<u8> = patterns(&rows[nearest * depth..][..depth]).collect();
    let reference = (groups, &patterns[..], sample);
    Series::new(
        form,
        curve,
        [low, high],
        reference,
        &mut Buffers::new(depth),
    )
}
