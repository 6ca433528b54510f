//! The host's C interface, as Rust sees it: texts for statuses, slices for tensors.

use ort_sys::{
    ONNXTensorElementDataType::{self as Type, *},
    OrtApi, OrtApiBase, OrtErrorCode, OrtStatusPtr, OrtValue,
};
use std::{
    borrow::Cow,
    ffi::{CStr, CString},
    ptr, slice,
};

/// The version of the interface that this library is written for: every later host has it.
const VERSION: u32 = 17;

/// The host's functions.
#[derive(Clone, Copy)]
pub(crate) struct Api(&'static OrtApi);

/// A type of a tensor's elements.
///
/// # Safety
/// Any bytes are a value of it, and it has no padding.
pub(crate) unsafe trait Element: Copy + Default + 'static {
    const TYPE: Type;
}

// SAFETY: a plain number.
unsafe impl Element for f32 {
    const TYPE: Type = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

// SAFETY: a plain number.
unsafe impl Element for u64 {
    const TYPE: Type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64;
}

// SAFETY: a plain number.
unsafe impl Element for i32 {
    const TYPE: Type = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
}

/// A tensor that comes in. Its values lie with the host, or are a copy where the host's buffer is not aligned for them.
pub(crate) struct Tensor<'a, T: Clone> {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Cow<'a, [T]>,
}

/// A tensor's inputs besides the first: constants of the graph, or values of one run.
pub(crate) trait Inputs {
    /// The input at an index; none where an optional one is left out.
    fn at<T: Element>(&self, index: usize, what: &str) -> Result<Option<Tensor<'_, T>>, String>;
}

/// So many zeros, or an error where there is no memory for them.
pub(crate) fn zeros<T: Element>(what: &str, length: usize) -> Result<Vec<T>, String> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(length)
        .map_err(|_| no_memory::<T>(what, length))?;
    values.resize(length, T::default());
    Ok(values)
}

/// A copy, or an error where there is no memory for it.
pub(crate) fn copied<T: Element>(what: &str, values: &[T]) -> Result<Vec<T>, String> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(values.len())
        .map_err(|_| no_memory::<T>(what, values.len()))?;
    copy.extend_from_slice(values);
    Ok(copy)
}

fn no_memory<T>(what: &str, length: usize) -> String {
    let bytes = length.saturating_mul(size_of::<T>());
    format!(
        "{what}: there is no memory for {bytes} bytes; smaller padding or a smaller batch takes less"
    )
}

impl<T: Clone> Tensor<'_, T> {
    /// The shape, of so many dimensions.
    pub(crate) fn dimensions<const N: usize>(&self, what: &str) -> Result<[usize; N], String> {
        self.shape.as_slice().try_into().map_err(|_| {
            format!(
                "{what}: expected {N} dimensions, found the shape {:?}",
                self.shape
            )
        })
    }
}

impl Api {
    /// # Safety
    /// `base` is null or the host's own, and lives as long as the process.
    pub(crate) unsafe fn new(base: *const OrtApiBase) -> Option<Self> {
        // SAFETY: handed on to the caller.
        unsafe {
            let functions = (base.as_ref()?.GetApi)(VERSION);
            functions.as_ref().map(Self)
        }
    }

    /// # Safety
    /// `functions` is the host's own.
    pub(crate) unsafe fn of(functions: *const OrtApi) -> Self {
        // SAFETY: handed on to the caller; the host never gives its functions back.
        Self(unsafe { &*functions })
    }

    pub(crate) fn functions(self) -> &'static OrtApi {
        self.0
    }

    /// What a status says, which is then given back.
    pub(crate) fn check(self, status: OrtStatusPtr) -> Result<(), String> {
        if status.0.is_null() {
            return Ok(());
        }
        // SAFETY: a status that is not null has a text, until it is released here, once.
        unsafe {
            let text = CStr::from_ptr((self.0.GetErrorMessage)(status.0))
                .to_string_lossy()
                .into_owned();
            (self.0.ReleaseStatus)(status.0);
            Err(text)
        }
    }

    /// A result as a status, which the host gives back.
    pub(crate) fn status(self, code: OrtErrorCode, result: Result<(), String>) -> OrtStatusPtr {
        match result {
            Ok(()) => OrtStatusPtr::default(),
            Err(text) => {
                let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
                // SAFETY: the text ends with a zero byte; the host copies it.
                unsafe { (self.0.CreateStatus)(code, text.as_ptr()) }
            }
        }
    }

    /// # Safety
    /// `value` is a tensor of the host's that nobody writes to and that lives during `'a`.
    pub(crate) unsafe fn tensor<'a, T: Element>(
        self,
        what: &str,
        value: *const OrtValue,
    ) -> Result<Tensor<'a, T>, String> {
        let mut info = ptr::null_mut();
        let (mut element, mut dimensions) = (Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED, 0);
        let mut data = ptr::null_mut();
        // SAFETY: every place that is written to is our own, of the size that is announced; the description is released once.
        unsafe {
            self.check((self.0.GetTensorTypeAndShape)(value, &mut info))?;
            let mut read = || {
                self.check((self.0.GetTensorElementType)(info, &mut element))?;
                self.check((self.0.GetDimensionsCount)(info, &mut dimensions))?;
                let mut shape = vec![0; dimensions];
                self.check((self.0.GetDimensions)(info, shape.as_mut_ptr(), dimensions))?;
                Ok::<_, String>(shape)
            };
            let shape = read();
            (self.0.ReleaseTensorTypeAndShapeInfo)(info);
            let shape = shape?
                .into_iter()
                .map(|size| usize::try_from(size).map_err(|_| format!("{what}: a size of {size}")))
                .collect::<Result<Vec<_>, _>>()?;
            if element != T::TYPE {
                return Err(format!("{what}: expected {:?}, found {element:?}", T::TYPE));
            }
            self.check((self.0.GetTensorMutableData)(value.cast_mut(), &mut data))?;
            let length = shape.iter().product();
            let from: *const T = data.cast_const().cast();
            let values = match length {
                0 => Cow::Borrowed(&[][..]),
                _ if from.is_aligned() => Cow::Borrowed(slice::from_raw_parts(from, length)),
                // A buffer that a caller has bound lies where the caller put it.
                _ => {
                    let mut copy: Vec<T> = zeros(what, length)?;
                    let bytes = length * size_of::<T>();
                    ptr::copy_nonoverlapping(
                        data.cast_const().cast::<u8>(),
                        copy.as_mut_ptr().cast(),
                        bytes,
                    );
                    Cow::Owned(copy)
                }
            };
            Ok(Tensor { shape, values })
        }
    }
}
