//! Runs the program and checks what it prints.

use std::process::{Command, Output, Stdio};

pub(crate) fn bernet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    command.stdin(Stdio::null());
    command
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
pub(crate) fn succeeds(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

/// One line on stderr, nothing on stdout, an exit code: not a panic's 101 and not a signal.
#[track_caller]
pub(crate) fn fails(output: &Output, code: i32, says: &str) {
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(text(&output.stdout), "");
    assert!(
        line.starts_with("bernet: ") && line.ends_with('\n') && line.lines().count() == 1,
        "{line:?}"
    );
    assert!(line.contains(says), "{line:?} lacks {says:?}");
}
