//! The file under `data/`: a bit-image dataset as run lengths, in gzip.
//!
//! Unpacked, all integers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `bernbits` |
//! | 6 × 4 | version 1, training images, test images, height, width (1 to 64), classes |
//! | images | labels, training images first |
//! | the rest | run lengths |
//!
//! All pixels of all images, line by line, are one sequence of runs that are paper and ink in turn,
//! beginning with paper. A byte is the length of a run, except that 255 means "255 pixels, and the
//! run goes on". Gzip's CRC-32 and length cover everything above. MNIST takes 1.6 MB so; the plain
//! bits in gzip would take 1.9 MB.
//!
//! ```
//! use bernet::data::{Source, load_embedded, packed};
//!
//! let mnist = load_embedded();
//! let (train, test) = (mnist.train.subset(0..8), mnist.test.subset(0..2));
//! let small = Source { name: "ten".into(), train, test };
//! let bytes = packed::encode(&small)?;
//! assert_eq!(packed::decode("ten", "ten.gz".as_ref(), &bytes)?, small);
//! # Ok::<(), bernet::data::Error>(())
//! ```

use super::{Dataset, Error, Source};
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape, WORD};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"bernbits";
const VERSION: u32 = 1;
const FIELDS: [&str; 6] = [
    "version",
    "training images",
    "test images",
    "height",
    "width",
    "classes",
];
const HEADER: usize = MAGIC.len() + 4 * FIELDS.len();

/// Neither the unpacked contents nor the images may be larger: half as much again as MNIST, so that no
/// file can claim the whole memory.
const LIMIT: usize = 24 << 20;

/// Packs a dataset; equal datasets give equal bytes. Grey values are not kept.
///
/// # Errors
/// [`Error::Mismatch`] where the two parts differ in image shape or classes, or an image is wider
/// than 64 or has more than one channel.
pub fn encode(source: &Source) -> Result<Vec<u8>, Error> {
    let (train, test) = (&source.train, &source.test);
    let shape = train.image_shape();
    if (test.image_shape(), test.classes()) != (shape, train.classes()) {
        let text = |set: &Dataset| format!("{:?} in {} classes", set.image_shape(), set.classes());
        return Err(Error::mismatch("test images", text(train), text(test)));
    }
    if shape.channels != 1 {
        return Err(Error::mismatch("channels", 1, shape.channels));
    }
    let fields = [
        VERSION as usize,
        train.len(),
        test.len(),
        shape.height,
        shape.width,
        train.classes(),
    ];
    let mut bytes = MAGIC.to_vec();
    for (what, field) in FIELDS.into_iter().zip(fields) {
        let limit = if what == "width" { WORD } else { LIMIT };
        if field > limit {
            return Err(Error::mismatch(what, format!("at most {limit}"), field));
        }
        bytes.extend_from_slice(&(field as u32).to_le_bytes());
    }
    bytes.extend_from_slice(train.labels());
    bytes.extend_from_slice(test.labels());

    let mut runs = Runs {
        bytes,
        ink: false,
        length: 0,
    };
    for line in [train, test]
        .into_iter()
        .flat_map(|set| set.images().lines().words())
    {
        (0..shape.width).for_each(|x| runs.push(line >> x & 1 == 1));
    }
    let bytes = runs.finish();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    Ok(gzip
        .write_all(&bytes)
        .and_then(|()| gzip.finish())
        .expect("writing to memory succeeds"))
}

