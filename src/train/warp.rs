//! Small random warps of the training images: rotation, scale, shear, shift, mirroring, and the threshold that makes bits of grey.
//!
//! A pixel at `(y, x)`, from the middle of the result, takes the value at `(sy, sx)` from the middle of the image, between four pixels by
//! bilinear interpolation; outside the image there is paper, 0. With the angle θ, the scale s, the shear h and the shift `(ty, tx)`
//!
//! ```text
//! sx = (cos θ/s) (x − tx) + (h cos θ/s − sin θ/s) (y − ty)
//! sy = (sin θ/s) (x − tx) + (cos θ/s + h sin θ/s) (y − ty)
//! ```
//!
//! where a mirrored image has `−x` for `x`, and the bit is whether the value reaches the threshold. A net that reads grey values gets them so much brighter or darker as brings the
//! threshold to its usual place. Images without grey values count as black (255) on white (0).

use super::random::Random;
use crate::data::{Dataset, THRESHOLD};
use bernet_kernels::bits::Shape;
use serde::{Deserialize, Serialize};

/// How often and how far images are warped; every quantity is uniform within ± what is said.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warp {
    /// The probability that an image is warped, in which case it isn't moved otherwise.
    pub probability: f32,
    /// Degrees.
    pub rotation: f32,
    /// Share by which it grows or shrinks.
    pub scale: f32,
    /// Pixels across for each pixel down.
    pub shear: f32,
    /// Pixels each way.
    pub shift: f32,
    /// Grey values about the usual threshold.
    pub threshold: f32,
    /// The share of the warped images that are mirrored left to right: of things, not of digits.
    #[serde(default, skip_serializing_if = "super::config::is_default")]
    pub mirror: f32,
}

impl Warp {
    /// Mild warps of handwritten digits, as tuned on the straight-through net.
    pub const DIGITS: Self = Self {
        probability: 0.7,
        rotation: 6.0,
        scale: 0.05,
        shear: 0.05,
        shift: 1.0,
        threshold: 30.0,
        mirror: 0.0,
    };

    /// A warp, or none, for one image. It takes the same number of random numbers either way.
    pub(super) fn draw(&self, random: &mut Random) -> Option<Map> {
        let warps = random.uniform() < self.probability;
        let mut within = |most: f32| (2.0 * random.uniform() - 1.0) * most;
        let angle = within(self.rotation).to_radians();
        let scale = 1.0 + within(self.scale);
        let shear = within(self.shear);
        let shift = [within(self.shift), within(self.shift)];
        let (cosine, sine) = (angle.cos() / scale, angle.sin() / scale);
        let mut map = Map {
            across: [sine, cosine],
            down: [cosine + shear * sine, shear * cosine - sine],
            shift,
            threshold: f32::from(THRESHOLD) + within(self.threshold),
        };
        // Without mirroring the random numbers are those of before there was any.
        if self.mirror > 0.0 && random.uniform() < self.mirror {
            map.across = map.across.map(|step| -step);
        }
        warps.then_some(map)
    }
}

/// Where the pixels of a warped image come from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Map {
    /// How far the source moves (down, across) for a pixel to the right.
    across: [f32; 2],
    /// And for one down.
    down: [f32; 2],
    /// Subtracted from the place in the result (down, across).
    shift: [f32; 2],
    threshold: f32,
}

impl Map {
    /// The warped image's centre, line by line, as [`unpack`](super::batch::unpack) has it.
    pub(super) fn apply(
        &self,
        data: &Dataset,
        index: usize,
        centre: Shape,
        as_grey: bool,
        out: &mut [f32],
    ) {
        let Shape {
            height,
            width,
            channels,
            ..
        } = data.images().shape();
        let size = height * width * channels;
        let grey = data.grey().map(|grey| &grey[index * size..][..size]);
        let value = |y: i32, x: i32, channel: usize| -> f32 {
            let (Ok(y), Ok(x)) = (usize::try_from(y), usize::try_from(x)) else {
                return 0.0;
            };
            match grey {
                _ if y >= height || x >= width => 0.0,
                Some(grey) => f32::from(grey[(y * width + x) * channels + channel]),
                None => 255.0 * f32::from(u8::from(data.images().get(index, y, x, channel))),
            }
        };
        let middle = |size: usize| 0.5 * (size as f32 - 1.0);
        for (y, line) in out.chunks_exact_mut(centre.width * channels).enumerate() {
            let from_top = y as f32 - middle(centre.height) - self.shift[0];
            for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
                let from_left = x as f32 - middle(centre.width) - self.shift[1];
                let source = |axis: usize, size| {
                    self.across[axis] * from_left + self.down[axis] * from_top + middle(size)
                };
                let (sy, sx) = (source(0, height), source(1, width));
                let (top, left) = (sy.floor(), sx.floor());
                let (fy, fx) = (sy - top, sx - left);
                let (top, left) = (top as i32, left as i32);
                for (channel, pixel) in pixel.iter_mut().enumerate() {
                    let between = |y| {
                        let right = value(y, left.saturating_add(1), channel);
                        (1.0 - fx) * value(y, left, channel) + fx * right
                    };
                    let grey = (1.0 - fy) * between(top) + fy * between(top.saturating_add(1));
                    *pixel = if as_grey {
                        let threshold = self.threshold.max(1.0);
                        brightness((grey * f32::from(THRESHOLD) / threshold).min(255.0))
                    } else if grey >= self.threshold {
                        1.0
                    } else {
                        -1.0
                    };
                }
            }
        }
    }
}

