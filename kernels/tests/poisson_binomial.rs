//! What is asked of distributions besides their values, which the conformance suite compares.

use bernet_kernels::{
    isa::Level,
    poisson_binomial::{
        Activations, Factors, Form, Gradient, Layer, MAX_FACTORS, Plan, Workspace, gradient,
        moments, peak_throughput, places, survival,
    },
};

/// Two sums: of a half and three quarters, and of factors that are certain.
const FACTORS: [f32; 4] = [0.5, 1.0, 0.75, 0.0];

#[test]
fn moments_are_sums_over_the_factors() {
    let factors = Factors::new(&FACTORS, 2).unwrap();
    let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
    moments(factors, &mut mean, &mut variance).unwrap();
    assert_eq!((mean, variance), ([1.25, 1.0], [0.4375, 0.0]));
    // More sums than a vector has lanes.
    let many = vec![0.25; 3 * 37];
    let (mut mean, mut variance) = (vec![0.0; 37], vec![0.0; 37]);
    moments(Factors::new(&many, 37).unwrap(), &mut mean, &mut variance).unwrap();
    assert!(mean.iter().all(|&mean| mean == 0.75));
    assert!(variance.iter().all(|&variance| variance == 0.5625));
    let error = moments(factors, &mut mean[..1], &mut variance[..2]).unwrap_err();
    assert_eq!(error.to_string(), "mean (sums): expected 2, found 1");
    let error = moments(factors, &mut mean[..2], &mut variance[..3]).unwrap_err();
    assert_eq!(error.to_string(), "variance (sums): expected 2, found 3");
}

/// A plan takes the forms that are cheapest for its number of factors, and says which.
#[test]
fn plans() {
    let few = Plan::new(8, 1e-6).unwrap();
    assert_eq!(few.form(), Form::Undecided);
    assert_eq!(few.gradient(), Gradient::Precise);
    let many = Plan::new(800, 1e-5).unwrap();
    assert_eq!(many.form(), Form::Fastest);
    assert_eq!(many.gradient(), Gradient::Fastest);
    let text = many.to_string();
    assert!(
        ["800", "fastest"].iter().all(|word| text.contains(word)),
        "{text}"
    );
    // Names are what the command line takes: no two are the same.
    let mut names: Vec<_> = Gradient::ALL.iter().map(Gradient::to_string).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Gradient::ALL.len());
    let banded = Form::Banded { sigmas: 6.0 };
    let forms = [
        Form::Full,
        Form::Undecided,
        banded,
        Form::Spectral,
        Form::Normal,
        Form::Fastest,
    ];
    let names = forms.map(|form| form.to_string());
    let expected = [
        "full",
        "undecided",
        "banded 6σ",
        "spectral",
        "normal",
        "fastest",
    ];
    assert_eq!(names, expected);
}

/// The ceilings run on every level, and count what they do: the former in proportion to its rounds, the latter the places that the recursion
/// goes through, of which the undecided are no more than all.
#[test]
fn ceilings_count_what_they_do() {
    for level in Level::available() {
        assert_eq!(peak_throughput(level, 7), 7 * peak_throughput(level, 1));
        let probabilities: Vec<f32> = (0..20 * 16).map(|at| (at % 19) as f32 / 19.0).collect();
        let factors = Factors::new(&probabilities, 16).unwrap();
        let workspace = &mut Workspace::default();
        let full = places(level, Form::Full, factors, 10, workspace);
        let undecided = places(level, Form::Undecided, factors, 10, workspace);
        assert!(
            0 < undecided && undecided <= full,
            "{level}: {undecided}, {full}"
        );
        // Counting changes no result.
        let (mut first, mut second) = ([0.0; 16], [0.0; 16]);
        for out in [&mut first, &mut second] {
            survival(
                level,
                Form::Full,
                factors,
                10,
                out,
                &mut [0.0; 16],
                workspace,
            )
            .unwrap();
            places(level, Form::Full, factors, 10, workspace);
        }
        assert_eq!(first, second);
    }
}

/// Power sums do not reach sums that are all but certain, and are not tried for few factors: those take the exact form, and are counted.
#[test]
fn exact_forms_are_counted() {
    let (samples, outputs) = (8, 4);
    let exact = |factors: usize, mean: f32| {
        let inputs = vec![mean; factors * samples];
        let weights = vec![mean; factors * outputs];
        let layer = Layer::new(&inputs, &weights, samples, outputs).unwrap();
        let mut activations = Activations::default();
        let cuts = [factors as i32 / 2; 4];
        let workspace = &mut Workspace::default();
        layer
            .forward(Level::best(), &cuts, 1e-6, &mut activations, workspace)
            .unwrap();
        assert_eq!(activations.survival.len(), samples * outputs);
        activations.exact()
    };
    assert_eq!(exact(800, 0.1), 0);
    assert_eq!(exact(800, 0.999), samples * outputs);
    assert_eq!(exact(100, 0.1), samples * outputs);
}

