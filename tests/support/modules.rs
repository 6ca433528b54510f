//! Which files of some crates name which, by the names in their code.
//!
//! A name leads to the file that defines it, through whatever re-exports; re-exporting alone is no
//! naming. Tests inside files do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use syn::{Expr, Item, Token, UseTree, punctuated::Punctuated, visit::Visit};

/// A file of a crate.
pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) path: String,
    /// The root of its crate.
    pub(crate) root: &'static str,
    /// The module that it is.
    pub(crate) module: Vec<String>,
    code: Code,
}

/// The files and the arrows between them.
pub(crate) struct Modules {
    files: Vec<File>,
    by_module: BTreeMap<(&'static str, Vec<String>), usize>,
    arrows: BTreeSet<(usize, usize)>,
}

impl Modules {
    /// All files of the crates with these roots.
    pub(crate) fn read(roots: &[&'static str]) -> Self {
        let mut found = Vec::new();
        let folders: BTreeSet<&Path> = roots
            .iter()
            .filter_map(|root| Path::new(root).parent())
            .collect();
        for folder in folders {
            sources(folder, &mut found);
        }
        Self::of(&found, roots)
    }

    /// Of paths and texts.
    pub(crate) fn of(sources: &[(String, String)], roots: &[&'static str]) -> Self {
        let mut files = Vec::new();
        for (path, text) in sources {
            let code = Code::of(text);
            let (root, module) = place(path, roots);
            files.push(File {
                path: path.clone(),
                root,
                module,
                code,
            });
        }
        // Files of tests are declared by nobody else.
        let declared: BTreeSet<(&str, Vec<String>)> = files
            .iter()
            .flat_map(|file: &File| {
                let path = |name: &String| [&file.module[..], std::slice::from_ref(name)].concat();
                let modules = file.code.modules.iter();
                modules.map(move |name| (file.root, path(name)))
            })
            .collect();
        files.retain(|file| {
            file.module.is_empty() || declared.contains(&(file.root, file.module.clone()))
        });
        let places = files.iter().enumerate();
        let by_module = places.map(|(index, file)| ((file.root, file.module.clone()), index));
        let mut modules = Self {
            by_module: by_module.collect(),
            files,
            arrows: BTreeSet::new(),
        };
        let mut arrows = BTreeSet::new();
        for (index, file) in modules.files.iter().enumerate() {
            for name in &file.code.names {
                if let Some(to) = modules.resolve(index, name, 0)
                    && to != index
                {
                    arrows.insert((index, to));
                }
            }
        }
        modules.arrows = arrows;
        modules
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    pub(crate) fn file(&self, index: usize) -> &File {
        &self.files[index]
    }

    /// From a file to one that it names.
    pub(crate) fn arrows(&self) -> impl Iterator<Item = (usize, usize)> {
        self.arrows.iter().copied()
    }

    /// Sets of files and folders of one folder, from each of which arrows lead to all others.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<String>> {
        let mut arrows: BTreeMap<String, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for (from, to) in self.arrows() {
            if let Some((folder, a, b)) = self.beside(from, to) {
                arrows.entry(folder).or_default().insert((a, b));
            }
        }
        let mut found = Vec::new();
        for (folder, arrows) in arrows {
            let names: BTreeSet<&str> = arrows.iter().flat_map(|&(a, b)| [a, b]).collect();
            let names = Vec::from_iter(names);
            let place = |name| {
                names
                    .iter()
                    .position(|&other| other == name)
                    .expect("a name")
            };
            let numbered = arrows.iter().map(|&(a, b)| (place(a), place(b))).collect();
            for circle in circles(names.len(), &numbered) {
                let path = |index: usize| format!("{folder}::{}", names[index]);
                found.push(circle.into_iter().map(path).collect());
            }
        }
        found
    }

    /// The folder that holds both ends of an arrow, and the file or folder in it that holds each;
    /// nothing where one of both is the folder's own file, or they are of different crates.
    fn beside(&self, from: usize, to: usize) -> Option<(String, &str, &str)> {
        let (from, to) = (&self.files[from], &self.files[to]);
        let pairs = from.module.iter().zip(&to.module);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        let (a, b) = (from.module.get(shared)?, to.module.get(shared)?);
        let root = from.root.split('/').next().unwrap_or_default().to_owned();
        let folder = [&[root], &from.module[..shared]].concat().join("::");
        (from.root == to.root).then_some((folder, a, b))
    }

    /// Prints the names that make a circle.
    pub(crate) fn explain(&self, circle: &BTreeSet<String>) {
        for (index, file) in self.files.iter().enumerate() {
            for name in &file.code.names {
                let Some(to) = self.resolve(index, name, 0) else {
                    continue;
                };
                let is_part = self.beside(index, to).is_some_and(|(folder, a, b)| {
                    a != b
                        && [a, b]
                            .iter()
                            .all(|end| circle.contains(&format!("{folder}::{end}")))
                });
                if is_part {
                    let to = &self.files[to].path;
                    eprintln!("  {}: {} is in {to}", file.path, name.join("::"));
                }
            }
        }
    }

    /// The file that defines what a path in the code of a file names.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        // Globs of each other would go round for ever.
        if depth > 8 {
            return None;
        }
        let file = &self.files[from];
        let (first, rest) = path.split_first()?;
        let other = match &**first {
            "bernet" => Some("src/lib.rs"),
            "bernet_kernels" => Some("kernels/src/lib.rs"),
            "bernet_runtime" => Some("runtime/src/lib.rs"),
            _ => None,
        };
        let other = other.filter(|_| !file.code.defined.contains(first));
        match &**first {
            "crate" => self.descend(*self.by_module.get(&(file.root, vec![]))?, rest, depth),
            "self" => self.descend(from, rest, depth),
            "super" => {
                let (_, parent) = file.module.split_last()?;
                let parent = *self.by_module.get(&(file.root, parent.to_vec()))?;
                if rest.first().is_some_and(|next| next == "super") {
                    return self.resolve(parent, rest, depth);
                }
                self.descend(parent, rest, depth)
            }
            _ => match other {
                Some(root) => self.descend(*self.by_module.get(&(root, vec![]))?, rest, depth),
                None => self.look_up(from, path, depth),
            },
        }
    }

    /// The file of a path that begins in a module.
    fn descend(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        match path {
            [] => Some(module),
            _ => Some(self.look_up(module, path, depth).unwrap_or(module)),
        }
    }

    /// The file of a path whose first name is known in a module.
    fn look_up(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        let file = &self.files[module];
        let (first, rest) = path.split_first()?;
        let child = [&file.module[..], std::slice::from_ref(first)].concat();
        if file.code.modules.contains(first)
            && let Some(&child) = self.by_module.get(&(file.root, child))
        {
            return self.descend(child, rest, depth);
        }
        if file.code.defined.contains(first) {
            return Some(module);
        }
        if let Some(import) = file.code.imports.get(first) {
            let path = [&import[..], rest].concat();
            return self.resolve(module, &path, depth + 1);
        }
        file.code.globs.iter().find_map(|glob| {
            let from = self.resolve(module, glob, depth + 1)?;
            if from == module {
                return None;
            }
            self.look_up(from, path, depth + 1)
        })
    }
}

/// All Rust files of a folder, with their text.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of source code") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source code");
            found.push((path.display().to_string(), text));
        }
    }
}

