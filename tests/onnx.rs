//! ONNX: nets of other tools give what they gave there, and other engines run what is exported.

use bernet::{
    classify::{self, Classifier},
    data,
    exchange::{
        ImportOptions,
        onnx::{self, Dialect},
        pixels::Reading,
    },
};
use bernet_kernels::isa::Level;
use bernet_runtime::{
    format,
    graph::{Graph, Kind, Pixels, Shape},
    passes::{self, Passes},
    plan::Options,
    session::Session,
    tensor::{Data, Tensor},
};
use rand_pcg::{Pcg32, rand_core::Rng};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A net whose floats are pixel/255, after all passes.
fn import(path: &Path) -> Graph {
    let reading: Reading = "0..1".parse().expect("a reading");
    let options = ImportOptions::default();
    let mut graph = onnx::import_file(path, &options)
        .unwrap_or_else(|error| panic!("{error}"))
        .graph;
    let input = &graph.inputs[0];
    if graph.value(input.value).kind == Kind::F32 {
        graph.inputs[0].pixels = Pixels::from(reading);
    }
    passes::run(&graph, &Passes::default()).expect("a valid graph")
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
    let bytes = fs::read(path).expect("a file");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[..header]);
    assert!(
        text.contains("'descr': '<f4', 'fortran_order': False"),
        "{text}"
    );
    bytes[header..]
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().expect("four bytes")))
        .collect()
}

/// It reads as many of the embedded digits as of the grey ones, of which they are the bits at 128.
#[test]
fn the_third_party_net() {
    let Some(folder) = models_from_elsewhere() else {
        return;
    };
    let graph = import(&folder.join("qonnx_tfc/TFC_1W1A.onnx"));
    let binary = |name: &str| {
        graph
            .nodes
            .iter()
            .filter(|node| node.op.name() == name)
            .count()
    };
    assert_eq!(binary("binary dense") + binary("binary conv"), 4);
    assert_eq!(binary("dense") + binary("conv"), 0);
    let test = data::load_embedded().test;
    let mut classifier = Classifier::new(&graph, Level::best()).expect("a classifier");
    let images = classifier.images(&test).expect("28×28 digits");
    let predictions = classifier.classify(&images).expect("28×28 digits");
    assert_eq!(classify::count_correct(&predictions, test.labels()), 9296);

    let expected = read_npy(&folder.join("qonnx_tfc/tfc_1w1a_qonnx_ref_logits_first300.npy"));
    assert_eq!(expected.len(), 3000);
    let logits = classifier.logits(&images).expect("28×28 digits").to_f64();
    for (index, (found, expected)) in logits.iter().zip(expected).enumerate() {
        // A few operations on numbers below 4, each rounded to 2⁻²⁴ of them.
        let error = (found - f64::from(expected)).abs();
        assert!(error < 1e-5, "{index}: {found}, not {expected}");
    }
}

/// The same by the program, from the grey images where they are.
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
    let output = Command::new(env!("CARGO_BIN_EXE_bernet"))
        .arg("eval")
        .arg(folder.join("qonnx_tfc/TFC_1W1A.onnx"))
        .args(["--pixels", "0..1", "--data"])
        .arg(idx)
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stdout);
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
    let output = command.output().expect("a run");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

/// Random pictures in the order line, pixel, channel.
fn random_pictures(shape: Shape, count: usize, seed: u64) -> Vec<u8> {
    let mut random = Pcg32::new(seed, 0xb1);
    let pixel = |_| (random.next_u32() >> 24) as u8;
    (0..count * shape.len()).map(pixel).collect()
}

/// Pictures in the order channel, line, pixel, and back.
fn planes(pixels: &[u8], shape: Shape) -> Vec<u8> {
    let pictures = pixels.chunks(shape.len());
    pictures
        .flat_map(|picture| {
            let channels = 0..shape.channels;
            channels.flat_map(|channel| picture.iter().skip(channel).step_by(shape.channels))
        })
        .copied()
        .collect()
}

/// The logits of pictures one by one, pixel/255 where a net reads floats. That is a division: a
/// product with 1/255 may be another float, and fall on the other side of a threshold.
fn as_other_engines_do(graph: &Graph, pixels: &[u8]) -> Vec<f64> {
    let mut session = Session::new(graph, &Options::default()).expect("a plan");
    let value = graph.value(graph.inputs[0].value);
    let pictures = pixels.chunks(value.shape.len());
    let logits = pictures.flat_map(|picture| {
        let data = match value.kind {
            Kind::U8 => Data::U8(picture.to_vec()),
            _ => Data::F32(picture.iter().map(|&p| f32::from(p) / 255.0).collect()),
        };
        let tensor = Tensor::new(1, value.shape, data).expect("a picture");
        session.run(&[tensor]).expect("a picture")[0].to_f32()
    });
    logits.map(f64::from).collect()
}

