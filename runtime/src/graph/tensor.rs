//! Tensors that own their values: constants, and what the reference computes with.
//!
//! ```
//! use bernet_runtime::{graph::{Kind, Shape}, tensor::Tensor};
//!
//! let tensor = Tensor::from_f32(2, Shape::flat(2), vec![1.0, 2.0, 3.0, 4.0])?;
//! assert_eq!((tensor.batch(), tensor.kind()), (2, Kind::F32));
//! # Ok::<(), bernet_runtime::graph::GraphError>(())
//! ```

use super::{GraphError, Kind, Place, Shape};
use alloc::vec::Vec;

/// The values of a tensor in the order item, line, pixel, channel.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// `true` is +1.
    Bit(Vec<bool>),
    /// Bytes.
    U8(Vec<u8>),
    /// Integers.
    I32(Vec<i32>),
    /// Floats.
    F32(Vec<f32>),
}

/// A batch of items of one shape.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    batch: usize,
    shape: Shape,
    data: Data,
}

impl Data {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Bit(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the values.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Bit(_) => Kind::Bit,
            Self::U8(_) => Kind::U8,
            Self::I32(_) => Kind::I32,
            Self::F32(_) => Kind::F32,
        }
    }
}

impl Tensor {
    /// A batch of items of one shape.
    ///
    /// # Errors
    /// [`GraphError`] where there are not `batch` times as many values as an item has.
    pub fn new(batch: usize, shape: Shape, data: Data) -> Result<Self, GraphError> {
        let expected = shape.len().checked_mul(batch);
        if expected != Some(data.len()) {
            let items = alloc::format!("{batch} items of {shape}");
            return Err(Place::Graph.error("values of a tensor", items, data.len()));
        }
        Ok(Self { batch, shape, data })
    }

    /// As [`Tensor::new`], of floats.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn from_f32(batch: usize, shape: Shape, values: Vec<f32>) -> Result<Self, GraphError> {
        Self::new(batch, shape, Data::F32(values))
    }

    /// Number of items.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The shape of an item.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The type of the values.
    pub fn kind(&self) -> Kind {
        self.data.kind()
    }

    /// The values.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The values as floats; bits are ±1.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            Data::Bit(values) => values.iter().map(|&bit| sign(bit) as f32).collect(),
            Data::U8(values) => values.iter().map(|&value| value.into()).collect(),
            Data::I32(values) => values.iter().map(|&value| value as f32).collect(),
            Data::F32(values) => values.clone(),
        }
    }
}

/// Items of bits in the form that a program reads: each line in whole words, the first bit lowest.
///
/// ```
/// use bernet_runtime::{graph::Shape, tensor::{pack_bits, unpack_bits}};
///
/// let shape = Shape::new(2, 1, 3);
/// let bits = [true, false, true, false, true, true];
/// assert_eq!(pack_bits(&bits, shape), [0b101, 0b110]);
/// assert_eq!(unpack_bits(&[0b101, 0b110], shape), bits);
/// ```
pub fn pack_bits(bits: &[bool], shape: Shape) -> Vec<u64> {
    let mut words = Vec::new();
    for line in bits.chunks(shape.width * shape.channels) {
        words.extend(line.chunks(64).map(|bits| {
            let bits = bits.iter().enumerate();
            bits.fold(0, |word, (at, &bit)| word | u64::from(bit) << at)
        }));
    }
    words
}

/// The bits of [`pack_bits`].
pub fn unpack_bits(words: &[u64], shape: Shape) -> Vec<bool> {
    let columns = shape.width * shape.channels;
    words
        .chunks(columns.div_ceil(64))
        .flat_map(|line| (0..columns).map(|at| line[at / 64] >> (at % 64) & 1 == 1))
        .collect()
}

/// ±1.
pub(crate) fn sign(bit: bool) -> i32 {
    if bit { 1 } else { -1 }
}
