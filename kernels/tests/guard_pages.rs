//! No byte outside a slice is read or written: each buffer ends, or begins, where its memory does.
#![cfg(unix)]

use bernet_kernels::{
    bits::{BitMatrix, BitRows, BitTensor, Shape},
    conformance::Generator,
    isa::Level,
    packing::{self, Order},
    xnor::{Affine, Conv2d, Geometry, PackedWeights, PaddingValue, Scratch, gemm_affine, gemm_i32},
};
use std::{
    ops::{Deref, DerefMut},
    ptr, slice,
};

/// Where a buffer lies between two pages that cannot be touched.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many elements after the page before.
    Start(usize),
    /// So many elements before the page after.
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
        let inner = (size_of_val(values) + gap * size_of::<T>()).next_multiple_of(PAGE);
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
            Place::Start(gap) => gap * size_of::<T>(),
            Place::End(gap) => inner - size_of_val(values) - gap * size_of::<T>(),
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

/// Both ends, at each offset in a cache line that a word can have.
fn places() -> impl Iterator<Item = Place> {
    (0..8).flat_map(|gap| [Place::Start(gap), Place::End(gap)])
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
            let weights = PackedWeights::new(level, &w);
            let mut expected = vec![0; m * n];
            gemm_i32(&a, &weights, &mut expected).unwrap();
            for place in places() {
                let words = Guarded::new(a.words(), place);
                let rows = BitRows::new(&words, m, k, a.row_words()).unwrap();
                let mut sums = Guarded::new(&vec![0; m * n], place);
                gemm_i32(rows, &weights, &mut sums).unwrap();
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
                    &mut scaled,
                )
                .unwrap();
                assert!(
                    scaled
                        .iter()
                        .zip(&expected)
                        .all(|(&found, &sum)| found == 2.0 * sum as f32 + 0.5)
                );
            }
        }
    }
}

#[test]
fn convolutions() {
    let mut generator = Generator(2);
    for level in Level::available() {
        for channels in [1, 3, 8, 32, 33, 64] {
            let geometry = Geometry {
                channels,
                outputs: 33,
                kernel: [3, 3],
                stride: [1, 1],
                padding: [1; 4],
                padding_value: PaddingValue::Zero,
            };
            let shape = Shape {
                batch: 1,
                height: 5,
                width: 7,
                channels,
            };
            let weights = random(&mut generator, 33, geometry.depth());
            let conv = Conv2d::new(level, geometry, &weights).unwrap();
            let input = random(&mut generator, 5, 7 * channels);
            let input = BitTensor::from_lines(shape, input).unwrap();
            let mut expected = vec![0; 5 * 7 * 33];
            conv.sums(&input, &mut expected).unwrap();
            for place in places() {
                let mut sums = Guarded::new(&vec![0; 5 * 7 * 33], place);
                conv.sums_in(&mut Scratch::default(), &input, &mut sums)
                    .unwrap();
                assert_eq!(*sums, *expected, "{level}, {channels} channels, {place:?}");
            }
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
            for place in (0..64).flat_map(|gap| [Place::Start(gap), Place::End(gap)]) {
                let (bytes, floats) = (Guarded::new(&bytes, place), Guarded::new(&floats, place));
                let mut out = BitMatrix::zeros(2, columns);
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
                let mut out = BitTensor::zeros(shape);
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
