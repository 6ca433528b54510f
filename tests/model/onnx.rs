//! ONNX: what is exported is imported again, other engines agree, and nets from elsewhere give what they gave there.

use crate::{any::any_binary_model, nets};
use bernet::{
    data,
    infer::{Session, reference},
    model::{
        Layer, Model,
        onnx::{self, Dialect},
    },
};
use bernet_kernels::{
    bits::{BitTensor, Shape},
    isa::Level,
    xnor::{PaddingValue, Threshold},
};
use proptest::{prelude::*, strategy::ValueTree};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const DIALECTS: [Dialect; 2] = [Dialect::Standard, Dialect::Qonnx];

/// The model with least sums within one of what a sum can be, which is what an export keeps of them, and without a value for
/// padding that is not there.
fn within_reach(mut model: Model) -> Model {
    for (index, layer) in model.layers.iter_mut().enumerate() {
        if let Layer::Conv(conv) = layer {
            if conv.geometry.padding == [0; 4] {
                conv.geometry.padding_value = PaddingValue::MinusOne;
            }
            let grey = index == 0 && model.input.threshold.is_none();
            let depth = conv.window().depth() as i32 * if grey { 255 } else { 1 };
            for threshold in &mut conv.thresholds {
                *threshold = Threshold {
                    at_least: threshold.at_least.clamp(-depth, depth + 1),
                    ..*threshold
                };
            }
        }
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exports_are_imported_again(model in any_binary_model()) {
        // An image of few lines and many channels could be either way round.
        prop_assume!(model.input.channels <= 4 || model.input.width > 4);
        // Slices of slices, and those of everything, are one or none.
        let crops = |layer: &Layer| matches!(layer, Layer::Crop { .. });
        prop_assume!(!model.layers.windows(2).any(|pair| pair.iter().all(crops)));
        let inputs = std::iter::once(model.input.shape()).chain(model.shapes().unwrap());
        let changes: Vec<_> = inputs.clone().zip(inputs.skip(1)).collect();
        prop_assume!(!model.layers.iter().zip(changes).any(|(layer, (before, after))| crops(layer) && before == after));
        let expected = within_reach(model);
        for dialect in DIALECTS {
            let file = onnx::export(&expected, dialect).unwrap();
            prop_assert_eq!(&onnx::import(&file).unwrap(), &expected);
        }
    }
}

/// A byte more or less, or another one, is an error or a model, but no panic.
#[test]
fn damaged_files_are_no_trouble() {
    let model = nets::seed_net(true, &mut nets::generator(20));
    let file = onnx::export(&model, Dialect::Qonnx).unwrap();
    let random = &mut nets::generator(21);
    for length in 0..file.len().min(2000) {
        let _ = onnx::import(&file[..length]);
    }
    // Names, attributes and dimensions are at the beginning, a tensor's data after them.
    for at in (0..file.len()).step_by(97).chain(0..3000) {
        let mut damaged = file.clone();
        damaged[at] ^= nets::reals(1, random)[0].to_bits() as u8 | 1;
        let _ = onnx::import(&damaged);
    }
}

/// The folder of nets made elsewhere.
fn models_from_elsewhere() -> Option<PathBuf> {
    let folder = env::var_os("BERNET_MODELS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models"),
        PathBuf::from,
    );
    let there = folder.join("qonnx_tfc").is_dir();
    if !there {
        println!(
            "SKIPPED: no nets from elsewhere in {} (set BERNET_MODELS)",
            folder.display()
        );
    }
    there.then_some(folder)
}

/// The float32 values of a two-dimensional .npy file.
fn read_npy(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[..header]);
    assert!(
        text.contains("'descr': '<f4', 'fortran_order': False"),
        "{text}"
    );
    bytes[header..]
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect()
}

