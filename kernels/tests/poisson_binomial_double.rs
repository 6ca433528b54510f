//! Distributions in f64 against exact arithmetic, identities, and cases that used to be wrong.
#![cfg(feature = "double")]

use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial};

/// splitmix64, as in `make.py`.
fn words(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The probabilities that `make.py` names so.
fn probabilities(kind: &str, n: usize) -> Vec<f64> {
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

/// The relative accuracy that is promised.
fn promise(n: usize) -> f64 {
    if n <= 4096 { 1e-12 } else { 1e-9 }
}

/// One line of `oracle.csv`.
struct Case {
    kind: &'static str,
    n: usize,
    k: i64,
    /// `P(K = k)`, `P(K ≤ k)`, `P(K ≥ k)`.
    exact: [f64; 3],
    logs: [f64; 3],
}

/// `ln` of a number in decimal that an f64 may not hold.
fn log(text: &str) -> f64 {
    match text.split_once('e') {
        Some((digits, power)) => {
            let (digits, power): (f64, f64) = (digits.parse().unwrap(), power.parse().unwrap());
            digits.ln() + power * std::f64::consts::LN_10
        }
        None => f64::NEG_INFINITY,
    }
}

fn cases() -> Vec<Case> {
    let lines = include_str!("poisson_binomial_double/oracle.csv")
        .lines()
        .skip(1);
    let case = |line: &'static str| {
        let parts: Vec<&str> = line.split(',').collect();
        let numbers = [parts[3], parts[4], parts[5]];
        Case {
            kind: parts[0],
            n: parts[1].parse().unwrap(),
            k: parts[2].parse().unwrap(),
            exact: numbers.map(|text| text.parse().unwrap()),
            logs: numbers.map(log),
        }
    };
    lines.map(case).collect()
}

/// The relative error; below 1e-300 the absolute one in units of 1e-300, as what is subnormal has few digits.
fn error(found: f64, exact: f64) -> f64 {
    if found == exact {
        0.0
    } else {
        (found - exact).abs() / exact.abs().max(1e-300)
    }
}

/// Masses and tails one by one and all at once.
#[test]
fn exact_arithmetic() {
    let cases = cases();
    assert!(cases.len() >= 500, "{} cases", cases.len());
    let mut worst = std::collections::BTreeMap::new();
    for of in cases.chunk_by(|a, b| (a.kind, a.n) == (b.kind, b.n)) {
        let (kind, n) = (of[0].kind, of[0].n);
        let sum = PoissonBinomial::new(&probabilities(kind, n)).unwrap();
        let values = [Function::Pmf, Function::Cdf, Function::Survival];
        let all = values.map(|function| sum.all(function));
        for case in of {
            let one = [sum.pmf(case.k), sum.cdf(case.k), sum.survival(case.k)];
            for f in 0..3 {
                for (what, found) in [("one", one[f]), ("all", all[f][case.k as usize])] {
                    let error = error(found, case.exact[f]);
                    let worst = worst
                        .entry((n, values[f] as usize, what))
                        .or_insert((0.0, kind, 0));
                    if !(error <= worst.0) {
                        *worst = (error, kind, case.k);
                    }
                    let k = case.k;
                    assert!(
                        error <= promise(n),
                        "{kind}, n = {n}, k = {k}, {:?}, {what}: {found:e}, exact {:e}: {error:e}",
                        values[f],
                        case.exact[f]
                    );
                }
            }
        }
    }
    // With `--nocapture`: the figures of docs/poisson-binomial.md.
    for ((n, function, what), (error, kind, k)) in worst {
        println!(
            "n = {n}, {:?}, {what}: {error:.1e} ({kind}, k = {k})",
            Function::ALL[function]
        );
    }
}

/// Logarithms, one by one and all at once: relative to themselves, or absolutely where they are small.
#[test]
fn logarithms() {
    for of in cases().chunk_by(|a, b| (a.kind, a.n) == (b.kind, b.n)) {
        let (kind, n) = (of[0].kind, of[0].n);
        let sum = PoissonBinomial::new(&probabilities(kind, n)).unwrap();
        let values = [Function::LogPmf, Function::LogCdf, Function::LogSurvival];
        let all = values.map(|function| sum.all(function));
        for case in of {
            let k = case.k;
            let one = [sum.log_pmf(k), sum.log_cdf(k), sum.log_survival(k)];
            for f in 0..3 {
                for found in [one[f], all[f][k as usize]] {
                    let exact = case.logs[f];
                    let near = (found - exact).abs() <= promise(n) * exact.abs().max(1.0);
                    // The oracle's own numbers end at 1e-417.
                    assert!(
                        near || found == exact || exact < -900.0 && found < -900.0,
                        "{kind}, n = {n}, k = {k}, {:?}: {found}, exact {exact}",
                        values[f]
                    );
                }
            }
        }
    }
}
