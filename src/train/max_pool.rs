//! Max pools in training: the largest activation of each window, channel by channel.
//!
//! On ±1 this is the OR that the deployed net computes. What it hands back depends on what the activations are:
//!
//! * values of a monotone function of `u = γ(S − μ)/σ + β`: the gradient goes to the tap with the largest `u`, which decides the
//!   maximum, also where several taps are +1;
//! * means `m` of independent variables, +1 with probability `(1 + m)/2`: the maximum is −1 where all are, so that its mean is
//!   `1 − 2 Π (1 − m_i)/2` and the derivative by `m_i` the product over the others.
//!
//! Shapes: `B` images of `height × width × N` activations in, `B` of the pool's output size and `N` out; NHWC.

use super::{
    layer::{Cache, Window},
    matrix,
};
use bernet_kernels::bits::Shape;
use rayon::prelude::*;

/// What a method's activations are, as far as a pool has to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Pooling {
    /// Values that grow with the normalised sum.
    #[default]
    Values,
    /// Means of independent ±1 variables.
    Means,
}

/// A pool with the shapes (of one image) before and after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pool {
    pub(crate) window: Window,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
}

impl Pool {
    /// Calls `tap(output position, tap of the window, input position)` for every tap of every window.
    #[inline(always)]
    fn for_each_tap(&self, mut tap: impl FnMut(usize, usize, usize)) {
        let Window { kernel, stride } = self.window;
        for y in 0..self.output.height {
            for x in 0..self.output.width {
                for ky in 0..kernel[0] {
                    for kx in 0..kernel[1] {
                        let pixel = (y * stride[0] + ky) * self.input.width + x * stride[1] + kx;
                        tap(y * self.output.width + x, ky * kernel[1] + kx, pixel);
                    }
                }
            }
        }
    }

    /// The sum of each window, channel by channel, of images of this pool's input.
    pub(crate) fn sums(&self, values: &[i32]) -> Vec<i32> {
        let n = self.output.channels;
        let (inside, outside) = (Self::values(self.input), Self::values(self.output));
        let mut sums = vec![0; values.len() / inside * outside];
        for (sums, values) in sums
            .chunks_exact_mut(outside)
            .zip(values.chunks_exact(inside))
        {
            self.for_each_tap(|to, _, from| {
                let taps = &values[from * n..][..n];
                for (sum, tap) in sums[to * n..][..n].iter_mut().zip(taps) {
                    *sum += tap;
                }
            });
        }
        sums
    }

    fn values(shape: Shape) -> usize {
        shape.height * shape.width * shape.channels
    }
}

/// A pool and what a batch leaves behind in it; the buffers are kept from batch to batch.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) pool: Pool,
    /// The pool's activations.
    pub(crate) output: Vec<f32>,
    /// dLoss/d(output).
    pub(crate) gradient: Vec<f32>,
    /// The largest `γ(S − μ)/σ` of each window so far, and the tap that has it.
    keys: Vec<f32>,
    winners: Vec<u32>,
}

impl Pooled {
    pub(crate) fn new(pool: Pool) -> Self {
        Self {
            pool,
            output: Vec::new(),
            gradient: Vec::new(),
            keys: Vec::new(),
            winners: Vec::new(),
        }
    }

