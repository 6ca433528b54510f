//! The cases, on every level of the machine.

use super::*;
use crate::conformance::tests::{levels, share};
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
    const SIZES: [(usize, usize); 9] = [
        (0, 1),
        (1, 1),
        (3, 4),
        (4, 5),
        (5, 8),
        (9, 17),
        (16, 15),
        (36, 33),
        (37, 2),
    ];
    let levels = levels("forms and methods at edge sizes");
    let draws = Draw::ALL
        .iter()
        .flat_map(|draw| SIZES.map(|size| (draw, size)));
    let cases = draws.flat_map(|(draw, size)| (0..9).map(move |cut| (draw, size, cut)));
    for (draw, (count, sums), cut) in share(cases) {
        let v = draw.probabilities(count, sums, count as u64);
        for &level in &levels {
            all_right((cut == 0).then(|| whole(level, &v, sums)).into_iter());
            all_right(everything(level, &v, sums, cuts(&v, sums)[cut]));
        }
    }
}

#[test]
fn large_sums() {
    for level in levels("large sums") {
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

#[test]
fn every_form_and_method() {
    let levels = levels("forms and methods");
    // A case takes as long as ten of the products'.
    let mut config = ProptestConfig::default();
    config.cases = config.cases.div_ceil(10);
    proptest!(config, |(
        draw in 0..Draw::ALL.len(), count in 0usize..70, sums in 1usize..36, offset in -12i32..12, seed: u64,
    )| {
        let v = Draw::ALL[draw].probabilities(count, sums, seed);
        let mean = column(&v, sums, 0).iter().sum::<f64>() as i32;
        for &level in &levels {
            prop_assert_eq!(whole(level, &v, sums), Ok(()));
            for case in everything(level, &v, sums, mean + offset) {
                prop_assert_eq!(case, Ok(()));
            }
        }
    });
}

/// Any number of certain factors among many: those that are left take their memory by other rules than all of them would.
#[test]
fn any_share_of_certain_factors() {
    let levels = levels("certain factors");
    for (uncertain, level) in (0..=167).zip(levels.iter().cycle()) {
        let v: Vec<f32> = (0..167)
            .map(|j| if j < uncertain { 0.5 } else { (j % 2) as f32 })
            .collect();
        all_right(everything(*level, &v, 1, cuts(&v, 1)[1]));
    }
}

/// Equal factors of any number, which all round alike, with little on one side of the cut.
#[test]
fn few_successes_of_equal_factors() {
    let levels = levels("equal factors");
    for thousandths in [1, 3, 10, 30, 300, 700, 970, 990, 997, 999] {
        for (count, level) in (1..=200).zip(levels.iter().cycle()) {
            let v = Draw::Equal(thousandths).probabilities(count, 1, 0);
            let mean = cuts(&v, 1)[1];
            let cuts = (-3..=3).flat_map(|offset| FORMS.map(|form| (mean + offset, form)));
            all_right(cuts.map(|(cut, form)| forward(*level, form, &v, 1, cut)));
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

/// One sample and many, odd numbers of outputs; power sums, exact forms, both in one layer, and one whose gradients are small.
#[test]
fn layers() {
    for level in levels("layers") {
        all_right([layer(level, &Means::mixed((67, 2, 1), u32::MAX.into()))].into_iter());
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

/// The largest error of a form's survival, or of a method's gradients in parts of the largest.
fn error(level: Level, way: Result<Form, Gradient>, v: &[f32], cut: i32) -> f64 {
    let factors = Factors::new(v, 1).unwrap();
    let (mut z, mut mass, mut dz_dv) = ([0.0], [0.0], vec![0.0; v.len()]);
    let workspace = &mut Workspace::default();
    let sum = column(v, 1, 0);
    match way {
        Ok(form) => {
            survival(level, form, factors, cut, &mut z, &mut mass, workspace).unwrap();
            (reference::survival(&sum, cut) - f64::from(z[0])).abs()
        }
        Err(method) => {
            super::super::gradient(
                level, method, factors, cut, &mut z, &mut mass, &mut dz_dv, workspace,
            )
            .unwrap();
            let right = reference::leave_one_out(&sum, cut);
            let largest = right.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            let errors = right.iter().zip(&dz_dv);
            let errors = errors.map(|(right, found)| (right - f64::from(*found)).abs());
            errors.fold(0.0, f64::max) / largest
        }
    }
}

/// The draws and the numbers of factors that the module's accuracy is stated for: survivals to 1e-6 by every exact form, gradients
/// to 1e-5 of the sum's largest, at the cut next to the mean. The worst of three sums is printed.
#[test]
fn accuracy_table() {
    let forms = FORMS.map(|form| (Ok(form), SURVIVAL_ERROR));
    let methods = [Gradient::Precise, Gradient::Autograd, Gradient::Fastest];
    let methods = methods.map(|method| (Err(method), GRADIENT_ERROR));
    let stated = [
        Draw::Uniform,
        Draw::Beta,
        Draw::Certain(40),
        Draw::Certain(98),
        Draw::Half,
        Draw::Shifted,
    ];
    let counts = [1, 2, 3, 35, 36, 37, 64, 800, 4096];
    let stated = stated
        .iter()
        .flat_map(|&draw| counts.map(|count| (draw, count)));
    // Equal factors repeat one rounding error as often as there are factors.
    let equal = [1, 3, 10, 123, 300, 700, 877, 985, 990, 998, 999];
    let cases = stated.chain(equal.map(|thousandths| (Draw::Equal(thousandths), 4096)));
    let level = levels("accuracy").pop().unwrap();
    let mut failures = Vec::new();
    for (draw, count) in cases {
        let mut line = format!("{draw:?}, N = {count}:");
        for (way, most) in forms.into_iter().chain(methods) {
            // The phase of equal factors may be too many turns, which the planner knows.
            let turned = matches!(draw, Draw::Equal(_)) && way == Ok(Form::Spectral);
            let most = if turned { SPECTRAL_ERROR } else { most };
            let errors = [7, 8, 9].map(|seed| {
                let v = draw.probabilities(count, 1, seed);
                error(level, way, &v, cuts(&v, 1)[1])
            });
            let worst = errors.into_iter().fold(0.0, f64::max);
            let name = match way {
                Ok(form) => form.to_string(),
                Err(method) => format!("∂{method}"),
            };
            line += &format!(" {name} {worst:.1e}");
            if worst > most {
                failures.push(Err(format!("{draw:?}, N = {count}, {name}: {worst:e}")));
            }
        }
        eprintln!("{line}");
    }
    all_right(failures.into_iter());
}
