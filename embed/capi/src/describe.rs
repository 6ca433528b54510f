//! What a model has: inputs, outputs, metadata.

use crate::{
    boundary::{Failure, bernet_status, bernet_status::*, enter},
    memory::{self, Out},
    model::{MODELS, bernet_model},
};
use bernet_runtime::graph::{ArrayLayout, Graph, Kind, Value};
use std::ffi::c_char;

/// Most axes of an array: bernet_tensor.array and bernet_tensor.order.
pub const BERNET_AXES: usize = 16;

/// The type of the elements of an input or output, and how a buffer holds them.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum bernet_kind {
    /// -1 or +1, packed into words of 64 bits (uint64_t): 1 is +1, the first bit of a word is the lowest. Each line of width *
    /// channels bits begins with a new word; what its last word has beyond the line is 0.
    BERNET_BIT = 0,
    /// uint8_t.
    BERNET_U8 = 1,
    /// int32_t.
    BERNET_I32 = 2,
    /// float.
    BERNET_F32 = 3,
}

/// Whether an input or an output is meant.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum bernet_side {
    /// What goes in.
    BERNET_INPUT = 0,
    /// What comes out.
    BERNET_OUTPUT = 1,
}

/// What a model has.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bernet_description {
    /// Inputs, at least 1.
    pub inputs: usize,
    /// Outputs, at least 1.
    pub outputs: usize,
    /// Nodes of the graph.
    pub nodes: usize,
    /// Keys of the metadata.
    pub metadata: usize,
}

/// An input or output of a model: what a buffer holds of one item of a batch, and the array that it was in the file of another
/// tool.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bernet_tensor {
    /// The type of the elements.
    pub kind: bernet_kind,
    /// Lines. A vector has one line of one pixel.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel: the axis that runs fastest in a buffer.
    pub channels: usize,
    /// Bytes of one item in a buffer. Items follow each other.
    pub item_bytes: usize,
    /// Axes of the array, without the batch.
    pub axes: usize,
    /// Their sizes. The array's axes in the order `order`, read row by row, are the buffer's item.
    pub array: [usize; BERNET_AXES],
    /// Which axis of the array each axis of the reordered one is: 1, 2, 0 for channels first.
    pub order: [usize; BERNET_AXES],
    /// 1 where the array's first axis is the batch, 0 where it has none.
    pub batch: i32,
}

/// Writes to *description how many inputs, outputs, nodes and metadata a model has.
///
/// # Safety
/// description leads to a bernet_description.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_describe(
    model: *const bernet_model,
    description: *mut bernet_description,
) -> bernet_status {
    enter(|| {
        let out = Out::one("description", description)?;
        let graph = MODELS.get(model)?;
        let description = bernet_description {
            inputs: graph.inputs.len(),
            outputs: graph.outputs.len(),
            nodes: graph.nodes.len(),
            metadata: graph.metadata.len(),
        };
        // SAFETY: handed on to the caller.
        unsafe { out.write(&[description]) };
        Ok(())
    })
}

/// Writes to *tensor what an input (side BERNET_INPUT) or output (BERNET_OUTPUT) takes; they are counted from 0. An index that is
/// not there is BERNET_ARGUMENT.
///
/// # Safety
/// tensor leads to a bernet_tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_tensor(
    model: *const bernet_model,
    side: i32,
    index: usize,
    tensor: *mut bernet_tensor,
) -> bernet_status {
    enter(|| {
        let out = Out::one("tensor", tensor)?;
        let graph = MODELS.get(model)?;
        let edge = edge(&graph, side, index)?;
        // SAFETY: handed on to the caller.
        unsafe { out.write(&[edge.tensor()]) };
        Ok(())
    })
}

/// Writes to text the name of an input or output, as bernet_model_metadata does. No two inputs have the same, nor two outputs.
///
/// # Safety
/// text leads to capacity bytes, length to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_tensor_name(
    model: *const bernet_model,
    side: i32,
    index: usize,
    text: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> bernet_status {
    enter(|| {
        let graph = MODELS.get(model)?;
        let name = edge(&graph, side, index)?.name;
        // SAFETY: handed on to the caller.
        unsafe { memory::write_text(name, text, capacity, length) }
    })
}

