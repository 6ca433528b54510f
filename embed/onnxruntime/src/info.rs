//! What a node of a graph says: its attributes, and inputs that are constants.

use crate::{
    host::{Api, Element, Inputs, Tensor},
    spelling,
};
use ort_sys::{OrtKernelInfo, OrtStatusPtr};
use std::{
    ffi::{CStr, CString, c_char},
    marker::PhantomData,
    ptr,
};

/// What an operator is made from.
pub(crate) struct Info<'a> {
    api: Api,
    info: *const OrtKernelInfo,
    lifetime: PhantomData<&'a ()>,
}

/// An input of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is left out.
    Absent,
    /// The host knows its values before any run.
    Constant,
    /// Each run brings its values.
    Computed,
}

impl<'a> Info<'a> {
    /// # Safety
    /// `info` is the host's and lives during `'a`.
    pub(crate) unsafe fn new(api: Api, info: *const OrtKernelInfo) -> Self {
        Self {
            api,
            info,
            lifetime: PhantomData,
        }
    }

    /// The node's name, which may be empty.
    pub(crate) fn node(&self) -> String {
        self.text(|out, size| {
            // SAFETY: no more than the announced size is written.
            unsafe { (self.api.functions().KernelInfo_GetNodeName)(self.info, out, size) }
        })
        .unwrap_or_default()
    }

    /// A text of the host's, whose size it says when there is no room.
    fn text(
        &self,
        read: impl Fn(*mut c_char, *mut usize) -> OrtStatusPtr,
    ) -> Result<String, String> {
        let mut size = 0;
        self.api.check(read(ptr::null_mut(), &mut size))?;
        let mut bytes = vec![0_u8; size.max(1)];
        self.api.check(read(bytes.as_mut_ptr().cast(), &mut size))?;
        let end = bytes.iter().position(|&byte| byte == 0);
        bytes.truncate(end.unwrap_or(bytes.len()));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Refuses attributes that the operator does not have. The host checks none and lists none, but says whether a name is there:
    /// asked for are the names of similar operators, and all that differ from a known one by a letter.
    pub(crate) fn check_names(&self, known: &[&str]) -> Result<(), String> {
        for name in spelling::wrong(known) {
            let asked = CString::new(name.as_bytes()).map_err(|error| error.to_string())?;
            let mut value = 0;
            // SAFETY: the name ends with a zero byte, the place is our own.
            let status = unsafe {
                (self.api.functions().KernelInfoGetAttribute_int64)(
                    self.info,
                    asked.as_ptr(),
                    &mut value,
                )
            };
            let there = match self.api.check(status) {
                Ok(()) => true,
                Err(text) => !is_absent(&text),
            };
            if there {
                let known = match known {
                    [] => "none".to_owned(),
                    known => known.join(", "),
                };
                return Err(format!(
                    "attribute \"{name}\": this operator has no such attribute; expected: {known}"
                ));
            }
        }
        Ok(())
    }

    /// An attribute that is a whole number, at least `least`.
    pub(crate) fn integer(&self, name: &CStr, default: i64, least: i64) -> Result<i64, String> {
        let mut value = default;
        // SAFETY: the name ends with a zero byte, the place is our own.
        let status = unsafe {
            (self.api.functions().KernelInfoGetAttribute_int64)(
                self.info,
                name.as_ptr(),
                &mut value,
            )
        };
        self.defined(name, "a whole number", status)?;
        in_range(name, value, least)
    }

    /// An attribute that is `N` whole numbers, each at least `least`.
    pub(crate) fn integers<const N: usize>(
        &self,
        name: &CStr,
        default: [i64; N],
        least: i64,
    ) -> Result<[usize; N], String> {
        let expected = format!("{N} whole numbers");
        let (mut values, mut size) = (default, 0);
        let read = |values, size: &mut usize| {
            // SAFETY: the name ends with a zero byte; no more than the announced size is written, and nothing to null, for which
            // the host says the size.
            unsafe {
                (self.api.functions().KernelInfoGetAttributeArray_int64)(
                    self.info,
                    name.as_ptr(),
                    values,
                    size,
                )
            }
        };
        if self.defined(name, &expected, read(ptr::null_mut(), &mut size))? {
            if size != N {
                let found = match size {
                    0 => "none, or values of another type".to_owned(),
                    size => size.to_string(),
                };
                return Err(format!(
                    "attribute {name:?}: expected {expected}, found {found}"
                ));
            }
            self.defined(name, &expected, read(values.as_mut_ptr(), &mut size))?;
        }
        for value in values {
            in_range(name, value, least)?;
        }
        Ok(values.map(|value| value as usize))
    }

    /// Whether an attribute is there; what else is wrong is an error.
    fn defined(&self, name: &CStr, expected: &str, status: OrtStatusPtr) -> Result<bool, String> {
        match self.api.check(status) {
            Ok(()) => Ok(true),
            Err(text) if is_absent(&text) => Ok(false),
            Err(text) => Err(format!(
                "attribute {name:?}: expected {expected}; the host says: {text}"
            )),
        }
    }

    /// What there is of an input.
    pub(crate) fn given(&self, index: usize) -> Result<Given, String> {
        let mut count = 0;
        // SAFETY: the place is our own.
        unsafe {
            self.api
                .check((self.api.functions().KernelInfo_GetInputCount)(
                    self.info, &mut count,
                ))?;
        }
        // An input that is left out before another one has no name.
        if index >= count || self.input_name(index)?.is_empty() {
            return Ok(Given::Absent);
        }
        Ok(match self.constant(index)? {
            Some(_) => Given::Constant,
            None => Given::Computed,
        })
    }

    fn input_name(&self, index: usize) -> Result<String, String> {
        self.text(|out, size| {
            // SAFETY: no more than the announced size is written.
            unsafe { (self.api.functions().KernelInfo_GetInputName)(self.info, index, out, size) }
        })
    }

    fn constant(&self, index: usize) -> Result<Option<*const ort_sys::OrtValue>, String> {
        let (mut is_constant, mut value) = (0, ptr::null());
        // SAFETY: the places are our own.
        unsafe {
            self.api
                .check((self.api.functions().KernelInfoGetConstantInput_tensor)(
                    self.info,
                    index,
                    &mut is_constant,
                    &mut value,
                ))?;
        }
        Ok((is_constant != 0 && !value.is_null()).then_some(value))
    }
}

impl Inputs for Info<'_> {
    fn at<T: Element>(&self, index: usize, what: &str) -> Result<Option<Tensor<'_, T>>, String> {
        if self.given(index)? == Given::Absent {
            return Ok(None);
        }
        let value = self
            .constant(index)?
            .ok_or_else(|| format!("{what}: expected a constant"))?;
        // SAFETY: a constant lives as long as the session, and nobody writes to it.
        unsafe { self.api.tensor(what, value).map(Some) }
    }
}

/// What the host says of a name that the node does not have.
fn is_absent(text: &str) -> bool {
    text.contains("No attribute with")
}

fn in_range(name: &CStr, value: i64, least: i64) -> Result<i64, String> {
    /// Lengths beyond are of no image, and products of them must not overflow.
    const MOST: i64 = u32::MAX as i64;
    if value < least || value > MOST {
        return Err(format!(
            "attribute {name:?}: expected {least} to {MOST}, found {value}"
        ));
    }
    Ok(value)
}
