//! The exact distribution of a sum whose inputs are ±1, by convolution with four factors at a time.
//!
//! An input `x` and a weight of mean `m` make a factor that succeeds with probability `(1 + x
//! m)/2`, one of two numbers. So four factors have one of sixteen distributions, whatever the
//! sample: they are tabulated per group of four weights, and a row of inputs is a list of their
//! numbers. A convolution with one of them takes five products per entry. Only entries about the
//! mean are computed; how far from it depends on the variance, which is the same for every sample.

use crate::train::matrix;

/// Factors of a group.
const FACTORS: usize = 4;
/// The inputs of a group that there can be.
const PATTERNS: usize = 1 << FACTORS;
/// Entries of a group's distribution.
const TAPS: usize = FACTORS + 1;
/// Entries that are computed together.
pub(super) const LANES: usize = 8;
/// The half width of what is computed, in standard deviations of the factors so far and a little
/// more (Bernstein): by the inequality a step loses below 1e-6, and all steps of 800 factors
/// together lose about that.
const SIGMAS: f32 = 5.5;

/// The numbers of groups that so many factors make.
pub(super) fn groups(depth: usize) -> usize {
    depth.div_ceil(FACTORS)
}

/// Which of the sixteen patterns each group of a row's inputs is; a missing input counts as −1.
pub(super) fn patterns(row: &[f32]) -> impl Iterator<Item = u8> {
    row.chunks(FACTORS).map(|inputs| {
        let bits = inputs.iter().enumerate();
        bits.fold(0, |pattern, (bit, input)| {
            pattern | u8::from(*input > 0.0) << bit
        })
    })
}

/// The distributions of one channel's groups.
#[derive(Debug)]
pub(super) struct Groups {
    /// At `group · PATTERNS + pattern`.
    taps: Vec<[f32; TAPS]>,
    /// How many successes each pattern's distribution has on average.
    means: Vec<f32>,
    /// Whether all factors of the group are certain.
    certain: Vec<bool>,
    /// How far from the mean there is anything, after the group.
    reach: Vec<f32>,
}

impl Groups {
    /// Of weights with these means.
    pub(super) fn new(means: &[f32]) -> Self {
        let mut taps = Vec::with_capacity(groups(means.len()) * PATTERNS);
        let mut averages = Vec::with_capacity(groups(means.len()) * PATTERNS);
        let mut certain = Vec::with_capacity(groups(means.len()));
        let mut reach = Vec::with_capacity(groups(means.len()));
        let mut variance = 0.0;
        for means in means.chunks(FACTORS) {
            for pattern in 0..PATTERNS {
                let mut y = [0.0; TAPS];
                y[0] = 1.0;
                for (bit, mean) in means.iter().enumerate() {
                    let input = if pattern >> bit & 1 == 1 { 1.0 } else { -1.0 };
                    let p = 0.5 + 0.5 * input * mean;
                    for k in (1..TAPS).rev() {
                        y[k] = (1.0 - p) * y[k] + p * y[k - 1];
                    }
                    y[0] *= 1.0 - p;
                }
                taps.push(y);
                averages.push((1..TAPS).map(|k| k as f32 * y[k]).sum());
            }
            certain.push(means.iter().all(|mean| mean.abs() == 1.0));
            variance += means
                .iter()
                .map(|mean| 0.25 - 0.25 * mean * mean)
                .sum::<f32>();
            let square = SIGMAS * SIGMAS;
            reach.push(square / 6.0 + (square * square / 36.0 + square * variance).sqrt());
        }
        Self {
            taps,
            means: averages,
            certain,
            reach,
        }
    }

    /// `P(J = first + i)` at `i`, filled up with zeros to a multiple of [`LANES`]; and `first`.
    pub(super) fn distribution<'a>(
        &self,
        patterns: &[u8],
        buffers: &'a mut Buffers,
    ) -> (usize, &'a [f32]) {
        let [from, to] = &mut buffers.pair;
        let (mut from, mut to) = (from, to);
        from[..FACTORS + MARGIN].fill(0.0);
        from[FACTORS] = 1.0;
        // Where the first entry lies, how many there are, what number of successes is the first
        // one's, and how far above it the mean is.
        let (mut start, mut length, mut first, mut mean) = (FACTORS, 1, 0, 0.0);
        for (group, pattern) in patterns.iter().enumerate() {
            let index = group * PATTERNS + usize::from(*pattern);
            let taps = &self.taps[index];
            if self.certain[group] {
                first += taps.iter().position(|tap| *tap > 0.5).unwrap_or(0);
                continue;
            }
            let whole = (length + FACTORS).next_multiple_of(LANES);
            let source = &from[start - FACTORS..][..whole + FACTORS];
            let target = &mut to[FACTORS..][..whole + MARGIN];
            convolve(taps, source, &mut target[..whole]);
            let (_, margin) = target.split_last_chunk_mut::<MARGIN>().expect("as long");
            margin.fill(0.0);
            mean += self.means[index];
            let reach = self.reach[group];
            let last = length + FACTORS - 1;
            let low = ((mean - reach) as usize).min(last);
            let high = ((mean + reach) as usize + 1).min(last);
            (start, length, first) = (FACTORS + low, high + 1 - low, first + low);
            mean -= low as f32;
            std::mem::swap(&mut from, &mut to);
        }
        (first, &from[start..][..length.next_multiple_of(LANES)])
    }
}

