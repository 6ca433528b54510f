//! What a caller gets wrong is named: what, what was expected, what was found.

use bernet_kernels::{
    Error,
    bits::{BitMatrix, BitTensor, BitView, BitViewMut, Shape},
    isa::Level,
    poisson_binomial::{Factors, Gradient, Layer, Plan, PowerSums, Workspace, gradient, survival},
    xnor::{
        BinaryConv2d, ByteConv2d, Conv2d, ConvParams, PackedWeights, PaddingValue, Threshold,
        gemm_i32,
    },
};
use std::fmt::Debug;

#[track_caller]
fn says<T: Debug>(result: Result<T, Error>, text: &str) {
    assert_eq!(result.unwrap_err().to_string(), text);
}

#[test]
fn matrices() {
    says(
        BitMatrix::from_bools(2, 3, &[true; 5]),
        "values: expected 6, found 5",
    );
    let matrix = BitMatrix::from_bools(1, 3, &[true, false, true]).unwrap();
    assert_eq!(matrix.row(0), [0b101]);
    says(
        BitMatrix::from_words(2, 3, vec![0, 8]),
        "row 1: a bit after the last column is set",
    );
    says(
        BitMatrix::from_words(usize::MAX, 65, Vec::new()),
        &format!(
            "rows × columns is {}, expected a matrix that fits in memory",
            usize::MAX
        ),
    );
    says(
        BitView::matrix(&[0; 9], 2, 65, 1),
        "stride (at least the words of a line): expected 2, found 1",
    );
    says(
        BitView::matrix(&[0; 4], 2, 65, 3),
        "words: expected 5, found 4",
    );
    says(
        BitView::matrix(&[0, 2, 0, 0, 2], 2, 65, 3),
        "row 0: a bit after the last column is set",
    );
    says(
        BitViewMut::matrix(&mut [0; 4], 2, 65, 3),
        "words: expected 5, found 4",
    );
    let huge = Shape {
        batch: usize::MAX,
        height: 2,
        width: 1,
        channels: 1,
    };
    says(
        BitView::new(&[], huge, 1),
        &format!(
            "batch · height or width · channels is {}, expected a product that fits in memory",
            usize::MAX
        ),
    );
    let shape = Shape {
        batch: 2,
        height: 3,
        width: 4,
        channels: 5,
    };
    says(
        BitTensor::from_lines(shape, BitMatrix::all_minus_one(5, 20)),
        "lines (batch · height): expected 6, found 5",
    );
    says(
        BitTensor::from_lines(shape, BitMatrix::all_minus_one(6, 19)),
        "line (width · channels): expected 20, found 19",
    );
}

#[test]
fn levels() {
    for level in Level::available() {
        assert_eq!(Level::by_name(level.name()).unwrap(), level);
    }
    let error = Level::by_name("avx3").unwrap_err().to_string();
    assert!(
        error.contains("avx3") && error.contains("there is no such level"),
        "{error}"
    );
    // No CPU has the vectors of two architectures.
    for elsewhere in ["neon", "avx2"] {
        if let Err(error) = Level::by_name(elsewhere) {
            let error = error.to_string();
            assert!(error.contains("this CPU does not have it"), "{error}");
            assert!(error.contains(Level::best().name()), "{error}");
        }
    }
}

