//! First layers: 8-bit unsigned input against ±1 weights, exactly, by bit planes.
//!
//! With `x = Σ_b 2ᵇ x_b` and a bit written as a sign, `x_b = (s_b + 1)/2`,
//!
//! ```text
//! Σ_k x_k w_k = Σ_b 2ᵇ Σ_k x_b,k w_k = Σ_b 2ᵇ (dot(s_b, w) + Σ_k w_k)/2 = (Σ_b 2ᵇ dot(s_b, w) + 255 Σ_k w_k)/2,
//! ```
//!
//! eight binary convolutions and a constant. Padding by −1 is a bit of 0 in all planes: a pixel of 0.

use super::{
    output::{Numbers, Prepared, Stage},
    tile::{Counts, Tile},
};

/// Adds up what the planes' sums stand for.
pub(super) struct PlaneSums<'a> {
    pub(super) numbers: Numbers<'a, i32>,
    pub(super) plane: u32,
    /// The sum of each output's weights.
    pub(super) totals: &'a [i32],
}

impl Stage for PlaneSums<'_> {
    fn split(self, lines: usize) -> (Self, Self) {
        let (before, after) = self.numbers.split(lines);
        (
            Self {
                numbers: before,
                ..self
            },
            Self {
                numbers: after,
                ..self
            },
        )
    }

    fn split_columns(self, columns: usize) -> (Self, Self) {
        let (before, after) = self.numbers.split_columns(columns);
        let totals = self.totals.split_at(columns);
        (
            Self {
                numbers: before,
                totals: totals.0,
                ..self
            },
            Self {
                numbers: after,
                totals: totals.1,
                ..self
            },
        )
    }

    #[inline(always)]
    fn store<T: Tile, const R: usize, const V: usize>(
        &mut self,
        _: T,
        row: usize,
        prepared: &Prepared,
        counts: &[Counts; R],
    ) {
        let totals = &self.totals[prepared.first..];
        for (row, counts) in (row..).zip(counts) {
            let out = self.numbers.row(row, prepared);
            for ((out, total), sum) in out.iter_mut().zip(totals).zip(prepared.sums(counts)) {
                // The last plane comes last, and halves; until then all is twice what it should be.
                let before = if self.plane == 0 { 255 * total } else { *out };
                let sum = before + (sum << self.plane);
                *out = if self.plane == 7 { sum / 2 } else { sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Error,
        bits::{BitMatrix, Shape},
        conformance::Generator,
        isa::Level,
        xnor::{Conv2d, Geometry, Options, PaddingValue, Scratch},
    };
    use std::{vec, vec::Vec};

    #[test]
    fn bytes_equal_loops_over_values() {
        let mut generator = Generator(1);
        let shape = Shape {
            batch: 2,
            height: 9,
            width: 8,
            channels: 3,
        };
        let geometry = Geometry {
            channels: 3,
            outputs: 67,
            kernel: [3, 4],
            stride: [2, 1],
            padding: [1, 2, 1, 0],
            padding_value: PaddingValue::MinusOne,
        };
        let options = Options {
            dilation: [1, 2],
            groups: 1,
        };
        let w = BitMatrix::from_fn(67, 36, |_, _| generator.below(2) == 1);
        let extremes = [0, 255, 128, 127];
        let input: Vec<u8> = (0..2 * 9 * 8 * 3)
            .map(|_| {
                if generator.below(2) == 1 {
                    generator.word() as u8
                } else {
                    extremes[generator.below(4)]
                }
            })
            .collect();
        for level in Level::available() {
            let conv = Conv2d::with_options(level, geometry, options, &w).unwrap();
            let output = conv.output_shape(shape).unwrap();
            let mut out = vec![i32::MIN; output.batch * output.height * output.width * 67];
            conv.sums_u8(&mut Scratch::default(), shape, &input, &mut out)
                .unwrap();
            let mut found = out.iter();
            for (image, y) in
                (0..output.batch).flat_map(|image| (0..output.height).map(move |y| (image, y)))
            {
                for (x, n) in (0..output.width).flat_map(|x| (0..67).map(move |n| (x, n))) {
                    let mut expected = 0;
                    for tap in 0..36 {
                        let (i, j, c) = (tap / 12, tap / 3 % 4, tap % 3);
                        let line = (2 * y + i).checked_sub(1).filter(|&line| line < 9);
                        let pixel = (x + 2 * j).checked_sub(2).filter(|&pixel| pixel < 8);
                        if let (Some(line), Some(pixel)) = (line, pixel) {
                            let value = i32::from(input[((image * 9 + line) * 8 + pixel) * 3 + c]);
                            expected += if w.get(n, tap) { value } else { -value };
                        }
                    }
                    assert_eq!(
                        *found.next().unwrap(),
                        expected,
                        "{level} at {image}, {y}, {x}, {n}"
                    );
                }
            }
        }
        let geometry = Geometry {
            padding_value: PaddingValue::PlusOne,
            ..geometry
        };
        let conv = Conv2d::with_options(Level::best(), geometry, options, &w).unwrap();
        let refused = conv.sums_u8(
            &mut Scratch::default(),
            shape,
            &input,
            &mut vec![0; 2 * 5 * 4 * 67],
        );
        assert!(
            matches!(refused, Err(Error::Dimension { .. })),
            "{refused:?}"
        );
    }
}
