//! Any bytes as a checkpoint, and as the payload of one: an error, or a training that can be taken up and saved again.
#![no_main]

use bernet::{data, train::Trainer};
use bernet_fuzz::{Scratch, seal_checkpoint};
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};
use libfuzzer_sys::fuzz_target;
use std::{fs, ops::ControlFlow, sync::LazyLock};

static FILES: LazyLock<[Scratch; 2]> = LazyLock::new(|| ["checkpoint", "again"].map(Scratch::new));

/// Eight images of 6×6 in two classes.
static IMAGES: LazyLock<data::Dataset> = LazyLock::new(|| {
    let shape = Shape {
        batch: 8,
        height: 6,
        width: 6,
        channels: 1,
    };
    let lines = BitMatrix::from_fn(48, 6, |y, x| (y * x + y / 6) % 3 == 0);
    let images = BitTensor::from_lines(shape, lines).expect("lines of this shape");
    data::Dataset::new(images, vec![0, 1, 0, 1, 0, 1, 0, 1], None, 2).expect("labels below 2")
});

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), seal_checkpoint(bytes)] {
        let Ok(mut trainer) = Trainer::load(FILES[0].holding(&bytes)) else {
            continue;
        };
        let path = FILES[1].holding(b"");
        trainer.save(path).expect("what was read");
        let first = fs::read(path).expect("what was written");
        Trainer::load(path)
            .expect("what was written")
            .save(path)
            .expect("again");
        assert_eq!(fs::read(path).expect("what was written"), first);
        // A step or an error, whatever the numbers are.
        let _ = trainer.epoch(&IMAGES, |_| ControlFlow::Break(()));
    }
});
