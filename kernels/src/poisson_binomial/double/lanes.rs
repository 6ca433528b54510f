//! The loops over all factors, compiled for every level.
//!
//! They are written for the compiler to vectorise: eight lanes side by side, products and sums that are rounded one by one and
//! always in the same order. So the results are the same bits on every level. A pass over the factors keeps nothing but its sums: writing a
//! tilted copy of a million factors takes longer than computing it.

use super::wide::{Wide, exponent_of, multiply, power_of_two, two_product, two_sum};
use crate::{
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};
use alloc::vec::Vec;
use core::convert::identity;

/// Numbers that are worked on side by side.
pub(super) const LANES: usize = 8;
/// Values whose powers are summed together before they are added to the totals: 8 vectors.
pub(super) const BLOCK: usize = 8 * LANES;
/// The most power sums.
pub(super) const DEGREES: usize = 44;

/// A loop over factors. Implementations are `#[inline(always)]`, as is what they call.
pub(super) trait Loop {
    type Output;
    fn run(self) -> Self::Output;
}

struct Compiled<L>(L);

impl<L: Loop> Kernel for Compiled<L> {
    type Output = L::Output;

    #[inline(always)]
    fn call<F: Float>(self, _: F) -> L::Output {
        self.0.run()
    }
}

/// Runs a loop with the instructions of the best level.
pub(super) fn run<L: Loop>(level: Level, kernel: L) -> L::Output {
    dispatch!(level, float => float.run(Compiled(kernel)))
}

/// The sum of the lanes, halves upon halves.
#[inline(always)]
pub(super) fn total(lanes: [f64; LANES]) -> f64 {
    let four: [f64; 4] = core::array::from_fn(|l| lanes[l] + lanes[l + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Power sums while they are added up: `Σ x^d`, and `Σ ±x^d`.
struct Powers([Totals<DEGREES>; 2]);

/// Sums of blocks, `D` of them side by side.
pub(super) struct Totals<const D: usize> {
    sums: [[f64; LANES]; D],
    /// The same, up to the last time that they were taken, and blocks since.
    taken: [[f64; LANES]; D],
    blocks: usize,
    /// What rounding has left out of the first [`EXACT`] sums.
    rest: [[f64; LANES]; EXACT],
}

/// Sums that are added up without rounding errors: a whole distribution has them times large numbers.
const EXACT: usize = 2;

/// Blocks after which sums are taken: equal values round alike, and ten thousand additions in a row would add that up.
const TAKE: usize = 64;

impl<const D: usize> Totals<D> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            sums: [[0.0; LANES]; D],
            taken: [[0.0; LANES]; D],
            blocks: 0,
            rest: [[0.0; LANES]; EXACT],
        }
    }

    /// Adds a block to sum `d`.
    #[inline(always)]
    pub(super) fn add(&mut self, d: usize, block: &[f64; BLOCK], sign: f64) {
        let column = column(block) * Lanes::from(sign);
        if d < EXACT {
            let (sum, rest) = two_sum(Lanes(self.sums[d]), column);
            self.sums[d] = sum.0;
            self.rest[d] = (Lanes(self.rest[d]) + rest).0;
        } else {
            self.sums[d] = (Lanes(self.sums[d]) + column).0;
        }
    }

    /// Adds `x yⁱ` to sum `first + i`, for sums below `end`.
    #[inline(always)]
    pub(super) fn add_powers(
        &mut self,
        first: usize,
        end: usize,
        mut x: [f64; BLOCK],
        y: &[f64; BLOCK],
    ) {
        for d in first..end {
            self.add(d, &x, 1.0);
            for i in 0..BLOCK {
                x[i] *= y[i];
            }
        }
    }

    /// Counts a block that has been added to the sums below `end`.
    #[inline(always)]
    pub(super) fn count(&mut self, end: usize) {
        self.blocks += 1;
        if self.blocks.is_multiple_of(TAKE) {
            self.take(end);
        }
    }

    #[inline(always)]
    fn take(&mut self, end: usize) {
        for d in 0..end {
            let (sum, rest) = two_sum(Lanes(self.taken[d]), Lanes(self.sums[d]));
            self.taken[d] = sum.0;
            if d < EXACT {
                self.rest[d] = (Lanes(self.rest[d]) + rest).0;
            }
            self.sums[d] = [0.0; LANES];
        }
    }

    /// The sums below `end`, and what is to be added to the first of them.
    #[inline(always)]
    pub(super) fn totals(mut self, end: usize) -> ([f64; D], [f64; EXACT]) {
        self.take(end);
        let mut totals = self.taken.map(total);
        let mut rests = [0.0; EXACT];
        for d in 0..EXACT {
            let (mut sum, mut rest) = (0.0, total(self.rest[d]));
            for lane in self.taken[d] {
                let (next, error) = two_sum(sum, lane);
                sum = next;
                rest += error;
            }
            (totals[d], rests[d]) = (sum, rest);
        }
        (totals, rests)
    }
}

