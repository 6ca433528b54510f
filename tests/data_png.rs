//! Pictures of digits.

use bernet::data::{DigitPicture, Error, decode_digit_png, load_embedded, read_digit_png};
use png::{BitDepth, ColorType, Encoder};
use std::fs::{self, File};
use std::path::Path;

fn write(
    path: &Path,
    width: usize,
    height: usize,
    color: ColorType,
    depth: BitDepth,
    bytes: &[u8],
) {
    let file = File::create(path).expect("creates");
    let mut encoder = Encoder::new(file, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![0, 0, 0, 255, 255, 255]);
    }
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(bytes))
        .expect("writes");
}

/// The picture of a function of line and column, as read back.
fn read(
    width: usize,
    height: usize,
    color: ColorType,
    pixel: impl Fn(usize, usize) -> Vec<u8>,
) -> Result<DigitPicture, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("digit.png");
    let bytes: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .flat_map(|(y, x)| pixel(y, x))
        .collect();
    write(&path, width, height, color, BitDepth::Eight, &bytes);
    let text = |error: Error| {
        let path = path.display().to_string();
        error.to_string().replace(&path, "digit.png")
    };
    let digit = read_digit_png(&path, 28, 28, 128).map_err(text);
    let file = fs::read(&path).expect("reads");
    let decoded = decode_digit_png(&path, &file, 28, 28, 128).map_err(text);
    assert_eq!(decoded, digit);
    digit
}

fn ink(digit: &DigitPicture) -> Vec<(usize, usize)> {
    let places = (0..28).flat_map(|y| (0..28).map(move |x| (y, x)));
    places
        .filter(|&(y, x)| digit.image.get(0, y, x, 0))
        .collect()
}

/// First and last line, first and last column.
fn extent(digit: &DigitPicture) -> [usize; 4] {
    let ink = ink(digit);
    let (lines, columns) = (
        || ink.iter().map(|place| place.0),
        || ink.iter().map(|place| place.1),
    );
    [
        lines().min(),
        lines().max(),
        columns().min(),
        columns().max(),
    ]
    .map(|side| side.expect("ink"))
}

#[test]
fn a_digit_reads_alike_in_every_colour_type() {
    let mnist = load_embedded().test;
    for place in [0, 1, 8, 18] {
        let dot = |y, x| mnist.images().get(place, y, x, 0);
        let grey = |y, x| {
            if dot(y, x) {
                128 + (x * 4) as u8
            } else {
                (y * 2) as u8
            }
        };
        let pictures = [
            read(28, 28, ColorType::Grayscale, |y, x| vec![grey(y, x)]),
            read(28, 28, ColorType::Rgb, |y, x| vec![grey(y, x); 3]),
            read(28, 28, ColorType::Rgba, |y, x| {
                [[grey(y, x); 3].as_slice(), &[255]].concat()
            }),
            read(28, 28, ColorType::Rgba, |y, x| {
                vec![255, 255, 255, grey(y, x)]
            }),
            read(28, 28, ColorType::GrayscaleAlpha, |y, x| {
                vec![255, grey(y, x)]
            }),
            read(28, 28, ColorType::Grayscale, |y, x| vec![255 - grey(y, x)]),
        ];
        let pictures = pictures.map(|picture| picture.expect("a digit"));
        for (kind, picture) in pictures.iter().enumerate() {
            assert_eq!(picture.image, pictures[0].image, "kind {kind}");
            assert_eq!(picture.grey, pictures[0].grey, "kind {kind}");
            assert_eq!((picture.inverted, picture.size), (kind == 5, (28, 28)));
        }
        let [top, bottom, left, right] = extent(&pictures[0]);
        assert_eq!((bottom - top).max(right - left), 19, "20 pixels: {place}");
    }
}

/// 28×28 pixels are no exception: a digit in a corner is read as the same one in the middle.
#[test]
fn every_size_goes_the_same_way() {
    let mnist = load_embedded().test;
    for place in [0, 1, 8, 18] {
        let shifted = |down: usize, across: usize, size: usize| {
            read(size, size, ColorType::Grayscale, |y, x| {
                let inside = (down..down + 28).contains(&y) && (across..across + 28).contains(&x);
                let ink = inside && mnist.images().get(place, y - down, x - across, 0);
                vec![if ink { 0 } else { 255 }]
            })
            .expect("a digit")
            .image
        };
        let middle = shifted(0, 0, 28);
        for (down, across, size) in [(1, 2, 31), (0, 9, 40), (20, 3, 60)] {
            assert_eq!(
                shifted(down, across, size),
                middle,
                "{place} at {down}, {across}"
            );
        }
    }
}

