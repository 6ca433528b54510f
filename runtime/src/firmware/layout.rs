//! The words of a plan, as the host writes and a device reads them.
//!
//! A header, so many steps of [`STEP`] words, then weights and thresholds. All offsets are in words
//! of 32 bits. In a file words are little-endian.

/// The first word, "bnfp".
pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"bnfp");
/// The version of the layout.
pub(super) const VERSION: u32 = 1;
/// Words of the header.
pub(super) const HEADER: usize = 13;
/// Words of a step.
pub(super) const STEP: usize = 16;
/// Most taps of a product, and most values of a line, a pixel or an axis.
pub(super) const MOST: usize = 0xffff;
/// Taps of bytes whose sums fit in half a word are fewer.
pub(super) const PAIR: usize = 64;
/// Most planes of counters.
pub(super) const PLANES: usize = 20;
/// Where the caller's image of bytes is, in place of an offset into the arena.
pub(super) const IMAGE: usize = u32::MAX as usize;

/// Bytes at an address that words may have, for `include_bytes!`.
///
/// ```
/// use bernet_runtime::firmware::Aligned;
///
/// static BYTES: &Aligned<[u8]> = &Aligned(*b"8 bytes.");
/// assert_eq!(BYTES.0.as_ptr().addr() % 4, 0);
/// ```
#[repr(C, align(4))]
#[derive(Debug)]
pub struct Aligned<T: ?Sized>(pub T);

/// What a caller of a plan has to bring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Words of the arena.
    pub arena_words: usize,
    /// Values of an image: bytes of it as [`Plan::run`](super::Plan::run) takes it.
    pub image_values: usize,
    /// Numbers that come out.
    pub logits: usize,
}

/// The sizes that a plan's bytes state, when the firmware is compiled; all 0 where they are too few
/// for a header. [`Plan::new`](super::Plan::new) checks them.
pub const fn sizes(plan: &[u8]) -> Sizes {
    if plan.len() < 4 * HEADER {
        return Sizes {
            arena_words: 0,
            image_values: 0,
            logits: 0,
        };
    }
    let [height, width, channels] = [word(plan, 5), word(plan, 6), word(plan, 7)];
    Sizes {
        arena_words: word(plan, 3),
        image_values: height.saturating_mul(width).saturating_mul(channels),
        logits: word(plan, 9),
    }
}

const fn word(bytes: &[u8], index: usize) -> usize {
    let at = 4 * index;
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

/// What is before the steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Words of the plan.
    pub(super) words: usize,
    pub(super) arena_words: usize,
    /// Whether the image has 8 bits a value, and stays where the caller has it.
    pub(super) bytes: bool,
    pub(super) image: [usize; 3],
    /// Where the packed image goes, [`IMAGE`] where it is bytes.
    pub(super) image_at: usize,
    pub(super) logits: usize,
    pub(super) logits_at: usize,
    pub(super) steps: usize,
    /// The least byte of a picture that is +1, where the image has bits.
    pub(super) least: usize,
}

impl Header {
    pub(super) fn write(&self) -> [usize; HEADER] {
        let [height, width, channels] = self.image;
        [
            MAGIC as usize,
            VERSION as usize,
            self.words,
            self.arena_words,
            usize::from(self.bytes),
            height,
            width,
            channels,
            self.image_at,
            self.logits,
            self.logits_at,
            self.steps,
            self.least,
        ]
    }

    pub(super) fn read(words: &[u32; HEADER]) -> Self {
        let word = |index: usize| words[index] as usize;
        Self {
            words: word(2),
            arena_words: word(3),
            bytes: word(4) != 0,
            image: [word(5), word(6), word(7)],
            image_at: word(8),
            logits: word(9),
            logits_at: word(10),
            steps: word(11),
            least: word(12),
        }
    }
}

/// How a step computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Bits → bits; 32 output channels at once. Weights: for each block of channels and each tap, a
    /// word. Starts: for each block a word for each plane.
    Channels,
    /// Bits → bits; output positions at once, of an image of one channel. Weights: for each channel
    /// a bit a tap. Starts: for each channel a number.
    Positions,
    /// Bits → sums, a row after the other. Weights: for each row a bit a tap.
    Rows,
    /// Bytes → bits, of fewer than [`PAIR`] taps; two neighbouring positions at once. Weights: for
    /// each channel what its sum begins with, twice, and how many words of taps are added, with bit
    /// 31 set where they are those of weights +1. Starts: the taps, four a word; the tap after the
    /// last counts 0.
    Pairs,
    /// Bytes → bits. Weights: for each row a bit a tap. Starts: for each a threshold.
    Bytes,
    /// Bits → bits: the largest of each window.
    Pool,
}

