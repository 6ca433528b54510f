//! Packed ±1: matrices and NHWC tensors.
//!
//! A value is one bit, 1 ↔ +1, 0 ↔ −1, the least significant bit of a word first. A row is padded to whole 64-bit words;
//! the pad bits are 0 in every value of these types, so that two rows can be compared word by word without a mask.
//!
//! ```
//! use bernet_kernels::bits::BitMatrix;
//!
//! let matrix = BitMatrix::from_signs(2, 3, &[0.5, -1.0, 0.0, -2.0, -0.1, 7.0])?;
//! assert_eq!(matrix.row(0), [0b101]); // sign(0) = +1
//! assert_eq!(matrix.row(1), [0b100]);
//! assert!(matrix.get(1, 2) && !matrix.get(1, 1));
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

mod matrix;
mod tensor;
mod view;
mod words;

pub(crate) use words::{bytes, bytes_mut, put_bits};
pub use {
    matrix::BitMatrix,
    tensor::BitTensor,
    view::{BitView, BitViewMut, Shape},
    words::{WORD, copy_bits, read_bits, set_bits},
};