#[test]
fn bit_depths_and_palettes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("digit.png");
    let bits: Vec<u8> = (0..28)
        .flat_map(|y| if y == 5 { [0x0f, 0xf0, 0, 0] } else { [0; 4] })
        .collect();
    for color in [ColorType::Grayscale, ColorType::Indexed] {
        write(&path, 28, 28, color, BitDepth::One, &bits);
        let line = read_digit_png(&path, 28, 28, 128).expect("a digit");
        // Eight pixels in a line become twenty, two or three high.
        assert_eq!(extent(&line), [13, 15, 4, 23]);
    }
    let deep: Vec<u8> = (0..28 * 28)
        .flat_map(|place| {
            if (144..152).contains(&place) {
                [0x90, 0]
            } else {
                [0x6f, 0xff]
            }
        })
        .collect();
    let color = ColorType::Grayscale;
    write(&path, 28, 28, color, BitDepth::Sixteen, &deep);
    let line = read_digit_png(&path, 28, 28, 128).expect("a digit");
    assert_eq!(extent(&line), [13, 15, 4, 23]);
}

/// What is transparent is paper: white around dark ink, black around bright ink, and what was declared so.
#[test]
fn transparent_parts_are_paper() {
    let is_ink = |y: usize, x: usize| (4..24).contains(&y) && (12..16).contains(&x);
    let bar = |ink: u8, paper: u8, alpha: u8| {
        let digit = read(28, 28, ColorType::GrayscaleAlpha, |y, x| {
            match is_ink(y, x) {
                true => vec![ink, 255],
                false => vec![paper, alpha],
            }
        });
        digit.expect("a digit")
    };
    for (ink, inverted) in [(0, true), (90, true), (180, false), (255, false)] {
        for hidden in [0, 255] {
            let digit = bar(ink, hidden, 0);
            assert_eq!(extent(&digit), [4, 23, 12, 15], "ink {ink} over {hidden}");
            assert_eq!(digit.inverted, inverted, "ink {ink} over {hidden}");
        }
    }
    assert_eq!(
        read(9, 9, ColorType::GrayscaleAlpha, |_, x| vec![x as u8, 0]),
        Err("digit.png: no ink: every pixel is transparent".to_owned())
    );
}

#[test]
fn large_pictures_are_scaled_and_centred() {
    // A dark bar of 60×200 pixels in a corner of a bright picture: 20 pixels high, 6 wide, its
    // centre in the middle.
    let bar = read(640, 480, ColorType::Rgb, |y, x| {
        vec![
            if (230..430).contains(&y) && (20..80).contains(&x) {
                30
            } else {
                220
            };
            3
        ]
    });
    let bar = bar.expect("a digit");
    assert_eq!((bar.inverted, bar.size), (true, (480, 640)));
    assert_eq!(extent(&bar), [4, 23, 11, 16]);

    // A wide one is limited by the width.
    let wide = read(300, 300, ColorType::Grayscale, |y, x| {
        vec![if (10..60).contains(&y) && x > 49 {
            200
        } else {
            0
        }]
    });
    assert_eq!(extent(&wide.expect("a digit")), [12, 15, 4, 23]);

    // A small picture grows: 4×2 pixels become 20×10.
    let small = read(8, 8, ColorType::Grayscale, |y, x| {
        vec![if (2..6).contains(&y) && (3..5).contains(&x) {
            255
        } else {
            0
        }]
    });
    assert_eq!(extent(&small.expect("a digit")), [4, 23, 9, 18]);
}

#[test]
fn the_centre_of_mass_is_in_the_middle() {
    // A foot makes an L heavier below and at the left: its box moves up and right of the middle.
    let foot = |y: usize, x: usize| {
        (10..410).contains(&y) && (10..410).contains(&x) && (y >= 310 || x < 110)
    };
    let digit = read(500, 500, ColorType::Grayscale, |y, x| {
        vec![if foot(y, x) { 255 } else { 0 }]
    })
    .expect("a digit");
    let ink = ink(&digit);
    let mean = |side: fn(&(usize, usize)) -> usize| {
        ink.iter()
            .map(|place| side(place) as f64 + 0.5)
            .sum::<f64>()
            / ink.len() as f64
    };
    assert!((mean(|place| place.0) - 14.5).abs() <= 0.5, "lines");
    assert!((mean(|place| place.1) - 14.5).abs() <= 0.5, "columns");
    assert_eq!(extent(&digit), [1, 20, 8, 27]);
}