/// Every shipped and every older net of bits, by its path.
fn nets() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut nets = Vec::new();
    for folder in ["models", "tests/golden", "tests/golden/older"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let real = path.file_stem().is_some_and(|name| name == "real");
            if path.extension().is_some_and(|ending| ending == "bnet") && !real {
                nets.push(path);
            }
        }
    }
    nets.sort();
    assert!(nets.len() >= 20, "{} nets", nets.len());
    nets
}

/// Every net of bits keeps its logits through an export and an import in either dialect.
#[test]
fn exports_are_imported_again() {
    for path in nets() {
        let graph = format::read(&path).expect("a net");
        let shape = graph.value(graph.inputs[0].value).shape;
        let pixels = random_pictures(shape, 3, 1);
        let logits = |graph: &Graph| {
            let mut classifier = Classifier::new(graph, Level::best()).expect("a classifier");
            let images = classifier.pictures(&pixels).expect("three pictures");
            classifier.logits(&images).expect("its own").to_f64()
        };
        let expected = logits(&graph);
        let exported = onnx::with_picture_input(&graph).expect("a valid graph");
        for dialect in [Dialect::Standard, Dialect::Qonnx] {
            let file = onnx::export(&exported, dialect).expect("operators of ONNX");
            let options = ImportOptions::default();
            let back = onnx::import(&file, &options).expect("its own file").graph;
            assert_eq!(back.metadata, graph.metadata, "{}", path.display());
            let back = passes::run(&back, &Passes::default()).expect("a valid graph");
            let found = as_other_engines_do(&back, &pixels);
            assert_eq!(found, expected, "{}, {dialect:?}", path.display());
        }
    }
}

/// onnxruntime and qonnx give the same logits for what is exported.
#[test]
fn other_engines_run_exports() {
    let Some(mut python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for (number, path) in nets().iter().enumerate() {
        let graph = format::read(path).expect("a net");
        let shape = graph.value(graph.inputs[0].value).shape;
        let pixels = random_pictures(shape, 5, number as u64);
        let mut classifier = Classifier::new(&graph, Level::best()).expect("a classifier");
        let images = classifier.pictures(&pixels).expect("five pictures");
        let logits = classifier.logits(&images).expect("its own").to_f64();
        let bytes: Vec<u8> = logits.into_iter().flat_map(f64::to_le_bytes).collect();
        let path = |name: &str| folder.path().join(format!("{number}.{name}"));
        fs::write(path("images"), planes(&pixels, shape)).expect("a file");
        fs::write(path("logits"), bytes).expect("a file");
        let graph = onnx::with_picture_input(&graph).expect("a valid graph");
        for (dialect, name) in [
            (Dialect::Standard, "onnx"),
            (Dialect::Qonnx, "qonnx"),
            (Dialect::Bernet, "xnor"),
        ] {
            let file = onnx::export(&graph, dialect).expect("operators of ONNX");
            fs::write(path(name), file).expect("a file");
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
    let folder = tempfile::tempdir().expect("a folder");
    run(python.arg("make").arg(folder.path()));
    check_nets_of_other_tools(folder.path());
}

/// Each NAME.onnx of a folder gives the logits NAME.npy on NAME.images.
fn check_nets_of_other_tools(folder: &Path) {
    let mut nets = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let name = path.display();
        let graph = import(&path);
        let planes = fs::read(path.with_extension("images")).expect("images");
        let expected = read_npy(&path.with_extension("npy"));
        let [height, width, channels] = graph.value(graph.inputs[0].value).shape.dims();
        let pixels: Vec<_> = planes
            .chunks(height * width * channels)
            .flat_map(|image| {
                (0..image.len()).map(|at| image[at % channels * height * width + at / channels])
            })
            .collect();
        let found = as_other_engines_do(&graph, &pixels);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (index, (found, &expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - f64::from(expected)).abs();
            assert!(
                error <= 1e-5 * (1.0 + f64::from(expected).abs()),
                "{name}, logit {index}: {found}, not {expected}"
            );
        }
        nets += 1;
    }
    assert!(nets >= 10, "{nets} nets");
}