#[test]
fn convolutions() {
    let weights = BitMatrix::all_minus_one(2, 2);
    for level in Level::available() {
        let conv = |channels, params| Conv2d::new(level, channels, params, &weights);
        let plain = ConvParams::valid([1, 1]);
        says(
            Conv2d::new(level, 2, plain, &BitMatrix::all_minus_one(0, 2)),
            "outputs is 0, expected a positive multiple of the groups",
        );
        says(
            conv(2, ConvParams { groups: 3, ..plain }),
            "channels is 2, expected a positive multiple of the groups",
        );
        says(
            conv(3, plain),
            "columns of the weights (depth): expected 3, found 2",
        );
        let conv = conv(2, plain).unwrap();
        assert_eq!(
            (conv.params(), conv.channels(), conv.outputs()),
            (plain, 2, 2)
        );
        let threshold = Threshold {
            at_least: 0,
            invert: false,
        };
        says(
            BinaryConv2d::new(conv.clone(), vec![threshold; 3]),
            "thresholds (outputs): expected 2, found 3",
        );
        let image = BitTensor::all_minus_one(Shape {
            batch: 1,
            height: 2,
            width: 2,
            channels: 2,
        });
        says(conv.sums(&image, &mut [0; 7]), "out: expected 8, found 7");
        let bytes = |params| ByteConv2d::new(level, 2, params, &weights);
        says(
            bytes(ConvParams {
                padding: [0, 3, 0, 1],
                padding_value: PaddingValue::MinusOne,
                ..plain
            }),
            "padding of 8-bit input is 3, expected none, or padding that counts as 0",
        );
        says(
            ByteConv2d::new(level, 1 << 22, plain, &BitMatrix::all_minus_one(2, 1 << 22)),
            "depth of 8-bit input, gaps of dilation and other groups' channels included is 4194304, expected 1 to 2²² − 1",
        );
        says(
            Conv2d::new(
                level,
                2,
                ConvParams::valid([0, 1]),
                &BitMatrix::all_minus_one(2, 0),
            ),
            "depth is 0, expected 1 to 2³⁰ − 1",
        );
    }
    let weights = PackedWeights::new(Level::best(), &weights).unwrap();
    says(
        gemm_i32(&BitMatrix::all_minus_one(1, 3), &weights, &mut [0; 2]),
        "columns of a (depth): expected 2, found 3",
    );
}

#[test]
fn poisson_binomial() {
    let level = Level::best();
    says(
        Factors::new(&[0.5, 1.5], 1),
        "probability 1 is 1.5, expected 0 to 1",
    );
    says(Plan::new(9, f32::NAN), "accuracy: expected at least 1e-6");
    says(
        Layer::new(&[0.5], &[0.5], 0, 1),
        "samples is 0, expected at least 1",
    );
    says(
        Layer::new(&[0.5], &[0.5; 3], 1, 2),
        "weights (factors · outputs): expected 2, found 3",
    );
    says(
        Layer::new(&[0.5; 2], &[0.5; 2], 1, 2),
        "inputs (factors · samples): expected 1, found 2",
    );
    says(
        Layer::new(&[0.5], &[f32::NAN], 1, 1),
        "weights: mean 0 is NaN, expected −1 to 1",
    );
    says(
        PowerSums::new(&[], 0, 1),
        "outputs is 0, expected at least 1",
    );
    says(
        PowerSums::new(&[0.0; 7], 3, 1),
        "sums (degree · outputs): expected 6, found 7",
    );
    says(
        PowerSums::new(&[0.0; 9], 3, 1),
        "degree is 3, expected 2, 4, 6 or 8",
    );
    let factors = Factors::new(&[0.5; 6], 2).unwrap();
    let workspace = &mut Workspace::default();
    let form = Plan::new(3, 1e-6).unwrap().form();
    says(
        survival(
            level,
            form,
            factors,
            1,
            &mut [0.0; 1],
            &mut [0.0; 2],
            workspace,
        ),
        "survival (sums): expected 2, found 1",
    );
    says(
        survival(
            level,
            form,
            factors,
            1,
            &mut [0.0; 2],
            &mut [0.0; 3],
            workspace,
        ),
        "mass (sums): expected 2, found 3",
    );
    says(
        gradient(
            level,
            Gradient::Precise,
            factors,
            1,
            &mut [0.0; 2],
            &mut [0.0; 2],
            &mut [0.0; 5],
            workspace,
        ),
        "dz_dv (factors · sums): expected 6, found 5",
    );
}
