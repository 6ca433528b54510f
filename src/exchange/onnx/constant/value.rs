//! The type of constants, and how it is read.

use crate::exchange::onnx::{
    error::ImportError,
    external::External,
    proto::{TensorProto, data_type},
};
use half::{bf16, f16};

/// The most axes of a tensor.
pub(in super::super) const RANK_LIMIT: usize = 16;

/// The values of a tensor row by row. Shorter floats are `F32`, which holds them exactly, and all
/// integers are `I64`.
#[derive(Clone, PartialEq, Debug)]
pub(in super::super) enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

/// A tensor of any rank.
#[derive(Clone, PartialEq, Debug)]
pub(in super::super) struct Constant {
    pub(in super::super) dims: Vec<usize>,
    pub(in super::super) data: Data,
}

impl Data {
    pub(in super::super) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// The name of the element type in errors.
    pub(in super::super) fn kind(&self) -> &'static str {
        match self {
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::I64(_) => "integer",
            Self::Bool(_) => "bool",
        }
    }

    /// The elements at some places, in their order.
    pub(in super::super) fn gather(&self, places: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::F32(values) => Self::F32(places.map(|place| values[place]).collect()),
            Self::F64(values) => Self::F64(places.map(|place| values[place]).collect()),
            Self::I64(values) => Self::I64(places.map(|place| values[place]).collect()),
            Self::Bool(values) => Self::Bool(places.map(|place| values[place]).collect()),
        }
    }
}

/// The number of values; `None` where there are too many axes or it overflows, with or without
/// the axes of size 0.
pub(in super::super) fn count(dims: &[usize]) -> Option<usize> {
    let mut sizes = dims.iter().filter(|&&dim| dim != 0);
    let filled = sizes.try_fold(1usize, |product, &dim| product.checked_mul(dim))?;
    let count = if dims.contains(&0) { 0 } else { filled };
    (dims.len() <= RANK_LIMIT).then_some(count)
}

impl Constant {
    /// A tensor whose dimensions fit its values.
    pub(in super::super) fn new(dims: Vec<usize>, data: Data) -> Self {
        debug_assert_eq!(count(&dims), Some(data.len()));
        Self { dims, data }
    }

    pub(in super::super) fn integers(values: Vec<i64>) -> Self {
        Self::new(vec![values.len()], Data::I64(values))
    }

    pub(in super::super) fn len(&self) -> usize {
        self.data.len()
    }

    /// The values as floats.
    pub(in super::super) fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(values) => values.clone(),
            Data::F64(values) => values.iter().map(|&value| value as f32).collect(),
            Data::I64(values) => values.iter().map(|&value| value as f32).collect(),
            Data::Bool(values) => values.iter().map(|&value| value.into()).collect(),
        }
    }

    /// The values as integers, where they are such.
    pub(in super::super) fn to_integers(&self) -> Result<&[i64], String> {
        match &self.data {
            Data::I64(values) => Ok(values),
            data => Err(format!("expected integers, found {}", data.kind())),
        }
    }

    /// The only value of a tensor of one, as a float.
    pub(in super::super) fn single(&self) -> Option<f32> {
        (self.len() == 1).then(|| self.to_f32()[0])
    }

    /// The tensor of a message: as many values as its dimensions say.
    pub(in super::super) fn read(
        mut tensor: TensorProto,
        external: &mut dyn External,
    ) -> Result<Self, ImportError> {
        let name = std::mem::take(&mut tensor.name);
        Self::of_message(tensor, external).map_err(|why| ImportError::Tensor { name, why })
    }

    /// As [`Constant::read`], with an error that does not say which.
    pub(in super::super) fn of_message(
        mut tensor: TensorProto,
        external: &mut dyn External,
    ) -> Result<Self, String> {
        let dims: Option<Vec<usize>> = tensor
            .dims
            .iter()
            .map(|&dim| usize::try_from(dim).ok())
            .collect();
        let expected = dims.as_deref().and_then(count);
        let (Some(dims), Some(expected)) = (dims, expected) else {
            return Err(format!(
                "expected at most {RANK_LIMIT} sizes that can be multiplied, found {:?}",
                tensor.dims
            ));
        };
        if tensor.data_location != 0 || !tensor.external_data.is_empty() {
            let (_, width) = type_of(tensor.data_type)?;
            let length = expected
                .checked_mul(width)
                .ok_or("its dimensions are too large")?;
            tensor.raw_data = Some(external.read(&tensor, length)?);
        }
        let data = values(&tensor)?;
        if expected != data.len() {
            return Err(format!(
                "expected {expected} values, as many as {dims:?}, found {}",
                data.len()
            ));
        }
        Ok(Self { dims, data })
    }
}

