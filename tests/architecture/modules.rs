//! The modules of a crate, and which of them uses which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tokens::{Kind, Token, after_closing, tokens, without_tests};

/// `["view", "logs"]` is `crate::view::logs`.
pub(crate) type ModulePath = Vec<String>;

/// One path that leads from a file to another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) from: ModulePath,
    /// The file in which the item is, re-exports followed.
    pub(crate) to: ModulePath,
    pub(crate) written: String,
}

#[derive(Default)]
struct Module {
    /// The module of the file it is in.
    file: ModulePath,
    children: Vec<String>,
    /// What `use` brings into it: a name, and the path it stands for.
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Items it declares itself.
    items: Vec<String>,
    paths: Vec<Vec<String>>,
}

/// The modules of a crate as it is released: what is compiled for tests alone is left out.
#[derive(Default)]
pub(crate) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
    files: Vec<PathBuf>,
}

impl Crate {
    /// Reads a crate from its `lib.rs` or `main.rs`.
    pub(crate) fn read(entry: &Path) -> Crate {
        let mut found = Crate::default();
        found.read_file(entry, &Vec::new(), entry.parent().unwrap_or(Path::new("")));
        found
    }

    fn read_file(&mut self, file: &Path, module: &ModulePath, children: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.files.push(file.to_owned());
        for name in self.read_text(&text, module, module) {
            let dir = name.iter().fold(children.to_owned(), |dir, part| dir.join(part));
            let inner = [module.as_slice(), name.as_slice()].concat();
            self.read_file(&dir.with_extension("rs"), &inner, &dir);
        }
    }

    /// Takes in the text of a module, and returns what it declares in files of their own, relative to it.
    fn read_text(&mut self, text: &str, module: &ModulePath, file: &ModulePath) -> Vec<Vec<String>> {
        let all = tokens(text);
        let left = without_tests(&all);
        let mut files = Vec::new();
        self.read_tokens(&left, module, file, &mut Vec::new(), &mut files);
        files
    }

