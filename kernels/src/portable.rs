//! The scalar specification of every kernel, written to be read.

/// ±1 values: the dot product of two packed rows of `depth` values whose pad bits are 0.
///
/// Equal bits multiply to +1, different ones to −1: `dot = (depth − differing) − differing`.
pub fn dot(a: &[u64], b: &[u64], depth: usize) -> i32 {
    let differing: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
    depth as i32 - 2 * differing as i32
}
