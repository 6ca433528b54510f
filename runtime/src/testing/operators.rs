//! One random operator after the other.

use super::Builder;
use crate::graph::{
    Axis, BinaryConv, BinaryOp, Conv, ConvParams, Dense, Kind, Op, PixelBias, PoolKind, PoolParams,
    Prelu, Quantize, RealThreshold, ReduceKind, Rounding, Shape, UnaryOp, ValueId,
};
use alloc::{vec, vec::Vec};
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{PaddingValue, Threshold},
};

const ANY: [Kind; 4] = [Kind::Bit, Kind::U8, Kind::I32, Kind::F32];
const NUMBERS: [Kind; 3] = [Kind::U8, Kind::I32, Kind::F32];
const AXES: [Axis; 3] = [Axis::Height, Axis::Width, Axis::Channels];

impl Builder {
    /// Adds one operator and what it needs; now and then nothing, where nothing suits it.
    pub(super) fn add_operator(&mut self) {
        let _ = match self.source.below(23) {
            0 => self.add_sign(),
            1 | 2 => self.add_threshold(),
            3 => self.add_cast(),
            4..=6 => self.add_binary_conv(),
            7 => self.add_binary_dense(),
            8 => self.add_conv(),
            9 => self.add_dense(),
            10 => self.add_affine(),
            11 | 12 => self.add_binary(),
            13 => self.add_select(),
            14 | 15 => self.add_unary(),
            16 => self.add_prelu_or_quantize(),
            17 => self.add_pool(),
            18 => self.add_reduction(),
            19 => self.add_concat(),
            20 => self.add_slice_or_pad(),
            21 => self.add_pixel_bias(),
            _ => self.add_reshape_or_transpose(),
        };
    }

    fn shape(&self, id: ValueId) -> Shape {
        self.graph.value(id).shape
    }

    fn add_sign(&mut self) -> Option<ValueId> {
        let number = self.find(&NUMBERS)?;
        self.add(Op::Sign, &[number])
    }

    fn add_threshold(&mut self) -> Option<ValueId> {
        let input = self.find(&NUMBERS)?;
        let value = self.graph.value(input);
        let channels = value.shape.channels;
        let count = self.source.pick(&[1, channels, channels, channels]);
        let (inverts, equal) = (self.source.chance(50), self.source.chance(20));
        if value.kind == Kind::F32 {
            let mut threshold = |_| RealThreshold {
                at_least: match self.source.below(30) {
                    0 => f32::INFINITY,
                    1 => f32::NEG_INFINITY,
                    _ => self.source.float(),
                },
                invert: inverts && self.source.chance(50),
            };
            let first = threshold(0);
            let list = (0..count).map(|at| if equal { first } else { threshold(at) });
            let list: Vec<_> = list.collect();
            return self.add(Op::RealThreshold(list), &[input]);
        }
        let (base, most) = self
            .source
            .pick(&[(0, 8), (0, 100), (500, 20), (90_000, 300)]);
        let mut threshold = |_| Threshold {
            at_least: match self.source.below(50) {
                0 => i32::MAX,
                1 => i32::MIN,
                _ => base + self.source.integer(most),
            },
            invert: inverts && self.source.chance(50),
        };
        let first = threshold(0);
        let list = (0..count).map(|at| if equal { first } else { threshold(at) });
        let list: Vec<_> = list.collect();
        self.add(Op::Threshold(list), &[input])
    }

    fn add_cast(&mut self) -> Option<ValueId> {
        let input = self.find(&ANY)?;
        let kind = match self.graph.value(input).kind {
            kind @ (Kind::Bit | Kind::U8) => self.source.pick(&[kind, Kind::I32, Kind::F32]),
            _ => self.source.pick(&[Kind::I32, Kind::F32]),
        };
        self.add(Op::Cast(kind), &[input])
    }

    /// A bit or a byte value; the weights multiply one of these.
    fn bits_or_bytes(&mut self) -> Option<ValueId> {
        if self.source.chance(15) {
            self.find(&[Kind::Bit, Kind::U8])
        } else {
            self.of_kind(Kind::Bit)
        }
    }

    fn bit_matrix(&mut self, rows: usize, columns: usize) -> BitMatrix {
        BitMatrix::from_fn(rows, columns, |_, _| self.source.chance(50))
    }

