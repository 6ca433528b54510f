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

use crate::{Error, isa::Level, packing};
use alloc::{vec, vec::Vec};

/// Bits in a word.
pub const WORD: usize = u64::BITS as usize;

/// Words as bytes, in the machine's order.
pub(crate) fn bytes(words: &[u64]) -> &[u8] {
    // SAFETY: any byte of a word is a byte; the length is that of the words.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// Words as bytes, in the machine's order, to be written.
pub(crate) fn bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: any byte of a word is a byte, and any eight bytes are a word; the length is that of the words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// The `count ≤ 64` bits from bit `start` on, the others 0. Words after the last are taken as 0.
#[inline(always)]
pub(crate) fn read_bits(words: &[u64], start: usize, count: usize) -> u64 {
    let (word, shift) = (start / WORD, start % WORD);
    let mut bits = words[word] >> shift;
    if shift + count > WORD {
        bits |= words.get(word + 1).map_or(0, |next| next << (WORD - shift));
    }
    bits & u64::MAX >> (WORD - count)
}

/// Sets those bits from bit `start` on that are 1 in `bits`, whose bits from `count ≤ 64` on are 0.
#[inline(always)]
pub(crate) fn set_bits(words: &mut [u64], start: usize, count: usize, bits: u64) {
    let (word, shift) = (start / WORD, start % WORD);
    words[word] |= bits << shift;
    if shift + count > WORD {
        words[word + 1] |= bits >> (WORD - shift);
    }
}

/// As [`set_bits`], where all those bits were 0: whole bytes are stored and not read, which would wait for the last store beside them.
#[inline(always)]
pub(crate) fn put_bits(words: &mut [u64], start: usize, count: usize, bits: u64) {
    if cfg!(target_endian = "big") || !start.is_multiple_of(8) {
        return set_bits(words, start, count, bits);
    }
    let bytes = &mut bytes_mut(words)[start / 8..];
    match count {
        8 => bytes[0] = bits as u8,
        16 => bytes[..2].copy_from_slice(&(bits as u16).to_le_bytes()),
        32 => bytes[..4].copy_from_slice(&(bits as u32).to_le_bytes()),
        64 => bytes[..8].copy_from_slice(&bits.to_le_bytes()),
        _ => set_bits(words, start, count, bits),
    }
}

/// Sets those of `count` bits from `to_start` on that are 1 among the `count` bits from `from_start` on.
pub(crate) fn copy_bits(
    to: &mut [u64],
    to_start: usize,
    from: &[u64],
    from_start: usize,
    count: usize,
) {
    let mut done = 0;
    while done < count {
        let some = WORD.min(count - done);
        set_bits(
            to,
            to_start + done,
            some,
            read_bits(from, from_start + done, some),
        );
        done += some;
    }
}

/// A matrix of ±1, `rows × columns`, owned; each row is `columns.div_ceil(64)` words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BitMatrix {
    rows: usize,
    columns: usize,
    words: Vec<u64>,
}