/// Those of the weights are the same bits where those of the inputs are not wanted, by power sums and by the exact forms.
#[test]
fn gradients_of_weights_need_no_gradients_of_inputs() {
    let (samples, outputs) = (37, 3);
    let levels = Level::available().into_iter();
    for (level, factors) in levels.flat_map(|level| [(level, 36), (level, 200)]) {
        let mean = |at: usize| ((at * 7 + at / 5) % 21) as f32 / 10.0 - 1.0;
        let inputs: Vec<f32> = (0..factors * samples).map(mean).collect();
        let weights: Vec<f32> = (0..factors * outputs).map(|at| mean(at + 3)).collect();
        let layer = Layer::new(&inputs, &weights, samples, outputs).unwrap();
        let (mut activations, mut workspace) = (Activations::default(), Workspace::default());
        let cuts = [factors as i32 / 2; 3];
        layer
            .forward(level, &cuts, 1e-6, &mut activations, &mut workspace)
            .unwrap();
        let by_survival: Vec<f32> = (0..samples * outputs).map(mean).collect();
        let mut by_weights = |by_inputs: Option<&mut [f32]>| {
            let mut by_weights = vec![0.0; weights.len()];
            let workspace = &mut workspace;
            layer
                .backward(
                    level,
                    &activations,
                    &by_survival,
                    by_inputs,
                    &mut by_weights,
                    workspace,
                )
                .unwrap();
            by_weights
        };
        let mut by_inputs = vec![0.0; inputs.len()];
        let both = by_weights(Some(&mut by_inputs));
        assert!(by_inputs.iter().any(|gradient| gradient.abs() > 1e-3));
        assert!(both.iter().any(|gradient| gradient.abs() > 1e-3));
        assert_eq!(by_weights(None), both, "{level}, {factors} factors");
    }
}

/// What is computed of more factors than f32 is right for: by the fastest form in f64, by none other.
#[test]
#[cfg(feature = "double")]
fn more_factors_than_f32_is_right_for() {
    let workspace = &mut Workspace::default();
    let (level, mut z, mut mass) = (Level::best(), [0.0], [0.0]);
    for (p, count, cut, right) in [
        (0.9985, 90_000, 89_864, 0.55692),
        (0.999, 131_072, 130_940, 0.555),
        (0.99, 200_000, 198_000, 0.50596),
    ] {
        let v = vec![p; count];
        let factors = Factors::new(&v, 1).unwrap();
        survival(
            level,
            Form::Fastest,
            factors,
            cut,
            &mut z,
            &mut mass,
            workspace,
        )
        .unwrap();
        assert!((z[0] - right).abs() < 1e-3, "{count} factors: {}", z[0]);
        let mut dz_dv = vec![0.0; count];
        let fastest = Gradient::Fastest;
        gradient(
            level, fastest, factors, cut, &mut z, &mut mass, &mut dz_dv, workspace,
        )
        .unwrap();
        // Equal factors: each derivative is the mass of the others.
        assert!((dz_dv[0] / mass[0] - 1.0).abs() < 0.01 && dz_dv[0] == dz_dv[count - 1]);
        for form in [
            Form::Full,
            Form::Undecided,
            Form::Banded { sigmas: 6.0 },
            Form::Spectral,
            Form::Normal,
        ] {
            let error =
                survival(level, form, factors, cut, &mut z, &mut mass, workspace).unwrap_err();
            let text = format!("factors is {count}, expected at most {MAX_FACTORS} for this form");
            assert!(error.to_string().starts_with(&text), "{error}");
        }
        for method in Gradient::ALL
            .into_iter()
            .filter(|&method| method != fastest)
        {
            let found = gradient(
                level, method, factors, cut, &mut z, &mut mass, &mut dz_dv, workspace,
            );
            assert!(found.is_err(), "{method}");
        }
    }
    // At the limit both ways are right to 1e-6; two sums at once, one of them half as likely.
    let v: Vec<f32> = (0..=MAX_FACTORS).flat_map(|_| [0.75, 0.375]).collect();
    let ends = [MAX_FACTORS, MAX_FACTORS + 1].map(|count| {
        let (mut z, mut mass) = ([0.0; 2], [0.0; 2]);
        let factors = Factors::new(&v[..2 * count], 2).unwrap();
        let cut = count as i32 * 3 / 4;
        survival(
            level,
            Form::Fastest,
            factors,
            cut,
            &mut z,
            &mut mass,
            workspace,
        )
        .unwrap();
        z
    });
    assert!((ends[0][0] - ends[1][0]).abs() < 0.02 && ends[0][1] == 0.0 && ends[1][1] == 0.0);
}

/// A mass is part of its survival, and no derivative is below 0, in tails too.
#[test]
fn tails_contradict_nothing() {
    let workspace = &mut Workspace::default();
    for level in Level::available() {
        for (p, count) in [(0.5, 1000), (0.1, 129), (0.1, 73), (0.7, 300)] {
            let v = vec![p; count];
            let factors = Factors::new(&v, 1).unwrap();
            for cut in (0..=count as i32).step_by(7) {
                let (mut z, mut mass) = ([0.0], [0.0]);
                for form in [Form::Fastest, Form::Spectral, Form::Undecided, Form::Full] {
                    survival(level, form, factors, cut, &mut z, &mut mass, workspace).unwrap();
                    assert!(
                        mass[0] <= z[0],
                        "{level} {form} {p} {count} {cut}: {mass:?} {z:?}"
                    );
                }
                let mut dz_dv = vec![0.0; count];
                for method in [Gradient::Precise, Gradient::Spectral, Gradient::Fastest] {
                    gradient(
                        level, method, factors, cut, &mut z, &mut mass, &mut dz_dv, workspace,
                    )
                    .unwrap();
                    let least = dz_dv.iter().fold(1.0, |least: f32, &x| least.min(x));
                    assert!(least >= 0.0, "{level} {method} {p} {count} {cut}: {least}");
                }
            }
        }
    }
}
