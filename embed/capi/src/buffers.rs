//! A caller's buffers as tensors.

use crate::{
    boundary::{Failure, bernet_status::*},
    memory,
};
use bernet_runtime::{
    execute::{TensorMut, TensorRef},
    graph::Kind,
    plan::Port,
};
use std::{ffi::c_void, ops::Range, slice};

/// What goes in: items of bernet_tensor.item_bytes each, aligned as their type asks for (8 bytes for bits).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bernet_input_buffer {
    /// The first item.
    pub data: *const c_void,
    /// Bytes of all items.
    pub bytes: usize,
}

/// Where an output goes; else as bernet_input_buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bernet_output_buffer {
    /// The first item.
    pub data: *mut c_void,
    /// Bytes of all items.
    pub bytes: usize,
}

/// A buffer that has been checked: not null, aligned, and of so many elements.
struct Checked<'a> {
    what: String,
    port: &'a Port,
    data: *mut c_void,
    elements: usize,
    /// Its addresses.
    range: Range<usize>,
}

/// Checks buffers against the ports that they are for.
fn check<'a>(
    side: &str,
    ports: &'a [Port],
    items: usize,
    buffers: impl ExactSizeIterator<Item = (*mut c_void, usize)>,
) -> Result<Vec<Checked<'a>>, Failure> {
    if buffers.len() != ports.len() {
        let (expected, found) = (ports.len(), buffers.len());
        let text = format!("{side}: expected {expected} buffers, found {found}");
        return Err(Failure::new(BERNET_SIZE, text));
    }
    let buffers = ports.iter().zip(buffers).enumerate();
    buffers
        .map(|(index, (port, (data, bytes)))| {
            let what = format!("{side}[{index}] (\"{}\")", port.name);
            let size = match port.kind {
                Kind::Bit => size_of::<u64>(),
                Kind::U8 => 1,
                Kind::I32 | Kind::F32 => 4,
            };
            let elements = port.item_len().checked_mul(items);
            let expected = elements.and_then(|elements| elements.checked_mul(size));
            if expected != Some(bytes) {
                let item = port.item_len().saturating_mul(size);
                let text = format!(
                    "{what}: expected {} bytes, {item} for each of {items} items, found {bytes}",
                    item.saturating_mul(items)
                );
                return Err(Failure::new(BERNET_SIZE, text));
            }
            let elements = bytes / size;
            match size {
                8 => memory::check(&what, data.cast::<u64>(), elements)?,
                4 => memory::check(&what, data.cast::<u32>(), elements)?,
                _ => memory::check(&what, data.cast::<u8>(), elements)?,
            }
            Ok(Checked {
                what,
                port,
                data,
                elements,
                range: data.addr()..data.addr().saturating_add(bytes),
            })
        })
        .collect()
}

/// What is written may overlap nothing else.
fn check_apart(inputs: &[Checked<'_>], outputs: &[Checked<'_>]) -> Result<(), Failure> {
    for (index, output) in outputs.iter().enumerate() {
        let others = inputs.iter().chain(&outputs[..index]);
        let meets = |other: &&Checked<'_>| {
            other.range.start < output.range.end && output.range.start < other.range.end
        };
        if let Some(other) = others.into_iter().find(meets) {
            let text = format!("{}: it overlaps {}", output.what, other.what);
            return Err(Failure::new(BERNET_POINTER, text));
        }
    }
    Ok(())
}

impl Checked<'_> {
    /// # Safety
    /// The buffer is good for reading its elements, which nobody writes to during `'a`.
    unsafe fn read<'a>(&self) -> Result<TensorRef<'a>, Failure> {
        /// # Safety
        /// As [`Checked::read`], of elements of this type, if there are any.
        unsafe fn values<'a, T>(data: *const c_void, elements: usize) -> &'a [T] {
            match elements {
                0 => &[],
                // SAFETY: handed on to the caller; not null and aligned, as checked.
                _ => unsafe { slice::from_raw_parts(data.cast(), elements) },
            }
        }
        let (data, elements) = (self.data, self.elements);
        // SAFETY: handed on to the caller; the type is the one that was checked for.
        let tensor = unsafe {
            match self.port.kind {
                Kind::Bit => TensorRef::Bit(values(data, elements)),
                Kind::U8 => TensorRef::U8(values(data, elements)),
                Kind::I32 => TensorRef::I32(values(data, elements)),
                Kind::F32 => TensorRef::F32(values(data, elements)),
            }
        };
        if let TensorRef::Bit(words) = tensor {
            self.check_pads(words)?;
        }
        Ok(tensor)
    }

    /// Bits after the last of a line would be taken for values.
    fn check_pads(&self, words: &[u64]) -> Result<(), Failure> {
        let columns = self.port.shape.width * self.port.shape.channels;
        let (line, used) = (columns.div_ceil(64), columns % 64);
        if used == 0 {
            return Ok(());
        }
        let set = |line: &[u64]| line.last().is_some_and(|word| word >> used != 0);
        match words.chunks(line).position(set) {
            None => Ok(()),
            Some(at) => {
                let what = &self.what;
                let text = format!("{what}: line {at} has a bit set after its last, {columns}");
                Err(Failure::new(BERNET_ARGUMENT, text))
            }
        }
    }

    /// # Safety
    /// The buffer is good for reading and writing its elements, which nobody else does during `'a`.
    unsafe fn write<'a>(&self) -> TensorMut<'a> {
        /// # Safety
        /// As [`Checked::write`], of elements of this type, if there are any.
        unsafe fn values<'a, T>(data: *mut c_void, elements: usize) -> &'a mut [T] {
            match elements {
                0 => &mut [],
                // SAFETY: handed on to the caller; not null and aligned, as checked.
                _ => unsafe { slice::from_raw_parts_mut(data.cast(), elements) },
            }
        }
        let (data, elements) = (self.data, self.elements);
        // SAFETY: handed on to the caller; the type is the one that was checked for.
        unsafe {
            match self.port.kind {
                Kind::Bit => TensorMut::Bit(values(data, elements)),
                Kind::U8 => TensorMut::U8(values(data, elements)),
                Kind::I32 => TensorMut::I32(values(data, elements)),
                Kind::F32 => TensorMut::F32(values(data, elements)),
            }
        }
    }
}

/// What a program reads, and where it writes.
pub(crate) type Tensors<'a> = (Vec<TensorRef<'a>>, Vec<TensorMut<'a>>);

/// The caller's buffers of all inputs and outputs.
///
/// # Safety
/// The inputs are good for reading their bytes, which nobody writes to during `'a`; the outputs for reading and writing
/// theirs, which nobody else reads or writes during `'a`.
pub(crate) unsafe fn tensors<'a>(
    items: usize,
    inputs: (&[Port], &[bernet_input_buffer]),
    outputs: (&[Port], &[bernet_output_buffer]),
) -> Result<Tensors<'a>, Failure> {
    let buffers = inputs.1.iter().map(|one| (one.data.cast_mut(), one.bytes));
    let inputs = check("inputs", inputs.0, items, buffers)?;
    let buffers = outputs.1.iter().map(|one| (one.data, one.bytes));
    let outputs = check("outputs", outputs.0, items, buffers)?;
    check_apart(&inputs, &outputs)?;
    // SAFETY: handed on to the caller; what is written overlaps nothing else, as checked.
    unsafe {
        let inputs = inputs.iter().map(|one| one.read());
        let inputs = inputs.collect::<Result<_, _>>()?;
        Ok((inputs, outputs.iter().map(|one| one.write()).collect()))
    }
}
