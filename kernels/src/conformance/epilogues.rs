//! Epilogues that make numbers and their signs, held against the scalar steps of [`Transform::apply`], bit for bit.

use super::{Generator, apart, together};
use crate::{
    Error,
    bits::{BitMatrix, BitViewMut, Shape},
    xnor::{Activation, Epilogue, PixelBias, Residual, Rows, RowsMut, Signs, Transform},
};
use alloc::{format, string::String, vec::Vec};

/// A random epilogue.
pub(super) struct Case {
    clamp: [i32; 2],
    scale: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    /// Kinds of the lines, kinds of the pixels, and their terms.
    pixel_bias: Option<([Vec<u8>; 2], Vec<f32>)>,
    activations: [usize; 2],
    /// Slopes and shifts.
    slopes: [Vec<f32>; 3],
    residual: usize,
    /// The residual, or what the output holds before.
    added: Vec<f32>,
    stride: usize,
    at_least: Option<Vec<f32>>,
    kind: usize,
    gap: usize,
    shape: Shape,
}

impl Case {
    pub(super) fn random(generator: &mut Generator, shape: Shape) -> Self {
        let outputs = shape.channels;
        let rows = shape.rows() * shape.width;
        let stride = outputs + generator.below(3);
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count)
                .map(|_| generator.below(1 << 16) as f32 / 2051.0 - 15.0)
                .collect()
        };
        let (scale, bias, at_least) = (numbers(outputs), numbers(outputs), numbers(outputs));
        let slopes = [numbers(outputs), numbers(outputs), numbers(outputs)];
        let terms = numbers(8 * outputs);
        let added = numbers((rows - 1) * stride + outputs);
        let mut maybe = |values| (generator.below(3) > 0).then_some(values);
        let (scale, bias, at_least) = (maybe(scale), maybe(bias), maybe(at_least));
        let clamp = match generator.below(4) {
            0 => [0, i32::MAX],
            1 => [-7, 5],
            _ => [i32::MIN, i32::MAX],
        };
        let mut kinds =
            |count: usize| -> Vec<u8> { (0..count).map(|_| generator.below(3) as u8).collect() };
        let kinds = [kinds(shape.height), kinds(shape.width)];
        let [lines, pixels] = &kinds;
        let without_terms = PixelBias {
            lines,
            pixels,
            bias: &[],
        };
        let terms = terms[..without_terms.terms_len(outputs)].to_vec();
        Self {
            clamp,
            scale,
            bias,
            pixel_bias: (generator.below(3) == 0).then_some((kinds, terms)),
            activations: [generator.below(6), generator.below(6)],
            slopes,
            residual: generator.below(3),
            added,
            stride,
            at_least,
            kind: generator.below(3),
            gap: generator.below(3),
            shape,
        }
    }

    fn activation(&self, index: usize) -> Activation<'_> {
        let [before, slopes, after] = &self.slopes;
        match index {
            0 => Activation::RELU,
            1 => Activation::RELU6,
            2 => Activation::HARD_TANH,
            3 => Activation::Prelu(slopes),
            4 => Activation::ShiftedPrelu {
                before,
                slopes,
                after,
            },
            _ => Activation::None,
        }
    }

    fn transform(&self) -> Transform<'_> {
        Transform {
            clamp: self.clamp,
            offset: self.clamp[1] % 5,
            scale: self.scale.as_deref(),
            bias: self.bias.as_deref(),
            pixel_bias: self
                .pixel_bias
                .as_ref()
                .map(|([lines, pixels], bias)| PixelBias {
                    lines,
                    pixels,
                    bias,
                }),
            activation: self.activation(self.activations[0]),
            residual: match self.residual {
                0 => Residual::None,
                1 => Residual::Rows(Rows::new(&self.added, self.stride)),
                _ => Residual::Out,
            },
            last: self.activation(self.activations[1]),
        }
    }

    /// Runs the epilogue, whose sums are `sums`, row by row.
    pub(super) fn check(
        &self,
        sums: &[i32],
        mut run: impl FnMut(Epilogue<'_>) -> Result<(), Error>,
    ) -> Result<(), String> {
        let (outputs, transform) = (self.shape.channels, self.transform());
        let mut numbers = self.added.clone();
        let clear = BitMatrix::from_fn(self.shape.rows(), self.shape.columns(), |y, x| {
            (x ^ y) & 1 == 0
        });
        let (mut words, stride) = apart(clear.view(), self.gap);
        let out = BitViewMut::new(&mut words, self.shape, stride);
        let signs = Signs {
            at_least: self.at_least.as_deref(),
            out: out.map_err(|error| format!("{error}"))?,
        };
        let out = RowsMut::new(&mut numbers, self.stride);
        let epilogue = match self.kind {
            0 => Epilogue::Numbers { transform, out },
            1 => Epilogue::NumbersAndSigns {
                transform,
                out,
                signs,
            },
            _ => Epilogue::Signs { transform, signs },
        };
        let name = format!("{:?}, kind {}", transform, self.kind);
        match (run(epilogue), self.kind, self.residual) {
            (Err(Error::Epilogue(_)), 2, 2) => return Ok(()),
            (Ok(()), 2, 2) => return Err(format!("{name}: added to numbers that are not kept")),
            (result, ..) => result.map_err(|error| format!("{name}: {error}"))?,
        }
        let bits = together(&words, clear.view(), stride)?;
        let mut expected_numbers = self.added.clone();
        let mut expected_bits = clear.clone();
        let terms = transform.pixel_bias.map(|bias| bias.terms(outputs));
        for (index, &sum) in sums.iter().enumerate() {
            let (row, channel) = (index / outputs, index % outputs);
            let at = row * self.stride + channel;
            let place = [
                row / self.shape.width % self.shape.height,
                row % self.shape.width,
            ];
            let terms = terms.as_ref().and_then(|terms| terms(place));
            let term = terms.map(|terms| terms[channel]);
            let x = transform.apply(sum, channel, term, self.added[at]);
            let least = self.at_least.as_ref().map_or(0.0, |values| values[channel]);
            if self.kind < 2 {
                expected_numbers[at] = x;
            }
            if self.kind > 0 {
                let (line, pixel) = (row / self.shape.width, row % self.shape.width);
                expected_bits.set(line, pixel * outputs + channel, x >= least);
            }
        }
        let differs = numbers
            .iter()
            .zip(&expected_numbers)
            .position(|(found, expected)| found.to_bits() != expected.to_bits());
        if let Some(at) = differs {
            return Err(format!(
                "{name}: number {at}: expected {}, found {}",
                expected_numbers[at], numbers[at]
            ));
        }
        if bits != expected_bits {
            return Err(format!("{name}: signs differ"));
        }
        Ok(())
    }
}

