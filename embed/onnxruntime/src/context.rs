//! Inputs and outputs of one run.

use crate::host::{Api, Element, Inputs, Tensor, zeros};
use ort_sys::{OrtKernelContext, OrtValue};
use std::{marker::PhantomData, ptr, slice};

/// What an operator works on.
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
        self.tensor(0, what)?
            .ok_or_else(|| format!("{what}: there is none"))
    }

    fn tensor<T: Element>(
        &self,
        index: usize,
        what: &str,
    ) -> Result<Option<Tensor<'a, T>>, String> {
        let (mut count, mut value): (_, *const OrtValue) = (0, ptr::null());
        // SAFETY: the places are our own; nobody writes to an input during a run.
        unsafe {
            let functions = self.api.functions();
            self.api.check((functions.KernelContext_GetInputCount)(
                self.context,
                &mut count,
            ))?;
            if index >= count {
                return Ok(None);
            }
            self.api.check((functions.KernelContext_GetInput)(
                self.context,
                index,
                &mut value,
            ))?;
            if value.is_null() {
                return Ok(None);
            }
            self.api.tensor(what, value).map(Some)
        }
    }

    /// The output, of this shape, handed over to be filled. It is asked for once, so that there are no two of it, and before
    /// anything of its size is made: the host refuses what does not fit.
    pub(crate) fn fill<T: Element, const N: usize>(
        self,
        shape: [usize; N],
        fill: impl FnOnce(&mut [T]) -> Result<(), String>,
    ) -> Result<(), String> {
        let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
        let length = shape
            .iter()
            .try_fold(1_usize, |length, &size| length.checked_mul(size))
            .filter(|&length| isize::try_from(length.saturating_mul(size_of::<T>())).is_ok())
            .ok_or_else(|| format!("y: a tensor of the shape {shape:?} fits in no memory"))?;
        let sizes = shape.map(|size| size as i64);
        // SAFETY: the places are our own; the host makes the tensor that is asked for, of the type that the operator announces, and
        // nobody else sees it during the run.
        unsafe {
            let functions = self.api.functions();
            self.api.check((functions.KernelContext_GetOutput)(
                self.context,
                0,
                sizes.as_ptr(),
                N,
                &mut value,
            ))?;
            self.api
                .check((functions.GetTensorMutableData)(value, &mut data))?;
            if length == 0 {
                return fill(&mut []);
            }
            let data: *mut T = data.cast();
            if !data.is_aligned() {
                // A buffer that a caller has bound lies where the caller put it.
                let mut values = zeros("y", length)?;
                fill(&mut values)?;
                let bytes = length * size_of::<T>();
                ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), data.cast::<u8>(), bytes);
                return Ok(());
            }
            // What the host hands over need not be initialised, a slice must.
            ptr::write_bytes(data, 0, length);
            fill(slice::from_raw_parts_mut(data, length))
        }
    }
}

impl Inputs for Context<'_> {
    fn at<T: Element>(&self, index: usize, what: &str) -> Result<Option<Tensor<'_, T>>, String> {
        self.tensor(index, what)
    }
}
