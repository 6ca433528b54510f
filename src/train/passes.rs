//! The way of a batch through the layers, forward and back.

use super::{
    batch::{self, Pick},
    binary,
    layer::{self, Cache, Norm},
    loss::{self, Loss},
    matrix,
    max_pool::Pooled,
    methods::ScheduleState,
    trainer::Trainer,
};
use crate::data::Dataset;

impl Trainer {
    /// The forward pass, which leaves the last layer's sums in its cache.
    pub(super) fn forward(
        &mut self,
        data: &Dataset,
        picks: &[Pick],
        schedule: &ScheduleState,
        measure: bool,
    ) {
        let last = self.places.len() - 1;
        for index in 0..=last {
            let (place, takes_bits) = (self.places[index], self.takes_bits(index));
            let (before, after) = self.caches.split_at_mut(index);
            let cache = &mut after[0];
            cache.reserve_forward(&place, picks.len() * place.positions());
            if index == 0 {
                let pixels = place.input.height * place.input.width * place.input.channels;
                self.images.resize(picks.len() * pixels, 0.0);
                let grey = self.config.network.input.grey;
                batch::unpack(data, picks, place.input, grey, &mut self.images);
            }
            let input = input(&self.images, before, &self.pools);
            let layer = &mut self.layers[index];
            if takes_bits {
                binary::sums(&place, input, &layer.weights, &mut cache.sums);
            } else {
                cache.unfold(&place, input);
                if index == last || self.method.is_linear() {
                    layer::linear(&place, layer, cache);
                }
            }
            if place.residual {
                let previous = before.last().expect("a residual layer has one before it");
                matrix::add(&mut cache.sums, &previous.totals);
            }
            if self.places.get(index + 1).is_some_and(|next| next.residual) {
                cache.totals.clone_from(&cache.sums);
            }
            if index < last {
                self.method.forward(&place, layer, cache, schedule, measure);
                if let Some(pooled) = &mut self.pools[index] {
                    let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
                    pooled.forward(self.method.pooling(), &norm.gamma.values, cache);
                }
            }
        }
    }

    /// Whether a layer's inputs and weights are bits, whose sums need no windows. Grey values are none, nor are sums of windows, but their
    /// layers are linear all the same.
    fn takes_bits(&self, index: usize) -> bool {
        self.method.is_binary()
            && self.places[index].average.is_none()
            && !(index == 0 && self.config.network.input.grey)
    }

    /// The last layer's sums, added up over its positions.
    fn totals(&self, images: usize) -> Vec<f32> {
        let (place, cache) = (
            self.places.last().expect("a net has layers"),
            self.caches.last().expect("a net has layers"),
        );
        let (classes, positions) = (place.outputs(), place.positions());
        let mut totals = vec![0.0; images * classes];
        for (totals, rows) in totals
            .chunks_exact_mut(classes)
            .zip(cache.sums.chunks_exact(positions * classes))
        {
            for row in rows.chunks_exact(classes) {
                matrix::add(totals, row);
            }
        }
        totals
    }

    /// The logits: the last layer's sums over its positions, each times a factor plus a summand where that layer is scaled.
    pub(super) fn logits(&self, images: usize) -> Vec<f32> {
        let mut logits = self.totals(images);
        if let Some(scaling) = self.scaling() {
            for logits in logits.chunks_exact_mut(scaling.len()) {
                for (logit, [factor, summand]) in logits.iter_mut().zip(&scaling) {
                    *logit = factor * *logit + summand;
                }
            }
        }
        logits
    }

    /// The logits' factors and summands, where the last layer is scaled.
    pub(super) fn scaling(&self) -> Option<Vec<[f32; 2]>> {
        let norm = self.layers.last()?.norm.as_ref()?;
        let unit = self.places.last()?.unit();
        let pairs = norm.gamma.values.iter().zip(&norm.beta.values);
        Some(
            pairs
                .map(|(&factor, &summand)| [factor, unit * summand])
                .collect(),
        )
    }