/// All parts of an epilogue must suit the output.
#[cfg(test)]
#[test]
fn what_does_not_suit_is_refused() {
    let weights =
        crate::xnor::PackedWeights::new(crate::isa::Level::best(), &BitMatrix::all_minus_one(2, 3))
            .unwrap();
    let a = BitMatrix::all_minus_one(2, 3);
    let mut out = [0.0; 4];
    let mut refused = |transform: Transform<'_>, text: &str| {
        let out = (&mut out).into();
        let epilogue = Epilogue::Numbers { transform, out };
        let error = crate::xnor::gemm(&a, &weights, epilogue).unwrap_err();
        assert_eq!(format!("{error}"), text);
    };
    let plain = Transform::default();
    let (one, slopes) = ([1.0], Activation::Prelu(&[1.0]));
    refused(
        Transform {
            scale: Some(&one),
            ..plain
        },
        "scale (outputs): expected 2, found 1",
    );
    refused(
        Transform {
            bias: Some(&one),
            ..plain
        },
        "bias (outputs): expected 2, found 1",
    );
    for (lines, pixels, bias, text) in [
        (
            &[][..],
            &[0][..],
            &[][..],
            "lines of the pixel bias (height): expected 1, found 0",
        ),
        (
            &[0],
            &[0, 0],
            &[],
            "pixels of the pixel bias (width): expected 1, found 2",
        ),
        (
            &[1],
            &[0],
            &[1.0],
            "terms of the pixel bias (kinds · outputs): expected 2, found 1",
        ),
        (
            &[0],
            &[0],
            &[1.0],
            "terms of the pixel bias (kinds · outputs): expected 0, found 1",
        ),
    ] {
        let pixel_bias = Some(PixelBias {
            lines,
            pixels,
            bias,
        });
        refused(
            Transform {
                pixel_bias,
                ..plain
            },
            text,
        );
    }
    refused(
        Transform {
            last: slopes,
            ..plain
        },
        "slopes (outputs): expected 2, found 1",
    );
    refused(
        Transform {
            residual: Residual::Rows(Rows::from(&[1.0; 3])),
            ..plain
        },
        "residual: expected 4, found 3",
    );
    let text = "clamp: expected a lower bound that is at most the upper one";
    refused(
        Transform {
            clamp: [1, 0],
            ..plain
        },
        text,
    );
    refused(
        Transform {
            activation: Activation::Clamp(0.0, f32::NAN),
            ..plain
        },
        text,
    );
}
