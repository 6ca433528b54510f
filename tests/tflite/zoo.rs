//! Blocks of Larq's zoo, with the outputs of Larq Compute Engine's own interpreter.

use bernet::exchange::{
    npy::{Numbers, from_npz},
    tflite,
};
use bernet_runtime::{reference, tensor::Tensor};
use std::{env, fs, path::PathBuf};

/// The folder with the zoo's blocks: `BERNET_ZOO`, or the one beside the repository.
fn blocks() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/zoo");
    let zoo = env::var_os("BERNET_ZOO").map_or_else(|| beside.into(), PathBuf::from);
    Some(zoo.join("blocks")).filter(|blocks| blocks.is_dir())
}

#[test]
fn blocks_of_the_zoo_compute_what_lce_computes() {
    let Some(folder) = blocks() else {
        eprintln!("skipped: no folder with the zoo (BERNET_ZOO)");
        return;
    };
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "tflite")
        })
        .collect();
    paths.sort();
    for path in paths {
        let imported = tflite::import(&fs::read(&path).expect("a file"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let arrays = fs::read(path.with_extension("npz")).expect("its arrays");
        let arrays = from_npz(&arrays, 1 << 30).expect("arrays");
        let floats = |name: &str| {
            let (_, array) = arrays.iter().find(|(found, _)| found == name).expect(name);
            let Numbers::F32(values) = array.numbers() else {
                panic!("{name}: floats");
            };
            (array.shape().to_vec(), values.clone())
        };
        let (sizes, x) = floats("x");
        let (_, y) = floats("y");
        // The first image: the reference is slow.
        let shape = imported.graph.value(imported.graph.inputs[0].value).shape;
        assert_eq!(shape.dims().to_vec(), sizes[1..], "{}", path.display());
        let x = Tensor::from_f32(1, shape, x[..shape.len()].to_vec()).expect("an image");
        let outputs = reference::run(&imported.graph, &[x]).expect("a valid graph");
        let found = outputs[0].to_f32();
        let largest = y
            .iter()
            .fold(0_f32, |largest, value| largest.max(value.abs()));
        let worst = found
            .iter()
            .zip(&y)
            .fold(0_f32, |worst, (a, b)| worst.max((a - b).abs()));
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
    }
}
