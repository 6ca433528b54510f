//! A training that can be taken up again.
//!
//! A checkpoint is written at the end of an epoch. Everything random depends on the seed and the step alone, so the latents, Adam's
//! means and the history are the whole state, and a resumed run ends in the same bits as an uninterrupted one.
//!
//! The file: the magic `BNETCKPT`, the version (u32), the CRC-32 of the payload (u32), its length (u64), all little-endian; then
//! the payload in postcard's encoding: the state, and what it was trained on (older files end before that). The checkpoint before is kept beside it as `….previous`, and the new one takes its
//! name only when it is on the disk: whatever moment the machine stops at, one of the two is whole.

use super::{
    config::Config, epoch::Epoch, error::TrainError, layer::LayerState, network::NetworkError,
    parameter::Parameter, trainer::Trainer,
};
use crate::{data::Dataset, durable};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"BNETCKPT";
const VERSION: u32 = 2;
const HEADER: usize = 24;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not what a checkpoint is.
    #[error("{}, byte {offset}: {what}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: usize,
        /// Which part.
        what: &'static str,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Its contents do not make a net.
    #[error("{}: {error}", path.display())]
    Net {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: TrainError,
    },
}

/// The configuration is kept as the text that a person would read.
#[derive(Serialize)]
struct StateRef<'a> {
    config: String,
    layers: &'a [LayerState],
    scale: &'a Parameter,
    strength: f32,
    history: &'a [Epoch],
}

#[derive(Deserialize)]
struct State {
    config: String,
    layers: Vec<LayerState>,
    scale: Parameter,
    strength: f32,
    history: Vec<Epoch>,
}

impl Trainer {
    /// Writes the state after the last finished epoch.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]; the checkpoint before is then still there.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = self.to_checkpoint();
        let write = || {
            // A damaged one must not take the place of the whole one before.
            if fs::read(path).is_ok_and(|bytes| payload_of(path, &bytes).is_ok()) {
                fs::rename(path, previous(path))?;
            }
            durable::write(path, &bytes)
        };
        write().map_err(|error| CheckpointError::Io {
            path: path.into(),
            error,
        })
    }

    /// The state after the last finished epoch, as [`save`](Self::save) writes it into a file.
    pub fn to_checkpoint(&self) -> Vec<u8> {
        let state = StateRef {
            config: self.config.to_toml(),
            layers: &self.layers,
            scale: &self.scale,
            strength: self.strength,
            history: &self.history,
        };
        let payload = postcard::to_stdvec(&(state, &self.data));
        let payload = payload.expect("plain numbers and lists can be encoded");
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// Reads a state back: the last one or, where that is missing or damaged, the one before.
    ///
    /// # Errors
    /// [`CheckpointError`] of the last one, where neither can be used.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        read(path).or_else(|error| read(&previous(path)).map_err(|_| error))
    }

    /// A state from a file in memory; the path is what errors call it.
    ///
    /// # Errors
    /// [`CheckpointError`], but [`CheckpointError::Io`].
    pub fn from_checkpoint(path: &Path, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let payload = payload_of(path, bytes)?;
        let (state, rest): (State, &[u8]) =
            postcard::take_from_bytes(payload).map_err(|error| CheckpointError::Format {
                path: path.into(),
                offset: HEADER,
                what: "payload",
                expected: "the state of a training".into(),
                found: error.to_string(),
            })?;
        let (data, rest): (String, &[u8]) = match rest {
            [] => (String::new(), rest),
            _ => postcard::take_from_bytes(rest).map_err(|error| CheckpointError::Format {
                path: path.into(),
                offset: bytes.len() - rest.len(),
                what: "data",
                expected: "what the training reads".into(),
                found: error.to_string(),
            })?,
        };
        check_format(
            path,
            rest.is_empty(),
            bytes.len() - rest.len(),
            "end of the payload",
            "nothing".into(),
            format!("{} bytes", rest.len()),
        )?;
        let net = |error| CheckpointError::Net {
            path: path.into(),
            error,
        };
        let config = Config::from_toml(&state.config)
            .map_err(|error| net(NetworkError::from(error).into()))?;
        let State {
            layers,
            scale,
            strength,
            history,
            ..
        } = state;
        let mut trainer = Self::resume(config, layers, scale, strength, history).map_err(net)?;
        trainer.data = data;
        Ok(trainer)
    }
}

