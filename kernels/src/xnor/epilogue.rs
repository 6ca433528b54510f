//! What is made of sums, and where it goes.
//!
//! Every epilogue of a product or convolution equals this scalar code, bit for bit, on every level:
//!
//! ```text
//! sum  = Σ_k a[k] · w[n][k]                     exact, i32
//! bit  = threshold[n].apply(sum)                [Epilogue::Bits]
//! x    = f32(sum.clamp(low, high) + offset)     exact where |x| ≤ 2²⁴, else rounded to nearest
//! x    = x · scale[n]                           where there is a scale
//! x    = x + bias[n]                            where there is a bias
//! x    = x + pixel_bias.terms(m)[n]             where there is one and the pixel has terms
//! x    = activation(x)
//! x    = x + residual[m][n]                     where there is a residual
//! x    = last(x)
//! sign = x ≥ at_least[n]                        at_least is 0 where there is none; NaN is −1
//! ```
//!
//! Each line rounds once: a product and a sum are never fused into one rounding.
//!
//! ```
//! use bernet_kernels::{
//!     bits::BitMatrix,
//!     isa::Level,
//!     xnor::{Activation, Epilogue, PackedWeights, Residual, Rows, Signs, Transform, gemm},
//! };
//!
//! let a = BitMatrix::from_signs(1, 3, &[1.0, -1.0, 1.0])?;
//! let w = BitMatrix::from_signs(2, 3, &[1.0, -1.0, 1.0, -1.0, 1.0, 1.0])?;
//! let weights = PackedWeights::new(Level::best(), &w)?;
//! // Sums of 3 and −1, a scale each, ReLU, and something added.
//! let transform = Transform {
//!     scale: Some(&[0.5, 2.0]),
//!     activation: Activation::RELU,
//!     residual: Residual::Rows(Rows::from(&[1.0, -0.25])),
//!     ..Transform::default()
//! };
//! let (mut numbers, mut bits) = ([0.0; 2], BitMatrix::all_minus_one(1, 2));
//! let signs = Signs { at_least: None, out: bits.view_mut() };
//! let out = (&mut numbers).into();
//! gemm(&a, &weights, Epilogue::NumbersAndSigns { transform, out, signs })?;
//! assert_eq!(numbers, [2.5, -0.25]);
//! assert_eq!(bits.row(0), [0b01]);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

pub use crate::threshold::Threshold;
use crate::{
    Error,
    bits::{BitViewMut, Shape},
};
use alloc::vec::Vec;

/// A scale and a bias for each output channel: `out = scale · sum + bias`, computed in `f32` and rounded once more for shorter
/// types.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Affine<'a> {
    /// The scale of each output channel.
    pub scale: &'a [f32],
    /// The bias of each output channel.
    pub bias: &'a [f32],
}

impl<'a> From<Affine<'a>> for Transform<'a> {
    fn from(Affine { scale, bias }: Affine<'a>) -> Self {
        Self {
            scale: Some(scale),
            bias: Some(bias),
            ..Self::default()
        }
    }
}

/// A function of one number, for each output channel.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[non_exhaustive]
pub enum Activation<'a> {
    /// The number itself.
    #[default]
    None,
    /// Not below the first, not above the second, as [`f32::clamp`]: NaN stays NaN.
    Clamp(f32, f32),
    /// Below 0 it is multiplied by the channel's slope.
    Prelu(&'a [f32]),
    /// Shifted before and after: `prelu(x + before) + after`.
    ShiftedPrelu {
        /// What is added first.
        before: &'a [f32],
        /// The slopes.
        slopes: &'a [f32],
        /// What is added last.
        after: &'a [f32],
    },
}

