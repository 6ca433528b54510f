//! Damage to a net and to a checkpoint: all of it is noticed.

use bernet::train::{Config, MethodName, Network, Trainer};
use bernet_runtime::format;

/// The shipped net, cut after every byte and with every bit turned.
#[test]
fn every_damage_to_the_shipped_net_is_noticed() {
    let bytes = include_bytes!("../../models/mnist.bnet").to_vec();
    assert!(format::from_bytes(&bytes).is_ok());
    let refused = refuse_all(bytes, |bytes| format::from_bytes(bytes).is_err());
    println!("net: {refused} refused");
    // The same net in the newest version.
    let graph = format::from_bytes(include_bytes!("../../models/mnist.bnet")).unwrap();
    let bytes = format::to_bytes(&graph).unwrap();
    let refused = refuse_all(bytes, |bytes| format::from_bytes(bytes).is_err());
    println!("net of version {}: {refused} refused", format::VERSION);
}

/// A checkpoint, the same.
#[test]
fn every_damage_to_a_checkpoint_is_noticed() {
    let net = r#"input = { height = 4, width = 4, channels = 1 }
layer = [{ kind = "conv", outputs = 2, kernel = [2, 2], stride = [2, 2] }, { kind = "expectation", classes = 2 }]"#;
    let network = Network::from_toml(net).unwrap();
    let trainer = Trainer::new(Config::new(MethodName::Bernoulli, network, 2, 1)).unwrap();
    let read = |bytes: &[u8]| Trainer::from_checkpoint("file".as_ref(), bytes);
    let bytes = trainer.to_checkpoint();
    assert!(read(&bytes).is_ok());
    let refused = refuse_all(bytes, |bytes| read(bytes).is_err());
    println!("checkpoint: {refused} refused");
}

/// How many truncations and single-bit flips there are, each of which is refused.
fn refuse_all(mut bytes: Vec<u8>, refuses: impl Fn(&[u8]) -> bool) -> usize {
    for length in 0..bytes.len() {
        assert!(
            refuses(&bytes[..length]),
            "{length} of {} bytes",
            bytes.len()
        );
    }
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(refuses(&bytes), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    9 * bytes.len()
}
