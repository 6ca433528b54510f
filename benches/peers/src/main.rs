//! The Rust peers of the matrix product, one thread: `cargo run --release -- gemm` prints one JSON object a line.

use numkong::{capabilities, matrix::PackedMatrix, tensor::Tensor, types::u1x8};
use std::time::{Duration, Instant};

const SHAPES: [[usize; 3]; 6] = [
    [1, 1024, 1024],
    [128, 128, 1024],
    [512, 512, 2048],
    [1024, 1024, 4096],
    [4096, 256, 2304],
    [256, 256, 8192],
];

fn main() {
    if std::env::args().nth(1).as_deref() != Some("gemm") {
        return;
    }
    capabilities::configure_thread();
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    for [m, n, k] in SHAPES {
        let mut bits = |rows: usize| {
            let mut matrix = Tensor::<u1x8>::try_full(&[rows, k], u1x8(0)).expect("memory");
            matrix
                .as_mut_slice()
                .iter_mut()
                .for_each(|byte| *byte = u1x8(random()));
            matrix
        };
        let (a, b) = (bits(m), bits(n));
        let packed = PackedMatrix::try_pack(&b).expect("memory");
        let mut out = Tensor::<u32>::try_full(&[m, n], 0).expect("memory");
        a.try_hammings_packed_into(&packed, &mut out)
            .expect("sizes");
        // What it counts is what we count.
        let pairs = a.as_slice()[..k / 8].iter().zip(&b.as_slice()[..k / 8]);
        let expected: u32 = pairs.map(|(a, b)| (a.0 ^ b.0).count_ones()).sum();
        assert_eq!(out.as_slice()[0], expected, "the right answer");
        report("NumKong 7.8 hammings_packed", [m, n, k], || {
            a.try_hammings_packed_into(&packed, &mut out)
                .expect("sizes");
        });

        let (a, b, mut out) = (
            vec![1.0_f32; m * k],
            vec![-1.0_f32; k * n],
            vec![0.0_f32; m * n],
        );
        report("gemm 0.19 f32", [m, n, k], || {
            // SAFETY: the three matrices have these sizes and strides, and the result is apart from the operands.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    out.as_mut_ptr(),
                    1,
                    n as isize,
                    false,
                    a.as_ptr(),
                    1,
                    k as isize,
                    b.as_ptr(),
                    1,
                    n as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        });
    }
}

/// The median of passes that fill a third of a second.
fn report(peer: &str, [m, n, k]: [usize; 3], mut run: impl FnMut()) {
    run();
    let start = Instant::now();
    let mut seconds = Vec::new();
    while start.elapsed() < Duration::from_millis(300) || seconds.len() < 9 {
        let start = Instant::now();
        run();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let pace = (m * n * k) as f64 / seconds[seconds.len() / 2] / 1e9;
    println!(r#"{{"peer":"{peer}","kernel":"gemm","shape":"{m}x{n}x{k}","gmac_per_s":{pace:.1}}}"#);
}
