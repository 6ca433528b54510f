//! Convolutions, dense layers and pools.

use super::{
    builder::{Step, View, shape_of},
    error::ImportError,
};
use bernet_runtime::graph::{Conv, ConvParams, Dense, Op, PoolKind, PoolParams, Shape};

impl Step<'_, '_> {
    /// Whether padding is SAME; otherwise there is none.
    pub(super) fn same(&self, padding: i64) -> Result<bool, ImportError> {
        self.check(
            matches!(padding, 0 | 1),
            "padding",
            "0 (SAME) or 1 (VALID)",
            padding,
        )?;
        Ok(padding == 0)
    }

    /// Rows and columns that TensorFlow's SAME adds: the odd one at the bottom and the right.
    pub(super) fn padding(
        same: bool,
        input: Shape,
        span: [usize; 2],
        stride: [usize; 2],
    ) -> [usize; 4] {
        let [[top, bottom], [left, right]] = [0, 1].map(|axis| {
            let size = input.dims()[axis];
            let reach = (size.div_ceil(stride[axis]).saturating_sub(1))
                .saturating_mul(stride[axis])
                .saturating_add(span[axis]);
            let total = if same { reach.saturating_sub(size) } else { 0 };
            [total / 2, total - total / 2]
        });
        [top, left, bottom, right]
    }

    /// An image with lines, pixels and channels.
    pub(super) fn image(&self, view: &View) -> Result<Shape, ImportError> {
        let axes = view.dims.len() + usize::from(view.batched);
        self.check(
            view.dims.len() == 3,
            "input 0: axes",
            "4: batch, height, width, channels",
            axes,
        )?;
        Ok(shape_of(&view.dims))
    }

    /// The sizes of a value that has the axes of its shape.
    pub(super) fn image_view(&self, id: bernet_runtime::graph::ValueId, batched: bool) -> View {
        let dims = self.builder.graph.value(id).shape.dims().to_vec();
        View { id, dims, batched }
    }

    /// CONV_2D. Filters are `[outputs, height, width, channels of a group]`, as rows of ours.
    pub(super) fn conv_2d(&mut self) -> Result<(), ImportError> {
        let options = self.options(self.operator.conv_2d())?;
        let view = self.floats(0)?;
        let input = self.image(&view)?;
        let (weights, dims) = self.numbers(1)?;
        let &[outputs, height, width, depth] = &dims[..] else {
            return Err(self.error("filter: axes", 4, dims.len()));
        };
        let groups = input.channels / depth.max(1);
        self.check(
            groups * depth == input.channels && groups > 0,
            "filter: channels",
            format!("a divisor of {}", input.channels),
            depth,
        )?;
        let stride = [options.stride_h(), options.stride_w()];
        let dilation = [options.dilation_h_factor(), options.dilation_w_factor()];
        let params = self.window([height, width], stride, dilation, groups)?;
        let same = self.same(options.padding().unwrap_or(0).into())?;
        let activation = options.fused_activation_function().unwrap_or(0);
        self.convolve(view, params, same, outputs, weights, activation)
    }

    /// DEPTHWISE_CONV_2D. Filters are `[1, height, width, outputs]`; a group is one channel.
    pub(super) fn depthwise_conv_2d(&mut self) -> Result<(), ImportError> {
        let options = self.options(self.operator.depthwise_conv_2d())?;
        let view = self.floats(0)?;
        let input = self.image(&view)?;
        let (filter, dims) = self.numbers(1)?;
        let &[1, height, width, outputs] = &dims[..] else {
            return Err(self.error(
                "filter: sizes",
                "[1, height, width, outputs]",
                format!("{dims:?}"),
            ));
        };
        let taps = height * width;
        let weights = (0..filter.len())
            .map(|at| filter[at % taps * outputs + at / taps])
            .collect();
        let stride = [options.stride_h(), options.stride_w()];
        let dilation = [options.dilation_h_factor(), options.dilation_w_factor()];
        let params = self.window([height, width], stride, dilation, input.channels)?;
        let same = self.same(options.padding().unwrap_or(0).into())?;
        let activation = options.fused_activation_function().unwrap_or(0);
        self.convolve(view, params, same, outputs, weights, activation)
    }

    fn window(
        &self,
        kernel: [usize; 2],
        stride: [Option<i32>; 2],
        dilation: [Option<i32>; 2],
        groups: usize,
    ) -> Result<ConvParams, ImportError> {
        let mut params = ConvParams::valid(kernel);
        for axis in 0..2 {
            params.stride[axis] = self.positive("stride", stride[axis].unwrap_or(0))?;
            params.dilation[axis] = self.positive("dilation", dilation[axis].unwrap_or(1))?;
        }
        params.groups = groups;
        Ok(params)
    }

    fn convolve(
        &mut self,
        view: View,
        mut params: ConvParams,
        same: bool,
        outputs: usize,
        weights: Vec<f32>,
        activation: i8,
    ) -> Result<(), ImportError> {
        let input = shape_of(&view.dims);
        params.padding = Self::padding(same, input, params.span(), params.stride);
        let bias = self
            .optional_numbers(2)?
            .map_or_else(Vec::new, |(bias, _)| bias);
        let conv = Conv {
            params,
            outputs,
            weights,
            bias,
        };
        let sums = self.add(Op::Conv(conv), &[view.id])?;
        let id = self.activated(sums, activation)?;
        self.finish(self.image_view(id, view.batched))
    }

