//! Borrowed bits: lines that lie somewhere in a slice of words.
//!
//! A view is what the kernels read and write. It borrows the words of an owned matrix or tensor, or
//! those of a host's own buffer.
//!
//! ```
//! use bernet_kernels::bits::{BitMatrix, BitView, Shape};
//!
//! // Two rows of 65 values in the left half of rows four words long.
//! let words = [1, 1, 7, 7, 2, 0, 7, 7];
//! let view = BitView::matrix(&words, 2, 65, 4)?;
//! assert_eq!(view.row(1), [2, 0]);
//!
//! // The same words as one image of two lines, 13 pixels of 5 channels.
//! let shape = Shape { batch: 1, height: 2, width: 13, channels: 5 };
//! let image = BitView::new(&words, shape, 4)?;
//! assert!(image.get(0, 0, 12, 4) && !image.get(0, 1, 0, 0));
//!
//! // An owned matrix lends its words.
//! let matrix = BitMatrix::all_minus_one(3, 10);
//! assert_eq!(matrix.view().shape(), Shape { batch: 3, height: 1, width: 1, channels: 10 });
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::words::{WORD, read_bits};
use crate::Error;

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

impl Shape {
    /// The shape of a matrix: each row is an image of one pixel.
    pub fn matrix(rows: usize, columns: usize) -> Self {
        Self {
            batch: rows,
            height: 1,
            width: 1,
            channels: columns,
        }
    }

    /// Lines of all images, `batch · height`; saturates.
    pub fn rows(self) -> usize {
        self.batch.saturating_mul(self.height)
    }

    /// Values a line, `width · channels`; saturates.
    pub fn columns(self) -> usize {
        self.width.saturating_mul(self.channels)
    }

    /// Words of a packed line.
    pub fn row_words(self) -> usize {
        self.columns().div_ceil(WORD)
    }

    /// Words of the packed tensor, lines one after the other; saturates.
    pub fn words(self) -> usize {
        self.rows().saturating_mul(self.row_words())
    }
}

/// How many words lines of that shape and stride take, from the first to the end of the last; at most `found`.
fn needed(shape: Shape, stride: usize, found: usize) -> Result<usize, Error> {
    let rows = shape.batch.checked_mul(shape.height);
    let columns = shape.width.checked_mul(shape.channels);
    let (Some(rows), Some(columns)) = (rows, columns) else {
        return Err(Error::Dimension {
            what: "batch · height or width · channels",
            found: usize::MAX,
            expected: "a product that fits in memory",
        });
    };
    let row_words = columns.div_ceil(WORD);
    if stride < row_words {
        return Err(Error::Size {
            what: "stride (at least the words of a line)",
            expected: row_words,
            found: stride,
        });
    }
    let before = rows.saturating_sub(1).saturating_mul(stride);
    let last = if rows > 0 { row_words } else { 0 };
    let expected = before.saturating_add(last);
    if found < expected {
        return Err(Error::Size {
            what: "words",
            expected,
            found,
        });
    }
    Ok(expected)
}

/// What both views say of their shape; they are `$this`.
macro_rules! dimensions {
    ($this:ty) => {
        /// Its shape.
        pub fn shape(self: $this) -> Shape {
            self.shape
        }

        /// Number of lines, `batch · height`.
        pub fn rows(self: $this) -> usize {
            self.shape.rows()
        }

        /// Values a line, `width · channels`.
        pub fn columns(self: $this) -> usize {
            self.shape.columns()
        }

        /// Words of a line.
        pub fn row_words(self: $this) -> usize {
            self.shape.row_words()
        }

        /// Words from one line to the next.
        pub fn stride(self: $this) -> usize {
            self.stride
        }
    };
}

/// The bits of a line's last word that are after its last value; 0 where there are none.
fn pad_bits(columns: usize) -> u64 {
    match columns % WORD {
        0 => 0,
        some => u64::MAX << some,
    }
}

/// A borrowed tensor of bits, NHWC: `batch · height` lines of `width · channels` bits, at equal distances.
///
/// A line is what a row is to a matrix. The lines start `stride` words apart; what lies between them
/// is neither read nor looked at. Owned tensors and matrices convert by `into`, `view()` or `&`.
#[derive(Clone, Copy, Debug)]
pub struct BitView<'a> {
    words: &'a [u64],
    shape: Shape,
    stride: usize,
}

impl<'a> BitView<'a> {
    /// Lines of a tensor, `stride` words from one to the next.
    ///
    /// # Errors
    /// [`Error::Size`] where there are too few words or the stride is shorter than a line;
    /// [`Error::Dimension`] where the shape overflows; [`Error::PadBits`] where a bit after the last value of a line is set in its last word.
    pub fn new(words: &'a [u64], shape: Shape, stride: usize) -> Result<Self, Error> {
        let view = Self::with_clear_pads(words, shape, stride)?;
        let pad = pad_bits(view.columns());
        if pad != 0 {
            let last = view.row_words() - 1;
            if let Some(row) = (0..view.rows()).find(|&row| view.row(row)[last] & pad != 0) {
                return Err(Error::PadBits { row });
            }
        }
        Ok(view)
    }

