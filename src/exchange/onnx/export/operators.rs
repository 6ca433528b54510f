//! Each operator of a graph as nodes of a file.

use super::{
    Dialect, ExportError, Exporter,
    builder::{float, integer, integers},
};
use crate::exchange::onnx::proto::{AttributeProto, data_type};
use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};
use bernet_runtime::{
    graph::{
        Axis, BinaryOp, ConvParams, Kind, Node, Op, PoolKind, PoolParams, Prelu, Quantize,
        ReduceKind, Rounding, Shape, UnaryOp,
    },
    tensor::Tensor,
};

/// The axis of `[batch, channels, height, width]`.
const fn axis_of(axis: Axis) -> i64 {
    match axis {
        Axis::Height => 2,
        Axis::Width => 3,
        Axis::Channels => 1,
    }
}

impl Exporter<'_> {
    /// The nodes of one operator; returns the name of its output.
    pub(super) fn operator(
        &mut self,
        node: &Node,
        inputs: &[String],
    ) -> Result<String, ExportError> {
        let x = inputs.first().map_or("", String::as_str);
        let shape = self.shape(node.outputs[0]);
        let from = node.inputs.first().map_or(shape, |&id| self.shape(id));
        let kind = node.inputs.first().map(|&id| self.graph.value(id).kind);
        Ok(match &node.op {
            Op::Constant(tensor) => self.constant(tensor),
            Op::Sign => self.bits(x, &[0.0], &[false]),
            Op::Threshold(list) => {
                let limits: Vec<f32> = list
                    .iter()
                    // Sums are within ±2²⁴, beyond which every limit is the same.
                    .map(|one| one.at_least.clamp(-(1 << 25), 1 << 25) as f32)
                    .collect();
                let inverted: Vec<bool> = list.iter().map(|one| one.invert).collect();
                self.bits(x, &limits, &inverted)
            }
            Op::RealThreshold(list) => {
                let limits: Vec<f32> = list.iter().map(|one| one.at_least).collect();
                let inverted: Vec<bool> = list.iter().map(|one| one.invert).collect();
                self.bits(x, &limits, &inverted)
            }
            Op::Cast(to) if (kind, *to) == (Some(Kind::F32), Kind::I32) => {
                let to = |to: i32| vec![integer("to", to.into())];
                let whole = self.builder.node("Cast", &[x], to(data_type::INT32));
                self.builder.node("Cast", &[&whole], to(data_type::FLOAT))
            }
            Op::Cast(_) => self.builder.node("Identity", &[x], vec![]),
            Op::BinaryConv(conv) => {
                let weights = |row: usize, column: usize| sign(&conv.weights, row, column);
                self.conv(
                    x,
                    from,
                    &conv.params,
                    conv.weights.rows(),
                    &weights,
                    &[],
                    true,
                )
            }
            Op::BinaryDense(matrix) => {
                let weights = |row: usize, column: usize| sign(matrix, row, column);
                let params = ConvParams::valid([from.height, from.width]);
                self.conv(x, from, &params, matrix.rows(), &weights, &[], true)
            }
            Op::Conv(conv) => {
                let columns = conv.weights.len() / conv.outputs;
                let weights = |row: usize, column: usize| conv.weights[row * columns + column];
                self.conv(
                    x,
                    from,
                    &conv.params,
                    conv.outputs,
                    &weights,
                    &conv.bias,
                    false,
                )
            }
            Op::Dense(dense) => {
                let columns = from.len();
                let weights = |row: usize, column: usize| dense.weights[row * columns + column];
                let params = ConvParams::valid([from.height, from.width]);
                self.conv(
                    x,
                    from,
                    &params,
                    dense.outputs,
                    &weights,
                    &dense.bias,
                    false,
                )
            }
            Op::Affine { scale, bias } => {
                let mut y = x.to_owned();
                for (op, list) in [("Mul", scale), ("Add", bias)] {
                    y = self.with_channels(op, &y, list);
                }
                if y == x {
                    y = self.builder.node("Identity", &[x], vec![]);
                }
                y
            }
            Op::PixelBias(bias) => {
                let Shape {
                    height,
                    width,
                    channels,
                } = from;
                let of_pixel = bias.view().terms(channels);
                let terms = (0..channels).flat_map(|channel| {
                    (0..height * width).map(move |pixel| (channel, [pixel / width, pixel % width]))
                });
                let terms =
                    terms.map(|(channel, at)| of_pixel(at).map_or(0.0, |terms| terms[channel]));
                let terms = self.builder.floats(&[1, channels, height, width], terms);
                self.builder.node("Add", &[x, &terms], vec![])
            }
            Op::Binary(op) => self.binary(*op, &inputs[0], &inputs[1]),
            Op::Select => {
                let zero = self.builder.float(0.0);
                let holds = self.builder.node("Greater", &[x, &zero], vec![]);
                self.builder
                    .node("Where", &[&holds, &inputs[1], &inputs[2]], vec![])
            }
            Op::Unary(op) => self.unary(*op, x),
            Op::Prelu(prelu) => self.prelu(prelu, x),
            Op::Quantize(quantize) => self.quantize(quantize, x),
            Op::Pool(pool) => self.pool(pool, x, shape),
            Op::Reduce { kind, axes } => self.reduce(*kind, *axes, x),
            Op::Softmax => self.builder.node("Softmax", &[x], vec![integer("axis", 1)]),
            Op::LogSoftmax => self
                .builder
                .node("LogSoftmax", &[x], vec![integer("axis", 1)]),
            Op::ArgMax => {
                let place = self.builder.node("ArgMax", &[x], vec![integer("axis", 1)]);
                let to = vec![integer("to", data_type::FLOAT.into())];
                self.builder.node("Cast", &[&place], to)
            }
            Op::Concat(axis) => {
                let inputs = self.batched(node, inputs);
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                let axis = vec![integer("axis", axis_of(*axis))];
                self.builder.node("Concat", &inputs, axis)
            }
            &Op::Slice {
                axis,
                start,
                length,
                step,
            } => {
                let end = start + (length - 1) * step + 1;
                let lists = [start as i64, end as i64, axis_of(axis), step as i64];
                let [start, end, axis, step] = lists.map(|one| self.builder.integers(&[one]));
                self.builder
                    .node("Slice", &[x, &start, &end, &axis, &step], vec![])
            }
            Op::Pad {
                before,
                after,
                value,
            } => {
                let value = match kind {
                    Some(Kind::Bit) if *value >= 0.0 => 1.0,
                    Some(Kind::Bit) => -1.0,
                    Some(Kind::U8) => f32::from(*value as u8),
                    Some(Kind::I32) => (*value as i32) as f32,
                    _ => *value,
                };
                self.pad(x, *before, *after, value)
            }
            Op::Reshape(_) => {
                let rows = self.rows(x, from);
                self.planes(&rows, shape)
            }
            Op::Transpose { dims, perm, .. } => {
                let rows = self.rows(x, from);
                let moved = self.permuted(&rows, dims, perm, true);
                self.planes(&moved, shape)
            }
            other => {
                return Err(ExportError::Operator {
                    name: node.name.clone(),
                    op: other.name(),
                });
            }
        })
    }

    fn constant(&mut self, tensor: &Tensor) -> String {
        let [height, width, channels] = tensor.shape().dims();
        let values = tensor.to_f32();
        let at = |place: usize| {
            let (channel, rest) = (place / (height * width), place % (height * width));
            values[rest * channels + channel]
        };
        let count = values.len();
        self.builder
            .floats(&[1, channels, height, width], (0..count).map(at))
    }

    /// Inputs of a concatenation, of which constants are repeated for each item of a batch.
    fn batched(&mut self, node: &Node, inputs: &[String]) -> Vec<String> {
        let producers = self.graph.producers();
        let is_constant = |index: usize| {
            let producer = producers[node.inputs[index].index()];
            producer.is_some_and(|index| matches!(self.graph.nodes[index].op, Op::Constant(_)))
        };
        let constants: Vec<bool> = (0..inputs.len()).map(is_constant).collect();
        let Some(other) = constants.iter().position(|constant| !constant) else {
            return inputs.to_vec();
        };
        let mut batched = inputs.to_vec();
        for index in (0..inputs.len()).filter(|&index| constants[index]) {
            // Zeros of the batch's size, one for each item.
            let axes = vec![integers("axes", &[1, 2, 3])];
            let zero = self.builder.float(0.0);
            let sums = self.builder.node("ReduceMax", &[&inputs[other]], axes);
            let ones = self.builder.node("Greater", &[&sums, &sums], vec![]);
            batched[index] = self
                .builder
                .node("Where", &[&ones, &zero, &inputs[index]], vec![]);
        }
        batched
    }

    /// A list as an array that broadcasts over the channels.
    fn channels(&mut self, list: &[f32]) -> String {
        self.builder
            .floats(&[list.len(), 1, 1], list.iter().copied())
    }

    /// An operation with one number for each channel; none changes nothing.
    fn with_channels(&mut self, op: &str, x: &str, list: &[f32]) -> String {
        if list.is_empty() {
            return x.to_owned();
        }
        let list = self.channels(list);
        self.builder.node(op, &[x, &list], vec![])
    }

    /// +1 where a number reaches its channel's limit, −1 otherwise; the reverse where inverted.
    fn bits(&mut self, x: &str, limits: &[f32], inverted: &[bool]) -> String {
        let signs: Vec<f32> = inverted
            .iter()
            .map(|&inverted| if inverted { -1.0 } else { 1.0 })
            .collect();
        let finite = limits.iter().all(|limit| limit.is_finite());
        if self.dialect == Dialect::Qonnx && finite {
            let mut rest = x.to_owned();
            if limits.iter().any(|&limit| limit != 0.0) {
                rest = self.with_channels("Sub", x, limits);
            }
            let one = self.builder.float(1.0);
            let bits = self.builder.node("BipolarQuant", &[&rest, &one], vec![]);
            if inverted.iter().any(|&inverted| inverted) {
                return self.with_channels("Mul", &bits, &signs);
            }
            return bits;
        }
        let limits = self.channels(limits);
        let reached = self.builder.node("GreaterOrEqual", &[x, &limits], vec![]);
        let negated: Vec<f32> = signs.iter().map(|sign| -sign).collect();
        let (yes, no) = (self.channels(&signs), self.channels(&negated));
        self.builder.node("Where", &[&reached, &yes, &no], vec![])
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a convolution, of two kinds of weights"
    )]
    fn conv(
        &mut self,
        x: &str,
        from: Shape,
        params: &ConvParams,
        outputs: usize,
        weight: &dyn Fn(usize, usize) -> f32,
        bias: &[f32],
        bits: bool,
    ) -> String {
        let mut params = *params;
        let mut x = x.to_owned();
        // A convolution pads with 0 itself.
        let value = match params.padding_value {
            PaddingValue::MinusOne => Some(-1.0),
            PaddingValue::Zero => None,
            PaddingValue::PlusOne => Some(1.0),
        };
        if let Some(value) = value.filter(|_| params.padding != [0; 4]) {
            let [top, left, bottom, right] = std::mem::take(&mut params.padding);
            x = self.pad(&x, [top, left, 0], [bottom, right, 0], value);
        }
        let depth = from.channels / params.groups;
        let [tall, wide] = params.kernel;
        let mut weights = self.weights([outputs, depth, tall, wide], weight);
        if bits && self.dialect == Dialect::Qonnx {
            let one = self.builder.float(1.0);
            weights = self.builder.node("BipolarQuant", &[&weights, &one], vec![]);
            self.builder
                .weights(&weights, &[outputs, depth, tall, wide]);
        }
        let attributes = vec![
            integers("kernel_shape", &params.kernel),
            integers("strides", &params.stride),
            integers("dilations", &params.dilation),
            integers("pads", &params.padding),
            integer("group", params.groups as i64),
        ];
        if bias.is_empty() {
            return self.builder.node("Conv", &[&x, &weights], attributes);
        }
        let bias = self.builder.floats(&[outputs], bias.iter().copied());
        self.builder
            .node("Conv", &[&x, &weights, &bias], attributes)
    }

    /// Weights in ONNX's order: output, channel, kernel line, kernel column.
    pub(super) fn weights(
        &mut self,
        dims: [usize; 4],
        weight: &dyn Fn(usize, usize) -> f32,
    ) -> String {
        let [outputs, depth, tall, wide] = dims;
        let values = (0..outputs).flat_map(|output| {
            (0..depth).flat_map(move |channel| {
                (0..tall * wide).map(move |tap| weight(output, tap * depth + channel))
            })
        });
        self.builder.floats(&dims, values)
    }

    fn pad(&mut self, x: &str, before: [usize; 3], after: [usize; 3], value: f32) -> String {
        let order = |[height, width, channels]: [usize; 3]| [0, channels, height, width];
        let pads: Vec<i64> = [order(before), order(after)]
            .concat()
            .into_iter()
            .map(|pad| pad as i64)
            .collect();
        let pads = self.builder.integers(&pads);
        let value = self.builder.float(value);
        self.builder.node("Pad", &[x, &pads, &value], vec![])
    }

    fn binary(&mut self, op: BinaryOp, a: &str, b: &str) -> String {
        let name = match op {
            BinaryOp::Add => "Add",
            BinaryOp::Sub => "Sub",
            BinaryOp::Mul => "Mul",
            BinaryOp::Div => "Div",
            BinaryOp::Min => "Min",
            BinaryOp::Max => "Max",
            BinaryOp::Greater => "Greater",
            BinaryOp::GreaterOrEqual => "GreaterOrEqual",
            BinaryOp::Equal => "Equal",
        };
        let result = self.builder.node(name, &[a, b], vec![]);
        if !op.is_comparison() {
            return result;
        }
        let (plus, minus) = (self.builder.float(1.0), self.builder.float(-1.0));
        self.builder
            .node("Where", &[&result, &plus, &minus], vec![])
    }

    fn unary(&mut self, op: UnaryOp, x: &str) -> String {
        let (name, attributes): (_, Vec<AttributeProto>) = match op {
            UnaryOp::Relu => ("Relu", vec![]),
            UnaryOp::Clip { low, high } => {
                let (low, high) = (self.builder.float(low), self.builder.float(high));
                return self.builder.node("Clip", &[x, &low, &high], vec![]);
            }
            UnaryOp::LeakyRelu(slope) => ("LeakyRelu", vec![float("alpha", slope)]),
            UnaryOp::Elu(alpha) => ("Elu", vec![float("alpha", alpha)]),
            UnaryOp::Sigmoid => ("Sigmoid", vec![]),
            UnaryOp::HardSigmoid { alpha, beta } => (
                "HardSigmoid",
                vec![float("alpha", alpha), float("beta", beta)],
            ),
            UnaryOp::Tanh => ("Tanh", vec![]),
            UnaryOp::Sign => ("Sign", vec![]),
            UnaryOp::Abs => ("Abs", vec![]),
            UnaryOp::Neg => ("Neg", vec![]),
            UnaryOp::Exp => ("Exp", vec![]),
            UnaryOp::Log => ("Log", vec![]),
            UnaryOp::Sqrt => ("Sqrt", vec![]),
            UnaryOp::Reciprocal => ("Reciprocal", vec![]),
            UnaryOp::Floor => ("Floor", vec![]),
            UnaryOp::Ceil => ("Ceil", vec![]),
            UnaryOp::Round => ("Round", vec![]),
            UnaryOp::Erf => ("Erf", vec![]),
        };
        self.builder.node(name, &[x], attributes)
    }

    fn prelu(&mut self, prelu: &Prelu, x: &str) -> String {
        let before = self.with_channels("Add", x, &prelu.before);
        let slope = self.channels(&prelu.slope);
        let bent = self.builder.node("PRelu", &[&before, &slope], vec![]);
        self.with_channels("Add", &bent, &prelu.after)
    }

    /// `(clamp(round(x / scale + zero_point), low, high) − zero_point) · scale`.
    fn quantize(&mut self, quantize: &Quantize, x: &str) -> String {
        let scaled = self.with_channels("Div", x, &quantize.scale);
        let shifted = self.with_channels("Add", &scaled, &quantize.zero_point);
        let rounded = match quantize.rounding {
            Rounding::HalfEven => self.builder.node("Round", &[&shifted], vec![]),
            Rounding::Floor => self.builder.node("Floor", &[&shifted], vec![]),
            Rounding::Ceil => self.builder.node("Ceil", &[&shifted], vec![]),
            Rounding::Truncate | Rounding::HalfAway => {
                let sign = self.builder.node("Sign", &[&shifted], vec![]);
                let size = self.builder.node("Abs", &[&shifted], vec![]);
                let mut whole = self.builder.node("Floor", &[&size], vec![]);
                if quantize.rounding == Rounding::HalfAway {
                    let rest = self.builder.node("Sub", &[&size, &whole], vec![]);
                    let half = self.builder.float(0.5);
                    let up = self.builder.node("GreaterOrEqual", &[&rest, &half], vec![]);
                    let (one, zero) = (self.builder.float(1.0), self.builder.float(0.0));
                    let more = self.builder.node("Where", &[&up, &one, &zero], vec![]);
                    whole = self.builder.node("Add", &[&whole, &more], vec![]);
                }
                self.builder.node("Mul", &[&sign, &whole], vec![])
            }
        };
        let (low, high) = (
            self.builder.float(quantize.low),
            self.builder.float(quantize.high),
        );
        let clipped = self.builder.node("Clip", &[&rounded, &low, &high], vec![]);
        let shifted = self.with_channels("Sub", &clipped, &quantize.zero_point);
        self.with_channels("Mul", &shifted, &quantize.scale)
    }

    fn pool(&mut self, pool: &PoolParams, x: &str, shape: Shape) -> String {
        let mut attributes = vec![
            integers("kernel_shape", &pool.kernel),
            integers("strides", &pool.stride),
            integers("pads", &pool.padding),
        ];
        match pool.kind {
            PoolKind::Max => self.builder.node("MaxPool", &[x], attributes),
            PoolKind::Average | PoolKind::AveragePadded => {
                let padded = pool.kind == PoolKind::AveragePadded;
                attributes.push(integer("count_include_pad", padded.into()));
                self.builder.node("AveragePool", &[x], attributes)
            }
            PoolKind::Sum => {
                let [tall, wide] = pool.kernel;
                let ones = std::iter::repeat_n(1.0, shape.channels * tall * wide);
                let ones = self.builder.floats(&[shape.channels, 1, tall, wide], ones);
                attributes.push(integer("group", shape.channels as i64));
                self.builder.node("Conv", &[x, &ones], attributes)
            }
        }
    }

    fn reduce(&mut self, kind: ReduceKind, axes: [bool; 3], x: &str) -> String {
        let axes: Vec<i64> = [Axis::Height, Axis::Width, Axis::Channels]
            .into_iter()
            .filter(|axis| axes[axis.index()])
            .map(axis_of)
            .collect();
        let name = match kind {
            _ if axes.is_empty() => return self.builder.node("Identity", &[x], vec![]),
            ReduceKind::Sum => {
                let axes = self.builder.integers(&axes);
                return self.builder.node("ReduceSum", &[x, &axes], vec![]);
            }
            ReduceKind::Mean => "ReduceMean",
            ReduceKind::Max => "ReduceMax",
            ReduceKind::Min => "ReduceMin",
        };
        let axes: Vec<usize> = axes.into_iter().map(|axis| axis as usize).collect();
        self.builder.node(name, &[x], vec![integers("axes", &axes)])
    }
}

pub(super) fn sign(weights: &BitMatrix, row: usize, column: usize) -> f32 {
    if weights.get(row, column) { 1.0 } else { -1.0 }
}
