//! Probabilities as `make.py` draws them, and comparisons.

/// splitmix64, as in `make.py`.
pub(crate) fn words(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The probabilities that `make.py` names so.
pub(crate) fn probabilities(kind: &str, n: usize) -> Vec<f64> {
    let mut word = words(n as u64);
    let unit = 0.5f64.powi(53);
    let mut one = || {
        let u = (word() >> 11) as f64 * unit;
        match kind {
            "uniform" => u,
            "small" => u * 1e-3,
            "large" => 1.0 - u * 1e-3,
            "tenth" => 0.1,
            "tiny" => 1e-45 * (1.0 + u),
            "certain" => 1.0 - unit,
            "ends" => {
                let fifth = u * u * u * u * u;
                if word() & 1 == 1 { fifth } else { 1.0 - fifth }
            }
            _ => [0.0, 1.0, 1e-45, 1.0 - unit, 0.5, unit, 1e-300, u][(word() >> 61) as usize],
        }
    };
    (0..n).map(|_| one()).collect()
}

pub(crate) fn near(found: f64, exact: f64, tolerance: f64) -> bool {
    error(found, exact) <= tolerance
}

/// The relative accuracy that is promised.
pub(crate) fn promise(n: usize) -> f64 {
    if n <= 4096 { 1e-12 } else { 1e-9 }
}

/// The relative error; below 1e-300 the absolute one in units of 1e-300, as what is subnormal has
/// few digits.
pub(crate) fn error(found: f64, exact: f64) -> f64 {
    if found == exact {
        0.0
    } else {
        (found - exact).abs() / exact.abs().max(1e-300)
    }
}
