//! Datasets: the embedded MNIST, folders of IDX files, of CIFAR-10 and of PNG files by class, single
//! pictures. Data flows from here to the trainer; nothing here knows of it.
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

pub mod cifar;
mod dataset;
mod error;
pub mod idx;
pub mod packed;
mod picture;
pub mod png_folders;

pub use dataset::Dataset;
pub use error::Error;
pub use idx::load_dir as load_idx_dir;
use picture::read_png_as_it_is;
pub use picture::{
    DigitPicture, PlainPicture, decode_digit_png, decode_png, read_digit_png, read_png,
};

use std::path::Path;

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

impl Source {
    /// The parts of a folder's data, under the folder's name.
    fn of_folder(folder: &Path, train: Dataset, test: Dataset) -> Result<Self, Error> {
        let size = |set: &Dataset| match set.image_shape() {
            shape if shape.channels == 1 => format!("{}×{}", shape.height, shape.width),
            shape => format!("{}×{}×{}", shape.height, shape.width, shape.channels),
        };
        if size(&train) != size(&test) {
            return Err(Error::mismatch("test images", size(&train), size(&test)));
        }
        let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = full.file_name().map_or_else(
            || folder.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        Ok(Self { name, train, test })
    }
}

/// Reads a folder of any of these kinds:
///
/// * [`idx`]: `train-images-idx3-ubyte` and so on, as MNIST's files are named, plain or .gz;
/// * [`cifar`]: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`;
/// * [`png_folders`]: `train/CLASS/*.png` and `test/CLASS/*.png`.
///
/// All values are kept as they are, and are bright (+1) from `threshold` on.
///
/// # Errors
/// [`Error::Unknown`] where the folder has nothing of these; else those of the kind.
pub fn load_dir(folder: &Path, threshold: u8) -> Result<Source, Error> {
    if idx::is_in(folder) {
        idx::load_dir(folder, threshold)
    } else if cifar::is_in(folder) {
        cifar::load_dir(folder, threshold)
    } else if png_folders::is_in(folder) {
        png_folders::load_dir(folder, threshold)
    } else {
        Err(Error::Unknown {
            folder: folder.to_owned(),
        })
    }
}

/// The complete MNIST, 60 000 + 10 000 digits of 28×28 bits, from the file that is compiled into
/// the crate. It has no grey values.
pub fn load_embedded() -> Source {
    let bytes = include_bytes!("../../data/mnist.bin.gz");
    packed::decode("MNIST", "data/mnist.bin.gz".as_ref(), bytes)
        .expect("a test reads the embedded file")
}
