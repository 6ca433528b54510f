//! Distributions in f64 of any probabilities: positive, monotone, one by one as all at once, symmetric, quantiles inverse.
#![no_main]

use arbitrary::Arbitrary;
use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    /// Repeated until there are as many trials.
    probabilities: Vec<f64>,
    trials: u16,
    k: i64,
    q: f64,
}

/// A convolution of so many trials takes a tenth of a millisecond.
const MOST: usize = 1500;

fn probability(x: f64) -> f64 {
    // Most floats are far outside; their fractions are inside, and what is inside stays as it is.
    if (0.0..=1.0).contains(&x) {
        x
    } else {
        (x - x.floor()).clamp(0.0, 1.0)
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(1e-300)
}

fuzz_target!(|case: Case| {
    // Whatever comes in is an answer or an error.
    let raw = PoissonBinomial::new(&case.probabilities);
    let valid = case.probabilities.iter().all(|p| (0.0..=1.0).contains(p));
    assert_eq!(raw.is_ok(), valid);
    let trials = usize::from(case.trials) % MOST;
    let p: Vec<f64> = case
        .probabilities
        .iter()
        .map(|&x| if x.is_finite() { probability(x) } else { 0.5 })
        .collect();
    let p: Vec<f64> = p
        .iter()
        .copied()
        .cycle()
        .take(if p.is_empty() { 0 } else { trials })
        .collect();
    let sum = PoissonBinomial::new(&p).expect("probabilities");
    for k in [case.k, case.k.rem_euclid(p.len() as i64 + 1)] {
        let (mass, below, above) = (
            sum.pmf(k),
            sum.cdf(k),
            sum.survival(k + i64::from(k < i64::MAX)),
        );
        for value in [mass, below, above] {
            assert!(
                (0.0..=1.0).contains(&value),
                "{k}: {mass:e} {below:e} {above:e}"
            );
        }
        assert!((below + above - 1.0).abs() <= f64::EPSILON);
        assert!(sum.cdf(k.saturating_sub(1)) <= below);
        assert!(sum.log_cdf(k) <= 0.0 && sum.log_survival(k) <= 0.0 && sum.log_pmf(k) <= 1e-12);
        if (0..=p.len() as i64).contains(&k) {
            for function in [Function::Pmf, Function::Cdf, Function::Survival] {
                let mut one = [0.0; 1];
                sum.evaluate(function, &[k], &mut one).expect("one number");
                let all = sum.all(function)[k as usize];
                assert!(near(one[0], all), "{function:?}({k}): {:e} {all:e}", one[0]);
            }
            let mut slopes = vec![0.0; p.len()];
            sum.survival_gradient(k, &mut slopes)
                .expect("as many as trials");
            assert!(
                slopes
                    .iter()
                    .all(|slope| (0.0..=1.0 + 1e-12).contains(slope))
            );
        }
    }
    let q = probability(if case.q.is_finite() { case.q } else { 0.5 });
    let (low, _) = sum.support();
    let least = sum.quantile(q);
    assert!(sum.cdf(least) >= q && (least == low || sum.cdf(least - 1) < q));
    let least = sum.survival_quantile(q);
    // For 0 it is the largest possible number, though f64 may hold smaller tails as 0.
    assert!(sum.survival(least + 1) <= q && (q == 0.0 || least == low || sum.survival(least) > q));
});
