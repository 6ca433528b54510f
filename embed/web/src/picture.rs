//! Pictures: digits read as `bernet predict` reads them, by the same code, and any picture scaled.

// What only the reading of files needs is not called here.
#[path = "../../../src/data/picture/digit.rs"]
mod digit;
#[path = "../../../src/data/picture/grey.rs"]
mod grey;
#[path = "../../../src/data/picture/mask.rs"]
mod mask;
#[path = "../../../src/data/picture/paper.rs"]
mod paper;

use crate::object;
use grey::{Frame, Grey};
use js_sys::{Object, Uint8Array};
use wasm_bindgen::{JsError, prelude::wasm_bindgen};

/// Most pixels of a picture.
const MOST_PIXELS: usize = 12 << 20;

/// Most pixels of a side of what is made of it.
const MOST_SIDE: usize = 4096;

/// The digit of a picture of red, green, blue and alpha, as MNIST's digits are: `{ pixels, inverted }`.
#[wasm_bindgen(js_name = readDigit)]
pub fn read_digit(
    rgba: &[u8],
    size: &[usize],
    height: usize,
    width: usize,
) -> Result<Object, JsError> {
    let [lines, columns] = check(rgba, size, [height, width])?;
    let pixels = rgba.chunks_exact(4);
    let mut picture = Grey {
        height: lines,
        width: columns,
        values: pixels.clone().map(paper::luma).collect(),
    };
    let alpha: Vec<u8> = pixels.map(|pixel| pixel[3]).collect();
    if alpha.iter().any(|&alpha| alpha < 255) {
        paper::lay_on_paper(&mut picture, &alpha).map_err(|text| JsError::new(&text))?;
    }
    let digit = digit::extract(picture, height, width)
        .ok_or_else(|| JsError::new("no ink: no pixel differs enough from the paper around it"))?;
    Ok(object([
        ("pixels", Uint8Array::from(&digit.values[..]).into()),
        ("inverted", digit.inverted.into()),
    ]))
}

/// A picture of red, green, blue and alpha, by area averaging: grey for 1 channel, colours for 3, and
/// on white where it is transparent.
#[wasm_bindgen(js_name = scalePicture)]
pub fn scale_picture(
    rgba: &[u8],
    size: &[usize],
    height: usize,
    width: usize,
    channels: usize,
) -> Result<Vec<u8>, JsError> {
    let [lines, columns] = check(rgba, size, [height, width])?;
    let frame = Frame {
        top: 0.0,
        left: 0.0,
        height: lines as f64,
        width: columns as f64,
    };
    let opaque: Vec<[u8; 3]> = rgba.chunks_exact(4).map(on_white).collect();
    let scaled = |value: &dyn Fn(&[u8; 3]) -> u8| {
        let values = opaque.iter().map(value).collect();
        let picture = Grey {
            height: lines,
            width: columns,
            values,
        };
        picture.resampled(frame, height, width)
    };
    let planes = match channels {
        1 => vec![scaled(&|colour| paper::luma(colour))],
        3 => (0..3).map(|at| scaled(&|colour| colour[at])).collect(),
        _ => {
            return Err(JsError::new(&format!(
                "a picture: expected an input of 1 or 3 channels, found {channels}"
            )));
        }
    };
    let places = 0..height * width;
    let pixels = places.flat_map(|at| planes.iter().map(move |plane| plane[at].round() as u8));
    Ok(pixels.collect())
}

/// A pixel before white paper.
fn on_white(pixel: &[u8]) -> [u8; 3] {
    let alpha = u32::from(pixel[3]);
    [0, 1, 2].map(|at| ((u32::from(pixel[at]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
}

/// Height and width of a picture, which has as many bytes, and is to be brought to a size.
fn check(rgba: &[u8], size: &[usize], wanted: [usize; 2]) -> Result<[usize; 2], JsError> {
    let &[height, width] = size else {
        return Err(JsError::new("a picture: expected height and width"));
    };
    let pixels = height.saturating_mul(width);
    if pixels == 0 || pixels > MOST_PIXELS {
        return Err(JsError::new(&format!(
            "a picture: expected 1 to {MOST_PIXELS} pixels, found {width}×{height}"
        )));
    }
    if rgba.len() != 4 * pixels {
        return Err(JsError::new(&format!(
            "a picture of {width}×{height} pixels: expected {} bytes, found {}",
            4 * pixels,
            rgba.len()
        )));
    }
    if wanted.iter().any(|side| !(1..=MOST_SIDE).contains(side)) {
        let [high, wide] = wanted;
        return Err(JsError::new(&format!(
            "size of the result: expected sides of 1 to {MOST_SIDE}, found {wide}×{high}"
        )));
    }
    Ok([height, width])
}
