//! Distributions in f64 against exact arithmetic, identities, and cases that used to be wrong.
#![cfg(feature = "double")]

use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial, evaluate_rows};

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

/// Four trials that fail with probability 2⁻⁵³ among others: to have 0 to 4 successes the sum is tilted so far that its mean is
/// below the rounding error of 1.
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

fn near(found: f64, exact: f64, tolerance: f64) -> bool {
    error(found, exact) <= tolerance
}

/// Cases that were wrong in f32 or had no digits: large sums, complements, tails, derivatives. Exact values by mpmath, to 17 digits.
#[test]
fn cases_that_were_wrong() {
    let equal = |p: f32, n: usize| PoissonBinomial::new(&vec![f64::from(p); n]).unwrap();
    for (p, n, cut, exact) in [
        (0.9985, 90_000, 89_864, 0.556_924_055_736_330_9),
        (0.999, 131_072, 130_940, 0.555_368_982_197_478_1),
        (0.99, 200_000, 198_000, 0.505_963_875_275_468_9),
    ] {
        let found = equal(p, n).survival(cut);
        assert!(near(found, exact, promise(n)), "p = {p}, n = {n}: {found}");
    }
    let found = equal(0.01, 200_000).cdf(2000);
    assert!(near(found, 0.505_947_176_312_688_7, 1e-9), "{found}");
    for (p, n, exact) in [
        (2.9e-8, 20_000, 0.999_420_168_146_625_9),
        (1e-3, 20_000, 2.040_629_246_327_015e-9),
        (1e-3, 100, 0.904_792_142_811_875_1),
    ] {
        let sum = equal(p, n);
        for found in [sum.cdf(0), sum.pmf(0), 1.0 - sum.survival(1)] {
            // A complement has the absolute error of 1.
            let error = (found - exact).abs();
            assert!(error <= 1e-13 * exact + f64::EPSILON, "{p}, {n}: {found}");
        }
        assert!(near(sum.cdf(0), exact, 1e-13) && near(sum.pmf(0), exact, 1e-13));
    }
    assert_eq!(PoissonBinomial::new(&[0.1, 0.2]).unwrap().cdf(5), 1.0);
    assert!(near(
        equal(0.5, 300).cdf(5),
        9.777_995_684_612_983e-81,
        1e-13
    ));
    // Tails go on where f32 ended, on both sides of 128 trials.
    for (n, cut, tail, mass) in [
        (
            128,
            43,
            3.712_803_516_724_651e-13,
            2.922_967_888_593_498e-13,
        ),
        (129, 43, 5.028_139_064_413_944e-13, 3.946_006_643_067_88e-13),
    ] {
        let sum = equal(0.1, n);
        assert_eq!((0..).find(|&k| sum.survival(k) <= 1e-12), Some(cut));
        assert!(near(sum.survival(cut), tail, 1e-13) && near(sum.pmf(cut), mass, 1e-13));
    }
    let coins = equal(0.5, 1000);
    assert!(near(coins.pmf(990), 2.458_305_595_450_807e-278, 1e-12));
    assert!(near(coins.survival(990), 2.483_338_791_489_635e-278, 1e-12));
    // Derivatives at a tail.
    for (n, slope) in [
        (72, 7.123_197_624_640_778e-7),
        (73, 9.231_664_106_249_724e-7),
    ] {
        let mut slopes = vec![0.0; n];
        equal(0.1, n).survival_gradient(23, &mut slopes).unwrap();
        assert!(slopes.iter().all(|&found| near(found, slope, 1e-13)));
    }
    // Of unequal trials each is the mass of the others, and positive.
    let p = probabilities("uniform", 73);
    let sum = PoissonBinomial::new(&p).unwrap();
    let cut = (0..).find(|&k| sum.survival(k) <= 1e-12).unwrap();
    let mut slopes = vec![0.0; p.len()];
    sum.survival_gradient(cut, &mut slopes).unwrap();
    for (j, &slope) in slopes.iter().enumerate() {
        let others = [&p[..j], &p[j + 1..]].concat();
        let exact = PoissonBinomial::new(&others).unwrap().pmf(cut - 1);
        assert!(exact > 0.0 && near(slope, exact, 1e-13), "{j}: {slope:e}");
    }
}

