//! `tests/golden/graph`: a net with a shortcut, of every type, and what it computes; for hosts that
//! are not Rust. `BERNET_WRITE_GOLDEN=1 cargo test -p bernet-runtime --test golden_graph` writes it
//! anew.
//!
//! Its floats are multiples of small powers of two, so that every sum is exact in any order.

use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};
use bernet_runtime::{
    format,
    graph::{
        ArrayLayout, Axis, BinaryConv, BinaryOp, Conv, ConvParams, Dense, Graph, GraphError, Kind,
        Op, ReduceKind, Shape, UnaryOp,
    },
    plan::Options,
    reference,
    session::Session,
    tensor::{Data, Tensor},
};
use std::{env, error::Error, fs, path::Path};

const ITEMS: usize = 3;

/// Numbers from −range to range, always the same.
fn numbers(count: usize, range: i32) -> impl Iterator<Item = i32> {
    let mut state = 1_u32;
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i32 % (2 * range + 1) - range
    })
}

fn floats(count: usize, range: i32, unit: f32) -> Vec<f32> {
    let numbers = numbers(count, range);
    numbers.map(|number| number as f32 * unit).collect()
}

/// Stem → signs → binary convolution → shortcut → gate → mean → dense, with bits, bytes and sums on
/// the way.
fn net() -> Result<Graph, GraphError> {
    let mut graph = Graph::default();
    let (image, channels) = (Shape::new(6, 5, 3), 8);
    let x = graph.add_input("x", Kind::F32, image)?;
    let gate = graph.add_input("gate", Kind::Bit, Shape::flat(channels))?;
    let bytes = graph.add_input("bytes", Kind::U8, Shape::flat(channels))?;
    let shift = graph.add_input("shift", Kind::I32, Shape::flat(1))?;
    let mut params = ConvParams::valid([3, 3]);
    params.padding = [1; 4];
    let stem = Op::Conv(Conv {
        params,
        outputs: channels,
        weights: floats(channels * 27, 4, 0.25),
        bias: floats(channels, 8, 0.125),
    });
    let stem = graph.add_named("stem", stem, &[x])?[0];
    let bits = graph.add_node(Op::Sign, &[stem])?;
    params.padding_value = PaddingValue::MinusOne;
    let weights = BitMatrix::from_fn(channels, 72, |row, column| (row * 7 + column * 5) % 3 == 1);
    let conv = Op::BinaryConv(BinaryConv { params, weights });
    let sums = graph.add_named("binary", conv, &[bits])?[0];
    let affine = Op::Affine {
        scale: vec![0.125],
        bias: floats(channels, 4, 0.25),
    };
    let scaled = graph.add_node(affine, &[sums])?;
    let scaled = graph.add_node(Op::Unary(UnaryOp::Relu), &[scaled])?;
    let shortcut = graph.add_named("shortcut", Op::Binary(BinaryOp::Add), &[scaled, stem])?[0];
    let high = graph.add_node(Op::Sign, &[shortcut])?;
    let gate = graph.add_node(Op::Cast(Kind::F32), &[gate])?;
    let gated = graph.add_node(Op::Binary(BinaryOp::Mul), &[shortcut, gate])?;
    let total = Op::Reduce {
        kind: ReduceKind::Sum,
        axes: [true, true, false],
    };
    let total = graph.add_node(total, &[gated])?;
    let dense = Op::Dense(Dense {
        outputs: 4,
        weights: floats(4 * channels, 8, 0.125),
        bias: floats(4, 8, 0.5),
    });
    let logits = graph.add_named("dense", dense, &[total])?[0];
    let half = Op::Slice {
        axis: Axis::Channels,
        start: 1,
        length: 4,
        step: 2,
    };
    let half = graph.add_node(half, &[bytes])?;
    let shifted = graph.add_node(Op::Binary(BinaryOp::Add), &[sums, shift])?;
    for (name, value) in [
        ("logits", logits),
        ("high", high),
        ("half", half),
        ("shifted", shifted),
    ] {
        graph.add_output(name, value)?;
    }
    // As a net of PyTorch has them.
    graph.inputs[0].layout = ArrayLayout::nchw(image);
    for (index, values) in [(1, channels), (2, channels), (3, 1)] {
        graph.inputs[index].layout = ArrayLayout::flat(values);
    }
    let maps = ArrayLayout::nchw(Shape::new(6, 5, channels));
    for (index, layout) in [
        (0, ArrayLayout::flat(4)),
        (1, maps.clone()),
        (2, ArrayLayout::flat(4)),
        (3, maps),
    ] {
        graph.outputs[index].layout = layout;
    }
    let about = "a net with a shortcut, of every type";
    graph.metadata.insert("about".into(), about.into());
    graph.metadata.insert("licence".into(), "MIT".into());
    graph.validate()?;
    Ok(graph)
}

