//! The host's C interface, as Rust sees it: texts for statuses, slices for tensors.

use ort_sys::{
    ONNXTensorElementDataType::{self as Type, *},
    OrtApi, OrtApiBase, OrtErrorCode, OrtKernelContext, OrtKernelInfo, OrtStatusPtr, OrtValue,
};
use std::{
    ffi::{CStr, CString},
    marker::PhantomData,
    ptr, slice,
};

/// The version of the interface that this library is written for: every later host has it.
const VERSION: u32 = 17;

/// The host's functions.
#[derive(Clone, Copy)]
pub(crate) struct Api(&'static OrtApi);

/// A type of a tensor's elements.
pub(crate) trait Element: Copy {
    const TYPE: Type;
}

impl Element for f32 {
    const TYPE: Type = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

impl Element for u64 {
    const TYPE: Type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64;
}

impl Element for i32 {
    const TYPE: Type = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
}

/// A tensor that comes in.
pub(crate) struct Tensor<'a, T> {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: &'a [T],
}

impl<T> Tensor<'_, T> {
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
    unsafe fn tensor<'a, T: Element>(
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
            let values = match length {
                0 => &[][..],
                _ => slice::from_raw_parts(data.cast_const().cast(), length),
            };
            Ok(Tensor { shape, values })
        }
    }
}

/// What an operator is made from: its attributes, and inputs that are constants.
pub(crate) struct Info<'a> {
    api: Api,
    info: *const OrtKernelInfo,
    lifetime: PhantomData<&'a ()>,
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

    /// An attribute that is a whole number, at least `least`.
    pub(crate) fn integer(&self, name: &CStr, default: i64, least: i64) -> Result<i64, String> {
        let mut value = default;
        // SAFETY: the name ends with a zero byte, the place is our own.
        let status = unsafe {
            (self.api.0.KernelInfoGetAttribute_int64)(self.info, name.as_ptr(), &mut value)
        };
        self.defined(status)?;
        check_least(name, value, least)
    }

    /// An attribute that is `N` whole numbers, each at least `least`.
    pub(crate) fn integers<const N: usize>(
        &self,
        name: &CStr,
        default: [i64; N],
        least: i64,
    ) -> Result<[usize; N], String> {
        let (mut values, mut size) = (default, N);
        // SAFETY: the name ends with a zero byte; no more than the announced size is written.
        let status = unsafe {
            (self.api.0.KernelInfoGetAttributeArray_int64)(
                self.info,
                name.as_ptr(),
                values.as_mut_ptr(),
                &mut size,
            )
        };
        if self.defined(status)? && size != N {
            return Err(format!("{name:?}: expected {N} numbers, found {size}"));
        }
        for value in values {
            check_least(name, value, least)?;
        }
        Ok(values.map(|value| value as usize))
    }

    /// Whether an attribute is there; what else is wrong is an error.
    fn defined(&self, status: OrtStatusPtr) -> Result<bool, String> {
        match self.api.check(status) {
            Ok(()) => Ok(true),
            Err(text) if text.contains("No attribute with") => Ok(false),
            Err(text) => Err(text),
        }
    }

    /// An input that is an initialiser, so that it can be prepared once; none where an optional one is left out.
    pub(crate) fn constant<T: Element>(
        &self,
        index: usize,
        what: &str,
    ) -> Result<Option<Tensor<'a, T>>, String> {
        let (mut count, mut is_constant, mut value) = (0, 0, ptr::null());
        // SAFETY: the places are our own; a constant lives as long as the session.
        unsafe {
            self.api
                .check((self.api.0.KernelInfo_GetInputCount)(self.info, &mut count))?;
            if index >= count {
                return Ok(None);
            }
            self.api
                .check((self.api.0.KernelInfoGetConstantInput_tensor)(
                    self.info,
                    index,
                    &mut is_constant,
                    &mut value,
                ))?;
            if is_constant == 0 || value.is_null() {
                return Err(format!(
                    "{what}: expected an initialiser, found a tensor that is computed"
                ));
            }
            self.api.tensor(what, value).map(Some)
        }
    }
}

fn check_least(name: &CStr, value: i64, least: i64) -> Result<i64, String> {
    if value < least || value > i64::from(u32::MAX) {
        return Err(format!(
            "{name:?}: expected at least {least}, found {value}"
        ));
    }
    Ok(value)
}

/// What an operator works on: inputs and outputs of one run.
pub(crate) struct Context<'a> {
    api: Api,
    context: *mut OrtKernelContext,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> Context<'a> {
    /// # Safety
    /// `context` is the host's, for one run, which takes `'a`.
    pub(crate) unsafe fn new(api: Api, context: *mut OrtKernelContext) -> Self {
        Self {
            api,
            context,
            lifetime: PhantomData,
        }
    }

    /// The first input.
    pub(crate) fn input<T: Element>(&self, what: &str) -> Result<Tensor<'a, T>, String> {
        let mut value = ptr::null();
        // SAFETY: the place is our own; nobody writes to an input during a run.
        unsafe {
            self.api.check((self.api.0.KernelContext_GetInput)(
                self.context,
                0,
                &mut value,
            ))?;
            self.api.tensor(what, value)
        }
    }

    /// The output, of this shape, handed over to be filled. It is asked for once, so that there are no two of it.
    pub(crate) fn fill<T: Element, const N: usize>(
        self,
        shape: [usize; N],
        fill: impl FnOnce(&mut [T]) -> Result<(), String>,
    ) -> Result<(), String> {
        let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
        let sizes = shape.map(|size| size as i64);
        let length = shape.iter().product();
        // SAFETY: the places are our own; the host makes the tensor that is asked for, of the type that the operator announces, and
        // nobody else sees it during the run.
        unsafe {
            self.api.check((self.api.0.KernelContext_GetOutput)(
                self.context,
                0,
                sizes.as_ptr(),
                N,
                &mut value,
            ))?;
            self.api
                .check((self.api.0.GetTensorMutableData)(value, &mut data))?;
            if length == 0 {
                return fill(&mut []);
            }
            let data: *mut T = data.cast();
            // What the host hands over need not be initialised, a slice must.
            ptr::write_bytes(data, 0, length);
            fill(slice::from_raw_parts_mut(data, length))
        }
    }
}
