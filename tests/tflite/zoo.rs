//! Blocks of Larq's zoo, with the outputs of Larq Compute Engine's own interpreter.

use bernet::exchange::{
    npy::{Numbers, from_npz},
    tflite,
};
use bernet_kernels::isa::Level;
use bernet_runtime::{
    graph::Graph,
    passes::{self, Passes},
    plan::Options,
    reference,
    session::Session,
    tensor::Tensor,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folder with the zoo: `BERNET_ZOO`, or the one beside the repository.
fn zoo() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/zoo");
    let zoo = env::var_os("BERNET_ZOO").map_or_else(|| beside.into(), PathBuf::from);
    let found = Some(zoo).filter(|zoo| zoo.join("blocks").is_dir());
    if found.is_none() {
        eprintln!("skipped: no folder with the zoo (BERNET_ZOO)");
    }
    found
}

/// The nets in a folder.
fn nets(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut nets: Vec<_> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "tflite")
        })
        .collect();
    nets.sort();
    nets
}

/// Sizes and values of an array of floats beside a net.
fn floats(net: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let arrays = fs::read(net.with_extension("npz")).expect("its arrays");
    let arrays = from_npz(&arrays, 1 << 30).expect("arrays");
    let (_, array) = arrays.iter().find(|(found, _)| found == name).expect(name);
    let Numbers::F32(values) = array.numbers() else {
        panic!("{name}: floats");
    };
    (array.shape().to_vec(), values.clone())
}

/// The largest difference, and the largest value.
fn compare(found: &[f32], wanted: &[f32]) -> (f32, f32) {
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0_f32, |a, b| a.max(b.abs()));
    let mut differences = found.iter().zip(wanted).map(|(a, b)| a - b);
    (
        largest(&mut differences),
        largest(&mut wanted.iter().copied()),
    )
}

/// The first output for images one after the other, planned for a level.
fn run(graph: &Graph, level: Level, x: &[f32]) -> Vec<f32> {
    let shape = graph.value(graph.inputs[0].value).shape;
    let options = Options {
        level,
        ..Options::default()
    };
    let graph = passes::run(graph, &Passes::default()).expect("a valid graph");
    let mut session = Session::new(&graph, &options).expect("a program");
    let x = Tensor::from_f32(x.len() / shape.len(), shape, x.to_vec()).expect("images");
    session.run(&[x]).expect("outputs")[0].to_f32()
}

/// Deep nets of signs turn one rounding into other logits: these are equal all the way.
#[test]
fn whole_nets_of_the_zoo_have_the_logits_of_lce() {
    let Some(folder) = zoo() else { return };
    for path in nets(&folder) {
        let imported = tflite::import(&fs::read(&path).expect("a file")).expect("a net");
        let (_, x) = floats(&path, "x");
        let (_, wanted) = floats(&path, "logits");
        for level in Level::available() {
            // Sums of floats of other levels than the one that LCE was run on may be in another order.
            if level.name() == "portable" || level.name() == "sse42" {
                continue;
            }
            let found = run(&imported.graph, level, &x);
            let (worst, largest) = compare(&found, &wanted);
            println!(
                "{}, {}: {worst:e} of {largest}",
                path.display(),
                level.name()
            );
            assert!(
                worst <= 1e-5 * largest,
                "{}: {worst} of {largest}",
                path.display()
            );
        }
    }
}

#[test]
fn blocks_of_the_zoo_compute_what_lce_computes() {
    let Some(folder) = zoo() else { return };
    for path in nets(&folder.join("blocks")) {
        let imported = tflite::import(&fs::read(&path).expect("a file"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (sizes, x) = floats(&path, "x");
        let (_, y) = floats(&path, "y");
        // The first image: the reference is slow.
        let shape = imported.graph.value(imported.graph.inputs[0].value).shape;
        assert_eq!(shape.dims().to_vec(), sizes[1..], "{}", path.display());
        let image = Tensor::from_f32(1, shape, x[..shape.len()].to_vec()).expect("an image");
        let outputs = reference::run(&imported.graph, &[image]).expect("a valid graph");
        let found = outputs[0].to_f32();
        let (worst, largest) = compare(&found, &y[..found.len()]);
        let equal = found.iter().zip(&y).filter(|(a, b)| a == b).count();
        println!(
            "{}: {} nodes, {worst:e} of {largest}, {equal} of {} to the last bit",
            path.display(),
            imported.graph.nodes.len(),
            found.len()
        );
        assert!(
            worst <= 1e-5 * largest,
            "{}: {worst} of {largest}",
            path.display()
        );
        for level in Level::available() {
            let found = run(&imported.graph, level, &x);
            let (worst, largest) = compare(&found, &y);
            let name = level.name();
            assert!(
                worst <= 1e-5 * largest,
                "{}, {name}: {worst} of {largest}",
                path.display()
            );
        }
    }
}
