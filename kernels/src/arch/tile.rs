//! What an instruction set brings to a matrix product: one inner tile and its sizes.
//!
//! A panel holds a few output channels side by side, one to a lane, so that a sum never crosses
//! lanes: for each step of depth (`STEP` bytes) the panel has one register row of weights, and each
//! row of the tile meets it with its own step of activations, broadcast. The tile counts the
//! differing bits; `dot = K − 2·count` is left to the epilogue.

use crate::{
    bits::{WORD, bytes},
    isa::Token,
    threshold::Threshold,
};

/// The most columns a panel has, whatever the level.
pub(crate) const MAX_COLUMNS: usize = 64;

/// Rows of a block: at most 64, a multiple of every tile's, and enough to read the panel's weights from afar only once in a while.
pub(crate) const BLOCK: usize = 48;

/// The counts of a tile's row, a column each; those after the panel's last register are not written.
pub(crate) type Counts = [u32; MAX_COLUMNS];

/// Lanes of 16 bits of a register of those levels that leave products of bytes to the compiler.
const BYTE_LANES: usize = 8;

/// Rows that a product of few columns takes together, one to a lane.
pub(crate) const NARROW_ROWS: usize = 32;

/// The inner tile of a level.
pub(crate) trait Tile: Token {
    /// Output channels in a register: a power of two.
    const LANES: usize;
    /// Registers in a full panel; `LANES · REGISTERS ≤ MAX_COLUMNS`.
    const REGISTERS: usize;
    /// Rows of a full tile, at most 8.
    const ROWS: usize;
    /// Bytes of depth in a step.
    const STEP: usize;

    /// Bytes of weights for a step of a register's lanes.
    const STEP_BYTES: usize = Self::LANES * Self::STEP;

    /// What one more of the count takes from a sum.
    const PER_COUNT: i32 = 2;

    /// The sum of a row, `bits` bits deep, where the count is 0.
    fn base(bits: usize) -> i32 {
        bits as i32
    }

    /// Writes a lane's step of weights into those bytes.
    fn lay(lane: usize, step: &[u8], bytes: &mut [u8]) {
        bytes[lane * Self::STEP..][..Self::STEP].copy_from_slice(step);
    }

