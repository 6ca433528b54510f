//! From packed images to the numbers that the first layer takes.

use super::{
    random::{Purpose, Random},
    warp::{Map, Warp, brightness},
};
use crate::data::Dataset;
use bernet_kernels::bits::Shape;
use rayon::prelude::*;

/// One image of a batch: which, how far it is moved (down, right), or how it is warped instead.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pick {
    pub(crate) index: usize,
    pub(super) shift: [isize; 2],
    pub(super) warp: Option<Map>,
}

/// Moves each image with the given probability by −1, 0 or 1 pixels each way.
pub(crate) fn shifted(indices: &[usize], probability: f32, seed: u64, step: u64) -> Vec<Pick> {
    let mut random = Random::new(seed, Purpose::Shift, step);
    indices
        .iter()
        .map(|&index| {
            let moves = random.uniform() < probability;
            let mut offset = || random.below(3) as isize - 1;
            let shift = [offset(), offset()];
            Pick {
                index,
                shift: if moves { shift } else { [0, 0] },
                warp: None,
            }
        })
        .collect()
}

/// Warps some of the images.
pub(crate) fn warp(picks: &mut [Pick], warp: Warp, seed: u64, step: u64) {
    let mut random = Random::new(seed, Purpose::Warp, step);
    for pick in picks {
        pick.warp = warp.draw(&mut random);
    }
}

/// The picked images' centres, NHWC: their bits as ±1, or their values of 8 bits as [`brightness`]. What a shift brings in from outside the
/// image is −1.
pub(crate) fn unpack(data: &Dataset, picks: &[Pick], centre: Shape, grey: bool, out: &mut [f32]) {
    let images = data.images();
    let values = data.grey().filter(|_| grey);
    let shape = images.shape();
    let top = (shape.height - centre.height) / 2;
    let left = (shape.width - centre.width) / 2;
    out.par_chunks_mut(centre.height * centre.width * centre.channels)
        .zip(picks)
        .for_each(|(out, pick)| {
            if let Some(map) = pick.warp {
                return map.apply(data, pick.index, centre, grey, out);
            }
            for (y, line) in out
                .chunks_exact_mut(centre.width * centre.channels)
                .enumerate()
            {
                let from = (top + y).wrapping_add_signed(-pick.shift[0]);
                if from >= shape.height {
                    line.fill(-1.0);
                    continue;
                }
                let row = pick.index * shape.height + from;
                let words = images.lines().row(row);
                for (x, pixel) in line.chunks_exact_mut(centre.channels).enumerate() {
                    let from = (left + x).wrapping_add_signed(-pick.shift[1]);
                    for (channel, value) in pixel.iter_mut().enumerate() {
                        let bit = from.wrapping_mul(shape.channels).wrapping_add(channel);
                        *value = match values {
                            _ if from >= shape.width => -1.0,
                            Some(values) => {
                                let line = row * shape.width * shape.channels;
                                brightness(values[line + bit].into())
                            }
                            None if words[bit / 64] >> (bit % 64) & 1 == 1 => 1.0,
                            None => -1.0,
                        };
                    }
                }
            }
        });
}

/// Picks without a shift.
pub(crate) fn still(range: std::ops::Range<usize>) -> Vec<Pick> {
    range
        .map(|index| Pick {
            index,
            shift: [0, 0],
            warp: None,
        })
        .collect()
}

/// Whether every image is at least as large as the centre that is to be cut out of it, with the same channels.
pub(crate) fn fits(dataset: &Dataset, centre: Shape) -> bool {
    let shape = dataset.images().shape();
    shape.height >= centre.height
        && shape.width >= centre.width
        && shape.channels == centre.channels
}

#[cfg(test)]
mod tests {
    use super::{Pick, shifted, still, unpack};
    use crate::data::Dataset;
    use bernet_kernels::bits::{BitTensor, Shape};

    fn image() -> Dataset {
        let mut tensor = BitTensor::all_minus_one(Shape {
            batch: 1,
            height: 4,
            width: 4,
            channels: 1,
        });
        tensor.set(0, 1, 2, 0, true);
        tensor.set(0, 0, 0, 0, true);
        Dataset::new(tensor, vec![0], None, 1).expect("one label")
    }

