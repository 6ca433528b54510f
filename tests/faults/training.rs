//! A short training in a child process.

use crate::digits::write_digits;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A net that an epoch takes milliseconds of.
pub(crate) const NET: &str = r#"input = { height = 16, width = 16, channels = 1 }
layer = [
  { kind = "conv", outputs = 4, kernel = [4, 4], stride = [4, 4] },
  { kind = "dense", outputs = 8 },
  { kind = "expectation", classes = 10 },
]
"#;

/// A folder with digits, a net, and what trainings leave.
pub(crate) struct Training(TempDir);

impl Training {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // An epoch is one step.
        write_digits(folder.path(), 400, 100);
        fs::write(folder.path().join("net.toml"), NET).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Its checkpoint.
    pub(crate) fn checkpoint(&self, out: &str) -> PathBuf {
        self.path(out).join("checkpoint")
    }

    /// The program, told to train into a folder here.
    pub(crate) fn command(&self, out: impl AsRef<Path>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
        command
            .args(["train", "--threads", "2", "--net"])
            .arg(self.path("net.toml"));
        command
            .arg("--data")
            .arg(self.0.path())
            .arg("--out")
            .arg(self.0.path().join(out));
        command.stdin(Stdio::null());
        command
    }

    /// The bytes of the net that a training has ended with.
    pub(crate) fn model(&self, out: &str) -> Vec<u8> {
        fs::read(self.path(out).join("model.bnet")).unwrap()
    }

    /// How many files of killed writers there are.
    pub(crate) fn partial_files(&self, out: &str) -> usize {
        let entries = fs::read_dir(self.path(out)).into_iter().flatten().flatten();
        entries
            .filter(|entry| {
                entry
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(b".bernet-")
            })
            .count()
    }
}

/// It succeeded.
pub(crate) fn succeeded(output: Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// It ended with code 1, and its last line, which is returned, begins as the program's complaints do.
pub(crate) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = text.lines().last().unwrap_or_default().to_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        last.starts_with("bernet: ") && !text.contains("panicked"),
        "{text}"
    );
    last
}
