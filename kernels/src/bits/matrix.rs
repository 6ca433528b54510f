//! Owned matrices of bits.

use super::{
    view::{BitView, BitViewMut, Shape},
    words::WORD,
};
use crate::Error;
use alloc::{vec, vec::Vec};

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
    pub fn all_minus_one(rows: usize, columns: usize) -> Self {
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
        let mut matrix = Self::all_minus_one(rows, columns);
        for row in 0..rows {
            for (word, bits) in matrix.row_mut(row).iter_mut().enumerate() {
                for bit in 0..WORD.min(columns - word * WORD) {
                    *bits |= u64::from(value(row, word * WORD + bit)) << bit;
                }
            }
        }
        matrix
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
    pub(super) fn words_mut(&mut self) -> &mut [u64] {
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

    /// Its bits, borrowed: each row is an image of one pixel.
    pub fn view(&self) -> BitView<'_> {
        let shape = Shape::matrix(self.rows, self.columns);
        BitView::with_clear_pads(&self.words, shape, self.row_words())
            .expect("a matrix has the words of its rows")
    }

    /// Its bits, borrowed to be written.
    pub fn view_mut(&mut self) -> BitViewMut<'_> {
        let (shape, stride) = (Shape::matrix(self.rows, self.columns), self.row_words());
        BitViewMut::new(&mut self.words, shape, stride).expect("a matrix has the words of its rows")
    }
}

impl<'a> From<&'a BitMatrix> for BitView<'a> {
    fn from(matrix: &'a BitMatrix) -> Self {
        matrix.view()
    }
}

impl<'a> From<&'a mut BitMatrix> for BitViewMut<'a> {
    fn from(matrix: &'a mut BitMatrix) -> Self {
        matrix.view_mut()
    }
}
