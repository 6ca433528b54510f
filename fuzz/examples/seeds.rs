//! Writes the first inputs of each target to `seeds/TARGET/`: small valid files. `cargo run --release --example seeds` in this folder makes
//! them again.

use bernet::{
    data::{self, Source, packed},
    model::onnx::{self, Dialect},
    train::{Config, Distribution, MethodName, Network, SEED, Trainer},
};
use bernet_fuzz::net;
use bernet_kernels::conformance::Generator;
use flate2::{Compression, write::GzEncoder};
use std::{error::Error, fs, io::Write, path::Path};

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

    for seed in 0..16 {
        let model = net(&mut Generator(seed));
        let bytes = model.to_bytes()?;
        if bytes.len() < 2048 {
            write("model", &format!("net-{seed}"), &bytes)?;
        }
        for (name, dialect) in [("standard", Dialect::Standard), ("qonnx", Dialect::Qonnx)] {
            let file = onnx::export(&model, dialect);
            if let Some(file) = file.ok().filter(|file| file.len() < 4096) {
                write("onnx", &format!("{name}-{seed}"), &file)?;
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
    write("config", "seed-net", SEED.as_bytes())?;
    for (name, method, distribution) in [
        ("bernoulli", MethodName::Bernoulli, Distribution::Sampled),
        ("exact", MethodName::Bernoulli, Distribution::Precise),
        ("ste", MethodName::Ste, Distribution::Sampled),
        ("real", MethodName::Real, Distribution::Sampled),
    ] {
        let mut config = Config::new(method, network.clone(), 2, 1);
        (config.batch, config.validation, config.distribution) = (4, 0, distribution);
        write("config", name, config.to_toml().as_bytes())?;
        write("checkpoint", name, &Trainer::new(config)?.to_checkpoint()[24..])?;
    }
    Ok(())
}