    /// `counts[r][c]`: in how many bits does row `r` differ from column `c` of a panel of `V` registers?
    ///
    /// # Panics
    /// Where a row leaves `patches.words`, or the panel is shorter than the depth.
    fn count<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    );

    /// The tile's instruction mix on registers alone, `rounds` times; how many multiply-accumulates a round stands for.
    fn peak_throughput(self, rounds: u64) -> u64;

    /// Bit `i` of the result: is flag `i`, 0 or 1, set?
    fn bits(self, flags: &[u8; WORD]) -> u64;

    /// The least sums of at most [`MAX_COLUMNS`] columns, and the bits of those that are inverted; `at_least` is left as it is beyond them.
    #[inline(always)]
    fn split_thresholds(self, thresholds: &[Threshold], at_least: &mut [i32; MAX_COLUMNS]) -> u64 {
        let mut inverted = 0;
        for (bit, (at_least, threshold)) in at_least.iter_mut().zip(thresholds).enumerate() {
            *at_least = threshold.at_least;
            inverted |= u64::from(threshold.invert) << bit;
        }
        inverted
    }

    /// Bit `c` of result `r`: `counts[r][c] <= limits[c]`, for the first `V · LANES` columns; the other bits are 0.
    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R];

    /// Whether the level has [`count_and_le_bits`](Self::count_and_le_bits).
    const FUSED: bool = false;

    /// [`count`](Self::count) and [`count_le_bits`](Self::count_le_bits) in one, without a way through memory.
    fn count_and_le_bits<const R: usize, const V: usize>(
        self,
        _patches: &Patches<'_>,
        _starts: &[usize; R],
        _panel: &[u8],
        _limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        unreachable!("counts are compared once they are in memory")
    }

    /// Whether the last step of a run may count in part ([`Patches::tail_mask`]).
    const PARTS: bool = false;

    /// Whether the level has [`count_sums`](Self::count_sums).
    const SUMS: bool = false;

    /// The sums `base[c] − PER_COUNT · counts[r][c]` of the first `columns` columns, those of row `r` from `out[offsets[r] + first]` on,
    /// without a way through memory.
    ///
    /// # Panics
    /// As [`count`](Self::count), and where the sums leave `out`.
    fn count_sums<const R: usize, const V: usize>(
        self,
        _patches: &Patches<'_>,
        _starts: &[usize; R],
        _panel: &[u8],
        _base: &[i32; MAX_COLUMNS],
        (_first, _columns, _offsets): (usize, usize, &[usize; R]),
        _out: &mut [i32],
    ) {
        unreachable!("sums are made of counts")
    }

    /// Whether rows of a word each go through [`words_below`](Self::words_below) (`xnor/words.rs`).
    const WORDS: bool = false;

    /// The weights of a panel that is at most a word deep: a word for each column.
    fn column_words(self, _panel: &[u8], _registers: usize, _steps: usize) -> [[u64; 8]; 4] {
        unreachable!("no panel is cut into words")
    }

    /// Rows of a word each: bit `i` of byte `g` of a row's output says whether the row differs from `weights[g][i]` in less than
    /// `bounds[g][i]` bits.
    ///
    /// # Panics
    /// Where rows or outputs leave their slices.
    fn words_below<const G: usize>(
        self,
        _rows: Strided<'_>,
        _weights: &[[u64; 8]; G],
        _bounds: &[[u64; 8]; G],
        _out: &mut [u8],
        _out_bytes: usize,
    ) {
        unreachable!("no row is taken as a word")
    }

    /// The deepest rows whose counts [`below`](Self::below) can hold, in bits; 0 for levels that do without it.
    const SHALLOW: usize = 0;

    /// Where the sum of a column of a panel lies among the bytes of the panel's registers.
    fn place(column: usize) -> usize {
        column
    }

    /// For little depth, where widening the counts takes longer than counting: bit `c` of result `r` says whether row `r`
    /// differs from column `c` in less than `bounds[place(c)]` bits.
    ///
    /// # Panics
    /// As [`count`](Self::count), and where the rows are deeper than [`SHALLOW`](Self::SHALLOW).
    fn below<const R: usize, const V: usize>(
        self,
        _patches: &Patches<'_>,
        _starts: &[usize; R],
        _panel: &[u8],
        _bounds: &[u8; MAX_COLUMNS],
    ) -> [u64; R] {
        unreachable!("no row is at most {} bits deep", Self::SHALLOW)
    }

    /// Output channels in a register of a product with bytes, and bytes of depth in its step (`xnor/bytes.rs`).
    const BYTE_LANES: usize = BYTE_LANES;
    /// See [`BYTE_LANES`](Self::BYTE_LANES).
    const BYTE_STEP: usize = 1;

    /// `counts[r][c] = base + Σ_k x[r][k] · w[c][k]` for rows of 8-bit unsigned numbers and a panel of `V` registers, whose weights
    /// are −1, 0 or +1 (`i8`), the neighbours in depth of a step side by side.
    ///
    /// # Panics
    /// As [`count`](Self::count).
    #[inline(always)]
    fn count_bytes<const R: usize, const V: usize>(
        self,
        base: i32,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        count_bytes::<R, V>(base, patches, starts, panel, counts);
    }

    /// For levels that do better with roles swapped where a panel of one register has few columns and little depth: bit `c` of
    /// result `r` says whether row `r` differs from column `c < columns` in at most `limits[c]` bits.
    #[inline(always)]
    fn narrow(
        self,
        _patches: &Patches<'_>,
        _starts: &[usize; NARROW_ROWS],
        _panel: &[u8],
        _columns: usize,
        _limits: &[i32; MAX_COLUMNS],
    ) -> Option<[u32; NARROW_ROWS]> {
        None
    }
}

/// Rows that are a word each.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    /// What the rows lie in.
    pub(crate) words: &'a [u64],
    /// Words from one to the next.
    pub(crate) stride: usize,
    /// How many they are.
    pub(crate) count: usize,
}