impl Powers {
    #[inline(always)]
    fn new() -> Self {
        Self([Totals::new(), Totals::new()])
    }

    /// Adds the powers of a block of values of one sign.
    #[inline(always)]
    fn add(&mut self, block: &[f64; BLOCK], degree: usize, sign: f64) {
        let mut x = *block;
        for d in 0..degree {
            self.0[0].add(d, &x, 1.0);
            self.0[1].add(d, &x, sign);
            for i in 0..BLOCK {
                x[i] *= block[i];
            }
        }
        self.count(degree);
    }

    /// Adds the powers of a block of values, those in `signed` with their signs.
    #[inline(always)]
    fn add_signed(&mut self, block: &[f64; BLOCK], signed: &[f64; BLOCK], degree: usize) {
        self.0[0].add_powers(0, degree, *block, block);
        self.0[1].add_powers(0, degree, *signed, block);
        self.count(degree);
    }

    #[inline(always)]
    fn count(&mut self, degree: usize) {
        self.0[0].count(degree);
        self.0[1].count(degree);
    }
}

/// The sums of a block's lanes.
#[inline(always)]
fn column(x: &[f64; BLOCK]) -> Lanes {
    let at = |i: usize| Lanes::at(x, i * LANES);
    ((at(0) + at(4)) + (at(2) + at(6))) + ((at(1) + at(5)) + (at(3) + at(7)))
}

/// What a pass over the factors leaves. With `x ≤ ½` the tilted probability or, if that is above ½, its complement:
pub(super) struct Sums {
    /// `Σ x^d`, `d` = 1 …
    pub(super) even: [f64; DEGREES],
    /// `Σ ±x^d`, minus for complements.
    pub(super) odd: [f64; DEGREES],
    /// What rounding has left out of the first sums of both.
    pub(super) rest: [[f64; EXACT]; 2],
    /// How many complements.
    pub(super) turned: i64,
    /// `Π (1 + x(r − 1))` over both groups.
    pub(super) product: Wide,
}

/// A value `x` tilted by odds of `r`: `x r/f` and `(1 − x)/f` with `f = 1 + x(r − 1)`.
#[derive(Clone, Copy)]
pub(super) struct Odds {
    pub(super) r: f64,
    /// `r − 1` as a sum of two.
    pub(super) gain: (f64, f64),
}

