//! Binary layers as custom operators of ONNX Runtime, in the domain `bernet`; README says what each takes and gives.
//!
//! An operator is a type that implements `operator::Operator`, in safe code; `host`, `info` and `context` are all that speaks the host's C
//! interface, of version 17 (ONNX Runtime 1.17 and later). Nothing is linked: the host hands its functions over when it loads the library.

mod context;
mod convolution;
mod epilogue;
mod host;
mod info;
mod matmul;
mod max_pool;
mod operator;
mod prepared;
mod sign_pack;
mod spelling;

use convolution::Convolution;
use epilogue::{Scaled, Thresholds};
use host::Api;
use matmul::MatMul;
use max_pool::MaxPool;
use operator::definition;
use ort_sys::{OrtApiBase, OrtCustomOpDomain, OrtErrorCode, OrtSessionOptions, OrtStatusPtr};
use sign_pack::SignPack;
use std::{ptr, sync::Mutex};

/// The domain, once it has been made; it lives as long as the process, since nobody says when the last session ends.
static DOMAIN: Mutex<Option<Domain>> = Mutex::new(None);

struct Domain(*mut OrtCustomOpDomain);

// SAFETY: the host's domain is bound to no thread, and the lock lets one at a time work with it.
unsafe impl Send for Domain {}

/// What ONNX Runtime looks for in a library of custom operators.
///
/// # Safety
/// The host calls it, with its own functions and options.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn RegisterCustomOps(
    options: *mut OrtSessionOptions,
    base: *const OrtApiBase,
) -> OrtStatusPtr {
    // SAFETY: the host's own functions, for as long as the process lives.
    let Some(api) = (unsafe { Api::new(base) }) else {
        // Without them there is no way even to say so: the operators will be missing.
        return OrtStatusPtr::default();
    };
    // SAFETY: as above.
    let registered = unsafe { register(api, options) };
    api.status(OrtErrorCode::ORT_FAIL, registered)
}

/// # Safety
/// `options` is the host's.
unsafe fn register(api: Api, options: *mut OrtSessionOptions) -> Result<(), String> {
    let mut domain = DOMAIN.lock().map_err(|error| error.to_string())?;
    let functions = api.functions();
    if domain.is_none() {
        let mut made = ptr::null_mut();
        // SAFETY: the name ends with a zero byte; the definitions live as long as the process.
        unsafe {
            api.check((functions.CreateCustomOpDomain)(
                c"bernet".as_ptr(),
                &mut made,
            ))?;
            for operator in [
                definition::<SignPack>(),
                definition::<MaxPool>(),
                definition::<MatMul<Scaled>>(),
                definition::<MatMul<Thresholds>>(),
                definition::<Convolution<Scaled>>(),
                definition::<Convolution<Thresholds>>(),
            ] {
                api.check((functions.CustomOpDomain_Add)(made, operator))?;
            }
        }
        *domain = Some(Domain(made));
    }
    let domain = domain
        .as_ref()
        .map_or(ptr::null_mut(), |Domain(made)| *made);
    // SAFETY: both are the host's own.
    unsafe { api.check((functions.AddCustomOpDomain)(options, domain)) }
}
