//! Files from strangers, whatever is in them, take no more than they should and do no harm.

use crate::{crafted::seal, nets};
use bernet::{
    infer::{Session, reference},
    model::{Input, Layer, Model},
};
use bernet_kernels::{bits::BitMatrix, isa::Level};
use rand_pcg::rand_core::Rng;

/// Rows of one bit take 64 times their size in memory: a small file must not fill it.
#[test]
fn what_would_fill_the_memory_is_refused() {
    let classes = 1 << 23;
    let model = Model {
        input: Input {
            height: 1,
            width: 1,
            channels: 1,
            threshold: Some(1),
        },
        layers: vec![Layer::Expectation {
            weights: BitMatrix::zeros(classes, 1),
        }],
        metadata: Default::default(),
    };
    let error = Model::from_bytes(&model.to_bytes().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "at offset 64: layer 1: memory for the layers up to here: expected at most"
        ),
        "{error}"
    );
}

/// Small nets (`BERNET_MUTATED_NETS`, 20 if it isn't set), each two thousand times with a few bytes changed: refused, or a
/// model that is exactly this file and that runs as the reference does.
#[test]
fn mutated_files_do_no_harm() {
    let nets = std::env::var("BERNET_MUTATED_NETS");
    let nets = nets.map_or(20, |nets| nets.parse().expect("a number of nets"));
    let random = &mut nets::generator(7);
    let (mut refused, mut ran) = (0, 0);
    for _ in 0..nets {
        let model = Model {
            input: Input {
                height: 6,
                width: 5,
                channels: 2,
                threshold: Some(128),
            },
            layers: vec![
                Layer::Crop {
                    top: 1,
                    left: 0,
                    height: 5,
                    width: 5,
                },
                nets::conv(nets::geometry(2, 4, 3, 2), random),
                nets::conv(nets::geometry(4, 5, 1, 1), random),
                Layer::Expectation {
                    weights: nets::bits(3, 5, random),
                },
            ],
            metadata: [("a".into(), "b".into())].into(),
        };
        let valid = model.to_bytes().unwrap();
        for _ in 0..2000 {
            let mut bytes = valid.clone();
            for _ in 0..1 + random.next_u32() % 3 {
                let at = random.next_u32() as usize % (bytes.len() - 4);
                // Small values go where sizes are, single bits anywhere.
                bytes[at] = match random.next_u32() % 3 {
                    0 => (random.next_u32() % 8) as u8,
                    1 => bytes[at] ^ 1 << (random.next_u32() % 8),
                    _ => random.next_u32() as u8,
                };
            }
            let bytes = seal(bytes);
            let Ok(model) = Model::from_bytes(&bytes) else {
                refused += 1;
                continue;
            };
            assert_eq!(model.to_bytes().unwrap(), bytes);
            if model.summary().unwrap().macs() > 100_000 {
                continue;
            }
            ran += 1;
            let images = nets::images(&model, 1, random);
            let expected = reference::trace(&model, &reference::unpack(&images))
                .unwrap()
                .logits;
            let mut session = Session::new(&model, Level::best()).unwrap();
            assert_eq!(session.logits(&images).unwrap(), expected);
        }
    }
    println!("{refused} refused, {ran} ran");
    assert!(refused > 1000 && ran > 1000);
}

/// A device that never ends is left after the first bytes.
#[cfg(unix)]
#[test]
fn an_endless_file_is_left() {
    let error = Model::read("/dev/zero").unwrap_err().to_string();
    assert!(error.starts_with("/dev/zero: not a .bnet file"), "{error}");
}
