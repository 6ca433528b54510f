//! Writes numbers and texts of a file, or compares them with a file that is there.

use alloc::vec::Vec;

/// Where the bytes of a file go.
pub(super) trait Sink {
    fn bytes(&mut self, bytes: &[u8]);

    fn byte(&mut self, byte: u8) {
        self.bytes(&[byte]);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    fn size(&mut self, size: usize) {
        self.varint(size as u64);
    }

    fn sizes(&mut self, sizes: &[usize]) {
        for &size in sizes {
            self.size(size);
        }
    }

    fn float(&mut self, float: f32) {
        self.bytes(&float.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.size(text.len());
        self.bytes(text.as_bytes());
    }
}

impl Sink for Vec<u8> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Finds the first byte of a file that would have been written otherwise.
pub(super) struct Compare<'a> {
    file: &'a [u8],
    at: usize,
    first: Option<usize>,
}

impl<'a> Compare<'a> {
    /// Compares from a place on.
    pub(super) fn new(file: &'a [u8], at: usize) -> Self {
        Self {
            file,
            at,
            first: None,
        }
    }

    /// The offset of the first difference, `end` being where the writer ends.
    pub(super) fn difference(&self, end: usize) -> Option<usize> {
        self.first.or((self.at != end).then_some(self.at.min(end)))
    }
}

impl Sink for Compare<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        if self.first.is_none() {
            let there = self.file.get(self.at..).unwrap_or(&[]);
            if !there.starts_with(bytes) {
                let mut pairs = bytes.iter().zip(there);
                let unequal = pairs.position(|(a, b)| a != b);
                self.first = Some(self.at + unequal.unwrap_or(there.len()));
            }
        }
        self.at += bytes.len();
    }
}
