//! The cases, on every level of the machine.

use super::*;
use alloc::string::ToString;
use proptest::prelude::*;
use std::eprintln;

const FORMS: [Form; 5] = [
    Form::Full,
    Form::Undecided,
    Form::Banded { sigmas: 6.0 },
    Form::Spectral,
    Form::Fastest,
];

fn levels() -> Vec<Level> {
    let levels = Level::available();
    let names: Vec<_> = levels.iter().map(|level| level.to_string()).collect();
    eprintln!("levels run: {}", names.join(", "));
    levels
}

/// Cuts in the middle, at the mean of the first sum, beside them, and at the ends.
fn cuts(v: &[f32], sums: usize) -> [i32; 9] {
    let count = (v.len() / sums) as i32;
    let mean = (column(v, sums, 0).iter().sum::<f64>() + 0.5) as i32;
    [
        (count + 1) / 2,
        mean,
        mean + 2,
        mean - 3,
        i32::MIN,
        0,
        1,
        count,
        count + 1,
    ]
}

fn all_right(cases: impl Iterator<Item = Result<(), String>>) {
    let failures: Vec<_> = cases.filter_map(Result::err).collect();
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} cases fail:\n{}",
        failures[..count.min(20)].join("\n")
    );
}

fn everything(
    level: Level,
    v: &[f32],
    sums: usize,
    cut: i32,
) -> impl Iterator<Item = Result<(), String>> {
    let forms = FORMS.map(|form| forward(level, form, v, sums, cut));
    let methods = Gradient::ALL.map(|method| gradient(level, method, v, sums, cut));
    forms.into_iter().chain(methods)
}

/// Sizes around groups of four factors, around vectors of lanes, and the seed's.
#[test]
fn every_form_and_method_at_edge_sizes() {
    for level in levels() {
        for draw in Draw::ALL {
            for (count, sums) in [
                (0, 1),
                (1, 1),
                (3, 4),
                (4, 5),
                (5, 8),
                (9, 17),
                (16, 15),
                (36, 33),
                (37, 2),
            ] {
                let v = draw.probabilities(count, sums, count as u64);
                all_right([whole(level, &v, sums)].into_iter());
                all_right(
                    cuts(&v, sums)
                        .into_iter()
                        .flat_map(|cut| everything(level, &v, sums, cut)),
                );
            }
        }
    }
}

