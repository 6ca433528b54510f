//! The steps of a plan, in an arena of the caller's.

use super::{
    counters::{count, mask, transpose},
    error::PlanError,
    layout::{Form, PAIR, PLANES, Step, lanes},
    plan::{PLUS, Plan},
    window::{copy, put, read},
};
use core::ops::Range;

impl Plan<'_> {
    /// Computes the logits of an image: a byte a value, line by line; where the net takes bits, those
    /// are +1 that the graph's [`Pixels`](crate::graph::Pixels) say; all but 0 where they say nothing.
    ///
    /// # Errors
    /// [`PlanError`] where the arena is too small, or image or logits have another length.
    pub fn run(
        &self,
        arena: &mut [u32],
        image: &[u8],
        logits: &mut [i32],
    ) -> Result<(), PlanError> {
        let found = self.compute(arena, image)?;
        store(found, logits)
    }

    /// As [`run`](Self::run), of an image of bits: the first value in the lowest bit of the first
    /// word.
    ///
    /// # Errors
    /// As [`run`](Self::run), and where the net takes bytes.
    pub fn run_packed(
        &self,
        arena: &mut [u32],
        image: &[u32],
        logits: &mut [i32],
    ) -> Result<(), PlanError> {
        let expected = self.packed_words().unwrap_or(0);
        if image.len() != expected || expected == 0 {
            return Err(PlanError::Image {
                expected,
                found: image.len(),
            });
        }
        let arena = self.arena_of(arena)?;
        let to = &mut arena[self.header.image_at..][..expected];
        to.copy_from_slice(image);
        let unused = 32 * expected - self.sizes().image_values;
        to[expected - 1] &= u32::MAX >> unused;
        store(self.layers(arena, &[])?, logits)
    }

    /// The class of the largest logit of an image as [`run`](Self::run) takes it, the first of
    /// several.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn classify(&self, arena: &mut [u32], image: &[u8]) -> Result<usize, PlanError> {
        let logits = self.compute(arena, image)?;
        let mut best = (0, i32::MIN);
        for (class, &logit) in logits.iter().enumerate() {
            if logit as i32 > best.1 {
                best = (class, logit as i32);
            }
        }
        Ok(best.0)
    }

    /// The logits' place in the arena.
    fn compute<'w>(&self, arena: &'w mut [u32], image: &[u8]) -> Result<&'w [u32], PlanError> {
        let expected = self.sizes().image_values;
        if image.len() != expected {
            return Err(PlanError::Image {
                expected,
                found: image.len(),
            });
        }
        let arena = self.arena_of(arena)?;
        if !self.header.bytes {
            let least = self.header.least as u32;
            let to = &mut arena[self.header.image_at..];
            for (word, pixels) in to.iter_mut().zip(image.chunks(32)) {
                *word = 0;
                for (bit, &pixel) in pixels.iter().enumerate() {
                    *word |= u32::from(u32::from(pixel) >= least) << bit;
                }
            }
        }
        self.layers(arena, image)
    }

    fn arena_of<'w>(&self, arena: &'w mut [u32]) -> Result<&'w mut [u32], PlanError> {
        let (expected, found) = (self.header.arena_words, arena.len());
        let arena = arena.get_mut(..expected);
        arena.ok_or(PlanError::Arena { expected, found })
    }

    fn layers<'w>(&self, arena: &'w mut [u32], image: &[u8]) -> Result<&'w [u32], PlanError> {
        for (index, words) in self.steps.iter().enumerate() {
            let step = Step::read(words);
            let done = step.and_then(|step| self.step(&step, arena, image));
            done.ok_or(PlanError::Step(index))?;
        }
        let logits = self.header.logits_at;
        Ok(&arena[logits..][..self.header.logits])
    }

    /// Runs a step; `None` where its places overlap, which [`Plan::new`] has excluded.
    fn step(&self, step: &Step, arena: &mut [u32], image: &[u8]) -> Option<()> {
        let [weights, starts] = self.tables(step)?;
        let range = |from: usize, words: usize| from..from + words;
        let values: usize = step.input.iter().product();
        let from = match step.form {
            Form::Pairs | Form::Bytes => 0..0,
            _ => range(step.from, values.div_ceil(32)),
        };
        let to = range(step.to, step.output_words());
        let scratch = match step.scratch_words() {
            0 => 0..0,
            words => range(step.scratch, words),
        };
        let parts: [Range<usize>; 3] = [from, to, scratch];
        let [x, y, scratch] = arena.get_disjoint_mut(parts).ok()?;
        y.fill(0);
        // Each form is a function of its own, so that the stack holds the variables of one alone.
        match step.form {
            Form::Channels => channels(step, weights, starts, x, y, scratch),
            Form::Positions => positions(step, weights, starts, x, y, scratch),
            Form::Rows => rows(step, weights, x, y, scratch),
            Form::Pairs => pairs(step, weights, starts, image, y),
            Form::Bytes => bytes(step, weights, starts, image, y),
            Form::Pool => pool(step, x, y),
        }
        Some(())
    }
}