/// The name of an element type and the bytes of an element.
pub(in super::super) fn type_of(data_type: i32) -> Result<(&'static str, usize), String> {
    Ok(match data_type {
        data_type::FLOAT => ("float", 4),
        data_type::UINT8 => ("uint8", 1),
        data_type::INT8 => ("int8", 1),
        data_type::UINT16 => ("uint16", 2),
        data_type::INT16 => ("int16", 2),
        data_type::INT32 => ("int32", 4),
        data_type::INT64 => ("int64", 8),
        data_type::BOOL => ("bool", 1),
        data_type::FLOAT16 => ("float16", 2),
        data_type::DOUBLE => ("double", 8),
        data_type::UINT32 => ("uint32", 4),
        data_type::UINT64 => ("uint64", 8),
        data_type::BFLOAT16 => ("bfloat16", 2),
        other => {
            let name = match other {
                8 => "text",
                14 | 15 => "complex numbers",
                17..=20 | 24 => "8-bit floats",
                21 | 22 | 25 | 26 => "4-bit or 2-bit integers",
                23 => "4-bit floats",
                _ => "of an unknown type",
            };
            return Err(format!(
                "expected floats, integers or bool, found {name} (type {other}); convert them to \
                 float"
            ));
        }
    })
}

/// The values of a tensor: raw bytes, or in a field of their own.
fn values(tensor: &TensorProto) -> Result<Data, String> {
    let raw = tensor.raw_data.as_deref();
    type_of(tensor.data_type)?;
    // A short float in an integer field is its bits.
    let bits = || tensor.int32_data.iter().map(|&int| int as u16);
    Ok(match (tensor.data_type, raw) {
        (data_type::FLOAT, Some(raw)) => Data::F32(read(raw, f32::from_le_bytes)?),
        (data_type::FLOAT, None) => Data::F32(tensor.float_data.clone()),
        (data_type::DOUBLE, Some(raw)) => Data::F64(read(raw, f64::from_le_bytes)?),
        (data_type::DOUBLE, None) => Data::F64(tensor.double_data.clone()),
        (data_type::FLOAT16, Some(raw)) => {
            Data::F32(read(raw, |bytes| f16::from_le_bytes(bytes).into())?)
        }
        (data_type::FLOAT16, None) => {
            Data::F32(bits().map(|bits| f16::from_bits(bits).into()).collect())
        }
        (data_type::BFLOAT16, Some(raw)) => {
            Data::F32(read(raw, |bytes| bf16::from_le_bytes(bytes).into())?)
        }
        (data_type::BFLOAT16, None) => {
            Data::F32(bits().map(|bits| bf16::from_bits(bits).into()).collect())
        }
        (data_type::BOOL, Some(raw)) => Data::Bool(raw.iter().map(|&byte| byte != 0).collect()),
        (data_type::BOOL, None) => {
            Data::Bool(tensor.int32_data.iter().map(|&int| int != 0).collect())
        }
        (data_type::INT64, Some(raw)) => Data::I64(read(raw, i64::from_le_bytes)?),
        (data_type::INT64, None) => Data::I64(tensor.int64_data.clone()),
        (data_type::UINT64, Some(raw)) => {
            Data::I64(read(raw, |bytes| saturate(u64::from_le_bytes(bytes)))?)
        }
        (data_type::UINT32, Some(raw)) => {
            Data::I64(read(raw, |bytes| u32::from_le_bytes(bytes).into())?)
        }
        (data_type::UINT64 | data_type::UINT32, None) => Data::I64(
            tensor
                .uint64_data
                .iter()
                .map(|&int| saturate(int))
                .collect(),
        ),
        (data_type::INT32, Some(raw)) => {
            Data::I64(read(raw, |bytes| i32::from_le_bytes(bytes).into())?)
        }
        (data_type::INT16, Some(raw)) => {
            Data::I64(read(raw, |bytes| i16::from_le_bytes(bytes).into())?)
        }
        (data_type::UINT16, Some(raw)) => {
            Data::I64(read(raw, |bytes| u16::from_le_bytes(bytes).into())?)
        }
        (data_type::INT8, Some(raw)) => {
            Data::I64(read(raw, |bytes| i8::from_le_bytes(bytes).into())?)
        }
        (_, Some(raw)) => Data::I64(raw.iter().map(|&byte| byte.into()).collect()),
        (_, None) => Data::I64(tensor.int32_data.iter().map(|&int| int.into()).collect()),
    })
}

fn saturate(int: u64) -> i64 {
    i64::try_from(int).unwrap_or(i64::MAX)
}

/// Numbers of `N` bytes each, little-endian.
fn read<const N: usize, T>(raw: &[u8], number: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (numbers, rest) = raw.as_chunks();
    if !rest.is_empty() {
        let found = raw.len();
        return Err(format!("expected a multiple of {N} bytes, found {found}"));
    }
    Ok(numbers.iter().copied().map(number).collect())
}
