//! The inputs that a file declares.

use super::net::Batch;
use crate::exchange::onnx::{
    constant::{count, type_of},
    error::ImportError,
    proto::data_type,
    source::{Declared, Size, Source},
};
use bernet_runtime::graph::{Kind, VALUES_LIMIT};
use std::collections::BTreeMap;

/// An input with all its sizes.
pub(super) struct Array {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// `None` for an open batch.
    pub(super) first: Option<usize>,
    pub(super) dims: Vec<usize>,
    /// What is said of its type.
    pub(super) note: Option<String>,
}

/// Every input of a file, with the sizes that were given.
pub(super) fn inputs(
    source: &Source,
    sizes: &BTreeMap<String, Vec<usize>>,
) -> Result<Vec<Array>, ImportError> {
    for name in sizes.keys() {
        if !source.inputs.iter().any(|input| input.name == *name) {
            let names: Vec<_> = source.inputs.iter().map(|input| &*input.name).collect();
            return Err(ImportError::Input {
                name: name.clone(),
                why: format!(
                    "there is no such input; expected one of {}",
                    names.join(", ")
                ),
            });
        }
    }
    let of = |input: &Declared| {
        self::input(input, sizes.get(&input.name)).map_err(|why| ImportError::Input {
            name: input.name.clone(),
            why,
        })
    };
    source.inputs.iter().map(of).collect()
}

fn input(declared: &Declared, given: Option<&Vec<usize>>) -> Result<Array, String> {
    let mut note = None;
    let kind = match declared.data_type {
        data_type::FLOAT => Kind::F32,
        data_type::DOUBLE | data_type::FLOAT16 | data_type::BFLOAT16 => {
            let (name, _) = type_of(declared.data_type)?;
            note = Some(format!(
                "input {:?} is {name} in the file; it is float32 here, as is all arithmetic",
                declared.name
            ));
            Kind::F32
        }
        data_type::UINT8 => Kind::U8,
        data_type::INT32 | data_type::INT64 | data_type::INT8 | data_type::INT16 => Kind::I32,
        data_type::UINT16 => Kind::I32,
        data_type::BOOL => Kind::Bit,
        0 => return Err("expected a tensor, found another type".into()),
        other => {
            let (name, _) = type_of(other)?;
            return Err(format!("expected floats, integers or bool, found {name}"));
        }
    };
    let option = "say its sizes, for instance --input-shape NAME=1,3,224,224";
    let sizes = match (&declared.dims, given) {
        (Some(declared), None) => declared.clone(),
        (None, None) => {
            return Err(format!("the file does not say its shape; {option}"));
        }
        (declared, Some(given)) => {
            let fits = declared.as_ref().is_none_or(|declared| {
                declared.len() == given.len()
                    && declared
                        .iter()
                        .zip(given)
                        .skip(1)
                        .all(|(size, &given)| match size {
                            Size::Fixed(size) => *size == given,
                            Size::Open(_) => true,
                        })
            });
            if !fits || given.contains(&0) {
                return Err(format!(
                    "shape: expected one that fits {declared:?}, found {given:?}"
                ));
            }
            let first = declared.as_ref().and_then(|declared| declared.first());
            let mut sizes: Vec<_> = given.iter().map(|&size| Size::Fixed(size)).collect();
            if let (Some(first), Some(place)) = (first, sizes.first_mut()) {
                place.clone_from(first);
            }
            sizes
        }
    };
    let mut dims = Vec::with_capacity(sizes.len());
    for (axis, size) in sizes.iter().enumerate() {
        dims.push(match size {
            Size::Fixed(size) => *size,
            Size::Open(_) if axis == 0 => 1,
            Size::Open(name) => {
                let name = if name.is_empty() {
                    format!("axis {axis}")
                } else {
                    format!("axis {axis}, {name:?},")
                };
                return Err(format!(
                    "the file leaves the size of {name} open, and a net has images of one size; \
                     {option}"
                ));
            }
        });
    }
    if dims.is_empty() {
        return Err("expected an array with axes, found a single number".into());
    }
    let item = count(&dims[1..]).filter(|&len| len <= VALUES_LIMIT);
    if item.is_none() || dims[0] > VALUES_LIMIT {
        return Err(format!(
            "expected at most {VALUES_LIMIT} values an item, found {dims:?}"
        ));
    }
    Ok(Array {
        name: declared.name.clone(),
        kind,
        first: match sizes.first() {
            Some(Size::Fixed(size)) => Some(*size),
            _ => None,
        },
        dims,
        note,
    })
}

/// What the first axis of the inputs is.
pub(super) fn batch(inputs: &[Array]) -> Batch {
    if inputs.iter().any(|input| input.first.is_none()) {
        return Batch::Open;
    }
    let size = inputs[0].first.unwrap_or(1);
    if size == 1 || inputs.iter().any(|input| input.first != Some(size)) {
        Batch::One
    } else {
        Batch::Fixed(size)
    }
}
