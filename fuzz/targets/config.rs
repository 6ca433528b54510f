//! Any text as a net's description and as a configuration: an error, or a trainer.
#![no_main]

use bernet::train::{Config, MethodName, Network, Trainer};
use libfuzzer_sys::fuzz_target;

/// What is made in a few milliseconds.
const WEIGHTS: usize = 20_000;

fuzz_target!(|text: &str| {
    let config = Config::from_toml(text).ok();
    let network = Network::from_toml(text).ok();
    let named = network.map(|network| Config::new(MethodName::Bernoulli, network, 1, 1));
    for config in config.into_iter().chain(named) {
        assert_eq!(
            Config::from_toml(&config.to_toml())
                .expect("what was written")
                .to_toml(),
            config.to_toml()
        );
        if config
            .network
            .weights()
            .is_ok_and(|weights| weights < WEIGHTS)
        {
            let _ = Trainer::new(config);
        }
    }
});
