//! A picture as it is, scaled to the size that a net reads.

use super::{
    Decoded, Error, decode,
    grey::{Frame, Grey},
    luma, open,
};
use png::ColorType;
use std::{
    io::{BufRead, Cursor, Seek},
    path::Path,
};

/// A picture, scaled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlainPicture {
    /// `height · width · channels` bytes in the order line, pixel, channel.
    pub pixels: Vec<u8>,
    /// Height and width of the picture in its file.
    pub size: (usize, usize),
}

/// Reads a picture from a PNG file of any kind and size: one channel is grey, three are red, green
/// and blue.
///
/// The whole picture is scaled to `height × width` by area averaging, whatever its proportions.
/// Transparent parts show white.
///
/// ```
/// use bernet::data::read_png;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("two.png"); // a red and a blue pixel
/// let mut encoder = png::Encoder::new(std::fs::File::create(&path)?, 2, 1);
/// encoder.set_color(png::ColorType::Rgb);
/// encoder.write_header()?.write_image_data(&[255, 0, 0, 0, 0, 101])?;
///
/// let picture = read_png(&path, [1, 1, 3])?;
/// assert_eq!((picture.pixels, picture.size), (vec![128, 0, 51], (1, 2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Mismatch`] where a size is 0 or the channels are neither 1 nor 3; [`Error::Io`] where
/// the file cannot be opened; [`Error::Picture`] where it is not a PNG, is damaged, or has more than
/// 12 Mi pixels.
pub fn read_png(path: &Path, shape: [usize; 3]) -> Result<PlainPicture, Error> {
    read(path, || open(path), shape)
}

/// As [`read_png`], from a file in memory; the path is what errors call it.
///
/// # Errors
/// Those of [`read_png`], but [`Error::Io`].
pub fn decode_png(path: &Path, bytes: &[u8], shape: [usize; 3]) -> Result<PlainPicture, Error> {
    read(path, || Ok(Cursor::new(bytes)), shape)
}

/// A picture from a PNG file in red, green and blue, of its own size. Transparent parts show white.
///
/// # Errors
/// As [`read_png`].
pub(in super::super) fn read_png_as_it_is(path: &Path) -> Result<PlainPicture, Error> {
    let decoded = decode(open(path)?).map_err(|problem| Error::Picture {
        file: path.to_owned(),
        problem,
    })?;
    let planes = planes(&decoded, 3);
    let places = 0..decoded.height * decoded.width;
    let pixels = places.flat_map(|place| planes.iter().map(move |plane| plane.values[place]));
    Ok(PlainPicture {
        pixels: pixels.collect(),
        size: (decoded.height, decoded.width),
    })
}

fn read<R: BufRead + Seek>(
    path: &Path,
    open: impl FnOnce() -> Result<R, Error>,
    [height, width, channels]: [usize; 3],
) -> Result<PlainPicture, Error> {
    if height == 0 || width == 0 || !matches!(channels, 1 | 3) {
        return Err(Error::mismatch(
            "asked picture",
            "at least 1×1 pixels of 1 or 3 channels",
            format!("{height}×{width}×{channels}"),
        ));
    }
    let decoded = decode(open()?).map_err(|problem| Error::Picture {
        file: path.to_owned(),
        problem,
    })?;
    let size = (decoded.height, decoded.width);
    let whole = Frame {
        top: 0.0,
        left: 0.0,
        height: size.0 as f64,
        width: size.1 as f64,
    };
    let mut pixels = vec![0; height * width * channels];
    for (channel, plane) in planes(&decoded, channels).into_iter().enumerate() {
        let scaled = plane.resampled(whole, height, width);
        let places = pixels.iter_mut().skip(channel).step_by(channels);
        for (pixel, mean) in places.zip(scaled) {
            *pixel = mean.round() as u8;
        }
    }
    Ok(PlainPicture { pixels, size })
}

/// Grey, or red, green and blue, on white.
fn planes(decoded: &Decoded, channels: usize) -> Vec<Grey> {
    let step = decoded.colour.samples();
    let has_alpha = matches!(decoded.colour, ColorType::GrayscaleAlpha | ColorType::Rgba);
    let plane = |channel: usize| Grey {
        height: decoded.height,
        width: decoded.width,
        values: decoded
            .bytes
            .chunks_exact(step)
            .map(|pixel| {
                let value = match (step, channels) {
                    (1 | 2, _) => pixel[0],
                    (_, 1) => luma(pixel),
                    _ => pixel[channel],
                };
                let alpha = if has_alpha { pixel[step - 1] } else { u8::MAX };
                let (value, alpha) = (u32::from(value), u32::from(alpha));
                ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
            })
            .collect(),
    };
    (0..channels).map(plane).collect()
}
