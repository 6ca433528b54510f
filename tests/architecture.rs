//! Data flows one way: `kernels ← runtime ← src ← cli`, in `src` as [`ALLOWED`] says, and no two
//! files or folders of any crate name each other, in whatever circle.

#[path = "support/modules.rs"]
mod modules;

use modules::Modules;
use std::collections::BTreeSet;

/// Each crate by its root, with the other crates that it may name.
const CRATES: [(&str, &[&str]); 4] = [
    ("kernels/src/lib.rs", &[]),
    ("runtime/src/lib.rs", &["kernels/src/lib.rs"]),
    ("src/lib.rs", &["kernels/src/lib.rs", "runtime/src/lib.rs"]),
    (
        "src/main.rs",
        &["kernels/src/lib.rs", "runtime/src/lib.rs", "src/lib.rs"],
    ),
];

/// Each folder or file of `src`, with the others that its code may name.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("classify", &["data"]),
    ("data", &[]),
    ("durable", &[]),
    ("exchange", &[]),
    ("measure", &[]),
    ("report", &["durable"]),
    ("train", &["classify", "data", "durable"]),
    ("lib", &[]),
];

/// The files of the trainer that name the runtime: to write a net, and to say why they cannot.
const WRITERS: [&str; 3] = [
    "src/train/error.rs",
    "src/train/export.rs",
    "src/train/run.rs",
];

/// Files that name each other, which nobody has taken apart yet. A circle that is not here, or no
/// longer there, is a failure.
const KNOWN_CIRCLES: [&[&str]; 0] = [];

fn modules() -> Modules {
    Modules::read(&CRATES.map(|(root, _)| root))
}

#[test]
fn crates_name_only_those_before_them() {
    let modules = modules();
    let mut wrong = Vec::new();
    for (from, to) in modules.arrows() {
        let (from, to) = (modules.file(from), modules.file(to));
        let (_, allowed) = CRATES
            .iter()
            .find(|(root, _)| *root == from.root)
            .expect("a crate");
        if from.root != to.root && !allowed.contains(&to.root) {
            wrong.push(format!("{} names {}", from.path, to.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_of_src_name_only_those_before_them() {
    let modules = modules();
    let part = |module: &[String]| module.first().map_or("lib", String::as_str).to_owned();
    let (mut wrong, mut parts) = (Vec::new(), BTreeSet::new());
    for file in modules.files().filter(|file| file.root == "src/lib.rs") {
        parts.insert(part(&file.module));
    }
    assert_eq!(parts, ALLOWED.map(|(name, _)| name.to_owned()).into());
    for (from, to) in modules.arrows() {
        let (from, to) = (modules.file(from), modules.file(to));
        if from.root != "src/lib.rs" {
            continue;
        }
        let name = part(&from.module);
        if to.root == "runtime/src/lib.rs" && name == "train" && !WRITERS.contains(&&*from.path) {
            wrong.push(format!("{} names {}", from.path, to.path));
        }
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(part, _)| *part == name)
            .expect("a part");
        let other = part(&to.module);
        if to.root == from.root && other != name && !allowed.contains(&&*other) {
            wrong.push(format!("{} names {}", from.path, to.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_name_each_other() {
    let modules = modules();
    let found: BTreeSet<BTreeSet<String>> = modules.circles_of_files().into_iter().collect();
    let known: BTreeSet<BTreeSet<String>> = KNOWN_CIRCLES
        .iter()
        .map(|circle| circle.iter().map(|&path| path.to_owned()).collect())
        .collect();
    for circle in found.difference(&known) {
        eprintln!("a circle: {circle:#?}");
        modules.explain(circle);
    }
    for circle in known.difference(&found) {
        eprintln!("no longer a circle: {circle:#?}");
    }
    assert!(found == known, "see above");
}

#[test]
fn no_folders_name_each_other() {
    let circles = modules().circles_of_folders();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn names_are_found_wherever_they_stand() {
    let files = [
        ("src/lib.rs", "pub mod a; pub mod b; pub mod c; mod d;"),
        (
            "src/a.rs",
            "use crate::b::{self, Item}; pub struct A; fn f(x: Item) -> b::Other { x }",
        ),
        (
            "src/b/mod.rs",
            "mod inner; pub use inner::Item; pub struct Other;",
        ),
        (
            "src/b/inner.rs",
            "use super::Other; pub struct Item(Other);",
        ),
        (
            "src/c.rs",
            "// crate::d is but talk.
             fn f() { let d = vec![crate::a::A]; }
             #[cfg(test)] mod tests { use crate::d::D; }",
        ),
        ("src/d.rs", "use crate::c::*; pub struct D;"),
    ];
    let modules = Modules::of(
        &files.map(|(path, text)| (path.into(), text.into())),
        &["src/lib.rs"],
    );
    let arrows: BTreeSet<_> = modules
        .arrows()
        .map(|(from, to)| (&*modules.file(from).path, &*modules.file(to).path))
        .collect();
    let expected = [
        ("src/a.rs", "src/b/inner.rs"),
        ("src/a.rs", "src/b/mod.rs"),
        ("src/b/inner.rs", "src/b/mod.rs"),
        ("src/c.rs", "src/a.rs"),
        ("src/d.rs", "src/c.rs"),
    ];
    assert_eq!(arrows, expected.into());
    assert!(modules.circles_of_files().is_empty() && modules.circles_of_folders().is_empty());
}
