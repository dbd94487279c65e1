//! Modules beside each other use one another in one direction only.
//!
//! The rule, for each module of a crate: its children, each taken together with all that is below it, form no
//! circle. A path counts for the file that declares the item, so a name that is re-exported on the way is
//! followed to where it is. A module may use its own parents and its own children: `super::` leads to what
//! the parts share, and a parent is made of its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::modules::{Crate, ModulePath, Use};
use crate::{packages, root};

/// Children of one module, and which of them uses which by what.
type Level = BTreeMap<String, BTreeMap<String, Vec<Use>>>;

/// The levels of a crate, by the module whose children they are.
fn levels(uses: Vec<Use>) -> BTreeMap<ModulePath, Level> {
    let mut levels: BTreeMap<ModulePath, Level> = BTreeMap::new();
    for found in uses {
        let shared = found.from.iter().zip(&found.to).take_while(|(from, to)| from == to).count();
        if let (Some(from), Some(to)) = (found.from.get(shared), found.to.get(shared)) {
            let level = levels.entry(found.from[..shared].to_vec()).or_default();
            level.entry(from.clone()).or_default().entry(to.clone()).or_default().push(found);
        }
    }
    levels
}

/// The shortest circle through `start`, which is first and last in it.
fn circle(level: &Level, start: &str) -> Option<Vec<String>> {
    let mut paths = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            let used = path.last().and_then(|last| level.get(last));
            for next in used.into_iter().flat_map(BTreeMap::keys) {
                let mut path = path.clone();
                path.push(next.clone());
                if next == start {
                    return Some(path);
                }
                if seen.insert(next.clone()) {
                    longer.push(path);
                }
            }
        }
        paths = longer;
    }
    None
}

/// Every circle of a level, each told once, with what makes it.
fn circles(parent: &ModulePath, level: &Level) -> Vec<String> {
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for start in level.keys() {
        let Some(circle) = circle(level, start) else { continue };
        let members: BTreeSet<_> = circle.iter().cloned().collect();
        if !told.insert(members) {
            continue;
        }
        let below = parent.iter().map(|part| format!("{part}::")).collect::<String>();
        let mut text = format!("{below}{{{}}}", circle.join(" -> "));
        for pair in circle.windows(2) {
            let uses = &level[&pair[0]][&pair[1]];
            for found in uses.iter().take(3) {
                let (from, to) = (found.from.join("/"), found.to.join("/"));
                let _ = write!(text, "\n    {from}.rs uses {} of {to}.rs", found.written);
            }
            if uses.len() > 3 {
                let _ = write!(text, "\n    and {} more like that", uses.len() - 3);
            }
        }
        found.push(text);
    }
    found
}

#[test]
fn a_circle_is_found_and_named() {
    let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let made = |from: &str, to: &str| Use { from: path(from), to: path(to), written: format!("crate::{to}") };
    let all = |uses: Vec<Use>| {
        levels(uses).iter().flat_map(|(parent, level)| circles(parent, level)).collect::<Vec<_>>()
    };
    assert_eq!(all(vec![made("a/x", "a"), made("a", "a/x"), made("a/x", "b"), made("b/y", "c")]), [""; 0]);
    assert_eq!(
        all(vec![made("m/a/x", "m/b"), made("m/b/y", "m/c"), made("m/c", "m/a"), made("m/d", "m/a")]),
        ["m::{a -> b -> c -> a}\n    m/a/x.rs uses crate::m/b of m/b.rs\n    \
          m/b/y.rs uses crate::m/c of m/c.rs\n    m/c.rs uses crate::m/a of m/a.rs"]
    );
}

#[test]
fn modules_use_one_another_in_one_direction() {
    let mut found = Vec::new();
    for package in packages().values() {
        for entry in ["src/lib.rs", "src/main.rs"].map(|entry| package.dir.join(entry)) {
            let shown = entry.strip_prefix(root()).unwrap_or(&entry).display().to_string();
            if entry.exists() {
                for (parent, level) in levels(Crate::read(&entry).uses()) {
                    found.extend(circles(&parent, &level).iter().map(|circle| format!("{shown}: {circle}")));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "circles of modules; move what two of them share below both, or beside them:\n{}",
        found.join("\n")
    );
}
