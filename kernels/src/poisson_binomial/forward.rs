//! The distribution by banded convolution.
//!
//! Factor `j` maps `y_k ← (1 − v_j) y_k + v_j y_{k−1}`, a product with a bidiagonal matrix, starting from `y = [1]`. Four
//! factors are one polynomial of degree 4, so a pass over the distribution costs five multiply-adds, one load and one
//! store per entry for four factors. All terms are positive: nothing cancels.
//!
//! **Order of addition.** Where four factors are nearly certain, one of the coefficients is near 1 and those at its far end are below half a
//! unit of the last place of it: added to the large term one after the other they are lost, all `N/4` times, and what is lost is a drift of
//! the mean: 1.8e-6 of survival for 4096 factors of .99. So the terms are added from the middle one outwards on both sides, half of the
//! middle one on each, and the two sides last: `(c₀y₀ + (c₁y₁ + ½c₂y₂)) + ((½c₂y₂ + c₃y₃) + c₄y₄)`. Whichever end is large meets the
//! small terms when they are together. It is five operations of the FMA ports as before, an addition and a chain of four instead of five.
//!
//! **Places.** The lanes of a block may have different cuts `h`. Entry `k` of a lane stands at place `k − h + top`, with the
//! same `top` for all lanes: then what reaches place `top` has survived, in every lane, and only the starts differ.

use super::{
    Factors, Form, Workspace,
    block::{self, Block, Columns, GROUP, MAX_LANES, Source, least},
    circle::half_width,
    normal::Normal,
    plan::{LEAST_VARIANCE, PER_IMBALANCE, PRECISE, UNDECIDED},
    spectral::Spectrum,
};
use crate::arch::float::{Float, Kernel};

/// Zeros before place 0, so that a pass may read below it.
const GUARD: usize = GROUP;
/// Passes after which what is undecided is made to agree with what has been decided.
const RESCALE: usize = 16;
/// Passes after which the computed places are narrowed: finding a band's ends has its cost too.
const NARROW: usize = 4;
/// Entries below it count as nothing, 2⁻¹²⁰: further down an f32 is subnormal, which many CPUs compute far slower, and with thousands of
/// factors most places of the triangle are such tails.
const NEGLIGIBLE: f32 = f32::MIN_POSITIVE * 64.0;
/// Outputs that the inner loop computes together, to share loads.
pub(super) const TILE: usize = 4;

/// A block's distribution, place by place.
pub(super) struct Distribution<'a, F: Float> {
    /// The place of the cut: the entry there is the mass.
    pub(super) top: usize,
    /// The entries, 0 outside the computed part.
    pub(super) places: &'a mut [F::Vector],
    /// The places that the last pass computed.
    pub(super) computed: core::ops::Range<usize>,
    /// The places that all passes computed.
    passed: usize,
    /// What all entries ever computed sum to: 1 but for rounding, which it is divided by.
    pub(super) total: F::Vector,
    pub(super) survival: F::Vector,
    pub(super) mass: F::Vector,
}

/// How many vectors [`distribution`] asks for.
pub(super) fn places(factors: usize) -> usize {
    // The spread of the starts is at most factors + 3, the growth at most the factors filled up to whole groups.
    GUARD + 2 * block::rows(factors) + 8
}

/// [`survival`](fn@super::survival), one block after the other.
pub(super) struct Survival<'a> {
    pub(super) form: Form,
    pub(super) factors: Factors<'a>,
    pub(super) cut: i32,
    pub(super) survival: &'a mut [f32],
    pub(super) mass: &'a mut [f32],
    pub(super) workspace: &'a mut Workspace,
}

impl Kernel for Survival<'_> {
    /// The places that recursions computed.
    type Output = u64;

    #[inline(always)]
    fn call<F: Float>(self, float: F) -> u64 {
        let mut computed = 0;
        let rows = block::rows(self.factors.count());
        let memory = self
            .workspace
            .vectors(float, rows + places(self.factors.count()));
        let (rows, memory) = memory.split_at_mut(rows);
        for first in (0..self.factors.sums()).step_by(F::LANES) {
            let factors = self.factors;
            let source = Columns { factors, first };
            let (survival, mass, places) =
                survival(float, self.form, source, self.cut, rows, memory);
            computed += places as u64;
            let sums = first..(first + F::LANES).min(factors.sums());
            block::store(float, survival, &mut self.survival[sums.clone()]);
            block::store(float, mass, &mut self.mass[sums]);
        }
        computed
    }
}

