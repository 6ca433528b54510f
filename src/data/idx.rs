//! IDX, the format of MNIST and of the datasets made after it (Fashion-MNIST, KMNIST and others),
//! plain or gzip.
//!
//! All integers are big-endian. Images: bytes 0, 0, type 8 (unsigned byte), 3 or 4 dimensions; the
//! number of images, height, width and, of four, channels as u32; then the values in the order image,
//! line, pixel, channel.
//! Labels: the same with 1 dimension, a byte a label. Source: LeCun, Cortes, Burges, "The MNIST
//! database of handwritten digits", <http://yann.lecun.com/exdb/mnist/>.
//!
//! A file is read header first; then exactly the bytes that the header announces, if the file's own
//! size justifies them; then it must end.
//!
//! ```
//! use bernet::data::idx;
//!
//! let folder = tempfile::tempdir()?;
//! let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
//! // One image of 2×2 and its label.
//! std::fs::write(&images, [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 127, 128, 255])?;
//! std::fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 1, 7])?;
//!
//! let dataset = idx::read(&images, &labels, 128, 10)?;
//! assert_eq!((dataset.labels(), dataset.grey()), (&[7][..], Some(&[0, 127, 128, 255][..])));
//! assert!(!dataset.images().get(0, 0, 1, 0) && dataset.images().get(0, 1, 0, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::{Dataset, Error, Source};
use bernet_kernels::bits::{Shape, WORD};
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// What a small file may ask for: images that take no more than this, or than twice the file, are
/// justified.
const ALWAYS_JUSTIFIED: u64 = 64 << 20;

/// Reads a folder of four files named as MNIST names them: `train-images-idx3-ubyte`,
/// `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, each with or
/// without `.gz`, or with a dot before `idx`; images of several channels are called `…-idx4-ubyte`.
/// There are as many classes as the largest label says; a value of at least `threshold` is ink (+1). The folder's name becomes the source's.
///
/// # Errors
/// [`Error::Missing`], and those of [`read`]; [`Error::Mismatch`] where training and test images
/// differ in size.
pub fn load_dir(folder: &Path, threshold: u8) -> Result<Source, Error> {
    /// Labels are bytes.
    const MOST_CLASSES: usize = 1 << u8::BITS;
    let part = |images, labels| {
        read(
            &find(folder, images)?,
            &find(folder, labels)?,
            threshold,
            MOST_CLASSES,
        )
    };
    let train = part(FILES[0], FILES[1])?;
    let test = part(FILES[2], FILES[3])?;
    let labels = train.labels().iter().chain(test.labels());
    let classes = labels.max().map_or(1, |&label| usize::from(label) + 1);
    let [train, test] = [train, test].map(|part| part.in_classes(classes));
    Source::of_folder(folder, train, test)
}

/// The usual names of a dataset's files: images and labels to train on, and to test.
const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Whether a folder has one of the files.
pub(super) fn is_in(folder: &Path) -> bool {
    FILES.iter().any(|name| find(folder, name).is_ok())
}

/// Reads a file of images and its file of labels; a grey value of at least `threshold` is ink (+1),
/// every label is below `classes`.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read, [`Error::Format`] where its contents are not what the
/// format asks for, and where the two numbers differ.
pub fn read(images: &Path, labels: &Path, threshold: u8, classes: usize) -> Result<Dataset, Error> {
    let images = Idx::open(images)?;
    read_from(images, || Idx::open(labels), threshold, classes)
}

/// As [`read`], from files in memory; the paths are what errors call them.
///
/// # Errors
/// [`Error::Format`] where the contents are not what the format asks for, and where the two numbers differ.
pub fn decode(
    images: (&Path, &[u8]),
    labels: (&Path, &[u8]),
    threshold: u8,
    classes: usize,
) -> Result<Dataset, Error> {
    fn open<'a>((path, bytes): (&Path, &'a [u8])) -> Result<Idx<&'a [u8]>, Error> {
        Idx::new(path, bytes.len() as u64, bytes)
    }
    read_from(open(images)?, || open(labels), threshold, classes)
}

