//! Valid files to be spoilt.

use bernet_runtime::format::from_bytes;
use std::fs;

/// A file that an older release wrote.
pub(crate) fn older(name: &str) -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/../tests/golden/older/{name}.bnet");
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Bytes with the checksum made right, so that the checks behind it are reached.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A valid file to be spoilt, how many ways to spoil it were refused as they should be, and what was said otherwise.
pub(crate) struct Spoiler {
    pub(crate) bytes: Vec<u8>,
    pub(crate) refused: usize,
    pub(crate) surprises: Vec<String>,
}

impl Spoiler {
    pub(crate) fn new(name: &str) -> Self {
        let bytes = older(name);
        from_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            bytes,
            refused: 0,
            surprises: Vec::new(),
        }
    }

    /// The file with the low `width` bytes of `value` at `offset` is refused, and the error says `says`.
    pub(crate) fn put(&mut self, offset: usize, width: usize, value: u64, says: &str) {
        let mut bytes = self.bytes.clone();
        bytes[offset..offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
        assert_ne!(bytes, self.bytes, "{value} was at {offset} already");
        self.refuses(seal(bytes), says);
    }

    pub(crate) fn refuses(&mut self, bytes: Vec<u8>, says: &str) {
        match from_bytes(&bytes) {
            Err(error) if error.to_string().contains(says) => self.refused += 1,
            other => self.surprises.push(format!(
                "{:?}, not {says:?}",
                other.map(drop).map_err(|error| error.to_string())
            )),
        }
    }

    /// How many were refused; all of them.
    pub(crate) fn finish(self) -> usize {
        assert!(self.surprises.is_empty(), "{:#?}", self.surprises);
        println!("{} crafted files refused", self.refused);
        self.refused
    }

    pub(crate) fn get(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.bytes[offset..offset + 8].try_into().unwrap())
    }
}

pub(crate) const LARGE: [u64; 3] = [u32::MAX as u64, 1 << 63, u64::MAX];
