//! Whole nets, replaced and tract's own.
//!
//! `tests/run` makes what these read: the nets of `models/` exported, and MNIST's test images.

use std::{
    env, fs,
    path::{Path, PathBuf},
};
use tract_onnx::prelude::*;

/// The images of a net that is run at once.
const BATCH: usize = 100;

/// MNIST's test images as pixel/255, and their labels.
struct Digits {
    images: Vec<f32>,
    labels: Vec<u8>,
}

impl Digits {
    fn read(folder: &Path) -> Self {
        let bytes = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let images = &bytes("t10k-images-idx3-ubyte")[16..];
        Self {
            images: images
                .iter()
                .map(|&pixel| f32::from(pixel) / 255.0)
                .collect(),
            labels: bytes("t10k-labels-idx1-ubyte")[8..].to_vec(),
        }
    }

    fn batches(&self) -> impl Iterator<Item = TValue> {
        self.images.chunks_exact(784 * BATCH).map(|images| {
            let shape = [BATCH, 1, 28, 28];
            Tensor::from_shape(&shape, images).unwrap().into_tvalue()
        })
    }

    /// How many images have their label as the first of the largest logits.
    fn right(&self, logits: &[f32]) -> usize {
        let said = logits.chunks_exact(10).map(|logits| {
            (0..10).fold(0, |best, class| {
                if logits[class] > logits[best] {
                    class
                } else {
                    best
                }
            })
        });
        said.zip(&self.labels)
            .filter(|&(said, &label)| said == usize::from(label))
            .count()
    }
}

fn load(path: &Path) -> TractResult<TypedModel> {
    let fact = f32::fact([BATCH, 1, 28, 28]);
    bernet_tract::onnx()
        .model_for_path(path)?
        .with_input_fact(0, fact.into())?
        .into_typed()
}

fn logits(model: TypedModel, batches: impl Iterator<Item = TValue>) -> TractResult<Vec<f32>> {
    let net = model.into_optimized()?.into_runnable()?;
    let mut logits = Vec::new();
    for batch in batches {
        let output = net.run(tvec!(batch))?;
        logits.extend(
            output[0]
                .cast_to::<f32>()?
                .try_as_plain_ram()?
                .as_slice::<f32>()?,
        );
    }
    Ok(logits)
}

/// What `tests/run` has put somewhere.
fn made() -> Option<PathBuf> {
    let folder = env::var_os("BERNET_EXPORTED").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: no exported nets (run tests/run, which makes them)");
    }
    folder
}

#[test]
fn exported_nets() -> TractResult<()> {
    let Some(folder) = made() else { return Ok(()) };
    let digits = Digits::read(&folder);
    for (name, layers, right) in [("mnist", 5, 9792), ("mnist-lenet", 4, 9899)] {
        let mut replaced = load(&folder.join(format!("{name}.standard.onnx")))?;
        let own = logits(replaced.clone(), digits.batches().take(10))?;
        assert_eq!(bernet_tract::replace(&mut replaced)?, layers, "{name}");
        let found = logits(replaced, digits.batches())?;
        assert_eq!(found[..own.len()], own, "{name}");
        assert_eq!(digits.right(&found), right, "{name}");

        let mut replaced = load(&folder.join(format!("{name}.qonnx.onnx")))?;
        assert_eq!(
            logits(replaced.clone(), digits.batches().take(1))?,
            own[..10 * BATCH]
        );
        assert_eq!(
            bernet_tract::replace(&mut replaced)?,
            layers,
            "{name}, QONNX"
        );
        assert_eq!(
            logits(replaced, digits.batches().take(10))?,
            own,
            "{name}, QONNX"
        );
    }
    Ok(())
}

/// TFC_1W1A of the QONNX model zoo, on the grey images where they are, else on those of 0 and 255 that are the same to it.
#[test]
fn third_party_net() -> TractResult<()> {
    let Some(folder) = made() else { return Ok(()) };
    let models =
        env::var_os("BERNET_MODELS").map_or_else(|| "../../../shared/models".into(), PathBuf::from);
    let path = models.join("qonnx_tfc/TFC_1W1A.onnx");
    if !path.exists() {
        println!(
            "SKIPPED: no net from elsewhere in {} (set BERNET_MODELS)",
            models.display()
        );
        return Ok(());
    }
    let idx = env::var_os("BERNET_MNIST_IDX").map(PathBuf::from);
    println!("images: {}", idx.as_deref().unwrap_or(&folder).display());
    let digits = Digits::read(idx.as_deref().unwrap_or(&folder));
    let mut replaced = load(&path)?;
    let own = logits(replaced.clone(), digits.batches())?;
    assert_eq!(bernet_tract::replace(&mut replaced)?, 4);
    let found = logits(replaced, digits.batches())?;
    assert!(found == own, "the logits differ");
    assert_eq!(digits.right(&found), 9296);
    println!(
        "9296 of {} right, four binary products by bernet",
        digits.labels.len()
    );
    Ok(())
}
