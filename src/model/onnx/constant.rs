//! Tensors whose values are in the file.

use super::{
    ImportError,
    proto::{TensorProto, data_type},
};
use half::{bf16, f16};

/// What a tensor's values are; decides how arithmetic on constants rounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// f32, and the shorter formats, which it holds exactly.
    Single,
    Double,
    /// Any integer type, and bool.
    Integer,
}

/// A tensor, its values row by row. f64 holds all but integers beyond 2⁵³, which no net needs as more than "a lot".
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Constant {
    pub(super) kind: Kind,
    pub(super) dims: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl Constant {
    pub(super) fn new(kind: Kind, dims: Vec<usize>, values: Vec<f64>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        Self { kind, dims, values }
    }

    pub(super) fn scalar(kind: Kind, value: f64) -> Self {
        Self::new(kind, Vec::new(), vec![value])
    }

    pub(super) fn integers(values: impl IntoIterator<Item = usize>) -> Self {
        let values: Vec<_> = values.into_iter().map(|value| value as f64).collect();
        Self::new(Kind::Integer, vec![values.len()], values)
    }

    /// The tensor of a message: as many values as its dimensions say, and none from another file.
    pub(super) fn read(tensor: &TensorProto) -> Result<Self, ImportError> {
        let wrong = |why: String| ImportError::Tensor {
            name: tensor.name.clone(),
            why,
        };
        if tensor.data_location != 0 || !tensor.external_data.is_empty() {
            return Err(wrong(
                "its data are in another file, which is not opened: save the model with its data inside".into(),
            ));
        }
        let dims: Option<Vec<usize>> = tensor
            .dims
            .iter()
            .map(|&dim| usize::try_from(dim).ok())
            .collect();
        let dims = dims.ok_or_else(|| wrong(format!("dimensions {:?}", tensor.dims)))?;
        let expected = count(&dims);
        let (kind, values) = values(tensor).map_err(wrong)?;
        if expected != Some(values.len()) {
            return Err(wrong(format!(
                "dimensions {dims:?}, but {} values",
                values.len()
            )));
        }
        Ok(Self { kind, dims, values })
    }

    /// The only value of a tensor of one.
    pub(super) fn single(&self) -> Option<f64> {
        match *self.values {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Its values as integers; those beyond the range of i64 become its ends.
    pub(super) fn to_integers(&self) -> Option<Vec<i64>> {
        self.values
            .iter()
            .map(|&value| (value.fract() == 0.0).then_some(value as i64))
            .collect()
    }
}

/// The most axes of a tensor.
pub(super) const RANK_LIMIT: usize = 16;

/// The number of values; `None` where there are too many axes or it cannot be counted, nor those of some of the axes, however
/// empty others are.
pub(super) fn count(dims: &[usize]) -> Option<usize> {
    let mut sizes = dims.iter().filter(|&&dim| dim != 0);
    let filled = sizes.try_fold(1usize, |product, &dim| product.checked_mul(dim))?;
    let count = if dims.contains(&0) { 0 } else { filled };
    (dims.len() <= RANK_LIMIT).then_some(count)
}

/// The values of a tensor: raw bytes or in a field of their own.
fn values(tensor: &TensorProto) -> Result<(Kind, Vec<f64>), String> {
    let raw = tensor.raw_data.as_deref();
    let ints = || {
        tensor
            .int32_data
            .iter()
            .map(|&int| f64::from(int))
            .collect()
    };
    // A short float in an integer field is its bits.
    let bits = |int: &i32| *int as u16;
    let (kind, values) = match tensor.data_type {
        data_type::FLOAT => (
            Kind::Single,
            match raw {
                Some(raw) => read(raw, |bytes| f32::from_le_bytes(bytes).into())?,
                None => tensor.float_data.iter().map(|&real| real.into()).collect(),
            },
        ),
        data_type::DOUBLE => (
            Kind::Double,
            match raw {
                Some(raw) => read(raw, f64::from_le_bytes)?,
                None => tensor.double_data.clone(),
            },
        ),
        data_type::FLOAT16 => (
            Kind::Single,
            match raw {
                Some(raw) => read(raw, |bytes| f16::from_le_bytes(bytes).into())?,
                None => tensor
                    .int32_data
                    .iter()
                    .map(|int| f16::from_bits(bits(int)).into())
                    .collect(),
            },
        ),
        data_type::BFLOAT16 => (
            Kind::Single,
            match raw {
                Some(raw) => read(raw, |bytes| bf16::from_le_bytes(bytes).into())?,
                None => tensor
                    .int32_data
                    .iter()
                    .map(|int| bf16::from_bits(bits(int)).into())
                    .collect(),
            },
        ),
        kind => (
            Kind::Integer,
            match (kind, raw) {
                (data_type::INT64, Some(raw)) => {
                    read(raw, |bytes| i64::from_le_bytes(bytes) as f64)?
                }
                (data_type::INT64, None) => {
                    tensor.int64_data.iter().map(|&int| int as f64).collect()
                }
                (data_type::UINT64, Some(raw)) => {
                    read(raw, |bytes| u64::from_le_bytes(bytes) as f64)?
                }
                (data_type::UINT32, Some(raw)) => {
                    read(raw, |bytes| u32::from_le_bytes(bytes).into())?
                }
                (data_type::UINT64 | data_type::UINT32, None) => {
                    tensor.uint64_data.iter().map(|&int| int as f64).collect()
                }
                (data_type::INT32, Some(raw)) => {
                    read(raw, |bytes| i32::from_le_bytes(bytes).into())?
                }
                (data_type::INT16, Some(raw)) => {
                    read(raw, |bytes| i16::from_le_bytes(bytes).into())?
                }
                (data_type::UINT16, Some(raw)) => {
                    read(raw, |bytes| u16::from_le_bytes(bytes).into())?
                }
                (data_type::INT8, Some(raw)) => read(raw, |bytes| i8::from_le_bytes(bytes).into())?,
                (data_type::UINT8 | data_type::BOOL, Some(raw)) => {
                    read(raw, |bytes: [u8; 1]| bytes[0].into())?
                }
                (
                    data_type::INT32
                    | data_type::INT16
                    | data_type::UINT16
                    | data_type::INT8
                    | data_type::UINT8
                    | data_type::BOOL,
                    None,
                ) => ints(),
                (other, _) => return Err(format!("data of type {other}")),
            },
        ),
    };
    Ok((kind, values))
}

/// Numbers of `N` bytes each, little-endian.
fn read<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> f64) -> Result<Vec<f64>, String> {
    let (numbers, rest) = raw.as_chunks();
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes of data, not a multiple of {N}",
            raw.len()
        ));
    }
    Ok(numbers.iter().copied().map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::{Constant, Kind, TensorProto, data_type};

    fn read(tensor: TensorProto) -> Constant {
        Constant::read(&TensorProto {
            dims: vec![2],
            ..tensor
        })
        .unwrap()
    }

    /// 1 and 2 of every type, as raw bytes and in the field that the type has.
    #[test]
    fn every_type_of_data() {
        let bits = |one: u16, two: u16| vec![i32::from(one), i32::from(two)];
        let raw = |bytes: &[u8]| TensorProto {
            raw_data: Some(bytes.to_vec()),
            ..TensorProto::default()
        };
        let ints = |int32_data: Vec<i32>| TensorProto {
            int32_data,
            ..TensorProto::default()
        };
        let unsigned = || TensorProto {
            uint64_data: vec![1, 2],
            ..TensorProto::default()
        };
        let integers = [
            (data_type::UINT8, 1),
            (data_type::INT8, 1),
            (data_type::BOOL, 1),
            (data_type::UINT16, 2),
            (data_type::INT16, 2),
            (data_type::INT32, 4),
            (data_type::UINT32, 4),
            (data_type::INT64, 8),
            (data_type::UINT64, 8),
        ];
        let mut cases: Vec<_> = integers
            .iter()
            .flat_map(|&(data_type, bytes)| {
                let numbers = [1_u64, 2].map(|number| number.to_le_bytes()[..bytes].to_vec());
                let field = match data_type {
                    data_type::UINT32 | data_type::UINT64 => unsigned(),
                    data_type::INT64 => TensorProto {
                        int64_data: vec![1, 2],
                        ..TensorProto::default()
                    },
                    _ => ints(vec![1, 2]),
                };
                [raw(&numbers.concat()), field].map(|data| (data_type, Kind::Integer, data))
            })
            .collect();
        let floats = TensorProto {
            float_data: vec![1.0, 2.0],
            ..TensorProto::default()
        };
        let doubles = TensorProto {
            double_data: vec![1.0, 2.0],
            ..TensorProto::default()
        };
        cases.extend([
            (data_type::FLOAT, Kind::Single, floats),
            (
                data_type::FLOAT,
                Kind::Single,
                raw(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]),
            ),
            (data_type::DOUBLE, Kind::Double, doubles),
            (
                data_type::DOUBLE,
                Kind::Double,
                raw(&[1.0_f64, 2.0].map(f64::to_le_bytes).concat()),
            ),
            (data_type::FLOAT16, Kind::Single, ints(bits(0x3c00, 0x4000))),
            (data_type::FLOAT16, Kind::Single, raw(&[0, 0x3c, 0, 0x40])),
            (
                data_type::BFLOAT16,
                Kind::Single,
                ints(bits(0x3f80, 0x4000)),
            ),
            (
                data_type::BFLOAT16,
                Kind::Single,
                raw(&[0x80, 0x3f, 0, 0x40]),
            ),
        ]);
        for (data_type, kind, data) in cases {
            let found = read(TensorProto { data_type, ..data });
            assert_eq!(
                found,
                Constant::new(kind, vec![2], vec![1.0, 2.0]),
                "type {data_type}"
            );
        }
    }
}