impl BitMatrix {
    /// All −1.
    ///
    /// # Panics
    /// Where the size in bytes does not fit in memory.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let words = rows
            .checked_mul(columns.div_ceil(WORD))
            .expect("the matrix fits in memory");
        Self {
            rows,
            columns,
            words: vec![0; words],
        }
    }

    /// The value at each place from a function of row and column; `true` is +1.
    pub fn from_fn(
        rows: usize,
        columns: usize,
        mut value: impl FnMut(usize, usize) -> bool,
    ) -> Self {
        let mut matrix = Self::zeros(rows, columns);
        for row in 0..rows {
            for (word, bits) in matrix.row_mut(row).iter_mut().enumerate() {
                for bit in 0..WORD.min(columns - word * WORD) {
                    *bits |= u64::from(value(row, word * WORD + bit)) << bit;
                }
            }
        }
        matrix
    }

    /// The signs of `rows × columns` numbers, row by row; zero, of either sign, is +1, NaN is −1.
    ///
    /// # Errors
    /// [`Error::Size`] where `values` has another length.
    pub fn from_signs(rows: usize, columns: usize, values: &[f32]) -> Result<Self, Error> {
        Error::check_size("values", rows.saturating_mul(columns), values.len())?;
        let mut matrix = Self::zeros(rows, columns);
        packing::signs(Level::best(), values, &mut matrix)?;
        Ok(matrix)
    }

    /// Packs `rows × columns` booleans, row by row; `true` is +1.
    ///
    /// # Errors
    /// [`Error::Size`] where `values` has another length.
    pub fn from_bools(rows: usize, columns: usize, values: &[bool]) -> Result<Self, Error> {
        Error::check_size("values", rows.saturating_mul(columns), values.len())?;
        let mut matrix = Self::zeros(rows, columns);
        packing::signs(Level::best(), values, &mut matrix)?;
        Ok(matrix)
    }

    /// Takes words that are packed already.
    ///
    /// # Errors
    /// [`Error::Size`] where there are too few or too many; [`Error::PadBits`] where one is set.
    pub fn from_words(rows: usize, columns: usize, words: Vec<u64>) -> Result<Self, Error> {
        let row_words = columns.div_ceil(WORD);
        let expected = rows.checked_mul(row_words).ok_or(Error::Dimension {
            what: "rows × columns",
            found: rows,
            expected: "a matrix that fits in memory",
        })?;
        Error::check_size("words", expected, words.len())?;
        if !columns.is_multiple_of(WORD) {
            let pad = u64::MAX << (columns % WORD);
            if let Some(row) = words
                .chunks_exact(row_words)
                .position(|row| row[row_words - 1] & pad != 0)
            {
                return Err(Error::PadBits { row });
            }
        }
        Ok(Self {
            rows,
            columns,
            words,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns: values a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Words from one row to the next.
    pub fn row_words(&self) -> usize {
        self.columns.div_ceil(WORD)
    }

    /// All words, row by row.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// All words, to be written. The caller keeps the pad bits 0.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// The words of a row.
    pub fn row(&self, row: usize) -> &[u64] {
        let words = self.row_words();
        &self.words[row * words..][..words]
    }

    /// The words of a row, to be written. The caller keeps the pad bits 0.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [u64] {
        let words = self.row_words();
        &mut self.words[row * words..][..words]
    }

    /// Whether the value is +1.
    ///
    /// # Panics
    /// Outside the matrix.
    pub fn get(&self, row: usize, column: usize) -> bool {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        self.row(row)[column / WORD] >> (column % WORD) & 1 == 1
    }

    /// Sets a value; `true` is +1.
    ///
    /// # Panics
    /// Outside the matrix.
    pub fn set(&mut self, row: usize, column: usize, value: bool) {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        let word = &mut self.row_mut(row)[column / WORD];
        *word = *word & !(1 << (column % WORD)) | u64::from(value) << (column % WORD);
    }
}

/// Rows of ±1 that lie somewhere in a slice of words, `stride` words from one to the next.
///
/// ```
/// use bernet_kernels::bits::BitRows;
///
/// // Two rows of 65 values in the left half of rows four words long.
/// let words = [1, 1, 7, 7, 2, 0, 7, 7];
/// let rows = BitRows::new(&words, 2, 65, 4)?;
/// assert_eq!(rows.row(1), [2, 0]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BitRows<'a> {
    words: &'a [u64],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> BitRows<'a> {
    /// `rows` rows of `columns` values; nothing after the last row is looked at.
    ///
    /// # Errors
    /// [`Error::Size`] where there are too few words, or the stride is shorter than a row; [`Error::PadBits`] where a bit after the
    /// last column is set in a row's last word.
    pub fn new(
        words: &'a [u64],
        rows: usize,
        columns: usize,
        stride: usize,
    ) -> Result<Self, Error> {
        let row_words = columns.div_ceil(WORD);
        if stride < row_words {
            return Err(Error::Size {
                what: "stride",
                expected: row_words,
                found: stride,
            });
        }
        let needed = rows
            .saturating_sub(1)
            .saturating_mul(stride)
            .saturating_add(if rows > 0 { row_words } else { 0 });
        let found = words.len();
        let words = words.get(..needed).ok_or(Error::Size {
            what: "words",
            expected: needed,
            found,
        })?;
        let rows = Self {
            words,
            rows,
            columns,
            stride,
        };
        if !columns.is_multiple_of(WORD) {
            let pad = u64::MAX << (columns % WORD);
            if let Some(row) = (0..rows.rows).find(|&row| rows.row(row)[row_words - 1] & pad != 0) {
                return Err(Error::PadBits { row });
            }
        }
        Ok(rows)
    }

    /// Number of rows.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Number of columns: values a row.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// Words from one row to the next.
    pub fn stride(self) -> usize {
        self.stride
    }

    /// All words, from the first row's to the last's, with what lies between.
    pub fn words(self) -> &'a [u64] {
        self.words
    }

    /// The words of a row.
    ///
    /// # Panics
    /// Outside the rows.
    pub fn row(self, row: usize) -> &'a [u64] {
        &self.words[row * self.stride..][..self.columns.div_ceil(WORD)]
    }
}

