//! Plans for firmware: every logit is the reference's; damaged plans are errors, or wrong logits.

use bernet_kernels::{bits::BitMatrix, xnor::Threshold};
use bernet_runtime::{
    firmware::{self, Aligned, Plan, PlanError, WriteError},
    format,
    graph::{
        BinaryConv, ConvParams, Graph, GraphError, Kind, Op, Pixels, PoolKind, PoolParams,
        ReduceKind, Shape, ValueId,
    },
    reference,
    tensor::{Data, Tensor},
    testing::Source,
};
use proptest::prelude::*;

fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "whole words");
    words.iter().copied().map(u32::from_le_bytes).collect()
}

/// A net of random layers, as the trainer makes them: products with thresholds, pools, sums.
struct Builder {
    source: Source,
    graph: Graph,
    value: ValueId,
}

impl Builder {
    fn weights(&mut self, rows: usize, columns: usize) -> BitMatrix {
        let plus = self.source.pick(&[0, 30, 50, 100]);
        BitMatrix::from_fn(rows, columns, |_, _| self.source.chance(plus))
    }

    fn params(&mut self) -> ConvParams {
        let Shape { height, width, .. } = self.graph.value(self.value).shape;
        let mut params = ConvParams::valid([height, width].map(|size| {
            let most = size.min(6);
            1 + self.source.below(most)
        }));
        params.stride = [0; 2].map(|_| 1 + self.source.below(3));
        params
    }

    fn layer(&mut self) -> Result<(), GraphError> {
        let value = self.graph.value(self.value);
        let channels = self.source.pick(&[1, 3, 8, 12, 31, 32, 33, 64, 70]);
        if value.kind == Kind::Bit && self.source.chance(25) {
            let ConvParams { kernel, stride, .. } = self.params();
            let pool = PoolParams {
                kind: PoolKind::Max,
                kernel,
                stride,
                padding: [0; 4],
            };
            self.value = self.graph.add_node(Op::Pool(pool), &[self.value])?;
            return Ok(());
        }
        let dense = self.source.chance(20) && value.shape.len() < 5000;
        let op = if dense {
            Op::BinaryDense(self.weights(channels, value.shape.len()))
        } else {
            let params = self.params();
            let columns = params.kernel[0] * params.kernel[1] * value.shape.channels;
            let weights = self.weights(channels, columns);
            Op::BinaryConv(BinaryConv { params, weights })
        };
        let columns = match &op {
            Op::BinaryDense(weights) => weights.columns(),
            Op::BinaryConv(conv) => conv.weights.columns(),
            _ => unreachable!("one of both"),
        };
        let sums = self.graph.add_node(op, &[self.value])?;
        let most = columns * if value.kind == Kind::U8 { 128 } else { 1 };
        let thresholds = (0..channels).map(|_| Threshold {
            at_least: match self.source.chance(10) {
                true => self.source.pick(&[i32::MIN, i32::MAX, columns as i32 + 1]),
                false => self.source.integer(most.div_ceil(4)),
            },
            invert: self.source.chance(40),
        });
        let thresholds = thresholds.collect();
        self.value = self.graph.add_node(Op::Threshold(thresholds), &[sums])?;
        Ok(())
    }

    fn end(&mut self) -> Result<(), GraphError> {
        let shape = self.graph.value(self.value).shape;
        let op = if self.source.chance(50) {
            Op::BinaryDense(self.weights(10, shape.len()))
        } else {
            let params = ConvParams::valid([1, 1]);
            let weights = self.weights(10, shape.channels);
            Op::BinaryConv(BinaryConv { params, weights })
        };
        let summed = matches!(op, Op::BinaryConv(_));
        let mut sums = self.graph.add_node(op, &[self.value])?;
        // Beyond, the sum stays a node of its own, which a plan cannot hold.
        let few = 10 * shape.len() <= 1 << 17;
        if summed && few && self.source.chance(70) {
            let reduce = Op::Reduce {
                kind: ReduceKind::Sum,
                axes: [true, true, false],
            };
            sums = self.graph.add_node(reduce, &[sums])?;
        }
        self.graph.add_output("logits", sums)?;
        Ok(())
    }
}