/// Rows of activations: each is `segments` runs of `steps` steps. A plain matrix has one segment a row; a convolution
/// that reads its input in place has one for each kernel line.
#[derive(Clone, Copy)]
pub(crate) struct Patches<'a> {
    /// What the rows lie in.
    pub(crate) words: &'a [u64],
    /// Runs a row.
    pub(crate) segments: usize,
    /// Bytes from one run of a row to the next.
    pub(crate) stride: usize,
    /// Steps a run.
    pub(crate) steps: usize,
    /// Steps of the panel that are passed over after each run.
    pub(crate) gap: usize,
    /// The bits of a run's last step that count; all but for levels with [`Tile::PARTS`].
    #[allow(dead_code, reason = "some architectures have no such level")]
    pub(crate) tail_mask: u32,
}

impl Patches<'_> {
    /// Steps of the panel from the first to the last that is counted.
    #[inline(always)]
    pub(crate) fn panel_steps(&self) -> usize {
        (self.segments - 1) * (self.steps + self.gap) + self.steps
    }

    /// The address of each row, once it is certain that every row of `STEP`-byte steps lies within the words.
    #[inline(always)]
    pub(crate) fn pointers<const R: usize>(
        &self,
        starts: &[usize; R],
        step: usize,
    ) -> [*const u8; R] {
        let span = (self.segments - 1) * self.stride + self.steps * step;
        let room = size_of_val(self.words)
            .checked_sub(span)
            .expect("a row within the words");
        starts.map(
            #[inline(always)]
            |start| {
                assert!(start <= room, "a row within the words");
                self.words.as_ptr().cast::<u8>().wrapping_add(start)
            },
        )
    }
}

/// [`Tile::count_bytes`], left to the compiler's vectoriser: a step is one byte of depth, lanes are of 16 bits.
#[inline(always)]
fn count_bytes<const R: usize, const V: usize>(
    base: i32,
    patches: &Patches<'_>,
    starts: &[usize; R],
    panel: &[u8],
    counts: &mut [Counts; R],
) {
    // A product is within ±255.
    const STEPS: usize = 128;
    assert_eq!(patches.gap, 0, "bytes are counted to their full depth");
    let mut panel = panel.as_chunks::<BYTE_LANES>().0.as_chunks::<V>().0.iter();
    let mut wide = [[[base; BYTE_LANES]; V]; R];
    let mut sums = [[[0_i16; BYTE_LANES]; V]; R];
    let mut room = STEPS;
    for segment in 0..patches.segments {
        let rows = starts.map(|start| {
            &bytes(patches.words)[start + segment * patches.stride..][..patches.steps]
        });
        let mut at = 0;
        while at < patches.steps {
            let some = room.min(patches.steps - at);
            let rows = rows.map(|row| &row[at..at + some]);
            // In a variable of its own, it stays in registers.
            let mut those = sums;
            for (step, weights) in panel.by_ref().take(some).enumerate() {
                let weights = weights.map(|weights| weights.map(|weight| i16::from(weight as i8)));
                for r in 0..R {
                    let x = i16::from(rows[r][step]);
                    for v in 0..V {
                        for lane in 0..BYTE_LANES {
                            those[r][v][lane] += x * weights[v][lane];
                        }
                    }
                }
            }
            sums = those;
            (at, room) = (at + some, room - some);
            if room == 0 {
                widen(&mut sums, &mut wide);
                room = STEPS;
            }
        }
    }
    widen(&mut sums, &mut wide);
    for (counts, wide) in counts.iter_mut().zip(&wide) {
        for (count, &sum) in counts.iter_mut().zip(wide.as_flattened()) {
            *count = sum as u32;
        }
    }
}

#[inline(always)]
fn widen<const R: usize, const V: usize>(
    sums: &mut [[[i16; BYTE_LANES]; V]; R],
    wide: &mut [[[i32; BYTE_LANES]; V]; R],
) {
    let pairs = wide.iter_mut().zip(sums.iter());
    for (wide, sum) in
        pairs.flat_map(|(wide, sums)| wide.as_flattened_mut().iter_mut().zip(sums.as_flattened()))
    {
        *wide += i32::from(*sum);
    }
    *sums = [[[0; BYTE_LANES]; V]; R];
}
