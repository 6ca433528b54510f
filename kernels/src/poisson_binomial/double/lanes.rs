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

/// Numbers that are worked on side by side.
pub(super) const LANES: usize = 8;
/// Values whose powers are summed together before they are added to the totals: 8 vectors.
const BLOCK: usize = 8 * LANES;
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
fn total(lanes: [f64; LANES]) -> f64 {
    let four: [f64; 4] = core::array::from_fn(|l| lanes[l] + lanes[l + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Power sums of the values that fall into one group.
struct Side {
    /// Values that wait until they are a block.
    waiting: [f64; BLOCK + LANES],
    count: usize,
    taken: i64,
    sums: [[f64; LANES]; DEGREES],
}

impl Side {
    #[inline(always)]
    fn new() -> Self {
        Self {
            waiting: [0.0; BLOCK + LANES],
            count: 0,
            taken: 0,
            sums: [[0.0; LANES]; DEGREES],
        }
    }

    /// Takes a block if there is one.
    #[inline(always)]
    fn take(&mut self, degree: usize) {
        if self.count >= BLOCK {
            let (block, rest) = self.waiting.split_at_mut(BLOCK);
            let block: &mut [f64; BLOCK] = block.try_into().expect("a block");
            powers(block, &mut self.sums[..degree]);
            block[..LANES].copy_from_slice(rest);
            self.count -= BLOCK;
            self.taken += BLOCK as i64;
        }
    }

    /// Whole blocks of values from memory.
    #[inline(always)]
    fn extend(&mut self, values: &[f64], degree: usize) {
        let (blocks, rest) = values.as_chunks::<BLOCK>();
        for block in blocks {
            powers(block, &mut self.sums[..degree]);
        }
        self.taken += (blocks.len() * BLOCK) as i64;
        self.waiting[..rest.len()].copy_from_slice(rest);
        self.count = rest.len();
    }

    /// The sums, and how many values they are of.
    #[inline(always)]
    fn end(mut self, degree: usize) -> ([f64; DEGREES], i64) {
        self.waiting[self.count..].fill(0.0);
        let block = self.waiting.first_chunk().expect("a block");
        powers(block, &mut self.sums[..degree]);
        (self.sums.map(total), self.taken + self.count as i64)
    }
}

/// What a pass over the factors leaves.
pub(super) struct Sums {
    /// `Σ x^d`, `d` = 1 …, of the tilted probabilities that are at most ½.
    pub(super) low: [f64; DEGREES],
    /// Of the complements of the others.
    pub(super) high: [f64; DEGREES],
    /// How many others.
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
    /// Whether the product is wanted to more digits than f64 has.
    pub(super) exact: bool,
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
        let (mut low, mut high) = (Side::new(), Side::new());
        let mut product = Wide::ONE;
        for (values, turned) in self.groups.into_iter().zip([false, true]) {
            // What is next to 0 in the second group is next to 1 in the first.
            let mut keep = |pairs: &[[f64; 2]]| {
                for &[t, not] in pairs {
                    let [t, not] = if turned { [not, t] } else { [t, not] };
                    if t.min(not) > self.small {
                        self.middle.push(t);
                        continue;
                    }
                    // Both are written and one is kept, because a branch would be guessed wrong every other time.
                    low.waiting[low.count] = t;
                    high.waiting[high.count] = not;
                    let is_low = usize::from(t <= not);
                    low.count += is_low;
                    high.count += 1 - is_low;
                }
                low.take(degree);
                high.take(degree);
            };
            match values {
                Values::Plain(values) if self.small >= 0.5 => {
                    if turned { &mut high } else { &mut low }.extend(values, degree);
                }
                Values::Plain(values) => {
                    for chunk in values.chunks(LANES) {
                        let mut pairs = [[0.0; 2]; LANES];
                        for (pair, &x) in pairs.iter_mut().zip(chunk) {
                            *pair = [x, 1.0 - x];
                        }
                        keep(&pairs[..chunk.len()]);
                    }
                }
                Values::Tilted(values, odds) => {
                    product = product.times(if self.exact {
                        tilt(values, odds, true, &mut keep)
                    } else {
                        tilt(values, odds, false, &mut keep)
                    });
                }
                Values::Done(pairs) => pairs.chunks(LANES).for_each(keep),
            }
        }
        let ((low, _), (high, turned)) = (low.end(degree), high.end(degree));
        Sums {
            low,
            high,
            turned,
            product,
        }
    }
}

/// Hands tilted values on, eight at a time; the product of all `f`.
#[inline(always)]
fn tilt(values: &[f64], odds: Odds, exact: bool, keep: &mut impl FnMut(&[[f64; 2]])) -> Wide {
    let [one, r, gain, rest] = [1.0, odds.r, odds.gain.0, odds.gain.1].map(Lanes::from);
    let mut product = (one, Lanes([0.0; LANES]));
    let mut exponents = [0i64; LANES];
    for values in values.chunks(LANES * STEPS) {
        for chunk in values.chunks(LANES) {
            let mut x = Lanes([0.0; LANES]);
            x.0[..chunk.len()].copy_from_slice(chunk);
            let f = if exact {
                let (with, error) = two_product(x, gain);
                let (f, lost) = two_sum(one, with);
                product = multiply(product, (f, lost + (error + x * rest)));
                f
            } else {
                let f = one + x * gain;
                product.0 = product.0 * f;
                f
            };
            let per = one / f;
            let (t, not) = (x * r * per, (one - x) * per);
            let pairs: [[f64; 2]; LANES] = core::array::from_fn(|l| [t.0[l], not.0[l]]);
            keep(&pairs[..chunk.len()]);
        }
        for l in 0..LANES {
            let by = exponent_of(product.0.0[l]);
            exponents[l] += by;
            let scale = power_of_two(-by);
            product.0.0[l] *= scale;
            product.1.0[l] *= scale;
        }
    }
    let (hi, lo) = (product.0.0, product.1.0);
    Wide::product((0..LANES).map(|l| Wide::new(hi[l], lo[l]).shifted(exponents[l])))
}

/// Eight numbers side by side.
#[derive(Clone, Copy)]
struct Lanes([f64; LANES]);

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

/// Adds the powers of a block to the sums.
#[inline(always)]
fn powers(block: &[f64; BLOCK], sums: &mut [[f64; LANES]]) {
    let mut x = *block;
    for sum in sums {
        for l in 0..LANES {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| x[i * LANES + l] + x[(i + 4) * LANES + l]);
            sum[l] += (a + c) + (b + d);
        }
        for i in 0..BLOCK {
            x[i] *= block[i];
        }
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
        let mut chunk = |x: &[f64; LANES]| {
            let x = Lanes(*x);
            let per = one / (one + x * gain);
            let (t, not) = (x * r * per, (one - x) * per);
            sums = [sums[0] + t, sums[1] + not, sums[2] + t * not];
        };
        for x in chunks {
            chunk(x);
        }
        if !rest.is_empty() {
            let mut x = [0.0; LANES];
            x[..rest.len()].copy_from_slice(rest);
            chunk(&x);
            // The values that fill up have t = 0 and 1 − t = 1.
            sums[1].0[LANES - 1] -= (LANES - rest.len()) as f64;
        }
        sums.map(|sum| total(sum.0))
    }
}