/// Writes to text what a model's metadata say of a key, in UTF-8 with a zero byte at the end, and to *length (which may be null) the
/// bytes that it takes, the zero byte included. Where capacity is less, nothing is written to text and the status is BERNET_SIZE:
/// ask with a capacity of 0 first. A key that is not there is BERNET_ARGUMENT, and the text names those that are. bernet train
/// writes "method", "seed", "epochs", "net", "configuration" and "validation accuracy"; models of other origin may have others
/// or none.
///
/// # Safety
/// key ends with a zero byte; text leads to capacity bytes, length to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_metadata(
    model: *const bernet_model,
    key: *const c_char,
    text: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> bernet_status {
    enter(|| {
        let graph = MODELS.get(model)?;
        // SAFETY: handed on to the caller.
        let key = unsafe { memory::name("key", key) }?;
        let value = graph.metadata.get(key).ok_or_else(|| {
            let keys: Vec<_> = graph.metadata.keys().map(String::as_str).collect();
            let text = format!("key `{key}`: expected one of {}", keys.join(", "));
            Failure::new(BERNET_ARGUMENT, text)
        })?;
        // SAFETY: handed on to the caller.
        unsafe { memory::write_text(value, text, capacity, length) }
    })
}

/// Writes to text a key of a model's metadata, as bernet_model_metadata does; keys are counted from 0, in the order of their bytes.
///
/// # Safety
/// text leads to capacity bytes, length to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_metadata_key(
    model: *const bernet_model,
    index: usize,
    text: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> bernet_status {
    enter(|| {
        let graph = MODELS.get(model)?;
        let key = graph.metadata.keys().nth(index);
        let key = key.ok_or_else(|| out_of_range("index", graph.metadata.len(), index))?;
        // SAFETY: handed on to the caller.
        unsafe { memory::write_text(key, text, capacity, length) }
    })
}

/// An input or output of a graph.
struct Edge<'a> {
    name: &'a str,
    value: Value,
    layout: &'a ArrayLayout,
}

fn edge(graph: &Graph, side: i32, index: usize) -> Result<Edge<'_>, Failure> {
    // Whatever a C program hands in as an enum.
    let (found, count) = match side {
        side if side == bernet_side::BERNET_INPUT as i32 => {
            let found = graph.inputs.get(index);
            let found = found.map(|one| (&one.name, one.value, &one.layout));
            (found, graph.inputs.len())
        }
        side if side == bernet_side::BERNET_OUTPUT as i32 => {
            let found = graph.outputs.get(index);
            let found = found.map(|one| (&one.name, one.value, &one.layout));
            (found, graph.outputs.len())
        }
        _ => {
            let text = format!("side: expected BERNET_INPUT or BERNET_OUTPUT, found {side}");
            return Err(Failure::new(BERNET_ARGUMENT, text));
        }
    };
    let (name, value, layout) = found.ok_or_else(|| out_of_range("index", count, index))?;
    Ok(Edge {
        name,
        value: graph.value(value),
        layout,
    })
}

fn out_of_range(what: &str, count: usize, found: usize) -> Failure {
    let text = match count {
        0 => format!("{what}: there are none, found {found}"),
        _ => format!("{what}: expected 0 to {}, found {found}", count - 1),
    };
    Failure::new(BERNET_ARGUMENT, text)
}

impl Edge<'_> {
    fn tensor(&self) -> bernet_tensor {
        let Value { kind, shape } = self.value;
        let words = |bits: usize| bits.div_ceil(u64::BITS as usize);
        let (kind, item_bytes) = match kind {
            Kind::Bit => {
                let line = words(shape.width * shape.channels);
                let bytes = shape.height * line * size_of::<u64>();
                (bernet_kind::BERNET_BIT, bytes)
            }
            Kind::U8 => (bernet_kind::BERNET_U8, shape.len()),
            Kind::I32 => (bernet_kind::BERNET_I32, shape.len() * size_of::<i32>()),
            Kind::F32 => (bernet_kind::BERNET_F32, shape.len() * size_of::<f32>()),
        };
        let (mut array, mut order) = ([0; BERNET_AXES], [0; BERNET_AXES]);
        // A valid graph's arrays have at most as many axes.
        let axes = self.layout.dims.len();
        array[..axes].copy_from_slice(&self.layout.dims);
        order[..axes].copy_from_slice(&self.layout.perm);
        bernet_tensor {
            kind,
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
            item_bytes,
            axes,
            array,
            order,
            batch: self.layout.batch.into(),
        }
    }
}
