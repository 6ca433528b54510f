//! Distributions and gradients of any size and any probabilities, on any level, against the scalar
//! reference.
#![no_main]

use arbitrary::Arbitrary;
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{
        Form, Gradient,
        conformance::{self, Draw, Means},
    },
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    factors: u8,
    sums: u8,
    cut: i8,
    far: bool,
    draw: u8,
    seed: u32,
    what: u8,
    level: u8,
}

/// Factors² × sums, which is what the reference takes: a tenth of a millisecond, and for one seed
/// in sixteen a millisecond.
const WORK: [usize; 2] = [1 << 13, 1 << 17];

fuzz_target!(|case: Case| {
    let sums = 1 + usize::from(case.sums % 40);
    let work = WORK[usize::from(case.seed % 16 == 0)];
    let factors = usize::from(case.factors) % ((work / sums).isqrt() + 1);
    let draw = Draw::ALL[usize::from(case.draw) % Draw::ALL.len()];
    let v = draw.probabilities(factors, sums, case.seed.into());
    let cut = if case.far {
        i32::MIN >> (case.cut & 31)
    } else {
        factors as i32 / 2 + i32::from(case.cut)
    };
    const FORMS: [Form; 5] = [
        Form::Full,
        Form::Undecided,
        Form::Banded { sigmas: 6.0 },
        Form::Spectral,
        Form::Fastest,
    ];
    let levels = Level::available();
    let level = levels[usize::from(case.level) % levels.len()];
    const GRADIENTS: [Gradient; 9] = Gradient::ALL;
    const LAST: usize = FORMS.len() + GRADIENTS.len();
    let checked = match usize::from(case.what) % (LAST + 2) {
        what if what < FORMS.len() => conformance::forward(level, FORMS[what], &v, sums, cut),
        what if what < LAST => {
            conformance::gradient(level, GRADIENTS[what - FORMS.len()], &v, sums, cut)
        }
        LAST => conformance::whole(level, &v, sums),
        _ => {
            let size = (1 + factors, 1 + sums % 10, 1 + sums / 10);
            conformance::layer(level, &Means::mixed(size, case.seed.into()))
        }
    };
    checked.unwrap_or_else(|what| panic!("{draw:?}, seed {}: {what}", case.seed));
});
