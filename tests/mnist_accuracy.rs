//! The shipped nets on the whole test set: the same count on every level, and by the definition without bit tricks.

use bernet::{
    data,
    infer::{self, Session, reference},
    model::Model,
    train,
};
use bernet_kernels::isa::Level;
use std::io::Write;

/// The nets of `models/`, and how many of the 10 000 test digits each reads right. The embedded digits are black and white; of their
/// grey values, which are in MNIST's IDX files, `mnist-grey.bnet` reads 9 816 right.
const NETS: [(&str, &[u8], usize); 4] = [
    ("mnist.bnet", include_bytes!("../models/mnist.bnet"), 9_792),
    (
        "mnist-bernoulli.bnet",
        include_bytes!("../models/mnist-bernoulli.bnet"),
        9_783,
    ),
    (
        "mnist-lenet.bnet",
        include_bytes!("../models/mnist-lenet.bnet"),
        9_899,
    ),
    (
        "mnist-grey.bnet",
        include_bytes!("../models/mnist-grey.bnet"),
        9_752,
    ),
];

fn nets() -> impl Iterator<Item = (&'static str, Model, usize)> {
    NETS.into_iter().map(|(name, bytes, right)| {
        let model = Model::from_bytes(bytes).expect("a shipped net is whole");
        (name, model, right)
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
    for ((name, model, expected), level) in runs {
        let mut session = Session::new(&model, level).expect("the model fits together");
        let images = train::images_for(&model, &test).expect("28×28 digits");
        let said = session.classify(&images).expect("28×28 digits");
        let right = infer::right(&said, test.labels());
        // Past the harness, which would keep it to itself: which levels a run has covered is part of its result.
        writeln!(
            std::io::stderr(),
            "{name}, level {level}: {right} of {}",
            test.len()
        )
        .expect("stderr");
        assert_eq!(right, expected, "{name}, {level}");
    }
}

#[test]
fn every_activation_is_that_of_the_definition() {
    let test = data::load_embedded().test.subset(0..200);
    for (name, model, _) in nets() {
        let bits = train::images_for(&model, &test).expect("28×28 digits");
        let images = reference::unpack(&bits);
        let expected = reference::trace(&model, &images).expect("28×28 digits");
        for level in Level::available() {
            let mut session = Session::new(&model, level).expect("the model fits together");
            let trace = session.trace(&bits).expect("28×28 digits");
            let activations: Vec<Vec<i8>> =
                trace.activations.iter().map(reference::unpack).collect();
            assert!(activations == expected.activations, "{name}, {level}");
            assert_eq!(trace.logits, expected.logits, "{name}, {level}");
        }
    }
}