fn store(found: &[u32], logits: &mut [i32]) -> Result<(), PlanError> {
    if found.len() != logits.len() {
        return Err(PlanError::Logits {
            expected: found.len(),
            found: logits.len(),
        });
    }
    for (logit, &found) in logits.iter_mut().zip(found) {
        *logit = found as i32;
    }
    Ok(())
}

/// The bits under a window, in whole words.
#[inline(always)]
fn window<'w>(step: &Step, at: [usize; 2], x: &'w [u32], patch: &'w mut [u32]) -> &'w [u32] {
    let [_, width, depth] = step.input;
    let [tall, wide] = step.kernel;
    let first = at[0] * step.stride[0] * width + at[1] * step.stride[1];
    if step.direct() {
        return &x[first * depth / 32..][..step.columns().div_ceil(32)];
    }
    patch.fill(0);
    for line in 0..tall {
        let from = (first + line * width) * depth;
        copy(patch, line * wide * depth, x, from, wide * depth);
    }
    patch
}

#[inline(never)]
fn channels(
    step: &Step,
    weights: &[u32],
    starts: &[u32],
    x: &[u32],
    y: &mut [u32],
    scratch: &mut [u32],
) {
    let [tall, wide, channels] = step.output;
    let lanes = lanes(step.columns());
    let mut at = 0;
    for line in 0..tall {
        for column in 0..wide {
            let patch = window(step, [line, column], x, scratch);
            let blocks = weights
                .chunks_exact(lanes)
                .zip(starts.chunks_exact(step.planes));
            let mut left = channels;
            for (weights, starts) in blocks {
                let some = left.min(32);
                let bits = count(weights, patch, starts) & (u32::MAX >> (32 - some));
                put(y, at, bits, some);
                at += some;
                left -= some;
            }
        }
    }
}

#[inline(never)]
fn positions(
    step: &Step,
    weights: &[u32],
    starts: &[u32],
    x: &[u32],
    y: &mut [u32],
    scratch: &mut [u32],
) {
    let [height, width, _] = step.input;
    let [tall, wide, channels] = step.output;
    let across = step.stride[1];
    let Some([rows, pitch]) = step.rows_of_word() else {
        return;
    };
    let (lines, taps) = scratch.split_at_mut(height);
    for (index, line) in lines.iter_mut().enumerate() {
        *line = read(x, index * width, width);
        if across == 2 {
            *line = even_then_odd(*line);
        }
    }
    let words = step.columns().div_ceil(32);
    for first in (0..tall).step_by(rows) {
        gather(step, first, [rows, pitch], lines, taps);
        for slice in (0..channels).step_by(8) {
            let some = (channels - slice).min(8);
            let mut results = [0; 8];
            for (channel, result) in (slice..slice + some).zip(&mut results) {
                let mut planes = [0; PLANES];
                for (plane, word) in planes[..step.planes].iter_mut().enumerate() {
                    *word = mask(starts[channel], plane);
                }
                let weights = &weights[channel * words..][..words];
                *result = count(taps, weights, &planes[..step.planes]);
            }
            transpose(&mut results);
            for row in 0..rows {
                for column in 0..wide {
                    let lane = row * pitch + column;
                    let byte = results[lane % 8] >> (lane & !7) & 0xff;
                    let at = ((first + row) * wide + column) * channels + slice;
                    put(y, at, byte, some);
                }
            }
        }
    }
}

/// The words of the taps of some output rows, a bit a position, two by two.
fn gather(step: &Step, first: usize, [rows, pitch]: [usize; 2], lines: &[u32], taps: &mut [u32]) {
    let [down, across] = step.stride;
    let [kernel_tall, kernel_wide] = step.kernel;
    for ky in 0..kernel_tall {
        let (mut even, mut odd) = (0, 0);
        for row in 0..rows {
            let line = lines[(first + row) * down + ky];
            if across == 2 {
                even |= (line & 0xffff) << (row * pitch);
                odd |= (line >> 16) << (row * pitch);
            } else {
                even |= line << (row * pitch);
            }
        }
        for (kx, tap) in taps[ky * kernel_wide..][..kernel_wide]
            .iter_mut()
            .enumerate()
        {
            *tap = if kx % across == 1 { odd } else { even } >> (kx / across);
        }
    }
    taps[kernel_tall * kernel_wide..].fill(0);
    for pair in taps.as_chunks_mut::<2>().0 {
        pair[0] ^= pair[1];
    }
}

/// Even bits in the lower half, odd ones in the upper.
fn even_then_odd(mut bits: u32) -> u32 {
    for (shift, mask) in [
        (1, 0x2222_2222),
        (2, 0x0c0c_0c0c),
        (4, 0x00f0_00f0),
        (8, 0x0000_ff00),
    ] {
        let swap = (bits ^ (bits >> shift)) & mask;
        bits ^= swap ^ (swap << shift);
    }
    bits
}

