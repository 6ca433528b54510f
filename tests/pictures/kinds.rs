//! The kinds of pictures.

use super::canvas::{Canvas, mix, noise, thinned};
use bernet::data::Dataset;
use png::{BitDepth, ColorType};

pub(crate) type Draw = Box<dyn Fn(&Dataset) -> Vec<u8>>;

/// Every kind of picture, by name.
pub(crate) fn kinds() -> Vec<(String, Draw)> {
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
