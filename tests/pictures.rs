//! Pictures of more than sixty kinds, each with its right digit.
//!
//! Each kind draws embedded test digits another way: sizes, colours, depths, transparency, paper, light,
//! frames, noise. `models/mnist.bnet` must read every digit of every kind.
//! `BERNET_PICTURES=100 cargo test --release --test pictures -- --nocapture` takes so many digits, right
//! or not on the original, and prints the share that is read right in each kind.

use bernet::{
    classify::Classifier,
    data::{Dataset, decode_digit_png, load_embedded},
};
use bernet_kernels::isa::Level;
use bernet_runtime::format;
use png::{BitDepth, ColorType, Encoder};
use std::path::Path;

/// Ink between 0 and 1 on a rectangle of pixels.
#[derive(Clone)]
struct Canvas {
    height: usize,
    width: usize,
    ink: Vec<f32>,
}

impl Canvas {
    /// A digit whose 28×28 pixels become squares of `side`, with soft edges, its upper left corner at a place.
    fn new(digit: &Dataset, [height, width]: [usize; 2], side: f32, [top, left]: [f32; 2]) -> Self {
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
    fn fitted(digit: &Dataset, size: usize) -> Self {
        Self::new(digit, [size; 2], size as f32 / 28.0, [0.0; 2])
    }

    /// Grey values: a function of ink, line and column.
    fn grey(&self, value: impl Fn(f32, usize, usize) -> f32) -> Vec<f32> {
        let places = (0..self.ink.len()).map(|at| (at / self.width, at % self.width));
        let values = self.ink.iter().zip(places);
        values
            .map(|(&ink, (y, x))| value(ink, y, x).clamp(0.0, 255.0))
            .collect()
    }

    /// The rectangle around the ink, with a margin.
    fn cropped(&self, margin: usize) -> Self {
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
    fn with(mut self, is_ink: impl Fn(usize, usize) -> bool) -> Self {
        let width = self.width;
        for (at, ink) in self.ink.iter_mut().enumerate() {
            if is_ink(at / width, at % width) {
                *ink = 1.0;
            }
        }
        self
    }

    /// A PNG of samples, `channels` a pixel, each of `depth` bits.
    fn png(
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
    fn png_grey(&self, value: impl Fn(f32, usize, usize) -> f32) -> Vec<u8> {
        let samples: Vec<u32> = self
            .grey(value)
            .iter()
            .map(|&value| value.round() as u32)
            .collect();
        self.png(ColorType::Grayscale, BitDepth::Eight, &samples, |_| ())
    }

    /// An 8-bit PNG of any colour type; a function of ink gives a pixel's samples.
    fn png_color<const N: usize>(
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
fn noise(y: usize, x: usize, seed: u32) -> f32 {
    let mut hash =
        (y as u32).wrapping_mul(0x9e37_79b9) ^ (x as u32).wrapping_mul(0x85eb_ca6b) ^ seed;
    for _ in 0..2 {
        hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
        hash = (hash ^ hash >> 12).wrapping_mul(0x297a_2d39);
    }
    (hash ^ hash >> 15) as f32 / u32::MAX as f32 * 2.0 - 1.0
}

/// Between two values.
fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

type Draw = Box<dyn Fn(&Dataset) -> Vec<u8>>;

/// Every kind of picture, by name.
fn kinds() -> Vec<(String, Draw)> {
    let mut kinds: Vec<(String, Draw)> = Vec::new();
    let mut add = |name: String, draw: Draw| kinds.push((name, draw));
    let dark = |ink: f32| 255.0 * (1.0 - ink);

    // Sizes and places.
    for size in [20, 28, 40, 64, 100, 300, 1100] {
        add(
            format!("{size} pixels"),
            Box::new(move |digit| Canvas::fitted(digit, size).png_grey(|ink, _, _| 255.0 * ink)),
        );
        add(
            format!("{size} pixels, inverted"),
            Box::new(move |digit| Canvas::fitted(digit, size).png_grey(|ink, _, _| dark(ink))),
        );
    }
    for (top, left) in [
        (-4.0, 0.0),
        (4.0, 0.0),
        (0.0, -4.0),
        (0.0, 4.0),
        (3.0, -3.0),
    ] {
        add(
            format!("28 pixels, shifted by {top}, {left}"),
            Box::new(move |digit| {
                Canvas::new(digit, [28; 2], 1.0, [top, left]).png_grey(|ink, _, _| dark(ink))
            }),
        );
    }
    for (place, name) in [([2.0, 2.0], "upper left"), ([150.0, 160.0], "lower right")] {
        add(
            format!("small, {name} on a page"),
            Box::new(move |digit| {
                Canvas::new(digit, [200, 210], 1.8, place).png_grey(|ink, _, _| dark(ink))
            }),
        );
    }
    for [height, width] in [[100, 300], [300, 100]] {
        add(
            format!("{width}×{height} pixels"),
            Box::new(move |digit| {
                let side = height.min(width) as f32 / 28.0;
                Canvas::new(digit, [height, width], side, [0.0; 2]).png_grey(|ink, _, _| dark(ink))
            }),
        );
    }
    for margin in [0, 1, 5] {
        add(
            format!("cut to the ink and {margin}"),
            Box::new(move |digit| {
                Canvas::fitted(digit, 84)
                    .cropped(margin)
                    .png_grey(|ink, _, _| dark(ink))
            }),
        );
        add(
            format!("cut to the ink and {margin}, bright on dark"),
            Box::new(move |digit| {
                Canvas::fitted(digit, 84)
                    .cropped(margin)
                    .png_grey(|ink, _, _| 255.0 * ink)
            }),
        );
    }

    // Colour types and depths.
    for (name, depth) in [
        ("1", BitDepth::One),
        ("2", BitDepth::Two),
        ("4", BitDepth::Four),
        ("16", BitDepth::Sixteen),
    ] {
        add(
            format!("grey of {name} bits"),
            Box::new(move |digit| {
                let canvas = Canvas::fitted(digit, 56);
                let most = ((1u32 << depth as u32) - 1) as f32;
                let samples: Vec<u32> = canvas
                    .ink
                    .iter()
                    .map(|ink| ((1.0 - ink) * most).round() as u32)
                    .collect();
                canvas.png(ColorType::Grayscale, depth, &samples, |_| ())
            }),
        );
    }
    for (name, paper, pen) in [
        ("black on white", [255.0; 3], [0.0; 3]),
        ("blue on white", [255.0; 3], [20.0, 40.0, 180.0]),
        ("red on white", [255.0; 3], [220.0, 30.0, 30.0]),
        ("black on yellow", [250.0, 230.0, 90.0], [30.0, 20.0, 10.0]),
        ("white on green", [20.0, 90.0, 50.0], [240.0; 3]),
        ("yellow on black", [0.0; 3], [255.0, 240.0, 0.0]),
    ] {
        add(
            format!("RGB, {name}"),
            Box::new(move |digit| {
                Canvas::fitted(digit, 70).png_color(ColorType::Rgb, |ink, _, _| {
                    std::array::from_fn::<_, 3, _>(|at| mix(paper[at], pen[at], ink))
                })
            }),
        );
    }
    add(
        "RGB of 16 bits".into(),
        Box::new(|digit| {
            let canvas = Canvas::fitted(digit, 56);
            let samples: Vec<u32> = canvas
                .ink
                .iter()
                .flat_map(|ink| [mix(65535.0, 700.0, *ink) as u32; 3])
                .collect();
            canvas.png(ColorType::Rgb, BitDepth::Sixteen, &samples, |_| ())
        }),
    );
    for (bits, depth) in [
        (1u32, BitDepth::One),
        (2, BitDepth::Two),
        (4, BitDepth::Four),
        (8, BitDepth::Eight),
    ] {
        for clear in [false, true] {
            let name = if clear { ", transparent paper" } else { "" };
            add(
                format!("palette of {bits} bits{name}"),
                Box::new(move |digit| {
                    let canvas = Canvas::fitted(digit, 56);
                    let most = (1u32 << bits) - 1;
                    let samples: Vec<u32> = canvas
                        .ink
                        .iter()
                        .map(|ink| (ink * most as f32).round() as u32)
                        .collect();
                    // From white to a dark blue; where the paper is transparent, everything is that blue.
                    let palette: Vec<u8> = (0..=most)
                        .flat_map(|at| {
                            let ink = if clear { 1.0 } else { at as f32 / most as f32 };
                            [10.0, 20.0, 90.0].map(|pen| mix(255.0, pen, ink) as u8)
                        })
                        .collect();
                    let alpha: Vec<u8> = (0..=most).map(|at| (at * 255 / most) as u8).collect();
                    canvas.png(ColorType::Indexed, depth, &samples, |encoder| {
                        encoder.set_palette(palette);
                        if clear {
                            encoder.set_trns(alpha);
                        }
                    })
                }),
            );
        }
    }

    // Transparency.
    for (name, pen) in [
        ("black", 0.0),
        ("white", 255.0),
        ("dark grey", 70.0),
        ("bright grey", 190.0),
    ] {
        for size in [28, 90] {
            add(
                format!("{name} ink on transparency, {size} pixels"),
                Box::new(move |digit| {
                    Canvas::fitted(digit, size)
                        .png_color(ColorType::Rgba, |ink, _, _| [pen, pen, pen, 255.0 * ink])
                }),
            );
        }
    }
    add(
        "grey and alpha, faint black ink".into(),
        Box::new(|digit| {
            Canvas::fitted(digit, 60)
                .png_color(ColorType::GrayscaleAlpha, |ink, _, _| [0.0, 110.0 * ink])
        }),
    );
    add(
        "antialiased with white, then cut out".into(),
        Box::new(|digit| {
            Canvas::fitted(digit, 80).png_color(ColorType::Rgba, |ink, _, _| {
                let grey = 255.0 * (1.0 - ink);
                [grey, grey, grey, if ink > 0.05 { 255.0 } else { 0.0 }]
            })
        }),
    );
    add(
        "a white card with transparent corners".into(),
        Box::new(|digit| {
            Canvas::fitted(digit, 80).png_color(ColorType::Rgba, |ink, y, x| {
                let grey = 255.0 * (1.0 - ink);
                let corner = y.min(79 - y) + x.min(79 - x) < 12;
                [grey, grey, grey, if corner { 0.0 } else { 255.0 }]
            })
        }),
    );
    for (name, paper, pen) in [
        ("white", 255u16, 0.0),
        ("grey", 200, 20.0),
        ("black", 0, 255.0),
    ] {
        add(
            format!("{name} declared transparent"),
            Box::new(move |digit| {
                let canvas = Canvas::fitted(digit, 60);
                let samples: Vec<u32> = canvas
                    .ink
                    .iter()
                    .map(|&ink| mix(paper.into(), pen, ink).round() as u32)
                    .collect();
                canvas.png(ColorType::Grayscale, BitDepth::Eight, &samples, |encoder| {
                    encoder.set_trns(paper.to_be_bytes().to_vec());
                })
            }),
        );
    }

    // Paper and light.
    for (paper, pen) in [(200.0, 60.0), (120.0, 20.0), (255.0, 180.0), (100.0, 60.0)] {
        add(
            format!("ink {pen} on paper {paper}"),
            Box::new(move |digit| {
                Canvas::fitted(digit, 56).png_grey(|ink, _, _| mix(paper, pen, ink))
            }),
        );
        add(
            format!("ink {paper} on paper {pen}"),
            Box::new(move |digit| {
                Canvas::fitted(digit, 56).png_grey(|ink, _, _| mix(pen, paper, ink))
            }),
        );
    }
    type Light = fn(f32, f32) -> f32;
    let lights: [(&str, Light); 8] = [
        ("from the left", |_, x| mix(1.0, 0.35, x)),
        ("from below", |y, _| mix(0.35, 1.0, y)),
        ("from a corner", |y, x| mix(1.0, 0.3, (x + y) / 2.0)),
        ("from the middle", |y, x| {
            1.0 - 1.2 * ((y - 0.5).powi(2) + (x - 0.5).powi(2))
        }),
        ("from a corner, falling fast", |y, x| {
            1.0 / (1.0 + 2.0 * (x * x + y * y))
        }),
        (
            "with half in shadow",
            |_, x| if x < 0.5 { 0.45 } else { 1.0 },
        ),
        ("with the lower part in shadow", |y, _| {
            if y > 0.6 { 0.5 } else { 1.0 }
        }),
        ("with a soft shadow across", |y, x| {
            1.0 - 0.5 / (1.0 + ((y - x) * 20.0).exp())
        }),
    ];
    for (name, light) in lights {
        for size in [28, 112] {
            add(
                format!("light {name}, {size} pixels"),
                Box::new(move |digit| {
                    let part = move |at: usize| (at as f32 + 0.5) / size as f32;
                    Canvas::fitted(digit, size)
                        .png_grey(|ink, y, x| mix(250.0, 50.0, ink) * light(part(y), part(x)))
                }),
            );
        }
    }
    add(
        "chalk on an unevenly lit board".into(),
        Box::new(|digit| {
            Canvas::fitted(digit, 112)
                .png_grey(|ink, y, x| mix(20.0 + (x + y) as f32 / 2.0, 240.0, ink))
        }),
    );
    add(
        "a darker ink at constant grey on a gradient".into(),
        Box::new(|digit| {
            Canvas::fitted(digit, 112).png_grey(|ink, _, x| mix(110.0 + x as f32, 40.0, ink))
        }),
    );

    // Frames and edges.
    for (inset, thick) in [(0, 1), (0, 2), (2, 1), (3, 2)] {
        for size in [44, 120] {
            add(
                format!("a frame of {thick}, {inset} from the edge, {size} pixels"),
                Box::new(move |digit| {
                    let canvas = Canvas::new(
                        digit,
                        [size; 2],
                        size as f32 / 34.0,
                        [size as f32 * 0.09; 2],
                    );
                    let near = move |at: usize| {
                        let edge = at.min(size - 1 - at);
                        (edge >= inset, edge < inset + thick)
                    };
                    canvas
                        .with(|y, x| {
                            let ((in_y, on_y), (in_x, on_x)) = (near(y), near(x));
                            in_y && in_x && (on_y || on_x)
                        })
                        .png_grey(|ink, _, _| dark(ink))
                }),
            );
        }
    }
    type Edge = fn(usize, usize) -> bool;
    let edges: [(&str, Edge); 6] = [
        ("a line at the left edge", |_, x| x < 2),
        ("a line at the top", |y, _| y < 1),
        ("lines at the right and below", |y, x| y > 97 || x > 97),
        ("a line near the bottom", |y, _| y == 95),
        ("lines above and below", |y, _| !(2..98).contains(&y)),
        ("a box around the digit", |y, x| {
            let on = |at: usize| at == 6 || at == 93;
            (6..94).contains(&y) && (6..94).contains(&x) && (on(y) || on(x))
        }),
    ];
    for (name, edge) in edges {
        add(
            name.into(),
            Box::new(move |digit| {
                Canvas::new(digit, [100; 2], 3.0, [8.0; 2])
                    .with(edge)
                    .png_grey(|ink, _, _| dark(ink))
            }),
        );
    }
    add(
        "a bright frame on a dark picture".into(),
        Box::new(|digit| {
            Canvas::new(digit, [100; 2], 3.0, [8.0; 2])
                .with(|y, x| y.min(99 - y).min(x.min(99 - x)) < 2)
                .png_grey(|ink, _, _| 255.0 * ink)
        }),
    );
    add(
        "a white edge around grey paper".into(),
        Box::new(|digit| {
            Canvas::new(digit, [100; 2], 3.0, [8.0; 2]).png_grey(|ink, y, x| {
                if y.min(99 - y).min(x.min(99 - x)) < 3 {
                    255.0
                } else {
                    mix(170.0, 30.0, ink)
                }
            })
        }),
    );

    // Noise.
    for size in [28, 84] {
        for strength in [20.0, 50.0] {
            add(
                format!("noise of ±{strength}, {size} pixels"),
                Box::new(move |digit| {
                    Canvas::fitted(digit, size)
                        .png_grey(|ink, y, x| mix(200.0, 40.0, ink) + strength * noise(y, x, 1))
                }),
            );
        }
        add(
            format!("specks, {size} pixels"),
            Box::new(move |digit| {
                Canvas::fitted(digit, size).png_grey(|ink, y, x| {
                    if noise(y, x, 2) > 0.98 {
                        0.0
                    } else {
                        dark(ink)
                    }
                })
            }),
        );
        add(
            format!("salt and pepper, {size} pixels"),
            Box::new(move |digit| {
                Canvas::fitted(digit, size).png_grey(|ink, y, x| match noise(y, x, 3) {
                    noise if noise > 0.98 => 0.0,
                    noise if noise < -0.98 => 255.0,
                    _ => mix(230.0, 30.0, ink),
                })
            }),
        );
    }
    add(
        "noise on a gradient with a frame".into(),
        Box::new(|digit| {
            Canvas::new(digit, [100; 2], 3.0, [8.0; 2])
                .with(|y, x| y.min(99 - y).min(x.min(99 - x)) < 2)
                .png_grey(|ink, y, x| {
                    mix(250.0 - 1.2 * x as f32, 30.0, ink) + 12.0 * noise(y, x, 4)
                })
        }),
    );

    // Pens.
    for width in [0.4, 0.5, 0.7] {
        add(
            format!("a thin pen, {width}"),
            Box::new(move |digit| {
                // Only what is well inside a stroke remains of it.
                let mut canvas = Canvas::new(digit, [400; 2], 400.0 / 28.0, [0.0; 2]);
                canvas = thinned(canvas, ((1.0 - width) * 14.0) as usize);
                canvas.png_grey(|ink, _, _| dark(ink))
            }),
        );
    }
    kinds
}

/// A canvas whose strokes lose `depth` pixels at each side; where that would break a stroke, they stay.
fn thinned(canvas: Canvas, depth: usize) -> Canvas {
    let (height, width) = (canvas.height, canvas.width);
    let mut ink: Vec<bool> = canvas.ink.iter().map(|&ink| ink > 0.5).collect();
    let at = |ink: &[bool], y: usize, x: usize| y < height && x < width && ink[y * width + x];
    for _ in 0..depth {
        // One side after another, so that lines of two pixels are not lost at once. Source: Zhang, Suen 1984.
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

/// What the net says of a picture, by name for a failure.
fn read(classifier: &mut Classifier, picture: &[u8]) -> Result<usize, String> {
    let digit = decode_digit_png(Path::new("digit.png"), picture, 28, 28, 128)
        .map_err(|error| error.to_string())?;
    let said = classifier
        .pictures(&digit.grey)
        .and_then(|images| classifier.classify(&images))
        .map_err(|error| error.to_string())?;
    Ok(said[0].class)
}

#[test]
fn every_kind_of_picture_is_read() {
    let kinds = kinds();
    assert!(kinds.len() >= 60, "{} kinds", kinds.len());
    let graph = format::read("models/mnist.bnet").unwrap();
    let mut classifier = Classifier::new(&graph, Level::best()).unwrap();
    let test = load_embedded().test;
    let asked = std::env::var("BERNET_PICTURES").ok();
    let places: Vec<usize> = match asked.as_deref() {
        Some(count) => (0..count.parse().expect("a number")).collect(),
        None => {
            // For each class the first digit that the net is sure of: the pictures are tried, not the net.
            let images = classifier.images(&test).unwrap();
            let said = classifier.classify(&images).unwrap();
            let is_sure = |class: u8, place: &usize| {
                test.labels()[*place] == class
                    && said[*place].class == usize::from(class)
                    && said[*place].margin >= 150.0
            };
            let first = |class| (0..test.len()).find(|place| is_sure(class, place));
            (0..10)
                .map(|class| first(class).expect("a sure one"))
                .collect()
        }
    };
    let mut wrong = Vec::new();
    for (name, draw) in &kinds {
        let mut right = 0;
        for &place in &places {
            let label = usize::from(test.labels()[place]);
            match read(&mut classifier, &draw(&test.select(&[place]))) {
                Ok(class) if class == label => right += 1,
                said => wrong.push(format!("{name}: {label} is read as {said:?}")),
            }
        }
        if asked.is_some() {
            println!(
                "{:5.1} % {name}",
                100.0 * f64::from(right) / places.len() as f64
            );
        }
    }
    if asked.is_none() {
        println!(
            "{} kinds, {} pictures",
            kinds.len(),
            kinds.len() * places.len()
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
