//! Convolutions by virtual im2col.
//!
//! ```
//! use bernet_kernels::{
//!     bits::{BitMatrix, BitTensor, Shape},
//!     isa::Level,
//!     xnor::{Conv2d, ConvParams},
//! };
//!
//! let weights = BitMatrix::from_signs(1, 2, &[1.0, -1.0])?;
//! let conv = Conv2d::new(Level::best(), 1, ConvParams::valid([1, 2]), &weights)?;
//! let line = BitMatrix::from_signs(1, 3, &[1.0, -1.0, -1.0])?;
//! let input = BitTensor::from_lines(Shape { batch: 1, height: 1, width: 3, channels: 1 }, line)?;
//! let mut sums = [0; 2];
//! conv.sums(&input, &mut sums)?;
//! assert_eq!(sums, [2, 0]);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{
    bits_out::Bits,
    border::{BandBorder, ZeroBorder},
    epilogue::{Affine, Epilogue, RowsMut, Threshold, Transform},
    gather::Gathered,
    inside::{self, Inside},
    pack::PackedWeights,
    params::{ConvParams, ConvSpec, PaddingValue},
    patches::{Band, InPlace, Lines, Run, Windows},
    product::product,
    reals::{Real, Reals, RealsMut, with_reals},
    tables::Tables,
    words::{self, Folded},
    workspace::{Worker, Workspace, over_bands},
    writer::{EpilogueWriter, Numbers, Sums},
};
use crate::{
    Error,
    arch::tile::Tile,
    bits::{BitMatrix, BitView, BitViewMut, Shape, WORD, copy_bits},
    isa::{Level, dispatch},
};
use alloc::vec::Vec;
use core::ops::Range;

/// A convolution with its weights laid out for one level.
#[derive(Clone, Debug)]
pub struct Conv2d {
    spec: ConvSpec,
    /// Of each group.
    pub(super) weights: Vec<PackedWeights>,
    /// A kernel line of the windows, where they are read in place.
    run: Option<Run>,
    /// Whether taps on padding are passed over.
    inside: bool,
    /// The bases at the border, where padding does not count and is not passed over.
    border: Option<ZeroBorder>,
    /// For activations, where they are the fastest way.
    tables: Option<Tables>,
}

impl Conv2d {
    /// Lays out the weights of a convolution of an input with so many channels.
    ///
    /// `weights` has a row for each output channel, in the order kernel line, kernel column,
    /// channel of the output's group.
    ///
    /// # Errors
    /// [`Error::Size`] where the columns are not the depth; [`Error::Dimension`] where channels or
    /// outputs are not a positive multiple of the groups, dilation or groups are 0, or the depth is
    /// 0 or 2³⁰ and above.
    pub fn new(
        level: Level,
        channels: usize,
        params: ConvParams,
        weights: &BitMatrix,
    ) -> Result<Self, Error> {
        let spec = ConvSpec::new(channels, params, weights)?;
        PackedWeights::check_depth(spec.depth())?;
        let outputs = spec.group_outputs();
        let run = dispatch!(level, token => Run::new(token, &spec));
        // Kernel lines of weights as long as those that the tile reads.
        let lines = params.kernel[0];
        let line = run.map_or(spec.depth() / lines, |run| run.bits);
        let group = |group: usize| {
            let rows = group * outputs..(group + 1) * outputs;
            PackedWeights::new(level, &lengthened(weights, rows, lines, line))
        };
        let packed = (0..params.groups)
            .map(group)
            .collect::<Result<Vec<_>, _>>()?;
        let does_not_count = params.padding_value == PaddingValue::Zero && params.padding != [0; 4];
        let inside = run.is_some_and(|run| inside::suits(&spec, run));
        let border = (does_not_count && !inside).then(|| ZeroBorder::new(&spec, weights));
        let mut conv = Self {
            spec,
            weights: packed,
            run,
            inside,
            border,
            tables: None,
        };
        if !does_not_count && !conv.is_word() {
            conv.tables = Tables::new(level, &spec, weights);
        }
        Ok(conv)
    }

    /// The level whose kernel its weights are laid out for.
    pub fn level(&self) -> Level {
        self.weights[0].level()
    }

    /// Kernel, stride, dilation, padding and groups.
    pub fn params(&self) -> ConvParams {
        self.spec.params
    }

    /// Input channels.
    pub fn channels(&self) -> usize {
        self.spec.channels
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.spec.outputs
    }

    /// The shape of the output for an input shape.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`].
    #[inline(always)]
    pub fn output_shape(&self, input: Shape) -> Result<Shape, Error> {
        self.spec.output_shape(input)
    }

    /// Words of each thread's part of a workspace that a call may take on an input of that shape: an upper bound.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`].
    pub fn workspace_words(&self, input: Shape) -> Result<usize, Error> {
        let [lines, rows] = self.workspace_sizes(input)?;
        Ok(lines.saturating_add(rows))
    }