/// `target[k] = Σ_i taps[i] · source[k + 4 − i]`.
fn convolve(taps: &[f32; TAPS], source: &[f32], target: &mut [f32]) {
    let shifted: [&[f32]; TAPS] = std::array::from_fn(|i| &source[FACTORS - i..][..target.len()]);
    let [a, b, c, d, e] = shifted;
    matrix::vectorised(
        #[inline(always)]
        || {
            for k in 0..target.len() {
                let outer = taps[0] * a[k] + taps[1] * b[k];
                let inner = taps[2] * c[k] + taps[3] * d[k];
                target[k] = outer + inner + taps[4] * e[k];
            }
        },
    );
}

/// Zeros after the entries, at least.
const MARGIN: usize = 3 * LANES;

/// Memory for distributions of so many factors.
pub(super) struct Buffers {
    pair: [Vec<f32>; 2],
    depth: usize,
}

impl Buffers {
    pub(super) fn new(depth: usize) -> Self {
        let length = FACTORS + (depth + 2 * FACTORS).next_multiple_of(LANES) + 2 * MARGIN;
        Self {
            pair: [vec![0.0; length], vec![0.0; length]],
            depth,
        }
    }
}

impl Buffers {
    /// How many factors there are.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}

/// `Σ_k y[k] · table[k]`; `y` is a multiple of [`LANES`] long, the table at least as long.
pub(super) fn dot(y: &[f32], table: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    matrix::vectorised(
        #[inline(always)]
        || {
            for (y, table) in y.chunks_exact(LANES).zip(table.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    lanes[lane] += y[lane] * table[lane];
                }
            }
        },
    );
    let half: [f32; 4] = std::array::from_fn(|i| lanes[i] + lanes[i + 4]);
    (half[0] + half[2]) + (half[1] + half[3])
}

#[cfg(test)]
mod tests {
    use super::{Buffers, Groups, groups, patterns};
    use crate::train::random::{Purpose, Random};

    /// Against the recursion in f64, of all depths that end a group differently and with certain
    /// weights among the others.
    #[test]
    fn distributions_are_those_of_one_factor_after_the_other() {
        let mut random = Random::new(3, Purpose::Initial, 0);
        for depth in [1, 2, 3, 4, 5, 36, 65, 800] {
            for certain in [0.0, 0.5, 0.97, 1.0] {
                let means: Vec<f32> = (0..depth)
                    .map(|_| {
                        let mean = 2.0 * random.uniform() - 1.0;
                        if random.uniform() < certain {
                            mean.signum()
                        } else {
                            mean
                        }
                    })
                    .collect();
                let row: Vec<f32> = (0..depth)
                    .map(|_| if random.uniform() < 0.7 { 1.0 } else { -1.0 })
                    .collect();
                let mut expected = vec![0.0f64; depth + 1];
                expected[0] = 1.0;
                for (x, m) in row.iter().zip(&means) {
                    let p = 0.5 + 0.5 * f64::from(x * m);
                    for k in (0..=depth).rev() {
                        let below = if k > 0 { expected[k - 1] } else { 0.0 };
                        expected[k] = (1.0 - p) * expected[k] + p * below;
                    }
                }
                let (table, mut buffers) = (Groups::new(&means), Buffers::new(depth));
                let patterns: Vec<u8> = patterns(&row).collect();
                assert_eq!(patterns.len(), groups(depth));
                // Twice, so that the second finds what the first has left behind.
                for _ in 0..2 {
                    let (first, y) = table.distribution(&patterns, &mut buffers);
                    for (k, expected) in expected.iter().enumerate() {
                        let found = k.checked_sub(first).and_then(|i| y.get(i)).unwrap_or(&0.0);
                        let difference = (f64::from(*found) - expected).abs();
                        assert!(difference < 1e-6, "{depth}: {k}: {expected}, found {found}");
                    }
                    let total: f32 = y.iter().sum();
                    assert!((total - 1.0).abs() < 3e-6, "{depth}: {total}");
                }
            }
        }
    }
}