impl Activation<'_> {
    /// `max(x, 0)`.
    pub const RELU: Self = Self::Clamp(0.0, f32::INFINITY);
    /// `min(max(x, 0), 6)`.
    pub const RELU6: Self = Self::Clamp(0.0, 6.0);
    /// `min(max(x, −1), 1)`.
    pub const HARD_TANH: Self = Self::Clamp(-1.0, 1.0);

    /// Its value for one number of a channel, the scalar reference.
    ///
    /// # Panics
    /// Where the channel has no slope.
    pub fn apply(&self, x: f32, channel: usize) -> f32 {
        match *self {
            Self::None => x,
            Self::Clamp(low, high) => clamp(x, low, high),
            Self::Prelu(slopes) => prelu(x, slopes[channel]),
            Self::ShiftedPrelu {
                before,
                slopes,
                after,
            } => prelu(x + before[channel], slopes[channel]) + after[channel],
        }
    }

    fn check(&self, outputs: usize) -> Result<(), Error> {
        match *self {
            Self::None => Ok(()),
            Self::Clamp(low, high) if low <= high => Ok(()),
            Self::Clamp(..) => Err(Error::Epilogue(
                "clamp: expected a lower bound that is at most the upper one",
            )),
            Self::Prelu(slopes) => Error::check_size("slopes (outputs)", outputs, slopes.len()),
            Self::ShiftedPrelu {
                before,
                slopes,
                after,
            } => {
                Error::check_size("shifts before (outputs)", outputs, before.len())?;
                Error::check_size("slopes (outputs)", outputs, slopes.len())?;
                Error::check_size("shifts after (outputs)", outputs, after.len())
            }
        }
    }
}

#[inline(always)]
pub(super) fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

#[inline(always)]
pub(super) fn prelu(x: f32, slope: f32) -> f32 {
    if x < 0.0 { x * slope } else { x }
}

/// Numbers that are added to others of the same shape.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Residual<'a> {
    /// Nothing is added.
    #[default]
    None,
    /// The numbers of an input, a row for each row of the output.
    Rows(Rows<'a>),
    /// What the output holds before: the result is accumulated into it.
    Out,
}

/// A bias that depends on the pixel: on the kind of its line and of its place in the line.
///
/// Some engines take padding that does not count as +1 and take away afterwards what it added,
/// which rounds once more: their numbers at the border are had in this way.
///
/// ```
/// use bernet_kernels::{
///     bits::{BitMatrix, BitTensor, Shape},
///     isa::Level,
///     xnor::{Conv2d, ConvParams, Epilogue, PixelBias, Transform, Workspace},
/// };
///
/// let weights = BitMatrix::all_minus_one(1, 2);
/// let conv = Conv2d::new(Level::best(), 2, ConvParams::valid([1, 1]), &weights)?;
/// let image = BitTensor::all_minus_one(Shape { batch: 1, height: 1, width: 3, channels: 2 });
/// // One line of kind 0, whose last two pixels are of kinds 2 and 1.
/// let pixel_bias = PixelBias { lines: &[0], pixels: &[0, 2, 1], bias: &[0.5, -1.0] };
/// let transform = Transform { pixel_bias: Some(pixel_bias), ..Transform::default() };
/// let mut numbers = [0.0; 3];
/// let epilogue = Epilogue::Numbers { transform, out: (&mut numbers).into() };
/// conv.run(&mut Workspace::default(), image.view(), epilogue)?;
/// assert_eq!(numbers, [2.0, 1.0, 2.5]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PixelBias<'a> {
    /// The kind of each line of an image.
    pub lines: &'a [u8],
    /// The kind of each pixel of a line.
    pub pixels: &'a [u8],
    /// A term for each output channel, for each kind of line and in it for each kind of pixel; none
    /// for kind 0 of both, to which nothing is added.
    pub bias: &'a [f32],
}

impl<'a> PixelBias<'a> {
    /// How many kinds of lines and of pixels there are: one more than the largest.
    fn kinds(&self) -> [usize; 2] {
        [self.lines, self.pixels]
            .map(|kinds| kinds.iter().max().map_or(1, |&most| usize::from(most) + 1))
    }

    /// How many terms there must be for `outputs` channels; saturates.
    pub fn terms_len(&self, outputs: usize) -> usize {
        let [lines, pixels] = self.kinds();
        (lines * pixels - 1).saturating_mul(outputs)
    }

    /// What finds the terms of a pixel, by its line and its place in the line, of `outputs`
    /// channels; `None` where nothing is added.
    ///
    /// # Panics
    /// What it returns panics outside the image, and where terms are missing.
    pub fn terms(&self, outputs: usize) -> impl Fn([usize; 2]) -> Option<&'a [f32]> + use<'a> {
        let [_, across] = self.kinds();
        let Self {
            lines,
            pixels,
            bias,
        } = *self;
        move |[y, x]| {
            let kind = usize::from(lines[y]) * across + usize::from(pixels[x]);
            let first = kind.checked_sub(1)? * outputs;
            Some(&bias[first..][..outputs])
        }
    }