    /// As [`BitView::new`], without a look at the bits after each line's last value.
    ///
    /// They must be 0, as every kernel here leaves them. Where one is set, results are wrong; nothing
    /// worse happens.
    ///
    /// # Errors
    /// [`Error::Size`] and [`Error::Dimension`] as [`BitView::new`].
    pub fn with_clear_pads(words: &'a [u64], shape: Shape, stride: usize) -> Result<Self, Error> {
        let needed = needed(shape, stride, words.len())?;
        Ok(Self {
            words: &words[..needed],
            shape,
            stride,
        })
    }

    /// Rows of a matrix, `stride` words from one to the next.
    ///
    /// # Errors
    /// As [`BitView::new`].
    pub fn matrix(
        words: &'a [u64],
        rows: usize,
        columns: usize,
        stride: usize,
    ) -> Result<Self, Error> {
        Self::new(words, Shape::matrix(rows, columns), stride)
    }

    dimensions!(Self);

    /// All words, from the first line's to the last's, with what lies between.
    pub fn words(self) -> &'a [u64] {
        self.words
    }

    /// The words of a line.
    ///
    /// # Panics
    /// Outside the tensor.
    pub fn row(self, row: usize) -> &'a [u64] {
        &self.words[row * self.stride..][..self.row_words()]
    }

    /// Some of its images.
    ///
    /// # Panics
    /// Outside the batch.
    pub fn images(self, images: core::ops::Range<usize>) -> Self {
        assert!(images.end <= self.shape.batch, "images of the batch");
        let shape = Shape {
            batch: images.len(),
            ..self.shape
        };
        let first = images.start * self.shape.height * self.stride;
        Self::with_clear_pads(self.words.get(first..).unwrap_or(&[]), shape, self.stride)
            .expect("images of the batch lie within its words")
    }

    /// Whether the value is +1.
    ///
    /// # Panics
    /// Outside the tensor.
    pub fn get(self, image: usize, y: usize, x: usize, channel: usize) -> bool {
        let Shape {
            height,
            width,
            channels,
            ..
        } = self.shape;
        assert!(
            y < height && x < width && channel < channels,
            "inside the tensor"
        );
        read_bits(self.row(image * height + y), x * channels + channel, 1) == 1
    }
}

/// A borrowed tensor of bits to be written; otherwise as [`BitView`].
///
/// ```
/// use bernet_kernels::bits::{BitViewMut, Shape};
///
/// let mut words = [7; 4];
/// let shape = Shape { batch: 1, height: 2, width: 1, channels: 3 };
/// let mut view = BitViewMut::new(&mut words, shape, 3)?;
/// view.clear();
/// view.set(0, 1, 0, 2, true);
/// assert!(view.view().get(0, 1, 0, 2));
/// assert_eq!(words, [0, 7, 7, 0b100]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct BitViewMut<'a> {
    words: &'a mut [u64],
    shape: Shape,
    stride: usize,
}

impl<'a> BitViewMut<'a> {
    /// Lines of a tensor, `stride` words from one to the next. What is in them does not matter.
    ///
    /// # Errors
    /// [`Error::Size`] where there are too few words or the stride is shorter than a line;
    /// [`Error::Dimension`] where the shape overflows.
    pub fn new(words: &'a mut [u64], shape: Shape, stride: usize) -> Result<Self, Error> {
        let needed = needed(shape, stride, words.len())?;
        Ok(Self {
            words: &mut words[..needed],
            shape,
            stride,
        })
    }

    /// Rows of a matrix, `stride` words from one to the next.
    ///
    /// # Errors
    /// As [`BitViewMut::new`].
    pub fn matrix(
        words: &'a mut [u64],
        rows: usize,
        columns: usize,
        stride: usize,
    ) -> Result<Self, Error> {
        Self::new(words, Shape::matrix(rows, columns), stride)
    }

    dimensions!(&Self);

    /// The same bits, to be read.
    pub fn view(&self) -> BitView<'_> {
        BitView {
            words: self.words,
            shape: self.shape,
            stride: self.stride,
        }
    }

    /// The same bits, borrowed for a shorter time.
    pub fn reborrow(&mut self) -> BitViewMut<'_> {
        BitViewMut {
            words: self.words,
            shape: self.shape,
            stride: self.stride,
        }
    }

    /// All words, with what lies between the lines.
    pub(crate) fn into_words(self) -> &'a mut [u64] {
        self.words
    }

    /// The words of a line, to be written. The caller keeps the pad bits 0.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [u64] {
        let row_words = self.row_words();
        &mut self.words[row * self.stride..][..row_words]
    }

    /// Makes all values −1, and the pad bits 0.
    pub fn clear(&mut self) {
        let row_words = self.row_words();
        if row_words == self.stride {
            return self.words.fill(0);
        }
        for line in self.words.chunks_mut(self.stride) {
            line[..row_words].fill(0);
        }
    }

    /// Sets a value; `true` is +1.
    ///
    /// # Panics
    /// Outside the tensor.
    pub fn set(&mut self, image: usize, y: usize, x: usize, channel: usize, value: bool) {
        let Shape {
            height,
            width,
            channels,
            ..
        } = self.shape;
        assert!(
            y < height && x < width && channel < channels,
            "inside the tensor"
        );
        let bit = x * channels + channel;
        let word = &mut self.row_mut(image * height + y)[bit / WORD];
        *word = *word & !(1 << (bit % WORD)) | u64::from(value) << (bit % WORD);
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
}

impl<'a> From<BitViewMut<'a>> for BitView<'a> {
    fn from(view: BitViewMut<'a>) -> Self {
        Self {
            words: view.words,
            shape: view.shape,
            stride: view.stride,
        }
    }
}
