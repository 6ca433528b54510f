//! What a resumed training must agree with, and the lock of its folder.

use anyhow::{Context, Result, bail, ensure};
use bernet::{
    data::{Dataset, Source},
    train::{self, Config, Freezing},
};
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// Takes a folder for one training, for as long as the file is open.
///
/// # Errors
/// Where another process has it.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "{}: another training writes into this folder ({} is locked): wait for its end, or choose another --out",
            folder.display(),
            path.display()
        ),
        // File systems without locks: nothing can be said of others.
        Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// The data's name and sizes, and a checksum of every image and label.
pub(super) fn describe_data(source: &Source) -> String {
    let grey = |set: &Dataset| if set.grey().is_some() { ", grey" } else { "" };
    format!(
        "{}: {} training and {} test images{}, checksum {:08x}",
        source.name,
        source.train.len(),
        source.test.len(),
        grey(&source.train),
        train::data_checksum([&source.train, &source.test])
    )
}

/// Refuses other data than a checkpoint's. The name does not matter, only what is in them; checkpoints
/// of older versions do not know theirs.
pub(super) fn check_data(checkpoint: &Path, before: &str, now: &str) -> Result<()> {
    let contents = |text: &str| text.rsplit_once(": ").map(|(_, rest)| rest.to_owned());
    if before.is_empty() {
        super::complain(&format!(
            "{}: written by an older version, which did not note its data: make sure that --data is the same",
            checkpoint.display()
        ));
        return Ok(());
    }
    ensure!(
        contents(before) == contents(now),
        "{}: trained on {before}; this command gives it {now}: give --resume the --data that it began with, or choose another --out",
        checkpoint.display()
    );
    Ok(())
}

/// Refuses settings that stand on the command line and differ from the checkpoint's.
pub(super) fn check_settings(
    checkpoint: &Path,
    before: &Config,
    asked: &Config,
    given: &[&str],
    set: &[String],
) -> Result<()> {
    let binarise = |config: &Config| match config
        .freezing
        .map(|freezing: Freezing| freezing.binarise())
    {
        Some(binarise) => binarise.name().to_owned(),
        None => "at the end".into(),
    };
    let warp = |config: &Config| config.warp.map_or(0.0, |warp| warp.probability).to_string();
    let search = |config: &Config| {
        if config.search.is_some() {
            "with"
        } else {
            "without"
        }
        .to_owned()
    };
    for &name in given {
        let values = |value: &dyn Fn(&Config) -> String| (value(before), value(asked));
        let (was, is) = match name {
            "method" => values(&|config| config.method.name().into()),
            "epochs" | "preset" => values(&|config| config.epochs.to_string()),
            "gradient" => values(&|config| config.distribution.name().into()),
            "activations" => values(&|config| config.activations.name().into()),
            "surrogate" => values(&|config| config.surrogate.name().into()),
            "normalisation" => values(&|config| config.normalisation.name().into()),
            "seed" => values(&|config| config.seed.to_string()),
            "binarise" => values(&binarise),
            "warp" => values(&warp),
            "search" => values(&search),
            "net" => match before.network == asked.network {
                true => continue,
                false => ("another net".into(), "this one".into()),
            },
            "set" => {
                let with = before.with(&set.join("\n"));
                match with.is_ok_and(|with| with == *before) {
                    true => continue,
                    false => ("other settings".into(), set.join("; ")),
                }
            }
            "config" => {
                let differences = asked.beyond(before);
                match (before == asked, differences.is_empty()) {
                    (true, _) => continue,
                    (false, true) => ("another net".into(), "that of the file".into()),
                    (false, false) => ("other settings".into(), differences.join("; ")),
                }
            }
            _ => continue,
        };
        ensure!(
            was == is,
            "--{name}: {} was begun with {was}, this command asks for {is}: leave the option out to go on, or choose another --out",
            checkpoint.display()
        );
    }
    Ok(())
}
