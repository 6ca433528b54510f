//! Survival, mass and all leave-one-out probabilities of blocks, by whichever method.

use super::{
    Factors, Gradient, Workspace, autograd,
    block::{self, Block, Columns, MAX_LANES, Source},
    equations, forward,
    normal::Normal,
    plan::PRECISE,
    recursion::precise,
    spectral::Spectrum,
};
use crate::arch::float::{Float, Kernel};

/// [`gradient`](fn@super::gradient), one block after the other.
pub(super) struct WithGradient<'a> {
    pub(super) method: Gradient,
    pub(super) factors: Factors<'a>,
    pub(super) cut: i32,
    pub(super) survival: &'a mut [f32],
    pub(super) mass: &'a mut [f32],
    pub(super) dz_dv: &'a mut [f32],
    pub(super) workspace: &'a mut Workspace,
}

impl Kernel for WithGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let (factors, sums) = (self.factors, self.factors.sums());
        let memory = vectors(self.method, factors.count());
        let memory = self.workspace.vectors(float, memory);
        for first in (0..sums).step_by(F::LANES) {
            let range = first..(first + F::LANES).min(sums);
            let source = Columns { factors, first };
            let write = |j: usize, x| {
                block::store(float, x, &mut self.dz_dv[j * sums..][range.clone()]);
            };
            let (survival, mass) = gradient(float, self.method, source, self.cut, memory, write);
            block::store(float, survival, &mut self.survival[range.clone()]);
            block::store(float, mass, &mut self.mass[range]);
        }
    }
}

/// How many vectors [`gradient`] asks for.
pub(super) fn vectors(method: Gradient, factors: usize) -> usize {
    let extra = match method {
        Gradient::Autograd => autograd::vectors(factors),
        _ => 0,
    };
    2 * block::rows(factors) + forward::places(factors) + extra
}

/// Survival and mass of a block, and the gradient by each factor as it is written.
#[inline(always)]
pub(super) fn gradient<F: Float>(
    float: F,
    method: Gradient,
    source: impl Source<F>,
    cut: i32,
    memory: &mut [F::Vector],
    write: impl FnMut(usize, F::Vector),
) -> (F::Vector, F::Vector) {
    let count = block::rows(source.count());
    let (rows, memory) = memory.split_at_mut(count);
    let (results, memory) = memory.split_at_mut(count);
    let (places, extra) = memory.split_at_mut(forward::places(source.count()));
    let mixed = method == Gradient::Fastest && source.count() <= PRECISE;
    let block = Block::gather(float, source, cut, mixed, rows);
    // Filled up to whole groups with factors of probability 0, whose results nobody reads.
    let rows = &rows[..block::rows(block.count)];
    let open = block.open(float);
    let strain = if method == Gradient::Fastest && block.count > PRECISE {
        forward::strain(float, rows)
    } else {
        0.0
    };
    let (method, form) = method.for_block(block.count, strain);
    let (survival, mass, beside) = match method {
        Gradient::Spectral => {
            let spectrum = Spectrum::new(float, &block, rows, places);
            spectrum.gradient(float, rows, open, results);
            (spectrum.survival, spectrum.mass, spectrum.beside(float))
        }
        Gradient::Normal => {
            let normal = Normal::new(float, &block, rows);
            normal.gradient(float, rows, open, results);
            (normal.survival, normal.mass, normal.beside(float, open))
        }
        _ => {
            let y = forward::distribution(float, form, true, &block, rows, places);
            let system = (source.count(), cut);
            // The total is 1 but for rounding, which all entries share, and what is computed from them.
            let open = float.div(open, y.total);
            match method {
                Gradient::Thomas => equations::thomas(float, &y, rows, open, results),
                Gradient::Three => {
                    equations::central::<F, 3>(float, system, &y, rows, open, results)
                }
                Gradient::Five => {
                    equations::central::<F, 5>(float, system, &y, rows, open, results)
                }
                Gradient::Extended => equations::extended(float, &y, rows, open, results),
                Gradient::Autograd => {
                    autograd::reverse(float, &block, y.top, rows, open, results, extra)
                }
                _ => precise(float, &y, rows, open, results),
            }
            let below = float.div(y.places[y.top - 1], y.total);
            (y.survival, y.mass, [below, y.mass])
        }
    };
    spread(float, source, &block, beside, results, write);
    (survival, float.min(mass, survival))
}

/// Brings the results back from the lanes' own numbering of uncertain factors to that of the caller. A certain factor
/// has the entry beside the cut: without it the sum must be `h − 1`, which is `y_{h−1}` if it is 0 and `y_h` if it is 1.
#[inline(always)]
fn spread<F: Float>(
    float: F,
    source: impl Source<F>,
    block: &Block,
    beside: [F::Vector; 2],
    results: &[F::Vector],
    mut write: impl FnMut(usize, F::Vector),
) {
    if !block.ragged && block.count == source.count() {
        for (j, &x) in results[..block.count].iter().enumerate() {
            write(j, x);
        }
        return;
    }
    let last = results.len() - 1;
    let mut next = [0; MAX_LANES];
    for j in 0..source.count() {
        let v = source.row(float, j);
        let mask = block::uncertain(float, v);
        let bits = float.bits(mask);
        let certain = float.select(float.less(v, float.splat(0.5)), beside[0], beside[1]);
        let x = if bits == 0 {
            certain
        } else if !block.ragged {
            next[0] += 1;
            results[next[0] - 1]
        } else {
            let lanes = float.lanes(results);
            let mut values = [0.0; MAX_LANES];
            // Read in any case, because a branch would be guessed wrong every other time.
            for l in 0..F::LANES {
                values[l] = lanes[next[l].min(last) * F::LANES + l];
                next[l] += (bits >> l & 1) as usize;
            }
            float.select(mask, float.load(&values), certain)
        };
        write(j, x);
    }
}
