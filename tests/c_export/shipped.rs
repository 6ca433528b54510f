//! The shipped nets give the host's logits.

use super::compiled::{WARNINGS, class, compile, from_environment, has, run, runs, write};
use bernet::data;
use bernet_runtime::{
    format,
    graph::{Graph, Kind},
    plan,
    session::Session,
    tensor::{Data, Tensor},
};
use std::{fs, process::Command};

#[track_caller]
fn same(found: &[Vec<i64>], expected: &[f32], about: &str) {
    let classes = expected.len() / found.len().max(1);
    assert!(
        !found.is_empty() && expected.len() == found.len() * classes,
        "{about}"
    );
    for (item, (found, expected)) in found.iter().zip(expected.chunks(classes)).enumerate() {
        let expected: Vec<_> = expected.iter().map(|&logit| logit as i64).collect();
        assert_eq!(found[..classes], expected, "{about}, item {item}");
        assert_eq!(
            found[classes],
            class(&expected),
            "{about}, item {item}: class"
        );
    }
}

/// Test digits as bytes and as the input of a graph.
fn digits(graph: &Graph, count: usize) -> (Vec<u8>, Tensor) {
    let test = data::load_embedded().test;
    let bit = |index: usize| {
        let (item, place) = (index / 784, index % 784);
        test.images().get(item, place / 28, place % 28, 0)
    };
    let bits: Vec<_> = (0..count * 784).map(bit).collect();
    let pixels: Vec<_> = bits.iter().map(|&bit| 255 * u8::from(bit)).collect();
    let value = graph.value(graph.inputs[0].value);
    let data = match value.kind {
        Kind::Bit => Data::Bit(bits),
        _ => Data::U8(pixels.clone()),
    };
    (
        pixels,
        Tensor::new(count, value.shape, data).expect("digits"),
    )
}

#[test]
fn every_shipped_net_gives_the_hosts_logits() {
    if !has("cc") {
        return;
    }
    let mut nets = 0;
    for entry in fs::read_dir("models").expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "bnet") {
            continue;
        }
        let about = path.display().to_string();
        let graph = format::read(&path).expect("a net");
        let folder = tempfile::tempdir().expect("a folder");
        let files = write(&graph, folder.path(), &about);
        println!(
            "{about}: {} + {} bytes",
            files.constant_bytes, files.arena_bytes
        );
        let (pixels, digits) = digits(&graph, from_environment("BERNET_C_DIGITS", 200) as usize);
        let mut session = Session::new(&graph, &plan::Options::default()).expect("a session");
        let expected = session.run(&[digits]).expect("a run")[0].to_f32();
        for flags in [
            &["-O2"][..],
            &["-O2", "-mpopcnt"],
            &[
                "-O1",
                "-g",
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
            ],
        ] {
            if flags.contains(&"-mpopcnt") && !cfg!(target_arch = "x86_64") {
                continue;
            }
            compile(folder.path(), flags, &about);
            same(&run(folder.path(), &pixels, &about), &expected, &about);
        }
        for (compiler, standard) in [("gcc", "-std=c99"), ("clang", "-std=c99"), ("c++", "-xc++")] {
            if has(compiler) {
                let mut command = Command::new(compiler);
                command
                    .current_dir(folder.path())
                    .args([standard, "-Os", "-c", "net.c", "-o"]);
                runs(command.arg("other.o").args(WARNINGS), &about);
            }
        }
        nets += 1;
    }
    assert!(nets >= 4, "{nets} nets");
}
