//! A valid net with bytes of its file changed: refused, or it runs as the reference interpreter does, on any level.
#![no_main]

use arbitrary::Arbitrary;
use bernet::{
    infer::{InferError, Session, reference},
    model::Model,
};
use bernet_fuzz::{images, net, seal_model};
use bernet_kernels::{bits::Shape, conformance::Generator, isa::Level};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    level: u8,
    net: u32,
    changes: Vec<(u16, Change)>,
    images: u8,
}

#[derive(Arbitrary, Debug)]
enum Change {
    Bit(u8),
    Small(u8),
    Any(u8),
}

/// What the reference does in a tenth of a millisecond, in all images together; and, for one net in sixteen, in a millisecond or two.
const MACS: [u64; 2] = [8_000, 100_000];

/// Values of an image, before and after each layer.
const VALUES: usize = 1 << 16;

fuzz_target!(|case: Case| {
    let generator = &mut Generator(case.net.into());
    let mut bytes = net(generator).to_bytes().expect("its layers fit");
    for (at, change) in case.changes.iter().take(8) {
        let at = usize::from(*at) % bytes.len();
        bytes[at] = match change {
            Change::Bit(bit) => bytes[at] ^ 1 << (bit % 8),
            Change::Small(value) => value % 8,
            Change::Any(value) => *value,
        };
    }
    let bytes = seal_model(bytes);
    let Ok(model) = Model::from_bytes(&bytes) else {
        return;
    };
    assert_eq!(model.to_bytes().expect("a model that was read"), bytes);
    let macs = model.summary().expect("a model that was read").macs();
    let most = MACS[usize::from(case.net % 16 == 0)];
    // Pools and crops multiply nothing, however large their images are.
    let shapes = model.shapes().expect("a model that was read");
    let values = |shape: &Shape| shape.height * shape.width * shape.channels;
    let largest = shapes
        .iter()
        .map(values)
        .fold(values(&model.input.shape()), usize::max);
    if macs > most || largest > VALUES {
        return;
    }
    // One where the input has ended, none now and then.
    let batch = usize::from((case.images ^ 1) % 4).min((most / macs.max(1)) as usize);
    let images = images(generator, &model, batch);
    let expected = reference::trace(&model, &reference::unpack(&images)).expect("the images fit");
    let levels = Level::available();
    let level = levels[usize::from(case.level) % levels.len()];
    let mut session = Session::new(&model, level).expect("a model that was read");
    let found = session.trace(&images).expect("the images fit");
    let activations: Vec<_> = found.activations.iter().map(reference::unpack).collect();
    assert_eq!(activations, expected.activations, "{level}");
    assert_eq!(found.logits, expected.logits, "{level}");
    assert_eq!(found.real_logits, expected.real_logits, "{level}");
    match session.logits(&images) {
        Ok(logits) => assert_eq!(logits, expected.logits, "{level}"),
        Err(error) => assert!(matches!(error, InferError::RealWeights), "{error}"),
    }
    assert_eq!(
        session.classify(&images).expect("the images fit").len(),
        images.shape().batch
    );
});
