//! What does not fit together is named, with the place, what was expected and what was found.

use crate::nets;
use bernet::model::{Conv, Layer, METADATA_LIMIT, Model};
use bernet_kernels::bits::{BitMatrix, Shape};

fn seed_net() -> Model {
    nets::seed_net(true, &mut nets::generator(10))
}

#[test]
fn the_seed_net_has_its_shapes() {
    let shapes = |cropped| {
        let shapes = nets::seed_net(cropped, &mut nets::generator(10))
            .shapes()
            .unwrap();
        shapes
            .into_iter()
            .map(
                |Shape {
                     batch,
                     height,
                     width,
                     channels,
                 }| [batch, height, width, channels],
            )
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shapes(false),
        [
            [1, 12, 12, 8],
            [1, 2, 2, 32],
            [1, 2, 2, 64],
            [1, 2, 2, 80],
            [1, 1, 1, 10]
        ]
    );
    assert_eq!(
        shapes(true),
        [
            [1, 24, 24, 1],
            [1, 10, 10, 8],
            [1, 1, 1, 32],
            [1, 1, 1, 64],
            [1, 1, 1, 80],
            [1, 1, 1, 10]
        ]
    );
}

#[test]
fn misfits_are_named() {
    fn conv(model: &mut Model) -> &mut Conv {
        match &mut model.layers[2] {
            Layer::Conv(conv) => conv,
            _ => unreachable!(),
        }
    }
    type Spoil = fn(&mut Model);
    let cases: &[(Spoil, &str)] = &[
        (
            |m| m.layers.clear(),
            "layers: number: expected 1 to 65535, found 0",
        ),
        (
            |m| m.layers = vec![m.layers[0].clone(); 65536],
            "layers: number: expected 1 to 65535, found 65536",
        ),
        (
            |m| drop(m.layers.pop()),
            "layers: last layer: expected expectation, found conv",
        ),
        (
            |m| m.layers.insert(1, m.layers[5].clone()),
            "layers: number of the first expectation layer: expected 7, found 2",
        ),
        (
            |m| m.input.height = 0,
            "input: shape: expected 1 to 16777216 values, found 0×28×1",
        ),
        (
            |m| m.input.width = usize::MAX,
            "input: shape: expected 1 to 16777216 values, found 28×",
        ),
        (
            |m| m.input.channels = 3,
            "layer 2 (conv): input channels: expected 3, found 1",
        ),
        (
            |m| {
                m.layers[0] = Layer::Crop {
                    top: usize::MAX,
                    left: 0,
                    height: 2,
                    width: 2,
                }
            },
            "layer 1 (crop): lines: expected at least 1, within 28, found 2 from ",
        ),
        (
            |m| conv(m).geometry.channels = 9,
            "layer 3 (conv): input channels: expected 8, found 9",
        ),
        (
            |m| conv(m).geometry.kernel = [10, 0],
            "layer 3 (conv): kernel: expected 1 to 65535, found 0",
        ),
        (
            |m| conv(m).geometry.kernel = [65536, 1],
            "layer 3 (conv): kernel: expected 1 to 65535, found 65536",
        ),
        (
            |m| conv(m).geometry.kernel = [11, 10],
            "layer 3 (conv): kernel: expected within the padded input of 10×10, found 11×10",
        ),
        (
            |m| conv(m).geometry.stride = [0, 1],
            "layer 3 (conv): stride: expected 1 to 65535, found 0",
        ),
        (
            |m| conv(m).geometry.padding = [0, 0, 65536, 0],
            "layer 3 (conv): padding: expected 0 to 65535, found 65536",
        ),
        (
            |m| conv(m).geometry.padding = [65535; 4],
            "layer 3 (conv): padded input: expected 1 to 16777216 values, found 131080×131080×8",
        ),
        (
            |m| conv(m).geometry.outputs = 0,
            "layer 3 (conv): output: expected ",
        ),
        (
            |m| conv(m).geometry.outputs = 1 << 25,
            "layer 3 (conv): output: expected 1 to 16777216 values, found 1×1×33554432",
        ),
        (
            |m| conv(m).weights = BitMatrix::zeros(31, 800),
            "layer 3 (conv): rows of the weights (outputs): expected 32, found 31",
        ),
        (
            |m| conv(m).weights = BitMatrix::zeros(32, 799),
            "layer 3 (conv): columns of the weights (depth): expected 800, found 799",
        ),
        (
            |m| conv(m).thresholds.truncate(31),
            "layer 3 (conv): thresholds: expected 32, found 31",
        ),
        (
            |m| {
                m.layers[5] = Layer::Expectation {
                    weights: BitMatrix::zeros(1, 80),
                }
            },
            "layer 6 (expectation): classes (rows of the weights): expected at least 2, found 1",
        ),
        (
            |m| {
                m.layers[5] = Layer::Expectation {
                    weights: BitMatrix::zeros(10, 81),
                }
            },
            "layer 6 (expectation): columns of the weights (input channels): expected 80, found 81",
        ),
        (
            |m| {
                m.layers = vec![Layer::Expectation {
                    weights: BitMatrix::zeros(30_000, 1),
                }]
            },
            "layer 1 (expectation): sums: expected 1 to 16777216 values, found 28×28×30000",
        ),
        (
            |m| drop(m.metadata.insert("".into(), "".into())),
            "metadata: key: expected at least one byte, found an empty one",
        ),
        (
            |m| drop(m.metadata.insert("key".into(), "x".repeat(METADATA_LIMIT))),
            "metadata: bytes: expected 0 to 1048576, found ",
        ),
    ];
    for (spoil, says) in cases {
        let mut model = seed_net();
        spoil(&mut model);
        let error = model.validate().expect_err(says).to_string();
        assert!(error.starts_with(says), "{error:?}, not {says:?}");
        assert_eq!(model.to_bytes().unwrap_err().to_string(), error);
        assert_eq!(model.summary().unwrap_err().to_string(), error);
    }
}

#[test]
fn grey_values_become_bits_at_the_threshold() {
    let input = bernet::model::Input {
        height: 2,
        width: 3,
        channels: 1,
        threshold: Some(100),
    };
    let images = input.binarise(&[0, 99, 100, 255, 101, 98]).unwrap();
    let bits: Vec<_> = (0..6).map(|at| images.get(0, at / 3, at % 3, 0)).collect();
    assert_eq!(bits, [false, false, true, true, true, false]);
    let error = input.binarise(&[0; 7]).unwrap_err().to_string();
    assert_eq!(
        error,
        "input: number of grey values: expected a multiple of 2×3×1, found 7"
    );
}

/// The table names each layer's kind and geometry, and its bytes add up to the file's.
#[test]
fn a_summary_says_what_each_layer_is() {
    let random = &mut nets::generator(13);
    for (model, says) in [
        (
            nets::pooled_net(random),
            &["max pool", "affine", "expectation", ", stride 2"][..],
        ),
        (
            nets::real_net(random),
            &[
                "real conv 2→37, 4×4, padding 1, 0, 2, 1 by 0",
                "real expectation ",
            ],
        ),
        (nets::grouped_net(random), &[" groups", "dilation"]),
        (nets::seed_net(true, random), &["crop 24×24 from 2, 2"]),
    ] {
        let summary = model.summary().unwrap();
        let text = summary.to_string();
        for part in says {
            assert!(text.contains(part), "{text} lacks {part:?}");
        }
        assert_eq!(
            summary.file.total(),
            model.to_bytes().unwrap().len() as u64,
            "{text}"
        );
    }
}