fn inputs(graph: &Graph) -> Result<Vec<Tensor>, GraphError> {
    let inputs = graph.inputs.iter();
    inputs
        .map(|input| {
            let value = graph.value(input.value);
            let count = ITEMS * value.shape.len();
            let data = match value.kind {
                Kind::Bit => Data::Bit(numbers(count, 9).map(|number| number > 0).collect()),
                Kind::U8 => Data::U8(numbers(count, 127).map(|one| (one + 127) as u8).collect()),
                Kind::I32 => Data::I32(numbers(count, 1000).collect()),
                Kind::F32 => Data::F32(floats(count, 16, 0.0625)),
            };
            Tensor::new(ITEMS, value.shape, data)
        })
        .collect()
}

/// A file of NumPy, in the axes of the layout; bits are floats of ±1.
fn npy(tensor: &Tensor, layout: &ArrayLayout) -> Vec<u8> {
    let (kind, bytes): (_, Vec<Vec<u8>>) = match tensor.data() {
        Data::U8(values) => ("|u1", values.iter().map(|&byte| vec![byte]).collect()),
        Data::I32(values) => (
            "<i4",
            values.iter().map(|one| one.to_le_bytes().into()).collect(),
        ),
        Data::Bit(_) | Data::F32(_) => {
            let floats = tensor.to_f32().into_iter();
            ("<f4", floats.map(|one| one.to_le_bytes().into()).collect())
        }
    };
    let sizes: Vec<_> = [ITEMS]
        .iter()
        .chain(&layout.dims)
        .map(usize::to_string)
        .collect();
    let sizes = sizes.join(", ");
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    // Where each value of an item, in NHWC order, is in the array.
    let mut strides = vec![1; layout.dims.len()];
    for axis in (1..strides.len()).rev() {
        strides[axis - 1] = strides[axis] * layout.dims[axis];
    }
    let mut places = vec![0];
    for &axis in &layout.perm {
        let along = (0..layout.dims[axis]).map(|at| at * strides[axis]);
        let places_before = places;
        places = Vec::new();
        for place in places_before {
            places.extend(along.clone().map(|more| place + more));
        }
    }
    for item in bytes.chunks(places.len()) {
        let mut ordered = vec![&[][..]; item.len()];
        for (value, &place) in item.iter().zip(&places) {
            ordered[place] = value;
        }
        file.extend(ordered.concat());
    }
    file
}

#[test]
fn golden_graph_is_as_written() -> Result<(), Box<dyn Error>> {
    let graph = net()?;
    let inputs = inputs(&graph)?;
    let outputs = reference::run(&graph, &inputs)?;
    let mut session = Session::new(&graph, &Options::default())?;
    assert_eq!(session.run(&inputs)?, outputs);

    let mut files = vec![("net.bnet".to_owned(), format::to_bytes(&graph)?)];
    for (input, tensor) in graph.inputs.iter().zip(&inputs) {
        files.push((format!("{}.npy", input.name), npy(tensor, &input.layout)));
    }
    for (output, tensor) in graph.outputs.iter().zip(&outputs) {
        files.push((format!("{}.npy", output.name), npy(tensor, &output.layout)));
    }
    let folder = Path::new("../tests/golden/graph");
    let write = env::var_os("BERNET_WRITE_GOLDEN").is_some();
    if write {
        fs::create_dir_all(folder)?;
    }
    for (name, bytes) in files {
        let path = folder.join(name);
        if write {
            fs::write(&path, bytes)?;
        } else {
            assert!(fs::read(&path)? == bytes, "{} is old", path.display());
        }
    }
    Ok(())
}