    /// Parameters that suit a shape, output channels, and columns of the weights.
    fn conv_params(&mut self, input: Shape, kind: Kind) -> (ConvParams, usize, usize) {
        let source = &mut self.source;
        let mut params = ConvParams::valid([1, 1]);
        for axis in 0..2 {
            let size = input.dims()[axis];
            params.stride[axis] = source.pick(&[1, 1, 2, 3]);
            params.dilation[axis] = source.pick(&[1, 1, 1, 2]);
            let padded = size + source.pick(&[0, 0, 1, 2, 3]);
            let taps = (padded - 1) / params.dilation[axis] + 1;
            params.kernel[axis] = 1 + source.below(taps.min(3));
            let before = source.below(padded - size + 1);
            params.padding[axis] = before;
            params.padding[axis + 2] = padded - size - before;
        }
        if kind == Kind::Bit {
            let values = [
                PaddingValue::MinusOne,
                PaddingValue::Zero,
                PaddingValue::PlusOne,
            ];
            params.padding_value = source.pick(&values);
        }
        let groups = [1, 1, 1, 2, 3, input.channels];
        let fitting = groups
            .into_iter()
            .filter(|&groups| input.channels.is_multiple_of(groups));
        params.groups = source.pick(&fitting.collect::<Vec<_>>());
        let each = source.pick(&[1, 2, 3, 5]);
        let most = if params.groups > 3 { 1 } else { each };
        let outputs = params.groups
            * if source.chance(10) {
                33 / params.groups.min(33) + 1
            } else {
                most
            };
        let [tall, wide] = params.kernel;
        (
            params,
            outputs,
            tall * wide * input.channels / params.groups,
        )
    }

    fn add_binary_conv(&mut self) -> Option<ValueId> {
        let input = self.bits_or_bytes()?;
        let kind = self.graph.value(input).kind;
        let (params, outputs, columns) = self.conv_params(self.shape(input), kind);
        let weights = self.bit_matrix(outputs, columns);
        self.add(Op::BinaryConv(BinaryConv { params, weights }), &[input])
    }

    fn add_binary_dense(&mut self) -> Option<ValueId> {
        let input = self.bits_or_bytes()?;
        let rows = self.source.pick(&[1, 3, 10, 17]);
        let weights = self.bit_matrix(rows, self.shape(input).len());
        self.add(Op::BinaryDense(weights), &[input])
    }

    /// Floats, or a constant times signs; a bias or none.
    fn weights(&mut self, outputs: usize, columns: usize) -> [Vec<f32>; 2] {
        let alpha = self.source.chance(50).then(|| self.source.float());
        let weight = |_| match alpha {
            Some(alpha) if self.source.chance(50) => -alpha,
            Some(alpha) => alpha,
            None => self.source.float(),
        };
        let weights = (0..outputs * columns).map(weight).collect();
        let bias = if self.source.chance(50) { 0 } else { outputs };
        [weights, (0..bias).map(|_| self.source.float()).collect()]
    }

    fn add_conv(&mut self) -> Option<ValueId> {
        let input = self.of_kind(Kind::F32)?;
        let input = self.bounded(input)?;
        let (params, outputs, columns) = self.conv_params(self.shape(input), Kind::F32);
        let [weights, bias] = self.weights(outputs, columns);
        let conv = Conv {
            params,
            outputs,
            weights,
            bias,
        };
        self.add(Op::Conv(conv), &[input])
    }

    fn add_dense(&mut self) -> Option<ValueId> {
        let input = self.of_kind(Kind::F32)?;
        let input = self.bounded(input)?;
        let outputs = self.source.pick(&[1, 3, 10]);
        let [weights, bias] = self.weights(outputs, self.shape(input).len());
        let dense = Dense {
            outputs,
            weights,
            bias,
        };
        self.add(Op::Dense(dense), &[input])
    }

    fn add_affine(&mut self) -> Option<ValueId> {
        let input = self.find(&NUMBERS)?;
        let channels = self.shape(input).channels;
        let scale = self.source.list(channels, true);
        let bias = self.source.list(channels, true);
        self.add(Op::Affine { scale, bias }, &[input])
    }

    fn add_pixel_bias(&mut self) -> Option<ValueId> {
        let input = self.of_kind(Kind::F32)?;
        let Shape {
            height,
            width,
            channels,
        } = self.shape(input);
        let mut kinds =
            |count: usize| -> Vec<u8> { (0..count).map(|_| self.source.below(3) as u8).collect() };
        let mut bias = PixelBias {
            lines: kinds(height),
            pixels: kinds(width),
            bias: Vec::new(),
        };
        let terms = bias.view().terms_len(channels);
        bias.bias = (0..terms).map(|_| self.source.float()).collect();
        self.add(Op::PixelBias(bias), &[input])
    }

