//! A program that is watched while it runs.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// Starts it; its messages, line by line as they come. What it prints otherwise nobody reads.
pub(crate) fn spawn(command: &mut Command) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let messages = BufReader::new(child.stderr.take().unwrap());
    (child, messages.lines().map(Result::unwrap))
}