#[test]
fn large_sums() {
    for level in levels() {
        for (draw, count) in Draw::ALL
            .iter()
            .flat_map(|&draw| [(draw, 800), (draw, 4096)])
        {
            let v = draw.probabilities(count, 1, 3);
            let cut = cuts(&v, 1)[1];
            all_right((count == 800).then(|| whole(level, &v, 1)).into_iter());
            all_right(FORMS.iter().map(|&form| forward(level, form, &v, 1, cut)));
            let methods = [Gradient::Spectral, Gradient::Fastest];
            let dear = [Gradient::Precise, Gradient::Autograd];
            let methods = methods.iter().chain(dear.iter().filter(|_| count == 800));
            all_right(methods.map(|&method| gradient(level, method, &v, 1, cut)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_form_and_method(draw in 0..Draw::ALL.len(), count in 0usize..70, sums in 1usize..36, offset in -12i32..12, seed: u64) {
        let v = Draw::ALL[draw].probabilities(count, sums, seed);
        let mean = column(&v, sums, 0).iter().sum::<f64>() as i32;
        for level in Level::available() {
            prop_assert_eq!(whole(level, &v, sums), Ok(()));
            for case in everything(level, &v, sums, mean + offset) {
                prop_assert_eq!(case, Ok(()));
            }
        }
    }
}

#[test]
fn wrong_probabilities_are_named() {
    for wrong in [
        -f32::from_bits(1),
        1.0 + f32::EPSILON,
        f32::NAN,
        f32::INFINITY,
    ] {
        let mut v = vec![0.5; 70];
        v[69] = wrong;
        let error = Factors::new(&v, 7).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("probability 69 is {wrong}, expected 0 to 1")
        );
    }
    assert!(Factors::new(&[0.5; 7], 2).is_err());
    assert!(Factors::new(&[], 0).is_err());
}

/// One sample and many, odd numbers of outputs; power sums, exact forms, and both in one layer.
#[test]
fn layers() {
    for level in levels() {
        all_right(
            [(1, 1, 1), (36, 19, 3), (200, 35, 4), (800, 9, 3)]
                .map(|shape| layer(level, &Means::mixed(shape, 11)))
                .into_iter(),
        );
    }
}

/// The same bits on any number of threads.
#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads() {
    let level = Level::best();
    for shape in [(36, 700, 5), (200, 333, 7), (800, 256, 16)] {
        let means = Means::mixed(shape, 5);
        let bits = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let [survival, by_inputs, by_weights] = pool.install(|| means.run(level).unwrap());
            [survival, by_inputs, by_weights]
                .map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        let one = bits(1);
        for threads in [2, 3, 8] {
            assert!(bits(threads) == one, "{shape:?}, {threads} threads");
        }
    }
}

/// The draws and the numbers of factors that the module's accuracy is stated for: survivals to 1e-6 by every exact form, gradients
/// to 1e-5 of the sum's largest, at the cut next to the mean. The worst of three sums of each is printed.
#[test]
fn accuracy_table() {
    let forms = [
        Form::Full,
        Form::Undecided,
        Form::Banded { sigmas: 6.0 },
        Form::Spectral,
        Form::Fastest,
    ];
    let methods = [Gradient::Precise, Gradient::Autograd, Gradient::Fastest];
    let counts = [1, 2, 3, 35, 36, 37, 64, 800, 4096];
    let stated = [
        Draw::Uniform,
        Draw::Beta,
        Draw::Certain(40),
        Draw::Certain(98),
        Draw::Half,
        Draw::Shifted,
    ];
    // Equal factors repeat one rounding error as often as there are factors.
    let equal = [1, 3, 10, 123, 300, 700, 877, 985, 990, 998, 999].map(Draw::Equal);
    let stated = stated.map(|draw| counts.map(|count| (draw, count)));
    let cases = stated
        .into_iter()
        .flatten()
        .chain(equal.map(|draw| (draw, 4096)));
    let mut failures = Vec::new();
    let level = levels().pop().unwrap();
    for (draw, count) in cases {
        let sums = 3;
        let v = draw.probabilities(count, sums, 7);
        let cut = cuts(&v, sums)[1];
        let factors = Factors::new(&v, sums).unwrap();
        let (mut z, mut mass) = (vec![0.0; sums], vec![0.0; sums]);
        let mut dz_dv = vec![0.0; v.len()];
        let scratch = &mut Scratch::default();
        let columns: Vec<_> = (0..sums).map(|s| column(&v, sums, s)).collect();
        let right: Vec<_> = columns
            .iter()
            .map(|v| specification::survival(v, cut))
            .collect();
        let mut line = format!("{draw:?} N={count} cut {cut}:");
        for form in forms {
            survival(level, form, factors, cut, &mut z, &mut mass, scratch).unwrap();
            let errors = right.iter().zip(&z).map(|(r, z)| (r - f64::from(*z)).abs());
            let error = errors.fold(0.0, f64::max);
            line += &format!(" {form} {error:.1e}");
            // Of equal factors the planner knows that the phase is too many turns.
            let strained = form == Form::Spectral && matches!(draw, Draw::Equal(_));
            if error > 1e-6 && !strained {
                failures.push(format!("{draw:?} N={count} {form}: {error:e}"));
            }
        }
        let right: Vec<_> = columns
            .iter()
            .map(|v| specification::leave_one_out(v, cut))
            .collect();
        for method in methods {
            super::super::gradient(
                level, method, factors, cut, &mut z, &mut mass, &mut dz_dv, scratch,
            )
            .unwrap();
            let mut worst = 0.0_f64;
            for (s, right) in right.iter().enumerate() {
                let found = dz_dv.iter().skip(s).step_by(sums);
                let errors = right
                    .iter()
                    .zip(found)
                    .map(|(r, d)| (r - f64::from(*d)).abs());
                let largest = right.iter().copied().fold(1e-30, f64::max);
                worst = worst.max(errors.fold(0.0, f64::max) / largest);
            }
            line += &format!(" ∂{method} {worst:.1e}");
            if worst > 1e-5 {
                failures.push(format!("{draw:?} N={count} ∂{method}: {worst:e}"));
            }
        }
        eprintln!("{line}");
    }
    all_right(failures.into_iter().map(Err));
}
