//! Counting by table: in how many bits does a nibble of weights differ from a nibble of activations?
//!
//! For one activation nibble `i` the answers for all sixteen weight nibbles `n`, popcount(n ^ i), are the table of a byte
//! shuffle, and there are only sixteen such tables: all are constant. A step of depth is a byte of activations: two
//! tables, two shuffles, two additions, for as many channels as the register has bytes.

/// The tables of the low and the high nibble of each activation byte, side by side: 8 KiB, and one shift finds both.
/// The sixteen different tables alone would be 256 bytes, but then each nibble has to be cut out first, and the
/// instructions that do so are what limits the tile.
pub(crate) static TABLES: Tables = Tables::new();

#[repr(align(64))]
pub(crate) struct Tables(pub(crate) [[[u8; 16]; 2]; 256]);

impl Tables {
    const fn new() -> Self {
        let mut tables = [[[0; 16]; 2]; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut nibble = 0;
            while nibble < 16 {
                tables[byte][0][nibble] = (nibble ^ (byte & 15)).count_ones() as u8;
                tables[byte][1][nibble] = (nibble ^ (byte >> 4)).count_ones() as u8;
                nibble += 1;
            }
            byte += 1;
        }
        Self(tables)
    }
}

/// Steps until a byte of counts could overflow: each step adds at most 8.
pub(crate) const STEPS: usize = 28;
