//! Datasets: the embedded MNIST, IDX folders, single pictures. Data flows from here to the trainer;
//! nothing here knows of it.
//!
//! ```
//! let mnist = bernet::data::load_embedded();
//! let (train, validation) = mnist.train.split(5_000)?;
//! assert_eq!((train.len(), validation.len(), mnist.test.len()), (55_000, 5_000, 10_000));
//!
//! // The first test digit is a seven: print it.
//! let (image, shape) = (mnist.test.images(), mnist.test.image_shape());
//! for y in 0..shape.height {
//!     let pixel = |x| if image.get(0, y, x, 0) { '#' } else { '.' };
//!     println!("{}", (0..shape.width).map(pixel).collect::<String>());
//! }
//! assert_eq!(mnist.test.labels()[0], 7);
//! # Ok::<(), bernet::data::Error>(())
//! ```

mod dataset;
mod error;
pub mod idx;
pub mod packed;
mod picture;

pub use dataset::Dataset;
pub use error::Error;
pub use idx::load_dir as load_idx_dir;
pub use picture::{
    DigitPicture, PlainPicture, decode_digit_png, decode_png, read_digit_png, read_png,
};

/// Grey values from here on are ink: the seed's binarisation of MNIST.
pub const THRESHOLD: u8 = 128;

/// A dataset as it comes from its authors: what may be trained on, and what only the final result
/// may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What tables and reports call it.
    pub name: String,
    /// The training images; [`Dataset::split`] takes the validation images from them.
    pub train: Dataset,
    /// The test images.
    pub test: Dataset,
}

/// The complete MNIST, 60 000 + 10 000 digits of 28×28 bits, from the file that is compiled into
/// the crate. It has no grey values.
pub fn load_embedded() -> Source {
    let bytes = include_bytes!("../../data/mnist.bin.gz");
    packed::decode("MNIST", "data/mnist.bin.gz".as_ref(), bytes)
        .expect("a test reads the embedded file")
}
