//! Labelled bit images.

use super::Error;
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape, WORD};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};
use std::{borrow::Cow, ops::Range};

/// Labelled images of one shape, one bit a value; ink, or bright, is +1, paper, or dark, −1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    images: BitTensor,
    labels: Vec<u8>,
    grey: Option<Vec<u8>>,
    classes: usize,
}

impl Dataset {
    /// Joins images (`n × height × width × channels`), their labels (`n`, each below `classes`) and,
    /// where there are any, the values of 8 bits that the bits were made from
    /// (`n · height · width · channels` bytes in the order image, line, pixel, channel).
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the sizes differ, or a label is out of range.
    pub fn new(
        images: BitTensor,
        labels: Vec<u8>,
        grey: Option<Vec<u8>>,
        classes: usize,
    ) -> Result<Self, Error> {
        let shape = images.shape();
        if labels.len() != shape.batch {
            return Err(Error::mismatch("labels", shape.batch, labels.len()));
        }
        if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
            return Err(Error::mismatch("label", format!("below {classes}"), label));
        }
        let pixels = shape.batch * shape.height * shape.width * shape.channels;
        match &grey {
            Some(grey) if grey.len() != pixels => {
                Err(Error::mismatch("grey values", pixels, grey.len()))
            }
            _ => Ok(Self {
                images,
                labels,
                grey,
                classes,
            }),
        }
    }

    /// Makes bits of values of 8 bits (`n · height · width · channels` bytes in the order image, line,
    /// pixel, channel): +1 from `threshold` on. The values are kept.
    ///
    /// ```
    /// use bernet::data::Dataset;
    /// use bernet_kernels::bits::Shape;
    ///
    /// // One image of 1×2 pixels: a red one and a grey one.
    /// let shape = Shape { batch: 1, height: 1, width: 2, channels: 3 };
    /// let data = Dataset::from_values(shape, vec![255, 0, 0, 130, 130, 130], vec![1], 128, 2)?;
    /// assert!(data.images().get(0, 0, 0, 0) && !data.images().get(0, 0, 0, 1));
    /// # Ok::<(), bernet::data::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_values(
        shape: Shape,
        values: Vec<u8>,
        labels: Vec<u8>,
        threshold: u8,
        classes: usize,
    ) -> Result<Self, Error> {
        let line = shape.width * shape.channels;
        let expected = shape.batch * shape.height * line;
        if values.len() != expected || line == 0 {
            return Err(Error::mismatch("grey values", expected, values.len()));
        }
        let mut words = Vec::with_capacity(shape.batch * shape.height * line.div_ceil(WORD));
        for line in values.chunks_exact(line) {
            words.extend(line.chunks(WORD).map(|values| {
                values.iter().enumerate().fold(0, |word, (bit, &value)| {
                    word | u64::from(value >= threshold) << bit
                })
            }));
        }
        Self::new(tensor(shape, words), labels, Some(values), classes)
    }

    /// All images, `len × height × width × channels`.
    pub fn images(&self) -> &BitTensor {
        &self.images
    }

    /// The label of each image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The values before binarisation, `len · height · width · channels` bytes, where the source has
    /// them.
    pub fn grey(&self) -> Option<&[u8]> {
        self.grey.as_deref()
    }

    /// All values of 8 bits; those of a source that has bits alone are 255 for ink and 0 for paper.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        if let Some(grey) = &self.grey {
            return Cow::Borrowed(grey);
        }
        let lines = self.images.lines();
        let bits = (0..lines.rows())
            .flat_map(|row| (0..lines.columns()).map(move |column| lines.get(row, column)));
        let bytes = bits.map(|ink| if ink { u8::MAX } else { 0 });
        Cow::Owned(bytes.collect())
    }

    /// Number of classes; every label is below it.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The same with another number of classes, above all labels.
    pub(super) fn in_classes(self, classes: usize) -> Self {
        debug_assert!(
            self.labels
                .iter()
                .all(|&label| usize::from(label) < classes)
        );
        Self { classes, ..self }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The shape of one image: `1 × height × width × channels`.
    pub fn image_shape(&self) -> Shape {
        Shape {
            batch: 1,
            ..self.images.shape()
        }
    }

    /// Number of images of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// The images at these places, in this order; a place may stand there more than once.
    ///
    /// # Panics
    /// Where a place is not below [`len`](Self::len).
    pub fn select(&self, places: &[usize]) -> Self {
        self.gather(places.len(), places.iter().copied())
    }

    /// The images of a range.
    ///
    /// # Panics
    /// Where the range ends after [`len`](Self::len).
    pub fn subset(&self, range: Range<usize>) -> Self {
        self.gather(range.len(), range)
    }

    /// Divides into a training part and `validation` images drawn at random, of each class its share. Both parts are in
    /// random order, so that a source that is sorted by label serves as well as a shuffled one. The same source is always divided in the
    /// same way: nothing random has to be recorded, and all that is chosen on its validation images is chosen on the same ones.
    ///
    /// ```
    /// let mnist = bernet::data::load_embedded();
    /// let (_, validation) = mnist.train.split(5_000)?;
    /// // 5923 of the 60 000 training digits are zeros.
    /// assert_eq!(validation.class_counts()[0], 494);
    /// # Ok::<(), bernet::data::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Mismatch`] where no training image would be left.
    pub fn split(&self, validation: usize) -> Result<(Self, Self), Error> {
        self.check_split(validation)?;
        let mut left = shares(&self.class_counts(), validation);
        let (mut training, mut held_out) = (Vec::new(), Vec::new());
        for place in permutation(self.len()) {
            let left = &mut left[usize::from(self.labels[place])];
            if *left > 0 {
                *left -= 1;
                held_out.push(place);
            } else {
                training.push(place);
            }
        }
        Ok((self.select(&training), self.select(&held_out)))
    }

    /// Divides into a training part and the last `validation` images; the order of the source is kept. The last images need
    /// not be like the others: of MNIST's training digits they are easier.
    ///
    /// # Errors
    /// As [`split`](Self::split).
    pub fn split_last(&self, validation: usize) -> Result<(Self, Self), Error> {
        self.check_split(validation)?;
        let training = self.len() - validation;
        Ok((self.subset(0..training), self.subset(training..self.len())))
    }

    fn check_split(&self, validation: usize) -> Result<(), Error> {
        if validation >= self.len() {
            return Err(Error::mismatch(
                "validation images",
                format!("fewer than {}", self.len()),
                validation,
            ));
        }
        Ok(())
    }

    /// The middle `height × width` pixels of every image; an odd remainder leaves the larger margin
    /// below and at the right.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the images are smaller.
    pub fn centre_crop(&self, height: usize, width: usize) -> Result<Self, Error> {
        let from = self.images.shape();
        if height > from.height || width > from.width {
            let expected = format!("at most {}×{}", from.height, from.width);
            return Err(Error::mismatch(
                "crop",
                expected,
                format!("{height}×{width}"),
            ));
        }
        let (top, left) = ((from.height - height) / 2, (from.width - width) / 2);
        let shape = Shape {
            height,
            width,
            ..from
        };
        let line_of = |row: usize| row / height * from.height + top + row % height;
        let rows = shape.batch * height;
        let (first, values) = (left * from.channels, width * from.channels);
        let words = (0..rows)
            .flat_map(|row| shifted(self.images.lines().row(line_of(row)), first, values))
            .collect();
        let grey = self.grey.as_ref().map(|grey| {
            let line = |row| &grey[line_of(row) * from.width * from.channels + first..][..values];
            (0..rows)
                .flat_map(|row| line(row).iter().copied())
                .collect()
        });
        Ok(Self {
            images: tensor(shape, words),
            labels: self.labels.clone(),
            grey,
            classes: self.classes,
        })
    }

    fn gather(&self, batch: usize, places: impl Iterator<Item = usize>) -> Self {
        let shape = self.images.shape();
        let image_words = shape.height * self.images.lines().row_words();
        let image_bytes = shape.height * shape.width * shape.channels;
        let mut words = Vec::with_capacity(batch * image_words);
        let mut labels = Vec::with_capacity(batch);
        let mut grey = self
            .grey
            .as_ref()
            .map(|_| Vec::with_capacity(batch * image_bytes));
        for place in places {
            labels.push(self.labels[place]);
            words.extend_from_slice(
                &self.images.lines().words()[place * image_words..][..image_words],
            );
            if let (Some(to), Some(from)) = (&mut grey, &self.grey) {
                to.extend_from_slice(&from[place * image_bytes..][..image_bytes]);
            }
        }
        Self {
            images: tensor(Shape { batch, ..shape }, words),
            labels,
            grey,
            classes: self.classes,
        }
    }
}

