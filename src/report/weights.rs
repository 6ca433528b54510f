//! The weights of a layer as one picture, a bit a pixel.

use super::escape;
use std::fmt::Write;

/// Most pixels of a picture; of a larger layer the first units are shown.
const MOST_PIXELS: usize = 1 << 20;
/// More weights than this stand without gaps between their channels: the gaps would take more
/// bytes than the page should have.
const MOST_WITH_GAPS: usize = 1 << 16;
/// The page's text is so wide; pictures are enlarged up to this.
const WIDTH: usize = 688;
const HEIGHT: usize = 560;
const MOST_SCALE: usize = 8;
/// Pixels between units.
const GAP: usize = 2;

/// Colours of the picture: −1, +1, what lies between.
const PALETTE: [u8; 9] = [255, 255, 255, 0, 0, 0, 150, 150, 150];
const BETWEEN: u8 = 2;

/// Signs of weights: a block for each unit and in it a tile for each channel, as high and wide as
/// the kernel. Black is +1, white −1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Weights {
    /// Height and width in pixels; of each a number of the palette.
    size: [usize; 2],
    pixels: Vec<u8>,
    scale: usize,
    caption: String,
}

impl Weights {
    /// The picture of `units` units; `weight(unit, column)` says which of their weights are +1, in
    /// the order kernel line, kernel column, channel.
    ///
    /// # Panics
    /// Where there are no units or no weights.
    ///
    /// ```
    /// use bernet::report::Weights;
    ///
    /// let weights = Weights::new([2, 2], 1, 3, "three units", |unit, column| unit == column);
    /// assert!(weights.to_html().contains("src=\"data:image/png;base64,"));
    /// ```
    pub fn new(
        kernel: [usize; 2],
        channels: usize,
        units: usize,
        caption: impl Into<String>,
        weight: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let columns = kernel[0] * kernel[1] * channels;
        assert!(columns > 0 && units > 0, "a layer has weights");
        // A kernel of one pixel is a block of its channels.
        let (tile, tiles) = match kernel {
            [1, 1] => (near_square(channels), [1, 1]),
            _ => (kernel, near_square(channels)),
        };
        let gap = usize::from(units * columns <= MOST_WITH_GAPS);
        let block = [0, 1].map(|axis| tiles[axis] * (tile[axis] + gap) - gap);
        let shown = units.min(MOST_PIXELS / ((block[0] + GAP) * (block[1] + GAP)).max(1));
        let (grid, scale) = layout(block, shown.max(1));
        let size = [0, 1].map(|axis| grid[axis] * (block[axis] + GAP) - GAP);
        let mut pixels = vec![BETWEEN; size[0] * size[1]];
        for unit in 0..shown {
            let top = unit / grid[1] * (block[0] + GAP);
            let left = unit % grid[1] * (block[1] + GAP);
            for column in 0..columns {
                // In a kernel of one pixel, the channels are the pixels of the one tile.
                let (at, channel) = match kernel {
                    [1, 1] => (column, 0),
                    _ => (column / channels, column % channels),
                };
                let place = [at / tile[1], at % tile[1]];
                let which = [channel / tiles[1], channel % tiles[1]];
                let y = top + which[0] * (tile[0] + gap) + place[0];
                let x = left + which[1] * (tile[1] + gap) + place[1];
                pixels[y * size[1] + x] = u8::from(weight(unit, column));
            }
        }
        let mut caption = caption.into();
        if shown < units {
            write!(caption, "; the first {shown} of {units} units").expect("a string takes it");
        }
        Self {
            size,
            pixels,
            scale,
            caption,
        }
    }

    /// A `<figure>`: the picture is in the page itself, as PNG in base 64.
    pub fn to_html(&self) -> String {
        let [height, width] = self.size.map(|side| side * self.scale);
        let (caption, data) = (escape(&self.caption), base64(&self.png()));
        format!(
            "<figure><img alt=\"{caption}\" width=\"{width}\" height=\"{height}\" src=\"data:image/png;base64,{data}\"/>\
             <figcaption>{caption}</figcaption></figure>\n"
        )
    }

    /// Two bits a pixel. Deflate finds nothing in the weights but that one of the bits is 0.
    fn png(&self) -> Vec<u8> {
        let [height, width] = self.size;
        let lines = self.pixels.chunks(width);
        let packed: Vec<u8> = lines
            .flat_map(|line| {
                line.chunks(4).map(|four| {
                    let shifted = four.iter().zip([6, 4, 2, 0]);
                    shifted.fold(0, |byte, (pixel, shift)| byte | pixel << shift)
                })
            })
            .collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Two);
        encoder.set_palette(&PALETTE[..]);
        encoder.set_compression(png::Compression::High);
        encoder.set_filter(png::Filter::NoFilter);
        let written = encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&packed));
        written.expect("the picture is as large as it says, and memory takes it");
        file
    }
}

/// Lines and columns for so many things: a rectangle that is near a square, full if one is.
fn near_square(count: usize) -> [usize; 2] {
    let root = (1..=count).find(|side| side * side >= count).unwrap_or(1);
    let columns = (root..=2 * root).find(|&columns| count.is_multiple_of(columns));
    let columns = columns.unwrap_or(root);
    [count.div_ceil(columns), columns]
}

/// Lines and columns of blocks, and by how much they are enlarged: as much as the page has room for,
/// or one step less if that makes all lines full.
fn layout(block: [usize; 2], units: usize) -> ([usize; 2], usize) {
    let sides = |columns: usize| {
        let grid = [units.div_ceil(columns), columns];
        [0, 1].map(|axis| grid[axis] * (block[axis] + GAP) - GAP)
    };
    let fits = |columns: usize, scale: usize| {
        let [height, width] = sides(columns);
        scale * height <= HEIGHT && scale * width <= WIDTH
    };
    let most = |scale: usize| ((WIDTH / scale + GAP) / (block[1] + GAP)).clamp(1, units);
    let full = |scale: usize| {
        let columns = (1..=most(scale)).rev();
        let mut full = columns.filter(|&columns| units.is_multiple_of(columns));
        full.find(|&columns| fits(columns, scale))
    };
    // Of what is too large in any case, as much as possible side by side.
    let scale = (1..=MOST_SCALE)
        .rev()
        .find(|&scale| fits(most(scale), scale));
    let scale = scale.unwrap_or(1);
    let candidates = [scale, (scale - 1).max(1)];
    let found = candidates
        .iter()
        .find_map(|&scale| Some((full(scale)?, scale)));
    let (columns, scale) = found.unwrap_or((most(scale), scale));
    ([units.div_ceil(columns), columns], scale)
}

/// Bytes as text, RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() {
                DIGITS[value as usize].into()
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
