//! As many sums as a vector has lanes, without their certain factors.
//!
//! A factor of probability 0 or 1 only shifts the cut of its sum, so each lane keeps its uncertain factors alone,
//! moved together, and its own cut among them. Lanes with fewer than the longest are filled up with factors of probability 0 and 1
//! in turn, and their cut raised by the ones: of four such factors the characteristic function is 1 without rounding.

use super::Factors;
use crate::arch::float::Float;

/// The most lanes that a level has.
pub(super) const MAX_LANES: usize = 16;
/// Factors that one pass over the distribution applies; the factors of a block are filled up to a multiple.
pub(super) const GROUP: usize = 4;

/// One block's factors and cuts.
pub(super) struct Block {
    /// The uncertain factors of the longest lane.
    pub(super) count: usize,
    /// Per lane, how many successes of its factors the cut asks for, clamped to −1 ..= factors + 2, so that a decided
    /// sum has nothing on either side of its cut; with the ones that fill it up.
    pub(super) cuts: [i32; MAX_LANES],
    /// Whether the lanes have different factors left over, so that position and number differ.
    pub(super) ragged: bool,
    /// Per lane, the uncertain factors.
    counts: [usize; MAX_LANES],
    /// Per lane, the factors that are 1 for certain.
    ones: [usize; MAX_LANES],
    /// Per lane, the ones among the factors that fill it up.
    filled: [i32; MAX_LANES],
}

/// How many vectors [`Block::gather`] asks for.
pub(super) fn rows(factors: usize) -> usize {
    factors.next_multiple_of(GROUP)
}

/// Where the probabilities of a block's sums come from.
pub(super) trait Source<F: Float>: Copy {
    /// How many factors each sum has.
    fn count(self) -> usize;
    /// The probabilities of factor `j`.
    fn row(self, float: F, j: usize) -> F::Vector;
}

/// As many sums as there are lanes, from `first` on; past the last sum, lanes repeat it.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) factors: Factors<'a>,
    pub(super) first: usize,
}

impl<F: Float> Source<F> for Columns<'_> {
    #[inline(always)]
    fn count(self) -> usize {
        self.factors.count()
    }
    #[inline(always)]
    fn row(self, float: F, j: usize) -> F::Vector {
        let row = &self.factors.row(j)[self.first..];
        if row.len() >= F::LANES {
            return float.load(row);
        }
        let mut padded = [row[row.len() - 1]; MAX_LANES];
        padded[..row.len()].copy_from_slice(row);
        float.load(&padded)
    }
}

/// The first values, and zeros past the last.
#[inline(always)]
pub(super) fn load<F: Float>(float: F, from: &[f32]) -> F::Vector {
    if from.len() >= F::LANES {
        return float.load(from);
    }
    let mut padded = [0.0; MAX_LANES];
    padded[..from.len()].copy_from_slice(from);
    float.load(&padded)
}

/// Writes the lanes that stand for sums.
#[inline(always)]
pub(super) fn store<F: Float>(float: F, x: F::Vector, to: &mut [f32]) {
    if to.len() >= F::LANES {
        return float.store(x, to);
    }
    let mut all = [0.0; MAX_LANES];
    float.store(x, &mut all);
    to.copy_from_slice(&all[..to.len()]);
}

