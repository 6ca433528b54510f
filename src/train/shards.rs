//! A batch in shards, for several processes: the sums of gradients do not depend on who adds them.
//!
//! The images of a batch are cut into `shards` ranges. Each shard is a batch of its own: it has its
//! own batch statistics and its own noise. Its gradient, times its share of the images, is rounded
//! to a multiple of 2⁻⁴⁰; such numbers have the same sum in any order. So the trained net depends
//! on the number of shards, which is part of the configuration, and not on how many processes share
//! them. Everything else of a step (drawing weights, the optimiser) is done by each process alike.

use super::loss::Loss;

/// The processes that train a net together, each with the same data and configuration.
///
/// All of them call the same methods in the same order; a call returns when all have made it.
pub trait Processes: Send + Sync {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;
    /// How many there are.
    fn count(&self) -> usize;
    /// Adds up the numbers of all processes, place by place; each then has the sums.
    fn add(&self, numbers: &mut [i64]);
    /// Gives the bytes of process 0 to all.
    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8>;
}

/// One process.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Processes for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn add(&self, _: &mut [i64]) {}

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

/// What numbers are multiplied by before they are rounded.
const UNIT: f64 = (1u64 << 40) as f64;
/// The largest number that is added; sums of shares of such numbers are far from i64's end.
const LARGEST: f64 = (1u64 << 20) as f64;

/// Numbers before the gradients: processes that want to stop, numbers that are not finite or too
/// large, images answered right, the mean loss.
const BEFORE: usize = 4;
const STOPS: usize = 0;
const BAD: usize = 1;
const RIGHT: usize = 2;
const LOSS: usize = 3;

/// A batch's loss and gradients, as far as they have been added.
pub(super) struct Sum {
    numbers: Vec<i64>,
}

impl Sum {
    /// Nothing yet, of so many gradients; `stop` is this process's wish to end the training.
    pub(super) fn new(gradients: usize, stop: bool) -> Self {
        let mut numbers = vec![0; BEFORE + gradients];
        numbers[STOPS] = i64::from(stop);
        Self { numbers }
    }

    /// Adds a shard with its share of the batch's images.
    pub(super) fn add<'a>(
        &mut self,
        loss: Loss,
        images: usize,
        share: f64,
        gradients: impl Iterator<Item = &'a [f32]>,
    ) {
        self.numbers[RIGHT] += loss.right as i64;
        let mut bad = 0;
        let mut add = |number: &mut i64, value: f64| {
            let value = value * share;
            if value.abs() <= LARGEST {
                *number += (value * UNIT).round() as i64;
            } else {
                bad += 1;
            }
        };
        add(&mut self.numbers[LOSS], loss.total / images as f64);
        let mut numbers = self.numbers[BEFORE..].iter_mut();
        for gradient in gradients {
            for (number, value) in numbers.by_ref().zip(gradient) {
                add(number, f64::from(*value));
            }
        }
        debug_assert!(numbers.next().is_none(), "a number for each gradient");
        self.numbers[BAD] += bad;
    }

    /// The sum over all processes.
    pub(super) fn total(mut self, processes: &dyn Processes) -> Self {
        processes.add(&mut self.numbers);
        self
    }

    /// Whether any process wants to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.numbers[STOPS] != 0
    }

    /// The loss of a batch of so many images; infinite where anything was too large to be added.
    pub(super) fn loss(&self, images: usize) -> Loss {
        let total = if self.numbers[BAD] == 0 {
            self.numbers[LOSS] as f64 / UNIT * images as f64
        } else {
            f64::INFINITY
        };
        Loss {
            total,
            right: self.numbers[RIGHT] as usize,
            scale_gradient: 0.0,
        }
    }

    /// Sets the gradients to the sums.
    pub(super) fn write<'a>(&self, gradients: impl Iterator<Item = &'a mut [f32]>) {
        let mut numbers = self.numbers[BEFORE..].iter();
        for gradient in gradients {
            for (value, number) in gradient.iter_mut().zip(numbers.by_ref()) {
                *value = (*number as f64 / UNIT) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Loss, Sum};

    #[test]
    fn sums_do_not_depend_on_their_order() {
        let values = [[0.1f32, -3e-7], [1e5, 2.5e-7], [-1e5, 1e-3]];
        let total = |order: [usize; 3]| {
            let mut sum = Sum::new(2, false);
            for index in order {
                let gradients = [&values[index][..1], &values[index][1..]];
                let loss = Loss {
                    total: 0.3,
                    right: 1,
                    scale_gradient: 0.0,
                };
                sum.add(loss, 4, 1.0 / 3.0, gradients.into_iter());
            }
            let mut gradients = [0.0; 2];
            sum.write(std::iter::once(&mut gradients[..]));
            (gradients, sum.loss(12))
        };
        let first = total([0, 1, 2]);
        assert_eq!(first, total([2, 0, 1]));
        assert!((first.0[0] - 0.1 / 3.0).abs() < 1e-7, "{first:?}");
        assert!((first.1.total - 0.9).abs() < 1e-9 && first.1.right == 3);
    }

    #[test]
    fn what_cannot_be_added_makes_the_loss_infinite() {
        for bad in [f32::NAN, f32::INFINITY, 1e7] {
            let mut sum = Sum::new(1, true);
            sum.add(Loss::default(), 1, 1.0, std::iter::once(&[bad][..]));
            assert!(sum.loss(1).total.is_infinite() && sum.is_stopped());
        }
    }
}
