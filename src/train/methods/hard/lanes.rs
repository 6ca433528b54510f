//! Shallow layers: the distributions of many samples of a channel at a time, a sample a lane.
//!
//! Four factors at a time map `y_k ← Σ_i c_i y_{k−i}`, where `c_i` is the probability that `i` of
//! them succeed. All of a distribution is computed: it is short. A vector of lanes goes through it
//! from the top: the four entries below stay in registers, so that a step loads one entry and
//! stores one. Coefficients and entries below [`TINY`] are taken as 0: where most weights are
//! certain nearly all entries would be subnormal numbers, each of which costs a hundred cycles.

use super::{
    leave_one_out::TERMS,
    noise::{SHARED, Tables},
};
use crate::train::matrix;

/// Samples that are worked on together.
pub(super) const LANES: usize = 64;
/// Lanes of a vector.
const WIDTH: usize = 16;
/// Vectors of the lanes.
const VECTORS: usize = LANES / WIDTH;
/// Factors of a step.
const FACTORS: usize = 4;
/// Coefficients of a step.
const TAPS: usize = FACTORS + 1;
/// Lines of results, at most.
const LINES: usize = SHARED + TERMS;

/// What is less counts as 0: the product of two that are not is no subnormal number.
const TINY: f32 = 1e-18;

type Vector = [f32; WIDTH];

/// Memory for the distributions of so many factors.
pub(super) struct Lanes {
    depth: usize,
    /// The inputs, vector by vector, then factor by factor; missing factors are 0.
    inputs: Vec<Vector>,
    /// [`FACTORS`] zeros, then the distribution of a vector of samples, then zeros.
    y: Vec<Vector>,
    /// The results: a line of each table.
    results: Vec<f32>,
}

impl Lanes {
    pub(super) fn new(depth: usize) -> Self {
        let whole = depth.next_multiple_of(FACTORS);
        Self {
            depth,
            inputs: vec![[0.0; WIDTH]; VECTORS * whole],
            y: vec![[0.0; WIDTH]; FACTORS + whole + 1],
            results: vec![0.0; LINES * LANES],
        }
    }

    /// How many factors there are.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Takes the inputs of up to [`LANES`] rows; what is in the other lanes is not defined.
    pub(super) fn load(&mut self, rows: &[f32]) {
        let whole = self.depth.next_multiple_of(FACTORS);
        for (lane, row) in rows.chunks_exact(self.depth).enumerate() {
            let inputs = &mut self.inputs[lane / WIDTH * whole..][..whole];
            for (inputs, input) in inputs.iter_mut().zip(row) {
                inputs[lane % WIDTH] = *input;
            }
        }
    }

    /// The shared values and the terms, a line of [`LANES`] each, of weights with these means.
    pub(super) fn evaluate(&mut self, means: &[f32], tables: &Tables) -> &[f32] {
        let whole = means.len().next_multiple_of(FACTORS);
        let lines = tables.lines().len() / tables.length();
        for (vector, inputs) in self.inputs.chunks_exact(whole).enumerate() {
            self.y.fill([0.0; WIDTH]);
            self.y[FACTORS] = [1.0; WIDTH];
            let (y, results) = (&mut self.y[..], &mut self.results[vector * WIDTH..]);
            matrix::vectorised(
                #[inline(always)]
                || {
                    for (step, means) in means.chunks(FACTORS).enumerate() {
                        let at = step * FACTORS;
                        let taps = taps(means, &inputs[at..][..FACTORS]);
                        // The highest number of successes so far is `at`.
                        add_factors(&taps, &mut y[..2 * FACTORS + at + 1]);
                    }
                    expect(&y[FACTORS..], tables.lines(), lines, results);
                },
            );
        }
        &self.results[..lines * LANES]
    }
}

/// The value, or 0 if it is tiny.
#[inline(always)]
fn flush(value: f32) -> f32 {
    if value < TINY { 0.0 } else { value }
}

/// A value of each lane.
#[inline(always)]
fn each(value: impl Fn(usize) -> f32) -> Vector {
    let mut values = [0.0; WIDTH];
    for lane in 0..WIDTH {
        values[lane] = value(lane);
    }
    values
}

/// The probabilities that 0 to 4 factors succeed, lane by lane; a missing factor always fails.
#[inline(always)]
fn taps(means: &[f32], inputs: &[Vector]) -> [Vector; TAPS] {
    let success = |factor: usize| match means.get(factor) {
        Some(mean) => each(|lane| 0.5 + 0.5 * mean * inputs[factor][lane]),
        None => [0.0; WIDTH],
    };
    let [a, b, c] = two(&success(0), &success(1));
    let [d, e, f] = two(&success(2), &success(3));
    let taps = [
        each(|i| a[i] * d[i]),
        each(|i| a[i] * e[i] + b[i] * d[i]),
        each(|i| a[i] * f[i] + b[i] * e[i] + c[i] * d[i]),
        each(|i| b[i] * f[i] + c[i] * e[i]),
        each(|i| c[i] * f[i]),
    ];
    taps.map(|tap| each(|i| flush(tap[i])))
}