/// The sum of the lanes, halves upon halves.
#[inline(always)]
pub(super) fn total<F: Float>(float: F, x: F::Vector) -> f32 {
    let mut lanes = [0.0; MAX_LANES];
    float.store(x, &mut lanes);
    let mut width = F::LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Which lanes are neither 0 nor 1.
#[inline(always)]
pub(super) fn uncertain<F: Float>(float: F, v: F::Vector) -> F::Mask {
    // The product is 0 in no other case: 1 − v is at least 2^−24, or v is subnormal and 1 − v is 1.
    float.less(
        float.splat(0.0),
        float.mul(v, float.sub(float.splat(1.0), v)),
    )
}

/// Copies rows as long as whole groups of them are uncertain in all lanes, and says how many: all, more often than not.
#[inline(always)]
fn leading_uncertain<F: Float>(float: F, source: impl Source<F>, rows: &mut [F::Vector]) -> usize {
    let (zero, one) = (float.splat(0.0), float.splat(1.0));
    let all = u32::MAX >> (32 - F::LANES);
    let groups = source.count() / GROUP;
    for (group, to) in rows.chunks_exact_mut(GROUP).take(groups).enumerate() {
        let mut least = one;
        for i in 0..GROUP {
            let v = source.row(float, group * GROUP + i);
            least = float.min(least, float.mul(v, float.sub(one, v)));
            to[i] = v;
        }
        if float.bits(float.less(zero, least)) != all {
            return group * GROUP;
        }
    }
    groups * GROUP
}

impl Block {
    /// Reads the uncertain factors of a source into `rows`, which holds [`rows`] vectors. With `mixed`, one that is certain in some lanes and
    /// not in others stays as it is: where factors are few that costs less than to move each lane's together.
    #[inline(always)]
    pub(super) fn gather<F: Float>(
        float: F,
        source: impl Source<F>,
        cut: i32,
        mixed: bool,
        rows: &mut [F::Vector],
    ) -> Self {
        let all = u32::MAX >> (32 - F::LANES);
        let plain = leading_uncertain(float, source, rows);
        let mut count = plain;
        let mut ones = float.splat(0.0);
        let mut counts = [0; MAX_LANES];
        let mut ragged = false;
        if plain == source.count() {
            // Uncertain all of them in whole groups, as they usually are: the lanes are alike and there is nothing to fill up.
            return Self {
                count,
                cuts: [cut.clamp(-1, count as i32 + 2); MAX_LANES],
                ragged,
                counts: [count; MAX_LANES],
                ones: [0; MAX_LANES],
                filled: [0; MAX_LANES],
            };
        }
        for j in plain..source.count() {
            let v = source.row(float, j);
            let mask = uncertain(float, v);
            let bits = float.bits(mask);
            if !ragged && (bits == all || mixed && bits != 0) {
                rows[count] = v;
                count += 1;
                continue;
            }
            ones = float.add(ones, float.select(mask, float.splat(0.0), v));
            if bits == 0 {
                continue;
            }
            if !ragged {
                ragged = true;
                counts = [count; MAX_LANES];
            }
            let mut values = [0.0; MAX_LANES];
            float.store(v, &mut values);
            let lanes = float.lanes_mut(rows);
            for l in 0..F::LANES {
                // Written in any case: what is certain is overwritten by the next, or by the filling below.
                lanes[counts[l] * F::LANES + l] = values[l];
                counts[l] += (bits >> l & 1) as usize;
            }
        }
        if ragged {
            count = counts[..F::LANES].iter().copied().max().unwrap_or(0);
        } else {
            counts = [count; MAX_LANES];
        }
        let mut filled = [0; MAX_LANES];
        let lanes = float.lanes_mut(rows);
        for l in 0..F::LANES {
            for j in counts[l]..count {
                lanes[j * F::LANES + l] = (j % 2) as f32;
                filled[l] += (j % 2) as i32;
            }
            for j in count..count.next_multiple_of(GROUP) {
                lanes[j * F::LANES + l] = 0.0;
            }
        }
        let mut shifts = [0.0; MAX_LANES];
        float.store(ones, &mut shifts);
        let ones = shifts.map(|ones| ones as usize);
        let mut cuts = [0; MAX_LANES];
        for l in 0..F::LANES {
            cuts[l] = cut
                .saturating_sub(ones[l] as i32)
                .clamp(-1, counts[l] as i32 + 2)
                + filled[l];
        }
        Self {
            count,
            cuts,
            ragged,
            counts,
            ones,
            filled,
        }
    }

    /// Where lane `l` has the probability of `k` successes of all its factors, certain ones included.
    #[inline(always)]
    pub(super) fn place(&self, l: usize, top: usize, k: usize) -> Option<usize> {
        let uncertain = k
            .checked_sub(self.ones[l])
            .filter(|&k| k <= self.counts[l])?;
        top.checked_add_signed((uncertain as i32 + self.filled[l] - self.cuts[l]) as isize)
    }

    /// The lowest and the highest cut.
    #[inline(always)]
    pub(super) fn cut_range<F: Float>(&self, _: F) -> (i32, i32) {
        let cuts = &self.cuts[..F::LANES];
        cuts.iter().fold((i32::MAX, i32::MIN), |(low, high), &cut| {
            (low.min(cut), high.max(cut))
        })
    }

    /// Where the lanes' distributions of no factor are: from the highest cut's, `top − cut`, to past the lowest's.
    #[inline(always)]
    pub(super) fn starts<F: Float>(&self, float: F, top: usize) -> core::ops::Range<usize> {
        let (lowest, highest) = self.cut_range(float);
        (top as i32 - highest) as usize..(top as i32 - lowest) as usize + 1
    }

    /// The distribution of no factor: 1 at each lane's start, if there is such a place.
    #[inline(always)]
    pub(super) fn start<F: Float>(&self, float: F, top: usize, places: &mut [F::Vector]) {
        places.fill(float.splat(0.0));
        let lanes = float.lanes_mut(places);
        for l in 0..F::LANES {
            if let Some(entry) = lanes.get_mut((top as i32 - self.cuts[l]) as usize * F::LANES + l)
            {
                *entry = 1.0;
            }
        }
    }

    /// The cuts as numbers.
    #[inline(always)]
    pub(super) fn cuts<F: Float>(&self, float: F) -> F::Vector {
        float.load(&self.cuts.map(|cut| cut as f32))
    }

    /// 1 in the lanes whose cut is within the reach of their uncertain factors, 0 where it is decided.
    #[inline(always)]
    pub(super) fn open<F: Float>(&self, float: F) -> F::Vector {
        let counts = float.load(&self.counts.map(|count| count as f32 + 0.5));
        let (one, zero) = (float.splat(1.0), float.splat(0.0));
        let cuts = float.sub(self.cuts(float), self.filled(float));
        let within = float.select(float.less(cuts, counts), one, zero);
        float.select(self.won(float), zero, within)
    }

    /// The lanes whose survival is 1 for certain.
    #[inline(always)]
    pub(super) fn won<F: Float>(&self, float: F) -> F::Mask {
        let least = float.add(self.filled(float), float.splat(0.5));
        float.less(self.cuts(float), least)
    }

    #[inline(always)]
    fn filled<F: Float>(&self, float: F) -> F::Vector {
        float.load(&self.filled.map(|ones| ones as f32))
    }
}

/// The least lane.
#[inline(always)]
pub(super) fn least<F: Float>(float: F, x: F::Vector) -> f32 {
    let mut lanes = [f32::MAX; MAX_LANES];
    float.store(x, &mut lanes);
    lanes.iter().fold(f32::MAX, |least, &x| least.min(x))
}
