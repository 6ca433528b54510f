//! The caller's memory. A pointer is checked for all that can be seen of it: null, alignment, and sizes that no object has.
//! That so much memory is there is the caller's word.

use crate::boundary::{Failure, bernet_status::*};
use std::{
    ffi::{CStr, c_char},
    ptr,
};

/// A pointer to `length` values that can be had: not null and aligned, unless there are none.
pub(crate) fn check<T>(what: &str, pointer: *const T, length: usize) -> Result<(), Failure> {
    if length == 0 {
        return Ok(());
    }
    if pointer.is_null() {
        return Err(Failure::new(
            BERNET_POINTER,
            format!("{what}: it is null, expected {length} values"),
        ));
    }
    if !pointer.is_aligned() {
        let align = align_of::<T>();
        let text = format!("{what}: {pointer:?} is not aligned to {align} bytes");
        return Err(Failure::new(BERNET_POINTER, text));
    }
    let most = isize::MAX as usize / size_of::<T>();
    if length > most {
        let text = format!("{what}: expected at most {most} values, found {length}");
        return Err(Failure::new(BERNET_SIZE, text));
    }
    Ok(())
}

/// Values to be read.
///
/// # Safety
/// If it is not null, `pointer` is good for reading `length` values, which nobody writes to during `'a`.
pub(crate) unsafe fn values<'a, T>(
    what: &str,
    pointer: *const T,
    length: usize,
) -> Result<&'a [T], Failure> {
    check(what, pointer, length)?;
    if length == 0 {
        return Ok(&[]);
    }
    // SAFETY: the pointer is not null and the size one that an object can have, as checked; the rest is the caller's word.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// A text that ends with a zero byte.
///
/// # Safety
/// If it is not null, `pointer` leads to bytes of which one is zero; nobody writes to those before it during `'a`.
pub(crate) unsafe fn text<'a>(what: &str, pointer: *const c_char) -> Result<&'a CStr, Failure> {
    check(what, pointer, 1)?;
    // SAFETY: the pointer is not null, as checked; the rest is the caller's word.
    Ok(unsafe { CStr::from_ptr(pointer) })
}

/// A text in UTF-8.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn name<'a>(what: &str, pointer: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: handed on to the caller.
    let text = unsafe { text(what, pointer) }?;
    text.to_str()
        .map_err(|_| Failure::new(BERNET_ARGUMENT, format!("{what}: expected UTF-8")))
}

/// A place for `length` results, checked before the work and written after it.
pub(crate) struct Out<T> {
    pointer: *mut T,
    length: usize,
}

impl<T: Copy> Out<T> {
    /// For `expected` values where the caller says that there are `length`.
    pub(crate) fn new(
        what: &str,
        pointer: *mut T,
        length: usize,
        expected: usize,
    ) -> Result<Self, Failure> {
        if length != expected {
            let text = format!("{what}: expected {expected} values, found {length}");
            return Err(Failure::new(BERNET_SIZE, text));
        }
        check(what, pointer, length)?;
        Ok(Self { pointer, length })
    }

    /// For one value.
    pub(crate) fn one(what: &str, pointer: *mut T) -> Result<Self, Failure> {
        Self::new(what, pointer, 1, 1)
    }

    /// Writes the results.
    ///
    /// # Safety
    /// The pointer is good for writing as many values as were asked for.
    pub(crate) unsafe fn write(&self, values: &[T]) {
        assert_eq!(values.len(), self.length, "as many results as places");
        if self.length > 0 {
            // SAFETY: not null and aligned, as checked; `values` is our own memory, which the caller's is no part of.
            unsafe { ptr::copy_nonoverlapping(values.as_ptr(), self.pointer, self.length) };
        }
    }
}

/// Writes a text with a zero byte at its end where there is room, and to `length`, which may be null, the bytes that it takes.
///
/// # Safety
/// `text` is good for writing `capacity` bytes, `length` for a size.
pub(crate) unsafe fn write_text(
    value: &str,
    text: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Result<(), Failure> {
    let mut value = value.replace('\0', "\u{fffd}").into_bytes();
    value.push(0);
    if !length.is_null() {
        // SAFETY: handed on to the caller.
        unsafe { Out::one("length", length)?.write(&[value.len()]) };
    }
    if capacity < value.len() {
        let needed = value.len();
        let text = format!("text: expected room for {needed} bytes, found {capacity}");
        return Err(Failure::new(BERNET_SIZE, text));
    }
    let out = Out::new("text", text.cast::<u8>(), value.len(), value.len())?;
    // SAFETY: there is room, by the caller's word and the comparison.
    unsafe { out.write(&value) };
    Ok(())
}
