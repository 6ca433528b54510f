//! Sine, cosine and exponential of eight numbers side by side.
//!
//! The angle is brought to ±π/4 by subtracting a whole multiple of π/2, which is stored in three parts of 33 bits: the first two products
//! are exact for multiples below 2²⁰. Then the power series: cut after `x¹⁷` and `x¹⁶` it is off by less than 3e-18. The exponential is that of
//! ±ln 2/2, cut after `x¹³` (5e-18), times a power of two. All are right to about one unit of the last place.

use super::lanes::LANES;

/// Added to a number below 2⁵¹ in size and subtracted again it leaves the nearest whole number.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²
/// π/2 in three parts.
const HALF_PI: [f64; 3] = [
    f64::from_bits(0x3ff9_21fb_5440_0000),
    f64::from_bits(0x3dd0_b461_1a60_0000),
    f64::from_bits(0x3ba3_198a_2e03_7073),
];
/// ln 2 in two parts.
const LN_2: [f64; 2] = [
    f64::from_bits(0x3fe6_2e42_fee0_0000),
    f64::from_bits(0x3dea_39ef_3579_3c76),
];

/// 1/n!
const fn per_factorial(n: u64) -> f64 {
    let (mut product, mut i) = (1u64, 2);
    while i <= n {
        product *= i;
        i += 1;
    }
    1.0 / product as f64
}

/// Sines and cosines, for angles up to 10⁶ in size.
#[inline(always)]
pub(super) fn sin_cos(angles: &[f64; LANES]) -> [[f64; LANES]; 2] {
    let mut results = [[0.0; LANES]; 2];
    for l in 0..LANES {
        let shifted = angles[l] * core::f64::consts::FRAC_2_PI + ROUND;
        // The lowest bits of the sum are those of the multiple.
        let quarter = shifted.to_bits();
        let multiple = shifted - ROUND;
        let x =
            ((angles[l] - multiple * HALF_PI[0]) - multiple * HALF_PI[1]) - multiple * HALF_PI[2];
        let y = x * x;
        const S: [f64; 8] = [
            -per_factorial(3),
            per_factorial(5),
            -per_factorial(7),
            per_factorial(9),
            -per_factorial(11),
            per_factorial(13),
            -per_factorial(15),
            per_factorial(17),
        ];
        const C: [f64; 7] = [
            per_factorial(4),
            -per_factorial(6),
            per_factorial(8),
            -per_factorial(10),
            per_factorial(12),
            -per_factorial(14),
            per_factorial(16),
        ];
        let (mut s, mut c) = (S[7], C[6]);
        for i in (0..7).rev() {
            s = s * y + S[i];
        }
        for i in (0..6).rev() {
            c = c * y + C[i];
        }
        let (sine, cosine) = (x + x * y * s, (1.0 - 0.5 * y) + y * y * c);
        let swap = quarter & 1 == 1;
        let (a, b) = if swap { (cosine, sine) } else { (sine, cosine) };
        results[0][l] = if quarter & 2 == 2 { -a } else { a };
        results[1][l] = if (quarter + 1) & 2 == 2 { -b } else { b };
    }
    results
}

/// Exponentials, for numbers from −700 to 700.
#[inline(always)]
pub(super) fn exp(x: &[f64; LANES]) -> [f64; LANES] {
    let mut results = [0.0; LANES];
    for l in 0..LANES {
        let clamped = x[l].max(-700.0).min(700.0);
        let shifted = clamped * core::f64::consts::LOG2_E + ROUND;
        let multiple = shifted - ROUND;
        let r = (clamped - multiple * LN_2[0]) - multiple * LN_2[1];
        let mut sum = per_factorial(13);
        for i in (0..13).rev() {
            sum = sum * r + per_factorial(i);
        }
        let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
        results[l] = sum * scale;
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn against_libm() {
        for i in -4000..4000 {
            let x = f64::from(i) * 0.17 + 1e-5 * f64::from(i * i);
            let [sine, cosine] = sin_cos(&[x; LANES]).map(|lanes| lanes[3]);
            let (right_sine, right_cosine) = libm::sincos(x);
            assert!((sine - right_sine).abs() < 3e-16, "{x}");
            assert!((cosine - right_cosine).abs() < 3e-16, "{x}");
            let x = f64::from(i) * 0.1;
            let (found, right) = (exp(&[x; LANES])[5], libm::exp(x));
            assert!((found - right).abs() <= 5e-16 * right, "{x}");
        }
    }
}