    /// It must suit an image of that shape.
    pub(super) fn check(&self, shape: Shape) -> Result<(), Error> {
        Error::check_size(
            "lines of the pixel bias (height)",
            shape.height,
            self.lines.len(),
        )?;
        Error::check_size(
            "pixels of the pixel bias (width)",
            shape.width,
            self.pixels.len(),
        )?;
        Error::check_size(
            "terms of the pixel bias (kinds · outputs)",
            self.terms_len(shape.channels),
            self.bias.len(),
        )
    }
}

/// How sums become numbers; see the [module](crate::xnor::epilogue) for the order. The default leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Transform<'a> {
    /// The least and the largest that a sum counts as.
    pub clamp: [i32; 2],
    /// An integer that is added to it, wrapping: −K for weights of depth K makes it minus twice the
    /// number of products that are −1, which is what some engines scale.
    pub offset: i32,
    /// A factor for each output channel.
    pub scale: Option<&'a [f32]>,
    /// A term for each output channel.
    pub bias: Option<&'a [f32]>,
    /// A further term for each output channel, at some pixels.
    pub pixel_bias: Option<PixelBias<'a>>,
    /// A function of the number before anything is added.
    pub activation: Activation<'a>,
    /// What is added.
    pub residual: Residual<'a>,
    /// A function of the number at the end.
    pub last: Activation<'a>,
}

impl Default for Transform<'_> {
    fn default() -> Self {
        Self {
            clamp: [i32::MIN, i32::MAX],
            offset: 0,
            scale: None,
            bias: None,
            pixel_bias: None,
            activation: Activation::None,
            residual: Residual::None,
            last: Activation::None,
        }
    }
}

impl Transform<'_> {
    /// The number that a sum of a channel becomes, the scalar reference. `pixel_bias` is the
    /// term of its pixel, if there is one, `residual` what is added, where something is.
    ///
    /// # Panics
    /// Where the channel has no scale, bias or slope.
    pub fn apply(&self, sum: i32, channel: usize, pixel_bias: Option<f32>, residual: f32) -> f32 {
        let [low, high] = self.clamp;
        let mut x = sum.max(low).min(high).wrapping_add(self.offset) as f32;
        if let Some(scale) = self.scale {
            x *= scale[channel];
        }
        if let Some(bias) = self.bias {
            x += bias[channel];
        }
        if let Some(pixel_bias) = pixel_bias {
            x += pixel_bias;
        }
        x = self.activation.apply(x, channel);
        if !matches!(self.residual, Residual::None) {
            x += residual;
        }
        self.last.apply(x, channel)
    }

    /// It must suit `rows` rows of `outputs` numbers.
    pub(super) fn check(&self, rows: usize, outputs: usize) -> Result<(), Error> {
        if self.clamp[0] > self.clamp[1] {
            return Err(Error::Epilogue(
                "clamp: expected a lower bound that is at most the upper one",
            ));
        }
        if let Some(scale) = self.scale {
            Error::check_size("scale (outputs)", outputs, scale.len())?;
        }
        if let Some(bias) = self.bias {
            Error::check_size("bias (outputs)", outputs, bias.len())?;
        }
        self.activation.check(outputs)?;
        self.last.check(outputs)?;
        match self.residual {
            Residual::Rows(residual) => check_rows(
                "residual",
                residual.values.len(),
                residual.stride,
                rows,
                outputs,
            ),
            _ => Ok(()),
        }
    }
}

/// Where the signs of numbers go.
#[derive(Debug)]
pub struct Signs<'a> {
    /// The least number of each output channel that is +1; 0 for all where there are none.
    pub at_least: Option<&'a [f32]>,
    /// The bits.
    pub out: BitViewMut<'a>,
}

