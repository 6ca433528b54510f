//! Pictures in PNG files: digits brought into the form of MNIST's, and pictures as they are.

mod digit;
mod grey;
mod mask;
mod paper;
mod plain;

use super::Error;
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};
use grey::Grey;
use paper::{lay_on_paper, luma};
pub(super) use plain::read_png_as_it_is;
pub use plain::{PlainPicture, decode_png, read_png};
use png::{ColorType, Decoder, Transformations};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

/// Larger pictures are refused: this many pixels, in colour and in grey, take 60 MiB.
const MOST_PIXELS: u64 = 12 << 20;

/// A digit, and what was found in the picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigitPicture {
    /// The bits, `1 × height × width × 1`; ink is +1.
    pub image: BitTensor,
    /// The ink that the bits were made from, `height · width` bytes, line by line: 255 is full ink, 0
    /// is paper. Nets that read grey values take these.
    pub grey: Vec<u8>,
    /// Whether the picture is dark on bright, and was inverted.
    pub inverted: bool,
    /// Height and width of the picture.
    pub size: (usize, usize),
}

/// Reads a digit from a PNG file of any kind and size.
///
/// Every picture goes the same way, whatever its size; one of `height × width` pixels too.
///
/// 1. Grey is 0.299 R + 0.587 G + 0.114 B. Transparent parts show the paper: the extreme, black or
///    white, that the drawing fades to at its edges or, where it ends abruptly, the one further from
///    it. Where one grey value or colour is declared transparent (`tRNS`), it is the paper itself.
/// 2. Bright paper with dark ink is told from its opposite by which of the two is the smaller part of
///    its surroundings.
/// 3. Ink is measured against the paper around it, so that shadows and gradients fall out, and is
///    told from paper by Otsu's threshold.
/// 4. Frames at the edges, and specks, are removed.
/// 5. The box around the ink is scaled by area averaging, keeping its proportions, to fit into 20/28 of
///    height and width. Strokes thinner than two pixels are widened to two. The centre of mass comes to
///    the middle, to a whole pixel and within the picture.
/// 6. Values of at least `threshold` are ink.
///
/// A net of the 24×24 reading sees the middle of the 28×28 one: read 28×28 and
/// [crop](super::Dataset::centre_crop).
///
/// ```
/// use bernet::data::read_digit_png;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("stroke.png"); // one dark column on bright paper
/// let mut encoder = png::Encoder::new(std::fs::File::create(&path)?, 7, 28);
/// encoder.set_color(png::ColorType::Grayscale);
/// encoder.write_header()?.write_image_data(&[255, 255, 255, 9, 255, 255, 255].repeat(28))?;
///
/// let digit = read_digit_png(&path, 28, 28, 128)?;
/// assert!(digit.inverted && digit.size == (28, 7));
/// assert!((4..24).all(|y| digit.image.get(0, y, 14, 0) && !digit.image.get(0, y, 10, 0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Mismatch`] where the asked height or width is 0; [`Error::Io`] where the file cannot be
/// opened; [`Error::Picture`] where it is not a PNG, is damaged, has more than 12 Mi pixels, or
/// shows no ink.
pub fn read_digit_png(
    path: &Path,
    height: usize,
    width: usize,
    threshold: u8,
) -> Result<DigitPicture, Error> {
    read(path, || open(path), height, width, threshold)
}

fn open(path: &Path) -> Result<BufReader<File>, Error> {
    let file = File::open(path).map_err(|source| Error::Io {
        file: path.to_owned(),
        source,
    })?;
    Ok(BufReader::new(file))
}

/// As [`read_digit_png`], from a file in memory; the path is what errors call it.
///
/// # Errors
/// Those of [`read_digit_png`], but [`Error::Io`].
pub fn decode_digit_png(
    path: &Path,
    bytes: &[u8],
    height: usize,
    width: usize,
    threshold: u8,
) -> Result<DigitPicture, Error> {
    read(path, || Ok(Cursor::new(bytes)), height, width, threshold)
}

