//! Writes nets as C, compiles and runs them.

use bernet::exchange::c::{self, Options};
use bernet_runtime::graph::Graph;
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Reads images from stdin and writes a line of logits and the class for each; with nets of bits
/// the packed image must give the same.
const MAIN: &str = r#"
#include "net.h"
#include <stdio.h>
#include <string.h>
int main(void) {
    static uint32_t arena[NET_ARENA_BYTES / 4];
    static uint8_t pixels[NET_INPUT_BYTES];
    static int32_t logits[NET_CLASSES];
    while (fread(pixels, 1, NET_INPUT_BYTES, stdin) == NET_INPUT_BYTES) {
        memset(arena, 0xa5, sizeof arena);
        net_run(arena, pixels, logits);
        for (int i = 0; i < NET_CLASSES; i++) printf("%ld ", (long)logits[i]);
        printf("%d\n", net_classify(arena, pixels));
#ifdef NET_LINES
        static int32_t by_line[NET_CLASSES];
        memset(arena, 0x5a, sizeof arena);
        for (unsigned line = 0; line < NET_LINES; line++)
            net_push_line(arena, line, &pixels[line * NET_LINE_BYTES]);
        net_finish(arena, by_line);
        if (memcmp(by_line, logits, sizeof by_line) != 0) return 2;
#endif
#ifdef NET_INPUT_WORDS
        static uint32_t bits[NET_INPUT_WORDS];
        static int32_t packed[NET_CLASSES];
        memset(bits, 0, sizeof bits);
        /* Bits after the last are of no consequence. */
        for (unsigned i = NET_INPUT_BYTES; i < 32 * NET_INPUT_WORDS; i++)
            bits[i / 32] |= (uint32_t)1 << (i % 32);
        for (unsigned i = 0; i < NET_INPUT_BYTES; i++)
            bits[i / 32] |= (uint32_t)(pixels[i] >= 128) << (i % 32);
        net_run_packed(arena, bits, packed);
        if (memcmp(packed, logits, sizeof packed) != 0) return 1;
#endif
    }
    return 0;
}
"#;

pub(crate) const WARNINGS: [&str; 5] =
    ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// Whether there is such a program; says so where there is not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: no {program}");
    }
    found
}

#[track_caller]
pub(crate) fn runs(command: &mut Command, about: &str) {
    let output = command.output().expect("a program that starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{about}: {command:?}: {text}");
}

/// Writes the files into a folder.
pub(crate) fn write(graph: &Graph, folder: &Path, about: &str) -> c::Files {
    let files = c::export(graph, &Options::default()).unwrap_or_else(|error| {
        panic!("{about}: {error}");
    });
    fs::write(folder.join("net.h"), &files.header).expect("a file");
    fs::write(folder.join("net.c"), &files.source).expect("a file");
    fs::write(folder.join("main.c"), MAIN).expect("a file");
    files
}

/// Compiles the files with a main program.
pub(crate) fn compile(folder: &Path, flags: &[&str], about: &str) {
    let mut command = Command::new("cc");
    command.current_dir(folder);
    command.args(["-std=c99", "-c", "net.c"]);
    runs(command.args(WARNINGS).args(flags), about);
    let mut command = Command::new("cc");
    command
        .current_dir(folder)
        .args(["main.c", "net.o", "-o", "run"]);
    runs(command.args(flags), about);
}

/// Logits and class of each image.
pub(crate) fn run(folder: &Path, pixels: &[u8], about: &str) -> Vec<Vec<i64>> {
    let mut child = Command::new(folder.join("run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(pixels));
        child.wait_with_output().expect("its output")
    });
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{about}: {} {text}", output.status);
    let line = |line: &str| {
        let numbers = line.split_whitespace();
        numbers
            .map(|number| number.parse().expect("a number"))
            .collect()
    };
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(line)
        .collect()
}

/// The first of the largest.
pub(crate) fn class(logits: &[i64]) -> i64 {
    let mut best = 0;
    for (at, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = at;
        }
    }
    best as i64
}

/// A number that the environment may set.
pub(crate) fn from_environment(name: &str, default: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(default, |text| text.parse().expect("a number"))
}
