//! Arrays in NumPy's files: `.npy` holds one, `.npz` several with names.
//!
//! ```
//! use bernet::exchange::npy::{Array, Numbers};
//!
//! let array = Array::new(vec![1, 2], Numbers::F32(vec![0.5, -1.0]))?;
//! assert_eq!(Array::from_npy(&array.to_npy())?, array);
//! # Ok::<(), bernet::exchange::npy::ArrayError>(())
//! ```
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use half::f16;
use std::io::{Cursor, Read, Write};
use thiserror::Error;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Largest number of axes, as in NumPy.
const AXES_LIMIT: usize = 64;

/// The values of an array, the last axis fastest.
#[derive(Clone, PartialEq, Debug)]
pub enum Numbers {
    /// `bool`.
    Bool(Vec<bool>),
    /// `uint8`.
    U8(Vec<u8>),
    /// `int8`, `int16` and `int32` as 32 bits.
    I32(Vec<i32>),
    /// `int64`.
    I64(Vec<i64>),
    /// `float16` and `float32` as 32 bits.
    F32(Vec<f32>),
    /// `float64`.
    F64(Vec<f64>),
}

/// An array with the sizes of its axes.
#[derive(Clone, PartialEq, Debug)]
pub struct Array {
    shape: Vec<usize>,
    numbers: Numbers,
}

