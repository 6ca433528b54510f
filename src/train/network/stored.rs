//! A net within a stored configuration: of a checkpoint, or of a model's metadata.
//!
//! In version 1, which says no version, `dense` was a 1×1 convolution: the same weights at every
//! position. Since version 2 it has a weight for every value, as in a net's own file. Where the layer
//! before leaves one position the two are the same layer; elsewhere a `dense` of version 1 is read as
//! the 1×1 `conv` that it was. A net that both versions read alike is written without a version, so
//! that older programs read it too, and refuse the others by the name of the field.

use super::{Input, LayerSpec, Network};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The version with a `dense` over all values.
const VERSION: u32 = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default = "first")]
    version: u32,
    input: Input,
    #[serde(rename = "layer")]
    layers: Vec<LayerSpec>,
}

#[derive(Serialize)]
struct StoredRef<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    input: Input,
    #[serde(rename = "layer")]
    layers: &'a [LayerSpec],
}

fn first() -> u32 {
    1
}

pub(in super::super) fn serialize<S: Serializer>(
    network: &Network,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Network { input, layers } = network;
    let is_new = as_first(network).is_some_and(|first| first != *network);
    let version = is_new.then_some(VERSION);
    let input = *input;
    let stored = StoredRef {
        version,
        input,
        layers,
    };
    stored.serialize(serializer)
}

pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Network, D::Error> {
    let Stored {
        version,
        input,
        layers,
    } = Stored::deserialize(deserializer)?;
    let network = Network { input, layers };
    match version {
        // Layers that do not fit have no meaning, and are refused as they stand.
        1 => Ok(as_first(&network).unwrap_or(network)),
        VERSION => Ok(network),
        other => Err(D::Error::custom(format!(
            "network.version: expected 1 or {VERSION}, found {other}: this program is older than the file"
        ))),
    }
}

/// The net that these words meant in version 1; none where its layers do not fit.
fn as_first(network: &Network) -> Option<Network> {
    let mut first = network.clone();
    for index in 0..first.layers.len() {
        let LayerSpec::Dense { outputs } = first.layers[index] else {
            continue;
        };
        let before = first.shape_before(index)?;
        if before.height * before.width > 1 {
            first.layers[index] = LayerSpec::Conv {
                outputs,
                kernel: [1, 1],
                stride: [1, 1],
                padding: [0, 0],
                residual: false,
            };
        }
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use crate::train::{Config, MethodName, NETS, Network};

    fn config(layers: &str) -> Config {
        let text = format!(
            "input = {{ height = 6, width = 6 }}\nlayer = [{layers}, {{ kind = \"expectation\", classes = 3 }}]"
        );
        let network = Network::from_toml(&text).expect("a net");
        Config::new(MethodName::Ste, network, 2, 1)
    }

    const CONV: &str = r#"{ kind = "conv", outputs = 4, kernel = [5, 5] }"#;
    const DENSE: &str = r#"{ kind = "dense", outputs = 4 }"#;

    #[test]
    fn a_dense_layer_of_an_old_configuration_is_the_convolution_that_it_was() {
        let of_now = config(&format!("{CONV}, {DENSE}, {DENSE}"));
        let text = of_now.to_toml();
        assert!(text.contains("version = 2"), "{text}");
        assert_eq!(Config::from_toml(&text).as_ref(), Ok(&of_now));
        assert_eq!(of_now.with("epochs = 2").as_ref(), Ok(&of_now));

        let old = text.replace("version = 2\n", "");
        let pointwise = r#"{ kind = "conv", outputs = 4, kernel = [1, 1] }"#;
        let expected = config(&format!("{CONV}, {pointwise}, {pointwise}"));
        let found = Config::from_toml(&old).expect("a configuration");
        assert_eq!(found, expected);
        assert!(!found.to_toml().contains("version"));

        let error = Config::from_toml(&text.replace("version = 2", "version = 3"));
        let error = error.expect_err("refused").to_string();
        assert!(error.contains("expected 1 or 2, found 3"), "{error}");
    }

    #[test]
    fn a_net_that_is_the_same_in_both_versions_is_stored_as_before() {
        let one = r#"{ kind = "conv", outputs = 4, kernel = [6, 6] }"#;
        let config = config(&format!("{one}, {DENSE}"));
        let text = config.to_toml();
        assert!(
            !text.contains("version") && text.contains("dense"),
            "{text}"
        );
        assert_eq!(Config::from_toml(&text), Ok(config));
        for (name, text) in NETS {
            let network = Network::from_toml(text).expect("well-formed");
            let config = Config::new(MethodName::Ste, network, 2, 1);
            let found = Config::from_toml(&config.to_toml());
            assert_eq!(found, Ok(config), "{name}");
        }
    }
}
