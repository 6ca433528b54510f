//! Any number of threads: the same bits of a training on each level, and of inference on all of them.

use bernet::{
    classify::{Classifier, Logits},
    data,
    train::{Config, Distribution, Epoch, MethodName, Network, Observer, Run, TALK_24, Trainer},
};
use bernet_kernels::isa::Level;
use bernet_runtime::format;
use std::{collections::BTreeMap, ops::ControlFlow};

const THREADS: [usize; 4] = [1, 2, 3, 8];

struct Silent;

impl Observer for Silent {
    fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &Epoch) {}
}

#[test]
fn a_training_ends_in_the_same_bits() {
    let (train, validation) = data::load_embedded()
        .train
        .subset(0..700)
        .split(200)
        .unwrap();
    let network = Network::from_toml(TALK_24).unwrap();
    let mut hashes = BTreeMap::new();
    for (method, distribution) in [
        (MethodName::Bernoulli, Distribution::Sampled),
        (MethodName::Ste, Distribution::Sampled),
        (MethodName::Real, Distribution::Sampled),
        (MethodName::Bernoulli, Distribution::PowerSums),
    ] {
        for level in Level::available() {
            for threads in THREADS {
                let config = Config {
                    batch: 100,
                    distribution,
                    ..Config::new(method, network.clone(), 1, 5)
                };
                let run = Run {
                    train: &train,
                    validation: &validation,
                    level,
                    checkpoint: None,
                };
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                let bytes = pool.install(|| {
                    let mut trainer = Trainer::new(config).unwrap();
                    let _ = run.train(&mut trainer, &mut Silent).unwrap();
                    format::to_bytes(&run.finish(&trainer).unwrap()).unwrap()
                });
                // Without the checksum: that of a file with its own is the same for all files.
                let hash = crc32fast::hash(&bytes[..bytes.len() - 4]);
                let first = *hashes
                    .entry((method.name(), distribution.name(), level.name()))
                    .or_insert(hash);
                assert_eq!(
                    hash, first,
                    "{method:?}, {distribution:?}, {level}, {threads} threads"
                );
            }
        }
    }
    println!(
        "{} trainings on {THREADS:?} threads: {hashes:x?}",
        hashes.len()
    );
}

#[test]
fn inference_gives_the_same_sums() {
    let graph = format::from_bytes(include_bytes!("../../models/mnist.bnet")).unwrap();
    let test = data::load_embedded().test;
    let mut hashes = Vec::new();
    for level in Level::available() {
        for threads in THREADS {
            let classifier = Classifier::new(&graph, level).unwrap();
            let mut classifier = classifier.with_threads(threads).unwrap();
            let images = classifier.images(&test).unwrap();
            let Logits::Integers(sums) = classifier.logits(&images).unwrap() else {
                panic!("the shipped net has integer sums");
            };
            let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            hashes.push(crc32fast::hash(&bytes));
        }
    }
    println!("{} runs: {:08x}", hashes.len(), hashes[0]);
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:x?}");
}

/// Batches of other sizes at once, from threads that each have a clone, which shares the program.
#[test]
fn clones_answer_each_as_if_alone() {
    let graph = format::from_bytes(include_bytes!("../../models/mnist.bnet")).unwrap();
    let pixels = 28 * 28;
    let grey: Vec<u8> = (0..60 * pixels)
        .map(|at| (at * at / 97 % 256) as u8)
        .collect();
    let grey = &grey;
    for threads in [1, 2] {
        let first = Classifier::new(&graph, Level::best()).unwrap();
        let first = first.with_threads(threads).unwrap();
        let all = first.pictures(grey).unwrap();
        let alone = first.clone().classify(&all).unwrap();
        let (first, alone) = (&first, &alone);
        std::thread::scope(|scope| {
            for start in 0..8 {
                scope.spawn(move || {
                    let mut classifier = first.clone();
                    for images in [start..start + 1, start..start + 33, start..60] {
                        let batch = &grey[images.start * pixels..images.end * pixels];
                        let batch = classifier.pictures(batch).unwrap();
                        assert_eq!(classifier.classify(&batch).unwrap(), alone[images]);
                    }
                });
            }
        });
    }
}
