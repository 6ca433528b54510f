//! Counts to numbers, their signs, or both.
//!
//! The steps are those of `epilogue.rs`, a few lanes of a row at a time, which stay in registers from the first step to the last.
//! Each step is a loop of its own that the compiler vectorises; none is fused with the next into one rounding.

use super::{
    bits_out::BitLines,
    epilogue::{Activation, Residual, Rows, RowsMut, Signs, Transform, clamp, prelu},
    writer::{EpilogueWriter, Numbers, Offsets, Place, Prepared},
};
use crate::{
    Error,
    arch::tile::{BLOCK, Counts, Tile},
    bits::{Shape, WORD},
};

/// A number that a sum can be written as.
pub trait Real: Copy + Send + sealed::Sealed {
    /// The nearest one.
    fn from_f32(value: f32) -> Self;
    /// Its value.
    fn to_f32(self) -> f32;
    /// Where such numbers go, as one of few types: what is made of them is compiled once, in this crate.
    #[doc(hidden)]
    fn out(out: RowsMut<'_, Self>) -> RealsMut<'_>;
}

mod sealed {
    pub trait Sealed {}
}

/// Numbers of each type that a sum can be written as.
#[doc(hidden)]
#[derive(Debug)]
pub enum RealsMut<'a> {
    F32(RowsMut<'a, f32>),
    #[cfg(feature = "half")]
    F16(RowsMut<'a, half::f16>),
    #[cfg(feature = "half")]
    Bf16(RowsMut<'a, half::bf16>),
}

/// Evaluates an expression with the rows of whichever type they are: `with_reals!(out, rows => …)`.
macro_rules! with_reals {
    ($out:expr, $rows:ident => $body:expr) => {
        match $out {
            $crate::xnor::reals::RealsMut::F32($rows) => $body,
            #[cfg(feature = "half")]
            $crate::xnor::reals::RealsMut::F16($rows) => $body,
            #[cfg(feature = "half")]
            $crate::xnor::reals::RealsMut::Bf16($rows) => $body,
        }
    };
}
pub(super) use with_reals;

macro_rules! real {
    ($($(#[$meta:meta])* $type:ty: $variant:ident, $from:expr, $to:expr;)*) => {
        $($(#[$meta])* impl sealed::Sealed for $type {}
        $(#[$meta])* impl Real for $type {
            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                $from(value)
            }

            #[inline(always)]
            fn to_f32(self) -> f32 {
                $to(self)
            }

            fn out(out: RowsMut<'_, Self>) -> RealsMut<'_> {
                RealsMut::$variant(out)
            }
        })*
    };
}

real! {
    f32: F32, core::convert::identity, core::convert::identity;
    #[cfg(feature = "half")] half::f16: F16, half::f16::from_f32, half::f16::to_f32;
    #[cfg(feature = "half")] half::bf16: Bf16, half::bf16::from_f32, half::bf16::to_f32;
}

/// Numbers of a row that are worked on together, and fewer at its end. Twice as many do not stay in registers: a quarter slower on AVX2.
const MANY: usize = 16;
const FEW: usize = 8;

/// Rows of a tile, at most.
const MOST_ROWS: usize = 8;

/// Numbers, their signs, or both.
pub(crate) struct Reals<'a, T> {
    transform: Transform<'a>,
    numbers: Option<Numbers<'a, T>>,
    signs: Option<BitLines<'a>>,
    /// The least number of each channel whose sign is +1.
    at_least: Option<&'a [f32]>,
    /// The channel of the first column, and the row of the first line.
    column: usize,
    row: usize,
    line_rows: usize,
    outputs: usize,
    /// Where the residual of each of a block's rows begins.
    residuals: Offsets,
    /// The terms of the pixel bias of each.
    terms: [Option<&'a [f32]>; BLOCK],
}

impl<'a, T: Real> Reals<'a, T> {
    /// For an output of that shape; each row is a pixel.
    pub(crate) fn new(
        shape: Shape,
        transform: Transform<'a>,
        numbers: Option<Numbers<'a, T>>,
        signs: Option<Signs<'a>>,
    ) -> Result<Self, Error> {
        transform.check(shape.rows() * shape.width, shape.channels)?;
        if let Some(pixel_bias) = transform.pixel_bias {
            pixel_bias.check(shape)?;
        }
        if numbers.is_none() && matches!(transform.residual, Residual::Out) {
            return Err(Error::Epilogue(
                "residual: expected rows or none, as numbers that are not kept have nothing to be added to",
            ));
        }
        let (at_least, signs) = match signs {
            None => (None, None),
            Some(Signs { at_least, out }) => (at_least, Some(BitLines::new(out, shape)?)),
        };
        if let Some(at_least) = at_least {
            Error::check_size("at_least (outputs)", shape.channels, at_least.len())?;
        }
        Ok(Self {
            transform: Transform {
                // Rows one after the other are rows as far apart as they are long.
                residual: match transform.residual {
                    Residual::Rows(rows) => {
                        Residual::Rows(Rows::new(rows.values, rows.stride(shape.channels)))
                    }
                    other => other,
                },
                ..transform
            },
            numbers,
            signs,
            at_least,
            column: 0,
            row: 0,
            line_rows: shape.width,
            outputs: shape.channels,
            residuals: [0; BLOCK],
            terms: [None; BLOCK],
        })
    }

    /// What comes after some lines, or columns, of the two halves.
    fn after(
        self,
        [row, column]: [usize; 2],
        numbers: [Option<Numbers<'a, T>>; 2],
        signs: [Option<BitLines<'a>>; 2],
    ) -> (Self, Self) {
        let ([first, second], [first_signs, second_signs]) = (numbers, signs);
        (
            Self {
                numbers: first,
                signs: first_signs,
                ..self
            },
            Self {
                numbers: second,
                signs: second_signs,
                row: self.row + row,
                column: self.column + column,
                ..self
            },
        )
    }

    /// Some lanes of rows from column `first` on, all of them or fewer; sets the flags of signs.
    #[inline(always)]
    fn lanes<U: Tile, const LANES: usize, const ALL: bool>(
        &mut self,
        row: usize,
        first: usize,
        prepared: &Prepared,
        counts: &[Counts],
        flags: &mut [[u8; WORD]; MOST_ROWS],
    ) {
        let some = if ALL { LANES } else { prepared.columns - first };
        let transform = self.transform;
        let channel = self.column + prepared.first + first;
        let of = |values: &[f32]| -> [f32; LANES] { take(values, channel, some) };
        let (scale, bias) = (transform.scale.map(of), transform.bias.map(of));
        let at_least = self.at_least.map_or([0.0; LANES], of);
        let base = &prepared.values[first..];
        let [low, high] = transform.clamp;
        let signs = self.signs.is_some();
        for (r, (counts, flags)) in counts.iter().zip(flags).enumerate() {
            let mut x = [0.0; LANES];
            for lane in 0..some {
                let count = (counts[first + lane] as i32).wrapping_mul(U::PER_COUNT);
                let sum = base[lane].wrapping_sub(count).max(low).min(high);
                x[lane] = sum.wrapping_add(transform.offset) as f32;
            }
            if let Some(scale) = &scale {
                (0..LANES).for_each(|lane| x[lane] *= scale[lane]);
            }
            if let Some(bias) = &bias {
                (0..LANES).for_each(|lane| x[lane] += bias[lane]);
            }
            if let Some(terms) = self.terms[row + r] {
                let terms: [f32; LANES] = take(terms, channel, some);
                (0..LANES).for_each(|lane| x[lane] += terms[lane]);
            }
            activate(&mut x, &transform.activation, channel, some);
            match (transform.residual, &mut self.numbers) {
                (Residual::Rows(rows), _) => {
                    let at = self.residuals[row + r] + channel;
                    let residual: [f32; LANES] = take(rows.values, at, some);
                    (0..LANES).for_each(|lane| x[lane] += residual[lane]);
                }
                (Residual::Out, Some(numbers)) => {
                    let before = numbers.row(row + r, prepared.first + first, some);
                    for (x, before) in x.iter_mut().zip(before) {
                        *x += before.to_f32();
                    }
                }
                _ => {}
            }
            activate(&mut x, &transform.last, channel, some);
            if signs {
                for lane in 0..some {
                    flags[first + lane] = u8::from(x[lane] >= at_least[lane]);
                }
            }
            if let Some(numbers) = &mut self.numbers {
                let out = numbers.row(row + r, prepared.first + first, some);
                for (out, x) in out.iter_mut().zip(x) {
                    *out = T::from_f32(x);
                }
            }
        }
    }
}

/// Lanes of some numbers from `first` on; those after `some` are 0.
#[inline(always)]
fn take<const LANES: usize>(values: &[f32], first: usize, some: usize) -> [f32; LANES] {
    let values = &values[first..][..some];
    match values.first_chunk() {
        Some(all) => *all,
        None => {
            let mut lanes = [0.0; LANES];
            lanes[..some].copy_from_slice(values);
            lanes
        }
    }
}

#[inline(always)]
fn activate<const LANES: usize>(
    x: &mut [f32; LANES],
    activation: &Activation<'_>,
    channel: usize,
    some: usize,
) {
    match *activation {
        Activation::None => {}
        Activation::Clamp(low, high) => x.iter_mut().for_each(|x| *x = clamp(*x, low, high)),
        Activation::Prelu(slopes) => {
            let slopes: [f32; LANES] = take(slopes, channel, some);
            (0..LANES).for_each(|lane| x[lane] = prelu(x[lane], slopes[lane]));
        }
        Activation::ShiftedPrelu {
            before,
            slopes,
            after,
        } => {
            let before: [f32; LANES] = take(before, channel, some);
            let slopes: [f32; LANES] = take(slopes, channel, some);
            let after: [f32; LANES] = take(after, channel, some);
            for lane in 0..LANES {
                x[lane] = prelu(x[lane] + before[lane], slopes[lane]) + after[lane];
            }
        }
    }
}

impl<T: Real> EpilogueWriter for Reals<'_, T> {
    fn split(mut self, lines: usize) -> (Self, Self) {
        let numbers = halves(self.numbers.take(), |numbers| numbers.split(lines));
        let signs = halves(self.signs.take(), |signs| signs.split(lines));
        let row = lines * self.line_rows;
        self.after([row, 0], numbers, signs)
    }

    fn split_columns(mut self, columns: usize) -> (Self, Self) {
        let numbers = halves(self.numbers.take(), |numbers| {
            numbers.split_columns(columns)
        });
        let signs = halves(self.signs.take(), |signs| signs.split_columns(columns));
        self.after([0, columns], numbers, signs)
    }

    #[inline(always)]
    fn begin(&mut self, places: &[Place]) {
        if let Some(numbers) = &mut self.numbers {
            numbers.begin(places);
        }
        if let Some(signs) = &mut self.signs {
            signs.begin(places);
        }
        let row = |[line, pixel]: &Place| self.row + line * self.line_rows + pixel;
        if let Residual::Rows(rows) = self.transform.residual {
            let stride = rows.stride(0);
            for (offset, place) in self.residuals.iter_mut().zip(places) {
                *offset = row(place) * stride;
            }
        }
        if let Some(bias) = self.transform.pixel_bias {
            let of_pixel = bias.terms(self.outputs);
            for (terms, place) in self.terms.iter_mut().zip(places) {
                let (line, pixel) = (row(place) / self.line_rows, row(place) % self.line_rows);
                *terms = of_pixel([line % bias.lines.len(), pixel]);
            }
        }
    }

    #[inline(always)]
    fn store<U: Tile, const R: usize, const V: usize>(
        &mut self,
        token: U,
        row: usize,
        prepared: &Prepared,
        counts: &[Counts; R],
    ) {
        self.rows(token, row, prepared, counts);
    }
}

impl<T: Real> Reals<'_, T> {
    /// Stores rows from `row` on; one function for any number of them.
    #[inline(never)]
    fn rows<U: Tile>(&mut self, token: U, row: usize, prepared: &Prepared, counts: &[Counts]) {
        token.vectorize(
            #[inline(always)]
            || {
                let columns = prepared.columns;
                let mut flags = [[0; WORD]; MOST_ROWS];
                let (many, few) = (columns - columns % MANY, columns - columns % FEW);
                for first in (0..many).step_by(MANY) {
                    self.lanes::<U, MANY, true>(row, first, prepared, counts, &mut flags);
                }
                for first in (many..few).step_by(FEW) {
                    self.lanes::<U, FEW, true>(row, first, prepared, counts, &mut flags);
                }
                if few < columns {
                    self.lanes::<U, FEW, false>(row, few, prepared, counts, &mut flags);
                }
                if let Some(signs) = &mut self.signs {
                    let mut bits = [0; MOST_ROWS];
                    for (bits, flags) in bits.iter_mut().zip(&flags).take(counts.len()) {
                        *bits = token.bits(flags);
                    }
                    let columns = [prepared.first, columns];
                    signs.store::<U>(row, columns, &bits[..counts.len()], 0);
                }
            },
        );
    }
}

/// Both halves of what may not be there.
fn halves<S>(whole: Option<S>, split: impl FnOnce(S) -> (S, S)) -> [Option<S>; 2] {
    match whole {
        None => [None, None],
        Some(whole) => {
            let (first, second) = split(whole);
            [Some(first), Some(second)]
        }
    }
}