#[test]
fn the_third_party_net() {
    let Some(folder) = models_from_elsewhere() else {
        return;
    };
    let model = onnx::import_file(folder.join("qonnx_tfc/TFC_1W1A.onnx")).unwrap();
    assert_eq!(model.input.threshold, Some(128));
    let [.., Layer::Affine { scale, bias }] = &model.layers[..] else {
        panic!("the net ends with a batch norm")
    };

    // Its threshold is that of the embedded images, so that these are what it reads of the grey ones.
    let test = data::load_embedded().test;
    let mut session = Session::new(&model, Level::best()).unwrap();
    let predictions = session.classify(test.images()).unwrap();
    let right = predictions
        .iter()
        .zip(test.labels())
        .filter(|(said, label)| said.class == usize::from(**label));
    assert_eq!(right.count(), 9296);

    let expected = read_npy(&folder.join("qonnx_tfc/tfc_1w1a_qonnx_ref_logits_first300.npy"));
    assert_eq!(expected.len(), 3000);
    let sums = session.logits(test.images()).unwrap()[..3000].to_vec();
    let real = session.real_logits(test.images()).unwrap();
    for (index, ((&sum, &real), &expected)) in sums.iter().zip(&real).zip(&expected).enumerate() {
        // The integer behind the expected logit, which three roundings of float32 leave far nearer than 1/2.
        let class = index % 10;
        let integer = (f64::from(expected) - bias[class]) / scale[class];
        assert!(
            (integer - f64::from(sum)).abs() < 1e-4,
            "{index}: {integer}, not {sum}"
        );
        // Three more operations, each rounding at most at 2⁻²⁴ of numbers below 4.
        assert!(
            (real - f64::from(expected)).abs() < 3.0 * 4.0 / f64::from(1 << 24),
            "{index}: {real}, not {expected}"
        );
    }
}

/// The same from the grey images, where they are.
#[test]
fn the_third_party_net_on_grey_images() {
    let Some(folder) = models_from_elsewhere() else {
        return;
    };
    let Some(idx) = env::var_os("BERNET_MNIST_IDX") else {
        return println!(
            "SKIPPED: no grey images (set BERNET_MNIST_IDX to the folder of MNIST's IDX files)"
        );
    };
    let temporary = tempfile::tempdir().unwrap();
    let net = temporary.path().join("tfc.bnet");
    let bernet = || Command::new(env!("CARGO_BIN_EXE_bernet"));
    let output = bernet()
        .arg("import")
        .arg("--chain")
        .arg(folder.join("qonnx_tfc/TFC_1W1A.onnx"))
        .arg("-o")
        .arg(&net)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = bernet()
        .arg("eval")
        .arg(&net)
        .arg("--data")
        .arg(idx)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("accuracy 92.96 % (9296/10000)\n"),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A Python that has onnx, onnxruntime and qonnx.
fn python() -> Option<Command> {
    let Some(python) = env::var_os("BERNET_ONNX_PYTHON") else {
        println!(
            "SKIPPED: other engines (set BERNET_ONNX_PYTHON to a Python with onnx, onnxruntime and qonnx)"
        );
        return None;
    };
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx_peers.py"));
    Some(command)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

/// Bits of an image of grey values as the model has it, and those values in the order channel, line, pixel.
fn grey_images(model: &Model, batch: usize, seed: u64) -> (BitTensor, Vec<u8>) {
    let Shape {
        height,
        width,
        channels,
        ..
    } = model.input.shape();
    let random = &mut nets::generator(seed);
    let grey: Vec<u8> = nets::reals(batch * height * width * channels, random)
        .iter()
        .map(|real| ((real + 2.0) * 64.0) as u8)
        .collect();
    let mut planes = Vec::with_capacity(grey.len());
    for image in grey.chunks(height * width * channels) {
        for channel in 0..channels {
            planes.extend(image.iter().skip(channel).step_by(channels));
        }
    }
    (model.input.binarise(&grey).unwrap(), planes)
}

/// The model in bernet's own operators, unless it crops what is packed already.
fn packed_export(model: &Model) -> Option<Vec<u8>> {
    let weights = |layer: &Layer| matches!(layer, Layer::Conv(_) | Layer::MaxPool(_));
    // A layer that reads grey values puts out numbers, which are packed where they are read.
    let grey = usize::from(model.input.threshold.is_none());
    let packing = model.layers.iter().skip(grey).position(weights);
    let first = packing.map(|index| grey + index);
    let crop = |layer: &Layer| matches!(layer, Layer::Crop { .. });
    let last = model.layers.iter().rposition(crop);
    match onnx::export(model, Dialect::Bernet) {
        Ok(file) => {
            assert!(last.is_none() || first.is_none() || last < first);
            Some(file)
        }
        Err(error) => {
            assert!(
                error
                    .to_string()
                    .contains("(crop): expected before the first layer"),
                "{error}"
            );
            assert!(first.is_some() && last > first);
            None
        }
    }
}

#[test]
fn real_weights_are_not_exported() {
    let model = nets::real_net(&mut nets::generator(5));
    let error = onnx::export(&model, Dialect::Standard).unwrap_err();
    let says = "layer 1 (real conv): expected weights of one bit";
    assert!(error.to_string().starts_with(says), "{error}");
}

#[test]
fn packed_exports_crop_only_before_they_pack() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let models = (0..200).map(|_| any_binary_model().new_tree(&mut runner).unwrap().current());
    let exported = models.filter_map(|model| packed_export(&model)).count();
    assert!((1..200).contains(&exported), "{exported} of 200");
}

/// onnxruntime and qonnx give the same logits for what is exported.
#[test]
fn other_engines_run_exports() {
    let Some(mut python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut models: Vec<_> = (0..25)
        .map(|_| any_binary_model().new_tree(&mut runner).unwrap().current())
        .collect();
    models.extend([false, true].map(|cropped| nets::seed_net(cropped, &mut nets::generator(22))));
    for (number, model) in models.iter().enumerate() {
        let (images, planes) = grey_images(model, 5, number as u64);
        let trace = reference::trace(model, &reference::unpack(&images)).unwrap();
        let logits = trace.real_logits.into_iter();
        let bytes = logits.flat_map(f64::to_le_bytes).collect::<Vec<_>>();
        let path = |name: &str| folder.path().join(format!("{number}.{name}"));
        fs::write(path("images"), planes).unwrap();
        fs::write(path("logits"), bytes).unwrap();
        onnx::export_file(model, Dialect::Standard, path("onnx")).unwrap();
        onnx::export_file(model, Dialect::Qonnx, path("qonnx")).unwrap();
        if let Some(file) = packed_export(model) {
            fs::write(path("xnor"), file).unwrap();
        }
    }
    run(python.arg("run").arg(folder.path()));
}

/// Nets that other tools write, with what onnxruntime or qonnx made of them.
#[test]
fn nets_of_other_tools() {
    check_nets_of_other_tools(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/onnx"
    )));
}

