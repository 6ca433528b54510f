//! First layers: convolutions of 8-bit unsigned input with ±1 weights.

use super::{
    bits_out::Bits,
    bytes::Bytes,
    conv::numbers,
    epilogue::{Affine, Epilogue, RowsMut, Threshold, Transform},
    pack::PackedWeights,
    params::{ConvParams, ConvSpec, PaddingValue},
    patches::{Band, Windows},
    product::{Block, Group, Places, Rows, Starts, product},
    reals::{Real, Reals, RealsMut, with_reals},
    workspace::{Worker, Workspace, over_bands},
    writer::{EpilogueWriter, Sums},
};
use crate::{
    Error,
    arch::tile::Tile,
    bits::{BitMatrix, BitViewMut, Shape, bytes_mut, read_bits},
    isa::{Level, dispatch},
};

/// A convolution of 8-bit unsigned input, NHWC, with ±1 weights, laid out for one level: `Σ_k x_k w_k`, exactly.
///
/// ```
/// use bernet_kernels::{
///     bits::{BitMatrix, Shape},
///     isa::Level,
///     xnor::{ByteConv2d, ConvParams, Workspace},
/// };
///
/// let weights = BitMatrix::from_signs(1, 2, &[1.0, -1.0])?;
/// let conv = ByteConv2d::new(Level::best(), 1, ConvParams::valid([1, 2]), &weights)?;
/// let shape = Shape { batch: 1, height: 1, width: 3, channels: 1 };
/// let mut sums = [0; 2];
/// conv.sums(&mut Workspace::default(), shape, &[200, 7, 255], &mut sums)?;
/// assert_eq!(sums, [193, -248]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ByteConv2d {
    spec: ConvSpec,
    weights: PackedWeights,
}

/// Depth is below this, so that a sum of 255s is far from the end of `i32`.
const DEPTHS: usize = 1 << 22;

impl ByteConv2d {
    /// Lays out `weights`: a row for each output channel, in the order kernel line, kernel column, channel of the output's group.
    ///
    /// # Errors
    /// [`Error::Size`] where the columns are not the depth; [`Error::Dimension`] where one is 0,
    /// channels or outputs are not a multiple of the groups, a kernel line or the depth is too
    /// long, or there is padding other than [`PaddingValue::Zero`]: pixels of 0.
    pub fn new(
        level: Level,
        channels: usize,
        params: ConvParams,
        weights: &BitMatrix,
    ) -> Result<Self, Error> {
        let spec = ConvSpec::new(channels, params, weights)?;
        if params.padding != [0; 4] && params.padding_value != PaddingValue::Zero {
            return Err(Error::Dimension {
                what: "padding of 8-bit input",
                found: params.padding.into_iter().max().unwrap_or_default(),
                expected: "none, or padding that counts as 0",
            });
        }
        let line = line_bytes(level, &spec);
        let depth = line.saturating_mul(params.kernel[0]);
        if !(1..DEPTHS).contains(&depth) || weights.columns() == 0 {
            return Err(Error::Dimension {
                what: "depth of 8-bit input, gaps of dilation and other groups' channels included",
                found: depth,
                expected: "1 to 2²² − 1",
            });
        }
        Error::check_product("outputs · depth", &[spec.outputs, depth, 8])?;
        let (group_channels, taps) = (spec.group_channels(), params.kernel);
        let mut minus = BitMatrix::all_minus_one(spec.outputs, 8 * depth);
        for output in 0..spec.outputs {
            let group = output / spec.group_outputs();
            let row = bytes_mut(minus.row_mut(output));
            for tap in 0..taps[0] * taps[1] {
                let (i, j) = (tap / taps[1], tap % taps[1]);
                let at = i * line + j * params.dilation[1] * channels + group * group_channels;
                for (c, byte) in row[at..][..group_channels].iter_mut().enumerate() {
                    let plus = read_bits(weights.row(output), tap * group_channels + c, 1) == 1;
                    *byte = if plus { -1_i8 } else { 1 } as u8;
                }
            }
        }
        let weights = dispatch!(level, token => PackedWeights::pack(level, Bytes(token), &minus))?;
        Ok(Self { spec, weights })
    }

    /// The level whose kernel its weights are laid out for.
    pub fn level(&self) -> Level {
        self.weights.level()
    }

    /// The shape of the output for an input shape.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`].
    pub fn output_shape(&self, input: Shape) -> Result<Shape, Error> {
        self.spec.output_shape(input)
    }

