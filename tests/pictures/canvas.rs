//! Ink on a rectangle of pixels, and the PNG files that it makes.

use bernet::data::Dataset;
use png::{BitDepth, ColorType, Encoder};

/// Ink between 0 and 1 on a rectangle of pixels.
#[derive(Clone)]
pub(crate) struct Canvas {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) ink: Vec<f32>,
}

impl Canvas {
    /// A digit whose 28×28 pixels become squares of `side`, with soft edges, its upper left corner
    /// at a place.
    pub(crate) fn new(
        digit: &Dataset,
        [height, width]: [usize; 2],
        side: f32,
        [top, left]: [f32; 2],
    ) -> Self {
        let dot = |y: i32, x: i32| {
            let inside = (0..28).contains(&y) && (0..28).contains(&x);
            f32::from(inside && digit.images().get(0, y as usize, x as usize, 0))
        };
        let value = |y: usize, x: usize| {
            let (y, x) = (
                (y as f32 + 0.5 - top) / side - 0.5,
                (x as f32 + 0.5 - left) / side - 0.5,
            );
            if side <= 1.0 {
                return dot(y.round() as i32, x.round() as i32);
            }
            let (line, column) = (y.floor(), x.floor());
            let (down, across) = (y - line, x - column);
            let (line, column) = (line as i32, column as i32);
            let row = |y| dot(y, column) * (1.0 - across) + dot(y, column + 1) * across;
            let soft = row(line) * (1.0 - down) + row(line + 1) * down;
            // Steeper than interpolation: an edge of about a third of a dot.
            ((soft - 0.5) * 3.0 + 0.5).clamp(0.0, 1.0)
        };
        let ink = (0..height * width).map(|at| value(at / width, at % width));
        Self {
            height,
            width,
            ink: ink.collect(),
        }
    }

    /// The digit in the middle, as large as fits with MNIST's margins.
    pub(crate) fn fitted(digit: &Dataset, size: usize) -> Self {
        Self::new(digit, [size; 2], size as f32 / 28.0, [0.0; 2])
    }

    /// Grey values: a function of ink, line and column.
    pub(crate) fn grey(&self, value: impl Fn(f32, usize, usize) -> f32) -> Vec<f32> {
        let places = (0..self.ink.len()).map(|at| (at / self.width, at % self.width));
        let values = self.ink.iter().zip(places);
        values
            .map(|(&ink, (y, x))| value(ink, y, x).clamp(0.0, 255.0))
            .collect()
    }

    /// The rectangle around the ink, with a margin.
    pub(crate) fn cropped(&self, margin: usize) -> Self {
        let lines: Vec<_> = self.ink.chunks(self.width).collect();
        let has_ink = |x: usize| lines.iter().any(|line| line[x] > 0.5);
        let in_line = |y: &usize| lines[*y].iter().any(|&ink| ink > 0.5);
        let top = (0..self.height)
            .find(in_line)
            .unwrap()
            .saturating_sub(margin);
        let bottom = ((0..self.height).rfind(in_line).unwrap() + 1 + margin).min(self.height);
        let left = (0..self.width)
            .find(|&x| has_ink(x))
            .unwrap()
            .saturating_sub(margin);
        let right = ((0..self.width).rfind(|&x| has_ink(x)).unwrap() + 1 + margin).min(self.width);
        let part = lines[top..bottom].iter();
        Self {
            height: bottom - top,
            width: right - left,
            ink: part
                .flat_map(|line| line[left..right].iter().copied())
                .collect(),
        }
    }

    /// The canvas with ink wherever a function says so.
    pub(crate) fn with(mut self, is_ink: impl Fn(usize, usize) -> bool) -> Self {
        let width = self.width;
        for (at, ink) in self.ink.iter_mut().enumerate() {
            if is_ink(at / width, at % width) {
                *ink = 1.0;
            }
        }
        self
    }

