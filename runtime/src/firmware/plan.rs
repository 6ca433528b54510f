//! A plan on a device: words that have been checked.

use super::{
    counters::KEPT,
    error::PlanError,
    layout::{Form, HEADER, Header, IMAGE, MAGIC, MOST, PAIR, PLANES, STEP, Sizes, Step, VERSION},
};
use core::ops::Range;

/// Most values of an image and of what a step computes.
const VALUES: usize = 1 << 24;

/// A net that was planned on the host by [`write()`](super::write()).
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub(super) words: &'a [u32],
    pub(super) header: Header,
    pub(super) steps: &'a [[u32; STEP]],
}

impl<'a> Plan<'a> {
    /// Checks a plan's words: sizes, places and offsets of every step, so that running it reads and
    /// writes nothing else. Numbers of weights and thresholds are not checked: wrong ones give wrong
    /// logits.
    ///
    /// # Errors
    /// [`PlanError`] where they are not a plan of this version, or are damaged.
    pub fn new(words: &'a [u32]) -> Result<Self, PlanError> {
        let (&head, rest) = words
            .split_first_chunk::<HEADER>()
            .ok_or(PlanError::Header)?;
        if head[0] != MAGIC {
            return Err(PlanError::Magic);
        }
        if head[1] != VERSION {
            return Err(PlanError::Version {
                expected: VERSION,
                found: head[1],
            });
        }
        let header = Header::read(&head);
        let steps = rest.as_chunks().0.get(..header.steps);
        let plan = Self {
            words,
            header,
            steps: steps.ok_or(PlanError::Header)?,
        };
        plan.check_header().ok_or(PlanError::Header)?;
        for (index, step) in plan.steps.iter().enumerate() {
            let step = Step::read(step).filter(|step| plan.check(step).is_some());
            step.ok_or(PlanError::Step(index))?;
        }
        Ok(plan)
    }

    /// As [`Plan::new`], from bytes in a [`Aligned`](super::Aligned).
    ///
    /// # Errors
    /// [`PlanError`] also where they are not whole words at an address that words may have.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, PlanError> {
        const { assert!(cfg!(target_endian = "little"), "plans are little-endian") };
        Self::new(bytemuck::try_cast_slice(bytes).map_err(|_| PlanError::Alignment)?)
    }

    /// What a caller has to bring.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            arena_words: self.header.arena_words,
            image_values: self.header.image.iter().product(),
            logits: self.header.logits,
        }
    }

    /// Words of an image of packed bits; none where the plan takes bytes.
    pub fn packed_words(&self) -> Option<usize> {
        (!self.header.bytes).then(|| self.sizes().image_values.div_ceil(32))
    }

    fn check_header(&self) -> Option<()> {
        let header = &self.header;
        let values = volume(header.image)?;
        let ends = header.words == self.words.len() && header.arena_words <= VALUES;
        let logits = 1..=header.arena_words;
        self.arena(header.logits_at, header.logits)?;
        if header.bytes {
            (header.image_at == IMAGE).then_some(())?;
        } else {
            self.arena(header.image_at, values.div_ceil(32))?;
        }
        (ends && logits.contains(&header.logits) && header.steps > 0).then_some(())
    }

    /// A piece of the arena, if it is one.
    fn arena(&self, from: usize, words: usize) -> Option<Range<usize>> {
        let end = from.checked_add(words)?;
        (end <= self.header.arena_words).then_some(from..end)
    }

    fn check(&self, step: &Step) -> Option<()> {
        let values = volume(step.input)?;
        volume(step.output)?;
        for axis in [0, 1] {
            let (size, kernel, stride) = (step.input[axis], step.kernel[axis], step.stride[axis]);
            let fits = kernel >= 1 && kernel <= size && stride >= 1;
            (fits && step.output[axis] == (size - kernel) / stride + 1).then_some(())?;
        }
        if step.form == Form::Pool {
            (step.input[2] == step.output[2]).then_some(())?;
        } else {
            (step.columns() <= MOST).then_some(())?;
        }
        match step.form {
            Form::Channels => (KEPT..=PLANES).contains(&step.planes),
            Form::Positions => {
                (KEPT..=PLANES).contains(&step.planes) && step.rows_of_word().is_some()
            }
            Form::Pairs => {
                let even = step.output[1].is_multiple_of(2);
                even && step.columns() < PAIR && step.planes <= self.words.len()
            }
            Form::Rows | Form::Bytes | Form::Pool => true,
        }
        .then_some(())?;
        let [weights, starts] = self.tables(step)?;
        if step.form == Form::Pairs {
            check_lists(weights, starts)?;
        }
        let from = match step.form {
            Form::Pairs | Form::Bytes => {
                let image = self.header.bytes && step.input == self.header.image;
                (image && step.from == IMAGE).then_some(0..0)?
            }
            _ => self.arena(step.from, values.div_ceil(32))?,
        };
        let to = self.arena(step.to, step.output_words())?;
        let scratch = self.arena(step.scratch, step.scratch_words())?;
        let apart = |a: &Range<usize>, b: &Range<usize>| a.end <= b.start || b.end <= a.start;
        (apart(&from, &to) && apart(&from, &scratch) && apart(&to, &scratch)).then_some(())
    }

    /// Weights and starts of a step.
    pub(super) fn tables(&self, step: &Step) -> Option<[&'a [u32]; 2]> {
        let [weights, starts] = step.table_words();
        let part = |from: usize, words: usize| self.words.get(from..from.checked_add(words)?);
        Some([part(step.weights, weights)?, part(step.starts, starts)?])
    }
}

/// Values of a shape; none for one that is too large or has none.
fn volume(shape: [usize; 3]) -> Option<usize> {
    let mut values = 1_usize;
    for size in shape {
        (1..=MOST).contains(&size).then_some(())?;
        values = values
            .checked_mul(size)
            .filter(|values| *values <= VALUES)?;
    }
    Some(values)
}

/// Whether all channels together have the taps that there are.
fn check_lists(weights: &[u32], taps: &[u32]) -> Option<()> {
    let mut counted = 0_usize;
    for channel in weights.as_chunks::<2>().0 {
        counted = counted.checked_add((channel[1] & !PLUS) as usize)?;
    }
    (counted == taps.len()).then_some(())
}

/// Of a channel of bytes: its taps are those whose weights are +1.
pub(super) const PLUS: u32 = 1 << 31;
