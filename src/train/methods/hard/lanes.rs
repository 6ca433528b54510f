//! Shallow layers: the distributions of many samples of a channel at a time, a sample a lane.
//!
//! Two factors at a time map `y_k ← a y_k + b y_{k−1} + c y_{k−2}`, where `a` is the probability
//! that both fail and `c` that both succeed. All of a distribution is computed: it is short. What
//! is wanted of it is a product of matrices.

use super::{
    distribution::vectorised,
    noise::{SHARED, Tables},
};
use crate::train::matrix;

/// Samples that are worked on together.
pub(super) const LANES: usize = 64;

/// Memory for the distributions of so many factors.
pub(super) struct Lanes {
    depth: usize,
    /// The inputs, factor by factor.
    inputs: Vec<f32>,
    /// Two entries of 0, then the distribution, then zeros.
    y: Vec<f32>,
    /// The probabilities of two factors, then what they make of an entry and the two below it.
    pair: [[f32; LANES]; 5],
    /// The results: a line of each table.
    results: Vec<f32>,
}

impl Lanes {
    pub(super) fn new(depth: usize) -> Self {
        Self {
            depth,
            inputs: vec![1.0; depth * LANES],
            y: Vec::new(),
            pair: [[0.0; LANES]; 5],
            results: Vec::new(),
        }
    }

    /// How many factors there are.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Takes the inputs of up to [`LANES`] rows; what is in the other lanes is not defined.
    pub(super) fn load(&mut self, rows: &[f32]) {
        for (lane, row) in rows.chunks_exact(self.depth).enumerate() {
            for (inputs, input) in self.inputs.chunks_exact_mut(LANES).zip(row) {
                inputs[lane] = *input;
            }
        }
    }

    /// The shared values and the terms, a line of [`LANES`] each, of weights with these means.
    pub(super) fn evaluate(&mut self, means: &[f32], tables: &Tables) -> &[f32] {
        let length = tables.length();
        self.y.clear();
        self.y.resize((2 + length) * LANES, 0.0);
        self.y[2 * LANES..3 * LANES].fill(1.0);
        let mut entries = 3;
        for (means, inputs) in means.chunks(2).zip(self.inputs.chunks(2 * LANES)) {
            let [first, second, both_fail, one, both] = &mut self.pair;
            // A factor that is missing always fails.
            second.fill(0.0);
            for (v, (mean, inputs)) in [&mut *first, &mut *second]
                .into_iter()
                .zip(means.iter().zip(inputs.chunks_exact(LANES)))
            {
                let half = 0.5 * mean;
                for (v, input) in v.iter_mut().zip(inputs) {
                    *v = 0.5 + half * input;
                }
            }
            for lane in 0..LANES {
                let [v, w] = [first[lane], second[lane]];
                both[lane] = v * w;
                both_fail[lane] = (1.0 - v) * (1.0 - w);
                one[lane] = v * (1.0 - w) + w * (1.0 - v);
            }
            entries += means.len();
            for at in (2..entries).rev() {
                let (low, this) = self.y.split_at_mut(at * LANES);
                let (lower, below) = low[(at - 2) * LANES..].split_at(LANES);
                combine(&mut this[..LANES], [below, lower], [both_fail, one, both]);
            }
        }
        let lines = tables.lines();
        self.results.resize(lines.len() / length * LANES, 0.0);
        debug_assert!(self.results.len() >= SHARED * LANES);
        matrix::multiply(
            lines,
            &self.y[2 * LANES..],
            length,
            LANES,
            &mut self.results,
        );
        &self.results
    }
}

/// `this ← a this + b below + c lower`, lane by lane.
#[inline]
fn combine(this: &mut [f32], [below, lower]: [&[f32]; 2], [a, b, c]: [&[f32]; 3]) {
    vectorised(|| {
        let n = this.len();
        let (below, lower, a, b, c) = (&below[..n], &lower[..n], &a[..n], &b[..n], &c[..n]);
        for i in 0..n {
            this[i] = a[i] * this[i] + b[i] * below[i] + c[i] * lower[i];
        }
    });
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
