//! The shipped nets on the whole test set: the same count on every level, and by the definition without bit tricks.

use bernet::{
    classify::{self, Classifier, Logits},
    data::{self, Dataset},
};
use bernet_kernels::isa::Level;
use bernet_runtime::{
    format,
    graph::{Graph, Kind},
    reference,
    tensor::{Data, Tensor},
};
use std::io::Write;

/// A net of `models/`, and how many of the 10 000 test digits it reads right.
macro_rules! shipped {
    ($name:literal, $correct:literal) => {
        (
            $name,
            include_bytes!(concat!("../models/", $name, ".bnet")) as &[u8],
            $correct,
        )
    };
}

/// The embedded digits are black and white. Of their grey values, which are in MNIST's IDX files, `mnist-grey` reads 9 816 right,
/// `mnist-small` 9 765, `mnist-small-4k` 9 893, `mnist-small-8k` 9 910.
const NETS: [(&str, &[u8], usize); 8] = [
    shipped!("mnist", 9_792),
    shipped!("mnist-bernoulli", 9_783),
    shipped!("mnist-exact", 9_781),
    shipped!("mnist-lenet", 9_899),
    shipped!("mnist-grey", 9_752),
    shipped!("mnist-small", 9_729),
    shipped!("mnist-small-4k", 9_845),
    shipped!("mnist-small-8k", 9_887),
];

fn nets() -> impl Iterator<Item = (&'static str, Graph, usize)> {
    NETS.into_iter().map(|(name, bytes, correct)| {
        let graph = format::from_bytes(bytes).expect("a shipped net is whole");
        (name, graph, correct)
    })
}

#[test]
fn shipped_nets_read_as_many_digits_on_every_level() {
    let test = data::load_embedded().test;
    let runs = nets().flat_map(|net| {
        Level::available()
            .into_iter()
            .map(move |level| (net.clone(), level))
    });
    for ((name, graph, expected), level) in runs {
        let mut classifier = Classifier::new(&graph, level).expect("a classifier");
        let images = classifier.images(&test).expect("28×28 digits");
        let predictions = classifier.classify(&images).expect("28×28 digits");
        let correct = classify::count_correct(&predictions, test.labels());
        // Past the harness, which would keep it to itself: which levels a run has covered is part of its result.
        writeln!(
            std::io::stderr(),
            "{name}, level {level}: {correct} of {}",
            test.len()
        )
        .expect("stderr");
        assert_eq!(correct, expected, "{name}, {level}");
    }
}

/// Digits as the input of a net.
fn tensor(graph: &Graph, digits: &Dataset) -> Tensor {
    let value = graph.value(graph.inputs[0].value);
    let bytes = digits.bytes().into_owned();
    let data = match value.kind {
        Kind::Bit => Data::Bit(bytes.iter().map(|&byte| byte >= data::THRESHOLD).collect()),
        _ => Data::U8(bytes),
    };
    Tensor::new(digits.len(), value.shape, data).expect("28×28 digits")
}

/// Every activation, as an output of its own, is that of the operators' definition. Emulators, for
/// which `BERNET_EVERY` is set, take so many times fewer digits: definitions are slow.
#[test]
fn every_activation_is_that_of_the_definition() {
    let every = std::env::var("BERNET_EVERY").map_or(1, |every| every.parse().unwrap());
    let test = data::load_embedded().test.subset(0..200 / every);
    for (name, graph, _) in nets() {
        let input = tensor(&graph, &test);
        let expected = reference::trace(&graph, std::slice::from_ref(&input)).expect("digits");
        for level in Level::available() {
            for node in &graph.nodes {
                let mut single = graph.clone();
                single.outputs[0].value = node.outputs[0];
                let shape = graph.value(node.outputs[0]).shape;
                single.outputs[0].layout = bernet_runtime::graph::ArrayLayout::nhwc(shape);
                let options = bernet_runtime::plan::Options {
                    level,
                    ..Default::default()
                };
                let mut session =
                    bernet_runtime::session::Session::new(&single, &options).expect("a plan");
                let found = session.run(std::slice::from_ref(&input)).expect("digits");
                assert!(
                    found[0] == expected[node.outputs[0].index()],
                    "{name}, {level}, {}",
                    node.op.name()
                );
            }
        }
    }
}

/// Any number of images at a time gives the same logits.
#[test]
fn batches_of_any_size_give_the_same_logits() {
    let test = data::load_embedded().test.subset(0..130);
    for (name, graph, _) in nets() {
        let mut classifier = Classifier::new(&graph, Level::best()).expect("a classifier");
        let Logits::Integers(all) = classifier
            .logits(&classifier.images(&test).expect("28×28 digits"))
            .expect("28×28 digits")
        else {
            panic!("{name}: sums are integers");
        };
        for range in [0..0, 0..1, 1..64, 3..68, 0..129, 129..130] {
            let images = classifier
                .images(&test.subset(range.clone()))
                .expect("digits");
            let classes = classifier.classes();
            let found = classifier.logits(&images).expect("digits");
            let expected = all[range.start * classes..range.end * classes].to_vec();
            assert_eq!(found, Logits::Integers(expected), "{name}, {range:?}");
        }
    }
}
