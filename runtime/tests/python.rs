//! The second implementation of the format, in Python, reads and computes the same graphs.

use bernet_runtime::{
    format::{from_bytes, to_bytes},
    graph::Graph,
    reference,
    tensor::{Data, Tensor},
    testing::{random_graph, random_inputs},
};
use std::{
    env, fs,
    io::ErrorKind,
    process::{self, Command},
};

const BATCH: usize = 2;

/// The elements of one item as words.
fn words(tensor: &Tensor, item: usize) -> Vec<String> {
    let len = tensor.shape().len();
    let range = item * len..(item + 1) * len;
    let text = |values: &[i32]| values.iter().map(|value| value.to_string()).collect();
    match tensor.data() {
        Data::Bit(bits) => text(
            &bits[range]
                .iter()
                .map(|&bit| if bit { 1 } else { -1 })
                .collect::<Vec<_>>(),
        ),
        Data::U8(bytes) => text(
            &bytes[range]
                .iter()
                .map(|&byte| byte.into())
                .collect::<Vec<_>>(),
        ),
        Data::I32(integers) => text(&integers[range]),
        Data::F32(floats) => floats[range]
            .iter()
            .map(|float| float.to_string())
            .collect(),
    }
}

/// Compares the outputs of graphs, each with its name.
fn compare(graphs: &[(String, Graph)]) {
    let folder = env::temp_dir().join(format!("bernet-{}-{}", graphs[0].0, process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let mut script = Command::new("python3");
    script.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/bnet_reader.py"
    ));
    for (name, graph) in graphs {
        let inputs = random_inputs(graph, BATCH, 5);
        let lines = (0..BATCH).flat_map(|item| inputs.iter().map(move |input| words(input, item)));
        let lines: Vec<_> = lines.map(|words| words.join(" ")).collect();
        let contents = [
            ("bnet", to_bytes(graph).expect("a valid graph")),
            ("txt", lines.join("\n").into_bytes()),
        ];
        for (extension, bytes) in contents {
            let file = folder.join(name).with_extension(extension);
            fs::write(&file, bytes).expect("a file");
            script.arg(file);
        }
    }
    let output = script.output();
    fs::remove_dir_all(folder).expect("the folder");
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return println!("skipped: no python3");
        }
        Err(error) => panic!("{error}"),
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines = text.lines();
    for (name, graph) in graphs {
        let outputs = reference::run(graph, &random_inputs(graph, BATCH, 5)).expect("a run");
        for item in 0..BATCH {
            for (output, declared) in outputs.iter().zip(&graph.outputs) {
                let what = format!("{name}, {}", declared.name);
                compare_line(lines.next().expect("a line"), output, item, &what);
            }
        }
    }
    assert_eq!(lines.next(), None);
}

/// Compares an item with a line: type, sizes, elements.
fn compare_line(line: &str, output: &Tensor, item: usize, what: &str) {
    let found: Vec<_> = line.split(' ').collect();
    let dims = output.shape().dims().map(|size| size.to_string());
    assert_eq!(
        found[..4],
        [output.kind().name(), &dims[0], &dims[1], &dims[2]],
        "{what}"
    );
    let expected = words(output, item);
    assert_eq!(found.len(), 4 + expected.len(), "{what}");
    for (found, expected) in found[4..].iter().zip(&expected) {
        let number = |word: &str| word.parse::<f64>().expect("a number");
        let (found, expected) = (number(found), number(expected));
        let allowed = match output.data() {
            Data::F32(_) => 2e-6 * expected.abs().max(1.0),
            _ => 0.0,
        };
        let error = (found - expected).abs();
        assert!(error <= allowed, "{what}: {found}, expected {expected}");
    }
}

#[test]
fn the_python_reader_computes_random_graphs() {
    let graph = |seed: u64| {
        let graph = random_graph(seed, 2 + seed as usize % 14);
        (format!("seed-{seed}"), graph)
    };
    compare(&(0..60).map(graph).collect::<Vec<_>>());
}

#[test]
fn the_python_reader_computes_shipped_nets() {
    let graph = |name: &str| {
        let path = format!("{}/../models/{name}.bnet", env!("CARGO_MANIFEST_DIR"));
        let graph = from_bytes(&fs::read(path).expect("a file")).expect("a net");
        (name.to_string(), graph)
    };
    compare(&["mnist", "mnist-grey"].map(graph));
}