    /// From the activations (and, for [`Pooling::Values`], the normalised sums) of a layer with these `γ` to the pool's output.
    pub(crate) fn forward(&mut self, pooling: Pooling, gamma: &[f32], cache: &Cache) {
        let pool = self.pool;
        let (n, inside, outside) = (
            pool.output.channels,
            Pool::values(pool.input),
            Pool::values(pool.output),
        );
        let size = cache.output.len() / inside * outside;
        for buffer in [&mut self.output, &mut self.gradient] {
            buffer.resize(size, 0.0);
        }
        match pooling {
            Pooling::Values => {
                self.keys.resize(size, 0.0);
                self.winners.resize(size, 0);
                let results = self
                    .keys
                    .par_chunks_mut(outside)
                    .zip(self.winners.par_chunks_mut(outside))
                    .zip(self.output.par_chunks_mut(outside));
                let inputs = cache
                    .sums
                    .par_chunks(inside)
                    .zip(cache.output.par_chunks(inside));
                results
                    .zip(inputs)
                    .for_each(|(((keys, winners), output), (sums, activations))| {
                        keys.fill(f32::NEG_INFINITY);
                        matrix::vectorised(
                            #[inline(always)]
                            || {
                                pool.for_each_tap(|to, tap, from| {
                                    let keys = &mut keys[to * n..][..n];
                                    let winners = &mut winners[to * n..][..n];
                                    let output = &mut output[to * n..][..n];
                                    let sums = &sums[from * n..][..n];
                                    let activations = &activations[from * n..][..n];
                                    let gamma = &gamma[..n];
                                    for j in 0..n {
                                        let key = gamma[j] * sums[j];
                                        // The first of equals, and the first tap whatever it is.
                                        let larger = tap == 0 || key > keys[j];
                                        keys[j] = if larger { key } else { keys[j] };
                                        winners[j] = if larger { tap as u32 } else { winners[j] };
                                        output[j] = if larger { activations[j] } else { output[j] };
                                    }
                                });
                            },
                        );
                    });
            }
            Pooling::Means => {
                let images = self
                    .output
                    .par_chunks_mut(outside)
                    .zip(cache.output.par_chunks(inside));
                images.for_each(|(output, means)| {
                    output.fill(1.0);
                    pool.for_each_tap(|to, _, from| {
                        let means = &means[from * n..][..n];
                        for (none, mean) in output[to * n..][..n].iter_mut().zip(means) {
                            *none *= 0.5 * (1.0 - mean);
                        }
                    });
                    for value in output {
                        *value = 1.0 - 2.0 * *value;
                    }
                });
            }
        }
    }

    /// From dLoss/d(the pool's output) to dLoss/d(the layer's output), in `cache.gradient`.
    pub(crate) fn backward(&self, pooling: Pooling, cache: &mut Cache) {
        let pool = self.pool;
        let (n, inside, outside) = (
            pool.output.channels,
            Pool::values(pool.input),
            Pool::values(pool.output),
        );
        match pooling {
            Pooling::Values => {
                let upstream = self
                    .gradient
                    .par_chunks(outside)
                    .zip(self.winners.par_chunks(outside));
                cache
                    .gradient
                    .par_chunks_mut(inside)
                    .zip(upstream)
                    .for_each(|(gradient, (upstream, winners))| {
                        gradient.fill(0.0);
                        matrix::vectorised(
                            #[inline(always)]
                            || {
                                pool.for_each_tap(|to, tap, from| {
                                    let gradient = &mut gradient[from * n..][..n];
                                    let upstream = &upstream[to * n..][..n];
                                    let winners = &winners[to * n..][..n];
                                    for j in 0..n {
                                        let wins = winners[j] == tap as u32;
                                        gradient[j] += if wins { upstream[j] } else { 0.0 };
                                    }
                                });
                            },
                        );
                    });
            }
            Pooling::Means => {
                let inputs = self
                    .gradient
                    .par_chunks(outside)
                    .zip(cache.output.par_chunks(inside));
                cache.gradient.par_chunks_mut(inside).zip(inputs).for_each(
                    |(gradient, (upstream, means))| {
                        gradient.fill(0.0);
                        means_backward(&pool, upstream, means, gradient);
                    },
                );
            }
        }
    }
}

/// Adds to an image's `gradient`, for each tap, `upstream · Π_{others} (1 − m)/2`.
fn means_backward(pool: &Pool, upstream: &[f32], means: &[f32], gradient: &mut [f32]) {
    let n = pool.output.channels;
    let mut others = vec![0.0; n];
    pool.for_each_tap(|to, tap, from| {
        others.copy_from_slice(&upstream[to * n..][..n]);
        let Window { kernel, .. } = pool.window;
        // The window's first pixel.
        let first = from - (tap / kernel[1] * pool.input.width + tap % kernel[1]);
        for other in (0..kernel[0] * kernel[1]).filter(|&other| other != tap) {
            let pixel = first + other / kernel[1] * pool.input.width + other % kernel[1];
            for (others, mean) in others.iter_mut().zip(&means[pixel * n..][..n]) {
                *others *= 0.5 * (1.0 - mean);
            }
        }
        matrix::add(&mut gradient[from * n..][..n], &others);
    });
}

