//! Pools: windows of each channel become one value.

use super::{
    Context, TensorRef,
    buffers::Split,
    elements::Elements,
    layers::{bit_view, bit_view_mut},
};
use crate::{
    channels::{self, Channels},
    graph::{Kind, PoolKind, PoolParams, Shape},
    parallel,
    plan::Step,
};
use bernet_kernels::{isa::Level, xnor};
use core::ops::Range;

/// Values read that are worth a thread.
const PART: usize = 1 << 17;

/// The windows of a pool.
struct Windows<'a> {
    pool: &'a PoolParams,
    from: Shape,
    to: Shape,
}

impl Windows<'_> {
    /// The places along an axis that the window of an output covers inside the input.
    #[inline(always)]
    fn inside(&self, axis: usize, at: usize) -> Range<usize> {
        let size = [self.from.height, self.from.width][axis];
        let (start, padding) = (at * self.pool.stride[axis], self.pool.padding[axis]);
        let end = (start + self.pool.kernel[axis]).saturating_sub(padding);
        start.saturating_sub(padding)..end.min(size)
    }

    /// How many values the window of an output pixel of the batch has, and where their channels
    /// begin.
    #[inline(always)]
    fn taps(&self, pixel: usize) -> (usize, impl Iterator<Item = usize> + Clone) {
        let Shape { height, width, .. } = self.to;
        let (row, x) = (pixel / width, pixel % width);
        let (lines, columns) = (self.inside(0, row % height), self.inside(1, x));
        let (first, from) = (row / height * self.from.height, self.from);
        let count = lines.len() * columns.len();
        let taps = lines.flat_map(move |y| {
            let line = (first + y) * from.width;
            columns.clone().map(move |x| (line + x) * from.channels)
        });
        (count, taps)
    }

    /// What values are divided by at the end.
    fn divisor(&self, count: usize) -> f32 {
        match self.pool.kind {
            PoolKind::AveragePadded => (self.pool.kernel[0] * self.pool.kernel[1]) as f32,
            PoolKind::Average => count as f32,
            PoolKind::Max | PoolKind::Sum => 1.0,
        }
    }
}

pub(super) fn run(
    step: &Step,
    pool: &PoolParams,
    context: &Context<'_>,
    arena: &mut [u64],
    threads: usize,
) {
    let batch = context.items.len();
    let slots = &context.program.slots;
    let (from, to) = (&slots[step.inputs[0].0], &slots[step.outputs[0].0]);
    let (split, [out]) = Split::around(arena, [context.range(step.outputs[0])]);
    let input = context.all(&split, step.inputs[0]);
    let windows = Windows {
        pool,
        from: from.shape,
        to: to.shape,
    };
    match (input, pool.kind) {
        (TensorRef::Bit(words), PoolKind::Max) => {
            let input = bit_view(from, batch, words);
            let out = bit_view_mut(to, batch, out);
            xnor::max_pool(input, pool.kernel, pool.stride, pool.padding, out)
                .expect("shapes were checked when the program was planned");
        }
        (TensorRef::F32(values), _) => {
            let out = &mut bytemuck::cast_slice_mut(out)[..batch * to.shape.len()];
            let line = to.shape.width * to.shape.channels;
            let read = out.len().saturating_mul(pool.kernel[0] * pool.kernel[1]);
            parallel::over(
                parallel::parts(read / PART, threads),
                0..batch * to.shape.height,
                out,
                &|out, lines, _| out.split_at_mut(lines * line),
                &|lines, out| floats(context.program.level, &windows, values, lines, out),
            );
        }
        _ => others(
            &windows,
            Elements::new(input, from.shape),
            to.kind,
            batch,
            out,
        ),
    }
}

/// Some lines of a pool of floats.
fn floats(
    level: Level,
    windows: &Windows<'_>,
    values: &[f32],
    lines: Range<usize>,
    out: &mut [f32],
) {
    let width = windows.to.width;
    let pixels = lines.start * width..lines.end * width;
    let out = out.chunks_exact_mut(windows.to.channels);
    // NaN is what a window becomes that has one; NaN stays, as nothing is larger.
    let larger = |a: f32, b: f32| if b > a || b.is_nan() { b } else { a };
    level.vectorize(
        #[inline(always)]
        || match windows.pool.kind {
            PoolKind::Max => {
                for (pixel, out) in pixels.zip(out) {
                    let fold = Fold {
                        values,
                        taps: windows.taps(pixel).1,
                        start: f32::NEG_INFINITY,
                        f: larger,
                    };
                    channels::write(&fold, out);
                }
            }
            _ => {
                for (pixel, out) in pixels.zip(out) {
                    let (count, taps) = windows.taps(pixel);
                    let fold = Fold {
                        values,
                        taps,
                        start: 0.0,
                        f: |sum, value| sum + value,
                    };
                    channels::write(&fold, out);
                    let divisor = windows.divisor(count);
                    out.iter_mut().for_each(|sum| *sum /= divisor);
                }
            }
        },
    );
}

/// What each channel of a window becomes.
struct Fold<'a, Taps, F> {
    values: &'a [f32],
    taps: Taps,
    start: f32,
    f: F,
}

impl<Taps: Iterator<Item = usize> + Clone, F: Fn(f32, f32) -> f32> Channels for Fold<'_, Taps, F> {
    #[inline(always)]
    fn some<const N: usize>(&self, first: usize) -> [f32; N] {
        let mut folded = [self.start; N];
        for tap in self.taps.clone() {
            let values: &[f32; N] = self.values[tap + first..].first_chunk().expect("a pixel");
            for lane in 0..N {
                folded[lane] = (self.f)(folded[lane], values[lane]);
            }
        }
        folded
    }
}

/// Pools of bits, bytes and integers.
fn others(
    windows: &Windows<'_>,
    elements: Elements<'_>,
    kind: Kind,
    batch: usize,
    out: &mut [u64],
) {
    let Shape {
        height,
        width,
        channels,
    } = windows.to;
    let places = (0..batch * height * width)
        .flat_map(|pixel| (0..channels).map(move |channel| (pixel, channel)));
    let values = |pixel, channel| windows.taps(pixel).1.map(move |at| at + channel);
    for (index, (pixel, channel)) in places.enumerate() {
        let values = values(pixel, channel);
        match (windows.pool.kind, kind) {
            (PoolKind::Max, _) => {
                let largest = values.map(|at| elements.int(at)).max();
                let largest = largest.expect("no window is empty");
                if kind == Kind::U8 {
                    bytemuck::cast_slice_mut::<_, u8>(out)[index] = largest as u8;
                } else {
                    bytemuck::cast_slice_mut::<_, i32>(out)[index] = largest;
                }
            }
            (PoolKind::Sum, Kind::I32) => {
                let sum = values.fold(0_i32, |sum, at| sum.wrapping_add(elements.int(at)));
                bytemuck::cast_slice_mut::<_, i32>(out)[index] = sum;
            }
            _ => {
                let sum: f32 = values.map(|at| elements.real(at)).sum();
                let divisor = windows.divisor(windows.taps(pixel).0);
                bytemuck::cast_slice_mut::<_, f32>(out)[index] = sum / divisor;
            }
        }
    }
}
