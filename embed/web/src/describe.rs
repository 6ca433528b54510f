//! A graph as JavaScript objects.

use crate::{object, set, values::sign};
use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};
use bernet_runtime::graph::{ConvParams, Graph, Op, Pixels, PoolParams, Shape, Value, ValueId};
use js_sys::{Array, Float32Array, Int8Array, Int32Array, Object, Uint8Array};
use wasm_bindgen::JsValue;

/// `{ inputs, outputs, layers, metadata }`.
pub(crate) fn net(graph: &Graph) -> Object {
    let inputs = graph.inputs.iter().map(|input| {
        let about = typed(graph.value(input.value));
        set(&about, "name", &input.name.as_str().into());
        set(&about, "pixels", &pixels(&input.pixels));
        about
    });
    let outputs = graph.outputs.iter().map(|output| {
        let about = typed(graph.value(output.value));
        set(&about, "name", &output.name.as_str().into());
        set(&about, "from", &from(graph, output.value));
        about
    });
    let layers = graph.nodes.iter().map(|node| {
        let about = typed(graph.value(node.outputs[0]));
        set(&about, "name", &node.name.as_str().into());
        set(&about, "op", &node.op.name().into());
        let inputs: Array = node.inputs.iter().map(|&id| from(graph, id)).collect();
        set(&about, "inputs", &inputs);
        match &node.op {
            Op::BinaryConv(conv) => conv_params(&about, &conv.params),
            Op::Conv(conv) => conv_params(&about, &conv.params),
            Op::Pool(pool) => pool_params(&about, pool),
            _ => {}
        }
        about
    });
    let metadata = Object::new();
    for (key, value) in &graph.metadata {
        set(&metadata, key, &value.as_str().into());
    }
    object([
        ("inputs", inputs.collect::<Array>().into()),
        ("outputs", outputs.collect::<Array>().into()),
        ("layers", layers.collect::<Array>().into()),
        ("metadata", metadata.into()),
    ])
}

/// `{ type, shape }`.
fn typed(value: Value) -> Object {
    object([
        ("type", value.kind.name().into()),
        ("shape", sizes(&value.shape.dims())),
    ])
}

/// `{ input }` or `{ layer }`: what computes a value.
fn from(graph: &Graph, id: ValueId) -> JsValue {
    let input = graph.inputs.iter().position(|input| input.value == id);
    let layer = || {
        graph
            .nodes
            .iter()
            .position(|node| node.outputs.contains(&id))
    };
    match input {
        Some(index) => object([("input", index.into())]).into(),
        None => object([("layer", layer().into())]).into(),
    }
}

fn pixels(pixels: &Pixels) -> JsValue {
    match pixels {
        Pixels::Unsaid => JsValue::NULL,
        Pixels::AtLeast(least) => object([("atLeast", (*least).into())]).into(),
        Pixels::Bytes => object([("scale", floats(&[1.0])), ("bias", floats(&[0.0]))]).into(),
        Pixels::Affine { scale, bias } => {
            object([("scale", floats(scale)), ("bias", floats(bias))]).into()
        }
    }
}

fn conv_params(about: &Object, params: &ConvParams) {
    set(about, "kernel", &sizes(&params.kernel));
    set(about, "stride", &sizes(&params.stride));
    set(about, "dilation", &sizes(&params.dilation));
    set(about, "padding", &sizes(&params.padding));
    let padding_value = match params.padding_value {
        PaddingValue::MinusOne => -1,
        PaddingValue::Zero => 0,
        PaddingValue::PlusOne => 1,
    };
    set(about, "paddingValue", &padding_value.into());
    set(about, "groups", &params.groups.into());
}

fn pool_params(about: &Object, params: &PoolParams) {
    set(about, "kernel", &sizes(&params.kernel));
    set(about, "stride", &sizes(&params.stride));
    set(about, "padding", &sizes(&params.padding));
}

fn thresholds(at_least: JsValue, inverted: impl Iterator<Item = bool>) -> Object {
    let inverted: Vec<_> = inverted.map(u8::from).collect();
    object([
        ("atLeast", at_least),
        ("inverted", Uint8Array::from(&inverted[..]).into()),
    ])
}

/// Weights, a row for each output; thresholds; numbers for each channel.
pub(crate) fn parameters(op: &Op) -> Object {
    match op {
        Op::BinaryConv(conv) => signs(&conv.weights),
        Op::BinaryDense(weights) => signs(weights),
        Op::Conv(conv) => reals(conv.outputs, &conv.weights, &conv.bias),
        Op::Dense(dense) => reals(dense.outputs, &dense.weights, &dense.bias),
        Op::Threshold(list) => {
            let at_least: Vec<_> = list.iter().map(|threshold| threshold.at_least).collect();
            let at_least = Int32Array::from(&at_least[..]).into();
            thresholds(at_least, list.iter().map(|threshold| threshold.invert))
        }
        Op::RealThreshold(list) => {
            let at_least: Vec<_> = list.iter().map(|threshold| threshold.at_least).collect();
            let inverted = list.iter().map(|threshold| threshold.invert);
            thresholds(floats(&at_least), inverted)
        }
        Op::Affine { scale, bias } => object([("scale", floats(scale)), ("bias", floats(bias))]),
        Op::PixelBias(bias) => object([("bias", floats(&bias.bias))]),
        Op::Constant(tensor) => {
            let Shape { channels, .. } = tensor.shape();
            let rows = tensor.data().len() / channels;
            reals(rows, &tensor.to_f32(), &[])
        }
        _ => Object::new(),
    }
}

fn signs(weights: &BitMatrix) -> Object {
    let (rows, columns) = (weights.rows(), weights.columns());
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let signs: Vec<i8> = places
        .map(|(row, column)| sign(weights.get(row, column)))
        .collect();
    object([
        ("rows", rows.into()),
        ("columns", columns.into()),
        ("weights", Int8Array::from(&signs[..]).into()),
    ])
}

fn reals(rows: usize, weights: &[f32], bias: &[f32]) -> Object {
    object([
        ("rows", rows.into()),
        ("columns", (weights.len() / rows.max(1)).into()),
        ("weights", floats(weights)),
        ("bias", floats(bias)),
    ])
}

fn floats(values: &[f32]) -> JsValue {
    Float32Array::from(values).into()
}

fn sizes(values: &[usize]) -> JsValue {
    values
        .iter()
        .map(|&value| JsValue::from(value))
        .collect::<Array>()
        .into()
}
