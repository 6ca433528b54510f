//! What a figure was measured on.

use std::{fs, process::Command, time::SystemTime};

/// The machine, the code and the day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// The CPU's name, with family and model where the system tells them: names alone are often cut short.
    pub cpu: String,
    /// The commit of the working tree, `unknown` outside one.
    pub commit: String,
    /// The day, `YYYY-MM-DD`, UTC.
    pub date: String,
}

impl Host {
    /// This machine, now.
    pub fn here() -> Self {
        Self {
            cpu: cpu(),
            commit: commit().unwrap_or_else(|| "unknown".into()),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].into(),
        }
    }

    /// The CPU's name as a folder's: small letters, digits, hyphens.
    pub fn folder(&self) -> String {
        let words = self.cpu.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        words.join("-")
    }
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.split(':').next().map(str::trim) == Some(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let Some(name) = field("model name") else {
        return std::env::consts::ARCH.into();
    };
    match (field("cpu family"), field("model")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_a_folder() {
        let host = Host {
            cpu: "AMD EPYC (family 25, model 1)".into(),
            ..Host::here()
        };
        assert_eq!(host.folder(), "amd-epyc-family-25-model-1");
        assert_eq!(host.date.len(), "2023-12-31".len());
        assert!(!Host::here().folder().is_empty());
    }
}
