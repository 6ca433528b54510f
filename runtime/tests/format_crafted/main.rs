//! Files of version 5 that are crafted to deceive are refused, each with the right words, and take
//! little memory.

mod body;
mod inputs;
mod nodes;
mod outputs;

use bernet_runtime::format::{MAGIC, from_bytes};
use body::{F32, body, file};
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
    let cases = [inputs::cases(), nodes::cases(), outputs::cases()].concat();
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
