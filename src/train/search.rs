//! The search for a first layer to build on.
//!
//! The first layer of a small net is a few hundred bits that everything else depends on, and a training ends in whichever it happens to
//! meet. So several short trainings compete: what each has made of the first layer is held, the other layers are trained on it afresh for a
//! few epochs, and the one with the lowest training loss wins. It is cheap, looks at no validation image, and says what the long training
//! will come to. Rounds of trainings that start from the winner's first layer, at a lower rate, compete with it in turn.

use super::{
    CheckpointError, Config, Epoch, FirstLayer, Observer, Run, RunError, Search, Trainer,
    layer::{Initial, LayerState},
};
use std::{fs, ops::ControlFlow, path::PathBuf};

/// A first layer and how good it is.
struct Candidate {
    layer: LayerState,
    loss: f64,
}

/// A search that goes on: what has been trained so far.
struct Searching<'a, 'b> {
    run: &'a Run<'b>,
    search: Search,
    config: &'a Config,
    observer: &'a mut dyn Observer,
    trainings: u32,
    seconds: f64,
}

impl Run<'_> {
    /// Gives the trainer the best first layer that its search finds; how long that took, in seconds, or nothing where the observer broke.
    ///
    /// Each training of the search has a checkpoint of its own, so that one that was stopped is taken up where it was.
    pub(super) fn search(
        &self,
        search: Search,
        trainer: &mut Trainer,
        observer: &mut dyn Observer,
    ) -> Result<Option<f64>, RunError> {
        if let Some(path) = self.search_folder() {
            fs::create_dir_all(&path).map_err(|error| CheckpointError::Io { path, error })?;
        }
        let config = trainer.config().clone();
        let mut searching = Searching {
            run: self,
            search,
            config: &config,
            observer,
            trainings: 0,
            seconds: 0.0,
        };
        let Some(best) = searching.best()? else {
            return Ok(None);
        };
        let seconds = searching.seconds;
        trainer.adopt(&best, 1.0);
        Ok(Some(seconds))
    }

    /// Removes the checkpoints of a search, beside that of the training. The training does so when it needs them no longer; whoever starts one
    /// anew where another may have been stopped, on other data, does so first.
    pub fn forget_search(&self) {
        let Some(folder) = self.search_folder() else {
            return;
        };
        // Numbers and `NUMBER.previous`; what else is there is somebody else's. What cannot be removed does no harm.
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        for file in files {
            let name = file.file_name();
            let number = name.to_str().and_then(|name| name.split('.').next());
            if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
                let _ = fs::remove_file(file.path());
            }
        }
        let _ = fs::remove_dir(folder);
    }

    /// The folder of the search's checkpoints.
    fn search_folder(&self) -> Option<PathBuf> {
        Some(self.checkpoint.as_ref()?.with_file_name("search"))
    }
}

impl Searching<'_, '_> {
    fn best(&mut self) -> Result<Option<LayerState>, RunError> {
        let from_nothing = FirstLayer {
            rate: 1.0,
            until: 0.8,
        };
        let onward = FirstLayer {
            rate: 0.3,
            until: 0.7,
        };
        let mut best: Option<Candidate> = None;
        for _ in 0..=self.search.rounds {
            let start = best.as_ref().map(|best| best.layer.clone());
            let (tries, first_layer) = match start {
                None => (self.search.starts, from_nothing),
                Some(_) => (self.search.tries, onward),
            };
            for _ in 0..tries {
                let Some(candidate) = self.candidate(first_layer, start.as_ref())? else {
                    return Ok(None);
                };
                if best.as_ref().is_none_or(|best| candidate.loss < best.loss) {
                    best = Some(candidate);
                }
            }
        }
        Ok(best.map(|best| best.layer))
    }

    /// Trains all layers, then the others afresh on what the first has become.
    fn candidate(
        &mut self,
        first_layer: FirstLayer,
        start: Option<&LayerState>,
    ) -> Result<Option<Candidate>, RunError> {
        // As large as fresh latents: what was certain can be doubted again.
        let spread = match self.config.initial {
            Initial::Uniform(spread) => spread,
            Initial::Normal => 1.0,
        };
        let start = start.map(|layer| (layer, spread));
        let Some(trained) = self.train(first_layer, self.search.epochs, start)? else {
            return Ok(None);
        };
        let layer = trained.layers.into_iter().next().expect("a net has layers");
        let judge = self.train(FirstLayer::HELD, self.search.judged, Some((&layer, 1.0)))?;
        Ok(judge.map(|judge| Candidate {
            loss: judge
                .history()
                .last()
                .map_or(f64::INFINITY, |last| last.loss),
            layer,
        }))
    }

    /// One training of the search, with a seed of its own.
    fn train(
        &mut self,
        first_layer: FirstLayer,
        epochs: u32,
        start: Option<(&LayerState, f32)>,
    ) -> Result<Option<Trainer>, RunError> {
        self.trainings += 1;
        let number = self.trainings;
        let config = Config {
            search: None,
            first_layer: Some(first_layer),
            epochs,
            // Seeds are below 2⁶³, and those that people choose far below.
            seed: (self.config.seed + (u64::from(number) << 32)) & (u64::MAX >> 1),
            warp: None,
            ..self.config.clone()
        };
        let checkpoint = self
            .run
            .search_folder()
            .map(|folder| folder.join(number.to_string()));
        let there = checkpoint
            .as_deref()
            .and_then(|path| Trainer::load(path).ok());
        let mut trainer = match there.filter(|there| *there.config() == config) {
            Some(there) => there,
            None => {
                let mut fresh = Trainer::new(config)?;
                if let Some((layer, scale)) = start {
                    fresh.adopt(layer, scale);
                }
                fresh
            }
        };
        let run = Run {
            checkpoint,
            ..*self.run
        };
        let mut observer = Within {
            observer: self.observer,
            number,
        };
        let ended = run.train(&mut trainer, &mut observer)?;
        self.seconds += trainer
            .history()
            .iter()
            .map(|epoch| epoch.seconds)
            .sum::<f64>();
        Ok(ended.is_continue().then_some(trainer))
    }
}