    /// Words of each thread's part of a workspace that a call may take on an input of that shape: an upper bound.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`].
    pub fn workspace_words(&self, input: Shape) -> Result<usize, Error> {
        let output = self.output_shape(input)?;
        let spec = &self.spec;
        let [_, left, _, right] = spec.params.padding;
        let line = (left + input.width + right) * spec.channels;
        let bytes = Band::most_lines(spec, output).saturating_mul(line);
        Ok((bytes + step(self.level())).div_ceil(size_of::<u64>()))
    }

    /// Makes room in a workspace for inputs of that shape, and of fewer images: calls on these allocate nothing.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`].
    pub fn reserve(&self, workspace: &mut Workspace, input: Shape) -> Result<(), Error> {
        workspace.reserve([self.workspace_words(input)?, 0]);
        Ok(())
    }

    /// What the epilogue makes of the sums of all output pixels.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`]; [`Error::Size`] where `input` is not as long as `shape`
    /// says or a part of the epilogue does not suit the output shape, [`Error::Epilogue`] where it
    /// contradicts itself.
    pub fn run(
        &self,
        workspace: &mut Workspace,
        shape: Shape,
        input: &[u8],
        epilogue: Epilogue<'_>,
    ) -> Result<(), Error> {
        let output = self.check(shape, input)?;
        match epilogue {
            Epilogue::Sums(out) => {
                let numbers = numbers(output, out)?;
                self.bands(workspace, shape, input, output, Sums(numbers));
            }
            Epilogue::Bits { thresholds, out } => {
                let writer = Bits::new(out, output, thresholds, &[])?;
                self.bands(workspace, shape, input, output, writer);
            }
            Epilogue::Numbers { transform, out } => {
                return self.reals(workspace, (shape, input), transform, RealsMut::F32(out));
            }
            Epilogue::NumbersAndSigns {
                transform,
                out,
                signs,
            } => {
                let out = numbers(output, out)?;
                let writer = Reals::new(output, transform, Some(out), Some(signs))?;
                self.bands(workspace, shape, input, output, writer);
            }
            Epilogue::Signs { transform, signs } => {
                let writer = Reals::<f32>::new(output, transform, None, Some(signs))?;
                self.bands(workspace, shape, input, output, writer);
            }
        }
        Ok(())
    }

    fn reals(
        &self,
        workspace: &mut Workspace,
        (shape, input): (Shape, &[u8]),
        transform: Transform<'_>,
        out: RealsMut<'_>,
    ) -> Result<(), Error> {
        let output = self.check(shape, input)?;
        with_reals!(out, out => {
            let out = numbers(output, out)?;
            let writer = Reals::new(output, transform, Some(out), None)?;
            self.bands(workspace, shape, input, output, writer);
        });
        Ok(())
    }

