//! Tensors whose values are known: those in the file, and what is computed of them.

mod arithmetic;
mod evaluate;
mod movement;
mod reduce;
mod value;

pub(super) use arithmetic::{binary, unary_op};
pub(super) use evaluate::{
    Budget, evaluate, flatten_axis, permutation, reduced_axes, shape, slice_ranges, split_sizes,
    squeezed, unsqueezed,
};
pub(super) use movement::{broadcast_dims, normal_axis, reshape_dims, transpose};
pub(super) use value::{Constant, Data, count, type_of};
