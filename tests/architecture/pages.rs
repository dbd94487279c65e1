//! Links in the pages lead somewhere, and so do the crates and items of ARCHITECTURE.md and the files and commits of
//! the recipes.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::modules::Crate;
use crate::tokens::tokens;
use crate::{files, packages, root};

/// What `[…](target)` names in a page, code left out.
fn links(page: &str) -> Vec<String> {
    let mut fenced = false;
    let prose = page.lines().filter(|line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced
    });
    let mut found = Vec::new();
    for line in prose {
        let without_code: String = line.split('`').step_by(2).collect();
        for part in without_code.split("](").skip(1) {
            found.extend(part.split(')').next().map(|target| target.trim().to_owned()));
        }
    }
    found
}

/// The names under which headings can be reached.
fn anchors(page: &str) -> Vec<String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#').trim().to_lowercase().chars().filter(|c| plain(*c)).collect()
        })
        .map(|heading: String| heading.replace(' ', "-"))
        .collect()
}

#[test]
fn links_in_pages_lead_somewhere() {
    assert_eq!(links("[a](b.md) `[x](y)` [c](d#e)\n```\n[f](g)\n```\n"), ["b.md", "d#e"]);
    let mut broken = Vec::new();
    for path in files(root(), "md") {
        let page = fs::read_to_string(&path).unwrap();
        for link in links(&page).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let reached = target.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&target).unwrap()).iter().any(|found| found == anchor));
            if !reached {
                broken.push(format!("{}: {link}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    assert!(files(root(), "md").iter().any(|path| path.ends_with("README.md")));
}

/// The page for newcomers.
const RECIPES: &str = "docs/contributing/recipes.md";

#[test]
fn recipes_name_files_that_are_there() {
    let page = fs::read_to_string(root().join(RECIPES)).unwrap();
    let paths = page.split('`').skip(1).step_by(2).filter(|code| {
        let is_path = ["crates/", "docs/", "src/", "tests/"].iter().any(|start| code.starts_with(start));
        is_path && !code.contains(['<', '*', ' '])
    });
    let missing: Vec<_> = paths.clone().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "{RECIPES} names what is not there: {missing:?}");
    assert!(paths.count() > 20);
}

#[test]
fn recipes_name_commits_of_the_history() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let page = fs::read_to_string(root().join(RECIPES)).unwrap();
    let commits: Vec<_> =
        page.lines().filter_map(|line| line.strip_prefix("Commit: `")?.split_once("` ")).collect();
    assert_eq!(commits.len(), 5, "one commit for each recipe");
    if git(&["rev-parse", "--is-shallow-repository"]).as_deref() != Some("false") {
        // An archive of the sources, or a clone without its history.
        return;
    }
    for (hash, subject) in commits {
        let found = git(&["log", "-1", "--format=%s", hash, "--"]);
        assert_eq!(found.as_deref(), Some(subject), "{RECIPES}: {hash}");
    }
}

/// Every name that is declared in the product, modules included.
fn declared() -> BTreeSet<String> {
    const DECLARING: &[&str] = &["struct", "enum", "trait", "type", "fn", "mod", "const", "static"];
    let mut found = BTreeSet::new();
    for package in packages().values() {
        for entry in ["src/lib.rs", "src/main.rs"].map(|entry| package.dir.join(entry)) {
            let files = if entry.exists() { Crate::read(&entry).files().to_vec() } else { Vec::new() };
            for file in files {
                let text = fs::read_to_string(file).unwrap();
                for pair in tokens(&text).windows(3) {
                    let is_macro = pair[0].is("macro_rules") && pair[1].is("!");
                    if DECLARING.contains(&pair[0].text) {
                        found.insert(pair[1].text.to_owned());
                    } else if is_macro {
                        found.insert(pair[2].text.to_owned());
                    }
                }
            }
        }
    }
    found
}

#[test]
fn the_architecture_names_what_is_there() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let packages = packages();
    for package in packages.values() {
        let dir = package.dir.strip_prefix(root()).unwrap().display().to_string();
        assert!(
            !dir.starts_with("crates/") || page.contains(&format!("`{dir}`")),
            "the code map has no row for {dir}"
        );
    }
    let declared = declared();
    let short: BTreeSet<_> =
        packages.keys().map(|name| name.strip_prefix("roboppi-").unwrap_or(name)).collect();
    let (_, section) = page.split_once("\n## Where decisions live\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let places = section
        .lines()
        .filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | "))
        .map(|(_, place)| place);
    let mut missing = Vec::new();
    for name in places.flat_map(|place| place.split('`').skip(1).step_by(2)) {
        let item = name.rsplit("::").next().unwrap_or(name).trim_end_matches('!');
        if !declared.contains(item) && !short.contains(item) && item != "match" {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "where decisions live: these items are not there any more: {missing:?}");
}