fn read<R: BufRead + Seek>(
    path: &Path,
    open: impl FnOnce() -> Result<R, Error>,
    height: usize,
    width: usize,
    threshold: u8,
) -> Result<DigitPicture, Error> {
    if height == 0 || width == 0 {
        return Err(Error::mismatch(
            "asked picture",
            "at least 1×1",
            format!("{height}×{width}"),
        ));
    }
    let wrong = |problem: String| Error::Picture {
        file: path.to_owned(),
        problem,
    };
    let picture = decode(open()?).and_then(in_grey).map_err(wrong)?;
    let size = (picture.height, picture.width);
    let Some(digit) = digit::extract(picture, height, width) else {
        return Err(wrong(
            "no ink: no pixel differs enough from the paper around it".to_owned(),
        ));
    };
    let lines = BitMatrix::from_fn(height, width, |y, x| {
        digit.values[y * width + x] >= threshold
    });
    let shape = Shape {
        batch: 1,
        height,
        width,
        channels: 1,
    };
    let image = BitTensor::from_lines(shape, lines).expect("one line a row");
    Ok(DigitPicture {
        image,
        grey: digit.values,
        inverted: digit.inverted,
        size,
    })
}

/// A picture as it is in its file, 8 bits a value.
struct Decoded {
    height: usize,
    width: usize,
    bytes: Vec<u8>,
    colour: ColorType,
    /// Whether one grey value or colour is declared transparent: a paper that was drawn.
    is_keyed: bool,
}

fn decode(file: impl BufRead + Seek) -> Result<Decoded, String> {
    let unreadable = |error: png::DecodingError| format!("not a readable PNG: {error}");
    let mut decoder = Decoder::new(file);
    decoder.set_transformations(Transformations::normalize_to_color8());
    // Colour profiles and texts are compressed, may be large, and say nothing here.
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(unreadable)?;
    let (width, height) = reader.info().size();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!(
            "{width}×{height} pixels, expected at most {MOST_PIXELS}"
        ));
    }
    // The decoder knows the most colours, but takes bytes for them that are no whole colours, and panics.
    let palette = reader.info().palette.as_deref().unwrap_or_default();
    if !palette.len().is_multiple_of(3) {
        return Err(format!(
            "not a readable PNG: a palette of {} bytes, expected 3 for each colour",
            palette.len()
        ));
    }
    let size = reader
        .output_buffer_size()
        .ok_or("more pixels than fit in memory")?;
    let mut bytes = vec![0; size];
    reader.next_frame(&mut bytes).map_err(unreadable)?;
    reader.finish().map_err(unreadable)?;
    let is_keyed = matches!(
        reader.info().color_type,
        ColorType::Grayscale | ColorType::Rgb
    );
    Ok(Decoded {
        height: height as usize,
        width: width as usize,
        bytes,
        colour: reader.output_color_type().0,
        is_keyed,
    })
}

/// The picture in grey, a partly transparent one on paper.
fn in_grey(decoded: Decoded) -> Result<Grey, String> {
    let Decoded {
        height,
        width,
        bytes,
        colour,
        is_keyed,
    } = decoded;
    let (values, alpha): (Vec<u8>, Option<Vec<u8>>) = match colour {
        ColorType::Grayscale => (bytes, None),
        ColorType::GrayscaleAlpha => {
            let pixels = bytes.chunks_exact(2);
            let (values, alpha) = pixels.map(|pixel| (pixel[0], pixel[1])).unzip();
            (values, Some(alpha))
        }
        ColorType::Rgb => (bytes.chunks_exact(3).map(luma).collect(), None),
        ColorType::Rgba => {
            let pixels = bytes.chunks_exact(4);
            let (values, alpha) = pixels.map(|pixel| (luma(pixel), pixel[3])).unzip();
            (values, Some(alpha))
        }
        ColorType::Indexed => return Err("a palette that could not be expanded".to_owned()),
    };
    let mut picture = Grey {
        height,
        width,
        values,
    };
    if let Some(alpha) = alpha.filter(|_| !is_keyed) {
        lay_on_paper(&mut picture, &alpha)?;
    }
    Ok(picture)
}