    /// From dLoss/d(logits) to the gradients of factors and summands, and to dLoss/d(the last layer's sums).
    fn scaling_backward(&mut self, gradient: &mut [f32]) {
        let (classes, last) = (self.classes(), self.places.len() - 1);
        if !self.places[last].scaled {
            return;
        }
        let totals = self.totals(gradient.len() / classes);
        let unit = self.places[last].unit();
        let norm = self.layers[last].norm.as_mut();
        let Norm { gamma, beta, .. } = norm.expect("a scaled layer has factors and summands");
        gamma.gradient.fill(0.0);
        beta.gradient.fill(0.0);
        for (gradient, totals) in gradient
            .chunks_exact_mut(classes)
            .zip(totals.chunks_exact(classes))
        {
            for (class, (gradient, total)) in gradient.iter_mut().zip(totals).enumerate() {
                gamma.gradient[class] += *gradient * total;
                beta.gradient[class] += *gradient * unit;
                *gradient *= gamma.values[class];
            }
        }
    }

    /// The backward pass, which leaves every gradient in its parameter, from the last layer down to the one with the index `lowest`.
    pub(super) fn backward(
        &mut self,
        data: &Dataset,
        picks: &[Pick],
        schedule: &ScheduleState,
        lowest: usize,
    ) -> Loss {
        let last = self.places.len() - 1;
        let (classes, positions) = (self.classes(), self.places[last].positions());
        let logits = self.logits(picks.len());
        let labels: Vec<u8> = picks.iter().map(|pick| data.labels()[pick.index]).collect();
        let mut gradient = vec![0.0; logits.len()];
        let scale = self.scale.values[0].exp();
        let objective = self.config.objective;
        let loss = loss::loss_and_grad(objective, &logits, &labels, classes, scale, &mut gradient);
        self.scale.gradient[0] = loss.scale_gradient as f32;
        self.scaling_backward(&mut gradient);
        for (place, cache) in self.places.iter().zip(&mut self.caches) {
            cache.reserve(place, picks.len() * place.positions());
        }
        let rows = self.caches[last]
            .gradient
            .chunks_exact_mut(positions * classes);
        for (rows, gradient) in rows.zip(gradient.chunks_exact(classes)) {
            for row in rows.chunks_exact_mut(classes) {
                row.copy_from_slice(gradient);
            }
        }
        for layer in &mut self.layers[..lowest] {
            layer.latent.gradient.fill(0.0);
        }
        for index in (lowest.min(last)..=last).rev() {
            let (place, takes_bits) = (self.places[index], self.takes_bits(index));
            let (before, after) = self.caches.split_at_mut(index);
            let (cache, layer) = (&mut after[0], &mut self.layers[index]);
            let wants_input = index > lowest;
            if takes_bits {
                // The forward pass did without.
                cache.unfold(&place, input(&self.images, before, &self.pools));
            }
            if index == last {
                layer::linear_backward(&place, layer, cache, wants_input);
            } else {
                if let Some(pooled) = &self.pools[index] {
                    pooled.backward(self.method.pooling(), cache);
                }
                self.method
                    .backward(&place, layer, cache, schedule, wants_input);
            }
            if let Some(previous) = before.last_mut().filter(|_| wants_input) {
                if place.residual {
                    previous.totals_gradient.clone_from(&cache.gradient);
                }
                let pooled = self.pools[index - 1].as_mut();
                let gradient = pooled.map_or(&mut previous.gradient, |pooled| &mut pooled.gradient);
                layer::fold(&place, &cache.patch_gradient, gradient);
            }
        }
        loss
    }
}

/// What the layer after those `before` it takes: the images, or the last activations, pooled where a pool follows.
fn input<'a>(images: &'a [f32], before: &'a [Cache], pools: &'a [Option<Pooled>]) -> &'a [f32] {
    before.last().map_or(images, |previous| {
        let pooled = pools[before.len() - 1].as_ref();
        pooled.map_or(&previous.output, |pooled| &pooled.output)
    })
}