/// The same by the versions that are here.
#[test]
fn nets_of_other_tools_made_anew() {
    let Some(mut python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    run(python.arg("make").arg(folder.path()));
    check_nets_of_other_tools(folder.path());
}

/// Each NAME.onnx of a folder gives the logits NAME.npy on NAME.images.
fn check_nets_of_other_tools(folder: &Path) {
    let mut nets = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let name = path.display();
        let model = onnx::import_file(&path).unwrap_or_else(|error| panic!("{error}"));
        let planes = fs::read(path.with_extension("images")).unwrap();
        let expected = read_npy(&path.with_extension("npy"));
        let Shape {
            height,
            width,
            channels,
            ..
        } = model.input.shape();
        let grey: Vec<_> = planes
            .chunks(height * width * channels)
            .flat_map(|image| {
                (0..image.len()).map(|at| image[at % channels * height * width + at / channels])
            })
            .collect();
        let images = model.input.binarise(&grey).unwrap();
        let real = Session::new(&model, Level::best())
            .unwrap()
            .real_logits(&images)
            .unwrap();
        assert_eq!(real.len(), expected.len(), "{name}");
        for (index, (real, &expected)) in real.iter().zip(&expected).enumerate() {
            let error = (real - f64::from(expected)).abs();
            assert!(
                error <= 1e-5 * (1.0 + f64::from(expected).abs()),
                "{name}, logit {index}: {real}, not {expected}"
            );
        }
        nets += 1;
    }
    assert!(nets >= 10, "{nets} nets");
}
