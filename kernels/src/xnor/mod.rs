//! XNOR-popcount matrix products and convolutions.

mod conv;
mod gemm;
mod geometry;
mod output;
mod pack;
mod parallel;
mod patches;
mod product;
pub(crate) mod tile;

pub use conv::{Conv2d, Scratch};
pub use gemm::{gemm_affine, gemm_bits, gemm_i32};
pub use geometry::{Geometry, Options, PaddingValue};
pub use output::{Affine, Real, Threshold};
pub use pack::PackedWeights;