    fn ink(picks: &[Pick], centre: Shape) -> Vec<usize> {
        let mut out = vec![0.0; centre.height * centre.width];
        unpack(&image(), picks, centre, false, &mut out);
        (0..out.len()).filter(|&index| out[index] > 0.0).collect()
    }

    #[test]
    fn centre_and_shift_move_the_ink() {
        let whole = Shape {
            batch: 1,
            height: 4,
            width: 4,
            channels: 1,
        };
        let centre = Shape {
            height: 2,
            width: 2,
            ..whole
        };
        assert_eq!(ink(&still(0..1), whole), [0, 6]);
        assert_eq!(ink(&still(0..1), centre), [1]);
        // Down by one, left by one: (1, 2) goes to (2, 1), (0, 0) leaves the image.
        assert_eq!(
            ink(
                &[Pick {
                    index: 0,
                    shift: [1, -1],
                    warp: None,
                }],
                whole
            ),
            [9]
        );
    }

    /// Paper comes in from outside; without grey values ink is 255.
    #[test]
    fn grey_values_move_as_bits_do() {
        let whole = image();
        let grey = (0..16).map(|value| 17 * value).collect();
        let (bits, labels) = (whole.images().clone(), whole.labels().to_vec());
        let data = Dataset::new(bits, labels, Some(grey), 1).expect("16 values");
        let values = |data: &Dataset, shift| {
            let pick = Pick {
                index: 0,
                shift,
                warp: None,
            };
            let mut out = vec![f32::NAN; 16];
            unpack(data, &[pick], data.image_shape(), true, &mut out);
            out.iter()
                .map(|pixel| (127.5 * (pixel + 1.0)).round() as u8)
                .collect::<Vec<_>>()
        };
        assert_eq!(values(&data, [0, 0]), data.grey().expect("some"));
        let right = values(&data, [0, 1]);
        assert_eq!(right[..5], [0, 0, 17, 34, 0]);
        assert_eq!(right[13..], [17 * 12, 17 * 13, 17 * 14]);
        assert_eq!(values(&whole, [0, 0]), whole.bytes()[..]);
        assert_eq!(whole.bytes()[..7], [255, 0, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn colours_move_together() {
        let shape = Shape {
            batch: 2,
            height: 3,
            width: 4,
            channels: 3,
        };
        let values: Vec<u8> = (0..72).map(|at| 3 * at as u8 + 20).collect();
        let data = Dataset::from_values(shape, values.clone(), vec![0, 1], 128, 2);
        let data = data.expect("72 values");
        let centre = Shape {
            height: 2,
            width: 3,
            ..shape
        };
        let pick = Pick {
            index: 1,
            shift: [1, -1],
            warp: None,
        };
        for bytes in [false, true] {
            let mut out = vec![f32::NAN; 18];
            unpack(&data, &[pick], centre, bytes, &mut out);
            // Up by one, which is outside at first, and right by one.
            let expected = (0..18).map(|at| match at / 9 {
                0 => -1.0,
                _ => {
                    let value = values[36 + 3 + at % 9];
                    match (bytes, value >= 128) {
                        (true, _) => super::brightness(value.into()),
                        (false, true) => 1.0,
                        (false, false) => -1.0,
                    }
                }
            });
            assert_eq!(out, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn shifts_happen_as_often_as_asked() {
        let picks = shifted(&(0..10_000).collect::<Vec<_>>(), 0.5, 3, 4);
        let moved = picks.iter().filter(|pick| pick.shift != [0, 0]).count() as f32;
        // Of those that move, one in nine moves by (0, 0).
        assert!((moved / 10_000.0 - 0.5 * 8.0 / 9.0).abs() < 0.02, "{moved}");
        assert!(
            shifted(&[1, 2, 3], 0.0, 3, 4)
                .iter()
                .all(|pick| pick.shift == [0, 0])
        );
    }
}
