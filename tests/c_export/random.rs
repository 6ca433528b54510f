//! Random graphs give the reference's integers.

use super::compiled::{class, compile, from_environment, has, run, write};
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::{
    graph::{
        Axis, BinaryConv, BinaryOp, ConvParams, Graph, Kind, Op, Pixels, PoolKind, PoolParams,
        ReduceKind, Shape, ValueId,
    },
    reference,
    tensor::{Data, Tensor},
    testing::Source,
};

/// A random graph of what has C, with one input of bits or bytes.
struct Maker {
    source: Source,
    graph: Graph,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut maker = Self {
            source: Source::new(seed),
            graph: Graph::default(),
        };
        let channels = maker.source.pick(&[1, 2, 3, 8, 31, 32, 33, 64, 65]);
        let most = if channels > 8 { 4 } else { 9 };
        let shape = Shape::new(
            1 + maker.source.below(most),
            1 + maker.source.below(most),
            channels,
        );
        let kind = maker.source.pick(&[Kind::Bit, Kind::Bit, Kind::U8]);
        let added = maker.graph.add_input("x", kind, shape);
        added.expect("a shape with values");
        maker.graph.inputs[0].pixels = match kind {
            Kind::Bit => Pixels::AtLeast(128),
            _ => Pixels::Bytes,
        };
        maker
    }

    /// A value of one of these types, mostly the newest.
    fn find(&mut self, kinds: &[Kind]) -> Option<ValueId> {
        let values = self.graph.values.iter().enumerate();
        let suited: Vec<_> = values
            .filter(|(_, value)| kinds.contains(&value.kind))
            .map(|(index, _)| ValueId(index as u32))
            .collect();
        let last = *suited.last()?;
        let newest = self.source.chance(70);
        Some(if newest {
            last
        } else {
            self.source.pick(&suited)
        })
    }

    fn add(&mut self, op: Op, inputs: &[ValueId]) {
        // What does not suit its input, or is too large, is left out.
        if let Ok(id) = self.graph.add_node(op, inputs)
            && self.graph.value(id).shape.len() > 3000
        {
            self.graph.nodes.pop();
            self.graph.values.pop();
        }
    }

    fn sizes(&mut self, shape: Shape, dilation: [usize; 2]) -> [usize; 2] {
        let most = |size: usize, dilation: usize| (size - 1) / dilation + 1;
        if self.source.chance(20) && dilation == [1, 1] {
            return [shape.height, shape.width];
        }
        [
            1 + self.source.below(most(shape.height, dilation[0]).min(5)),
            1 + self.source.below(most(shape.width, dilation[1]).min(5)),
        ]
    }

    fn padding(&mut self, most: [usize; 2]) -> [usize; 4] {
        if self.source.chance(60) {
            return [0; 4];
        }
        [most[0], most[1], most[0], most[1]].map(|most| self.source.below(most))
    }

    fn weights(&mut self, rows: usize, columns: usize) -> BitMatrix {
        BitMatrix::from_fn(rows, columns, |_, _| self.source.chance(50))
    }

    fn conv(&mut self, x: ValueId) -> Op {
        let value = self.graph.value(x);
        let shape = value.shape;
        let dilation = if self.source.chance(80) {
            [1, 1]
        } else {
            [1 + self.source.below(2), 1 + self.source.below(2)]
        };
        let kernel = self.sizes(shape, dilation);
        let divisors: Vec<_> = (1..=shape.channels)
            .filter(|part| shape.channels.is_multiple_of(*part))
            .collect();
        let groups = if self.source.chance(75) {
            1
        } else {
            self.source.pick(&divisors)
        };
        let outputs = groups * self.source.pick(&[1, 2, 3, 8, 10, 32, 33]);
        let columns = kernel[0] * kernel[1] * shape.channels / groups;
        let padding_value = match value.kind {
            Kind::Bit => self.source.pick(&[
                PaddingValue::Zero,
                PaddingValue::MinusOne,
                PaddingValue::PlusOne,
            ]),
            _ => PaddingValue::Zero,
        };
        let params = ConvParams {
            kernel,
            stride: [1 + self.source.below(3), 1 + self.source.below(3)],
            dilation,
            padding: self.padding(kernel),
            padding_value,
            groups,
        };
        let weights = self.weights(outputs, columns);
        Op::BinaryConv(BinaryConv { params, weights })
    }

    /// A threshold near the middle of what sums reach, seldom one that all or none reach.
    fn thresholds(&mut self, channels: usize) -> Vec<Threshold> {
        let count = if self.source.chance(10) { 1 } else { channels };
        (0..count)
            .map(|_| {
                let most = self.source.pick(&[3, 10, 300]);
                let at_least = match self.source.below(40) {
                    0 => i32::MIN,
                    1 => i32::MAX,
                    _ => self.source.integer(most),
                };
                let invert = self.source.chance(40);
                Threshold { at_least, invert }
            })
            .collect()
    }

    fn step(&mut self) {
        let any = [Kind::Bit, Kind::U8, Kind::I32];
        let choice = self.source.below(100);
        let kinds: &[Kind] = match choice {
            ..40 => &[Kind::Bit, Kind::U8],
            40..58 => &[Kind::I32, Kind::U8],
            58..66 => &[Kind::I32],
            _ => &any,
        };
        let Some(x) = self.find(kinds) else {
            return;
        };
        let value = self.graph.value(x);
        let shape = value.shape;
        let axis = self
            .source
            .pick(&[Axis::Height, Axis::Width, Axis::Channels]);
        let size = shape.dims()[axis.index()];
        let mut inputs = vec![x];
        let op = match choice {
            ..32 => self.conv(x),
            32..40 => {
                let rows = self.source.pick(&[1, 10, 32, 40]);
                Op::BinaryDense(self.weights(rows, shape.len()))
            }
            40..54 => Op::Threshold(self.thresholds(shape.channels)),
            54..58 => Op::Sign,
            58..66 => {
                let other = self.partner(x);
                inputs.push(other);
                Op::Binary(self.source.pick(&[
                    BinaryOp::Add,
                    BinaryOp::Sub,
                    BinaryOp::Mul,
                    BinaryOp::Min,
                    BinaryOp::Max,
                    BinaryOp::Greater,
                    BinaryOp::GreaterOrEqual,
                    BinaryOp::Equal,
                ]))
            }
            66..76 => {
                let kernel = self.sizes(shape, [1, 1]);
                Op::Pool(PoolParams {
                    kind: self
                        .source
                        .pick(&[PoolKind::Max, PoolKind::Max, PoolKind::Sum]),
                    kernel,
                    stride: [1 + self.source.below(2), 1 + self.source.below(2)],
                    padding: self.padding(kernel),
                })
            }
            76..82 => Op::Reduce {
                kind: self
                    .source
                    .pick(&[ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min]),
                axes: [0; 3].map(|_| self.source.chance(50)),
            },
            82..85 => Op::Cast(Kind::I32),
            85..88 => {
                let start = self.source.below(size);
                let step = 1 + self.source.below(3);
                let length = 1 + self.source.below((size - 1 - start) / step + 1);
                Op::Slice {
                    axis,
                    start,
                    length,
                    step,
                }
            }
            88..91 => Op::Pad {
                before: [0; 3].map(|_| self.source.below(2)),
                after: [0; 3].map(|_| self.source.below(2)),
                value: self.source.pick(&[-1.0, 0.0, 1.0, 7.0, 300.0]),
            },
            91..93 => {
                inputs.push(self.partner(x));
                Op::Concat(axis)
            }
            93..95 => Op::Reshape(Shape::new(shape.channels, shape.height, shape.width)),
            95..97 => Op::Transpose {
                dims: vec![shape.height * shape.width, shape.channels],
                perm: vec![1, 0],
                shape: Shape::new(shape.channels, shape.height, shape.width),
            },
            97..98 => Op::ArgMax,
            _ => {
                let Some(condition) = self.find(&[Kind::Bit]) else {
                    return;
                };
                let other = self.partner(x);
                inputs = vec![condition, x, other];
                Op::Select
            }
        };
        self.add(op, &inputs);
    }

    /// A second operand: the same, another of its type, or a constant.
    fn partner(&mut self, x: ValueId) -> ValueId {
        let value = self.graph.value(x);
        match self.source.below(3) {
            0 => x,
            1 => self.find(&[value.kind]).unwrap_or(x),
            _ => {
                let dims = value.shape.dims();
                let dims = dims.map(|size| if self.source.chance(50) { 1 } else { size });
                let constant = self.source.tensor(1, value.kind, dims.into());
                let added = self.graph.add_node(Op::Constant(constant), &[]);
                added.expect("a constant")
            }
        }
    }

    fn finish(mut self) -> Graph {
        let nodes = 2 + self.source.below(8);
        for _ in 0..200 {
            if self.graph.nodes.len() >= nodes {
                break;
            }
            self.step();
        }
        let last = ValueId(self.graph.values.len() as u32 - 1);
        self.graph.add_output("y", last).expect("a value");
        self.graph
    }
}

