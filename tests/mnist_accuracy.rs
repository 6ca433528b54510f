//! The shipped net on the whole test set: the same count on every level, and by the definition without bit tricks.

use bernet::{
    data,
    infer::{self, Session, reference},
    model::Model,
};
use bernet_kernels::isa::Level;
use std::io::Write;

/// How many of the 10 000 test digits `models/mnist.bnet` reads right.
const RIGHT: usize = 9_745;

fn model() -> Model {
    Model::from_bytes(include_bytes!("../models/mnist.bnet")).expect("the shipped net is whole")
}

#[test]
fn the_shipped_net_reads_as_many_digits_on_every_level() {
    let (model, test) = (model(), data::load_embedded().test);
    for level in Level::available() {
        let mut session = Session::new(&model, level).expect("the model fits together");
        let said = session.classify(test.images()).expect("28×28 digits");
        let right = infer::right(&said, test.labels());
        // Past the harness, which would keep it to itself: which levels a run has covered is part of its result.
        writeln!(
            std::io::stderr(),
            "level {level}: {right} of {}",
            test.len()
        )
        .expect("stderr");
        assert_eq!(right, RIGHT, "{level}");
    }
}

#[test]
fn every_activation_is_that_of_the_definition() {
    let (model, test) = (model(), data::load_embedded().test.subset(0..200));
    let expected =
        reference::trace(&model, &reference::unpack(test.images())).expect("28×28 digits");
    for level in Level::available() {
        let mut session = Session::new(&model, level).expect("the model fits together");
        let trace = session.trace(test.images()).expect("28×28 digits");
        let activations: Vec<Vec<i8>> = trace.activations.iter().map(reference::unpack).collect();
        assert!(activations == expected.activations, "{level}");
        assert_eq!(trace.logits, expected.logits, "{level}");
    }
}
