//! Nets of other tools: each graph of a folder gives the outputs that another engine recorded.
//!
//! `BERNET_ONNX_CASES` names a folder of `NAME.onnx` with `NAME.npz`, which has the inputs `x` of
//! several runs and the outputs `y0`, `y1`, … in the graph's order. Without it nothing is tested.

#![cfg(feature = "onnx")]

use bernet::exchange::{ImportOptions, onnx};
use bernet_runtime::{
    graph::{ArrayLayout, Graph, Kind},
    reference,
    tensor::{Data, Tensor},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

#[path = "support/npz.rs"]
mod npz;

/// Where each element of an item in NHWC order is in the array of a layout.
fn places(layout: &ArrayLayout) -> Vec<usize> {
    let mut strides = vec![1; layout.dims.len()];
    for axis in (1..strides.len()).rev() {
        strides[axis - 1] = strides[axis] * layout.dims[axis];
    }
    let mut places = vec![0];
    for &axis in &layout.perm {
        let along = (0..layout.dims[axis]).map(|index| index * strides[axis]);
        places = places
            .iter()
            .flat_map(|place| along.clone().map(move |more| place + more))
            .collect();
    }
    places
}

/// A host's array as a tensor.
fn tensor(graph: &Graph, index: usize, array: &[f32]) -> Tensor {
    let input = &graph.inputs[index];
    let value = graph.value(input.value);
    let places = places(&input.layout);
    let values: Vec<f32> = array
        .chunks_exact(places.len())
        .flat_map(|item| places.iter().map(|&place| item[place]))
        .collect();
    let batch = array.len() / places.len();
    let data = match value.kind {
        Kind::Bit => Data::Bit(values.iter().map(|&x| x > 0.0).collect()),
        Kind::U8 => Data::U8(values.iter().map(|&x| x as u8).collect()),
        Kind::I32 => Data::I32(values.iter().map(|&x| x as i32).collect()),
        Kind::F32 => Data::F32(values),
    };
    Tensor::new(batch, value.shape, data).expect("as many values as the array has")
}

/// A tensor as a host's array, and its shape.
fn host_array(layout: &ArrayLayout, tensor: &Tensor) -> (Vec<usize>, Vec<f32>) {
    let places = places(layout);
    let mut array = vec![0.0; tensor.data().len()];
    for (item, values) in tensor.to_f32().chunks_exact(places.len()).enumerate() {
        for (&place, &value) in places.iter().zip(values) {
            array[item * places.len() + place] = value;
        }
    }
    let batch = layout.batch.then_some(tensor.batch());
    let dims = batch.into_iter().chain(layout.dims.iter().copied());
    (dims.collect(), array)
}

/// What becomes of one graph.
enum Verdict {
    Equal,
    Refused(String),
    Different(String),
    WithoutOracle,
}

fn judge(path: &Path) -> Verdict {
    let graph = match onnx::import_file(path, &ImportOptions::default()) {
        Ok(imported) => imported.graph,
        Err(error) => return Verdict::Refused(error.cause.to_string()),
    };
    let Ok(file) = fs::read(path.with_extension("npz")) else {
        return Verdict::WithoutOracle;
    };
    let mut arrays = npz::arrays(&file);
    let (dims, x) = arrays.remove("x").expect("inputs");
    let runs = dims[0];
    let mut wanted = Vec::new();
    while let Some(array) = arrays.remove(&format!("y{}", wanted.len())) {
        wanted.push(array);
    }
    if wanted.len() != graph.outputs.len() {
        let found = graph.outputs.len();
        return Verdict::Different(format!("{found} outputs for {}", wanted.len()));
    }
    let mut worst = 0.0_f32;
    for run in 0..runs {
        let each = x.len() / runs;
        let input = tensor(&graph, 0, &x[run * each..][..each]);
        let outputs = reference::run(&graph, &[input]).expect("a valid graph");
        for ((output, found), (dims, values)) in graph.outputs.iter().zip(outputs).zip(&wanted) {
            let (shape, found) = host_array(&output.layout, &found);
            if shape != dims[1..] {
                return Verdict::Different(format!("{shape:?} for {:?}", &dims[1..]));
            }
            let each = values.len() / runs;
            let values = &values[run * each..][..each];
            let scale = values.iter().fold(1e-6_f32, |most, y| most.max(y.abs()));
            for (y, f) in values.iter().zip(&found) {
                worst = worst.max((y - f).abs() / scale);
            }
        }
    }
    if worst <= 1e-5 {
        Verdict::Equal
    } else {
        Verdict::Different(format!("{worst:.1e}"))
    }
}

#[test]
fn every_graph_gives_what_another_engine_gives() {
    let Ok(folder) = std::env::var("BERNET_ONNX_CASES") else {
        println!("skipped: BERNET_ONNX_CASES names no folder of graphs");
        return;
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "onnx")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no graphs in the folder");
    let mut counts = BTreeMap::new();
    for path in &files {
        let verdict = judge(path);
        let (name, text) = match verdict {
            Verdict::Equal => ("equal", String::new()),
            Verdict::Refused(text) => ("refused", text),
            Verdict::Different(text) => ("different", text),
            Verdict::WithoutOracle => ("accepted without an oracle", String::new()),
        };
        *counts.entry(name).or_insert(0) += 1;
        if name != "equal" {
            let stem = path.file_stem().unwrap_or_default().display();
            println!("{stem}: {name}: {text}");
        }
    }
    println!("{counts:?} of {}", files.len());
    assert_eq!(counts.get("different"), None);
}