    /// Floats from −8 to 8: clipped, or as they are where a cast of bits made them.
    fn bounded(&mut self, floats: ValueId) -> Option<ValueId> {
        let producer = self.graph.producers()[floats.index()];
        let of_bits = producer.is_some_and(|index| {
            let node = &self.graph.nodes[index];
            let from = |id: &ValueId| self.graph.value(*id).kind;
            matches!(node.op, Op::Cast(_)) && node.inputs.iter().map(from).all(|k| k == Kind::Bit)
        });
        if of_bits {
            return Some(floats);
        }
        let (low, high) = (-8.0, 8.0);
        self.add(Op::Unary(UnaryOp::Clip { low, high }), &[floats])
    }

    /// Floats of at least 1/2, for what has a pole or no value at 0.
    fn positive(&mut self, floats: ValueId) -> Option<ValueId> {
        let floats = self.bounded(floats)?;
        let size = self.add(Op::Unary(UnaryOp::Abs), &[floats])?;
        let (scale, bias) = (vec![], vec![0.5]);
        self.add(Op::Affine { scale, bias }, &[size])
    }

    fn add_binary(&mut self) -> Option<ValueId> {
        let op = self.source.pick(&[
            BinaryOp::Add,
            BinaryOp::Add,
            BinaryOp::Sub,
            BinaryOp::Mul,
            BinaryOp::Div,
            BinaryOp::Min,
            BinaryOp::Max,
            BinaryOp::Greater,
            BinaryOp::GreaterOrEqual,
            BinaryOp::Equal,
        ]);
        let mut first = match op {
            BinaryOp::Div => self.of_kind(Kind::F32)?,
            _ if op.is_comparison() => self.find(&NUMBERS)?,
            _ => {
                let kind = self.source.pick(&[Kind::F32, Kind::I32]);
                self.of_kind(kind)?
            }
        };
        let mut second = self.partner(first)?;
        if op == BinaryOp::Div {
            second = self.positive(second)?;
        } else if op == BinaryOp::Mul && self.graph.value(first).kind == Kind::F32 {
            first = self.bounded(first)?;
            second = self.bounded(second)?;
        }
        let pair = if self.source.chance(50) || op == BinaryOp::Div {
            [first, second]
        } else {
            [second, first]
        };
        self.add(Op::Binary(op), &pair)
    }

    fn add_select(&mut self) -> Option<ValueId> {
        let a = self.find(&ANY)?;
        let b = self.partner(a)?;
        // A condition of the shape of both, so that it broadcasts with them.
        let numbers = |kind| kind == Kind::F32 || kind == Kind::I32;
        let condition = if numbers(self.graph.value(a).kind) {
            self.add(Op::Binary(BinaryOp::GreaterOrEqual), &[a, b])?
        } else {
            let shape = if self.source.chance(50) {
                Shape::flat(1)
            } else {
                self.shape(a)
            };
            let constant = self.source.tensor(1, Kind::Bit, shape);
            self.add(Op::Constant(constant), &[])?
        };
        self.add(Op::Select, &[condition, a, b])
    }

    fn add_unary(&mut self) -> Option<ValueId> {
        let mut input = self.of_kind(Kind::F32)?;
        let small = || [0.0, 0.1, 0.25, 1.0, -0.5];
        let op = match self.source.below(20) {
            0 | 1 => UnaryOp::Relu,
            2 => UnaryOp::Clip {
                low: -1.0,
                high: 1.0,
            },
            3 => UnaryOp::Clip {
                low: f32::NEG_INFINITY,
                high: 6.0,
            },
            4 => UnaryOp::LeakyRelu(self.source.pick(&small())),
            5 => UnaryOp::Elu(self.source.pick(&small())),
            6 => UnaryOp::Sigmoid,
            7 => UnaryOp::HardSigmoid {
                alpha: self.source.pick(&[0.2, 1.0 / 6.0]),
                beta: 0.5,
            },
            8 => UnaryOp::Tanh,
            9 => UnaryOp::Sign,
            10 => UnaryOp::Abs,
            11 => UnaryOp::Neg,
            12 => UnaryOp::Exp,
            13 => UnaryOp::Log,
            14 => UnaryOp::Sqrt,
            15 => UnaryOp::Reciprocal,
            16 => UnaryOp::Floor,
            17 => UnaryOp::Ceil,
            18 => UnaryOp::Round,
            _ => UnaryOp::Erf,
        };
        input = match op {
            UnaryOp::Exp => self.bounded(input)?,
            UnaryOp::Log | UnaryOp::Sqrt | UnaryOp::Reciprocal => self.positive(input)?,
            _ => input,
        };
        self.add(Op::Unary(op), &[input])
    }

