//! TFLite files, also those of Larq Compute Engine, as graphs.
//!
//! Every operator becomes nodes that compute what TensorFlow Lite or LCE compute, in the same
//! layout (NHWC) and in 32-bit floats. Nothing is folded. The first axis of a tensor with more
//! than one is the batch. Models quantized to 8 bits are refused by name.
//!
//! ```
//! use bernet::exchange::tflite;
//!
//! let error = tflite::import(b"PK\x03\x04 no net").unwrap_err();
//! assert!(error.to_string().starts_with("not a TFLite file"));
//! ```
//!
//! Sources: `tensorflow/lite/schema/schema.fbs` and the reference kernels of TensorFlow Lite;
//! `larq_compute_engine/core/bconv2d` of Larq Compute Engine.

mod border;
mod builder;
mod elements;
mod error;
mod file;
mod flex;
mod layers;
mod lce;
mod op;
mod schema;
mod shapes;

pub use error::ImportError;

use super::Imported;
use bernet_runtime::graph::{
    ArrayLayout, BinaryOp, Graph, Input, Kind, Output, Pixels, PoolKind, ReduceKind, UnaryOp, Value,
};
use builder::{Builder, Source, Step, View, shape_of};
use file::{BOOL, FLOAT32, File, INT32, INT64, dims_of, kind_name};
use schema::Operator;
use std::collections::HashSet;

/// The net in a file, and what was assumed about it.
///
/// # Errors
/// [`ImportError`] where the bytes are no TFLite file, are damaged, or hold what a graph cannot:
/// it names the operator or tensor, what was expected and what was found.
pub fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    let file = File::new(bytes)?;
    let tensors = file.tensors();
    let operators: Vec<_> = file.operators().collect();
    let mut builder = Builder {
        file,
        graph: Graph::default(),
        sources: vec![Source::Unknown; tensors],
        notes: Vec::new(),
        batch: 1,
        fixed_batch: true,
        budget: bytes.len().saturating_mul(8).saturating_add(1 << 16),
    };
    let [inputs, outputs] = builder.file.edges();
    for index in 0..tensors {
        if let Some(constant) = builder.file.constant(index)? {
            let tensor = builder.file.tensor(index);
            let dims = tensor.map_or_else(Vec::new, dims_of);
            // A constant has as many bytes as its sizes say, so that none is negative.
            let dims = dims.iter().map(|&dim| dim.max(0) as usize).collect();
            builder.sources[index] = Source::Constant(constant, dims);
        }
    }
    add_inputs(&mut builder, &inputs)?;
    for (index, operator) in operators.into_iter().enumerate() {
        add_operator(&mut builder, index, operator)?;
    }
    add_outputs(&mut builder, &outputs)?;
    builder.graph.validate()?;
    Ok(Imported {
        graph: builder.graph,
        notes: builder.notes,
    })
}

/// A name that is not empty and not taken yet.
fn unique_name(taken: &mut HashSet<String>, name: &str, other: &str) -> String {
    let mut name = if name.is_empty() {
        other.into()
    } else {
        name.to_owned()
    };
    if taken.contains(&name) {
        let stem = name;
        let mut count = taken.len();
        name = format!("{stem}_{count}");
        while taken.contains(&name) {
            count += 1;
            name = format!("{stem}_{count}");
        }
    }
    taken.insert(name.clone());
    name
}

