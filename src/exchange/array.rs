//! A host's arrays as tensors, and tensors as arrays: by an [`ArrayLayout`], in the order and with
//! the axes that the net's own file has.
//!
//! ```
//! use bernet::exchange::{array, npy::{Array, Numbers}};
//! use bernet_runtime::graph::{ArrayLayout, Graph, Kind, Shape};
//!
//! let mut graph = Graph::default();
//! graph.add_input("x", Kind::F32, Shape::new(1, 2, 2))?;
//! graph.inputs[0].layout = ArrayLayout::nchw(Shape::new(1, 2, 2));
//! let x = Array::new(vec![1, 2, 1, 2], Numbers::F32(vec![1.0, 2.0, 3.0, 4.0]))?;
//! let tensor = array::to_tensor(&graph, 0, &x)?;
//! assert_eq!(tensor.to_f32(), [1.0, 3.0, 2.0, 4.0]);
//! assert_eq!(array::from_tensor(&tensor, &graph.inputs[0].layout), x);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::npy::{Array, Numbers};
use bernet_runtime::{
    graph::{ArrayLayout, Graph, Kind},
    tensor::{Data, Tensor},
};
use thiserror::Error;

/// An array that does not suit an input.
#[derive(Clone, PartialEq, Debug, Error)]
#[error("input \"{name}\": {what}: expected {expected}, found {found}")]
pub struct ArrayMismatch {
    /// The input's name.
    pub name: String,
    /// What of the array.
    pub what: &'static str,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// Where an item's values lie in its array, in the order of the item.
fn places(layout: &ArrayLayout) -> Vec<usize> {
    let mut strides = vec![1; layout.dims.len()];
    for axis in (1..layout.dims.len()).rev() {
        strides[axis - 1] = strides[axis] * layout.dims[axis];
    }
    let axes: Vec<_> = layout
        .perm
        .iter()
        .map(|&axis| (layout.dims[axis], strides[axis]))
        .collect();
    let place = |mut rest: usize| {
        let mut place = 0;
        for &(size, stride) in axes.iter().rev() {
            place += rest % size * stride;
            rest /= size;
        }
        place
    };
    (0..layout.dims.iter().product()).map(place).collect()
}

/// An array as the tensor of an input of a valid graph.
///
/// Floats of 64 bits are rounded to 32. Bits come from booleans, or from numbers −1 and +1.
///
/// # Errors
/// [`ArrayMismatch`] where the array has other sizes, or values that the input's type does not
/// have.
///
/// # Panics
/// Where the graph has no such input.
pub fn to_tensor(graph: &Graph, input: usize, array: &Array) -> Result<Tensor, ArrayMismatch> {
    let input = &graph.inputs[input];
    let mismatch = |what, expected: String, found: String| ArrayMismatch {
        name: input.name.clone(),
        what,
        expected,
        found,
    };
    let layout = &input.layout;
    let (batch, sizes) = match array.shape() {
        [batch, sizes @ ..] if layout.batch => (*batch, sizes),
        sizes => (1, sizes),
    };
    if sizes != layout.dims {
        let sizes: Vec<_> = layout.dims.iter().map(usize::to_string).collect();
        let batch = layout.batch.then(|| "any number".to_owned());
        let sizes: Vec<_> = batch.into_iter().chain(sizes).collect();
        let found = format!("{:?}", array.shape());
        return Err(mismatch("sizes", format!("[{}]", sizes.join(", ")), found));
    }
    let value = graph.value(input.value);
    let places = places(layout);
    let len = places.len();
    let ordered = (0..batch).flat_map(|item| places.iter().map(move |place| item * len + place));
    let numbers = array.numbers().gather(ordered);
    let data = convert(&numbers, value.kind)
        .map_err(|(expected, found)| mismatch("values", expected, found))?;
    Tensor::new(batch, value.shape, data)
        .map_err(|error| mismatch("values", error.expected, error.found))
}

/// Numbers of a type; else what is expected and what is found.
fn convert(numbers: &Numbers, kind: Kind) -> Result<Data, (String, String)> {
    let name = numbers.type_name();
    let wrong_type = |expected: &str| (expected.to_owned(), name.to_owned());
    match kind {
        Kind::F32 => Ok(Data::F32(
            floats(numbers).iter().map(|&value| value as f32).collect(),
        )),
        Kind::Bit => {
            if let Numbers::Bool(values) = numbers {
                return Ok(Data::Bit(values.clone()));
            }
            let bit = |&value: &f64| match value {
                1.0 => Ok(true),
                -1.0 => Ok(false),
                _ => Err(("bool, or numbers −1 and 1".to_owned(), value.to_string())),
            };
            Ok(Data::Bit(
                floats(numbers).iter().map(bit).collect::<Result<_, _>>()?,
            ))
        }
        Kind::U8 | Kind::I32 => {
            let integers: Vec<i64> = match numbers {
                Numbers::U8(values) => values.iter().map(|&value| value.into()).collect(),
                Numbers::I32(values) => values.iter().map(|&value| value.into()).collect(),
                Numbers::I64(values) => values.clone(),
                _ if kind == Kind::U8 => return Err(wrong_type("integers from 0 to 255")),
                _ => return Err(wrong_type("integers of 32 bits")),
            };
            if kind == Kind::U8 {
                let byte = |&value: &i64| {
                    u8::try_from(value).map_err(|_| ("0 to 255".to_owned(), value.to_string()))
                };
                return Ok(Data::U8(
                    integers.iter().map(byte).collect::<Result<_, _>>()?,
                ));
            }
            let integer = |&value: &i64| {
                i32::try_from(value).map_err(|_| ("32 bits".to_owned(), value.to_string()))
            };
            Ok(Data::I32(
                integers.iter().map(integer).collect::<Result<_, _>>()?,
            ))
        }
    }
}

/// All numbers as floats of 64 bits.
fn floats(numbers: &Numbers) -> Vec<f64> {
    match numbers {
        Numbers::Bool(values) => values
            .iter()
            .map(|&value| f64::from(u8::from(value)))
            .collect(),
        Numbers::U8(values) => values.iter().map(|&value| value.into()).collect(),
        Numbers::I32(values) => values.iter().map(|&value| value.into()).collect(),
        Numbers::I64(values) => values.iter().map(|&value| value as f64).collect(),
        Numbers::F32(values) => values.iter().map(|&value| value.into()).collect(),
        Numbers::F64(values) => values.clone(),
    }
}

/// A tensor as an array. Bits become floats −1 and 1.
///
/// # Panics
/// Where the layout is of another number of values than an item has.
pub fn from_tensor(tensor: &Tensor, layout: &ArrayLayout) -> Array {
    let numbers = match tensor.data() {
        Data::Bit(_) => Numbers::F32(tensor.to_f32()),
        Data::U8(values) => Numbers::U8(values.clone()),
        Data::I32(values) => Numbers::I32(values.clone()),
        Data::F32(values) => Numbers::F32(values.clone()),
    };
    // Where each of the array's values lies in the item.
    let mut sources = vec![0; tensor.shape().len()];
    for (source, place) in places(layout).into_iter().enumerate() {
        sources[place] = source;
    }
    let len = sources.len();
    let items = 0..tensor.batch();
    let ordered = items.flat_map(|item| sources.iter().map(move |source| item * len + source));
    let mut shape = layout.dims.clone();
    if layout.batch || tensor.batch() != 1 {
        shape.insert(0, tensor.batch());
    }
    Array::new(shape, numbers.gather(ordered)).expect("as many values as the tensor has")
}

#[cfg(test)]
mod tests {
    use super::{from_tensor, to_tensor};
    use crate::exchange::npy::{Array, Numbers};
    use bernet_runtime::{
        graph::{ArrayLayout, Graph, Kind, Shape},
        testing,
    };