/// Survival and mass of a block, and the places computed by a recursion; `rows` and `memory` are [`block::rows`] and [`places`] long.
#[inline(always)]
pub(super) fn survival<F: Float>(
    float: F,
    form: Form,
    source: impl Source<F>,
    cut: i32,
    rows: &mut [F::Vector],
    memory: &mut [F::Vector],
) -> (F::Vector, F::Vector, usize) {
    let mixed = form == Form::Fastest && source.count() <= PRECISE;
    let block = Block::gather(float, source, cut, mixed, rows);
    let rows = &rows[..block::rows(block.count)];
    let strain = if form == Form::Fastest && block.count > UNDECIDED {
        strain(float, rows)
    } else {
        0.0
    };
    let (survival, mass, passed) = match form.for_block(block.count, strain) {
        Form::Spectral => {
            let spectrum = Spectrum::new(float, &block, rows, memory);
            (spectrum.survival, spectrum.mass, 0)
        }
        Form::Normal => {
            let normal = Normal::new(float, &block, rows);
            (normal.survival, normal.mass, 0)
        }
        form => {
            let y = distribution(float, form, form == Form::Full, &block, rows, memory);
            (y.survival, y.mass, y.passed)
        }
    };
    (survival, float.min(mass, survival), passed)
}

/// The distribution of the block's sums, as far as `form` computes it: the `whole` of it, or what is undecided.
#[inline(always)]
pub(super) fn distribution<'a, F: Float>(
    float: F,
    form: Form,
    whole: bool,
    block: &Block,
    rows: &[F::Vector],
    memory: &'a mut [F::Vector],
) -> Distribution<'a, F> {
    let zero = float.splat(0.0);
    let (lowest, highest) = block.cut_range(float);
    // At least 1, so that the place below the cut exists.
    let top = (highest + 2) as usize;
    let rounded = block::rows(block.count);
    // Places run from 0 to the last that a pass can write.
    let length = ((highest - lowest) as usize + 2 + rounded).max(top) + 1;
    let memory = &mut memory[..GUARD + length];
    memory[..GUARD].fill(zero);
    block.start(float, top, &mut memory[GUARD..]);
    // The places low .. high may hold something.
    let mut low = 2;
    let mut high = 2 + (highest - lowest) as usize + 1;
    let mut survived = Total::<F>::new(float);
    let mut failed = Total::<F>::new(float);
    let starts = block.cuts.map(|cut| (top as i32 - cut) as f32);
    let mut moments = Moments::<F> {
        mean: float.load(&starts),
        variance: zero,
    };

    let mut passed = 0;
    for first in (0..rounded).step_by(GROUP) {
        let group = &rows[first..first + GROUP];
        pass(float, memory, low, high, polynomial(float, group));
        high += GROUP;
        passed += high - low;
        if matches!(form, Form::Banded { .. }) {
            moments.add(float, group);
        }
        let nth = first / GROUP + 1;
        if nth.is_multiple_of(NARROW) {
            let (from, to) = if let Form::Banded { sigmas } = form {
                let (from, to) = moments.range(float, sigmas);
                (from.clamp(low, high), to.clamp(low, high))
            } else {
                tails(float, &memory[GUARD..], low, high)
            };
            memory[GUARD + low..GUARD + from].fill(zero);
            memory[GUARD + to..GUARD + high].fill(zero);
            (low, high) = (from, to.max(from));
        }
        // Before this pass decides anything: what it decides has drifted as far as what it leaves.
        if !whole && nth.is_multiple_of(RESCALE) {
            rescale(
                float,
                &mut memory[GUARD + low..GUARD + high],
                &survived,
                &failed,
            );
        }
        if !whole {
            // Above the cut's own place everything has survived; so far below it that the factors to come do not
            // suffice, everything has failed.
            if high > top + 1 {
                survived.take(float, &mut memory[GUARD + top + 1..GUARD + high]);
                high = top + 1;
            }
            low = low.min(high);
            let to_come = block.count.saturating_sub(first + GROUP);
            let hopeless = top.saturating_sub(to_come).clamp(low, high);
            if hopeless > low {
                failed.take(float, &mut memory[GUARD + low..GUARD + hopeless]);
                low = hopeless;
            }
        }
    }
    let places = &mut memory[GUARD..GUARD + length];
    survived.add(float, sum(float, &places[top..]));
    failed.add(float, sum(float, &places[..top]));
    // Rounding makes each group's coefficients sum to a little more or less than 1, alike for all entries: that drift,
    // the larger part of the error after hundreds of factors, goes out again with the total.
    let one = float.splat(1.0);
    let survived = survived.value(float);
    let total = float.add(survived, failed.value(float));
    let mass = float.div(places[top], total);
    let survival = float.select(
        block.won(float),
        one,
        float.min(float.div(survived, total), one),
    );
    Distribution {
        top,
        places,
        computed: low..high,
        passed,
        total,
        survival,
        mass,
    }
}

