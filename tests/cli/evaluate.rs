//! `bernet eval`.

use super::{
    nets::{ink, write_model},
    program::{bernet, fails, succeeds},
};
use bernet_runtime::graph::{Graph, Pixels};

#[test]
fn eval_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    // Class 0 gets the sum of the pixels, which is negative for all but the boldest digits; 1 is
    // the first of the others.
    write_model(&path, |_| ());
    let mnist = bernet::data::load_embedded().test;
    let ink = |image: usize| {
        (0..28 * 28)
            .filter(|at| mnist.images().get(image, at / 28, at % 28, 0))
            .count()
    };
    let says = |image: usize| u8::from(ink(image) * 2 < 28 * 28);
    let right = (0..mnist.len())
        .filter(|&image| mnist.labels()[image] == says(image))
        .count();
    let expected = format!("accuracy {:.2} % ({right}/10000)", right as f64 / 100.0);
    for (options, ending) in [
        (&["--level", "portable"][..], "level portable, 1 thread"),
        (&["--threads", "2"], "2 threads"),
        (&[], "1 thread"),
    ] {
        let output = bernet()
            .arg("eval")
            .arg(&path)
            .args(options)
            .output()
            .unwrap();
        let lines: Vec<_> = succeeds(&output).lines().collect();
        assert_eq!(lines[0], expected);
        assert!(
            lines.len() == 2
                && lines[1].contains(" images/s, level ")
                && lines[1].ends_with(ending),
            "{lines:?}"
        );
    }
}

#[test]
fn eval_refuses_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    let eval = |edit: fn(&mut Graph), options: &[&str]| {
        write_model(&path, edit);
        bernet()
            .arg("eval")
            .arg(&path)
            .args(options)
            .output()
            .unwrap()
    };
    fails(
        &eval(|graph| *graph = ink([28, 24, 1], 128, 10), &[]),
        1,
        "images: expected 28×24×1, found 28×28×1",
    );
    fails(
        &eval(|graph| *graph = ink([28, 28, 1], 100, 10), &[]),
        1,
        "use --data",
    );
    fails(
        &eval(|graph| *graph = ink([28, 28, 1], 128, 2), &[]),
        1,
        "the net has 2 classes, the images' labels 10",
    );
    fails(
        &eval(|graph| graph.inputs[0].pixels = Pixels::Unsaid, &[]),
        1,
        "pixels of input \"image\": expected a net that says what they become",
    );
    fails(
        &eval(|_| (), &["--threads", "0"]),
        1,
        "threads: expected 1 to ",
    );
    fails(&eval(|_| (), &["--data", "docs"]), 1, "docs: no file");
}
