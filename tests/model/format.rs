//! The `.bnet` file: what is written is read back, and nothing else is read.

use crate::nets;
use bernet::model::Model;

fn seed_bytes() -> Vec<u8> {
    nets::seed_net(false, &mut nets::generator(1))
        .to_bytes()
        .unwrap()
}

#[test]
fn the_seed_net_stays_small() {
    for cropped in [false, true] {
        let model = nets::seed_net(cropped, &mut nets::generator(1));
        let summary = model.summary().unwrap();
        println!("{summary}");
        assert_eq!(summary.weights(), 33_856);
        assert_eq!(summary.file.weights, 4232);
        assert!(summary.file.total() <= 5300);
        assert_eq!(summary.file.total(), model.to_bytes().unwrap().len() as u64);
        assert_eq!(
            summary
                .layers
                .iter()
                .map(|layer| layer.weight_bytes)
                .sum::<u64>(),
            summary.file.weights
        );
        assert_eq!(
            summary
                .layers
                .iter()
                .map(|layer| layer.threshold_bytes)
                .sum::<u64>(),
            summary.file.thresholds
        );
    }
}

#[test]
fn what_is_written_is_read_back() {
    for cropped in [false, true] {
        let model = nets::seed_net(cropped, &mut nets::generator(2));
        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn every_truncation_is_rejected() {
    let bytes = seed_bytes();
    for length in 0..bytes.len() {
        assert!(
            Model::from_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn every_flipped_bit_is_rejected() {
    let mut bytes = seed_bytes();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Model::from_bytes(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}