fn add_inputs(builder: &mut Builder<'_>, inputs: &[i32]) -> Result<(), ImportError> {
    let mut taken = HashSet::new();
    let mut batch = None;
    for (place, &index) in inputs.iter().enumerate() {
        let whole = usize::try_from(index).ok();
        let found = whole.and_then(|index| Some((index, builder.file.tensor(index)?)));
        let Some((index, tensor)) = found else {
            let expected = format!("a tensor below {}", builder.sources.len());
            return Err(ImportError::at(
                format!("input {place}"),
                "tensor",
                expected,
                index,
            ));
        };
        let name = unique_name(
            &mut taken,
            tensor.name().unwrap_or(""),
            &format!("input_{place}"),
        );
        let at = |what, expected: &str, found: String| {
            Err(ImportError::at(
                format!("input \"{name}\""),
                what,
                expected,
                found,
            ))
        };
        let kind = tensor.kind().unwrap_or(FLOAT32);
        if kind != FLOAT32 {
            let expected = "float32, as models quantized to 8 bits are not supported";
            return at("element type", expected, kind_name(kind));
        }
        let stated = dims_of(tensor);
        let dynamic: Vec<_> = tensor
            .shape_signature()
            .into_iter()
            .flat_map(|list| list.iter())
            .map(|size| size < 0)
            .collect();
        let batched = stated.len() > 1;
        let first = usize::from(batched);
        if dynamic.iter().skip(first).any(|&any| any) {
            let found = format!("{:?}", tensor.shape_signature());
            return at("sizes", "numbers, but for the batch", found);
        }
        let sizes = stated
            .iter()
            .map(|&size| usize::try_from(size).ok().filter(|&size| size > 0));
        let Some(mut dims) = sizes.collect::<Option<Vec<_>>>() else {
            return at("sizes", "at least 1", format!("{stated:?}"));
        };
        if batched {
            let own = dims.remove(0);
            let fixed = dynamic.first() != Some(&true);
            if *batch.get_or_insert(own) != own {
                let found = format!("{own} beside one of {}", builder.batch);
                return at("first axis", "the batch, equal for all inputs", found);
            }
            builder.batch = own;
            builder.fixed_batch &= fixed;
            if fixed && own != 1 {
                builder.notes.push(format!(
                    "The first axis of input \"{name}\", {own} in the file, is taken as the batch, \
                     which may have any size."
                ));
            }
        }
        if !matches!(builder.sources[index], Source::Unknown) {
            return at(
                "tensor",
                "one that has no values yet",
                format!("tensor {index}"),
            );
        }
        let shape = shape_of(&dims);
        let value = Value {
            kind: Kind::F32,
            shape,
        };
        let id = builder.graph.add_value(value);
        builder.graph.inputs.push(Input {
            name,
            value: id,
            layout: layout(&dims, batched),
            pixels: Pixels::Unsaid,
        });
        builder.sources[index] = Source::Value(View { id, dims, batched });
    }
    Ok(())
}

/// The array of a tensor: its axes in their order.
fn layout(dims: &[usize], batch: bool) -> ArrayLayout {
    ArrayLayout {
        dims: dims.to_vec(),
        perm: (0..dims.len()).collect(),
        batch,
    }
}

fn add_outputs(builder: &mut Builder<'_>, outputs: &[i32]) -> Result<(), ImportError> {
    let mut taken = HashSet::new();
    for (place, &index) in outputs.iter().enumerate() {
        let source = usize::try_from(index)
            .ok()
            .and_then(|index| builder.sources.get(index));
        let view = match source {
            Some(Source::Value(view)) => view.clone(),
            _ => {
                let place = format!("output {place}");
                return Err(ImportError::at(place, "tensor", "a computed value", index));
            }
        };
        let name = builder.file.tensor_name(index as usize);
        let name = unique_name(&mut taken, name, &format!("output_{place}"));
        if builder.graph.value(view.id).kind == Kind::Bit {
            builder.notes.push(format!(
                "Output \"{name}\" is bits: they are handed out as ±1."
            ));
        }
        builder.graph.outputs.push(Output {
            name,
            value: view.id,
            layout: layout(&view.dims, view.batched),
        });
    }
    Ok(())
}

fn add_operator<'a>(
    builder: &mut Builder<'a>,
    index: usize,
    operator: Operator<'a>,
) -> Result<(), ImportError> {
    let place = format!("operator {index}");
    let Some((code, custom)) = builder.file.operator_code(operator) else {
        return Err(ImportError::at(
            place,
            "opcode_index",
            "one of the file",
            "another",
        ));
    };
    let custom_name = (code == op::CUSTOM).then_some(custom);
    let Some(name) = custom_name.or_else(|| op::operator_name(code)) else {
        let expected = "one of those that are supported";
        return Err(ImportError::at(
            place,
            "operator",
            expected,
            format!("number {code}"),
        ));
    };
    if operator.large_custom_options_offset().unwrap_or(0) > 1 {
        return Err(ImportError::at(
            place,
            "options",
            "in the flatbuffer",
            "behind it",
        ));
    }
    let list = |list: Option<flatbuffers::Vector<'_, i32>>| -> Vec<i32> {
        list.into_iter().flat_map(|list| list.iter()).collect()
    };
    let mut step = Step {
        inputs: list(operator.inputs()),
        outputs: list(operator.outputs()),
        builder,
        operator,
        index,
        name,
    };
    for place in 0..step.outputs.len() {
        let kind = step.output_kind(place);
        let expected = "float32, int32, int64 or bool, as models quantized to 8 bits are not \
                        supported";
        let fits = matches!(kind, FLOAT32 | INT32 | INT64 | BOOL);
        let lce_conv = name == "LceBconv2d";
        step.check(
            fits || lce_conv,
            "output: element type",
            expected,
            kind_name(kind),
        )?;
    }
    dispatch(&mut step)
}

