//! Products, convolutions and packing of any shape, on every level, against the scalar specification.
#![no_main]

use arbitrary::Arbitrary;
use bernet_kernels::{
    bits::BitMatrix,
    conformance::{self, Fill, Generator},
    isa::Level,
    packing,
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Case {
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
    for level in Level::available() {
        check(level, &case).unwrap_or_else(|what| panic!("{what}"));
    }
});

fn check(level: Level, case: &Case) -> Result<(), String> {
    let shape = |rows: u8, columns: u8, depth: u16| {
        let [rows, columns, depth] = [usize::from(rows), columns.into(), depth.into()];
        // Small products are where the edges are.
        [1 + rows % 56, 1 + columns % 150, 1 + depth % 900]
    };
    match *case {
        Case::Product {
            rows,
            columns,
            depth,
            seed,
        } => conformance::product(
            level,
            shape(rows, columns, depth),
            Fill::Random(seed.into()),
        ),
        Case::Opposite {
            rows,
            columns,
            depth,
        } => conformance::product(level, shape(rows, columns, depth), Fill::Opposite),
        Case::Convolution { seed } => {
            let (geometry, options, input) = conformance::random_convolution(&mut Generator(seed));
            conformance::convolution(level, &geometry, options, input, seed)
        }
        Case::Bytes {
            columns,
            threshold,
            ref bytes,
        } => {
            let columns = 1 + usize::from(columns);
            let bytes = &bytes[..bytes.len() / columns * columns];
            let expected = BitMatrix::from_fn(bytes.len() / columns, columns, |row, column| {
                bytes[row * columns + column] >= threshold
            });
            let mut found = BitMatrix::zeros(expected.rows(), columns);
            packing::at_least(level, bytes, threshold, &mut found)
                .map_err(|error| error.to_string())?;
            equal(level, &expected, &found)
        }
        Case::Floats {
            columns,
            ref floats,
        } => {
            let columns = 1 + usize::from(columns);
            let floats = &floats[..floats.len() / columns * columns];
            let expected = BitMatrix::from_fn(floats.len() / columns, columns, |row, column| {
                floats[row * columns + column] >= 0.0
            });
            let mut found = BitMatrix::zeros(expected.rows(), columns);
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