    /// A PNG of samples, `channels` a pixel, each of `depth` bits.
    pub(crate) fn png(
        &self,
        color: ColorType,
        depth: BitDepth,
        samples: &[u32],
        edit: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
    ) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(color);
        encoder.set_depth(depth);
        edit(&mut encoder);
        let bits = depth as usize;
        let mut bytes = Vec::new();
        for line in samples.chunks(self.width * color.samples()) {
            match bits {
                16 => bytes.extend(line.iter().flat_map(|&value| (value as u16).to_be_bytes())),
                8 => bytes.extend(line.iter().map(|&value| value as u8)),
                _ => bytes.extend(line.chunks(8 / bits).map(|few| {
                    let shift = |at: usize| 8 - bits * (at + 1);
                    let parts = few.iter().enumerate();
                    parts.fold(0, |byte, (at, &value)| byte | (value as u8) << shift(at))
                })),
            }
        }
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&bytes))
            .expect("writes");
        file
    }

    /// An 8-bit grey PNG.
    pub(crate) fn png_grey(&self, value: impl Fn(f32, usize, usize) -> f32) -> Vec<u8> {
        let samples: Vec<u32> = self
            .grey(value)
            .iter()
            .map(|&value| value.round() as u32)
            .collect();
        self.png(ColorType::Grayscale, BitDepth::Eight, &samples, |_| ())
    }

    /// An 8-bit PNG of any colour type; a function of ink gives a pixel's samples.
    pub(crate) fn png_color<const N: usize>(
        &self,
        color: ColorType,
        pixel: impl Fn(f32, usize, usize) -> [f32; N],
    ) -> Vec<u8> {
        let places = (0..self.ink.len()).map(|at| (at / self.width, at % self.width));
        let pixels = self.ink.iter().zip(places);
        let samples: Vec<u32> = pixels
            .flat_map(|(&ink, (y, x))| pixel(ink, y, x).map(|value| value.round() as u32))
            .collect();
        self.png(color, BitDepth::Eight, &samples, |_| ())
    }
}

/// A number in −1 … 1 that differs from pixel to pixel.
pub(crate) fn noise(y: usize, x: usize, seed: u32) -> f32 {
    let mut hash =
        (y as u32).wrapping_mul(0x9e37_79b9) ^ (x as u32).wrapping_mul(0x85eb_ca6b) ^ seed;
    for _ in 0..2 {
        hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
        hash = (hash ^ hash >> 12).wrapping_mul(0x297a_2d39);
    }
    (hash ^ hash >> 15) as f32 / u32::MAX as f32 * 2.0 - 1.0
}

/// Between two values.
pub(crate) fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// A canvas whose strokes lose `depth` pixels at each side; where that would break a stroke, they
/// stay.
pub(crate) fn thinned(canvas: Canvas, depth: usize) -> Canvas {
    let (height, width) = (canvas.height, canvas.width);
    let mut ink: Vec<bool> = canvas.ink.iter().map(|&ink| ink > 0.5).collect();
    let at = |ink: &[bool], y: usize, x: usize| y < height && x < width && ink[y * width + x];
    for _ in 0..depth {
        // One side after another, so that lines of two pixels are not lost at once. Source: Zhang,
        // Suen 1984.
        for pass in 0..2 {
            let before = ink.clone();
            for y in 1..height - 1 {
                for x in 1..width - 1 {
                    if !at(&before, y, x) {
                        continue;
                    }
                    let ring = [
                        at(&before, y - 1, x),
                        at(&before, y - 1, x + 1),
                        at(&before, y, x + 1),
                        at(&before, y + 1, x + 1),
                        at(&before, y + 1, x),
                        at(&before, y + 1, x - 1),
                        at(&before, y, x - 1),
                        at(&before, y - 1, x - 1),
                    ];
                    let count = ring.iter().filter(|&&ink| ink).count();
                    let rises = (0..8).filter(|&k| !ring[k] && ring[(k + 1) % 8]).count();
                    let [up, right, down, left] = [ring[0], ring[2], ring[4], ring[6]];
                    let free = match pass {
                        0 => !(right && down && (up || left)),
                        _ => !(up && left && (right || down)),
                    };
                    if (2..=6).contains(&count) && rises == 1 && free {
                        ink[y * width + x] = false;
                    }
                }
            }
        }
    }
    Canvas {
        ink: ink.into_iter().map(f32::from).collect(),
        ..canvas
    }
}