    /// FULLY_CONNECTED: rows of weights by all values of an item, or by each pixel of several.
    pub(super) fn fully_connected(&mut self) -> Result<(), ImportError> {
        let options = self.options(self.operator.fully_connected())?;
        let format = options.weights_format().unwrap_or(0);
        self.check(
            format == 0,
            "format of weights",
            "0, in their order",
            format,
        )?;
        let (weights, dims) = self.numbers(1)?;
        let &[outputs, columns] = &dims[..] else {
            return Err(self.error("weights: axes", 2, dims.len()));
        };
        let keep = options.keep_num_dims().unwrap_or(false);
        let activation = options.fused_activation_function().unwrap_or(0);
        let bias = self
            .optional_numbers(2)?
            .map_or_else(Vec::new, |(bias, _)| bias);
        self.rows(weights, outputs, columns, bias, keep, activation)
    }

    /// BATCH_MATMUL with a constant matrix on the right.
    pub(super) fn batch_matmul(&mut self) -> Result<(), ImportError> {
        let options = self.options(self.operator.batch_matmul())?;
        self.check(!options.adj_x().unwrap_or(false), "adj_x", false, true)?;
        let (matrix, dims) = self.numbers(1)?;
        let matrices = dims.iter().rev().skip(2).all(|&size| size == 1);
        let [.., tall, wide] = dims[..] else {
            return Err(self.error("second input: axes", "at least 2", dims.len()));
        };
        self.check(matrices, "second input", "one matrix", format!("{dims:?}"))?;
        let (weights, outputs, columns) = if options.adj_y().unwrap_or(false) {
            (matrix, tall, wide)
        } else {
            let transposed = (0..matrix.len()).map(|at| matrix[at % tall * wide + at / tall]);
            (transposed.collect(), wide, tall)
        };
        self.rows(weights, outputs, columns, Vec::new(), true, 0)
    }

    /// Products of the values, so many at a time, with rows of weights.
    fn rows(
        &mut self,
        weights: Vec<f32>,
        outputs: usize,
        columns: usize,
        bias: Vec<f32>,
        keep: bool,
        activation: i8,
    ) -> Result<(), ImportError> {
        let view = self.floats(0)?;
        let len = shape_of(&view.dims).len();
        let whole = len == columns && (!keep || view.dims.len() == 1);
        let (sums, dims, batched) = if whole {
            let dense = Dense {
                outputs,
                weights,
                bias,
            };
            let sums = self.add(Op::Dense(dense), &[view.id])?;
            (sums, vec![outputs], view.batched || !keep)
        } else {
            // A row of weights sees one pixel: a convolution with one tap.
            let dims = if keep {
                view.dims.clone()
            } else {
                self.whole(&view)?;
                vec![len / columns.max(1), columns]
            };
            self.check(
                dims.last() == Some(&columns) && shape_of(&dims).len() == len,
                "input 0: values",
                format!("rows of {columns}"),
                format!("{:?}", view.dims),
            )?;
            let pixels = self.reshaped(view.id, &dims)?;
            let conv = Conv {
                params: ConvParams::valid([1, 1]),
                outputs,
                weights,
                bias,
            };
            let sums = self.add(Op::Conv(conv), &[pixels])?;
            let outer = &dims[..dims.len() - 1];
            (sums, [outer, &[outputs]].concat(), keep && view.batched)
        };
        let id = self.activated(sums, activation)?;
        self.finish(View { id, dims, batched })
    }

    /// MAX_POOL_2D and AVERAGE_POOL_2D, which divides by the number of values inside the image.
    pub(super) fn pool_2d(&mut self, kind: PoolKind) -> Result<(), ImportError> {
        let options = self.options(self.operator.pool_2d())?;
        let view = self.floats(0)?;
        let kernel = [options.filter_height(), options.filter_width()];
        let stride = [options.stride_h(), options.stride_w()];
        let same = self.same(options.padding().unwrap_or(0).into())?;
        let id = self.pooled(
            &view,
            kind,
            kernel.map(|size| size.unwrap_or(0)),
            stride.map(|size| size.unwrap_or(0)),
            same,
        )?;
        let id = self.activated(id, options.fused_activation_function().unwrap_or(0))?;
        self.finish(self.image_view(id, view.batched))
    }

    /// Adds a pool.
    pub(super) fn pooled(
        &mut self,
        view: &View,
        kind: PoolKind,
        kernel: [i32; 2],
        stride: [i32; 2],
        same: bool,
    ) -> Result<bernet_runtime::graph::ValueId, ImportError> {
        let input = self.image(view)?;
        let kernel = [
            self.positive("filter_height", kernel[0])?,
            self.positive("filter_width", kernel[1])?,
        ];
        let stride = [
            self.positive("stride_height", stride[0])?,
            self.positive("stride_width", stride[1])?,
        ];
        let padding = Self::padding(same, input, kernel, stride);
        let pool = PoolParams {
            kind,
            kernel,
            stride,
            padding,
        };
        self.add(Op::Pool(pool), &[view.id])
    }
}