fn dispatch(step: &mut Step<'_, '_>) -> Result<(), ImportError> {
    let clip = |low, high| UnaryOp::Clip { low, high };
    match step.name {
        "LceQuantize" => step.lce_quantize(),
        "LceDequantize" => step.lce_dequantize(),
        "LceBconv2d" => step.lce_conv(),
        "LceBMaxPool2d" => step.lce_max_pool(),
        "CONV_2D" => step.conv_2d(),
        "DEPTHWISE_CONV_2D" => step.depthwise_conv_2d(),
        "FULLY_CONNECTED" => step.fully_connected(),
        "BATCH_MATMUL" => step.batch_matmul(),
        "MAX_POOL_2D" => step.pool_2d(PoolKind::Max),
        "AVERAGE_POOL_2D" => step.pool_2d(PoolKind::Average),
        "ADD" => step.arithmetic(BinaryOp::Add),
        "SUB" => step.arithmetic(BinaryOp::Sub),
        "MUL" => step.arithmetic(BinaryOp::Mul),
        "DIV" => step.arithmetic(BinaryOp::Div),
        "MAXIMUM" => step.binary(BinaryOp::Max, false, 0),
        "MINIMUM" => step.binary(BinaryOp::Min, false, 0),
        "GREATER" => step.binary(BinaryOp::Greater, false, 0),
        "GREATER_EQUAL" => step.binary(BinaryOp::GreaterOrEqual, false, 0),
        "LESS" => step.binary(BinaryOp::Greater, true, 0),
        "LESS_EQUAL" => step.binary(BinaryOp::GreaterOrEqual, true, 0),
        "EQUAL" => step.binary(BinaryOp::Equal, false, 0),
        "SELECT" | "SELECT_V2" => step.select(),
        "SQUARE" => step.square(),
        "RELU" => step.unary(&[UnaryOp::Relu]),
        "RELU_N1_TO_1" => step.unary(&[clip(-1.0, 1.0)]),
        "RELU6" => step.unary(&[clip(0.0, 6.0)]),
        "LEAKY_RELU" => step.leaky_relu(),
        "PRELU" => step.prelu(),
        "HARD_SWISH" => step.hard_swish(),
        "LOGISTIC" => step.unary(&[UnaryOp::Sigmoid]),
        "TANH" => step.unary(&[UnaryOp::Tanh]),
        "ELU" => step.unary(&[UnaryOp::Elu(1.0)]),
        "ABS" => step.unary(&[UnaryOp::Abs]),
        "NEG" => step.unary(&[UnaryOp::Neg]),
        "SIGN" => step.unary(&[UnaryOp::Sign]),
        "EXP" => step.unary(&[UnaryOp::Exp]),
        "LOG" => step.unary(&[UnaryOp::Log]),
        "SQRT" => step.unary(&[UnaryOp::Sqrt]),
        "RSQRT" => step.unary(&[UnaryOp::Sqrt, UnaryOp::Reciprocal]),
        "FLOOR" => step.unary(&[UnaryOp::Floor]),
        "CEIL" => step.unary(&[UnaryOp::Ceil]),
        "ROUND" => step.unary(&[UnaryOp::Round]),
        "SOFTMAX" => step.softmax(),
        "LOG_SOFTMAX" => step.log_softmax(),
        "ARG_MAX" => step.arg_max(),
        "CAST" => step.cast(),
        "DEQUANTIZE" => step.dequantize(),
        "MEAN" => step.reduce(ReduceKind::Mean),
        "SUM" => step.reduce(ReduceKind::Sum),
        "REDUCE_MAX" => step.reduce(ReduceKind::Max),
        "REDUCE_MIN" => step.reduce(ReduceKind::Min),
        "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" => step.reshape(),
        "TRANSPOSE" => step.transpose(),
        "CONCATENATION" => step.concatenation(),
        "PAD" | "PADV2" => step.pad(),
        "SPLIT" => step.split(),
        "SPLIT_V" => step.split_v(),
        "SLICE" => step.slice(),
        "STRIDED_SLICE" => step.strided_slice(),
        "SHAPE" => step.sizes(),
        "PACK" => step.pack(),
        _ => Err(step.error(
            "operator",
            "one of those that are supported",
            "one that is not: rewrite this part of the net, or report it with the file",
        )),
    }
}
