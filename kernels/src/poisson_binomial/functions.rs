//! Elementary functions of vectors, to the accuracy that the characteristic function asks for.

use crate::arch::float::{Float, ROUND};

/// The nearest whole number, for values below 2²² in size.
#[inline(always)]
pub(super) fn round<F: Float>(float: F, x: F::Vector) -> F::Vector {
    let round = float.splat(ROUND);
    float.sub(float.add(x, round), round)
}

/// `c₀ + c₁ x + …`
#[inline(always)]
pub(super) fn polynomial<F: Float, const TERMS: usize>(
    float: F,
    x: F::Vector,
    coefficients: [f32; TERMS],
) -> F::Vector {
    let mut sum = float.splat(coefficients[TERMS - 1]);
    for &c in coefficients[..TERMS - 1].iter().rev() {
        sum = float.mul_add(sum, x, float.splat(c));
    }
    sum
}

/// Sine and cosine of an angle in turns, to 2e-7.
#[inline(always)]
pub(super) fn sin_cos<F: Float>(float: F, turns: F::Vector) -> (F::Vector, F::Vector) {
    let half = float.splat(0.5);
    // −½ to ½ turn; then sin is that of the angle folded to ± ¼ turn, and cos x = sin(¼ − |x|).
    let x = float.sub(turns, round(float, turns));
    let minus = float.sub(float.splat(0.0), x);
    let size = float.max(x, minus);
    let folded = float.max(float.min(x, float.sub(half, x)), float.sub(minus, half));
    (
        sine(float, folded),
        sine(float, float.sub(float.splat(0.25), size)),
    )
}

/// Taylor's series of `sin(2πx)`; the first term left out is 4e-9 at ¼ turn. 2π is taken in two parts and its product added last, so
/// that at small angles the result is rounded once.
#[inline(always)]
fn sine<F: Float>(float: F, x: F::Vector) -> F::Vector {
    #[rustfmt::skip]
    let series = [-1.748_455_5e-7, -41.341_7, 81.605_25, -76.705_86, 42.058_693, -15.094_643, 3.819_952_5];
    let rest = float.mul(x, polynomial(float, float.mul(x, x), series));
    float.mul_add(x, float.splat(core::f32::consts::TAU), rest)
}

/// `e^x` to 2e-7 relative, for `x ≤ 88`; below −87 that of −87.
#[inline(always)]
pub(super) fn exp<F: Float>(float: F, x: F::Vector) -> F::Vector {
    let x = float.min(float.max(x, float.splat(-87.0)), float.splat(88.0));
    let n = round(float, float.mul(x, float.splat(core::f32::consts::LOG2_E)));
    // ln 2 in two parts, the first exact in few bits.
    let rest = float.neg_mul_add(n, float.splat(0.693_359_4), x);
    let rest = float.mul_add(n, float.splat(2.121_944_4e-4), rest);
    let series = [
        1.0,
        1.0,
        0.5,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
    ];
    float.mul(polynomial(float, rest, series), float.power_of_two(n))
}

/// `ln x` for `2⁻²⁴ ≤ x ≤ 1`, to 2e-6 absolute and relative: four roots bring `x` above ⅓, where the series of `2 artanh` is short.
/// There are no instructions for a float's exponent here, and normal samples ask for no more.
#[inline(always)]
pub(super) fn ln<F: Float>(float: F, x: F::Vector) -> F::Vector {
    let mut root = x;
    for _ in 0..4 {
        root = float.sqrt(root);
    }
    let one = float.splat(1.0);
    // ln y = 2 artanh((y − 1)/(y + 1)); the first term left out is 1e-8 of it.
    let t = float.div(float.sub(root, one), float.add(root, one));
    let series = [
        2.0,
        2.0 / 3.0,
        2.0 / 5.0,
        2.0 / 7.0,
        2.0 / 9.0,
        2.0 / 11.0,
        2.0 / 13.0,
        2.0 / 15.0,
        2.0 / 17.0,
        2.0 / 19.0,
    ];
    let ln = float.mul(t, polynomial(float, float.mul(t, t), series));
    float.mul(float.splat(16.0), ln)
}

/// `ln cos u` for `0 ≤ u ≤ 1.1`, to 1e-7 relative; for larger angles the value at 1.1, where `cos^N u` no longer matters.
#[inline(always)]
pub(super) fn ln_cos<F: Float>(float: F, u: F::Vector) -> F::Vector {
    let u = float.min(u, float.splat(1.1));
    let square = float.mul(u, u);
    float.mul(square, polynomial(float, square, LN_COS))
}

/// `ln cos(u)/u²` in powers of `u²`, fitted for equal relative error over `u ≤ 1.1`.
#[rustfmt::skip]
const LN_COS: [f32; 9] = [
    -0.5, -0.083_332_5, -0.022_240_37, -0.006_596_398, -0.002_794_742,
    0.000_616_147_7, -0.001_964_984, 0.001_077_679_8, -0.000_391_299,
];