/// How many random graphs there are.
fn graphs() -> u64 {
    from_environment("BERNET_C_GRAPHS", 200)
}

#[test]
fn random_graphs_give_the_references_integers() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut operators = std::collections::BTreeSet::new();
    for seed in 0..graphs() {
        let graph = Maker::new(seed).finish();
        operators.extend(graph.nodes.iter().map(|node| node.op.name()));
        let about = format!("seed {seed}");
        let value = graph.value(graph.inputs[0].value);
        let mut source = Source::new(seed);
        let items = 5;
        let pixels: Vec<u8> = (0..items * value.shape.len())
            .map(|_| source.below(256) as u8)
            .collect();
        let data = match value.kind {
            Kind::Bit => Data::Bit(pixels.iter().map(|&pixel| pixel >= 128).collect()),
            _ => Data::U8(pixels.clone()),
        };
        let input = Tensor::new(items, value.shape, data).expect("items");
        let output = &reference::run(&graph, &[input]).expect("a run")[0];
        let expected: Vec<i32> = match output.data() {
            Data::Bit(bits) => bits.iter().map(|&bit| if bit { 1 } else { -1 }).collect(),
            Data::U8(values) => values.iter().map(|&value| value.into()).collect(),
            Data::I32(values) => values.clone(),
            Data::F32(_) => unreachable!("no operator gives floats"),
        };
        // Constants have one item for all.
        let expected = expected.repeat(items / output.batch());
        write(&graph, folder.path(), &about);
        let sanitised = [
            "-O1",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
        ];
        let flags = if seed % 4 == 0 {
            &sanitised[..]
        } else {
            &["-O1"]
        };
        compile(folder.path(), flags, &about);
        let found = run(folder.path(), &pixels, &about);
        let classes = expected.len() / items;
        assert_eq!(found.len(), items, "{about}");
        for (item, (found, expected)) in found.iter().zip(expected.chunks(classes)).enumerate() {
            let expected: Vec<i64> = expected.iter().map(|&number| number.into()).collect();
            let label =
                graph.nodes.last().is_some_and(|node| node.op == Op::ArgMax) && classes == 1;
            if label {
                // The argmax is left to `net_classify`.
                assert_eq!(found.last(), Some(&expected[0]), "{about}, item {item}");
            } else {
                assert_eq!(found[..classes], expected, "{about}, item {item}");
                assert_eq!(found[classes], class(&expected), "{about}, item {item}");
            }
        }
    }
    if graphs() >= 200 {
        assert!(operators.len() >= 20, "{operators:?}");
    }
}