/// The places from and up to which some lane's entry is not negligible.
#[inline(always)]
fn tails<F: Float>(
    float: F,
    places: &[F::Vector],
    mut low: usize,
    mut high: usize,
) -> (usize, usize) {
    let (least, all) = (float.splat(NEGLIGIBLE), u32::MAX >> (32 - F::LANES));
    while low < high && float.bits(float.less(places[low], least)) == all {
        low += 1;
    }
    while low < high && float.bits(float.less(places[high - 1], least)) == all {
        high -= 1;
    }
    (low, high)
}

/// The coefficients of `(1 − a + a x)(1 − b + b x)`.
#[inline(always)]
pub(super) fn pair<F: Float>(float: F, a: F::Vector, b: F::Vector) -> [F::Vector; 3] {
    let one = float.splat(1.0);
    let (not_a, not_b) = (float.sub(one, a), float.sub(one, b));
    [
        float.mul(not_a, not_b),
        float.mul_add(not_a, b, float.mul(a, not_b)),
        float.mul(a, b),
    ]
}

/// The coefficients of `Π_i (1 − v_i + v_i x)` over a group.
#[inline(always)]
pub(super) fn polynomial<F: Float>(float: F, group: &[F::Vector]) -> [F::Vector; GROUP + 1] {
    let (a, b) = (
        pair(float, group[0], group[1]),
        pair(float, group[2], group[3]),
    );
    [
        float.mul(a[0], b[0]),
        float.mul_add(a[0], b[1], float.mul(a[1], b[0])),
        float.mul_add(a[0], b[2], float.mul_add(a[1], b[1], float.mul(a[2], b[0]))),
        float.mul_add(a[1], b[2], float.mul(a[2], b[1])),
        float.mul(a[2], b[2]),
    ]
}

/// Coefficients as [`product`] takes them: the middle one halved.
#[inline(always)]
pub(super) fn taps<F: Float>(float: F, c: [F::Vector; GROUP + 1]) -> [F::Vector; GROUP + 1] {
    [c[0], c[1], float.mul(float.splat(0.5), c[2]), c[3], c[4]]
}

/// `Σ_i c_i y_i`, for the taps of `c`, from the middle outwards.
#[inline(always)]
pub(super) fn product<F: Float>(
    float: F,
    taps: &[F::Vector; GROUP + 1],
    y: &[F::Vector; GROUP + 1],
) -> F::Vector {
    let half = float.mul(taps[2], y[2]);
    let low = float.mul_add(taps[0], y[0], float.mul_add(taps[1], y[1], half));
    let high = float.mul_add(taps[4], y[4], float.mul_add(taps[3], y[3], half));
    float.add(low, high)
}

/// [`product`] at [`TILE`] consecutive places, which share their loads.
#[inline(always)]
pub(super) fn tile<F: Float>(
    float: F,
    taps: &[F::Vector; GROUP + 1],
    y: &[F::Vector; GROUP + TILE],
) -> [F::Vector; TILE] {
    // A loop: a closure this large is compiled on its own, without the level's instructions.
    let mut next = [y[0]; TILE];
    for i in 0..TILE {
        next[i] = product(float, taps, window(&y[i..]));
    }
    next
}

/// The first vectors of a slice that has them.
#[inline(always)]
pub(super) fn window<V, const SIZE: usize>(from: &[V]) -> &[V; SIZE] {
    from.first_chunk().expect("a window")
}

/// `y_k ← Σ_i c_i y_{k−i}` for the places `low .. high + GROUP`, from the highest down so that it can be done in place.
#[inline(always)]
fn pass<F: Float>(
    float: F,
    memory: &mut [F::Vector],
    low: usize,
    high: usize,
    c: [F::Vector; GROUP + 1],
) {
    let taps = taps(float, [c[4], c[3], c[2], c[1], c[0]]);
    let outputs = high + GROUP - low;
    let memory = &mut memory[low..high + GUARD + GROUP];
    // The highest places that do not fill a tile, one by one.
    let tiled = outputs / TILE * TILE;
    for k in (tiled..outputs).rev() {
        memory[k + GROUP] = product(float, &taps, window(&memory[k..]));
    }
    for k in (0..tiled).step_by(TILE).rev() {
        let next = tile(float, &taps, window(&memory[k..]));
        memory[k + GROUP..][..TILE].copy_from_slice(&next);
    }
}