    fn add_prelu_or_quantize(&mut self) -> Option<ValueId> {
        let input = self.of_kind(Kind::F32)?;
        let channels = self.shape(input).channels;
        let op = if self.source.chance(50) {
            Op::Prelu(Prelu {
                before: self.source.list(channels, true),
                slope: self.source.list(channels, false),
                after: self.source.list(channels, true),
            })
        } else {
            let scale = self.source.list(channels, false);
            let zero_point = self.source.list(channels, false);
            let (low, high) = self.source.pick(&[(-8.0, 7.0), (0.0, 255.0), (-1.0, 1.0)]);
            Op::Quantize(Quantize {
                scale: scale.iter().map(|scale| scale.abs() + 0.125).collect(),
                zero_point: zero_point.iter().map(|zero| libm::rintf(*zero)).collect(),
                low,
                high,
                rounding: self.source.pick(&[
                    Rounding::HalfEven,
                    Rounding::HalfAway,
                    Rounding::Floor,
                    Rounding::Ceil,
                    Rounding::Truncate,
                ]),
            })
        };
        self.add(op, &[input])
    }

    fn add_pool(&mut self) -> Option<ValueId> {
        let input = self.find(&ANY)?;
        let dims = self.shape(input).dims();
        let source = &mut self.source;
        let kinds = [
            PoolKind::Max,
            PoolKind::Max,
            PoolKind::Sum,
            PoolKind::Average,
            PoolKind::AveragePadded,
        ];
        let mut pool = PoolParams {
            kind: source.pick(&kinds),
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0; 4],
        };
        for axis in 0..2 {
            pool.kernel[axis] = 1 + source.below(dims[axis].min(3));
            pool.stride[axis] = 1 + source.below(3);
            if source.chance(40) {
                pool.padding[axis] = source.below(pool.kernel[axis]);
                pool.padding[axis + 2] = source.below(pool.kernel[axis]);
            }
        }
        self.add(Op::Pool(pool), &[input])
    }

    fn add_reduction(&mut self) -> Option<ValueId> {
        let op = match self.source.below(8) {
            0 => Op::Softmax,
            1 => Op::LogSoftmax,
            2 => Op::ArgMax,
            _ => Op::Reduce {
                kind: self.source.pick(&[
                    ReduceKind::Mean,
                    ReduceKind::Sum,
                    ReduceKind::Max,
                    ReduceKind::Min,
                ]),
                axes: [0; 3].map(|_| self.source.chance(50)),
            },
        };
        let input = match op {
            Op::Softmax | Op::LogSoftmax => self.of_kind(Kind::F32)?,
            Op::ArgMax => self.find(&NUMBERS)?,
            _ => self.find(&ANY)?,
        };
        self.add(op, &[input])
    }

    fn add_concat(&mut self) -> Option<ValueId> {
        let first = self.find(&ANY)?;
        let axis = self.source.pick(&AXES);
        let of = self.graph.value(first);
        let fits = |shape: Shape| {
            let (a, b) = (shape.dims(), of.shape.dims());
            (0..3).all(|at| at == axis.index() || a[at] == b[at])
        };
        let values = self.graph.values.iter().enumerate();
        let suited: Vec<_> = values
            .filter(|(_, value)| value.kind == of.kind && fits(value.shape))
            .map(|(index, _)| ValueId(index as u32))
            .collect();
        let mut inputs = vec![first];
        for _ in 0..self.source.below(3) {
            inputs.push(self.source.pick(&suited));
        }
        self.add(Op::Concat(axis), &inputs)
    }

    fn add_slice_or_pad(&mut self) -> Option<ValueId> {
        let input = self.find(&ANY)?;
        let source = &mut self.source;
        let op = if source.chance(60) {
            let axis = source.pick(&AXES);
            let size = self.graph.value(input).shape.dims()[axis.index()];
            let (start, step) = (source.below(size), 1 + source.below(3));
            Op::Slice {
                axis,
                start,
                length: 1 + source.below((size - start - 1) / step + 1),
                step,
            }
        } else {
            Op::Pad {
                before: [0; 3].map(|_| source.pick(&[0, 0, 0, 1, 2])),
                after: [0; 3].map(|_| source.pick(&[0, 0, 0, 1, 2])),
                value: source.pick(&[0.0, -1.0, 1.0, 2.5]),
            }
        };
        self.add(op, &[input])
    }

    fn add_reshape_or_transpose(&mut self) -> Option<ValueId> {
        let input = self.find(&ANY)?;
        let len = self.shape(input).len();
        let mut dims = self.source.split(len);
        dims.resize(dims.len().max(3), 1);
        let folded = dims[2..].iter().product();
        let shape = Shape::new(dims[0], dims[1], folded);
        if self.source.chance(50) {
            return self.add(Op::Reshape(shape), &[input]);
        }
        let perm = self.source.permutation(dims.len());
        self.add(Op::Transpose { dims, perm, shape }, &[input])
    }
}
