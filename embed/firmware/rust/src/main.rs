//! A net in firmware: planned on the host, included, run in a static array.
//!
//! `net.test` has test images with the host's logits; every logit has to be the same here.
#![no_std]
#![no_main]

mod board;

use bernet_runtime::firmware::{self, Aligned, Plan, PlanError, Sizes};
use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    ptr,
};

/// A file as the linker script places it.
macro_rules! include_words {
    ($file:literal) => {
        Aligned(*include_bytes!(concat!(env!("NET"), "/", $file)))
    };
}

const PLAN: &[u8] = include_bytes!(concat!(env!("NET"), "/net.plan"));
const SIZES: Sizes = firmware::sizes(PLAN);

#[unsafe(link_section = ".plan")]
static NET: Aligned<[u8; PLAN.len()]> = include_words!("net.plan");

const TESTS: usize = include_bytes!(concat!(env!("NET"), "/net.test")).len();
#[unsafe(link_section = ".tests")]
static IMAGES: Aligned<[u8; TESTS]> = include_words!("net.test");

/// All working memory of the net.
static mut ARENA: [u32; SIZES.arena_words] = [0; SIZES.arena_words];
static mut PIXELS: [u8; SIZES.image_values] = [0; SIZES.image_values];

/// One logit of a test image, or a word of its bits.
fn word(at: usize) -> u32 {
    let bytes = IMAGES.0.as_chunks::<4>().0;
    bytes.get(at).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Runs the net, by itself, so that its stack and instructions are its own.
#[inline(never)]
fn run(
    plan: &Plan<'_>,
    arena: &mut [u32],
    pixels: &[u8],
    logits: &mut [i32],
) -> Result<(), PlanError> {
    plan.run(arena, pixels, logits)
}

#[inline(never)]
fn run_packed(
    plan: &Plan<'_>,
    arena: &mut [u32],
    bits: &[u32],
    logits: &mut [i32],
) -> Result<(), PlanError> {
    plan.run_packed(arena, bits, logits)
}

/// What `reset` calls, once.
fn main() {
    let begin = board::count();
    board::turns(100_000);
    let turns = board::since(begin);
    board::print_number(c"loop_of_200000", turns);
    let begin = board::count();
    let Ok(plan) = Plan::from_bytes(&NET.0) else {
        board::print(c"net.plan is no plan\n");
        board::exit(false)
    };
    board::print_number(c"instructions_of_the_check", board::since(begin));
    let (arena, pixels) = (&raw mut ARENA, &raw mut PIXELS);
    // SAFETY: `main` is called once, and nothing else refers to these.
    let (arena, pixels) = unsafe { (&mut *arena, &mut *pixels) };
    let mut logits = [0; SIZES.logits];
    let [images, words, classes] = [word(0), word(1), word(2)].map(|word| word as usize);
    let each = words + 1 + classes;
    let (mut equal, mut right, mut instructions) = (0, 0, 0_u32);
    let top = board::paint();
    for image in 0..images {
        let first = 3 + image * each;
        for (at, pixel) in pixels.iter_mut().enumerate() {
            *pixel = if word(first + at / 32) >> (at % 32) & 1 == 1 {
                255
            } else {
                0
            };
        }
        let begin = board::count();
        let done = run(&plan, arena, pixels, &mut logits);
        instructions += board::since(begin);
        let same = |(at, &logit): (usize, &i32)| word(first + words + 1 + at) == logit as u32;
        equal += u32::from(done.is_ok() && logits.iter().enumerate().all(same));
        let class = plan.classify(arena, pixels);
        right += u32::from(class == Ok(word(first + words) as usize));
    }
    board::print_number(c"images", images as u32);
    board::print_number(c"logits_as_on_the_host", equal);
    board::print_number(c"right", right);
    board::print_number(c"instructions", instructions / images as u32);
    board::print_number(c"stack", board::stack_used(top));
    board::print_number(c"arena", 4 * SIZES.arena_words as u32);
    if plan.packed_words().is_some() {
        instructions = 0;
        let mut bits = [0; SIZES.image_values.div_ceil(32)];
        let top = board::paint();
        for image in 0..images {
            let first = 3 + image * each;
            for (at, bits) in bits.iter_mut().enumerate() {
                *bits = word(first + at);
            }
            let begin = board::count();
            let done = run_packed(&plan, arena, &bits, &mut logits);
            instructions += board::since(begin);
            let same = |(at, &logit): (usize, &i32)| word(first + words + 1 + at) == logit as u32;
            equal -= u32::from(done.is_err() || !logits.iter().enumerate().all(same));
        }
        board::print_number(c"instructions_packed", instructions / images as u32);
        board::print_number(c"stack_packed", board::stack_used(top));
    }
    let counted = (200_000 - 2 * board::STEP..=200_100 + 2 * board::STEP).contains(&turns);
    let passed = counted && equal as usize == images;
    board::print(if passed { c"passed\n" } else { c"FAILED\n" });
    board::exit(passed)
}

/// The runtime's other half allocates, and so its crate asks for an allocator. Nothing here calls
/// it, and the linker leaves it out.
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
    board::print(c"a panic\n");
    board::exit(false)
}