    fn read_tokens(
        &mut self,
        tokens: &[Token<'_>],
        path: &ModulePath,
        file: &ModulePath,
        inner: &mut Vec<String>,
        files: &mut Vec<Vec<String>>,
    ) {
        let mut module = Module { file: file.clone(), ..Module::default() };
        let mut at = 0;
        while at < tokens.len() {
            let name = |offset: usize| tokens.get(at + offset).filter(|token| token.kind == Kind::Word);
            let follows = |offset: usize, mark: &str| tokens.get(at + offset).is_some_and(|it| it.is(mark));
            let token = tokens[at];
            if token.is("mod")
                && let Some(child) = name(1)
            {
                module.children.push(child.text.to_owned());
                inner.push(child.text.to_owned());
                if follows(2, "{") {
                    let end = after_closing(tokens, at + 2);
                    let mut below = path.clone();
                    below.push(child.text.to_owned());
                    self.read_tokens(&tokens[at + 3..end - 1], &below, file, inner, files);
                    at = end;
                } else {
                    files.push(inner.clone());
                    at += 2;
                }
                inner.pop();
            } else if token.is("use") {
                at = use_tree(tokens, at + 1, &[], &mut module);
            } else if token.kind == Kind::Word && follows(1, "::") && (at == 0 || !tokens[at - 1].is("::")) {
                let mut written = vec![token.text.to_owned()];
                while tokens.get(at + 1).is_some_and(|it| it.is("::"))
                    && let Some(next) = tokens.get(at + 2).filter(|next| next.kind == Kind::Word)
                {
                    written.push(next.text.to_owned());
                    at += 2;
                }
                module.paths.push(written);
                at += 1;
            } else {
                const DECLARING: &[&str] =
                    &["struct", "enum", "trait", "type", "fn", "const", "static", "macro_rules"];
                if DECLARING.contains(&token.text)
                    && let Some(item) = name(1)
                {
                    module.items.push(item.text.to_owned());
                }
                at += 1;
            }
        }
        self.modules.insert(path.clone(), module);
    }

    /// The files it is made of.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Every path of a file that leads to another file.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut found = Vec::new();
        for (path, module) in &self.modules {
            for written in &module.paths {
                if let Some(to) = self.resolve(path, written, 0).filter(|to| *to != module.file) {
                    found.push(Use { from: module.file.clone(), to, written: written.join("::") });
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The file that declares what is written in `module`; `None` for what is not of this crate.
    fn resolve(&self, path: &ModulePath, written: &[String], depth: usize) -> Option<ModulePath> {
        // A name that is imported under itself comes round for ever.
        const DEEPEST: usize = 16;
        let (first, mut rest) = written.split_first().filter(|_| depth < DEEPEST)?;
        let module = self.modules.get(path)?;
        let mut start = match first.as_str() {
            "crate" => Vec::new(),
            "self" => path.clone(),
            "super" => path[..path.len().checked_sub(1)?].to_vec(),
            name if module.children.iter().any(|child| child == name) => {
                return self.walk(path.clone(), written, depth);
            }
            name => {
                let imported = module.imports.get(name).filter(|imported| imported.as_slice() != written)?;
                return self.resolve(path, &[imported.as_slice(), rest].concat(), depth + 1);
            }
        };
        while let Some((_, left)) = rest.split_first().filter(|(next, _)| *next == "super") {
            start.pop();
            rest = left;
        }
        self.walk(start, rest, depth)
    }

    /// Goes down from `at` as far as there are modules, then on through what the last one re-exports.
    fn walk(&self, mut at: ModulePath, mut rest: &[String], depth: usize) -> Option<ModulePath> {
        while let Some((name, left)) = rest.split_first() {
            let module = self.modules.get(&at)?;
            if module.children.contains(name) {
                at.push(name.clone());
                rest = left;
            } else if let Some(imported) = module.imports.get(name) {
                return self.resolve(&at, &[imported.as_slice(), left].concat(), depth + 1);
            } else if module.items.contains(name) {
                break;
            } else {
                let by_glob = module.globs.iter().find_map(|glob| {
                    let to = self.resolve(&at, &[glob.as_slice(), rest].concat(), depth + 1)?;
                    self.modules.get(&to).filter(|to| to.items.contains(name)).map(|_| to)
                });
                return by_glob.or_else(|| Some(module.file.clone()));
            }
        }
        self.modules.get(&at).map(|module| module.file.clone())
    }
}

/// Takes in the tree of a `use` from `at` on, and returns the place after it.
fn use_tree(tokens: &[Token<'_>], mut at: usize, before: &[String], module: &mut Module) -> usize {
    let mut path = before.to_vec();
    loop {
        let Some(token) = tokens.get(at) else { return at };
        at += 1;
        if token.is("{") {
            while tokens.get(at).is_some_and(|token| !token.is("}")) {
                at = use_tree(tokens, at, &path, module);
                at += usize::from(tokens.get(at).is_some_and(|token| token.is(",")));
            }
            return at + 1;
        }
        if token.is("*") {
            module.paths.push(path.clone());
            module.globs.push(path);
            return at;
        }
        if token.kind == Kind::Word {
            path.push(token.text.to_owned());
        }
        if tokens.get(at).is_some_and(|token| token.is("::")) {
            at += 1;
        } else if token.kind == Kind::Word {
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let mut name = path.last().cloned().unwrap_or_default();
            if tokens.get(at).is_some_and(|token| token.is("as")) {
                name = tokens.get(at + 1).map_or(name, |alias| alias.text.to_owned());
                at += 2;
            }
            module.paths.push(path.clone());
            module.imports.insert(name, path);
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_followed_to_the_file_that_declares_it() {
        let mut found = Crate::default();
        let module = |path: &[&str]| path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let mut read = |path: &[&str], text: &str| found.read_text(text, &module(path), &module(path));
        read(&[], "mod a; mod b; mod c; pub use a::inner::Thing; pub(crate) use c::*;");
        read(&["a"], "pub(crate) mod inner; use crate::c::Other as Its;");
        read(&["a", "inner"], "pub struct Thing; fn x() { super::Its::new(); std::mem::take(); }");
        read(&["b"], "use crate::{Thing, Other}; fn y(z: Thing) { crate::a::inner::x() }");
        read(&["c"], "pub struct Other;");
        let uses: Vec<_> = found
            .uses()
            .into_iter()
            .filter(|found| !found.from.is_empty())
            .map(|found| format!("{} -> {}: {}", found.from.join("/"), found.to.join("/"), found.written))
            .collect();
        assert_eq!(
            uses,
            [
                "a -> c: crate::c::Other",
                "a/inner -> c: super::Its::new",
                "b -> a/inner: crate::Thing",
                "b -> a/inner: crate::a::inner::x",
                "b -> c: crate::Other",
            ]
        );
    }
}