fn net(seed: u64) -> Result<Graph, GraphError> {
    let mut source = Source::new(seed);
    let mut graph = Graph::default();
    let kind = source.pick(&[Kind::Bit, Kind::U8]);
    let shape = Shape::new(
        1 + source.below(20),
        1 + source.below(40),
        source.pick(&[1, 1, 1, 2, 3]),
    );
    let value = graph.add_input("image", kind, shape)?;
    graph.inputs[0].pixels = match kind {
        Kind::Bit => Pixels::AtLeast(128),
        _ => Pixels::Bytes,
    };
    let mut builder = Builder {
        source,
        graph,
        value,
    };
    for _ in 0..1 + builder.source.below(4) {
        builder.layer()?;
    }
    builder.end()?;
    Ok(builder.graph)
}

fn image(source: &mut Source, values: usize) -> Vec<u8> {
    let mut byte = |_| source.below(256) as u8;
    (0..values).map(&mut byte).collect()
}

/// The reference's logits of an image of bytes.
fn expected(graph: &Graph, image: &[u8]) -> Vec<i32> {
    let input = graph.value(graph.inputs[0].value);
    let data = match input.kind {
        Kind::Bit => Data::Bit(image.iter().map(|&pixel| pixel >= 128).collect()),
        _ => Data::U8(image.to_vec()),
    };
    let items = Tensor::new(1, input.shape, data).expect("an image");
    let outputs = reference::run(graph, &[items]).expect("the graph runs");
    match outputs[0].data() {
        Data::I32(values) => values.clone(),
        _ => panic!("logits are integers"),
    }
}

fn packed(image: &[u8]) -> Vec<u32> {
    let word = |pixels: &[u8]| {
        let bits = pixels.iter().enumerate();
        bits.fold(0, |word, (bit, &pixel)| {
            word | u32::from(pixel >= 128) << bit
        })
    };
    image.chunks(32).map(word).collect()
}

fn compare(graph: &Graph, seed: u64, images: usize) {
    let words = words(&firmware::write(graph).expect("a plan"));
    let plan = Plan::new(&words).expect("a plan");
    let sizes = plan.sizes();
    let mut source = Source::new(seed);
    // What is in the arena before does not matter.
    let mut arena = vec![0xa5a5_a5a5; sizes.arena_words];
    let mut logits = vec![0; sizes.logits];
    for _ in 0..images {
        let image = image(&mut source, sizes.image_values);
        let expected = expected(graph, &image);
        plan.run(&mut arena, &image, &mut logits).expect("it runs");
        assert_eq!(logits, expected, "seed {seed}");
        let best = expected.iter().max().expect("there are some");
        let class = expected.iter().position(|logit| logit == best);
        assert_eq!(plan.classify(&mut arena, &image).ok(), class);
        if plan.packed_words().is_some() {
            logits.fill(0);
            let mut bits = packed(&image);
            let last = bits.len() - 1;
            // Bits beyond the image are ignored.
            if !image.len().is_multiple_of(32) {
                bits[last] |= 1 << 31;
            }
            plan.run_packed(&mut arena, &bits, &mut logits)
                .expect("it runs");
            assert_eq!(logits, expected, "seed {seed}, packed");
        }
    }
}

proptest! {
    #[test]
    fn logits_are_the_references(seed in any::<u64>()) {
        compare(&net(seed).expect("a net"), seed, 3);
    }

    #[test]
    fn damaged_plans_never_panic(seed in any::<u64>(), damage in any::<u64>()) {
        let bytes = firmware::write(&net(seed).expect("a net")).expect("a plan");
        let mut words = words(&bytes);
        let mut source = Source::new(damage);
        // The header and the steps are where it matters.
        let head = words.len().min(13 + 16 * 6);
        for _ in 0..1 + source.below(3) {
            let at = source.below(head);
            words[at] = match source.below(4) {
                0 => words[at] ^ 1 << source.below(32),
                1 => words[at].wrapping_add(source.integer(3) as u32),
                2 => words[source.below(head)],
                _ => source.integer(1 << 20) as u32,
            };
        }
        if source.chance(20) {
            words.truncate(source.below(words.len()));
        }
        if let Ok(plan) = Plan::new(&words) {
            let sizes = plan.sizes();
            prop_assume!(sizes.arena_words < 1 << 16 && sizes.image_values < 1 << 16);
            let mut arena = vec![0; sizes.arena_words];
            let mut logits = vec![0; sizes.logits];
            let image = image(&mut source, sizes.image_values);
            prop_assert!(plan.run(&mut arena, &image, &mut logits).is_ok());
        }
    }
}

#[test]
fn shipped_nets_give_the_references_logits() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let mut nets = 0;
    for entry in std::fs::read_dir(models).expect("the folder of models") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "bnet")
        {
            compare(&format::read(&path).expect("a net"), 1, 4);
            nets += 1;
        }
    }
    assert!(nets >= 4, "found {nets} nets");
}

