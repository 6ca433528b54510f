//! Gradients against finite differences.

use super::super::{
    batch,
    choices::MethodName,
    config::Config,
    methods::ScheduleState,
    network::Network,
    random::{Purpose, Random},
    trainer::Trainer,
};
use super::{NETS, RESIDUAL, digits};
use crate::data::Dataset;

fn trainer(net: &str, random: &mut Random) -> Trainer {
    let network = Network::from_toml(net).expect("well-formed");
    let config = Config::new(MethodName::Real, network, 1, 3);
    let mut trainer = Trainer::new(config).expect("its layers fit");
    for layer in &mut trainer.layers {
        if let Some(norm) = &mut layer.norm {
            for gamma in &mut norm.gamma.values {
                *gamma = 0.5 + random.uniform();
            }
            norm.gamma.values[0] *= -1.0;
            for beta in &mut norm.beta.values {
                *beta = random.uniform() - 0.5;
            }
        }
    }
    trainer
}

const SCHEDULE: ScheduleState = ScheduleState {
    temperature: 0.3,
    width: 1.0,
    strength: 0.0,
};

impl Trainer {
    /// The mean loss of all images with the weights as they are, and all gradients.
    fn loss(&mut self, data: &Dataset) -> f64 {
        let picks = batch::still(0..data.len());
        self.forward(data, &picks, &SCHEDULE, true);
        self.backward(data, &picks, &SCHEDULE, 0).total / data.len() as f64
    }
}

/// The slopes of the mean loss by one number, below and above.
fn numeric(
    trainer: &mut Trainer,
    data: &Dataset,
    number: impl Fn(&mut Trainer) -> &mut f32,
) -> [f64; 2] {
    const STEP: f32 = 2e-3;
    let start = *number(trainer);
    let middle = trainer.loss(data);
    *number(trainer) = start + STEP;
    let above = trainer.loss(data);
    *number(trainer) = start - STEP;
    let below = trainer.loss(data);
    *number(trainer) = start;
    [middle - below, above - middle].map(|difference| difference / f64::from(STEP))
}

/// Counts gradients that agree with the mean of the two slopes, and numbers at which a maximum
/// changes hands between the two.
#[derive(Default)]
struct Agreement {
    smooth: usize,
    kinks: usize,
}

impl Agreement {
    fn check(&mut self, [below, above]: [f64; 2], gradient: f32, what: &str) {
        if (below - above).abs() > 2e-3 + 0.1 * above.abs() {
            self.kinks += 1;
            return;
        }
        let numeric = 0.5 * (below + above);
        let difference = (numeric - f64::from(gradient)).abs();
        assert!(
            difference < 2e-4 + 0.02 * numeric.abs(),
            "{what}: {below} and {above} by differences, {gradient} found"
        );
        self.smooth += 1;
    }
}

#[test]
fn every_gradient_of_a_real_net_is_that_of_finite_differences() {
    for (net, most) in NETS.into_iter().chain([RESIDUAL]).zip([0, 10, 20]) {
        let agreement = check_gradients(net);
        assert!(
            agreement.kinks <= most && agreement.smooth >= 20,
            "{} kinks",
            agreement.kinks
        );
    }
}

fn check_gradients(net: &str) -> Agreement {
    let mut random = Random::new(1, Purpose::Initial, 0);
    let data = digits(&mut random);
    let mut trainer = trainer(net, &mut random);
    for layer in &mut trainer.layers {
        layer.weights.copy_from_slice(&layer.latent.values);
    }
    trainer.loss(&data);
    let layers = trainer.layers.clone();
    let mut agreement = Agreement::default();
    for (index, layer) in layers.iter().enumerate() {
        for (k, gradient) in layer.latent.gradient.iter().enumerate() {
            let slope = numeric(&mut trainer, &data, |trainer| {
                &mut trainer.layers[index].weights[k]
            });
            agreement.check(slope, *gradient, &format!("layer {index}, weight {k}"));
        }
        let Some(norm) = &layer.norm else { continue };
        for j in 0..norm.mean.len() {
            let slope = numeric(&mut trainer, &data, |trainer| {
                &mut trainer.layers[index]
                    .norm
                    .as_mut()
                    .expect("normalised")
                    .gamma
                    .values[j]
            });
            agreement.check(
                slope,
                norm.gamma.gradient[j],
                &format!("layer {index}, γ {j}"),
            );
            let slope = numeric(&mut trainer, &data, |trainer| {
                &mut trainer.layers[index]
                    .norm
                    .as_mut()
                    .expect("normalised")
                    .beta
                    .values[j]
            });
            agreement.check(
                slope,
                norm.beta.gradient[j],
                &format!("layer {index}, β {j}"),
            );
        }
    }
    agreement
}
