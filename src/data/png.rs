//! A digit from a picture, brought into the form of MNIST's digits.

use super::Error;
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};
use png::{ColorType, Decoder, Transformations};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

/// Larger pictures are refused: this many pixels, in colour and in grey, take 60 MiB.
const MOST_PIXELS: u64 = 12 << 20;

/// A digit, and what had to be done to the picture for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigitPicture {
    /// The bits, `1 × height × width × 1`; ink is +1.
    pub image: BitTensor,
    /// Whether the picture was dark on bright and was inverted.
    pub inverted: bool,
    /// Height and width of the picture, where they were not the asked ones and the digit was scaled
    /// and centred.
    pub scaled_from: Option<(usize, usize)>,
}

/// Reads a digit from a PNG file of any kind and size.
///
/// 1. Grey is 0.299 R + 0.587 G + 0.114 B; transparent parts show black.
/// 2. Where the mean of the outermost pixels is above 127.5, the paper is bright: every value v
///    becomes 255 − v.
/// 3. A picture of `height × width` pixels keeps them. Any other is brought into the form of
///    MNIST's digits: the smallest rectangle around the ink is scaled by area averaging, keeping
///    its proportions, to fit into 20/28 of height and width; its values are stretched so that the
///    brightest is 255 (a thin stroke in a large picture is faint after averaging, MNIST's strokes
///    are not); and it is placed so that its centre of mass is in the middle, to a whole pixel and
///    within the picture.
/// 4. Values of at least `threshold` are ink, in step 3 as well as in the result.
///
/// A net of the 24×24 reading sees the middle of the 28×28 one: read 28×28 and
/// [crop](super::Dataset::centre_crop).
///
/// ```
/// use bernet::data::read_digit_png;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("stroke.png"); // one dark column on bright paper
/// let mut encoder = png::Encoder::new(std::fs::File::create(&path)?, 5, 4);
/// encoder.set_color(png::ColorType::Grayscale);
/// encoder.write_header()?.write_image_data(&[255, 255, 9, 255, 255].repeat(4))?;
///
/// let digit = read_digit_png(&path, 4, 5, 128)?;
/// assert!(digit.inverted && digit.scaled_from.is_none());
/// assert!((0..4).all(|y| digit.image.get(0, y, 2, 0) && !digit.image.get(0, y, 1, 0)));
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
    let open = || {
        let file = File::open(path).map_err(|source| Error::Io {
            file: path.to_owned(),
            source,
        })?;
        Ok(BufReader::new(file))
    };
    read(path, open, height, width, threshold)
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
    let mut picture = decode(open()?).map_err(wrong)?;
    let inverted = picture.border_mean() > 127.5;
    if inverted {
        picture
            .values
            .iter_mut()
            .for_each(|value| *value = 255 - *value);
    }
    let scaled_from = (picture.height, picture.width) != (height, width);
    let scaled_from = scaled_from.then_some((picture.height, picture.width));
    let Some(ink) = picture.ink(threshold) else {
        return Err(wrong(format!(
            "no ink: no pixel differs enough from the paper (threshold {threshold})"
        )));
    };
    if scaled_from.is_some() {
        picture = picture.centred(ink, height, width);
    }
    let lines = BitMatrix::from_fn(height, width, |y, x| picture.at(y, x) >= threshold);
    let shape = Shape {
        batch: 1,
        height,
        width,
        channels: 1,
    };
    let image = BitTensor::from_lines(shape, lines).expect("one line a row");
    Ok(DigitPicture {
        image,
        inverted,
        scaled_from,
    })
}

/// A picture in grey.
struct Grey {
    height: usize,
    width: usize,
    values: Vec<u8>,
}

/// A rectangle within a picture.
struct Frame {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

fn decode(file: impl BufRead + Seek) -> Result<Grey, String> {
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
    let luma = |colour: &[u8]| {
        let [red, green, blue] = [0, 1, 2].map(|at| u32::from(colour[at]));
        (299 * red + 587 * green + 114 * blue + 500) / 1000
    };
    let over_black = |grey: u32, alpha: u8| ((grey * u32::from(alpha) + 127) / 255) as u8;
    let values = match reader.output_color_type().0 {
        ColorType::Grayscale => bytes,
        ColorType::GrayscaleAlpha => bytes
            .chunks_exact(2)
            .map(|pixel| over_black(pixel[0].into(), pixel[1]))
            .collect(),
        ColorType::Rgb => bytes
            .chunks_exact(3)
            .map(|pixel| luma(pixel) as u8)
            .collect(),
        ColorType::Rgba => bytes
            .chunks_exact(4)
            .map(|pixel| over_black(luma(pixel), pixel[3]))
            .collect(),
        ColorType::Indexed => return Err("a palette that could not be expanded".to_owned()),
    };
    Ok(Grey {
        height: height as usize,
        width: width as usize,
        values,
    })
}

impl Grey {
    fn at(&self, y: usize, x: usize) -> u8 {
        self.values[y * self.width + x]
    }

