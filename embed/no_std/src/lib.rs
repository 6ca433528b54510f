//! A binary layer for a microcontroller: `libbernet_no_std.a`, to be linked into firmware in C. There is no standard library and no heap:
//! the weights lie in flash, the image comes from the caller, and the kernel is the portable one, which needs no memory.
#![no_std]

use bernet_kernels::{bits::WORD, reference};
use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    ptr, slice,
};

/// Values of an image, 8×8 pixels.
const DEPTH: usize = 64;
const WORDS: usize = DEPTH.div_ceil(WORD);

/// One row of ±1 for each class: a horizontal edge, a vertical one, a diagonal one. Pixel `8 · line + column` is that bit of the word.
const WEIGHTS: [[u64; WORDS]; 3] = [
    [0x0000_0000_ffff_ffff],
    [0x0f0f_0f0f_0f0f_0f0f],
    [0x0103_070f_1f3f_7fff],
];

/// The class whose weights agree with the image in most places; of several, the first.
fn classify(image: &[u64; WORDS]) -> usize {
    let mut best = (0, i32::MIN);
    for (class, weights) in WEIGHTS.iter().enumerate() {
        let sum = reference::dot(image, weights, DEPTH);
        if sum > best.1 {
            best = (class, sum);
        }
    }
    best.0
}

/// `int32_t bernet_edge(const uint64_t *image)`: 0 horizontal, 1 vertical, 2 diagonal, −1 for a null pointer.
///
/// # Safety
/// If it is not null, `image` leads to one aligned word, in which a set bit is a bright pixel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_edge(image: *const u64) -> i32 {
    if image.is_null() {
        return -1;
    }
    // SAFETY: not null, as checked, and long enough by the caller's word.
    let image = unsafe { slice::from_raw_parts(image, WORDS) };
    image.try_into().map_or(-1, |image| classify(image) as i32)
}

/// The kernels' other half allocates, and so the linker asks for an allocator. This one has nothing to give.
struct NoHeap;

// SAFETY: null is the answer for "no memory", and what was never given never comes back.
unsafe impl GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: NoHeap = NoHeap;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
