//! The `.bnet` file: what is written is read back, and nothing else is read.

use crate::nets;
use bernet::model::{Conv, Layer, Model};
use serde_json::{Value, json};
use std::{io::ErrorKind, process::Command};

fn seed_bytes() -> Vec<u8> {
    nets::seed_net(false, &mut nets::generator(1))
        .to_bytes()
        .unwrap()
}

#[test]
fn the_seed_net_stays_small() {
    for cropped in [false, true] {
        let model = nets::seed_net(cropped, &mut nets::generator(1));
        let summary = model.summary().unwrap();
        println!("{summary}");
        assert_eq!(summary.weights(), 33_856);
        assert_eq!(summary.file.weights, 4232);
        assert!(summary.file.total() <= 5300);
        assert_eq!(summary.file.total(), model.to_bytes().unwrap().len() as u64);
        assert_eq!(
            summary
                .layers
                .iter()
                .map(|layer| layer.weight_bytes)
                .sum::<u64>(),
            summary.file.weights
        );
        assert_eq!(
            summary
                .layers
                .iter()
                .map(|layer| layer.threshold_bytes)
                .sum::<u64>(),
            summary.file.thresholds
        );
    }
}

#[test]
fn what_is_written_is_read_back() {
    let seeds = [false, true].map(|cropped| nets::seed_net(cropped, &mut nets::generator(2)));
    for (model, version) in seeds.into_iter().zip([1, 1]).chain([
        (nets::pooled_net(&mut nets::generator(2)), 2),
        (nets::grouped_net(&mut nets::generator(2)), 4),
    ]) {
        assert_eq!(model.file_layout().unwrap().version, version);
        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn every_truncation_is_rejected() {
    let bytes = seed_bytes();
    for length in 0..bytes.len() {
        assert!(
            Model::from_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn every_flipped_bit_is_rejected() {
    let mut bytes = seed_bytes();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Model::from_bytes(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn files_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    let mut model = nets::seed_net(true, &mut nets::generator(8));
    model.write(&path).unwrap();
    assert_eq!(Model::read(&path).unwrap(), model);
    let whole = std::fs::read(&path).unwrap();

    // A model that does not fit together is refused, and what was there stays.
    model.layers.pop();
    let error = model.write(&path).unwrap_err().to_string();
    assert!(
        error.contains("model.bnet: layers: last layer: expected expectation, found conv"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), whole);

    std::fs::write(&path, &whole[..1000]).unwrap();
    let error = Model::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("model.bnet: at offset 40: length of the file"),
        "{error}"
    );
}

/// The second implementation, in Python, finds the same layers and the same bits.
#[test]
fn the_python_reader_agrees() {
    let mut model = nets::seed_net(true, &mut nets::generator(9));
    let Layer::Conv(conv) = &mut model.layers[1] else {
        unreachable!()
    };
    conv.thresholds[3].at_least = -70_000;
    for model in [
        model,
        nets::pooled_net(&mut nets::generator(9)),
        nets::grey_net(&mut nets::generator(9)),
        nets::real_net(&mut nets::generator(9)),
        nets::grouped_net(&mut nets::generator(9)),
    ] {
        compare_with_python(&model);
    }
}

fn compare_with_python(model: &Model) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    model.write(&path).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bnet_reader_4.py");
    let output = match Command::new("python3").arg(script).arg(&path).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return println!("no python3: not compared");
        }
        Err(error) => panic!("{error}"),
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();

    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(found["crc32"], crc32fast::hash(&bytes[..bytes.len() - 4]));
    assert_eq!(
        found["input"],
        json!({
            "height": model.input.height,
            "width": model.input.width,
            "channels": model.input.channels,
            "threshold": model.input.threshold,
        })
    );
    assert_eq!(found["metadata"], json!(model.metadata));
    let layers = found["layers"].as_array().unwrap();
    assert_eq!(layers.len(), model.layers.len());
    for (layer, found) in model.layers.iter().zip(layers) {
        assert_eq!(found["kind"], layer.kind());
        if let Some(weights) = layer.weights() {
            let bits = (0..weights.rows())
                .flat_map(|row| (0..weights.columns()).map(move |k| weights.get(row, k)));
            let bits: Vec<_> = bits.collect();
            let stream: Vec<_> = bits
                .chunks(8)
                .map(|eight| {
                    eight
                        .iter()
                        .enumerate()
                        .map(|(at, &bit)| u8::from(bit) << at)
                        .sum()
                })
                .collect();
            assert_eq!(found["plus_ones"], bits.iter().filter(|&&bit| bit).count());
            assert_eq!(found["weights_crc32"], crc32fast::hash(&stream));
        }
        match layer {
            Layer::Crop {
                top,
                left,
                height,
                width,
            } => assert_eq!(
                [
                    &found["top"],
                    &found["left"],
                    &found["height"],
                    &found["width"]
                ],
                [top, left, height, width]
                    .map(|size| json!(size))
                    .each_ref()
            ),
            Layer::Conv(Conv {
                geometry,
                options,
                thresholds,
                ..
            }) => {
                assert_eq!(found["channels"], geometry.channels);
                assert_eq!(found["outputs"], geometry.outputs);
                assert_eq!(found["kernel"], json!(geometry.kernel));
                assert_eq!(found["dilation"], json!(options.dilation));
                assert_eq!(found["groups"], json!(options.groups));
                assert_eq!(found["stride"], json!(geometry.stride));
                assert_eq!(found["padding"], json!(geometry.padding));
                let padding_value = geometry.padding_value as i64 - 1;
                assert_eq!(found["padding_value"], padding_value);
                let at_least: Vec<_> = thresholds
                    .iter()
                    .map(|threshold| threshold.at_least)
                    .collect();
                assert_eq!(found["at_least"], json!(at_least));
                let invert = thresholds
                    .iter()
                    .map(|threshold| if threshold.invert { '1' } else { '0' });
                assert_eq!(found["invert"], invert.collect::<String>());
            }
            Layer::RealConv(conv) => {
                assert_eq!(found["channels"], conv.geometry.channels);
                assert_eq!(found["weights"], json!(conv.weights));
                let at_least: Vec<_> = conv.thresholds.iter().map(|t| t.at_least).collect();
                assert_eq!(found["at_least"], json!(at_least));
                let invert = conv.thresholds.iter();
                let invert = invert.map(|t| if t.invert { '1' } else { '0' });
                assert_eq!(found["invert"], invert.collect::<String>());
            }
            Layer::RealExpectation(last) => {
                assert_eq!(found["columns"], last.columns());
                assert_eq!(found["classes"], last.classes);
                assert_eq!(found["weights"], json!(last.weights));
            }
            Layer::MaxPool(pool) => {
                assert_eq!(found["kernel"], json!(pool.kernel));
                assert_eq!(found["stride"], json!(pool.stride));
                assert_eq!(found["padding"], json!(pool.padding));
            }
            Layer::Expectation { weights } => {
                assert_eq!(found["columns"], weights.columns());
                assert_eq!(found["classes"], weights.rows());
            }
            Layer::Affine { scale, bias } => {
                assert_eq!(found["scale"], json!(scale));
                assert_eq!(found["bias"], json!(bias));
            }
        }
    }

    // It refuses a damaged file as well.
    let mut damaged = bytes;
    damaged[300] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    assert!(
        !Command::new("python3")
            .arg(script)
            .arg(&path)
            .output()
            .unwrap()
            .status
            .success()
    );
}

/// A mapped file is read as any other, and refused as any other.
#[cfg(feature = "memmap")]
#[test]
fn mapped_files_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    let model = nets::grey_net(&mut nets::generator(9));
    model.write(&path).unwrap();
    // SAFETY: the file is this test's own.
    let read = || unsafe { Model::read_mapped(&path) };
    assert_eq!(read().unwrap(), model);

    let mut bytes = model.to_bytes().unwrap();
    bytes.truncate(200);
    for bytes in [&bytes[..], &bytes[..9], &[]] {
        std::fs::write(&path, bytes).unwrap();
        let copied = Model::read(&path).unwrap_err().to_string();
        assert_eq!(read().unwrap_err().to_string(), copied);
    }
    std::fs::remove_file(&path).unwrap();
    let copied = Model::read(&path).unwrap_err().to_string();
    assert_eq!(read().unwrap_err().to_string(), copied);
}
