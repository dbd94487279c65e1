//! What is done where workers work, the `Site` of their host does: the runner copies no artifact and measures no log itself.

use std::collections::BTreeSet;

use crate::sizes::product;
use crate::tokens::{Kind, tokens, without_tests};

/// The file with the trait and the site of this host.
const SITE: &str = "crates/supervisor/src/site.rs";

/// Functions that act on the files of this host, and the files that define them.
const LOCAL: &[(&str, &str)] = &[
    ("copy_inputs", "crates/supervisor/src/context_dir.rs"),
    ("copy_outputs", "crates/supervisor/src/context_dir.rs"),
    ("events_len", "crates/record/src/run_dir.rs"),
    ("log_len", "crates/record/src/run_dir.rs"),
];

/// Which of them the text uses, and which it defines.
fn local_functions(text: &str) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let all = tokens(text);
    let left = without_tests(&all);
    let (mut used, mut defined) = (BTreeSet::new(), BTreeSet::new());
    for pair in left.windows(2).filter(|pair| pair[1].kind == Kind::Word) {
        let Some((name, _)) = LOCAL.iter().find(|(name, _)| pair[1].is(name)) else { continue };
        if pair[0].is("fn") {
            defined.insert(*name);
        } else {
            used.insert(*name);
        }
    }
    (used, defined)
}

#[test]
fn local_functions_are_found() {
    let text = "fn log_len() {} fn f() { self.copy_inputs(); let g = RunDir::events_len; } // copy_outputs";
    let (used, defined) = local_functions(text);
    assert_eq!(used, BTreeSet::from(["copy_inputs", "events_len"]));
    assert_eq!(defined, BTreeSet::from(["log_len"]));
}

#[test]
fn only_the_site_acts_on_the_files_of_a_host() {
    let (mut wrong, mut of_site, mut defined) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (path, text) in product() {
        let (used, defines) = local_functions(&text);
        defined.extend(defines.into_iter().map(|name| (name, path.clone())));
        if path == SITE {
            of_site = used;
        } else if path.starts_with("crates/supervisor/") {
            wrong.extend(used.into_iter().map(|name| format!("{path}: {name}")));
        }
    }
    assert!(wrong.is_empty(), "ask the `Site` of the host of the attempt: {wrong:#?}");
    assert_eq!(of_site, LOCAL.iter().map(|(name, _)| *name).collect(), "what the site of this host uses");
    for (name, path) in LOCAL {
        assert!(defined.contains(&(*name, (*path).to_owned())), "{name} is no longer in {path}");
    }
}
