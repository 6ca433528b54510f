//! Every level against the golden vectors, which another program computed: `tests/golden/README.md`.

use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    poisson_binomial::{self, Factors, Form, Gradient},
    xnor::{
        Conv2d, ConvParams, PackedWeights, PaddingValue, Threshold, Workspace, gemm_bits, gemm_i32,
    },
};
use std::str::FromStr;

/// The words of a case's lines, after the first of each.
struct Case<'a> {
    lines: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Case<'a> {
    fn all(text: &'a str) -> impl Iterator<Item = Self> {
        text.split_terminator("\n\n").map(|case| Self {
            lines: case
                .lines()
                .map(|line| {
                    let mut words = line.split_whitespace();
                    (words.next().expect("a line has a name"), words.collect())
                })
                .collect(),
        })
    }

    fn kind(&self) -> &'a str {
        self.lines[0].0
    }

    fn words(&self, name: &str) -> &[&'a str] {
        let line = self.lines.iter().find(|line| line.0 == name);
        &line.unwrap_or_else(|| panic!("no line {name}")).1
    }

    fn numbers<T: FromStr>(&self, name: &str) -> Vec<T> {
        let number = |word: &&str| word.parse().unwrap_or_else(|_| panic!("{name}: {word}"));
        self.words(name).iter().map(number).collect()
    }

    fn bits(&self, name: &str, columns: usize) -> BitMatrix {
        let rows: Vec<Vec<u8>> = self.words(name).iter().map(|row| bytes(row)).collect();
        BitMatrix::from_fn(rows.len(), columns, |row, column| {
            rows[row][column / 8] >> (column % 8) & 1 == 1
        })
    }

    fn thresholds(&self) -> Vec<Threshold> {
        let invert: Vec<u8> = self.numbers("invert");
        let limits = self.numbers("at_least").into_iter().zip(invert);
        limits
            .map(|(at_least, invert)| Threshold {
                at_least,
                invert: invert == 1,
            })
            .collect()
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).expect("hexadecimal");
    (0..hexadecimal.len()).step_by(2).map(byte).collect()
}

fn product(case: &Case<'_>, level: Level) {
    let [m, n, k] = case.numbers("product")[..] else {
        panic!("rows, columns, depth");
    };
    let (a, w) = (case.bits("a", k), case.bits("w", k));
    let weights = PackedWeights::new(level, &w).unwrap();
    let mut sums = vec![0; m * n];
    gemm_i32(&a, &weights, &mut sums).unwrap();
    assert_eq!(sums, case.numbers("sums"), "{level}, {m}×{n}×{k}");
    let mut bits = BitMatrix::all_minus_one(m, n);
    gemm_bits(&a, &weights, &case.thresholds(), &mut bits).unwrap();
    assert_eq!(bits, case.bits("bits", n), "{level}, {m}×{n}×{k}");
}

fn convolution(case: &Case<'_>, level: Level) {
    let numbers: Vec<isize> = case.numbers("convolution");
    let at = |index: usize| usize::try_from(numbers[index]).expect("a size");
    let shape = Shape {
        batch: 1,
        height: at(0),
        width: at(1),
        channels: at(2),
    };
    let (channels, outputs) = (at(2), at(3));
    let params = ConvParams {
        kernel: [at(4), at(5)],
        stride: [at(6), at(7)],
        dilation: [at(13), at(14)],
        padding: [at(8), at(9), at(10), at(11)],
        padding_value: match numbers[12] {
            -1 => PaddingValue::MinusOne,
            0 => PaddingValue::Zero,
            _ => PaddingValue::PlusOne,
        },
        groups: at(15),
    };
    let weights = case.bits("w", params.depth(channels));
    let x = BitTensor::from_lines(shape, case.bits("x", shape.width * shape.channels)).unwrap();
    let conv = Conv2d::new(level, channels, params, &weights).unwrap();
    let output = conv.output_shape(shape).unwrap();
    let mut sums = vec![0; output.height * output.width * output.channels];
    conv.sums(&x, &mut sums).unwrap();
    assert_eq!(sums, case.numbers("sums"), "{level}, {params:?}");
    let mut activations = BitTensor::all_minus_one(output);
    conv.activations_in(
        &mut Workspace::default(),
        &x,
        &case.thresholds(),
        &mut activations,
    )
    .unwrap();
    let expected = case.bits("bits", outputs);
    for pixel in 0..output.height * output.width {
        for channel in 0..outputs {
            let found = activations.get(0, pixel / output.width, pixel % output.width, channel);
            assert_eq!(
                found,
                expected.get(pixel, channel),
                "{level}, {params:?}, pixel {pixel}"
            );
        }
    }
}

/// Within the bounds that the module promises: 1e-6, and 1e-5 of the largest gradient.
fn distribution(case: &Case<'_>, level: Level) {
    let cut = case.numbers::<i32>("poisson-binomial")[1];
    let v: Vec<f32> = case.numbers("v");
    let factors = Factors::new(&v, 1).unwrap();
    let expected: [f64; 2] = ["survival", "mass"].map(|name| case.numbers(name)[0]);
    let workspace = &mut poisson_binomial::Workspace::default();
    let close = |found: f32, expected: f64, bound: f64, what: &str| {
        assert!(
            (f64::from(found) - expected).abs() <= bound,
            "{level}, {what}, N = {}, cut {cut}: {found}, expected {expected}",
            v.len()
        );
    };
    for form in [Form::Full, Form::Undecided, Form::Spectral, Form::Fastest] {
        let (mut survival, mut mass) = ([f32::NAN], [f32::NAN]);
        poisson_binomial::survival(
            level,
            form,
            factors,
            cut,
            &mut survival,
            &mut mass,
            workspace,
        )
        .unwrap();
        close(survival[0], expected[0], 1e-6, "survival");
        close(mass[0], expected[1], 1e-6, "mass");
    }
    let gradient: Vec<f64> = case.numbers("gradient");
    let largest = gradient.iter().fold(0.05_f64, |most, &x| most.max(x));
    for method in [
        Gradient::Precise,
        Gradient::Autograd,
        Gradient::Spectral,
        Gradient::Fastest,
    ] {
        let (mut survival, mut mass) = ([f32::NAN], [f32::NAN]);
        let mut found = vec![f32::NAN; v.len()];
        poisson_binomial::gradient(
            level,
            method,
            factors,
            cut,
            &mut survival,
            &mut mass,
            &mut found,
            workspace,
        )
        .unwrap();
        for (found, expected) in found.into_iter().zip(&gradient) {
            close(found, *expected, 1e-5 * largest, "gradient");
        }
    }
}

#[test]
fn every_level_gives_the_golden_vectors() {
    let text = include_str!("../../tests/golden/kernels.txt");
    for level in Level::available() {
        let mut cases = 0;
        for case in Case::all(text) {
            match case.kind() {
                "product" => product(&case, level),
                "convolution" => convolution(&case, level),
                "poisson-binomial" => distribution(&case, level),
                other => panic!("a case of kind {other}"),
            }
            cases += 1;
        }
        println!("{level}: {cases} cases");
        assert_eq!(cases, 33);
    }
}
