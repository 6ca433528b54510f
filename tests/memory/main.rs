//! Files that ask for far more memory than they are: what reading them takes at its peak is at most twice the file and 64 MiB, and what
//! a session of what was read takes at most sixteen times the file and 256 MiB.

mod sessions;

use bernet::{
    data::{idx, packed, read_digit_png},
    exchange::{ImportOptions, onnx},
    train::{Config, MethodName, Network, Trainer},
};
use bernet_runtime::format;
use flate2::{Compression, write::GzEncoder};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    io::Write,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        PEAK.fetch_max(now, Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let now = NOW.fetch_add(size, Ordering::SeqCst) + size - layout.size();
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        PEAK.fetch_max(now, Ordering::SeqCst);
        // SAFETY: as above; pages are moved, not copied.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All of them are reported at once.
static FAILURES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Reads a file, and compares the peak with what its size justifies. `says` is a part of the error.
fn bomb(name: &str, file: usize, says: &str, read: impl FnOnce() -> Result<(), String>) {
    let (result, peak) = peak(read);
    let error = result.expect_err(name);
    println!(
        "{name}: {file} bytes, peak {:.1} MiB: {}",
        peak as f64 / 1048576.0,
        &error[error.len().saturating_sub(90)..]
    );
    let mut failures = FAILURES.lock().unwrap();
    if peak > 2 * file + (64 << 20) {
        failures.push(format!("{name}: {peak} bytes for a file of {file}"));
    }
    if !error.contains(says) {
        failures.push(format!("{name}: {error:?} lacks {says:?}"));
    }
}

/// What a function returns, and what it took at its peak.
fn peak<T>(function: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let result = function();
    (result, PEAK.load(Ordering::SeqCst) - before)
}

fn gzip(pieces: &[(u8, usize)]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for &(byte, count) in pieces {
        for start in (0..count).step_by(1 << 20) {
            gzip.write_all(&vec![byte; (1 << 20).min(count - start)])
                .unwrap();
        }
    }
    gzip.finish().unwrap()
}

fn text<T>(result: Result<T, impl ToString>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn small_files_cannot_ask_for_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    models();
    sessions::all();
    idx_files(&at);
    pictures(&at);
    onnx_files(folder.path());
    checkpoints(&at);
    for (name, nested) in [("lists", "["), ("tables", "{a=")] {
        let net = format!("input = {}", nested.repeat(200_000));
        bomb(
            &format!("nested TOML {name}"),
            net.len(),
            "cannot recurse further",
            || text(Network::from_toml(&net)),
        );
    }
    let failures = FAILURES.lock().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn models() {
    let shipped = include_bytes!("../../models/mnist.bnet");
    let seal = |mut bytes: Vec<u8>| {
        let body = bytes.len() - 4;
        let sum = crc32fast::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    let layers = u32::from_le_bytes(shipped[12..16].try_into().unwrap()) as usize;
    for layer in 0..layers {
        for at in [4, 8] {
            for value in [u32::MAX, 1 << 30, 1 << 24] {
                let mut bytes = shipped.to_vec();
                bytes[64 + 32 * layer + at..][..4].copy_from_slice(&value.to_le_bytes());
                let bytes = seal(bytes);
                let name = format!("model, layer {} offset {at}: {value}", layer + 1);
                bomb(&name, bytes.len(), "expected", || {
                    text(format::from_bytes(&bytes))
                });
            }
        }
    }
}

fn idx_files(at: &impl Fn(&str, &[u8]) -> std::path::PathBuf) {
    let header = |sizes: [u32; 3]| -> Vec<u8> {
        [0x803]
            .into_iter()
            .chain(sizes)
            .flat_map(u32::to_be_bytes)
            .collect()
    };
    let labels = at("labels", &[0, 0, 8, 1, 0, 0, 0, 1, 0]);
    for (sizes, says) in [
        ([u32::MAX; 3], "for a file of 16"),
        ([u32::MAX, 1, 1], "for a file of 16"),
        ([1, 1 << 16, 1 << 16], "for a file of 16"),
        ([60_000, 28, 28], "the end after 0"),
    ] {
        let images = at("images", &header(sizes));
        bomb(&format!("IDX of {sizes:?}"), 16, says, || {
            text(idx::read(&images, &labels, 128, 10))
        });
    }
    // A gibibyte of zeros behind a header that asks for one image.
    let mut bytes = header([1, 1, 1]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..256).for_each(|_| encoder.write_all(&zeros).unwrap());
    bytes = encoder.finish().unwrap();
    let images = at("bomb.gz", &bytes);
    bomb("IDX in gzip", bytes.len(), "no more bytes", || {
        text(idx::read(&images, &labels, 128, 10))
    });
    let bytes = gzip(&[(0, 256 << 20)]);
    let name = Path::new("packed.gz");
    bomb(
        "packed digits in gzip",
        bytes.len(),
        "unpacks to more than",
        || text(packed::decode("name", name, &bytes)),
    );
}

fn pictures(at: &impl Fn(&str, &[u8]) -> std::path::PathBuf) {
    let chunk = |kind: &[u8], data: &[u8]| {
        let named = [kind, data].concat();
        let sum = crc32fast::hash(&named).to_be_bytes();
        [&(data.len() as u32).to_be_bytes()[..], &named, &sum].concat()
    };
    let zlib = |count: usize| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        (0..count).for_each(|_| encoder.write_all(&zeros).unwrap());
        encoder.finish().unwrap()
    };
    let picture = |width: u32, height: u32, between: Vec<u8>| {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        let head = chunk(b"IHDR", &[&size[..], &[8, 6, 0, 0, 0]].concat());
        let data = chunk(b"IDAT", &zlib(1));
        [
            &b"\x89PNG\r\n\x1a\n"[..],
            &head,
            &between,
            &data,
            &chunk(b"IEND", &[]),
        ]
        .concat()
    };
    let profile = chunk(b"iCCP", &[b"name\0\0", &zlib(128)[..]].concat());
    for (name, bytes, says) in [
        (
            "PNG of 2³¹ − 1 squared",
            picture(i32::MAX as u32, i32::MAX as u32, Vec::new()),
            "",
        ),
        (
            "PNG of 4096 squared",
            picture(4096, 4096, Vec::new()),
            "expected at most",
        ),
        (
            "PNG of 3500 squared without its data",
            picture(3500, 3500, Vec::new()),
            "not a readable PNG",
        ),
        ("PNG with a profile of 128 MiB", picture(4, 4, profile), ""),
    ] {
        let path = at("picture.png", &bytes);
        bomb(name, bytes.len(), says, || {
            text(read_digit_png(&path, 28, 28, 128))
        });
    }
}

/// A number, seven bits a byte, as postcard and protocol buffers write it.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field of a protocol-buffers message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

fn onnx_files(folder: &Path) {
    // A version of the operators, without which nothing else is read.
    let opset = field(8, &[0x10, 13]);
    let import = |bytes: &[u8]| {
        let bytes = [bytes, &opset].concat();
        text(onnx::import(&bytes, &ImportOptions::default()))
    };
    // A graph (7) of empty nodes (1), and of initializers (5).
    for (name, number) in [("nodes", 1), ("initializers", 5)] {
        let bytes = field(7, &field(number, &[]).repeat(2 << 20));
        bomb(
            &format!("ONNX of two million empty {name}"),
            bytes.len(),
            "messages and texts",
            || import(&bytes),
        );
    }
    // Graphs within attributes (6: a field that is skipped), a hundred thousand deep; and groups, which have no length.
    let mut nested = Vec::new();
    for _ in 0..2_000 {
        nested = field(1, &field(5, &field(6, &nested)));
    }
    let bytes = field(7, &nested);
    bomb("ONNX of nested graphs", bytes.len(), "", || import(&bytes));
    let bytes = [0x0b].repeat(1 << 20);
    bomb("ONNX of nested groups", bytes.len(), "", || import(&bytes));
    // A tensor whose dimensions (1) promise 2⁶² numbers, and one whose data are in another file, which would wait for ever
    // for whoever opened it.
    let dims = [[8, 0x80, 0x80, 0x80, 0x80, 8]; 2].concat();
    let floats = [&dims[..], &[0x10, 1], &field(8, b"w"), &field(9, &[0; 4])].concat();
    let bytes = field(7, &field(5, &floats));
    bomb(
        "ONNX with a tensor of 2⁶² numbers",
        bytes.len(),
        "",
        || import(&bytes),
    );
    // An image (input 11) of so many channels, lines and pixels, which the output (12) is.
    let image = |sizes: [u32; 3], nodes: &[u8]| {
        let dims = [1]
            .into_iter()
            .chain(sizes)
            .flat_map(|size| field(1, &[&[8][..], &varint(size.into())].concat()));
        let kind = field(
            1,
            &[&[8, 1][..], &field(2, &dims.collect::<Vec<_>>())].concat(),
        );
        let input = [field(1, b"x"), field(2, &kind)].concat();
        field(
            7,
            &[nodes, &field(11, &input), &field(12, &field(1, b"y"))].concat(),
        )
    };
    let node = |number: usize, op: &str| {
        let name = |at: usize| {
            if at == 0 {
                "x".into()
            } else {
                format!("x{at}")
            }
        };
        let parts = [
            field(1, name(number).as_bytes()),
            field(2, name(number + 1).as_bytes()),
            field(4, op.as_bytes()),
        ];
        field(1, &parts.concat())
    };
    // Such graphs are small, whatever their values are: they may be read.
    let read = |bytes: &[u8]| import(bytes).and_then(|()| Err("it is read".into()));
    for sizes in [
        [1, 1 << 11, 1 << 11],
        [1, 1 << 12, 1 << 12],
        [1 << 13, 5, 5],
        [1 << 16, 5, 5],
        [1, 1 << 31, 1 << 31],
    ] {
        let nodes: Vec<u8> = (0..40)
            .flat_map(|number| node(number, "Neg"))
            .chain(field(
                1,
                &[field(1, b"x40"), field(2, b"y"), field(4, b"Erf")].concat(),
            ))
            .collect();
        let bytes = image(sizes, &nodes);
        bomb(
            &format!("ONNX of an image of {sizes:?}"),
            bytes.len(),
            "",
            || read(&bytes),
        );
        // Every one is kept, for a node at the end that reads them all.
        let all = (1..=40).flat_map(|at| field(1, format!("x{at}").as_bytes()));
        let last: Vec<u8> = all
            .chain(field(2, b"y"))
            .chain(field(4, b"Concat"))
            .collect();
        let kept = (0..40).flat_map(|number| node(number, "Neg"));
        let kept: Vec<u8> = kept.chain(field(1, &last)).collect();
        let bytes = image(sizes, &kept);
        bomb(
            &format!("ONNX of an image of {sizes:?}, kept"),
            bytes.len(),
            "",
            || read(&bytes),
        );
    }
    let pipe = folder.join("pipe");
    if cfg!(unix) {
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
    }
    for location in [pipe.to_str().unwrap(), "../../../etc/passwd", "pipe"] {
        let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
        let tensor = [
            &[8, 1, 0x10, 1][..],
            &field(8, b"w"),
            &field(13, &entry),
            &[0x70, 1],
        ]
        .concat();
        let bytes = field(7, &field(5, &tensor));
        bomb(
            &format!("ONNX with data in {location}"),
            bytes.len(),
            "tensor \"w\": ",
            || import(&bytes),
        );
    }
}

fn checkpoints(at: &impl Fn(&str, &[u8]) -> std::path::PathBuf) {
    let network = Network::from_toml(bernet::train::TALK_24).unwrap();
    let config = Config::new(MethodName::Bernoulli, network, 1, 1).to_toml();
    // Magic and version are those of a whole one.
    let path = at("whole", &[]);
    let network = Network::from_toml(bernet::train::TALK_24).unwrap();
    let trainer = Trainer::new(Config::new(MethodName::Bernoulli, network, 1, 1)).unwrap();
    trainer.save(&path).unwrap();
    let head = fs::read(&path).unwrap()[..12].to_vec();
    let seal = |payload: &[u8]| {
        let mut bytes = head.clone();
        bytes.extend(crc32fast::hash(payload).to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        [&bytes[..], payload].concat()
    };
    let whole = [&varint(config.len() as u64)[..], config.as_bytes()].concat();
    for count in [1 << 20, 1 << 40, u64::MAX] {
        for (name, before) in [
            ("text", Vec::new()),
            ("layers", whole.clone()),
            ("latents", [&whole[..], &[1]].concat()),
        ] {
            let bytes = seal(&[before, varint(count)].concat());
            let path = at("checkpoint", &bytes);
            bomb(
                &format!("checkpoint of {count} {name}"),
                bytes.len(),
                "payload",
                || text(Trainer::load(&path)),
            );
        }
    }
    for (from, to) in [
        ("outputs = 8", "outputs = 9000000000000000000"),
        ("height = 24", "height = 9000000000000000000"),
    ] {
        let config = config.replace(from, to);
        let parts = [
            &varint(config.len() as u64)[..],
            config.as_bytes(),
            &[0, 0, 0, 0, 0],
        ]
        .concat();
        let bytes = seal(&parts);
        let path = at("checkpoint", &bytes);
        bomb(&format!("checkpoint with {to}"), bytes.len(), "", || {
            text(Trainer::load(&path))
        });
    }
}
