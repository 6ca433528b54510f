//! Products, convolutions and packing of any shape, on any level, against the scalar reference.
#![no_main]

use arbitrary::Arbitrary;
use bernet_fuzz::grouped_convolution;
use bernet_kernels::{
    bits::{BitMatrix, Shape},
    conformance::{self, Fill, Generator},
    isa::Level,
    packing,
    xnor::{ConvParams, PaddingValue},
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    level: u8,
    what: What,
}

#[derive(Arbitrary, Debug)]
enum What {
    Product {
        rows: u8,
        columns: u8,
        depth: u16,
        seed: u32,
    },
    Opposite {
        rows: u8,
        columns: u8,
        depth: u16,
    },
    Convolution {
        seed: u64,
    },
    ByteConvolution {
        seed: u64,
    },
    Bytes {
        columns: u8,
        threshold: u8,
        bytes: Vec<u8>,
    },
    Floats {
        columns: u8,
        floats: Vec<f32>,
    },
}

fuzz_target!(|case: Case| {
    let levels = Level::available();
    let level = levels[usize::from(case.level) % levels.len()];
    check(level, &case.what).unwrap_or_else(|what| panic!("{what}"));
});

/// The terms that the reference adds up, in a tenth of a millisecond; and, for one case in sixteen,
/// in a millisecond, which is enough for one pixel of every geometry.
const TERMS: [usize; 2] = [1 << 14, 1 << 18];

/// The first of a generator's convolutions that is small enough: small ones are where the edges are.
fn small_convolution(seed: u64) -> (ConvParams, usize, Shape) {
    let mut generator = Generator(seed);
    let most = TERMS[usize::from(generator.below(16) == 0)];
    loop {
        let (params, outputs, input) = match generator.below(2) {
            0 => conformance::random_convolution(&mut generator),
            _ => grouped_convolution(&mut generator),
        };
        let terms = outputs * params.depth(input.channels);
        if terms * input.batch * input.height * input.width <= most {
            return (params, outputs, input);
        }
    }
}

fn check(level: Level, what: &What) -> Result<(), String> {
    let shape = |rows: u8, columns: u8, depth: u16| {
        let [rows, columns, depth] = [usize::from(rows), columns.into(), depth.into()];
        // Small products are where the edges are.
        [1 + rows % 56, 1 + columns % 150, 1 + depth % 900]
    };
    match *what {
        What::Product {
            rows,
            columns,
            depth,
            seed,
        } => conformance::product(
            level,
            1,
            shape(rows, columns, depth),
            Fill::Random(seed.into()),
        ),
        What::Opposite {
            rows,
            columns,
            depth,
        } => conformance::product(level, 1, shape(rows, columns, depth), Fill::Opposite),
        What::Convolution { seed } => {
            let (params, outputs, input) = small_convolution(seed);
            conformance::convolution(level, 1, &params, outputs, input, seed)
        }
        What::ByteConvolution { seed } => {
            let (mut params, outputs, input) = small_convolution(seed);
            params.padding_value = PaddingValue::Zero;
            conformance::byte_convolution(level, 1, &params, outputs, input, seed)
        }
        What::Bytes {
            columns,
            threshold,
            ref bytes,
        } => {
            let columns = 1 + usize::from(columns);
            let bytes = &bytes[..bytes.len() / columns * columns];
            let expected = BitMatrix::from_fn(bytes.len() / columns, columns, |row, column| {
                bytes[row * columns + column] >= threshold
            });
            let mut found = BitMatrix::all_minus_one(expected.rows(), columns);
            packing::at_least(level, bytes, threshold, &mut found)
                .map_err(|error| error.to_string())?;
            equal(level, &expected, &found)
        }
        What::Floats {
            columns,
            ref floats,
        } => {
            let columns = 1 + usize::from(columns);
            let floats = &floats[..floats.len() / columns * columns];
            let expected = BitMatrix::from_fn(floats.len() / columns, columns, |row, column| {
                floats[row * columns + column] >= 0.0
            });
            let mut found = BitMatrix::all_minus_one(expected.rows(), columns);
            packing::signs(level, floats, &mut found).map_err(|error| error.to_string())?;
            equal(level, &expected, &found)
        }
    }
}

fn equal(level: Level, expected: &BitMatrix, found: &BitMatrix) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{level}: expected {expected:?}, found {found:?}"))
    }
}
