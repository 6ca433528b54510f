//! Masses, tails and their logarithms against exact arithmetic.

use super::inputs::{error, probabilities, promise};
use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial};

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
    let lines = include_str!("oracle.csv").lines().skip(1);
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

/// Logarithms, one by one and all at once: relative to themselves, or absolutely where they are
/// small.
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

/// Four trials that fail with probability 2⁻⁵³ among others: to have 0 to 4 successes the sum is
/// tilted so far that its mean is below the rounding error of 1.
#[test]
fn far_ends() {
    for n in 129..146 {
        let mut p: Vec<f64> = (0..n).map(|j| 0.5 + 0.49 * f64::from(j) / 146.0).collect();
        p.extend([1.0 - 0.5f64.powi(53); 4]);
        for turned in [false, true] {
            let p: Vec<f64> = p
                .iter()
                .map(|p| if turned { 1.0 - p } else { *p })
                .collect();
            let sum = PoissonBinomial::new(&p).unwrap();
            for function in [Function::LogPmf, Function::LogCdf, Function::LogSurvival] {
                let all = sum.all(function);
                for (k, all) in all.into_iter().enumerate() {
                    let mut one = [0.0];
                    sum.evaluate(function, &[k as i64], &mut one).unwrap();
                    let tolerance = 1e-12 * one[0].abs().max(1.0);
                    assert!(
                        one[0] == all || (one[0] - all).abs() <= tolerance,
                        "n = {n}, k = {k}, {function:?}: {} one by one, {all} at once",
                        one[0]
                    );
                }
            }
        }
    }
}
