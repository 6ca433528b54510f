//! Data flows one way: `data, model ← infer ← train ← cli`; `data` and `report` know no trainer.

use std::{collections::BTreeSet, fs, path::Path};
use syn::{Ident, UseTree, visit::Visit};

/// Each folder of `src`, with the others that its code may name.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("data", &[]),
    ("exchange", &[]),
    ("measure", &[]),
    ("report", &["durable"]),
    ("model", &["durable"]),
    ("infer", &["model"]),
    ("train", &["data", "durable", "infer", "model"]),
    (
        "cli",
        &[
            "data", "exchange", "infer", "measure", "model", "report", "train",
        ],
    ),
];

/// All Rust files of a folder, with their text.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source code");
            found.push((path.display().to_string(), text));
        }
    }
}

/// Gathers the module after `crate::` (in the library) or `bernet::` (in the program), in `use` items and in paths.
#[derive(Default)]
struct Named(BTreeSet<String>);

impl Named {
    fn by(text: &str) -> BTreeSet<String> {
        let mut named = Self::default();
        named.visit_file(&syn::parse_file(text).expect("Rust code"));
        named.0
    }

    fn use_tree(&mut self, tree: &UseTree) {
        let name = match tree {
            UseTree::Path(path) => path.ident.to_string(),
            UseTree::Name(name) => name.ident.to_string(),
            UseTree::Rename(name) => name.ident.to_string(),
            UseTree::Glob(_) => "*".into(),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.use_tree(tree));
            }
        };
        self.0.insert(name);
    }
}

fn is_root(ident: &Ident) -> bool {
    ident == "crate" || ident == "bernet"
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let UseTree::Path(path) = &item.tree
            && is_root(&path.ident)
        {
            self.use_tree(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter().map(|segment| &segment.ident);
        if segments.next().is_some_and(is_root) {
            self.0.extend(segments.next().map(Ident::to_string));
        }
        syn::visit::visit_path(self, path);
    }
}

#[test]
fn modules_name_only_those_before_them() {
    let mut wrong = Vec::new();
    for (folder, allowed) in ALLOWED {
        let mut files = Vec::new();
        sources(&Path::new("src").join(folder), &mut files);
        assert!(!files.is_empty(), "src/{folder} holds code");
        for (path, text) in files {
            for module in Named::by(&text) {
                if module != folder && !allowed.contains(&module.as_str()) {
                    wrong.push(format!("{path} names {module}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_are_found_wherever_they_stand() {
    let text = "
        use crate::{data::{self, Dataset}, train::Epoch};
        use bernet::infer;
        // crate::report is but talk.
        fn f(model: super::other::Model) -> crate::model::Model {
            let cli = model;
            Some::<crate::durable::File>(cli)
        }
    ";
    let expected = ["data", "durable", "infer", "model", "train"];
    assert_eq!(Named::by(text), expected.map(String::from).into());
}
