//! Any bytes as a picture: an error, or a digit of the asked size. (`png` leaves out its checksums where it is fuzzed.)
#![no_main]

use bernet::data::decode_digit_png;
use libfuzzer_sys::fuzz_target;

/// Decoding a large empty picture is slow, not wrong.
fn is_small(bytes: &[u8]) -> bool {
    let size = |at: usize| {
        bytes
            .get(at..at + 4)
            .map(|four| u32::from_be_bytes(four.try_into().expect("four")))
    };
    match (size(16), size(20)) {
        (Some(width), Some(height)) => {
            u64::from(width) * u64::from(height) < 1 << 14 || width.max(height) > 1 << 16
        }
        _ => true,
    }
}

fuzz_target!(|bytes: &[u8]| {
    if is_small(bytes)
        && let Ok(digit) = decode_digit_png("picture".as_ref(), bytes, 28, 28, 128)
    {
        let shape = digit.image.shape();
        assert_eq!(
            [shape.batch, shape.height, shape.width, shape.channels],
            [1, 28, 28, 1]
        );
    }
});