fn read_from<R: BufRead>(
    images: Idx<R>,
    labels: impl FnOnce() -> Result<Idx<R>, Error>,
    threshold: u8,
    classes: usize,
) -> Result<Dataset, Error> {
    let (shape, values) = read_images(images)?;
    let labels = read_labels(labels()?, shape.batch, classes)?;
    Dataset::from_values(shape, values, labels, threshold, classes)
}

fn find(folder: &Path, name: &'static str) -> Result<PathBuf, Error> {
    let found = [name.to_owned(), name.replace("idx3", "idx4")]
        .iter()
        .flat_map(|name| [name.clone(), name.replace("-idx", ".idx")])
        .flat_map(|name| [folder.join(&name), folder.join(format!("{name}.gz"))])
        .find(|path| path.is_file());
    found.ok_or_else(|| Error::Missing {
        folder: folder.to_owned(),
        name,
    })
}

/// The images' shape and values.
fn read_images(mut file: Idx<impl BufRead>) -> Result<(Shape, Vec<u8>), Error> {
    let sizes = file.header(3, &["number of images", "height", "width", "channels"])?;
    let [batch, height, width] = [sizes[0], sizes[1], sizes[2]].map(u64::from);
    let channels = sizes.get(3).map_or(1, |&channels| u64::from(channels));
    let lines = batch * height;
    // Below 2⁶⁴, as products of two u32.
    let line = width * channels;
    let values = lines.checked_mul(line);
    // The bits take up to eight bytes a line more than an eighth of the values.
    let bits = lines.checked_mul(line.div_ceil(WORD as u64) * 8);
    let needed = values
        .zip(bits)
        .and_then(|(values, bits)| values.checked_add(bits));
    let mut announced = format!("{batch} images of {height}×{width}");
    if sizes.len() > 3 {
        announced += &format!("×{channels}");
    }
    file.justify(needed, &announced)?;
    let size = |size: u64| usize::try_from(size).expect("a justified size is small");
    let shape = Shape {
        batch: size(batch),
        height: size(height),
        width: size(width),
        channels: size(channels),
    };
    let values = file.contents(lines * line, "grey values")?;
    Ok((shape, values))
}

fn read_labels(
    mut file: Idx<impl BufRead>,
    images: usize,
    classes: usize,
) -> Result<Vec<u8>, Error> {
    let count = file.header(1, &["number of labels"])?[0];
    if u64::from(count) != images as u64 {
        return Err(file.wrong(
            4,
            "number of labels",
            format!("{images}, one an image"),
            count,
        ));
    }
    let labels = file.contents(count.into(), "labels")?;
    match labels
        .iter()
        .position(|&label| usize::from(label) >= classes)
    {
        Some(place) => {
            let expected = format!("0 to {}", classes.saturating_sub(1));
            Err(file.wrong(8 + place as u64, "label", expected, labels[place]))
        }
        None => Ok(labels),
    }
}

/// A file that is being read, through gzip where its first bytes say so (no IDX file begins like a
/// gzip file).
struct Idx<R> {
    path: PathBuf,
    file_size: u64,
    reader: Unpacked<R>,
    offset: u64,
}

enum Unpacked<R> {
    Plain(R),
    Gzip(Members<R>),
}

/// A gzip file: its members one after the other. Zeros after the last are padding, as tapes and block devices leave it.
struct Members<R> {
    /// None only while a member follows another, and after an error there.
    member: Option<Box<GzDecoder<R>>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let Some(member) = self.member.take() else {
                break;
            };
            let mut rest = member.into_inner();
            let mut is_end = false;
            while !is_end {
                let bytes = rest.fill_buf()?;
                is_end = bytes.is_empty();
                let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
                let is_next = zeros < bytes.len();
                rest.consume(zeros);
                if is_next {
                    self.member = Some(Box::new(GzDecoder::new(rest)));
                    break;
                }
            }
        }
        Ok(0)
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(into),
            Self::Gzip(reader) => reader.read(into),
        }
    }
}

impl Idx<BufReader<File>> {
    fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io {
            file: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let file_size = file.metadata().map_err(io)?.len();
        Self::new(path, file_size, BufReader::new(file))
    }
}