/// `total` divided in proportion to the counts, whose sum is larger: rounded down, and one more for the largest remainders.
fn shares(counts: &[usize], total: usize) -> Vec<usize> {
    let all: usize = counts.iter().sum();
    let exact = |class: usize| counts[class] as u128 * total as u128;
    let mut shares: Vec<usize> = (0..counts.len())
        .map(|class| (exact(class) / all as u128) as usize)
        .collect();
    let mut classes: Vec<usize> = (0..counts.len()).collect();
    // Ties go to the lower class.
    classes.sort_by_key(|&class| std::cmp::Reverse(exact(class) % all as u128));
    let missing = total - shares.iter().sum::<usize>();
    for &class in &classes[..missing] {
        shares[class] += 1;
    }
    shares
}

/// A permutation of `0..n`, always the same one (Fisher and Yates).
fn permutation(n: usize) -> Vec<usize> {
    let mut random = Pcg64Mcg::seed_from_u64(0);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        // Far below 2⁶⁴, so that the modulo's bias does not matter.
        order.swap(last, (random.next_u64() % (last as u64 + 1)) as usize);
    }
    order
}

/// `width` bits of a line from bit `left` on, moved to bit 0.
fn shifted(line: &[u64], left: usize, width: usize) -> impl Iterator<Item = u64> {
    let (skip, shift) = (left / WORD, left % WORD);
    (0..width.div_ceil(WORD)).map(move |word| {
        let low = line[skip + word] >> shift;
        let high = match line.get(skip + word + 1) {
            Some(next) if shift > 0 => next << (WORD - shift),
            _ => 0,
        };
        let valid = WORD.min(width - word * WORD);
        (low | high) & (u64::MAX >> (WORD - valid))
    })
}

/// A tensor from words whose number and pad bits are right by construction.
fn tensor(shape: Shape, words: Vec<u64>) -> BitTensor {
    let columns = shape.width * shape.channels;
    let lines = BitMatrix::from_words(shape.batch * shape.height, columns, words)
        .expect("whole lines, clear pad bits");
    BitTensor::from_lines(shape, lines).expect("one line a row")
}
