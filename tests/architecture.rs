//! Data flows one way: `kernels ← runtime ← src ← cli`, in `src` as [`ALLOWED`] says, and no two
//! files or folders beside each other name each other, in whatever circle.
//!
//! A folder's `mod.rs` is its door: what stands there for all of the folder's files may name them.

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
const WRITERS: [&str; 4] = [
    "src/train/error.rs",
    "src/train/export.rs",
    "src/train/run.rs",
    // Looks at what was written.
    "src/train/tests/deployment.rs",
];

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
fn nothing_names_each_other() {
    let modules = modules();
    let circles = modules.circles();
    for circle in &circles {
        eprintln!("a circle: {circle:#?}");
        modules.explain(circle);
    }
    assert!(circles.is_empty(), "see above");
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
    // A file that is named back.
    let circle = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "pub struct A(crate::b::inner::B);"),
        ("src/b/mod.rs", "pub mod inner;"),
        ("src/b/inner.rs", "pub struct B(Option<Box<crate::a::A>>);"),
    ];
    let circle = circle.map(|(path, text)| (path.into(), text.into()));
    let found = Modules::of(&circle, &["src/lib.rs"]).circles();
    let expected = ["src::a", "src::b"].map(String::from).into();
    assert_eq!(found, [expected]);

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
    assert!(modules.circles().is_empty());
}