    #[test]
    fn arrays_come_back_in_any_layout() {
        for seed in 0..60 {
            let graph = testing::random_graph(seed, 3);
            let inputs = graph
                .inputs
                .iter()
                .zip(testing::random_inputs(&graph, 1, seed));
            for (index, (input, tensor)) in inputs.enumerate() {
                let array = from_tensor(&tensor, &input.layout);
                let again = to_tensor(&graph, index, &array).expect("an array of its own");
                assert_eq!(again, tensor, "seed {seed}");
            }
        }
    }

    #[test]
    fn what_does_not_suit_an_input_is_named() {
        let mut graph = Graph::default();
        let shape = Shape::new(2, 1, 3);
        for (name, kind) in [
            ("bits", Kind::Bit),
            ("bytes", Kind::U8),
            ("numbers", Kind::I32),
        ] {
            graph.add_input(name, kind, shape).expect("an input");
        }
        graph.inputs[0].layout = ArrayLayout::nchw(shape);
        for (input, shape, numbers, text) in [
            (
                0,
                vec![1, 2, 1, 3],
                Numbers::Bool(vec![true; 6]),
                "input \"bits\": sizes: expected [any number, 3, 2, 1], found [1, 2, 1, 3]",
            ),
            (
                0,
                vec![1, 3, 2, 1],
                Numbers::F32(vec![0.0; 6]),
                "expected bool, or numbers −1 and 1",
            ),
            (
                1,
                vec![1, 2, 1, 3],
                Numbers::I64(vec![256; 6]),
                "expected 0 to 255, found 256",
            ),
            (
                2,
                vec![1, 2, 1, 3],
                Numbers::F32(vec![1.0; 6]),
                "expected integers of 32 bits",
            ),
        ] {
            let array = Array::new(shape, numbers).expect("an array");
            let error = to_tensor(&graph, input, &array)
                .expect_err(text)
                .to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
