//! Many numbers at once, the planner and the sampler.

use super::inputs::{near, probabilities, promise};
use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial, evaluate_rows};

/// Many sums at once have the bits of one alone, near the mean (where no distribution is made) and
/// far from it; a row that is no distribution is named.
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

/// All numbers at once, by a few passes over the factors, are those one by one, which take a pass
/// each: masses down to 1e-300 and their logarithms to both ends.
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
