//! Pictures in folders by class: `train/CLASS/*.png` and `test/CLASS/*.png`.
//!
//! The classes are the folders of `train` in the order of their names, or of their numbers where all
//! are numbers; labels count them from 0. All pictures have one size and are taken as they are,
//! neither scaled nor cropped nor inverted. They have one channel where every pixel of all of them is
//! grey, else three; transparent parts show white. Names that begin with a dot do not count.

use super::{Dataset, Error, Source, read_png_as_it_is};
use bernet_kernels::bits::Shape;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Labels are bytes.
const MOST_CLASSES: usize = 1 << u8::BITS;

/// Red, green and blue of all pictures of a part.
#[derive(Default)]
struct Part {
    size: Option<(usize, usize)>,
    values: Vec<u8>,
    labels: Vec<u8>,
}

/// Whether a folder has one of the two parts.
pub(super) fn is_in(folder: &Path) -> bool {
    ["train", "test"]
        .iter()
        .any(|part| folder.join(part).is_dir())
}

/// Reads a folder with the folders `train` and `test`. The folder's name becomes the source's.
///
/// # Errors
/// [`Error::Io`] where a file or folder cannot be read; [`Error::Picture`] where a file is not a PNG,
/// or has another size than the first; [`Error::Mismatch`] where there are no classes, more than 256,
/// or a class to test that is not one to train.
pub fn load_dir(folder: &Path, threshold: u8) -> Result<Source, Error> {
    let classes = classes(&folder.join("train"))?;
    if classes.is_empty() || classes.len() > MOST_CLASSES {
        let expected = format!("1 to {MOST_CLASSES}, each a folder of PNG files");
        return Err(Error::mismatch("classes in train", expected, classes.len()));
    }
    let test = folder.join("test");
    if let Some(other) = self::classes(&test)?
        .iter()
        .find(|name| !classes.contains(name))
    {
        let expected = "one of the folders in train";
        return Err(Error::mismatch("class in test", expected, other));
    }
    let train = read(&folder.join("train"), &classes, None)?;
    let test = read(&test, &classes, train.size)?;
    let is_grey = [&train, &test].iter().all(|part| {
        part.values
            .chunks_exact(3)
            .all(|pixel| pixel == [pixel[0]; 3])
    });
    let dataset = |part: Part| {
        let (height, width) = part.size.unwrap_or((1, 1));
        let (channels, values) = match is_grey {
            true => (1, part.values.into_iter().step_by(3).collect()),
            false => (3, part.values),
        };
        let shape = Shape {
            batch: part.labels.len(),
            height,
            width,
            channels,
        };
        Dataset::from_values(shape, values, part.labels, threshold, classes.len())
    };
    Source::of_folder(folder, dataset(train)?, dataset(test)?)
}

/// The names of the folders in a part, sorted.
fn classes(part: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for path in entries(part)? {
        if !path.is_dir() {
            return Err(Error::Picture {
                file: path,
                problem: "expected a folder for each class here, found a file".to_owned(),
            });
        }
        names.push(name(&path));
    }
    let number = |name: &String| name.parse::<u64>().ok();
    if names.iter().all(|name| number(name).is_some()) {
        names.sort_by_key(number);
    }
    Ok(names)
}

/// All pictures of a part, in the order of classes and names.
fn read(part: &Path, classes: &[String], mut size: Option<(usize, usize)>) -> Result<Part, Error> {
    let mut all = Part::default();
    for (label, class) in classes.iter().enumerate() {
        let folder = part.join(class);
        // To test, a class may be missing.
        if !folder.is_dir() {
            continue;
        }
        for path in entries(&folder)? {
            let picture = read_png_as_it_is(&path)?;
            let expected = *size.get_or_insert(picture.size);
            if picture.size != expected {
                let text = |(height, width)| format!("{height}×{width}");
                return Err(Error::Picture {
                    problem: format!(
                        "expected {} pixels as in the picture before it, found {}: scale them first",
                        text(expected),
                        text(picture.size)
                    ),
                    file: path,
                });
            }
            all.values.extend(picture.pixels);
            all.labels.push(label as u8);
        }
    }
    all.size = size;
    if all.labels.is_empty() {
        return Err(Error::Picture {
            file: part.to_owned(),
            problem: "expected PNG files in its folders, found none".to_owned(),
        });
    }
    Ok(all)
}

/// What is in a folder, by name, but for names that begin with a dot.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let io = |source| Error::Io {
        file: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if !name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
