//! What is made of a node's inputs besides the first, once: packed weights, scales, thresholds.

use crate::{
    context::Context,
    host::{Element, Inputs, copied},
    info::{Given, Info},
};
use ort_sys::ONNXTensorElementDataType as Type;
use std::sync::{Arc, Mutex, PoisonError};

/// Made when the session is, where all those inputs are constants. Else, where weights come from an outer graph or are computed, it is
/// made by the first run, and again by a run that brings other values.
pub(crate) struct Prepared<T> {
    constant: Option<Arc<T>>,
    last: Mutex<Option<(Values, Arc<T>)>>,
}

/// Shape and values of each of the inputs, by which a run knows them again.
#[derive(PartialEq)]
struct Values(Vec<Option<Value>>);

#[derive(PartialEq)]
struct Value {
    shape: Vec<usize>,
    bits: Vec<u32>,
}

impl<T> Prepared<T> {
    /// # Errors
    /// What `make` says of constants.
    pub(crate) fn new(
        info: &Info<'_>,
        inputs: &[Type],
        make: impl FnOnce(&Info<'_>) -> Result<T, String>,
    ) -> Result<Self, String> {
        let mut computed = false;
        for index in 1..inputs.len() {
            computed |= info.given(index)? == Given::Computed;
        }
        let constant = match computed {
            true => None,
            false => Some(Arc::new(make(info)?)),
        };
        Ok(Self {
            constant,
            last: Mutex::new(None),
        })
    }

    /// # Errors
    /// What `make` says of the values of this run.
    pub(crate) fn get(
        &self,
        context: &Context<'_>,
        inputs: &[Type],
        make: impl FnOnce(&Context<'_>) -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        if let Some(constant) = &self.constant {
            return Ok(Arc::clone(constant));
        }
        let values = Values::of(context, inputs)?;
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, made)) = &*last()
            && *known == values
        {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(make(context)?);
        *last() = Some((values, Arc::clone(&made)));
        Ok(made)
    }
}

impl Values {
    fn of(context: &Context<'_>, inputs: &[Type]) -> Result<Self, String> {
        let read = |index| match inputs[index] {
            Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT => words(context, index, f32::to_bits),
            _ => words(context, index, |value: i32| value as u32),
        };
        (1..inputs.len())
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn words<T: Element>(
    context: &Context<'_>,
    index: usize,
    bits: impl Fn(T) -> u32,
) -> Result<Option<Value>, String> {
    let what = format!("input {index}");
    let Some(tensor) = context.at::<T>(index, &what)? else {
        return Ok(None);
    };
    let values = copied(&what, &tensor.values)?;
    Ok(Some(Value {
        shape: tensor.shape,
        bits: values.into_iter().map(bits).collect(),
    }))
}