/// The values of one group.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    /// As they are.
    Plain(&'a [f64]),
    /// To be tilted.
    Tilted(&'a [f64], Odds),
    /// Tilted probabilities and their complements.
    Done(&'a [[f64; 2]]),
}

/// Power sums of two groups, the second of which counts failures.
pub(super) struct Pass<'a> {
    pub(super) groups: [Values<'a>; 2],
    pub(super) degree: usize,
    /// Larger values (½ if there are none) are not summed: their probabilities are put into `middle`.
    pub(super) small: f64,
    pub(super) middle: &'a mut Vec<f64>,
}

/// Factors of a lane after which its product is given a new exponent.
const STEPS: usize = 4;

impl Loop for Pass<'_> {
    type Output = Sums;

    #[inline(always)]
    fn run(self) -> Sums {
        let degree = self.degree;
        let mut powers = Powers::new();
        let mut product = Wide::ONE;
        let mut turned = 0;
        for (values, second) in self.groups.into_iter().zip([false, true]) {
            let sign = if second { -1.0 } else { 1.0 };
            // A block's probabilities and complements, of which the first so many are values.
            // A closure that is called would be compiled for any CPU.
            let mut keep = identity(
                #[inline(always)]
                |t: &[f64; BLOCK], not: &[f64; BLOCK], count: usize| {
                    let (mut x, mut y) = ([0.0; BLOCK], [0.0; BLOCK]);
                    let mut complements = 0;
                    for i in 0..BLOCK {
                        let small = t[i] <= not[i];
                        x[i] = if small { t[i] } else { not[i] };
                        y[i] = if small == second { -x[i] } else { x[i] };
                        complements += i64::from(small == second);
                    }
                    // What fills up the block has t = 0.
                    turned += complements - if second { (BLOCK - count) as i64 } else { 0 };
                    if self.small < 0.5 {
                        for i in 0..count {
                            if x[i] > self.small {
                                self.middle.push(if second { not[i] } else { t[i] });
                                turned -= i64::from(y[i] < 0.0);
                                (x[i], y[i]) = (0.0, 0.0);
                            }
                        }
                    }
                    powers.add_signed(&x, &y, degree);
                },
            );
            match values {
                Values::Plain(values) if self.small >= 0.5 => {
                    let (blocks, rest) = values.as_chunks::<BLOCK>();
                    for block in blocks {
                        powers.add(block, degree, sign);
                    }
                    if !rest.is_empty() {
                        powers.add(&padded(rest), degree, sign);
                    }
                    turned += if second { values.len() as i64 } else { 0 };
                }
                Values::Plain(values) => {
                    for values in values.chunks(BLOCK) {
                        let x = padded(values);
                        keep(&x, &x.map(|x| 1.0 - x), values.len());
                    }
                }
                Values::Tilted(values, odds) => {
                    product = product.times(tilt(values, odds, &mut keep));
                }
                Values::Done(pairs) => {
                    for pairs in pairs.chunks(BLOCK) {
                        let mut parts = [[0.0; BLOCK], [1.0; BLOCK]];
                        for (i, pair) in pairs.iter().enumerate() {
                            (parts[0][i], parts[1][i]) = (pair[0], pair[1]);
                        }
                        keep(&parts[0], &parts[1], pairs.len());
                    }
                }
            }
        }
        let [(even, rest_even), (odd, rest_odd)] = powers.0.map(|totals| totals.totals(degree));
        Sums {
            even,
            odd,
            rest: [rest_even, rest_odd],
            turned,
            product,
        }
    }
}

/// A block that begins with these values, and zeros.
#[inline(always)]
pub(super) fn padded(values: &[f64]) -> [f64; BLOCK] {
    let mut block = [0.0; BLOCK];
    block[..values.len()].copy_from_slice(values);
    block
}

/// Hands tilted values on, a block at a time; the product of all `f`.
#[inline(always)]
fn tilt(
    values: &[f64],
    odds: Odds,
    keep: &mut impl FnMut(&[f64; BLOCK], &[f64; BLOCK], usize),
) -> Wide {
    let [one, r, gain, rest] = [1.0, odds.r, odds.gain.0, odds.gain.1].map(Lanes::from);
    let mut product = (one, Lanes([0.0; LANES]));
    let mut exponents = [0i64; LANES];
    for values in values.chunks(BLOCK) {
        let block = padded(values);
        let (mut tilted, mut complements) = ([0.0; BLOCK], [0.0; BLOCK]);
        for i in 0..BLOCK / LANES {
            let mut x = Lanes([0.0; LANES]);
            x.0.copy_from_slice(&block[i * LANES..][..LANES]);
            let (with, error) = two_product(x, gain);
            let (f, lost) = two_sum(one, with);
            product = multiply(product, (f, lost + (error + x * rest)));
            let per = one / f;
            let (t, not) = (x * r * per, (one - x) * per);
            tilted[i * LANES..][..LANES].copy_from_slice(&t.0);
            complements[i * LANES..][..LANES].copy_from_slice(&not.0);
            // Four factors of up to 2¹²⁰ at most between two exponents.
            if i % STEPS == STEPS - 1 {
                for l in 0..LANES {
                    let by = exponent_of(product.0.0[l]);
                    exponents[l] += by;
                    let scale = power_of_two(-by);
                    product.0.0[l] *= scale;
                    product.1.0[l] *= scale;
                }
            }
        }
        keep(&tilted, &complements, values.len());
    }
    let (hi, lo) = (product.0.0, product.1.0);
    Wide::product((0..LANES).map(|l| Wide::new(hi[l], lo[l]).shifted(exponents[l])))
}

/// Eight numbers side by side.
#[derive(Clone, Copy)]
pub(super) struct Lanes(pub(super) [f64; LANES]);

impl Lanes {
    /// Those from `first` on.
    #[inline(always)]
    pub(super) fn at(from: &[f64], first: usize) -> Self {
        let mut lanes = [0.0; LANES];
        lanes.copy_from_slice(&from[first..][..LANES]);
        Self(lanes)
    }
}

macro_rules! each_lane {
    ($($operator:ident $function:ident $symbol:tt),*) => {
        $(impl core::ops::$operator for Lanes {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                let mut result = [0.0; LANES];
                for l in 0..LANES {
                    result[l] = self.0[l] $symbol other.0[l];
                }
                Self(result)
            }
        })*
    };
}
each_lane!(Add add +, Sub sub -, Mul mul *, Div div /);

