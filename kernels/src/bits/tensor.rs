//! Owned tensors of bits.

use super::{
    matrix::BitMatrix,
    view::{BitView, BitViewMut, Shape},
};
use crate::Error;

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
    pub fn all_minus_one(shape: Shape) -> Self {
        let product = |a: usize, b| a.checked_mul(b).expect("the tensor fits in memory");
        let lines = BitMatrix::all_minus_one(
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

    /// Its lines, `batch · height` rows.
    pub fn lines(&self) -> &BitMatrix {
        &self.lines
    }

    /// Its bits, borrowed.
    pub fn view(&self) -> BitView<'_> {
        let (words, stride) = (self.lines.words(), self.lines.row_words());
        BitView::with_clear_pads(words, self.shape, stride)
            .expect("a tensor has the words of its lines")
    }

    /// Its bits, borrowed to be written.
    pub fn view_mut(&mut self) -> BitViewMut<'_> {
        let (shape, stride) = (self.shape, self.lines.row_words());
        BitViewMut::new(self.lines.words_mut(), shape, stride)
            .expect("a tensor has the words of its lines")
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

impl<'a> From<&'a BitTensor> for BitView<'a> {
    fn from(tensor: &'a BitTensor) -> Self {
        tensor.view()
    }
}

impl<'a> From<&'a mut BitTensor> for BitViewMut<'a> {
    fn from(tensor: &'a mut BitTensor) -> Self {
        tensor.view_mut()
    }
}