impl<R: BufRead> Idx<R> {
    fn new(path: &Path, file_size: u64, mut reader: R) -> Result<Self, Error> {
        let begin = reader.fill_buf().map_err(|source| Error::Io {
            file: path.to_owned(),
            source,
        })?;
        let reader = if begin.starts_with(&[0x1f, 0x8b]) {
            Unpacked::Gzip(Members {
                member: Some(Box::new(GzDecoder::new(reader))),
            })
        } else {
            Unpacked::Plain(reader)
        };
        Ok(Self {
            path: path.to_owned(),
            file_size,
            reader,
            offset: 0,
        })
    }

    fn wrong(
        &self,
        offset: u64,
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Error {
        let (expected, found) = (expected.to_string(), found.to_string());
        Error::Format {
            file: self.path.clone(),
            offset,
            what,
            expected,
            found,
        }
    }

    /// As many bytes as there are, up to `size`.
    fn take(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        bytes.reserve_exact(usize::try_from(size).expect("a justified size"));
        match self.reader.by_ref().take(size).read_to_end(&mut bytes) {
            Ok(read) => {
                self.offset += read as u64;
                Ok(bytes)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
                ) =>
            {
                Err(self.wrong(
                    self.offset + bytes.len() as u64,
                    "compression",
                    "intact gzip",
                    error,
                ))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.wrong(
                self.offset + bytes.len() as u64,
                "compression",
                "more bytes",
                "the end of the file",
            )),
            Err(source) => Err(Error::Io {
                file: self.path.clone(),
                source,
            }),
        }
    }

    /// The dimensions, each at least 1; `least` of them, or as many as there are names.
    fn header(&mut self, least: usize, names: &[&'static str]) -> Result<Vec<u32>, Error> {
        let mut size = 4 + 4 * least;
        let mut header = self.take(size as u64)?;
        let dimensions = usize::from(header.get(3).copied().unwrap_or(0));
        if header.len() == size && (least..=names.len()).contains(&dimensions) {
            size = 4 + 4 * dimensions;
            header.extend(self.take((4 * (dimensions - least)) as u64)?);
        }
        if header.len() < size {
            return Err(self.wrong(
                self.offset,
                "header",
                format!("{size} bytes"),
                format!("the end after {}", self.offset),
            ));
        }
        if header[..2] != [0, 0] {
            return Err(self.wrong(
                0,
                "magic",
                "bytes 00 00",
                format!("{:02x} {:02x}", header[0], header[1]),
            ));
        }
        if header[2] != 8 {
            return Err(self.wrong(
                2,
                "type",
                "08 (unsigned byte)",
                format!("{:02x}", header[2]),
            ));
        }
        if !(least..=names.len()).contains(&dimensions) {
            let expected = match names.len() {
                most if most == least => least.to_string(),
                most => format!("{least} or {most}"),
            };
            return Err(self.wrong(3, "number of dimensions", expected, header[3]));
        }
        let sizes: Vec<u32> = header[4..]
            .chunks_exact(4)
            .map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four bytes")))
            .collect();
        match sizes.iter().position(|&size| size == 0) {
            Some(at) => Err(self.wrong(4 + 4 * at as u64, names[at], "at least 1", 0)),
            None => Ok(sizes),
        }
    }

    /// Refuses sizes in memory that the file cannot justify, whatever its header says.
    fn justify(&self, needed: Option<u64>, announced: &str) -> Result<(), Error> {
        let justified = self.file_size.saturating_mul(2).max(ALWAYS_JUSTIFIED);
        match needed {
            Some(needed) if needed <= justified => Ok(()),
            _ => {
                let expected = format!(
                    "at most {justified} bytes for a file of {} (unpack it if they are right)",
                    self.file_size
                );
                Err(self.wrong(4, "dimensions", expected, announced))
            }
        }
    }

    /// Exactly the announced bytes, and the end of the file after them.
    fn contents(&mut self, size: u64, what: &'static str) -> Result<Vec<u8>, Error> {
        let start = self.offset;
        let bytes = self.take(size)?;
        if (bytes.len() as u64) < size {
            let found = format!("the end after {}", self.offset - start);
            return Err(self.wrong(self.offset, what, format!("{size} bytes"), found));
        }
        let end = self.offset;
        match self.take(1)?.len() {
            0 => Ok(bytes),
            _ => Err(self.wrong(end, "end of the file", "no more bytes", "more")),
        }
    }
}