impl From<f64> for Lanes {
    #[inline(always)]
    fn from(x: f64) -> Self {
        Self([x; LANES])
    }
}

/// Sums of `t`, `1 − t` and `t(1 − t)` for `t = x r/(1 − x + x r)`, the probabilities `x` multiplied by odds of `r`.
pub(super) struct Moments<'a> {
    pub(super) values: &'a [f64],
    pub(super) r: f64,
}

impl Loop for Moments<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn run(self) -> [f64; 3] {
        let mut sums = [Lanes([0.0; LANES]); 3];
        let [one, r, gain] = [1.0, self.r, self.r - 1.0].map(Lanes::from);
        let (chunks, rest) = self.values.as_chunks::<LANES>();
        let plain = self.r == 1.0;
        let mut chunk = identity(
            #[inline(always)]
            |x: Lanes, complement: Lanes| {
                let (t, not) = if plain {
                    // The same bits, without a division.
                    (x, complement)
                } else {
                    let per = one / (one + x * gain);
                    (x * r * per, complement * per)
                };
                sums = [sums[0] + t, sums[1] + not, sums[2] + t * not];
            },
        );
        for x in chunks {
            let x = Lanes(*x);
            chunk(x, one - x);
        }
        if !rest.is_empty() {
            // The values that fill up count for nothing on either side: a 1 that is added and
            // subtracted again would leave a rounding error above a sum that is tiny.
            let (mut x, mut complement) = ([0.0; LANES], [0.0; LANES]);
            for (l, &value) in rest.iter().enumerate() {
                (x[l], complement[l]) = (value, 1.0 - value);
            }
            chunk(Lanes(x), Lanes(complement));
        }
        sums.map(|sum| total(sum.0))
    }
}
