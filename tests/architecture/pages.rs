//! Links in the pages lead somewhere, and so do the files and commits that the recipes name.

use std::fs;
use std::process::Command;

use crate::{files, root};

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