#[inline(never)]
fn rows(step: &Step, weights: &[u32], x: &[u32], y: &mut [u32], scratch: &mut [u32]) {
    let [tall, wide, channels] = step.output;
    let columns = step.columns();
    let mut sums = y.iter_mut();
    for line in 0..tall {
        for column in 0..wide {
            let patch = window(step, [line, column], x, scratch);
            let rows = weights.chunks_exact(columns.div_ceil(32));
            for (row, sum) in rows.zip(sums.by_ref().take(channels)) {
                let differ: u32 = row
                    .iter()
                    .zip(patch)
                    .map(|(w, x)| (w ^ x).count_ones())
                    .sum();
                *sum = (columns as u32).wrapping_sub(2 * differ);
            }
        }
    }
}

#[inline(never)]
fn pairs(step: &Step, weights: &[u32], starts: &[u32], image: &[u8], y: &mut [u32]) {
    let [_, width, depth] = step.input;
    let [tall, wide, channels] = step.output;
    let run = step.kernel[1] * depth;
    let mut taps = [0_u32; PAIR];
    for line in 0..tall {
        for column in (0..wide).step_by(2) {
            let mut all = 0_u32;
            for (ky, taps) in taps.chunks_mut(run).take(step.kernel[0]).enumerate() {
                let from = (line * step.stride[0] + ky) * width + column * step.stride[1];
                let first = &image[from * depth..][..run];
                let second = &image[(from + step.stride[1]) * depth..][..run];
                for ((tap, &a), &b) in taps.iter_mut().zip(first).zip(second) {
                    *tap = u32::from(a) | u32::from(b) << 16;
                    all += *tap;
                }
            }
            let at = (line * wide + column) * channels;
            let mut lists = starts;
            for (index, some) in weights.as_chunks::<2>().0.chunks(16).enumerate() {
                let mut bits = 0;
                for (place, &[bias, head]) in some.iter().enumerate() {
                    let (list, rest) = lists.split_at((head & !PLUS) as usize);
                    lists = rest;
                    let tap = |four: u32, shift: u32| taps[(four >> shift) as usize % PAIR];
                    let mut sum = 0_u32;
                    for &four in list {
                        let (a, b) = (tap(four, 0), tap(four, 8));
                        let (c, d) = (tap(four, 16), tap(four, 24));
                        sum = sum.wrapping_add(a + b + c + d);
                    }
                    // Of both halves, the upper bit is the result.
                    let more = sum.wrapping_mul(2).wrapping_sub(all);
                    let more = if head & PLUS != 0 {
                        more
                    } else {
                        0_u32.wrapping_sub(more)
                    };
                    bits |= (bias.wrapping_add(more) & 0x8000_8000) >> (15 - place);
                }
                let at = at + 16 * index;
                put(y, at, bits & 0xffff, some.len());
                put(y, at + channels, bits >> 16, some.len());
            }
        }
    }
}

#[inline(never)]
fn bytes(step: &Step, weights: &[u32], starts: &[u32], image: &[u8], y: &mut [u32]) {
    let [_, width, depth] = step.input;
    let [tall, wide, channels] = step.output;
    let run = step.kernel[1] * depth;
    let words = step.columns().div_ceil(32);
    for line in 0..tall {
        for column in 0..wide {
            for channel in 0..channels {
                let row = &weights[channel * words..][..words];
                let mut sum = 0_i32;
                for ky in 0..step.kernel[0] {
                    let from = (line * step.stride[0] + ky) * width + column * step.stride[1];
                    for (at, &value) in image[from * depth..][..run].iter().enumerate() {
                        let tap = ky * run + at;
                        let plus = row[tap / 32] >> (tap % 32) & 1 == 1;
                        sum += if plus {
                            value.into()
                        } else {
                            -i32::from(value)
                        };
                    }
                }
                let reached = u32::from(sum >= starts[channel] as i32);
                put(y, (line * wide + column) * channels + channel, reached, 1);
            }
        }
    }
}

#[inline(never)]
fn pool(step: &Step, x: &[u32], y: &mut [u32]) {
    let [tall, wide, channels] = step.output;
    let width = step.input[1];
    for line in 0..tall {
        for column in 0..wide {
            let first = line * step.stride[0] * width + column * step.stride[1];
            for slice in (0..channels).step_by(32) {
                let some = (channels - slice).min(32);
                let mut largest = 0;
                for ky in 0..step.kernel[0] {
                    for kx in 0..step.kernel[1] {
                        let pixel = first + ky * width + kx;
                        largest |= read(x, pixel * channels + slice, some);
                    }
                }
                put(y, (line * wide + column) * channels + slice, largest, some);
            }
        }
    }
}
