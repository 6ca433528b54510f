//! Options of custom operators: a flexbuffer whose root is a map from names to integers.
//!
//! Format: <https://flatbuffers.dev/internals/#flexbuffers>. Read here and not by the crate
//! `flexbuffers`, which panics on maps whose keys point past the end.

/// A map from names to numbers, of which nothing was checked yet.
#[derive(Clone, Copy)]
pub(super) struct Map<'a> {
    bytes: &'a [u8],
    /// Where values begin, bytes of each, and how many there are.
    values: usize,
    width: usize,
    len: usize,
    /// Where offsets to keys begin, and bytes of each.
    keys: usize,
    keys_width: usize,
}

const INT: u8 = 1;
const UINT: u8 = 2;
const MAP: u8 = 9;
const BOOL: u8 = 26;

impl<'a> Map<'a> {
    /// The map at the root; `None` where the root is something else or does not fit.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let &[.., kind, root_width] = bytes else {
            return None;
        };
        let root_width = usize::from(root_width);
        let place = bytes.len().checked_sub(2)?.checked_sub(root_width)?;
        if kind >> 2 != MAP {
            return None;
        }
        let width = 1 << (kind & 3);
        let values = place.checked_sub(unsigned(bytes, place, root_width)?)?;
        // Before the values: the offset to the keys, their width, the number of values.
        let offset = values.checked_sub(3 * width)?;
        let keys = offset.checked_sub(unsigned(bytes, offset, width)?)?;
        let keys_width = unsigned(bytes, offset + width, width)?;
        let len = unsigned(bytes, offset + 2 * width, width)?;
        // Each value has a byte for its type behind the values.
        let end = len.checked_mul(width + 1)?.checked_add(values)?;
        let keys_end = len.checked_mul(keys_width)?.checked_add(keys)?;
        (end <= bytes.len() && keys_end <= bytes.len()).then_some(Self {
            bytes,
            values,
            width,
            len,
            keys,
            keys_width,
        })
    }

    /// The integer of a name; `None` where there is no such name or the value is no integer.
    pub(super) fn integer(self, name: &str) -> Option<i64> {
        let index = (0..self.len).find(|index| self.has_key(*index, name) == Some(true))?;
        let place = self.values + index * self.width;
        let kind = *self
            .bytes
            .get(self.values + self.len * self.width + index)?;
        match kind >> 2 {
            INT => {
                let unused = 64 - 8 * self.width as u32;
                let bits = unsigned(self.bytes, place, self.width)? as u64;
                Some((bits << unused) as i64 >> unused)
            }
            UINT | BOOL => unsigned(self.bytes, place, self.width)?.try_into().ok(),
            _ => None,
        }
    }

    /// Whether a key is this name with a 0 behind it.
    fn has_key(self, index: usize, name: &str) -> Option<bool> {
        let place = self.keys + index * self.keys_width;
        let start = place.checked_sub(unsigned(self.bytes, place, self.keys_width)?)?;
        let behind = self.bytes.get(start..)?.strip_prefix(name.as_bytes());
        Some(behind.is_some_and(|behind| behind.first() == Some(&0)))
    }
}

/// An unsigned number of 1, 2, 4 or 8 bytes.
fn unsigned(bytes: &[u8], place: usize, width: usize) -> Option<usize> {
    if !matches!(width, 1 | 2 | 4 | 8) {
        return None;
    }
    let number = bytes.get(place..place.checked_add(width)?)?;
    let mut whole = [0; 8];
    whole[..width].copy_from_slice(number);
    u64::from_le_bytes(whole).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::Map;

    /// `{"a": -2, "bc": 3, "d": true}` as the format's document lays it out, widths of 1.
    const MAP: [u8; 24] = [
        b'a',
        0,
        b'b',
        b'c',
        0,
        b'd',
        0, // keys
        3,
        8,
        7,
        5, // their number and offsets
        3,
        1,
        3, // offset to the offsets, their width, number of values
        0xfe,
        3,
        1, // values
        1 << 2,
        2 << 2,
        26 << 2, // their types
        6,
        9 << 2,
        1,
        0,
    ];

    #[test]
    fn numbers_by_name() {
        let map = Map::new(&MAP[..23]).expect("a map");
        let found = ["a", "bc", "d", "b", ""].map(|name| map.integer(name));
        assert_eq!(found, [Some(-2), Some(3), Some(1), None, None]);
    }

    #[test]
    fn any_damage_is_an_absent_value() {
        for place in 0..23 {
            for byte in 0..=255 {
                let mut bytes = MAP;
                bytes[place] = byte;
                for length in 0..24 {
                    if let Some(map) = Map::new(&bytes[..length]) {
                        let _ = ["a", "bc", "d", "x"].map(|name| map.integer(name));
                    }
                }
            }
        }
    }
}