#[test]
fn a_shipped_net_takes_little_memory() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/mnist.bnet");
    let bytes = firmware::write(&format::read(path).expect("a net")).expect("a plan");
    let sizes = firmware::sizes(&bytes);
    assert_eq!((sizes.image_values, sizes.logits), (784, 10));
    assert!(4 * sizes.arena_words < 700, "{sizes:?}");
    assert!(bytes.len() < 6000, "{} bytes", bytes.len());
}

#[test]
fn what_a_plan_cannot_hold_is_refused_by_name() {
    let refused = |op: Op| {
        let mut graph = Graph::default();
        let x = graph.add_input("x", Kind::Bit, Shape::new(4, 4, 2))?;
        let y = graph.add_node(op, &[x])?;
        graph.add_output("y", y)?;
        Ok::<_, GraphError>(firmware::write(&graph).expect_err("refused").to_string())
    };
    let mut params = ConvParams::valid([3, 3]);
    params.padding = [1; 4];
    let weights = BitMatrix::all_minus_one(2, 18);
    let padded = Op::BinaryConv(BinaryConv { params, weights });
    let message = refused(padded).expect("a graph");
    assert!(
        message.contains("(binary conv): expected no padding"),
        "{message}"
    );
    let message = refused(Op::Softmax).unwrap_or_default();
    assert!(
        message.is_empty() || message.contains("softmax"),
        "{message}"
    );
    let message = refused(Op::Reshape(Shape::flat(32))).expect("a graph");
    assert_eq!(
        message,
        "the output: expected the sums of a product of bits, i32"
    );
}

#[test]
fn calls_that_do_not_suit_are_errors() {
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::U8, Shape::new(4, 4, 1))
        .expect("an input");
    let params = ConvParams::valid([3, 3]);
    let weights = BitMatrix::all_minus_one(2, 9);
    let conv = Op::BinaryConv(BinaryConv { params, weights });
    let sums = graph.add_node(conv, &[x]).expect("sums");
    let only_bytes = {
        let mut graph = graph.clone();
        graph.add_output("y", sums).expect("an output");
        firmware::write(&graph).expect_err("no thresholds")
    };
    assert!(matches!(only_bytes, WriteError::Node { index: 0, .. }));
    let thresholds = vec![
        Threshold {
            at_least: 0,
            invert: false
        };
        2
    ];
    let bits = graph
        .add_node(Op::Threshold(thresholds), &[sums])
        .expect("bits");
    let dense = graph.add_node(Op::BinaryDense(BitMatrix::all_minus_one(3, 8)), &[bits]);
    graph
        .add_output("y", dense.expect("logits"))
        .expect("an output");
    let bytes = firmware::write(&graph).expect("a plan");
    let words = words(&bytes);
    let plan = Plan::new(&words).expect("a plan");
    let needed = plan.sizes().arena_words;
    let mut arena = vec![0; needed];
    let mut logits = [0; 3];
    let error = plan.run(&mut arena[1..], &[0; 16], &mut logits);
    let (expected, found) = (needed, needed - 1);
    assert_eq!(error, Err(PlanError::Arena { expected, found }));
    let error = plan.run(&mut arena, &[0; 15], &mut logits);
    assert_eq!(
        error,
        Err(PlanError::Image {
            expected: 16,
            found: 15
        })
    );
    let error = plan.run(&mut arena, &[0; 16], &mut logits[1..]);
    assert_eq!(
        error,
        Err(PlanError::Logits {
            expected: 3,
            found: 2
        })
    );
    let error = plan.run_packed(&mut arena, &[0], &mut logits);
    assert_eq!(
        error,
        Err(PlanError::Image {
            expected: 0,
            found: 1
        })
    );
    assert_eq!(Plan::new(&words[1..]).err(), Some(PlanError::Magic));
    assert_eq!(Plan::new(&words[..5]).err(), Some(PlanError::Header));
    let mut newer = words.clone();
    newer[1] += 1;
    let version = PlanError::Version {
        expected: words[1],
        found: words[1] + 1,
    };
    assert_eq!(Plan::new(&newer).err(), Some(version));
    let mut shifted = Aligned([0; 64]);
    shifted.0[1..5].copy_from_slice(&bytes[..4]);
    let error = Plan::from_bytes(&shifted.0[1..5]);
    assert_eq!(error.err(), Some(PlanError::Alignment));
}