const FORMS: [Form; 6] = [
    Form::Channels,
    Form::Positions,
    Form::Rows,
    Form::Pairs,
    Form::Bytes,
    Form::Pool,
];

/// A step: shapes are height, width, channels; pairs are down, across.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) form: Form,
    /// Where the input, the output and working memory begin in the arena.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) scratch: usize,
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Where weights and starts begin in the plan.
    pub(super) weights: usize,
    pub(super) starts: usize,
    /// Planes of the counters; of [`Form::Pairs`], words of taps of all channels.
    pub(super) planes: usize,
}

impl Step {
    pub(super) fn write(&self) -> [usize; STEP] {
        let form = FORMS.iter().position(|form| *form == self.form);
        [
            form.expect("all forms are listed"),
            self.from,
            self.to,
            self.scratch,
            self.input[0],
            self.input[1],
            self.input[2],
            self.output[0],
            self.output[1],
            self.output[2],
            self.kernel[0] | self.kernel[1] << 16,
            self.stride[0] | self.stride[1] << 16,
            self.weights,
            self.starts,
            self.planes,
            0,
        ]
    }

    /// `None` for a form that there is not.
    pub(super) fn read(words: &[u32; STEP]) -> Option<Self> {
        let word = |index: usize| words[index] as usize;
        let pair = |index: usize| [word(index) & MOST, word(index) >> 16];
        Some(Self {
            form: *FORMS.get(word(0))?,
            from: word(1),
            to: word(2),
            scratch: word(3),
            input: [word(4), word(5), word(6)],
            output: [word(7), word(8), word(9)],
            kernel: pair(10),
            stride: pair(11),
            weights: word(12),
            starts: word(13),
            planes: word(14),
        })
    }

    /// Values under a window.
    pub(super) fn columns(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.input[2]
    }

    /// Whether each window is one run of bits that begins with a word, so that none is copied.
    pub(super) fn direct(&self) -> bool {
        let [_, width, depth] = self.input;
        let line = width * depth;
        let one_run = self.kernel[0] == 1 || self.kernel[1] == width;
        let single = self.output[0] == 1 && self.output[1] == 1;
        let whole = self.kernel == [self.input[0], width];
        let aligned = [
            self.columns(),
            self.stride[0] * line,
            self.stride[1] * depth,
        ];
        one_run && ((single && whole) || aligned.iter().all(|bits| bits % 32 == 0))
    }

    /// Rows of outputs whose positions share a word, and lanes from one to the next, where a line
    /// fits in a word: of [`Form::Positions`].
    pub(super) fn rows_of_word(&self) -> Option<[usize; 2]> {
        let [_, width, depth] = self.input;
        if depth != 1 || width > 32 || !matches!(self.stride[1], 1 | 2) {
            return None;
        }
        let lanes = width.div_ceil(self.stride[1]);
        let fits = |rows: &usize| lanes <= 32 / rows && self.output[0].is_multiple_of(*rows);
        let rows = [4, 2, 1].into_iter().find(fits)?;
        Some([rows, 32 / rows])
    }

    /// Words of working memory.
    pub(super) fn scratch_words(&self) -> usize {
        match self.form {
            Form::Channels | Form::Rows if self.direct() => 0,
            Form::Channels | Form::Rows => self.columns().div_ceil(32),
            // The lines, even columns before odd ones, and the taps.
            Form::Positions => self.input[0] + lanes(self.columns()),
            Form::Pairs | Form::Bytes | Form::Pool => 0,
        }
    }

    /// Words of the weights and of the starts.
    pub(super) fn table_words(&self) -> [usize; 2] {
        let (columns, channels) = (self.columns(), self.output[2]);
        let blocks = channels.div_ceil(32);
        match self.form {
            Form::Channels => [blocks * lanes(columns), blocks * self.planes],
            Form::Positions => [channels * columns.div_ceil(32), channels],
            Form::Rows => [channels * columns.div_ceil(32), 0],
            Form::Pairs => [2 * channels, self.planes],
            Form::Bytes => [channels * columns.div_ceil(32), channels],
            Form::Pool => [0, 0],
        }
    }

    /// Words of the output.
    pub(super) fn output_words(&self) -> usize {
        let values: usize = self.output.iter().product();
        match self.form {
            Form::Rows => values,
            _ => values.div_ceil(32),
        }
    }
}

/// Taps as counters take them, eight at a time.
pub(super) fn lanes(columns: usize) -> usize {
    columns.next_multiple_of(8)
}