    /// The sums, in NHWC order.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`]; [`Error::Size`] where `input` is not as long as `shape`
    /// says or `out` as the output shape.
    pub fn sums<'v>(
        &self,
        workspace: &mut Workspace,
        shape: Shape,
        input: &[u8],
        out: impl Into<RowsMut<'v, i32>>,
    ) -> Result<(), Error> {
        self.run(workspace, shape, input, Epilogue::Sums(out.into()))
    }

    /// The sums, scaled, in NHWC order: as `f32` or, with the feature `half`, as `f16` or `bf16`.
    ///
    /// # Errors
    /// As [`ByteConv2d::sums`]; [`Error::Size`] where there are not as many scales and biases as outputs.
    pub fn affine<'v, T: Real + 'v>(
        &self,
        workspace: &mut Workspace,
        shape: Shape,
        input: &[u8],
        affine: Affine<'_>,
        out: impl Into<RowsMut<'v, T>>,
    ) -> Result<(), Error> {
        self.reals(workspace, (shape, input), affine.into(), T::out(out.into()))
    }

    /// The activations, packed.
    ///
    /// # Errors
    /// As [`ByteConv2d::sums`]; [`Error::Size`] where thresholds or the shape of `out` differ.
    pub fn activations<'v>(
        &self,
        workspace: &mut Workspace,
        shape: Shape,
        input: &[u8],
        thresholds: &[Threshold],
        out: impl Into<BitViewMut<'v>>,
    ) -> Result<(), Error> {
        let out = out.into();
        self.run(workspace, shape, input, Epilogue::Bits { thresholds, out })
    }

    fn check(&self, shape: Shape, input: &[u8]) -> Result<Shape, Error> {
        let output = self.output_shape(shape)?;
        let Shape {
            batch,
            height,
            width,
            channels,
        } = shape;
        let size = Error::check_product("input", &[batch, height, width, channels])?;
        Error::check_size("input", size, input.len())?;
        Ok(output)
    }

    fn bands<W: EpilogueWriter>(
        &self,
        workspace: &mut Workspace,
        shape: Shape,
        input: &[u8],
        output: Shape,
        writer: W,
    ) {
        // A byte is as much work as eight bits.
        let depth = self.weights.depth();
        over_bands(workspace, output, depth, writer, &|band, worker, writer| {
            self.band(shape, input, band, output, worker, writer);
        });
    }

    /// One band of output lines.
    fn band(
        &self,
        shape: Shape,
        input: &[u8],
        band: &Band,
        output: Shape,
        worker: &mut Worker,
        writer: &mut impl EpilogueWriter,
    ) {
        let spec = &self.spec;
        let (height, width) = (band.lines.len(), output.width);
        let image_lines = (height - 1) * spec.params.stride[0] + spec.params.span()[0];
        let step = step(self.level());
        let stride = pad(
            spec,
            shape,
            input,
            band,
            image_lines,
            step,
            &mut worker.lines,
        );
        let windows = Windows {
            spec,
            group: 0,
            height,
            width,
            image_lines,
        };
        let rows = band.images.len() * height * width;
        let group = Group {
            segments: spec.params.kernel[0],
            stride: stride * spec.params.dilation[0],
            steps: line_bytes(self.level(), spec) / step,
            tail_mask: u32::MAX,
            ..Group::default()
        };
        dispatch!(self.level(), token => {
            let source = ByteRows { words: &worker.lines, stride, windows, group };
            product(Bytes(token), self.weights.panels(), rows, source, None, writer);
        });
    }
}

/// Bytes of a kernel line, from its first tap to its last, in whole steps.
fn line_bytes(level: Level, spec: &ConvSpec) -> usize {
    let bytes = spec.params.span()[1].saturating_mul(spec.channels);
    let step = step(level);
    bytes.div_ceil(step).saturating_mul(step)
}

fn step(level: Level) -> usize {
    fn of<T: Tile>(_: T) -> usize {
        T::BYTE_STEP
    }
    dispatch!(level, token => of(token))
}

/// Copies the input lines of a band, padded with zeros; the bytes from a line to the next.
fn pad(
    spec: &ConvSpec,
    shape: Shape,
    input: &[u8],
    band: &Band,
    image_lines: usize,
    step: usize,
    lines: &mut alloc::vec::Vec<u64>,
) -> usize {
    let ConvParams {
        stride,
        padding: [top, left, _, right],
        ..
    } = spec.params;
    let channels = spec.channels;
    let first = band.lines.start * stride[0];
    let (row, before) = (shape.width * channels, left * channels);
    let line_bytes = before + row + right * channels;
    // The last window's last step may lie beyond the last line.
    let size = band.images.len() * image_lines * line_bytes + step;
    lines.clear();
    lines.resize(size.div_ceil(size_of::<u64>()), 0);
    let all = band
        .images
        .clone()
        .flat_map(|image| (first..first + image_lines).map(move |line| (image, line)));
    for (to, (image, line)) in bytes_mut(lines).chunks_exact_mut(line_bytes).zip(all) {
        if (top..top + shape.height).contains(&line) {
            let from = (image * shape.height + line - top) * row;
            to[before..][..row].copy_from_slice(&input[from..][..row]);
        }
    }
    line_bytes
}

/// Rows that the tile reads where they are, among the padded bytes.
struct ByteRows<'a> {
    words: &'a [u64],
    /// Bytes from a line to the next.
    stride: usize,
    windows: Windows<'a>,
    group: Group,
}

impl Rows for ByteRows<'_> {
    #[inline(always)]
    fn block(
        &mut self,
        rows: core::ops::Range<usize>,
        starts: &mut Starts,
        places: &mut Places,
    ) -> Block<'_> {
        self.windows.places(rows.clone(), places);
        self.group.rows = rows.len();
        for (start, (line, byte, _)) in starts.iter_mut().zip(self.windows.groups(rows, 1)) {
            *start = line * self.stride + byte;
        }
        Block {
            words: self.words,
            groups: core::slice::from_ref(&self.group),
        }
    }
}
