//! Single sums whose answers are known.

use super::inputs::{near, probabilities, promise, words};
use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial};

/// Cases that were wrong in f32 or had no digits: large sums, complements, tails, derivatives.
/// Exact values by mpmath, to 17 digits.
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

/// A million equal trials, whose rounding errors would add up: the binomial distribution of the f64
/// next to 1/10, by mpmath's `loggamma`.
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