impl<'a> From<&'a BitMatrix> for BitRows<'a> {
    fn from(matrix: &'a BitMatrix) -> Self {
        let BitMatrix {
            rows,
            columns,
            ref words,
        } = *matrix;
        Self {
            words,
            rows,
            columns,
            stride: matrix.row_words(),
        }
    }
}

/// The shape of a tensor, outermost first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Shape {
    /// Images.
    pub batch: usize,
    /// Lines an image.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
}

/// A tensor of ±1 in NHWC order. A line (all pixels of one `h`, channels contiguous, no gap between pixels) is a row of a
/// [`BitMatrix`]: `batch · height` rows of `width · channels` columns. So a 6-pixel slice of a one-channel line is
/// six neighbouring bits, and a line of 64-channel pixels is a word a pixel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BitTensor {
    shape: Shape,
    lines: BitMatrix,
}

impl BitTensor {
    /// All −1.
    ///
    /// # Panics
    /// Where the size in bytes does not fit in memory.
    pub fn zeros(shape: Shape) -> Self {
        let product = |a: usize, b| a.checked_mul(b).expect("the tensor fits in memory");
        let lines = BitMatrix::zeros(
            product(shape.batch, shape.height),
            product(shape.width, shape.channels),
        );
        Self { shape, lines }
    }

    /// A tensor from its lines.
    ///
    /// # Errors
    /// [`Error::Size`] where rows or columns of `lines` differ from the shape.
    pub fn from_lines(shape: Shape, lines: BitMatrix) -> Result<Self, Error> {
        Error::check_size(
            "lines (batch · height)",
            shape.batch.saturating_mul(shape.height),
            lines.rows(),
        )?;
        Error::check_size(
            "line (width · channels)",
            shape.width.saturating_mul(shape.channels),
            lines.columns(),
        )?;
        Ok(Self { shape, lines })
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Its shape must be `expected`.
    pub(crate) fn check_shape(&self, expected: Shape) -> Result<(), Error> {
        let Shape {
            batch,
            height,
            width,
            channels,
        } = self.shape;
        Error::check_size("batch of out", expected.batch, batch)?;
        Error::check_size("height of out", expected.height, height)?;
        Error::check_size("width of out", expected.width, width)?;
        Error::check_size("channels of out", expected.channels, channels)
    }

    /// Its lines, `batch · height` rows.
    pub fn lines(&self) -> &BitMatrix {
        &self.lines
    }

    /// Its lines, to be written within the crate. The caller keeps the pad bits 0.
    pub(crate) fn lines_mut(&mut self) -> &mut BitMatrix {
        &mut self.lines
    }

    /// Whether the value is +1.
    ///
    /// # Panics
    /// Outside the tensor.
    pub fn get(&self, image: usize, y: usize, x: usize, channel: usize) -> bool {
        assert!(
            y < self.shape.height && channel < self.shape.channels,
            "inside the tensor"
        );
        self.lines.get(
            image * self.shape.height + y,
            x * self.shape.channels + channel,
        )
    }

    /// Sets a value; `true` is +1.
    ///
    /// # Panics
    /// Outside the tensor.
    pub fn set(&mut self, image: usize, y: usize, x: usize, channel: usize, value: bool) {
        assert!(
            y < self.shape.height && channel < self.shape.channels,
            "inside the tensor"
        );
        self.lines.set(
            image * self.shape.height + y,
            x * self.shape.channels + channel,
            value,
        );
    }
}