/// The probabilities that none, one and both of two factors succeed.
#[inline(always)]
fn two(v: &Vector, w: &Vector) -> [Vector; 3] {
    [
        each(|i| (1.0 - v[i]) * (1.0 - w[i])),
        each(|i| v[i] * (1.0 - w[i]) + w[i] * (1.0 - v[i])),
        each(|i| v[i] * w[i]),
    ]
}

/// `y_k ← Σ_i taps_i y_{k−i}` for all entries after the first [`FACTORS`], from the last one down.
#[inline(always)]
fn add_factors(taps: &[Vector; TAPS], y: &mut [Vector]) {
    let last = y.len() - 1;
    let [mut a, mut b, mut c, mut d] = [y[last], y[last - 1], y[last - 2], y[last - 3]];
    for k in (FACTORS..=last).rev() {
        let e = y[k - FACTORS];
        let mut sum = [0.0; WIDTH];
        for lane in 0..WIDTH {
            let outer = taps[0][lane] * a[lane] + taps[1][lane] * b[lane];
            let inner = taps[2][lane] * c[lane] + taps[3][lane] * d[lane];
            sum[lane] = flush(outer + inner + taps[4][lane] * e[lane]);
        }
        y[k] = sum;
        (a, b, c, d) = (b, c, d, e);
    }
}

/// `Σ_k y_k line[k]` of each line of tables, to every [`LANES`]th place of the results.
#[inline(always)]
fn expect(y: &[Vector], tables: &[f32], lines: usize, results: &mut [f32]) {
    // Some lines at a time, so that an addition need not wait for the one before it.
    const TOGETHER: usize = 3;
    let length = tables.len() / lines;
    let line = |line: usize| &tables[line * length..][..y.len()];
    let mut at = 0;
    while at + TOGETHER <= lines {
        let sums = dots::<TOGETHER>(y, std::array::from_fn(|i| line(at + i)));
        for sum in sums {
            results[at * LANES..][..WIDTH].copy_from_slice(&sum);
            at += 1;
        }
    }
    for at in at..lines {
        let [sum] = dots(y, [line(at)]);
        results[at * LANES..][..WIDTH].copy_from_slice(&sum);
    }
}

/// The products of a vector of distributions with some lines.
#[inline(always)]
fn dots<const N: usize>(y: &[Vector], lines: [&[f32]; N]) -> [Vector; N] {
    let mut sums = [[0.0; WIDTH]; N];
    for (k, y) in y.iter().enumerate() {
        for (sum, line) in sums.iter_mut().zip(lines) {
            let factor = line[k];
            for lane in 0..WIDTH {
                sum[lane] += factor * y[lane];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            distribution::{Buffers, Groups, patterns},
            leave_one_out::{Form, TERMS},
            noise::{Curve, SHARED, Tables},
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
        for depth in [1usize, 2, 7, 36, 64] {
            let mean = |k| if k % 5 == 4 { 1.0 } else { number() };
            let means: Vec<f32> = (0..depth).map(mean).collect();
            let curve = Curve {
                noise: Noise::HeavyTailed,
                threshold: 0.5 * depth as f64,
                width: 2.5,
            };
            let (groups, mut buffers) = (Groups::new(&means), Buffers::new(depth));
            let mut lanes = Lanes::new(depth);
            // The second time some lanes are missing.
            for count in [LANES, 3] {
                let rows: Vec<f32> = (0..count * depth).map(|_| number().signum()).collect();
                lanes.load(&rows);
                for form in [Form::Three, Form::Five, Form::Extended, Form::Precise] {
                    let tables = Tables::new(curve, form, depth);
                    let found = lanes.evaluate(&means, &tables);
                    for (lane, row) in rows.chunks_exact(depth).enumerate() {
                        let patterns: Vec<u8> = patterns(row).collect();
                        let (first, y) = groups.distribution(&patterns, &mut buffers);
                        let mut terms = [0.0; TERMS];
                        let terms = &mut terms[..form.terms()];
                        let shared: [f32; SHARED] = tables.expect(first, y, terms);
                        for (i, right) in shared.iter().chain(&*terms).enumerate() {
                            let difference = (found[i * LANES + lane] - right).abs();
                            assert!(difference < 5e-6, "{depth} {form:?} {lane} {i}");
                        }
                    }
                }
            }
        }
    }
}
