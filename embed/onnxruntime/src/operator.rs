//! Operators as the host sees them: a table of functions each.

use crate::{context::Context, host::Api, info::Info};
use ort_sys::{
    ONNXTensorElementDataType as Type, OrtApi, OrtCustomOp, OrtCustomOpInputOutputCharacteristic,
    OrtErrorCode, OrtKernelContext, OrtKernelInfo, OrtMemType, OrtStatusPtr,
};
use std::{
    any::Any,
    ffi::{CStr, c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

/// An operator with one output. Several threads may run one at once.
pub(crate) trait Operator: Sized + Send + Sync + 'static {
    /// Its name in the domain `bernet`.
    const NAME: &'static CStr;
    /// The types of its inputs.
    const INPUTS: &'static [Type];
    /// How many of its inputs must be there; the others may be left out.
    const REQUIRED: usize;
    /// The type of its output.
    const OUTPUT: Type;
    /// The names of its attributes.
    const ATTRIBUTES: &'static [&'static str] = &[];

    /// Prepares a node of a graph: attributes are read, weights are laid out.
    fn new(info: &Info<'_>) -> Result<Self, String>;

    /// One run.
    fn compute(&self, context: Context<'_>) -> Result<(), String>;
}

/// A node of a graph.
struct Kernel<O> {
    api: Api,
    operator: O,
}

/// The table of an operator, for the life of the process.
pub(crate) const fn definition<O: Operator>() -> &'static OrtCustomOp {
    const {
        &OrtCustomOp {
            version: 17,
            CreateKernel: None,
            GetName: Some(name::<O>),
            GetExecutionProviderType: Some(provider),
            GetInputType: Some(input_type::<O>),
            GetInputTypeCount: Some(input_count::<O>),
            GetOutputType: Some(output_type::<O>),
            GetOutputTypeCount: Some(output_count),
            KernelCompute: None,
            KernelDestroy: Some(destroy::<O>),
            GetInputCharacteristic: Some(input_characteristic::<O>),
            GetOutputCharacteristic: Some(output_characteristic),
            GetInputMemoryType: Some(memory_type),
            GetVariadicInputMinArity: Some(one),
            GetVariadicInputHomogeneity: Some(one),
            GetVariadicOutputMinArity: Some(one),
            GetVariadicOutputHomogeneity: Some(one),
            CreateKernelV2: Some(create::<O>),
            KernelComputeV2: Some(compute::<O>),
            InferOutputShapeFn: None,
            GetStartVersion: Some(one),
            GetEndVersion: Some(one),
        }
    }
}

unsafe extern "system" fn create<O: Operator>(
    _: *const OrtCustomOp,
    functions: *const OrtApi,
    info: *const OrtKernelInfo,
    kernel: *mut *mut c_void,
) -> OrtStatusPtr {
    // SAFETY: the host's own functions and description, which live during the call.
    let (api, info) = unsafe {
        let api = Api::of(functions);
        (api, Info::new(api, info))
    };
    let made = caught(|| {
        let made = info.check_names(O::ATTRIBUTES).and_then(|()| O::new(&info));
        let operator = made.map_err(|text| {
            let (node, kind) = (info.node(), O::NAME.to_string_lossy());
            format!("node {node:?} (bernet {kind}): {text}")
        })?;
        // SAFETY: the host's place for a pointer.
        unsafe { *kernel = Box::into_raw(Box::new(Kernel { api, operator })).cast() };
        Ok(())
    });
    api.status(OrtErrorCode::ORT_INVALID_ARGUMENT, made)
}

unsafe extern "system" fn compute<O: Operator>(
    kernel: *mut c_void,
    context: *mut OrtKernelContext,
) -> OrtStatusPtr {
    // SAFETY: the host hands back what `create` made, and has not destroyed it yet.
    let kernel = unsafe { &*kernel.cast_const().cast::<Kernel<O>>() };
    // SAFETY: the host's own, for this run.
    let context = unsafe { Context::new(kernel.api, context) };
    let done = caught(|| kernel.operator.compute(context));
    kernel.api.status(OrtErrorCode::ORT_INVALID_ARGUMENT, done)
}

unsafe extern "system" fn destroy<O: Operator>(kernel: *mut c_void) {
    // SAFETY: the host hands back what `create` made, once.
    drop(unsafe { Box::from_raw(kernel.cast::<Kernel<O>>()) });
}

/// A panic as an error: none may reach the host.
fn caught(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic: Box<dyn Any + Send>| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!(
            "a mistake in bernet, please report it: {}",
            said.unwrap_or("panic")
        ))
    })
}

unsafe extern "system" fn name<O: Operator>(_: *const OrtCustomOp) -> *const c_char {
    O::NAME.as_ptr()
}

/// The host's own CPU.
unsafe extern "system" fn provider(_: *const OrtCustomOp) -> *const c_char {
    ptr::null()
}

unsafe extern "system" fn input_type<O: Operator>(_: *const OrtCustomOp, index: usize) -> Type {
    O::INPUTS
        .get(index)
        .copied()
        .unwrap_or(Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED)
}

unsafe extern "system" fn input_count<O: Operator>(_: *const OrtCustomOp) -> usize {
    O::INPUTS.len()
}

unsafe extern "system" fn output_type<O: Operator>(_: *const OrtCustomOp, _: usize) -> Type {
    O::OUTPUT
}

unsafe extern "system" fn output_count(_: *const OrtCustomOp) -> usize {
    1
}

unsafe extern "system" fn input_characteristic<O: Operator>(
    _: *const OrtCustomOp,
    index: usize,
) -> OrtCustomOpInputOutputCharacteristic {
    if index < O::REQUIRED {
        OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
    } else {
        OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_OPTIONAL
    }
}

unsafe extern "system" fn output_characteristic(
    _: *const OrtCustomOp,
    _: usize,
) -> OrtCustomOpInputOutputCharacteristic {
    OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
}

unsafe extern "system" fn memory_type(_: *const OrtCustomOp, _: usize) -> OrtMemType {
    OrtMemType::OrtMemTypeDefault
}

unsafe extern "system" fn one(_: *const OrtCustomOp) -> c_int {
    1
}