#[test]
fn a_thin_stroke_in_a_large_picture_keeps_its_ink() {
    let stroke = read(1000, 1000, ColorType::Grayscale, |y, x| {
        vec![if x.abs_diff(y) < 3 && y > 100 { 0 } else { 255 }]
    });
    let lines: std::collections::BTreeSet<_> = ink(&stroke.expect("a digit"))
        .into_iter()
        .map(|place| place.0)
        .collect();
    assert_eq!(lines.len(), 20, "a dot on each of twenty lines");
}

#[test]
fn what_is_no_digit() {
    let blank = |value: u8| read(28, 28, ColorType::Grayscale, move |_, _| vec![value]);
    for value in [0, 127, 128, 255] {
        let error = blank(value).expect_err("blank");
        assert_eq!(
            error,
            "digit.png: no ink: no pixel differs enough from the paper around it"
        );
    }
    let large = read(4097, 3072, ColorType::Grayscale, |_, _| vec![0]).expect_err("large");
    assert_eq!(
        large,
        "digit.png: 4097×3072 pixels, expected at most 12582912"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("digit.png");
    let name = path.display();
    let missing = read_digit_png(&path, 28, 28, 128)
        .expect_err("missing")
        .to_string();
    assert!(missing.starts_with(&format!("{name}: ")), "{missing}");
    assert_eq!(
        read_digit_png(&path, 0, 28, 128)
            .expect_err("no size")
            .to_string(),
        "asked picture: expected at least 1×1, found 0×28"
    );
    fs::write(&path, "GIF89a").expect("writes");
    let other = read_digit_png(&path, 28, 28, 128)
        .expect_err("not a PNG")
        .to_string();
    assert!(
        other.starts_with(&format!("{name}: not a readable PNG: ")),
        "{other}"
    );
}

/// A palette whose last colour lacks a byte or two, and one of more colours than a byte can name. Fuzzing found the first.
#[test]
fn palettes_that_are_none() {
    let path = Path::new("digit.png");
    let chunk = |kind: &[u8], data: &[u8]| {
        let named = [kind, data].concat();
        let sum = crc32fast::hash(&named).to_be_bytes();
        [&(data.len() as u32).to_be_bytes()[..], &named, &sum].concat()
    };
    // Two lines of a pixel, each after its filter.
    let mut pixels = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut pixels, &[0, 0, 0, 1]).expect("packs");
    let pixels = pixels.finish().expect("packs");
    let file = |palette: usize| {
        let head = [0, 0, 0, 1, 0, 0, 0, 2, 8, 3, 0, 0, 0];
        [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &head),
            chunk(
                b"PLTE",
                &(0..palette)
                    .map(|at| (at / 3 * 255) as u8)
                    .collect::<Vec<_>>(),
            ),
            chunk(b"IDAT", &pixels),
            chunk(b"IEND", &[]),
        ]
        .concat()
    };
    for bytes in [4, 5, 13, 767, 769, 771, 3000] {
        let error = decode_digit_png(path, &file(bytes), 28, 28, 128).expect_err("refused");
        let says = format!("a palette of {bytes} bytes, expected 3 for each colour");
        let found = error.to_string();
        assert!(found.contains(&says) || bytes > 768, "{found}");
    }
    for bytes in [6, 9, 768] {
        decode_digit_png(path, &file(bytes), 28, 28, 128).expect("a black and a white pixel");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("digit.png");
    let bytes: Vec<u8> = (0..28 * 28)
        .map(|place| if place % 5 == 0 { 255 } else { 0 })
        .collect();
    write(&path, 28, 28, ColorType::Grayscale, BitDepth::Eight, &bytes);
    let whole = fs::read(&path).expect("reads");
    assert!(read_digit_png(&path, 28, 28, 128).is_ok());
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("writes");
        read_digit_png(&path, 28, 28, 128).expect_err("truncated");
    }
}