/// Reads what [`encode`] wrote; `file` is what errors call it.
///
/// # Errors
/// [`Error::Io`] where the compression is damaged, [`Error::Format`] where the contents are.
pub fn decode(name: &str, file: &Path, packed: &[u8]) -> Result<Source, Error> {
    let wrong = |offset: usize, what, expected: String, found: String| Error::Format {
        file: file.to_owned(),
        offset: offset as u64,
        what,
        expected,
        found,
    };
    let bytes = unpack(packed).map_err(|source| Error::Io {
        file: file.to_owned(),
        source,
    })?;
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else {
        return Err(wrong(
            bytes.len(),
            "header",
            format!("{HEADER} bytes"),
            format!("{} bytes", bytes.len()),
        ));
    };
    if !header.starts_with(MAGIC) {
        let found = header[..MAGIC.len()].escape_ascii().to_string();
        return Err(wrong(0, "magic", MAGIC.escape_ascii().to_string(), found));
    }
    let offset = |field: usize| MAGIC.len() + 4 * field;
    let fields: [usize; FIELDS.len()] = std::array::from_fn(|field| {
        u32::from_le_bytes(header[offset(field)..][..4].try_into().expect("four bytes")) as usize
    });
    let allowed = [1..=1, 1..=LIMIT, 0..=LIMIT, 1..=LIMIT, 1..=WORD, 1..=256];
    for (field, (&value, range)) in fields.iter().zip(allowed).enumerate() {
        if !range.contains(&value) {
            let expected = format!("{} to {}", range.start(), range.end());
            return Err(wrong(
                offset(field),
                FIELDS[field],
                expected,
                value.to_string(),
            ));
        }
    }
    let [_, train, test, height, width, classes] = fields;
    // A line is one word of eight bytes.
    let lines = (train + test)
        .checked_mul(height)
        .filter(|lines| lines.saturating_mul(8) <= LIMIT)
        .ok_or_else(|| {
            wrong(
                offset(1),
                "images",
                format!("at most {LIMIT} bytes"),
                format!("{train} + {test} of height {height}"),
            )
        })?;

    let Some((labels, runs)) = rest.split_at_checked(train + test) else {
        return Err(wrong(
            HEADER,
            "labels",
            format!("{} bytes", train + test),
            format!("{} bytes", rest.len()),
        ));
    };
    if let Some(place) = labels
        .iter()
        .position(|&label| usize::from(label) >= classes)
    {
        return Err(wrong(
            HEADER + place,
            "label",
            format!("below {classes}"),
            labels[place].to_string(),
        ));
    }
    let mut words = draw(runs, lines, width).map_err(
        |Damaged {
             place,
             expected,
             found,
         }| { wrong(HEADER + labels.len() + place, "runs", expected, found) },
    )?;

    let test_words = words.split_off(train * height);
    let dataset = |words: Vec<u64>, labels: &[u8]| {
        let shape = Shape {
            batch: labels.len(),
            height,
            width,
            channels: 1,
        };
        let lines =
            BitMatrix::from_words(words.len(), width, words).expect("runs stay within their lines");
        let images = BitTensor::from_lines(shape, lines).expect("the header's shape");
        Dataset::new(images, labels.to_vec(), None, classes).expect("labels were checked")
    };
    let (train_labels, test_labels) = labels.split_at(train);
    let (train, test) = (
        dataset(words, train_labels),
        dataset(test_words, test_labels),
    );
    Ok(Source {
        name: name.to_owned(),
        train,
        test,
    })
}

fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzDecoder::new(packed);
    let mut bytes = Vec::new();
    gzip.by_ref()
        .take(LIMIT as u64 + 1)
        .read_to_end(&mut bytes)?;
    match (bytes.len() > LIMIT, gzip.into_inner().len()) {
        (true, _) => Err(io::Error::other(format!(
            "unpacks to more than {LIMIT} bytes"
        ))),
        (_, 0) => Ok(bytes),
        (_, left) => Err(io::Error::other(format!(
            "{left} bytes after the compressed contents"
        ))),
    }
}

/// Collects pixels into run lengths.
struct Runs {
    bytes: Vec<u8>,
    ink: bool,
    length: u8,
}

impl Runs {
    fn push(&mut self, ink: bool) {
        if ink != self.ink {
            self.bytes.push(self.length);
            (self.ink, self.length) = (ink, 0);
        }
        self.length += 1;
        if self.length == u8::MAX {
            self.bytes.push(u8::MAX);
            self.length = 0;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.length > 0 {
            self.bytes.push(self.length);
        }
        self.bytes
    }
}

/// The run that does not fit.
struct Damaged {
    place: usize,
    expected: String,
    found: String,
}

/// The lines, a word each, that the runs draw. They must end exactly with the last pixel.
fn draw(runs: &[u8], lines: usize, width: usize) -> Result<Vec<u64>, Damaged> {
    let pixels = lines * width;
    let mut words = vec![0; lines];
    let (mut ink, mut pixel) = (false, 0);
    for (place, &run) in runs.iter().enumerate() {
        let end = pixel + usize::from(run);
        if end > pixels || pixel == pixels {
            return Err(Damaged {
                place,
                expected: format!("at most {} pixels", pixels - pixel),
                found: run.to_string(),
            });
        }
        while ink && pixel < end {
            let (line, x) = (pixel / width, pixel % width);
            let length = (width - x).min(end - pixel);
            words[line] |= u64::MAX >> (WORD - length) << x;
            pixel += length;
        }
        pixel = end;
        ink ^= run < u8::MAX;
    }
    if pixel < pixels {
        let found = format!("the end after {pixel}");
        return Err(Damaged {
            place: runs.len(),
            expected: format!("{pixels} pixels"),
            found,
        });
    }
    Ok(words)
}
