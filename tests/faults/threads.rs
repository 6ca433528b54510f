//! Any number of threads: the same bits of a training on each level, and of inference on all of them.

use bernet::{
    data,
    infer::{Session, SharedSession},
    model::Model,
    train::{Config, Distribution, Epoch, MethodName, Network, Observer, Run, TALK_24, Trainer},
};
use bernet_kernels::isa::Level;
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
                    run.finish(&trainer).unwrap().to_bytes().unwrap()
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
    let model = Model::from_bytes(include_bytes!("../../models/mnist.bnet")).unwrap();
    let test = data::load_embedded().test;
    let mut hashes = Vec::new();
    for level in Level::available() {
        for threads in THREADS {
            let mut session = Session::new(&model, level)
                .unwrap()
                .with_threads(threads)
                .unwrap();
            let sums = session.logits(test.images()).unwrap();
            let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            hashes.push(crc32fast::hash(&bytes));
        }
    }
    println!("{} runs: {:08x}", hashes.len(), hashes[0]);
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:x?}");
}

/// Batches of other sizes at once, from threads that each keep asking.
#[test]
fn a_shared_session_answers_each_as_if_alone() {
    let model = Model::from_bytes(include_bytes!("../../models/mnist.bnet")).unwrap();
    let pixels = 28 * 28;
    let grey: Vec<u8> = (0..60 * pixels)
        .map(|at| (at * at / 97 % 256) as u8)
        .collect();
    let grey = &grey;
    for threads in [1, 2] {
        let shared = SharedSession::new(&model, Level::best(), threads).unwrap();
        let alone = shared.logits(grey).unwrap();
        let (shared, alone) = (&shared, &alone);
        std::thread::scope(|scope| {
            for first in 0..8 {
                scope.spawn(move || {
                    for images in [first..first + 1, first..first + 33, first..60] {
                        let batch = &grey[images.start * pixels..images.end * pixels];
                        let found = shared.logits(batch).unwrap();
                        let classes = shared.classes();
                        assert_eq!(found, alone[images.start * classes..images.end * classes]);
                        assert_eq!(shared.classify(batch).unwrap().len(), images.len());
                    }
                });
            }
        });
    }
}
