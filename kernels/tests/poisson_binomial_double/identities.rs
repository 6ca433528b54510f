//! Identities of distributions.

use super::inputs::near;
use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial};
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

    /// The survival is linear in each probability: its derivative is a difference over any
    /// distance.
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