/// Where the checkpoint before the last one is.
fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

/// The payload of a whole file.
fn payload_of<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], CheckpointError> {
    let check = |fits, offset, what, expected, found| {
        check_format(path, fits, offset, what, expected, found)
    };
    check(
        bytes.len() >= HEADER,
        0,
        "length",
        format!("at least {HEADER} bytes"),
        bytes.len().to_string(),
    )?;
    let u32_at = |offset: usize| {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
    };
    let magic = &bytes[..8];
    check(
        magic == MAGIC,
        0,
        "magic",
        MAGIC.escape_ascii().to_string(),
        magic.escape_ascii().to_string(),
    )?;
    check(
        u32_at(8) == VERSION,
        8,
        "version",
        VERSION.to_string(),
        u32_at(8).to_string(),
    )?;
    let payload = &bytes[HEADER..];
    let length = u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes"));
    check(
        length == payload.len() as u64,
        16,
        "length of the payload",
        payload.len().to_string(),
        length.to_string(),
    )?;
    let sum = crc32fast::hash(payload);
    check(
        sum == u32_at(12),
        12,
        "checksum",
        format!("{sum:08x}"),
        format!("{:08x}", u32_at(12)),
    )?;
    Ok(payload)
}

fn check_format(
    path: &Path,
    fits: bool,
    offset: usize,
    what: &'static str,
    expected: String,
    found: String,
) -> Result<(), CheckpointError> {
    if fits {
        return Ok(());
    }
    Err(CheckpointError::Format {
        path: path.into(),
        offset,
        what,
        expected,
        found,
    })
}

fn read(path: &Path) -> Result<Trainer, CheckpointError> {
    let bytes = fs::read(path).map_err(|error| CheckpointError::Io {
        path: path.into(),
        error,
    })?;
    Trainer::from_checkpoint(path, &bytes)
}

/// A checksum of the sizes and of every image and label of two sets: what a text for
/// [`Trainer::set_data`] tells data apart by.
pub fn data_checksum(sets: [&Dataset; 2]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for set in sets {
        let shape = set.image_shape();
        for size in [set.len(), shape.height, shape.width, set.classes()] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        for word in set.images().lines().words() {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(set.labels());
        hasher.update(set.grey().unwrap_or_default());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use crate::train::{Config, MethodName, Network, TALK_24, Trainer};

    fn trainer() -> Trainer {
        let network = Network::from_toml(TALK_24).expect("the embedded net is well-formed");
        Trainer::new(Config::new(MethodName::Bernoulli, network, 3, 7)).expect("its layers fit")
    }

    #[test]
    fn what_is_saved_is_loaded_and_the_one_before_is_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("checkpoint");
        let mut trainer = trainer();
        trainer.save(&path).expect("written");
        trainer.layers[0].latent.values[3] = 0.25;
        trainer.set_data("a thousand digits".into());
        trainer.save(&path).expect("written again");
        let loaded = Trainer::load(&path).expect("read");
        assert_eq!(loaded.data(), "a thousand digits");
        assert!(loaded.layers == trainer.layers && loaded.config == trainer.config);
        // The last one is damaged: the one before serves.
        std::fs::write(&path, b"BNETCKPT but not really one").expect("overwritten");
        let before = Trainer::load(&path).expect("the one before");
        assert_ne!(before.layers[0].latent.values[3], 0.25);
    }

    #[test]
    fn damaged_files_are_refused_with_the_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("checkpoint");
        trainer().save(&path).expect("written");
        let bytes = std::fs::read(&path).expect("read");
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("overwritten");
            Trainer::load(&path).err().expect("refused").to_string()
        };
        assert!(
            error(&bytes[..10]).contains("byte 0: length: expected at least 24 bytes, found 10")
        );
        assert!(error(&bytes[..bytes.len() - 1]).contains("byte 16: length of the payload"));
        for (offset, what) in [
            (0, "byte 0: magic"),
            (8, "byte 8: version"),
            (12, "byte 12: checksum"),
            (500, "checksum"),
        ] {
            let mut changed = bytes.clone();
            changed[offset] ^= 1;
            let error = error(&changed);
            assert!(error.contains(what), "{offset}: {error}");
        }
    }
}
