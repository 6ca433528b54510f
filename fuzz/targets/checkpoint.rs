//! Any bytes as a checkpoint, and as the payload of one: an error, or a training that can be taken up and saved again.
#![no_main]

use bernet::{data, train::Trainer};
use bernet_fuzz::seal_checkpoint;
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};
use libfuzzer_sys::fuzz_target;
use std::{ops::ControlFlow, sync::LazyLock};

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
    let read = |bytes: &[u8]| Trainer::from_checkpoint("file".as_ref(), bytes);
    for bytes in [bytes, &seal_checkpoint(bytes)] {
        let Ok(mut trainer) = read(bytes) else {
            continue;
        };
        let first = trainer.to_checkpoint();
        let again = read(&first).expect("what was written");
        assert_eq!(again.to_checkpoint(), first);
        // A step or an error, whatever the numbers are.
        let _ = trainer.epoch(&IMAGES, |_| ControlFlow::Break(()));
    }
});