/// Sums without trials, with certain ones only, and questions outside the support.
#[test]
fn edges() {
    let none = PoissonBinomial::new(&[]).unwrap();
    assert_eq!(
        (none.pmf(0), none.cdf(0), none.survival(0), none.survival(1)),
        (1.0, 1.0, 1.0, 0.0)
    );
    assert_eq!(
        (none.mean(), none.variance(), none.entropy(), none.mode()),
        (0.0, 0.0, 0.0, 0)
    );
    assert_eq!((none.quantile(0.3), none.survival_quantile(0.3)), (0, 0));
    let certain = PoissonBinomial::new(&[1.0, 0.0, 1.0]).unwrap();
    assert_eq!(certain.all(Function::Pmf), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(certain.all(Function::Cdf), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(certain.all(Function::Survival), [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(certain.log_pmf(2), 0.0);
    assert_eq!(certain.log_pmf(1), f64::NEG_INFINITY);
    assert_eq!(
        (certain.quantile(0.0), certain.quantile(1.0), certain.mode()),
        (2, 2, 2)
    );
    let mut slopes = [f64::NAN; 3];
    certain.survival_gradient(3, &mut slopes).unwrap();
    assert_eq!(slopes, [0.0, 1.0, 0.0]);
    for k in [i64::MIN, -1, 4, i64::MAX] {
        assert_eq!(certain.pmf(k), 0.0);
        let below = k < 0;
        assert_eq!(
            (certain.cdf(k), certain.survival(k)),
            if below { (0.0, 1.0) } else { (1.0, 0.0) }
        );
        assert_eq!(
            certain.log_cdf(k),
            if below { f64::NEG_INFINITY } else { 0.0 }
        );
        certain.survival_gradient(k, &mut slopes).unwrap();
        assert_eq!(slopes, [0.0; 3]);
    }
    // One trial, near certain: nothing of the complement is lost.
    let one = PoissonBinomial::new(&[1.0 - 0.5f64.powi(53)]).unwrap();
    assert_eq!((one.pmf(0), one.cdf(0)), (0.5f64.powi(53), 0.5f64.powi(53)));
    assert_eq!(one.log_pmf(1), -(0.5f64.powi(53)));
    for bad in [-0.1, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY] {
        let error = PoissonBinomial::new(&[0.5, bad]).unwrap_err().to_string();
        assert_eq!(error, format!("probability 1 is {bad}, expected 0 to 1"));
    }
    let error = none.evaluate(Function::Pmf, &[1], &mut []).unwrap_err();
    assert_eq!(
        error.to_string(),
        "out (one for each k): expected 1, found 0"
    );
}

/// A million trials: the median within a few evaluations, and both tails beside it.
#[test]
fn a_million() {
    let mut word = words(1);
    let p: Vec<f64> = (0..1_000_000)
        .map(|_| (word() >> 11) as f64 * 0.5f64.powi(53))
        .collect();
    let sum = PoissonBinomial::new(&p).unwrap();
    let median = sum.quantile(0.5);
    assert!((median as f64 - sum.mean()).abs() < 1.0);
    assert!(sum.cdf(median) >= 0.5 && sum.cdf(median - 1) < 0.5);
    assert!(near(sum.cdf(median) + sum.survival(median + 1), 1.0, 1e-16));
    let far = sum.survival_quantile(1e-200);
    assert!(sum.survival(far + 1) <= 1e-200 && sum.survival(far) > 1e-200);
    // Neighbouring numbers are computed with other tilts.
    let (one, all) = (sum.pmf(far), sum.survival(far) - sum.survival(far + 1));
    assert!(near(one, all, 1e-9), "{one:e} {all:e}");
}

/// A million equal trials, whose rounding errors would add up: the binomial distribution of the f64 next to 1/10,
/// by mpmath's `loggamma`.
#[test]
fn a_million_equal() {
    let sum = PoissonBinomial::new(&vec![0.1; 1_000_000]).unwrap();
    for (k, exact) in [
        (99_000, 5.079_222_548_015_328e-6),
        (100_000, 1.329_806_480_852_546_5e-3),
        (101_500, 5.202_142_612_245_101e-9),
        (105_000, 4.648_808_545_446_224e-63),
        (110_000, 4.341_482_036_839_186e-238),
    ] {
        let found = sum.pmf(k);
        assert!(near(found, exact, 1e-12), "{k}: {found:e} {exact:e}");
    }
}

/// Many sums at once have the bits of one alone, near the mean (where no distribution is made) and far from it; a row that is no
/// distribution is named.
#[test]
fn rows_are_single_sums() {
    for kind in ["uniform", "tenth", "small", "ends", "special"] {
        for n in [100, 129, 700, 1000, 3000] {
            let p = probabilities(kind, 3 * n);
            let sums: Vec<_> = p
                .chunks(n)
                .map(|row| PoissonBinomial::new(row).unwrap())
                .collect();
            for function in Function::ALL {
                for deviations in [-40.0, -2.5, -1.0, 0.0, 0.3, 1.9, 2.1, 9.0] {
                    let at = |sum: &PoissonBinomial| {
                        (sum.mean() + deviations * sum.variance().sqrt()).round() as i64
                    };
                    let ks: Vec<i64> = sums.iter().map(at).collect();
                    let mut found = [0.0; 3];
                    evaluate_rows(function, &p, n, &ks, &mut found).unwrap();
                    for ((sum, &k), found) in sums.iter().zip(&ks).zip(found) {
                        let mut one = [0.0];
                        sum.evaluate(function, &[k], &mut one).unwrap();
                        assert_eq!(found.to_bits(), one[0].to_bits(), "{kind}, {n}, {k}");
                    }
                }
            }
        }
    }
    let mut p = probabilities("uniform", 2000);
    for bad in [-1e-300, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY] {
        p[1500] = bad;
        let error = evaluate_rows(Function::Cdf, &p, 1000, &[500], &mut [0.0; 2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("probability 1500 is {bad}, expected 0 to 1")
        );
    }
}

/// All numbers at once, by a few passes over the factors, are those one by one, which take a pass each: masses down to 1e-300
/// and their logarithms to both ends.
#[test]
fn windows_are_single_numbers() {
    for (kind, n) in [
        ("uniform", 1100),
        ("tenth", 5000),
        ("ends", 9000),
        ("small", 30_000),
        ("uniform", 60_000),
    ] {
        let sum = PoissonBinomial::new(&probabilities(kind, n)).unwrap();
        let (masses, logs) = (sum.all(Function::Pmf), sum.all(Function::LogPmf));
        for k in (0..=n).step_by(n / 300) {
            let (mass, log) = (sum.pmf(k as i64), sum.log_pmf(k as i64));
            assert!(
                near(masses[k], mass, promise(n)) && near(logs[k], log, 1e-12),
                "{kind}, n = {n}, k = {k}: {:e} {mass:e}, {} {log}",
                masses[k],
                logs[k]
            );
        }
    }
}

/// The planner's texts.
#[test]
fn plans() {
    let plan = |n: usize| PoissonBinomial::new(&vec![0.25; n]).unwrap().plan();
    assert_eq!(
        plan(128).to_string(),
        "128 uncertain trials of 128: one number by convolution (at most 128 trials), all by convolution (at most 1024)"
    );
    assert_eq!(plan(129).one().to_string(), "a tilted spectrum");
    assert_eq!(plan(1025).all().to_string(), "windows of tilted spectra");
    let certain = PoissonBinomial::new(&[0.0, 1.0, 0.5]).unwrap().plan();
    assert_eq!(certain.uncertain(), 1);
}

mod identities {
    use super::*;
    use proptest::prelude::*;

    fn probability() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => 0.0..1.0f64,
            1 => (0.0..1.0f64).prop_map(|u| u * u * u * u * 1e-3),
            1 => (0.0..1.0f64).prop_map(|u| 1.0 - u * u * u * u * 1e-3),
            1 => (-300.0..0.0f64).prop_map(|x| 10f64.powf(x)),
            1 => prop::sample::select(vec![0.0, 1.0, 0.5, 1e-45, 5e-324, 1.0 - 0.5f64.powi(53)]),
        ]
    }

    /// Of either form: fewer trials than a convolution takes, or more.
    fn trials() -> impl Strategy<Value = Vec<f64>> {
        prop_oneof![
            3 => prop::collection::vec(probability(), 0..60),
            2 => prop::collection::vec(probability(), 129..400),
            1 => prop::collection::vec(probability(), 1025..1300),
            1 => (probability(), 1..1500usize).prop_map(|(p, n)| vec![p; n]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        /// `K` of `p` is `n − K` of `1 − p`, where the complements are exact.
        #[test]
        fn symmetry(p in trials(), at in 0.0..1.0f64) {
            let p: Vec<f64> = p.iter().map(|p| (p * 1024.0).round() / 1024.0).collect();
            let n = p.len() as i64;
            let k = (at * (n + 1) as f64) as i64;
            let sum = PoissonBinomial::new(&p).unwrap();
            let turned: Vec<f64> = p.iter().map(|p| 1.0 - p).collect();
            let turned = PoissonBinomial::new(&turned).unwrap();
            prop_assert!(near(sum.pmf(k), turned.pmf(n - k), 1e-12));
            prop_assert!(near(sum.cdf(k), turned.survival(n - k), 1e-12));
            prop_assert!(near(sum.survival(k), turned.cdf(n - k), 1e-12));
            prop_assert!((sum.log_pmf(k) - turned.log_pmf(n - k)).abs() <= 1e-12 * sum.log_pmf(k).abs().max(1.0)
                || sum.log_pmf(k) == turned.log_pmf(n - k));
        }

        /// The distribution of two groups together is the convolution of theirs.
        #[test]
        fn groups_convolve(a in trials(), b in trials(), at in 0.0..1.0f64) {
            let both: Vec<f64> = a.iter().chain(&b).copied().collect();
            let sum = PoissonBinomial::new(&both).unwrap();
            let k = (at * (both.len() + 1) as f64) as i64;
            let of = |p: &[f64]| PoissonBinomial::new(p).unwrap().all(Function::Pmf);
            let (x, y) = (of(&a), of(&b));
            let entry = |i: usize| (k as usize).checked_sub(i).and_then(|j| y.get(j)).map_or(0.0, |y| x[i] * y);
            let exact: f64 = (0..x.len()).map(entry).sum();
            // Products below f64's range are lost in the sum.
            prop_assert!(near(sum.pmf(k), exact, 2e-12) || exact < 1e-280, "{k}: {:e} {exact:e}", sum.pmf(k));
        }

        /// Tails are monotone and sum to 1, masses are their differences, quantiles their inverses.
        #[test]
        fn tails(p in trials(), at in 0.0..1.0f64, q in 0.0..1.0f64) {
            let sum = PoissonBinomial::new(&p).unwrap();
            let n = p.len() as i64;
            let k = (at * (n + 1) as f64) as i64;
            prop_assert!(sum.cdf(k) >= sum.cdf(k - 1) && sum.survival(k) >= sum.survival(k + 1));
            prop_assert!((sum.cdf(k) + sum.survival(k + 1) - 1.0).abs() <= f64::EPSILON);
            prop_assert!(sum.pmf(k) <= sum.survival(k).min(sum.cdf(k)) * (1.0 + 1e-12));
            let (low, high) = sum.support();
            prop_assert_eq!(sum.log_pmf(k) > f64::NEG_INFINITY, (low..=high).contains(&k));
            for function in [Function::Cdf, Function::LogCdf] {
                let all = sum.all(function);
                prop_assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", function);
            }
            for function in [Function::Survival, Function::LogSurvival] {
                let all = sum.all(function);
                prop_assert!(all.windows(2).all(|pair| pair[0] >= pair[1]), "{:?}", function);
            }
            for function in Function::ALL {
                let mut one = [0.0];
                sum.evaluate(function, &[k], &mut one).unwrap();
                let all = sum.all(function)[k as usize];
                prop_assert!(one[0] == all || (one[0] - all).abs() <= 1e-12 * one[0].abs().max(1e-300)
                    || function as usize % 2 == 1 && (one[0] - all).abs() <= 1e-12, "{:?} {} {}", function, one[0], all);
            }
            let least = sum.quantile(q);
            prop_assert!(sum.cdf(least) >= q && (least == low || sum.cdf(least - 1) < q));
            let least = sum.survival_quantile(q);
            prop_assert!(sum.survival(least + 1) <= q && (least == low || sum.survival(least) > q));
        }

        /// The survival is linear in each probability: its derivative is a difference over any distance.
        #[test]
        fn gradients(p in trials(), at in 0.0..1.0f64, which in 0.0..1.0f64) {
            prop_assume!(!p.is_empty());
            let sum = PoissonBinomial::new(&p).unwrap();
            let k = (at * (p.len() + 1) as f64) as i64;
            let j = (which * p.len() as f64) as usize;
            let mut others = p.clone();
            others.remove(j);
            let others = PoissonBinomial::new(&others).unwrap();
            let mut slopes = vec![0.0; p.len()];
            let survival = sum.survival_gradient(k, &mut slopes).unwrap();
            prop_assert_eq!(survival, sum.survival(k));
            let largest = slopes.iter().fold(1e-300, |most: f64, &x| most.max(x));
            prop_assert!((slopes[j] - others.pmf(k - 1)).abs() <= 1e-12 * largest);
            sum.cdf_gradient(k, &mut slopes).unwrap();
            let largest = slopes.iter().fold(1e-300, |most: f64, &x| most.max(-x));
            prop_assert!((slopes[j] + others.pmf(k)).abs() <= 1e-12 * largest);
            sum.log_pmf_gradient(k, &mut slopes).unwrap();
            let exact = (others.pmf(k - 1) - others.pmf(k)) / sum.pmf(k);
            if sum.pmf(k) > 1e-280 {
                let largest = slopes.iter().fold(1e-300, |most: f64, &x| most.max(x.abs()));
                prop_assert!((slopes[j] - exact).abs() <= 1e-11 * largest, "{} {exact}", slopes[j]);
            }
        }

        /// Moments of the masses.
        #[test]
        fn moments(p in trials()) {
            let sum = PoissonBinomial::new(&p).unwrap();
            let masses = sum.all(Function::Pmf);
            let about = |centre: f64, power: i32| -> f64 {
                masses.iter().enumerate().map(|(k, mass)| mass * (k as f64 - centre).powi(power)).sum()
            };
            let (mean, variance) = (sum.mean(), sum.variance());
            prop_assert!((about(0.0, 1) - mean).abs() <= 1e-11 * mean.max(1e-300));
            prop_assert!((about(mean, 2) - variance).abs() <= 1e-10 * variance.max(1.0));
            if variance > 0.01 {
                let deviation = variance.sqrt();
                prop_assert!((about(mean, 3) / deviation.powi(3) - sum.skewness()).abs() < 1e-8);
                prop_assert!((about(mean, 4) / deviation.powi(4) - 3.0 - sum.excess_kurtosis()).abs() < 1e-8);
            }
            let entropy: f64 = masses.iter().filter(|&&mass| mass > 0.0).map(|mass| -mass * mass.ln()).sum();
            prop_assert!((entropy - sum.entropy()).abs() <= 1e-12 * entropy.max(1.0));
            let most = masses.iter().fold(0.0, |most: f64, &mass| most.max(mass));
            prop_assert!(masses[sum.mode() as usize] >= most * (1.0 - 1e-12));
            let mut drawn = [0; 50];
            sum.sample(1, &mut drawn);
            let (low, high) = sum.support();
            prop_assert!(drawn.iter().all(|k| (low..=high).contains(k)));
        }
    }
}

/// Drawn numbers follow the distribution (χ² of ten classes, by a fixed seed).
#[test]
fn samples() {
    let sum = PoissonBinomial::new(&probabilities("uniform", 100)).unwrap();
    let mut drawn = vec![0; 100_000];
    sum.sample(3, &mut drawn);
    let mut statistic = 0.0;
    let bounds: Vec<i64> = (0..=10)
        .map(|i| sum.quantile(f64::from(i) / 10.0))
        .collect();
    for pair in bounds.windows(2) {
        let inside = drawn
            .iter()
            .filter(|&&k| pair[0] < k && k <= pair[1])
            .count() as f64;
        let expected = 1e5 * (sum.cdf(pair[1]) - sum.cdf(pair[0]));
        statistic += (inside - expected) * (inside - expected) / expected;
    }
    assert!(statistic < 25.0, "{statistic}");
    let mut again = vec![0; 10];
    sum.sample(3, &mut again);
    assert_eq!(again, drawn[..10]);
}
