//! Files of version 5 that are crafted to deceive are refused, each with the right words, and take
//! little memory.

use bernet_runtime::format::{MAGIC, VERSION, from_bytes};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Counts what is allocated, and the most that was at a time.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it hands on every call to the system's allocator, as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        PEAK.fetch_max(now, Ordering::SeqCst);
        // SAFETY: the caller keeps `alloc`'s contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A file around inputs, nodes, outputs and metadata, its length and checksum right.
fn file(body: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    file.extend(varint(body.len() as u64 + 4));
    file.extend(body);
    let checksum = crc32fast::hash(&file);
    file.extend(checksum.to_le_bytes());
    file
}

/// One input `x` of a type and a shape, NHWC, nothing said of pixels.
fn input(kind: u8, shape: [u64; 3]) -> Vec<u8> {
    let mut body = vec![1, 1, b'x', kind];
    body.extend(shape.into_iter().flat_map(varint));
    body.extend([0, 0]);
    body
}

/// A body of one such input, nodes, and the newest value as the output `y`; no metadata.
fn body(kind: u8, shape: [u64; 3], nodes: &[&[u8]]) -> Vec<u8> {
    let mut body = input(kind, shape);
    body.extend(varint(nodes.len() as u64));
    body.extend(nodes.concat());
    body.extend([1, 1, b'y', 0, 0, 0]);
    body
}

const BIT: u8 = 0;
const U8: u8 = 1;
const F32: u8 = 3;