    /// Makes room in a workspace for inputs of that shape, and of fewer images: calls on these allocate nothing.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`].
    pub fn reserve(&self, workspace: &mut Workspace, input: Shape) -> Result<(), Error> {
        workspace.reserve(self.workspace_sizes(input)?);
        Ok(())
    }

    fn workspace_sizes(&self, input: Shape) -> Result<[usize; 2], Error> {
        let output = self.output_shape(input)?;
        let spec = &self.spec;
        let reach = self.run.map_or(0, |run| run.reach(spec, output.width));
        let lines = Lines::most_words(spec, input, output, reach);
        // Rows that are gathered, words of rows that are one, or sums of tables.
        let gathered = Gathered::words(spec);
        let words = words::most_words(output);
        let sums = self
            .tables
            .as_ref()
            .map_or(0, |tables| tables.line_words(output.width));
        Ok([lines, gathered.max(words).max(sums)])
    }

    /// What the epilogue makes of the sums of all output pixels.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`]; [`Error::Size`] where a part of the epilogue does not suit
    /// the output shape, [`Error::Epilogue`] where it contradicts itself.
    pub fn run<'v>(
        &self,
        workspace: &mut Workspace,
        input: impl Into<BitView<'v>>,
        epilogue: Epilogue<'_>,
    ) -> Result<(), Error> {
        self.write(workspace, input.into(), epilogue)
    }

    // What the entry points call is compiled once, in this crate: they themselves are compiled where they are called.
    fn write(
        &self,
        workspace: &mut Workspace,
        input: BitView<'_>,
        epilogue: Epilogue<'_>,
    ) -> Result<(), Error> {
        match epilogue {
            Epilogue::Sums(out) => {
                let shape = self.output_shape(input.shape())?;
                let numbers = numbers(shape, out)?;
                self.bands(workspace, input, shape, Sums(numbers));
                Ok(())
            }
            Epilogue::Bits { thresholds, out } => self.bits(workspace, input, thresholds, &[], out),
            Epilogue::Numbers { transform, out } => {
                self.reals(workspace, input, transform, RealsMut::F32(out))
            }
            Epilogue::NumbersAndSigns {
                transform,
                out,
                signs,
            } => {
                let shape = self.output_shape(input.shape())?;
                let out = numbers(shape, out)?;
                let writer = Reals::new(shape, transform, Some(out), Some(signs))?;
                self.bands(workspace, input, shape, writer);
                Ok(())
            }
            Epilogue::Signs { transform, signs } => {
                let shape = self.output_shape(input.shape())?;
                let writer = Reals::<f32>::new(shape, transform, None, Some(signs))?;
                self.bands(workspace, input, shape, writer);
                Ok(())
            }
        }
    }

    pub(super) fn bits(
        &self,
        workspace: &mut Workspace,
        input: BitView<'_>,
        thresholds: &[Threshold],
        folded: &[Folded],
        out: BitViewMut<'_>,
    ) -> Result<(), Error> {
        let shape = self.output_shape(input.shape())?;
        let writer = Bits::new(out, shape, thresholds, folded)?;
        self.activate(workspace, input, shape, writer);
        Ok(())
    }

    fn reals(
        &self,
        workspace: &mut Workspace,
        input: BitView<'_>,
        transform: Transform<'_>,
        out: RealsMut<'_>,
    ) -> Result<(), Error> {
        let shape = self.output_shape(input.shape())?;
        with_reals!(out, out => {
            let out = numbers(shape, out)?;
            let writer = Reals::new(shape, transform, Some(out), None)?;
            self.bands(workspace, input, shape, writer);
        });
        Ok(())
    }

    /// The sums, in NHWC order.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`]; [`Error::Size`] where `out` is not as long as the output
    /// shape.
    pub fn sums<'v>(
        &self,
        input: impl Into<BitView<'v>>,
        out: impl Into<RowsMut<'v, i32>>,
    ) -> Result<(), Error> {
        self.sums_in(&mut Workspace::default(), input, out)
    }

    /// As [`Conv2d::sums`], in a workspace that is kept.
    ///
    /// # Errors
    /// As [`Conv2d::sums`].
    pub fn sums_in<'v, 'o>(
        &self,
        workspace: &mut Workspace,
        input: impl Into<BitView<'v>>,
        out: impl Into<RowsMut<'o, i32>>,
    ) -> Result<(), Error> {
        self.write(workspace, input.into(), Epilogue::Sums(out.into()))
    }

    /// The sums, scaled, in NHWC order: as `f32` or, with the feature `half`, as `f16` or `bf16`.
    ///
    /// # Errors
    /// As [`Conv2d::sums`]; [`Error::Size`] where there are not as many scales and biases as outputs.
    pub fn affine<'v, T: Real + 'v>(
        &self,
        workspace: &mut Workspace,
        input: impl Into<BitView<'v>>,
        affine: Affine<'_>,
        out: impl Into<RowsMut<'v, T>>,
    ) -> Result<(), Error> {
        self.reals(workspace, input.into(), affine.into(), T::out(out.into()))
    }

    /// The activations, packed.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`]; [`Error::Size`] where thresholds or the shape of `out`
    /// differ.
    pub fn activations<'v>(
        &self,
        input: impl Into<BitView<'v>>,
        thresholds: &[Threshold],
        out: impl Into<BitViewMut<'v>>,
    ) -> Result<(), Error> {
        self.activations_in(&mut Workspace::default(), input, thresholds, out)
    }

    /// As [`Conv2d::activations`], in a workspace that is kept.
    ///
    /// # Errors
    /// As [`Conv2d::activations`].
    pub fn activations_in<'v, 'o>(
        &self,
        workspace: &mut Workspace,
        input: impl Into<BitView<'v>>,
        thresholds: &[Threshold],
        out: impl Into<BitViewMut<'o>>,
    ) -> Result<(), Error> {
        self.bits(workspace, input.into(), thresholds, &[], out.into())
    }

    fn activate(
        &self,
        workspace: &mut Workspace,
        input: BitView<'_>,
        shape: Shape,
        writer: Bits<'_>,
    ) {
        let Some(tables) = &self.tables else {
            return self.bands(workspace, input, shape, writer);
        };
        let spec = &self.spec;
        over_bands(
            workspace,
            shape,
            spec.depth(),
            writer,
            &|band, worker, writer| tables.band(spec, input, band, shape.width, worker, writer),
        );
    }

    /// Whether each row is a word, and the level has a way for those.
    pub(super) fn is_word(&self) -> bool {
        !self.inside
            && self.border.is_none()
            && self.spec.depth() <= WORD
            && dispatch!(self.level(), token => takes_words(token))
    }

    fn bands<W: EpilogueWriter>(
        &self,
        workspace: &mut Workspace,
        input: BitView<'_>,
        output: Shape,
        writer: W,
    ) {
        let depth = self.spec.depth();
        over_bands(workspace, output, depth, writer, &|band, worker, writer| {
            self.band(input, band, output, worker, writer);
        });
    }

    /// One band of output lines.
    fn band<W: EpilogueWriter>(
        &self,
        input: BitView<'_>,
        band: &Band,
        output: Shape,
        worker: &mut Worker,
        writer: &mut W,
    ) {
        let spec = &self.spec;
        let (height, width) = (band.lines.len(), output.width);
        let rows = band.images.len() * height * width;
        let panels = |group: usize| {
            let mut panels = self.weights[group].panels();
            panels.first = group * spec.group_outputs();
            panels.bits = spec.depth();
            panels
        };
        if let (true, Some(run)) = (self.inside, self.run) {
            for group in 0..self.weights.len() {
                let source = Inside::new(spec, group, run, input, band, width);
                dispatch!(self.level(), token => {
                    product(token, panels(group), rows, source, None, writer);
                });
            }
            return;
        }
        let is_word = W::WORDS && self.is_word();
        let run = if is_word { None } else { self.run };
        let reach = run.map_or(0, |run| run.reach(spec, width));
        let lines = Lines::new(spec, input, band, reach, &mut worker.lines);
        let border = self.border.as_ref().map(|sums| BandBorder {
            sums,
            spec,
            input: input.shape(),
            lines: band.lines.clone(),
            width,
        });
        let border = border.as_ref();
        for group in 0..self.weights.len() {
            let windows = Windows {
                spec,
                group,
                height,
                width,
                image_lines: lines.image_lines,
            };
            let panels = panels(group);
            dispatch!(self.level(), token => {
                if is_word {
                    let images = band.images.len();
                    let (rows, line) = words::gather(token, lines, windows, images, &mut worker.rows);
                    writer.store_words(token, rows, line, panels);
                } else if let Some(run) = run {
                    let source = InPlace::new(lines, windows, run);
                    product(token, panels, rows, source, border, writer);
                } else {
                    let source = Gathered::new(token, lines, windows, &mut worker.rows);
                    product(token, panels, rows, source, border, writer);
                }
            });
        }
    }
}

/// Some rows of weights, their kernel lines so many bits apart.
fn lengthened(weights: &BitMatrix, rows: Range<usize>, lines: usize, bits: usize) -> BitMatrix {
    let line = weights.columns() / lines;
    let mut longer = BitMatrix::all_minus_one(rows.len(), lines * bits);
    for (to, from) in rows.enumerate() {
        for at in 0..lines {
            copy_bits(
                longer.row_mut(to),
                at * bits,
                weights.row(from),
                at * line,
                line,
            );
        }
    }
    longer
}

fn takes_words<T: Tile>(_: T) -> bool {
    T::WORDS
}

/// An output's numbers, NHWC: a row for each pixel.
pub(super) fn numbers<T>(shape: Shape, out: RowsMut<'_, T>) -> Result<Numbers<'_, T>, Error> {
    Numbers::new(out, shape.rows(), shape.width, shape.channels)
}
