//! Writes the first inputs of each target to `seeds/TARGET/`: small valid files. `cargo run --release --example seeds` in this folder makes
//! them again.

use bernet::{
    data::{self, Source, packed},
    exchange::onnx::{self, Dialect},
    train::{Config, Distribution, MethodName, Network, TALK, Trainer},
};
use bernet_fuzz::OLDER;
use bernet_runtime::{format, testing::random_graph};
use flate2::{Compression, write::GzEncoder};
use std::{collections::HashSet, error::Error, fs, io::Write, path::Path};

const NET: &str = r#"input = { height = 4, width = 4, channels = 1 }
layer = [
  { kind = "conv", outputs = 2, kernel = [2, 2], stride = [2, 2] },
  { kind = "dense", outputs = 3 },
  { kind = "expectation", classes = 2 },
]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = seeds.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };

    for (number, file) in OLDER.iter().enumerate() {
        write("model", &format!("older-{number}"), file)?;
    }
    write("onnx", "real", &real_onnx())?;

    // Graphs among many that have an operator that none before them has.
    let mut known = HashSet::new();
    for seed in 0..400 {
        let graph = random_graph(seed, 6);
        let bytes = format::to_bytes(&graph)?;
        let operators = graph.nodes.iter().map(|node| node.op.name());
        if bytes.len() <= 1024 && operators.clone().any(|name| !known.contains(name)) {
            known.extend(operators);
            write("graph", &format!("graph-{seed}"), &bytes)?;
            for (name, dialect) in [("standard", Dialect::Standard), ("qonnx", Dialect::Qonnx)] {
                let file = onnx::export(&graph, dialect);
                if let Some(file) = file.ok().filter(|file| file.len() < 4096) {
                    write("onnx", &format!("{name}-{seed}"), &file)?;
                }
            }
        }
    }

    let images: Vec<u8> = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2]
        .into_iter()
        .chain(0..12)
        .collect();
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 7, 3];
    let gzip = |bytes: &[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes).and_then(|()| gzip.finish())
    };
    for (name, images, labels) in [
        ("plain", images.clone(), labels.to_vec()),
        ("gzip", gzip(&images)?, gzip(&labels)?),
    ] {
        write(
            "idx",
            name,
            &[&[labels.len() as u8], &images[..], &labels].concat(),
        )?;
    }

    let mnist = data::load_embedded();
    let ten = Source {
        name: "ten".into(),
        train: mnist.train.subset(0..8),
        test: mnist.test.subset(0..2),
    };
    let file = packed::encode(&ten)?;
    write("packed", "file", &file)?;
    let mut contents = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&file[..]), &mut contents)?;
    write("packed", "contents", &contents)?;

    for (name, colour, depth, bytes) in [
        ("grey", png::ColorType::Grayscale, png::BitDepth::Eight, 12),
        ("bits", png::ColorType::Grayscale, png::BitDepth::One, 3),
        ("palette", png::ColorType::Indexed, png::BitDepth::Two, 3),
        ("colour", png::ColorType::Rgba, png::BitDepth::Sixteen, 96),
        (
            "grey-alpha",
            png::ColorType::GrayscaleAlpha,
            png::BitDepth::Eight,
            24,
        ),
    ] {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 4, 3);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == png::ColorType::Indexed {
            encoder.set_palette(&[0, 0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 255]);
        }
        let values: Vec<u8> = (0..bytes).map(|at| 37 * at as u8).collect();
        encoder.write_header()?.write_image_data(&values)?;
        write("png", name, &file)?;
    }

    let network = Network::from_toml(NET)?;
    write("config", "net", NET.as_bytes())?;
    write("config", "talk-net", TALK.as_bytes())?;
    for (name, method, distribution) in [
        ("bernoulli", MethodName::Bernoulli, Distribution::Sampled),
        ("exact", MethodName::Bernoulli, Distribution::Precise),
        ("ste", MethodName::Ste, Distribution::Sampled),
        ("real", MethodName::Real, Distribution::Sampled),
    ] {
        let mut config = Config::new(method, network.clone(), 2, 1);
        (config.batch, config.validation, config.distribution) = (4, 0, distribution);
        write("config", name, config.to_toml().as_bytes())?;
        write(
            "checkpoint",
            name,
            &Trainer::new(config)?.to_checkpoint()[24..],
        )?;
    }
    Ok(())
}

/// A net whose two layers have real weights, in protobuf's encoding: these are not exported.
fn real_onnx() -> Vec<u8> {
    let number = |field: u8, value: u8| vec![field << 3, value];
    let bytes = |field: u8, bytes: &[u8]| [&[field << 3 | 2, bytes.len() as u8], bytes].concat();
    let message = |field: u8, parts: &[Vec<u8>]| {
        let parts = parts.concat();
        let length = [parts.len() as u8 & 127 | 128, (parts.len() >> 7) as u8];
        [&[field << 3 | 2][..], &length, &parts].concat()
    };
    let mut graph = Vec::new();
    let dimensions = [1, 1, 2, 2].map(|size| bytes(1, &number(1, size)));
    let tensor = [number(1, 1), message(2, &dimensions)];
    let kind = message(2, &[message(1, &tensor)]);
    graph.push(message(11, &[bytes(1, b"image"), kind]));
    let mut last = "image".to_owned();
    let constants: [(&[u8], &[f32]); 4] = [
        (&[4, 2], &[0.5, 1.0, -0.25, 2.0, 0.0, 3.0, 1.0, -4.0]),
        (&[2], &[1.0, 0.5]),
        (&[], &[0.5]),
        (&[2, 2], &[0.5, 3.0, -2.0, 0.25]),
    ];
    for (at, (dims, values)) in constants.into_iter().enumerate() {
        let mut tensor = vec![number(2, 1), bytes(8, format!("c{at}").as_bytes())];
        tensor.extend(dims.iter().map(|&size| number(1, size)));
        let values: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        tensor.push(bytes(4, &values));
        graph.push(message(5, &tensor));
    }
    let nodes: [(&str, &[&str]); 5] = [
        ("Flatten", &[]),
        ("MatMul", &["c0"]),
        ("BatchNormalization", &["c1", "c1", "c1", "c1"]),
        ("BipolarQuant", &["c2"]),
        ("MatMul", &["c3"]),
    ];
    for (at, (operator, inputs)) in nodes.into_iter().enumerate() {
        let output = format!("n{at}");
        let mut node = vec![bytes(1, last.as_bytes())];
        node.extend(inputs.iter().map(|input| bytes(1, input.as_bytes())));
        node.extend([bytes(2, output.as_bytes()), bytes(4, operator.as_bytes())]);
        if operator == "BipolarQuant" {
            node.push(bytes(7, b"onnx.brevitas"));
        }
        graph.push(message(1, &node));
        last = output;
    }
    graph.push(message(12, &[bytes(1, last.as_bytes())]));
    let opset = message(8, &[number(2, 13)]);
    [number(1, 8), message(7, &graph), opset].concat()
}