    fn border_mean(&self) -> f64 {
        let (last_line, last_column) = (self.height - 1, self.width - 1);
        let rows = (0..self.width).flat_map(|x| [(0, x), (last_line, x)]);
        let border = rows.chain((0..self.height).flat_map(|y| [(y, 0), (y, last_column)]));
        let (sum, count) = border.fold((0, 0), |(sum, count), (y, x)| {
            (sum + u64::from(self.at(y, x)), count + 1)
        });
        sum as f64 / f64::from(count)
    }

    /// The smallest frame around all values of at least `threshold`.
    fn ink(&self, threshold: u8) -> Option<Frame> {
        let has_ink = |y: usize, x: usize| self.at(y, x) >= threshold;
        let in_line = |y: &usize| (0..self.width).any(|x| has_ink(*y, x));
        let in_column = |x: &usize| (0..self.height).any(|y| has_ink(y, *x));
        let (top, bottom) = (
            (0..self.height).find(in_line)?,
            (0..self.height).rfind(in_line)?,
        );
        let (left, right) = (
            (0..self.width).find(in_column)?,
            (0..self.width).rfind(in_column)?,
        );
        Some(Frame {
            top,
            left,
            height: bottom - top + 1,
            width: right - left + 1,
        })
    }

    /// The part within `frame`, scaled and placed as MNIST's digits are.
    fn centred(&self, frame: Frame, height: usize, width: usize) -> Self {
        let room = |side: usize| side as f64 * 20.0 / 28.0;
        let scale = (room(height) / frame.height as f64).min(room(width) / frame.width as f64);
        let scaled = |side: usize, limit: usize| {
            ((side as f64 * scale).round() as usize).clamp(1, limit.max(1))
        };
        let digit = self.resampled(
            &frame,
            scaled(frame.height, height),
            scaled(frame.width, width),
        );

        let (top, left) = digit.offset_to_centre(height, width);
        let mut centred = Self {
            height,
            width,
            values: vec![0; height * width],
        };
        for (y, line) in digit.values.chunks_exact(digit.width).enumerate() {
            centred.values[(top + y) * width + left..][..line.len()].copy_from_slice(line);
        }
        centred
    }

    /// Area averaging: each new pixel is the mean of what it covers, stretched so that the
    /// brightest is 255.
    fn resampled(&self, frame: &Frame, height: usize, width: usize) -> Self {
        let mut means = Vec::with_capacity(height * width);
        for y in 0..height {
            for x in 0..width {
                let mut mean = 0.0;
                for (line, part) in coverage(y, frame.height, height) {
                    for (column, share) in coverage(x, frame.width, width) {
                        mean += part
                            * share
                            * f64::from(self.at(frame.top + line, frame.left + column));
                    }
                }
                means.push(mean);
            }
        }
        let brightest = means.iter().fold(f64::MIN_POSITIVE, |brightest, &mean| {
            f64::max(brightest, mean)
        });
        let values = means
            .into_iter()
            .map(|mean| (mean / brightest * 255.0).round() as u8)
            .collect();
        Self {
            height,
            width,
            values,
        }
    }

    /// Where the upper left corner goes so that the centre of mass comes to the middle of a larger
    /// picture.
    fn offset_to_centre(&self, height: usize, width: usize) -> (usize, usize) {
        let (mut mass, mut down, mut across) = (0.0, 0.0, 0.0);
        for (place, &value) in self.values.iter().enumerate() {
            let value = f64::from(value);
            mass += value;
            down += value * ((place / self.width) as f64 + 0.5);
            across += value * ((place % self.width) as f64 + 0.5);
        }
        let corner = |moment: f64, side: usize, own: usize| {
            let offset = side as f64 / 2.0 - moment / f64::max(mass, 1.0);
            (offset.round().max(0.0) as usize).min(side - own)
        };
        (
            corner(down, height, self.height),
            corner(across, width, self.width),
        )
    }
}

/// The old pixels that a new one covers when `from` become `to`, each with its share; the shares
/// sum to 1.
fn coverage(index: usize, from: usize, to: usize) -> impl Iterator<Item = (usize, f64)> {
    let ratio = from as f64 / to as f64;
    let (start, end) = (
        index as f64 * ratio,
        ((index + 1) as f64 * ratio).min(from as f64),
    );
    (start as usize..(end.ceil() as usize).min(from)).map(move |old| {
        let covered = end.min((old + 1) as f64) - start.max(old as f64);
        (old, covered / (end - start))
    })
}
