//! f32 vectors of SSE4.2: the portable ones, compiled with its features.

use super::{
    float::{Float, Kernel, ROUND},
    float_portable::{Eight, float, square_root},
};
use crate::isa::{Sse42, compiled_for};
use core::array::from_fn;

float!(Sse42);