/// The crate and the module of a file.
fn place(path: &str, roots: &[&'static str]) -> (&'static str, Vec<String>) {
    if let Some(root) = roots.iter().find(|root| **root == path) {
        return (root, vec![]);
    }
    let folder = |root: &str| root.rsplit_once('/').expect("a folder").0.to_owned() + "/";
    // The program's files are in the folder of its main module.
    let is_program = path.starts_with("src/cli/");
    let root = roots
        .iter()
        .find(|root| path.starts_with(&folder(root)) && root.ends_with("main.rs") == is_program)
        .expect("a crate");
    let inside = path[folder(root).len()..].trim_end_matches(".rs");
    let inside = inside.trim_end_matches("/mod");
    (root, inside.split('/').map(String::from).collect())
}

/// Sets of more than one place, from each of which arrows lead to all others of it.
fn circles(count: usize, arrows: &BTreeSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let reached = |start: usize| {
        let (mut reached, mut open) = (vec![false; count], vec![start]);
        while let Some(from) = open.pop() {
            for &(_, to) in arrows.range((from, 0)..(from + 1, 0)) {
                if !std::mem::replace(&mut reached[to], true) {
                    open.push(to);
                }
            }
        }
        reached
    };
    let reached: Vec<_> = (0..count).map(reached).collect();
    let both = |a: usize, b: usize| reached[a][b] && reached[b][a];
    let firsts = (0..count).filter(|&a| !(0..a).any(|b| both(a, b)));
    let circles = firsts.map(|a| {
        (0..count)
            .filter(|&b| a == b || both(a, b))
            .collect::<Vec<_>>()
    });
    circles.filter(|circle| circle.len() > 1).collect()
}

/// What a file defines and names.
#[derive(Default)]
struct Code {
    defined: BTreeSet<String>,
    /// Modules that are files of their own.
    modules: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// The paths in its code, but for re-exports.
    names: BTreeSet<Vec<String>>,
    /// Modules inside the file around what is looked at.
    depth: usize,
}

impl Code {
    fn of(text: &str) -> Self {
        let mut code = Self::default();
        code.visit_file(&syn::parse_file(text).expect("Rust code"));
        code
    }

    /// The path as it would be written outside the modules inside the file.
    fn outside(&self, path: Vec<String>) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|name| *name == "super").count();
        let inside = supers.min(self.depth);
        let path = path[inside..].to_vec();
        (!path.is_empty()).then_some(path)
    }

    fn use_tree(&mut self, tree: &UseTree, before: &[String], is_public: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(path) => return self.use_tree(&path.tree, &with(&path.ident), is_public),
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.use_tree(tree, before, is_public));
            }
            UseTree::Glob(_) => {
                if let Some(path) = self.outside(before.to_vec()) {
                    self.globs.push(path.clone());
                    self.names.extend((!is_public).then_some(path));
                }
                return;
            }
            UseTree::Name(name) if name.ident == "self" => {
                (before.last().cloned().unwrap_or_default(), before.to_vec())
            }
            UseTree::Name(name) => (name.ident.to_string(), with(&name.ident)),
            UseTree::Rename(name) => (name.rename.to_string(), with(&name.ident)),
        };
        if let Some(path) = self.outside(path) {
            self.names.extend((!is_public).then_some(path.clone()));
            // A name of a module is no import of itself.
            if path.len() > 1 || path.first() != Some(&name) {
                self.imports.insert(name, path);
            }
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        list.is_ok_and(|list| {
            let text = list.tokens.to_string();
            list.path.is_ident("cfg")
                && (text == "test"
                    || text.starts_with("all (test")
                    || text.starts_with("any (test"))
        })
    })
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item(&mut self, item: &'ast Item) {
        let (name, attributes) = match item {
            Item::Const(item) => (Some(&item.ident), &item.attrs),
            Item::Enum(item) => (Some(&item.ident), &item.attrs),
            Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
            Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
            Item::Static(item) => (Some(&item.ident), &item.attrs),
            Item::Struct(item) => (Some(&item.ident), &item.attrs),
            Item::Trait(item) => (Some(&item.ident), &item.attrs),
            Item::Type(item) => (Some(&item.ident), &item.attrs),
            Item::Union(item) => (Some(&item.ident), &item.attrs),
            Item::Impl(item) => (None, &item.attrs),
            Item::Use(item) => {
                if !is_test(&item.attrs) {
                    let is_public = !matches!(item.vis, syn::Visibility::Inherited);
                    self.use_tree(&item.tree, &[], is_public);
                }
                return;
            }
            Item::Mod(item) => {
                if is_test(&item.attrs) {
                    return;
                }
                if item.content.is_some() {
                    self.defined.insert(item.ident.to_string());
                    self.depth += 1;
                    syn::visit::visit_item_mod(self, item);
                    self.depth -= 1;
                } else {
                    self.modules.insert(item.ident.to_string());
                }
                return;
            }
            _ => return syn::visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            self.defined.extend(name.map(ToString::to_string));
            syn::visit::visit_item(self, item);
        }
    }

    // `pub(crate)` names nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.names.extend(self.outside(segments.collect()));
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        syn::visit::visit_macro(self, call);
        let arguments = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        for argument in arguments.iter().flatten() {
            // The arguments do not live as long as the file.
            let mut inside = Code {
                depth: self.depth,
                ..Code::default()
            };
            inside.visit_expr(argument);
            self.names.append(&mut inside.names);
        }
    }
}
