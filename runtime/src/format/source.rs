//! Reads numbers and texts of a file one after the other.
//!
//! Nothing is read beyond the end, and what is read may take no more memory than the file's length
//! justifies.

use super::error::{FormatError, at_most, field};
use alloc::string::String;
use core::fmt::Display;

/// What a graph may take in memory beyond four times the length of its file.
pub(super) const MEMORY_LIMIT: usize = 48 << 20;

/// The bytes of a file and a place in them.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Memory that may still be taken.
    memory: usize,
}

impl<'a> Source<'a> {
    /// Bytes from a place on; offsets in errors count from their beginning.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        let memory = bytes.len().saturating_mul(4).saturating_add(MEMORY_LIMIT);
        Self { bytes, at, memory }
    }

    /// The offset of what is read next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Counts memory for `count` elements of `size` bytes before it is taken.
    pub(super) fn take_memory(
        &mut self,
        what: impl Display,
        count: usize,
        size: usize,
    ) -> Result<(), FormatError> {
        let limit = self.memory;
        let left = count
            .checked_mul(size)
            .and_then(|all| limit.checked_sub(all));
        self.memory = left.ok_or_else(|| {
            let what = format_args!("memory for {what}");
            field(
                self.at,
                what,
                at_most(limit),
                format_args!("{count} of {size} bytes"),
            )
        })?;
        Ok(())
    }

    pub(super) fn bytes(
        &mut self,
        what: impl Display,
        count: usize,
    ) -> Result<&'a [u8], FormatError> {
        if count > self.left() {
            return Err(field(
                self.at,
                what,
                at_most(self.left()),
                format_args!("{count} bytes"),
            ));
        }
        let bytes = &self.bytes[self.at..][..count];
        self.at += count;
        Ok(bytes)
    }

    /// `count` elements of `size` bytes each.
    pub(super) fn elements(
        &mut self,
        what: impl Display,
        count: usize,
        size: usize,
    ) -> Result<&'a [u8], FormatError> {
        self.bytes(what, count.saturating_mul(size))
    }

    pub(super) fn byte(&mut self, what: impl Display) -> Result<u8, FormatError> {
        Ok(self.bytes(what, 1)?[0])
    }

    /// A number that stands for one of a list of names.
    pub(super) fn choice<T: Copy>(
        &mut self,
        what: impl Display,
        list: &[T],
    ) -> Result<T, FormatError> {
        let at = self.at;
        let found = self.byte(&what)?;
        let chosen = list.get(usize::from(found)).copied();
        chosen.ok_or_else(|| field(at, what, at_most(list.len() - 1), found))
    }

    /// Seven bits a byte, the lowest first; all but the last byte have their high bit set.
    pub(super) fn varint(&mut self, what: impl Display) -> Result<u64, FormatError> {
        let at = self.at;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(&what)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(field(
                        at,
                        what,
                        "no byte more than it needs",
                        "a last byte of 0",
                    ))
                } else {
                    Ok(value)
                };
            }
        }
        Err(field(at, what, "at most 64 bits", "more"))
    }

    pub(super) fn size(&mut self, what: impl Display) -> Result<usize, FormatError> {
        let at = self.at;
        let value = self.varint(&what)?;
        usize::try_from(value).map_err(|_| field(at, what, at_most(usize::MAX), value))
    }

    pub(super) fn sizes<const N: usize>(
        &mut self,
        what: impl Display,
    ) -> Result<[usize; N], FormatError> {
        let mut sizes = [0; N];
        for size in &mut sizes {
            *size = self.size(&what)?;
        }
        Ok(sizes)
    }

    pub(super) fn float(&mut self, what: impl Display) -> Result<f32, FormatError> {
        let bytes = self.bytes(what, 4)?;
        Ok(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length and as many bytes of UTF-8.
    pub(super) fn text(&mut self, what: impl Display) -> Result<String, FormatError> {
        let length = self.size(format_args!("length of {what}"))?;
        let at = self.at;
        let bytes = self.bytes(&what, length)?;
        let text = core::str::from_utf8(bytes).map_err(|error| {
            let wrong = error.valid_up_to();
            field(
                at + wrong,
                what,
                "UTF-8",
                format_args!("byte {:#04x}", bytes[wrong]),
            )
        })?;
        Ok(text.into())
    }
}