/// Multiplies what is undecided by what makes it 1 together with what is decided.
///
/// The coefficients of equal factors are rounded alike, so that a thousand passes let the entries drift by a thousand times
/// one rounding, and what is decided early has drifted less than what is decided late.
#[inline(always)]
fn rescale<F: Float>(
    float: F,
    undecided: &mut [F::Vector],
    survived: &Total<F>,
    failed: &Total<F>,
) {
    let one = float.splat(1.0);
    let sum = sum(float, undecided);
    let decided = float.add(survived.value(float), failed.value(float));
    // Where little is undecided its drift does not matter, and the difference from 1 says nothing about it.
    let little = float.less(sum, float.splat(1.0 / 16.0));
    let scale = float.div(float.sub(one, decided), float.select(little, one, sum));
    let scale = float.select(little, one, scale);
    for place in undecided {
        *place = float.mul(*place, scale);
    }
}

/// A sum of many small terms that keeps what each addition rounds off (Kahan): a thousand passes each bring a little, and
/// would all be rounded the same way.
pub(super) struct Total<F: Float> {
    sum: F::Vector,
    lost: F::Vector,
}

impl<F: Float> Total<F> {
    #[inline(always)]
    pub(super) fn new(float: F) -> Self {
        Self {
            sum: float.splat(0.0),
            lost: float.splat(0.0),
        }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, float: F, term: F::Vector) {
        let term = float.sub(term, self.lost);
        let sum = float.add(self.sum, term);
        self.lost = float.sub(float.sub(sum, self.sum), term);
        self.sum = sum;
    }

    /// Adds the few places that a pass has decided, which are summed first: each addition here waits for the one before.
    #[inline(always)]
    fn take(&mut self, float: F, places: &mut [F::Vector]) {
        self.add(float, sum(float, places));
        places.fill(float.splat(0.0));
    }

    #[inline(always)]
    pub(super) fn value(&self, float: F) -> F::Vector {
        float.sub(self.sum, self.lost)
    }
}

/// The sum, as four partial ones: an addition has to wait for the one before.
#[inline(always)]
fn sum<F: Float>(float: F, terms: &[F::Vector]) -> F::Vector {
    let mut sums = [float.splat(0.0); 4];
    let (fours, rest) = terms.as_chunks::<4>();
    for four in fours {
        for i in 0..4 {
            sums[i] = float.add(sums[i], four[i]);
        }
    }
    for &term in rest {
        sums[0] = float.add(sums[0], term);
    }
    float.add(float.add(sums[0], sums[1]), float.add(sums[2], sums[3]))
}

/// The largest strain of the lanes.
#[inline(always)]
pub(super) fn strain<F: Float>(float: F, rows: &[F::Vector]) -> f32 {
    let one = float.splat(1.0);
    let (mut imbalance, mut variance) = (float.splat(0.0), float.splat(0.0));
    for &v in rows {
        imbalance = float.add(imbalance, float.sub(float.add(v, v), one));
        variance = float.mul_add(v, float.sub(one, v), variance);
    }
    let square = float.mul(float.mul(imbalance, imbalance), float.splat(PER_IMBALANCE));
    let size = float.max(square, float.splat(LEAST_VARIANCE));
    1.0 / least(float, float.div(variance, size))
}

/// Mean place and variance so far.
struct Moments<F: Float> {
    mean: F::Vector,
    variance: F::Vector,
}

impl<F: Float> Moments<F> {
    #[inline(always)]
    fn add(&mut self, float: F, group: &[F::Vector]) {
        for &v in group {
            self.mean = float.add(self.mean, v);
            self.variance = float.mul_add(v, float.sub(float.splat(1.0), v), self.variance);
        }
    }

    /// The places from and up to which some lane is within the band about its mean.
    #[inline(always)]
    fn range(&self, float: F, sigmas: f32) -> (usize, usize) {
        let half = half_width(float, 0.5 * sigmas * sigmas, self.variance);
        let (mut from, mut to) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
        float.store(float.sub(self.mean, half), &mut from);
        float.store(float.add(self.mean, half), &mut to);
        let from = from[..F::LANES]
            .iter()
            .fold(f32::MAX, |low, &place| low.min(place));
        let to = to[..F::LANES]
            .iter()
            .fold(0.0, |high: f32, &place| high.max(place));
        // Casts saturate; one place more on either side takes up the rounding of the moments.
        ((from - 1.0) as usize, to as usize + 3)
    }
}