/// A file that is no array, or an array of a kind that is not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// The bytes are something else, or end too early.
    #[error("no .npy file: {0}")]
    Format(&'static str),
    /// The header lacks something.
    #[error(".npy header: {what}: expected {expected}, found {found}")]
    Header {
        /// Which entry.
        what: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// There are not as many values as the sizes say.
    #[error("array of sizes {shape:?}: expected {expected} bytes, found {found}")]
    Size {
        /// The sizes.
        shape: Vec<usize>,
        /// Bytes by the sizes.
        expected: String,
        /// Bytes there are.
        found: usize,
    },
    /// The archive is damaged or of an unknown kind.
    #[error("no .npz file: {0}")]
    Archive(#[from] zip::result::ZipError),
    /// An array of an archive could not be unpacked.
    #[error(".npz file: {0}")]
    Io(#[from] std::io::Error),
}

impl Numbers {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values at these places, in turn.
    ///
    /// # Panics
    /// Where a place lies beyond the end.
    pub fn gather(&self, places: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Bool(values) => Self::Bool(places.map(|place| values[place]).collect()),
            Self::U8(values) => Self::U8(places.map(|place| values[place]).collect()),
            Self::I32(values) => Self::I32(places.map(|place| values[place]).collect()),
            Self::I64(values) => Self::I64(places.map(|place| values[place]).collect()),
            Self::F32(values) => Self::F32(places.map(|place| values[place]).collect()),
            Self::F64(values) => Self::F64(places.map(|place| values[place]).collect()),
        }
    }

    /// NumPy's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::U8(_) => "uint8",
            Self::I32(_) => "int32",
            Self::I64(_) => "int64",
            Self::F32(_) => "float32",
            Self::F64(_) => "float64",
        }
    }

    fn descr(&self) -> &'static str {
        match self {
            Self::Bool(_) => "|b1",
            Self::U8(_) => "|u1",
            Self::I32(_) => "<i4",
            Self::I64(_) => "<i8",
            Self::F32(_) => "<f4",
            Self::F64(_) => "<f8",
        }
    }

    /// Little-endian bytes.
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Bool(values) => values.iter().map(|&value| value.into()).collect(),
            Self::U8(values) => values.clone(),
            Self::I32(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Self::I64(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Self::F32(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Self::F64(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }

    /// The values in bytes of a type; `None` for a type that is not read.
    fn from_bytes(descr: &str, bytes: &[u8]) -> Option<Self> {
        let (order, kind) = descr.split_at_checked(1)?;
        let big = match order {
            "<" | "|" | "=" => false,
            ">" => true,
            _ => return None,
        };
        Some(match kind {
            "b1" => Self::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
            "u1" => Self::U8(bytes.to_vec()),
            "i1" => Self::I32(bytes.iter().map(|&byte| (byte as i8).into()).collect()),
            "i2" => Self::I32(each(bytes, big, |two| i16::from_le_bytes(two).into())),
            "i4" => Self::I32(each(bytes, big, i32::from_le_bytes)),
            "i8" => Self::I64(each(bytes, big, i64::from_le_bytes)),
            "f2" => Self::F32(each(bytes, big, |two| f16::from_le_bytes(two).to_f32())),
            "f4" => Self::F32(each(bytes, big, f32::from_le_bytes)),
            "f8" => Self::F64(each(bytes, big, f64::from_le_bytes)),
            _ => return None,
        })
    }
}

fn each<const SIZE: usize, T>(bytes: &[u8], big: bool, number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    let ordered = |mut bytes: [u8; SIZE]| {
        if big {
            bytes.reverse();
        }
        number(bytes)
    };
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| ordered(*bytes))
        .collect()
}

impl Array {
    /// An array of so many values as its sizes say.
    ///
    /// # Errors
    /// [`ArrayError::Size`] where there are more or fewer values.
    pub fn new(shape: Vec<usize>, numbers: Numbers) -> Result<Self, ArrayError> {
        let len = shape
            .iter()
            .try_fold(1_usize, |len, &size| len.checked_mul(size));
        if len != Some(numbers.len()) {
            return Err(ArrayError::Size {
                expected: len.map_or_else(|| "fewer than 2⁶⁴".into(), |len| len.to_string()),
                found: numbers.len(),
                shape,
            });
        }
        Ok(Self { shape, numbers })
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The array in a `.npy` file.
    ///
    /// # Errors
    /// [`ArrayError`] where the bytes are something else or of a type that is not read: structures,
    /// strings, complex numbers, unsigned numbers of more than 8 bits.
    pub fn from_npy(bytes: &[u8]) -> Result<Self, ArrayError> {
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(ArrayError::Format("other first bytes"))?;
        let cut = ArrayError::Format("it ends in its header");
        let (length, header) = match rest {
            [1, _, a, b, header @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), header),
            [2 | 3, _, a, b, c, d, header @ ..] => {
                (u32::from_le_bytes([*a, *b, *c, *d]) as usize, header)
            }
            [_, _, ..] => return Err(ArrayError::Format("version above 3")),
            _ => return Err(cut),
        };
        let (header, values) = header.split_at_checked(length).ok_or(cut)?;
        let header = std::str::from_utf8(header).map_err(|_| ArrayError::Format("no text"))?;
        let descr = entry(header, "descr", "a type such as '<f4'")?;
        let descr = descr.trim_start().trim_matches(['\'', '"']);
        let fortran = entry(header, "fortran_order", "True or False")?;
        let shape = shape_of(entry(header, "shape", "a tuple of sizes")?)?;
        let unread = || ArrayError::Header {
            what: "descr",
            expected: "bool, uint8, int8 to int64 or float16 to float64",
            found: descr.into(),
        };
        let size = descr.get(2..).and_then(|size| size.parse::<usize>().ok());
        let size = size.filter(|&size| size > 0).ok_or_else(unread)?;
        let expected = shape
            .iter()
            .try_fold(size, |len, &size| len.checked_mul(size));
        if expected != Some(values.len()) {
            return Err(ArrayError::Size {
                expected: expected.map_or_else(|| "fewer than 2⁶⁴".into(), |len| len.to_string()),
                found: values.len(),
                shape,
            });
        }
        let numbers = Numbers::from_bytes(descr, values).ok_or_else(unread)?;
        if !fortran.trim_start().starts_with("True") {
            return Self::new(shape, numbers);
        }
        // The first axis is the fastest.
        let places = (0..numbers.len()).map(|mut at| {
            let mut place = 0;
            for axis in (0..shape.len()).rev() {
                let stride: usize = shape[..axis].iter().product();
                place += at % shape[axis] * stride;
                at /= shape[axis];
            }
            place
        });
        let ordered = numbers.gather(places);
        Self::new(shape, ordered)
    }

    /// A `.npy` file.
    pub fn to_npy(&self) -> Vec<u8> {
        let sizes: Vec<_> = self.shape.iter().map(|size| format!("{size},")).collect();
        let mut header = format!(
            "{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
            self.numbers.descr(),
            sizes.join(" "),
        );
        // Values begin at a multiple of 64 bytes; a line feed ends the header.
        let begin = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64);
        let length = begin - MAGIC.len() - 4;
        header.extend(std::iter::repeat_n(' ', length - 1 - header.len()));
        header.push('\n');
        let length = u16::try_from(length).expect("few axes");
        let start = [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes()];
        let mut bytes = start.concat();
        bytes.extend(self.numbers.to_bytes());
        bytes
    }
}

/// What stands behind a key of the header.
fn entry<'a>(
    header: &'a str,
    what: &'static str,
    expected: &'static str,
) -> Result<&'a str, ArrayError> {
    let key = [format!("'{what}'"), format!("\"{what}\"")];
    let behind = key.iter().find_map(|key| header.split_once(key.as_str()));
    let value = behind.and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    let end = |value: &'a str| {
        let close = if what == "shape" { ')' } else { ',' };
        value.split(close).next().unwrap_or(value)
    };
    value.map(end).ok_or_else(|| ArrayError::Header {
        what,
        expected,
        found: header.trim_end().chars().take(80).collect(),
    })
}