#[cfg(test)]
mod tests {
    use super::{Pool, Pooled, Pooling, Window};
    use crate::train::{
        layer::Cache,
        random::{Purpose, Random},
    };
    use bernet_kernels::bits::Shape;

    const IMAGES: usize = 3;

    /// Overlapping windows of 3×2 over 7×6 pixels of 5 channels.
    fn pool() -> Pool {
        let shape = |height, width| Shape {
            batch: 1,
            height,
            width,
            channels: 5,
        };
        Pool {
            window: Window {
                kernel: [3, 2],
                stride: [2, 1],
            },
            input: shape(7, 6),
            output: shape(3, 5),
        }
    }

    /// Means in random order, no two closer than 0.0028, and a cache in which they are the activations of sums that grow with them.
    fn cache(random: &mut Random) -> Cache {
        let count = IMAGES * 7 * 6 * 5;
        let order = random.permutation(count).into_iter();
        let means: Vec<f32> = order
            .map(|place| 1.8 * place as f32 / count as f32 - 0.9)
            .collect();
        Cache {
            sums: means.clone(),
            gradient: vec![0.0; means.len()],
            output: means,
            ..Cache::default()
        }
    }

    /// The pool's output as its definition says.
    fn plain(pooling: Pooling, means: &[f32]) -> Vec<f32> {
        let at = |image, y, x, channel| means[((image * 7 + y) * 6 + x) * 5 + channel];
        let mut output = Vec::new();
        for image in 0..IMAGES {
            for y in 0..3 {
                for x in 0..5 {
                    for channel in 0..5 {
                        let taps = (0..3).flat_map(|ky| (0..2).map(move |kx| (ky, kx)));
                        let taps = taps.map(|(ky, kx)| at(image, 2 * y + ky, x + kx, channel));
                        output.push(match pooling {
                            Pooling::Values => taps.fold(f32::NEG_INFINITY, f32::max),
                            Pooling::Means => {
                                1.0 - 2.0 * taps.map(|mean| (1.0 - mean) / 2.0).product::<f32>()
                            }
                        });
                    }
                }
            }
        }
        output
    }

    #[test]
    fn outputs_are_the_definition_and_gradients_its_differences() {
        let mut random = Random::new(5, Purpose::Initial, 0);
        for pooling in [Pooling::Values, Pooling::Means] {
            let mut cache = cache(&mut random);
            let mut pooled = Pooled::new(pool());
            pooled.forward(pooling, &[1.0; 5], &cache);
            let expected = plain(pooling, &cache.output);
            assert_eq!(pooled.output.len(), expected.len());
            for (found, expected) in pooled.output.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
            let upstream: Vec<f32> = expected.iter().map(|_| random.uniform() - 0.5).collect();
            pooled.gradient.copy_from_slice(&upstream);
            pooled.backward(pooling, &mut cache);
            let weighted = |means: &[f32]| -> f64 {
                let output = plain(pooling, means);
                let terms = output.iter().zip(&upstream);
                terms.map(|(out, up)| f64::from(out * up)).sum()
            };
            for index in (0..cache.output.len()).step_by(7) {
                let mut means = cache.output.clone();
                means[index] += 1e-3;
                let above = weighted(&means);
                means[index] -= 2e-3;
                let numeric = (above - weighted(&means)) / 2e-3;
                let difference = (numeric - f64::from(cache.gradient[index])).abs();
                assert!(difference < 2e-3, "{pooling:?} {index}: {numeric}");
            }
        }
    }

    #[test]
    fn a_falling_channel_is_decided_by_its_smallest_sum() {
        let mut random = Random::new(6, Purpose::Initial, 0);
        let mut cache = cache(&mut random);
        for output in &mut cache.output {
            *output = if -*output >= 0.0 { 1.0 } else { -1.0 };
        }
        let mut pooled = Pooled::new(pool());
        pooled.forward(Pooling::Values, &[-1.0; 5], &cache);
        assert_eq!(pooled.output, plain(Pooling::Values, &cache.output));
    }
}