/// What is made of the sums of a product or convolution, and where it goes.
///
/// A row is a row of a product or a pixel of a convolution's output.
#[derive(Debug)]
#[non_exhaustive]
pub enum Epilogue<'a> {
    /// The sums.
    Sums(RowsMut<'a, i32>),
    /// A bit of each sum.
    Bits {
        /// Of each output channel.
        thresholds: &'a [Threshold],
        /// The bits.
        out: BitViewMut<'a>,
    },
    /// Numbers.
    Numbers {
        /// How sums become numbers.
        transform: Transform<'a>,
        /// The numbers.
        out: RowsMut<'a, f32>,
    },
    /// Numbers and their signs.
    NumbersAndSigns {
        /// How sums become numbers.
        transform: Transform<'a>,
        /// The numbers.
        out: RowsMut<'a, f32>,
        /// The signs.
        signs: Signs<'a>,
    },
    /// The signs of numbers that are not kept.
    Signs {
        /// How sums become numbers; its residual is not [`Residual::Out`].
        transform: Transform<'a>,
        /// The signs.
        signs: Signs<'a>,
    },
}

/// Numbers to be read, a row for each row of a product or pixel of a convolution's output. Slices and arrays convert.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub(super) values: &'a [f32],
    stride: Option<usize>,
}

impl<'a> Rows<'a> {
    /// Rows `stride` numbers apart.
    pub fn new(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            stride: Some(stride),
        }
    }

    /// Numbers from one row of `columns` to the next.
    pub(super) fn stride(&self, columns: usize) -> usize {
        self.stride.unwrap_or(columns)
    }
}

impl<'a> From<&'a [f32]> for Rows<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self {
            values,
            stride: None,
        }
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Rows<'a> {
    fn from(values: &'a [f32; N]) -> Self {
        values.as_slice().into()
    }
}

impl<'a> From<&'a Vec<f32>> for Rows<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        values.as_slice().into()
    }
}

/// Where numbers go, a row for each row of a product or pixel of a convolution's output: a slice of just these rows, one after the
/// other (any `&mut` slice, array or vector converts), or rows that lie further apart.
///
/// ```
/// use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::{PackedWeights, RowsMut, gemm_i32}};
///
/// let weights = PackedWeights::new(Level::best(), &BitMatrix::all_minus_one(1, 3))?;
/// let mut wide = [7; 5];
/// gemm_i32(&BitMatrix::all_minus_one(2, 3), &weights, RowsMut::new(&mut wide, 3))?;
/// assert_eq!(wide, [3, 7, 7, 3, 7]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct RowsMut<'a, T> {
    pub(super) values: &'a mut [T],
    stride: Option<usize>,
}

impl<'a, T> RowsMut<'a, T> {
    /// Rows `stride` numbers apart. What lies between them, or after the last, is not touched.
    pub fn new(values: &'a mut [T], stride: usize) -> Self {
        Self {
            values,
            stride: Some(stride),
        }
    }

    /// Numbers from one row to the next, of `rows` rows of `columns` numbers; both are at least 1.
    pub(super) fn check(&self, rows: usize, columns: usize) -> Result<usize, Error> {
        check_rows("out", self.values.len(), self.stride, rows, columns)?;
        Ok(self.stride.unwrap_or(columns))
    }
}

/// A buffer of that length must hold the rows, one after the other or `stride` apart.
fn check_rows(
    what: &'static str,
    found: usize,
    stride: Option<usize>,
    rows: usize,
    columns: usize,
) -> Result<(), Error> {
    let Some(stride) = stride else {
        return Error::check_size(what, rows * columns, found);
    };
    let needed = (rows - 1).saturating_mul(stride).saturating_add(columns);
    Error::check_size("stride (at least a row)", stride.max(columns), stride)?;
    Error::check_size(what, needed.max(found), found)
}

impl<'a, T> From<&'a mut [T]> for RowsMut<'a, T> {
    fn from(values: &'a mut [T]) -> Self {
        Self {
            values,
            stride: None,
        }
    }
}

impl<'a, T, const N: usize> From<&'a mut [T; N]> for RowsMut<'a, T> {
    fn from(values: &'a mut [T; N]) -> Self {
        values.as_mut_slice().into()
    }
}

impl<'a, T> From<&'a mut Vec<T>> for RowsMut<'a, T> {
    fn from(values: &'a mut Vec<T>) -> Self {
        values.as_mut_slice().into()
    }
}