/// A grey value between −1, paper, and +1. Sums of them are those of the values themselves but for a scale and a shift, which batch
/// normalisation takes out again.
pub(super) fn brightness(grey: f32) -> f32 {
    grey / 127.5 - 1.0
}

#[cfg(test)]
mod tests {
    use super::{Map, Warp};
    use crate::{
        data::Dataset,
        train::random::{Purpose, Random},
    };
    use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};

    const STILL: Map = Map {
        across: [0.0, 1.0],
        down: [1.0, 0.0],
        shift: [0.0, 0.0],
        threshold: 128.0,
    };

    /// One image of 6×8 with grey values that rise line by line and pixel by pixel.
    fn image(grey: bool) -> Dataset {
        let values: Vec<u8> = (0..48).map(|index| 5 * index).collect();
        let shape = Shape {
            batch: 1,
            height: 6,
            width: 8,
            channels: 1,
        };
        let lines = BitMatrix::from_fn(6, 8, |y, x| values[y * 8 + x] >= 128);
        let images = BitTensor::from_lines(shape, lines).expect("six lines");
        Dataset::new(images, vec![0], grey.then_some(values), 1).expect("one label")
    }

    fn ink(map: Map, grey: bool, height: usize, width: usize) -> Vec<usize> {
        let data = image(grey);
        let centre = Shape {
            height,
            width,
            ..data.image_shape()
        };
        let mut out = vec![0.0; height * width];
        map.apply(&data, 0, centre, false, &mut out);
        (0..out.len()).filter(|&index| out[index] > 0.0).collect()
    }

    #[test]
    fn no_warp_is_the_image_and_its_centre() {
        for grey in [false, true] {
            assert_eq!(ink(STILL, grey, 6, 8), (26..48).collect::<Vec<_>>());
            // Lines 1 to 4, pixels 2 to 5: of line 3, the values from 26 on are ink.
            assert_eq!(ink(STILL, grey, 4, 4), (8..16).collect::<Vec<_>>());
        }
    }

    /// As far as they go, and no further.
    #[test]
    fn grey_values_grow_as_the_threshold_falls() {
        let data = image(true);
        for (threshold, first, last) in [
            (128.0, 5.0, 235.0),
            (64.0, 10.0, 255.0),
            (256.0, 2.5, 117.5),
        ] {
            let map = Map { threshold, ..STILL };
            let mut out = vec![0.0; 48];
            map.apply(&data, 0, data.image_shape(), true, &mut out);
            let grey = |pixel: f32| 127.5 * (pixel + 1.0);
            assert!((grey(out[1]) - first).abs() < 1e-3, "{out:?}");
            assert!((grey(out[47]) - last).abs() < 1e-3, "{out:?}");
        }
    }

    #[test]
    fn shifts_and_turns_bring_pixels_from_where_they_were() {
        let down = Map {
            shift: [1.0, 0.0],
            ..STILL
        };
        assert_eq!(ink(down, true, 6, 8), (34..48).collect::<Vec<_>>());
        // Half a turn, cos −1.
        let turned = Map {
            across: [0.0, -1.0],
            down: [-1.0, 0.0],
            ..STILL
        };
        assert_eq!(ink(turned, true, 6, 8), (0..22).collect::<Vec<_>>());
        let lighter = Map {
            threshold: 90.0,
            ..STILL
        };
        assert_eq!(ink(lighter, true, 6, 8), (18..48).collect::<Vec<_>>());
        assert_eq!(ink(lighter, false, 6, 8), (26..48).collect::<Vec<_>>());
    }

    #[test]
    fn mirrored_images_have_their_pixels_from_right_to_left() {
        let mirrored = Map {
            across: [0.0, -1.0],
            ..STILL
        };
        // The pixels from 26 on are those from the third of line 3 on.
        let expected: Vec<usize> = (24..30).chain(32..48).collect();
        assert_eq!(ink(mirrored, true, 6, 8), expected);

        let warp = Warp {
            mirror: 0.5,
            ..Warp::DIGITS
        };
        let mut random = Random::new(1, Purpose::Warp, 0);
        let maps = (0..4_000).filter_map(|_| warp.draw(&mut random));
        let (mirrored, straight): (Vec<_>, Vec<_>) = maps.partition(|map| map.across[1] < 0.0);
        let share = mirrored.len() as f32 / (mirrored.len() + straight.len()) as f32;
        assert!((share - 0.5).abs() < 0.03, "{share}");
    }

    #[test]
    fn warps_stay_within_their_bounds() {
        let mut random = Random::new(1, Purpose::Warp, 0);
        let maps: Vec<_> = (0..4_000).map(|_| Warp::DIGITS.draw(&mut random)).collect();
        let share = maps.iter().flatten().count() as f32 / maps.len() as f32;
        assert!((share - 0.7).abs() < 0.03, "{share}");
        for map in maps.into_iter().flatten() {
            assert!(map.shift.iter().all(|shift| shift.abs() <= 1.0));
            assert!((map.threshold - 128.0).abs() <= 30.0);
            assert!((map.across[1] - 1.0).abs() < 0.06 && map.across[0].abs() < 0.12);
            assert!((map.down[0] - 1.0).abs() < 0.07 && map.down[1].abs() < 0.17);
        }
    }
}
