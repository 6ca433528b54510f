//! No byte outside a slice is read or written: each buffer ends, or begins, where its memory does. Packed matrices and tensors,
//! and the panels, own their memory, and cannot be placed so.
#![cfg(unix)]

use bernet_kernels::{
    bits::{BitMatrix, BitTensor, BitView, Shape},
    conformance::Generator,
    isa::Level,
    packing::{self, Order},
    xnor::{
        Affine, ByteConv2d, Conv2d, ConvParams, PackedWeights, RowsMut, Threshold, Workspace,
        gemm_affine, gemm_bits, gemm_i32, sum_pool,
    },
};
use std::{
    ops::{Deref, DerefMut},
    ptr, slice,
};

/// Where a buffer lies between two pages that cannot be touched.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes after the page before, less what does not make an element.
    Start(usize),
    /// So many bytes before the page after, less what does not make an element.
    End(usize),
}

/// A slice between two pages that cannot be touched.
struct Guarded<T> {
    pages: *mut libc::c_void,
    size: usize,
    first: *mut T,
    len: usize,
}

const PAGE: usize = 1 << 16;

impl<T: Copy> Guarded<T> {
    fn new(values: &[T], place: Place) -> Self {
        let (Place::Start(gap) | Place::End(gap)) = place;
        let gap = gap - gap % align_of::<T>();
        let inner = (size_of_val(values) + gap).next_multiple_of(PAGE);
        let size = inner + 2 * PAGE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: asks for fresh memory, and takes back the access to its first and its last page.
        let pages = unsafe {
            let pages = libc::mmap(
                ptr::null_mut(),
                size,
                access,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            );
            assert_ne!(pages, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(pages, PAGE, libc::PROT_NONE), 0);
            assert_eq!(
                libc::mprotect(pages.byte_add(PAGE + inner), PAGE, libc::PROT_NONE),
                0
            );
            pages
        };
        let offset = match place {
            Place::Start(_) => gap,
            Place::End(_) => inner - size_of_val(values) - gap,
        };
        let first = pages.cast::<u8>().wrapping_add(PAGE + offset).cast::<T>();
        // SAFETY: the values fit between the two pages, aligned, as their size is a multiple of their alignment.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), first, values.len()) };
        Self {
            pages,
            size,
            first,
            len: values.len(),
        }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: initialised in `new`, and unmapped only when dropped.
        unsafe { slice::from_raw_parts(self.first, self.len) }
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: initialised in `new`, unmapped only when dropped, and borrowed by no one else.
        unsafe { slice::from_raw_parts_mut(self.first, self.len) }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped.
        unsafe { libc::munmap(self.pages, self.size) };
    }
}

/// Both ends, at each offset in a cache line that a number of four bytes can have.
fn places() -> impl Iterator<Item = Place> {
    (0..64)
        .step_by(4)
        .flat_map(|gap| [Place::Start(gap), Place::End(gap)])
}

/// Both ends, at each offset in a cache line.
fn every_byte() -> impl Iterator<Item = Place> {
    (0..64).flat_map(|gap| [Place::Start(gap), Place::End(gap)])
}

fn random(generator: &mut Generator, rows: usize, columns: usize) -> BitMatrix {
    BitMatrix::from_fn(rows, columns, |_, _| generator.below(2) == 1)
}

#[test]
fn products() {
    let mut generator = Generator(1);
    for level in Level::available() {
        for [m, n, k] in [
            [1, 1, 1],
            [1, 65, 33],
            [3, 16, 64],
            [6, 33, 65],
            [7, 64, 250],
            [13, 100, 577],
        ] {
            let (a, w) = (random(&mut generator, m, k), random(&mut generator, n, k));
            let weights = PackedWeights::new(level, &w).unwrap();
            let threshold = Threshold {
                at_least: 1,
                invert: n % 2 == 1,
            };
            let mut expected = vec![0; m * n];
            gemm_i32(&a, &weights, &mut expected).unwrap();
            for place in places() {
                let words = Guarded::new(a.words(), place);
                let rows = BitView::matrix(&words, m, k, a.row_words()).unwrap();
                let mut sums = Guarded::new(&vec![0; m * n], place);
                gemm_i32(rows, &weights, &mut *sums).unwrap();
                assert_eq!(*sums, *expected, "{level}, {m}×{n}×{k}, {place:?}");
                let (scale, bias) = (
                    Guarded::new(&vec![2.0; n], place),
                    Guarded::new(&vec![0.5; n], place),
                );
                let mut scaled = Guarded::new(&vec![0.0_f32; m * n], place);
                gemm_affine(
                    rows,
                    &weights,
                    Affine {
                        scale: &scale,
                        bias: &bias,
                    },
                    &mut *scaled,
                )
                .unwrap();
                assert!(
                    scaled
                        .iter()
                        .zip(&expected)
                        .all(|(&found, &sum)| found == 2.0 * sum as f32 + 0.5)
                );
                let thresholds = Guarded::new(&vec![threshold; n], place);
                let mut bits = BitMatrix::all_minus_one(m, n);
                gemm_bits(rows, &weights, &thresholds, &mut bits).unwrap();
                assert!(
                    (0..m * n).all(|at| bits.get(at / n, at % n) == threshold.apply(expected[at]))
                );
                // Rows apart, in and out, and nothing after the last.
                let (far, wide) = (a.row_words() + 3, n + 5);
                let mut words = vec![u64::MAX; (m - 1) * far + a.row_words()];
                for (to, row) in words.chunks_mut(far).zip(0..) {
                    to[..a.row_words()].copy_from_slice(a.row(row));
                }
                let words = Guarded::new(&words, place);
                let rows = BitView::matrix(&words, m, k, far).unwrap();
                let mut sums = Guarded::new(&vec![7; (m - 1) * wide + n], place);
                gemm_i32(rows, &weights, RowsMut::new(&mut sums, wide)).unwrap();
                for (row, expected) in sums.chunks(wide).zip(expected.chunks(n)) {
                    assert_eq!(row[..n], *expected, "{level}, {m}×{n}×{k}, {place:?}");
                    assert!(row[n..].iter().all(|&between| between == 7));
                }
                let panels = Guarded::new(weights.bytes(), place);
                let layout = PackedWeights::layout(level);
                PackedWeights::from_bytes(level, layout, [n, k], &panels).unwrap();
            }
        }
    }
}