/// The sizes in a tuple without its closing bracket.
fn shape_of(text: &str) -> Result<Vec<usize>, ArrayError> {
    let bad = || ArrayError::Header {
        what: "shape",
        expected: "a tuple of at most 64 sizes",
        found: text.trim().chars().take(80).collect(),
    };
    let list = text.trim_start().strip_prefix('(').ok_or_else(bad)?;
    let sizes = list
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty());
    let shape: Vec<_> = sizes
        .map(|size| size.trim_end_matches('L').parse().map_err(|_| bad()))
        .collect::<Result<_, _>>()?;
    if shape.len() > AXES_LIMIT {
        return Err(bad());
    }
    Ok(shape)
}

/// A `.npz` file of arrays with names, which NumPy lists in this order.
///
/// # Errors
/// [`ArrayError::Archive`] where a name occurs twice.
pub fn to_npz(arrays: &[(String, Array)]) -> Result<Vec<u8>, ArrayError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, array) in arrays {
        let options = options.large_file(array.numbers.len() > 1 << 28);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&array.to_npy())?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The arrays of a `.npz` file, in their order, each of at most `limit` bytes.
///
/// # Errors
/// [`ArrayError`] where the archive or one of its arrays cannot be read.
pub fn from_npz(bytes: &[u8], limit: u64) -> Result<Vec<(String, Array)>, ArrayError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index)?;
        let name = file.name()?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let mut contents = Vec::new();
        file.take(limit).read_to_end(&mut contents)?;
        arrays.push((name, Array::from_npy(&contents)?));
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::{Array, ArrayError, Numbers, from_npz, to_npz};

    fn file(header: &str, values: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
    }

    #[test]
    fn every_type_comes_back() -> Result<(), ArrayError> {
        for numbers in [
            Numbers::Bool(vec![true, false]),
            Numbers::U8(vec![0, 255]),
            Numbers::I32(vec![i32::MIN, 7]),
            Numbers::I64(vec![i64::MAX, -1]),
            Numbers::F32(vec![0.1, f32::INFINITY]),
            Numbers::F64(vec![0.1, -0.0]),
        ] {
            for shape in [vec![2], vec![1, 2, 1], vec![2, 1]] {
                let array = Array::new(shape, numbers.clone())?;
                assert_eq!(Array::from_npy(&array.to_npy())?, array);
                assert_eq!(array.to_npy().len() % 64, numbers.to_bytes().len());
            }
        }
        let one = Array::new(vec![], Numbers::F32(vec![3.0]))?;
        assert_eq!(Array::from_npy(&one.to_npy())?, one);
        let arrays = vec![("y".to_owned(), one.clone()), ("a".to_owned(), one)];
        assert_eq!(from_npz(&to_npz(&arrays)?, 1 << 10)?, arrays);
        Ok(())
    }

    #[test]
    fn other_orders() -> Result<(), ArrayError> {
        let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
        let array = Array::from_npy(&file(header, &[0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]))?;
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(*array.numbers(), Numbers::I32(vec![1, 3, 5, 2, 4, 6]));
        let header = "{\"descr\": \"<f2\", \"fortran_order\": False, \"shape\": (1,)}";
        let array = Array::from_npy(&file(header, &[0, 0x3c]))?;
        assert_eq!(*array.numbers(), Numbers::F32(vec![1.0]));
        Ok(())
    }

    #[test]
    fn what_is_no_array_is_an_error() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")
        };
        for (bytes, text) in [
            (b"PK".to_vec(), "other first bytes"),
            (
                file(&header("'<f4'", "(2,)"), &[0; 7]),
                "expected 8 bytes, found 7",
            ),
            (
                file(&header("'<f4'", "(99999999999, 99999999999)"), &[0; 4]),
                "found 4",
            ),
            (file(&header("'<c8'", "(1,)"), &[0; 8]), "found <c8"),
            (file(&header("[('a', '<f4')]", "(1,)"), &[0; 4]), "descr"),
            (file(&header("'<f4'", "(-1,)"), &[0; 4]), "shape"),
            (file("{}", &[]), "descr"),
        ] {
            let error = Array::from_npy(&bytes).expect_err(text).to_string();
            assert!(error.contains(text), "{error}: {text}");
        }
        let whole = file(&header("'<f4'", "(1,)"), &[0; 4]);
        for length in 0..whole.len() {
            assert!(Array::from_npy(&whole[..length]).is_err());
        }
    }
}