/// Watches a training within a search.
struct Within<'a> {
    observer: &'a mut dyn Observer,
    number: u32,
}

impl Observer for Within<'_> {
    fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
        self.observer.search(self.number)
    }

    fn epoch(&mut self, _: &Epoch) {}
}

#[cfg(test)]
mod tests {
    use super::{FirstLayer, Search};
    use crate::train::{
        Config, Epoch, MethodName, Network, Observer, Run, Trainer,
        random::{Purpose, Random},
        tests::{NETS, digits},
    };
    use bernet_kernels::isa::Level;
    use std::ops::ControlFlow;

    /// Breaks after so many calls.
    struct Patience(usize);

    impl Observer for Patience {
        fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
            match self.0.checked_sub(1) {
                Some(left) => {
                    self.0 = left;
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            }
        }

        fn epoch(&mut self, _: &Epoch) {}
    }

    fn config(method: MethodName) -> Config {
        Config {
            batch: 8,
            first_layer: Some(FirstLayer::HELD),
            search: Some(Search {
                starts: 2,
                rounds: 1,
                tries: 2,
                epochs: 3,
                judged: 2,
            }),
            ..Config::new(
                method,
                Network::from_toml(NETS[0]).expect("well-formed"),
                3,
                1,
            )
        }
    }

    #[test]
    fn what_the_search_found_is_held() {
        let data = digits(&mut Random::new(1, Purpose::Initial, 0));
        let run = Run {
            train: &data,
            validation: &data,
            level: Level::best(),
            checkpoint: None,
        };
        for method in MethodName::ALL {
            let mut trainer = Trainer::new(config(method)).expect("its layers fit");
            let fresh = trainer.layers.clone();
            let search = trainer.config().search.expect("there is one");
            let found = run.search(search, &mut trainer, &mut Patience(usize::MAX));
            assert!(found.expect("no step fails").expect("nobody breaks") > 0.0);
            let adopted = trainer.layers.clone();
            assert!(
                fresh[0] != adopted[0] && fresh[1..] == adopted[1..],
                "{}",
                method.name()
            );
            let ended = run.train(&mut trainer, &mut Patience(usize::MAX));
            assert!(ended.expect("no step fails").is_continue());
            let signs = |layer: &crate::train::layer::LayerState| -> Vec<bool> {
                layer
                    .latent
                    .values
                    .iter()
                    .map(|value| *value >= 0.0)
                    .collect()
            };
            let [before, after] = [&adopted[0], &trainer.layers[0]];
            assert_eq!(signs(before), signs(after), "{}", method.name());
            let norms = [before, after].map(|layer| layer.norm.as_ref().expect("hidden"));
            assert_eq!(norms[0].gamma.values, norms[1].gamma.values);
            assert_eq!(norms[0].beta.values, norms[1].beta.values);
            assert!(adopted[1] != trainer.layers[1], "{}", method.name());
        }
    }

    #[test]
    fn a_search_that_was_stopped_ends_in_the_same_bits() {
        let data = digits(&mut Random::new(1, Purpose::Initial, 0));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("checkpoint");
        let run = Run {
            train: &data,
            validation: &data,
            level: Level::best(),
            checkpoint: None,
        };
        let mut whole = Trainer::new(config(MethodName::Bernoulli)).expect("its layers fit");
        let ended = run.train(&mut whole, &mut Patience(usize::MAX));
        assert!(ended.expect("no step fails").is_continue());

        let stopped = Run {
            checkpoint: Some(path.clone()),
            ..run
        };
        let mut trainer = Trainer::new(config(MethodName::Bernoulli)).expect("its layers fit");
        let mut breaks = 0;
        // Not a multiple of the five steps of an epoch, so that some are begun again.
        while stopped
            .train(&mut trainer, &mut Patience(17))
            .expect("no step fails")
            .is_break()
        {
            breaks += 1;
            trainer = Trainer::load(&path).expect("there is a checkpoint");
        }
        assert!(breaks > 4, "{breaks}");
        assert!(trainer.layers == whole.layers);
        assert!(!folder.path().join("search").exists());
        assert!(trainer.history()[0].seconds > 0.0);
    }

    #[test]
    fn a_first_layer_has_a_rate_of_its_own_until_it_is_held() {
        let first = FirstLayer {
            rate: 0.5,
            until: 0.25,
        };
        let rates = [0, 10, 24, 25, 99].map(|step| first.rate_at(step, 100, 1.0, 0));
        assert_eq!(rates[0], 0.5);
        assert!(rates[1] < 0.5 && rates[2] > 0.0 && rates[2] < 0.01);
        assert_eq!(rates[3..], [0.0, 0.0]);
        assert_eq!(
            [0, 5, 25].map(|step| first.done(step, 100)),
            [0.0, 0.2, 1.0]
        );
        assert!(FirstLayer::HELD.is_held_at(0, 100));
    }
}