#[test]
fn convolutions() {
    let mut generator = Generator(2);
    for level in Level::available() {
        for channels in [1, 3, 8, 32, 33, 64] {
            let params = ConvParams {
                padding: [1; 4],
                ..ConvParams::valid([3, 3])
            };
            let shape = Shape {
                batch: 1,
                height: 5,
                width: 7,
                channels,
            };
            let weights = random(&mut generator, 33, params.depth(channels));
            let conv = Conv2d::new(level, channels, params, &weights).unwrap();
            let threshold = Threshold {
                at_least: 2,
                invert: false,
            };
            let input = random(&mut generator, 5, 7 * channels);
            let input = BitTensor::from_lines(shape, input).unwrap();
            let mut expected = vec![0; 5 * 7 * 33];
            conv.sums(&input, &mut expected).unwrap();
            for place in places() {
                let mut sums = Guarded::new(&vec![0; 5 * 7 * 33], place);
                conv.sums_in(&mut Workspace::default(), &input, &mut *sums)
                    .unwrap();
                assert_eq!(*sums, *expected, "{level}, {channels} channels, {place:?}");
                let (scale, bias) = (
                    Guarded::new(&[2.0; 33], place),
                    Guarded::new(&[0.5; 33], place),
                );
                let affine = Affine {
                    scale: &scale,
                    bias: &bias,
                };
                let mut scaled = Guarded::new(&vec![0.0_f32; 5 * 7 * 33], place);
                conv.affine(&mut Workspace::default(), &input, affine, &mut *scaled)
                    .unwrap();
                let mut pairs = scaled.iter().zip(&expected);
                assert!(pairs.all(|(&found, &sum)| found == 2.0 * sum as f32 + 0.5));
                let thresholds = Guarded::new(&[threshold; 33], place);
                let mut bits = BitTensor::all_minus_one(Shape {
                    channels: 33,
                    ..shape
                });
                conv.activations_in(&mut Workspace::default(), &input, &thresholds, &mut bits)
                    .unwrap();
                assert!((0..expected.len()).all(|at| {
                    let (pixel, channel) = (at / 33, at % 33);
                    bits.get(0, pixel / 7, pixel % 7, channel) == threshold.apply(expected[at])
                }));
            }
        }
    }
}

#[test]
fn bytes_of_first_layers_and_pools() {
    let mut generator = Generator(4);
    let shape = Shape {
        batch: 1,
        height: 6,
        width: 7,
        channels: 3,
    };
    let params = ConvParams {
        stride: [2, 1],
        padding: [1; 4],
        ..ConvParams::valid([3, 3])
    };
    let pixels: Vec<u8> = (0..6 * 7 * 3).map(|_| generator.word() as u8).collect();
    let weights = random(&mut generator, 17, 27);
    let tensor = BitTensor::from_lines(shape, random(&mut generator, 6, 21)).unwrap();
    let mut pooled = [0; 3];
    sum_pool(&tensor, &mut pooled).unwrap();
    for level in Level::available() {
        let conv = ByteConv2d::new(level, 3, params, &weights).unwrap();
        let mut expected = vec![0; 3 * 7 * 17];
        conv.sums(&mut Workspace::default(), shape, &pixels, &mut expected)
            .unwrap();
        for place in every_byte() {
            let pixels = Guarded::new(&pixels, place);
            let mut sums = Guarded::new(&vec![i32::MIN; 3 * 7 * 17], place);
            conv.sums(&mut Workspace::default(), shape, &pixels, &mut *sums)
                .unwrap();
            assert_eq!(*sums, *expected, "{level}, {place:?}");
            let mut sums = Guarded::new(&[0; 3], place);
            sum_pool(&tensor, &mut sums).unwrap();
            assert_eq!(*sums, pooled, "{place:?}");
        }
    }
}

#[test]
fn packing_reads_its_values_only() {
    let mut generator = Generator(3);
    for level in Level::available() {
        for columns in [1, 7, 31, 63, 64, 65, 100, 129] {
            let bytes: Vec<u8> = (0..2 * columns).map(|_| generator.word() as u8).collect();
            let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) - 99.5).collect();
            let expected = BitMatrix::from_fn(2, columns, |row, column| {
                bytes[row * columns + column] >= 100
            });
            for place in every_byte() {
                let (bytes, floats) = (Guarded::new(&bytes, place), Guarded::new(&floats, place));
                let mut out = BitMatrix::all_minus_one(2, columns);
                packing::at_least(level, &bytes, 100, &mut out).unwrap();
                assert_eq!(out, expected, "{level}, {columns} columns, {place:?}");
                packing::signs(level, &floats, &mut out).unwrap();
                assert_eq!(out, expected, "{level}, {columns} columns, {place:?}");
                let shape = Shape {
                    batch: 1,
                    height: 2,
                    width: columns,
                    channels: 1,
                };
                let mut out = BitTensor::all_minus_one(shape);
                packing::tensor_signs(level, Order::Nchw, &floats, &mut out).unwrap();
                assert_eq!(
                    *out.lines(),
                    expected,
                    "{level}, {columns} columns, {place:?}"
                );
            }
        }
    }
}