/// Bodies, and what is said of them.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let huge = varint(u64::MAX);
    let many = varint(1 << 27);
    let with = |parts: &[&[u8]]| parts.concat();
    let shape = [2, 2, 1];
    let floats = |nodes: &[&[u8]]| body(F32, shape, nodes);
    let bits = |nodes: &[&[u8]]| body(BIT, shape, nodes);
    let outputs = |rest: &[u8]| [&input(F32, shape)[..], &[0], rest].concat();
    let metadata = |rest: &[u8]| {
        let mut body = floats(&[]);
        body.pop();
        body.extend(rest);
        body
    };
    vec![
        ("no input", vec![0, 0, 0, 0], "inputs: expected at least 1"),
        (
            "too many inputs",
            with(&[&many]),
            "number of inputs: expected at most 65536",
        ),
        (
            "an empty name",
            with(&[&[1, 0, 3, 1, 1, 1, 0, 0, 0, 1, 1, b'y', 0, 0, 0]]),
            "not empty",
        ),
        (
            "a name that is no text",
            vec![1, 1, 0xff],
            "name of an input: expected UTF-8",
        ),
        (
            "a name longer than the file",
            with(&[&[1], &huge]),
            "name of an input: expected at most",
        ),
        (
            "a name twice",
            {
                let mut twice = vec![2];
                twice.extend([&input(F32, shape)[1..], &input(F32, shape)[1..]].concat());
                twice.extend([0, 1, 1, b'y', 0, 0, 0]);
                twice
            },
            "not used twice",
        ),
        (
            "an unknown type",
            with(&[&[1, 1, b'x', 4]]),
            "type of an input: expected at most 3, found 4",
        ),
        (
            "an empty shape",
            body(F32, [1, 0, 1], &[]),
            "values of an item: expected 1 to",
        ),
        (
            "a huge shape",
            body(F32, [1 << 62, 1 << 62, 4], &[]),
            "values of an item: expected 1 to",
        ),
        (
            "a size of more than 64 bits",
            with(&[&[1, 1, b'x', 3], &[0xff; 9], &[2]]),
            "at most 64 bits",
        ),
        (
            "a size of eleven bytes",
            with(&[&[1, 1, b'x', 3], &[0x80; 10], &[1]]),
            "at most 64 bits",
        ),
        (
            "a size with a byte too many",
            with(&[&[1, 1, b'x', 3, 0x81, 0]]),
            "no byte more than it needs",
        ),
        (
            "an unknown layout",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 8]]),
            "form of a layout: expected at most 7",
        ),
        (
            "a listed layout that has a number",
            with(&[&[
                1, 1, b'x', 3, 1, 1, 1, 3, 3, 1, 1, 1, 0, 1, 2, 0, 0, 1, 1, b'y', 0, 0, 0,
            ]]),
            "the shortest form",
        ),
        (
            "a layout of many axes",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 3], &many]),
            "axes",
        ),
        (
            "a layout of other values",
            with(&[&[
                1, 1, b'x', 3, 1, 1, 1, 3, 1, 2, 0, 0, 0, 1, 1, b'y', 0, 0, 0,
            ]]),
            "array: expected as many values as",
        ),
        (
            "a layout that is no permutation",
            with(&[&[
                1, 1, b'x', 3, 1, 1, 2, 3, 2, 1, 2, 1, 1, 0, 0, 1, 1, b'y', 0, 0, 0,
            ]]),
            "each of 2 axes once",
        ),
        (
            "unknown pixels",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 0, 4]]),
            "pixels: expected at most 3",
        ),
        (
            "pixels of another type",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 0, 2, 0, 1, 1, b'y', 0, 0, 0]]),
            "a reading for f32",
        ),
        (
            "too many nodes",
            with(&[&input(F32, shape), &varint(65537)]),
            "number of nodes: expected at most 65536",
        ),
        (
            "nodes that are not there",
            with(&[&input(F32, shape), &[5]]),
            "operator",
        ),
        (
            "an unknown operator",
            floats(&[&[25, 0]]),
            "operator: expected at most 24, found 25",
        ),
        (
            "a named node without a name",
            floats(&[&[0x81, 0, 0]]),
            "name of a node: expected at least 1",
        ),
        (
            "a value of its own",
            floats(&[&[1, 1]]),
            "one of the 1 that are made",
        ),
        (
            "a far value",
            floats(&[&with(&[&[1], &huge])]),
            "one of the 1 that are made",
        ),
        (
            "a concat of nothing",
            floats(&[&[20, 0, 2]]),
            "number of inputs",
        ),
        (
            "a concat of very many",
            floats(&[&with(&[&[20], &many])]),
            "number of inputs of a node: expected at most",
        ),
        (
            "a sign of bits",
            bits(&[&[1, 0]]),
            "input: expected u8 or i32 or f32, found bit",
        ),
        (
            "a threshold of floats",
            floats(&[&[2, 0, 1, 0, 0]]),
            "input: expected i32 or u8",
        ),
        (
            "two types",
            floats(&[&[4, 0, 2], &[10, 0, 1, 0]]),
            "second input: expected i32",
        ),
        (
            "unknown operation",
            floats(&[&[10, 0, 0, 9]]),
            "operation on two values: expected at most 8",
        ),
        (
            "thresholds of another number",
            body(U8, [1, 1, 3], &[&[2, 0, 2, 0, 0]]),
            "thresholds: expected 1 or 3",
        ),
        (
            "very many equal thresholds",
            body(U8, shape, &[&with(&[&[2, 0], &many, &[0, 0]])]),
            "memory for thresholds",
        ),
        (
            "endless thresholds",
            body(U8, shape, &[&with(&[&[2, 0], &huge, &[0, 0]])]),
            "memory for thresholds",
        ),
        (
            "a least threshold of 33 bits",
            body(U8, shape, &[&with(&[&[2, 0, 1], &varint(1 << 32), &[0]])]),
            "least of the thresholds: expected 32 bits",
        ),
        (
            "thresholds of 33 bits",
            body(U8, shape, &[&[2, 0, 1, 0, 33]]),
            "bits of the thresholds: expected at most 32",
        ),
        (
            "unknown inversions",
            body(U8, shape, &[&[2, 0, 1, 0, 0xc0]]),
            "flags of inversions: expected 0, 1 or 2",
        ),
        (
            "thresholds wider than needed",
            body(U8, shape, &[&[2, 0, 1, 0, 8, 0]]),
            "the shortest form",
        ),
        (
            "a least that is not the least",
            body(U8, [1, 1, 2], &[&[2, 0, 2, 0, 1, 3]]),
            "the shortest form",
        ),
        (
            "inversions listed that are all",
            body(U8, [1, 1, 2], &[&[2, 0, 2, 0, 0x80, 3]]),
            "the shortest form",
        ),
        (
            "bits after the inversions",
            body(U8, [1, 1, 2], &[&[2, 0, 2, 0, 0x80, 5]]),
            "bits after the inversions: expected 0",
        ),
        (
            "an unknown form of floats",
            floats(&[&[3, 0, 1, 4]]),
            "form of the thresholds: expected at most 3",
        ),
        (
            "a NaN threshold",
            floats(&[&[3, 0, 1, 1, 0, 0, 0xc0, 0x7f]]),
            "threshold: expected a number or an infinity",
        ),
        (
            "a half that is not one",
            floats(&[&[3, 0, 1, 1, 0, 0, 0x80, 0x3f]]),
            "the shortest form",
        ),
        (
            "equal floats listed",
            body(F32, [1, 1, 2], &[&[9, 0, 2, 2, 0, 0x3c, 0, 0x3c, 0]]),
            "the shortest form",
        ),
        (
            "flags on a list of floats",
            floats(&[&[9, 0, 1, 0x43, 0, 0x3c, 0]]),
            "flags of the scales: expected 0",
        ),
        (
            "an infinite scale",
            floats(&[&[9, 0, 1, 3, 0, 0x7c, 0]]),
            "scale: expected a finite number",
        ),
        (
            "very many equal scales",
            floats(&[&with(&[&[9, 0], &many, &[3, 0, 0x3c, 0]])]),
            "memory for scales",
        ),
        (
            "floats that are not there",
            floats(&[&with(&[&[9, 0], &varint(1 << 20), &[0]])]),
            "scales: expected at most",
        ),
        (
            "a padding value of 3",
            bits(&[&[5, 0, 3, 1, 1, 1, 1]]),
            "flags of a convolution: expected a padding value of 0 to 2",
        ),
        (
            "an unknown flag",
            bits(&[&[5, 0, 0x41, 1, 1, 1, 1]]),
            "no unknown flag",
        ),
        (
            "a stride of 1 that is written",
            bits(&[&[5, 0, 5, 1, 1, 1, 1, 1, 1]]),
            "the shortest form",
        ),
        (
            "a stride of 0",
            bits(&[&[5, 0, 5, 1, 1, 0, 1, 1, 1]]),
            "a stride of at least 1",
        ),
        (
            "no groups",
            bits(&[&[5, 0, 33, 1, 1, 0, 1, 1]]),
            "groups: expected at least 1",
        ),
        (
            "groups that do not divide",
            bits(&[&[5, 0, 33, 1, 1, 2, 2]]),
            "groups: expected a divisor of 1 channels",
        ),
        (
            "a kernel larger than the image",
            bits(&[&[5, 0, 1, 3, 1, 1, 7]]),
            "at least the window's 3",
        ),
        (
            "an endless kernel",
            bits(&[&with(&[&[5, 0, 1], &huge, &huge, &[1]])]),
            "memory for weights",
        ),
        (
            "endless outputs",
            bits(&[&with(&[&[5, 0, 1, 1, 1], &huge])]),
            "memory for weights",
        ),
        (
            "no outputs",
            bits(&[&[5, 0, 1, 1, 1, 0]]),
            "outputs: expected a positive multiple",
        ),
        (
            "endless padding",
            bits(&[&with(&[
                &[5, 0, 17, 1, 1],
                &huge,
                &huge,
                &huge,
                &huge,
                &[1, 1],
            ])]),
            "height",
        ),
        (
            "endless dilation",
            bits(&[&with(&[&[5, 0, 9, 2, 1], &huge, &huge, &[1, 1]])]),
            "at least the window's",
        ),
        (
            "rows of one bit",
            body(BIT, [1, 1, 1], &[&with(&[&[6, 0], &varint(1 << 24)])]),
            "memory for weights",
        ),
        (
            "weights that are not there",
            bits(&[&with(&[&[6, 0], &varint(1 << 20)])]),
            "weights: expected at most",
        ),
        (
            "bits after the weights",
            bits(&[&[6, 0, 1, 0x10]]),
            "bits after the weights: expected 0",
        ),
        (
            "endless rows of nothing",
            bits(&[&with(&[&[5, 0, 1, 0, 1], &huge])]),
            "kernel: expected at least 1×1",
        ),
        (
            "a dense layer of equal weights",
            floats(&[&with(&[&[8, 0], &many, &[3, 0, 0x3c, 0]])]),
            "memory for weights",
        ),
        (
            "biases of another number",
            floats(&[&[8, 0, 1, 3, 0, 0x3c, 2, 3, 0, 0x3c]]),
            "biases: expected none or 1",
        ),
        (
            "a constant of equal floats",
            floats(&[&with(&[&[0, 3], &many, &[1, 1, 3, 0, 0x3c]])]),
            "memory for floats",
        ),
        (
            "a constant of nothing",
            floats(&[&[0, 3, 0, 1, 1, 0]]),
            "values of a constant: expected 1 to",
        ),
        (
            "an endless constant",
            floats(&[&with(&[&[0, 0], &huge, &huge, &huge])]),
            "values of a constant: expected 1 to",
        ),
        (
            "bytes of a constant that are not there",
            floats(&[&with(&[&[0, 1], &many, &[1, 1]])]),
            "bytes: expected at most",
        ),
        (
            "flags on a list of integers",
            floats(&[&[0, 2, 1, 1, 1, 0, 0x40]]),
            "flags of integers: expected 0",
        ),
        (
            "an unknown function",
            floats(&[&[12, 0, 18]]),
            "function of a float: expected at most 17",
        ),
        (
            "padding as large as the window",
            floats(&[&[15, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]]),
            "less than the window",
        ),
        (
            "an unknown pool",
            floats(&[&[15, 0, 4]]),
            "kind of a pool: expected at most 3",
        ),
        (
            "unknown axes",
            floats(&[&[16, 0, 0, 8]]),
            "axes: expected at most 7",
        ),
        (
            "a quantizer without a step",
            floats(&[&[
                14, 0, 1, 3, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0,
            ]]),
            "scale: expected above 0",
        ),
        (
            "a slice from outside",
            floats(&[&[21, 0, 0, 2, 1, 1]]),
            "slice: expected within 2 places",
        ),
        (
            "an endless slice",
            floats(&[&with(&[&[21, 0, 0, 0], &huge, &huge])]),
            "slice: expected within 2 places",
        ),
        (
            "an empty slice",
            floats(&[&[21, 0, 0, 0, 0, 1]]),
            "slice: expected within 2 places",
        ),
        (
            "endless padding of a value",
            floats(&[&with(&[
                &[22, 0],
                &huge,
                &huge,
                &huge,
                &huge,
                &huge,
                &huge,
                &[0; 4],
            ])]),
            "values of an item: expected 1 to",
        ),
        (
            "a reshape to other values",
            floats(&[&[23, 0, 1, 1, 5]]),
            "values: expected 4",
        ),
        (
            "a transpose of many axes",
            floats(&[&with(&[&[24, 0], &many])]),
            "axes",
        ),
        (
            "a transpose of seventeen axes",
            floats(&[&with(&[
                &[24, 0, 17, 4],
                &[1; 16],
                &(0..17).collect::<Vec<_>>(),
                &[1, 1, 4],
            ])]),
            "axes: expected at most 16",
        ),
        (
            "a transpose without a permutation",
            floats(&[&[24, 0, 2, 2, 2, 1, 1, 1, 1, 4]]),
            "each of 2 axes once",
        ),
        (
            "no output",
            outputs(&[0, 0]),
            "outputs: expected at least 1",
        ),
        (
            "an output that nobody makes",
            outputs(&[1, 1, b'y', 1, 0, 0]),
            "one of the 1 that are made",
        ),
        (
            "outputs of one name",
            outputs(&[2, 1, b'y', 0, 0, 1, b'y', 0, 0, 0]),
            "not used twice",
        ),
        (
            "an output without a name",
            outputs(&[1, 0, 0, 0, 0]),
            "not empty",
        ),
        (
            "a byte after the metadata",
            metadata(&[0, 0]),
            "bytes after the metadata: expected 0, found 1",
        ),
        (
            "long metadata",
            metadata(&with(&[&varint((1 << 20) + 1), &[0]])),
            "length of the metadata: expected at most 1048576",
        ),
        (
            "metadata that are not there",
            metadata(&[9, 0]),
            "metadata: expected at most 0, found 9 bytes",
        ),
        (
            "metadata deflated to more",
            metadata(&[1, 1, 0]),
            "less than 1",
        ),
        (
            "metadata deflated to nothing",
            metadata(&[9, 2, 3, 0]),
            "deflated metadata: expected 9 bytes from 2, found 0 from 2",
        ),
        (
            "metadata that cannot be so long",
            metadata(&with(&[&varint(1 << 20), &[2, 3, 0]])),
            "length of the metadata: expected at most 2064",
        ),
        (
            "a key without a value",
            metadata(&[2, 0, 1, b'a']),
            "metadata value",
        ),
        (
            "keys that descend",
            metadata(&[8, 0, 1, b'b', 1, b'c', 1, b'a', 1, b'c']),
            "metadata key: expected one after \"b\", found \"a\"",
        ),
        (
            "a key twice",
            metadata(&[6, 0, 1, b'b', 0, 1, b'b', 0]),
            "metadata key: expected one after \"b\"",
        ),
        (
            "a key that is no text",
            metadata(&[3, 0, 1, 0xff, 0]),
            "metadata key: expected UTF-8",
        ),
    ]
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn crafted_files_are_refused() {
    from_bytes(&file(&body(F32, [2, 2, 1], &[&[1, 0]]))).expect("the frame of all cases is right");
    let mut surprises = vec![];
    let mut refuse = |name: &str, file: &[u8], says: &str| {
        let before = NOW.load(Ordering::SeqCst);
        PEAK.store(before, Ordering::SeqCst);
        let result = from_bytes(file);
        let peak = PEAK.load(Ordering::SeqCst) - before;
        match result {
            Err(error) if error.to_string().contains(says) => {}
            other => {
                let found = other.map(drop).map_err(|error| error.to_string());
                surprises.push(format!("{name}: {found:?}, not {says:?}"));
            }
        }
        if peak > 4 * file.len() + (64 << 20) {
            surprises.push(format!("{name}: {peak} bytes for a file of {}", file.len()));
        }
    };
    let cases = cases();
    println!("{} crafted files", cases.len());
    for (name, body, says) in &cases {
        refuse(name, &file(body), says);
    }
    let whole = file(&body(F32, [2, 2, 1], &[]));
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole[..whole.len() - 4].to_vec();
        change(&mut bytes);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    };
    refuse(
        "another length",
        &sealed(&|bytes| bytes[12] += 1),
        "length of the rest of the file",
    );
    refuse(
        "a length of 0",
        &sealed(&|bytes| bytes[12] = 0),
        "length of the rest of the file",
    );
    refuse(
        "version 6",
        &sealed(&|bytes| bytes[8] = 6),
        "version of .bnet: expected 1 to 5, found 6",
    );
    refuse(
        "version 0",
        &sealed(&|bytes| bytes[8] = 0),
        "version of .bnet: expected 1 to 5, found 0",
    );
    refuse(
        "another magic",
        &sealed(&|bytes| bytes[1] = 0),
        "not a .bnet file",
    );
    refuse("nothing", &[], "found \"\"");
    refuse("magic alone", &MAGIC, "version");
    assert!(surprises.is_empty(), "{surprises:#?}");
}
