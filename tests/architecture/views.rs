//! A run does not show itself: views do.

use crate::packages;
use crate::sizes::{lines_without_tests, product};

/// Files of the product below `dir` whose code, without tests and comments, has one of the words.
fn with_words(dir: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in product().iter().filter(|(path, _)| path.starts_with(dir)) {
        let lines = text.lines().take(lines_without_tests(text));
        let code: Vec<_> = lines.filter(|line| !line.trim_start().starts_with("//")).collect();
        let words = words.iter().filter(|word| code.iter().any(|line| line.contains(**word)));
        found.extend(words.map(|word| format!("{path}: {word}")));
    }
    found
}

#[test]
fn the_supervisor_knows_no_terminal_and_no_view() {
    let packages = packages();
    for acting in ["roboppi-supervisor", "roboppi-core"] {
        for used in &packages[acting].dependencies {
            assert!(
                !["roboppi-report", "roboppi-untrusted", "roboppi-tui"].contains(&used.name.as_str()),
                "{acting} uses {}; views follow a run, it does not know them",
                used.name
            );
        }
    }
    let words = ["io::stdout", "io::stderr", "stdout()", "IsTerminal", "\\x1b["];
    let found = with_words("crates/supervisor/", &words);
    assert!(found.is_empty(), "the supervisor knows no terminal:\n{}", found.join("\n"));
}

#[test]
fn commands_render_nothing() {
    let words = ["roboppi_untrusted", "unicode_width", "write!(", "writeln!(", "\\x1b", "::table("];
    let found = with_words("src/commands/", &words);
    assert!(found.is_empty(), "text of a run is made in roboppi-report:\n{}", found.join("\n"));
    assert!(!with_words("crates/report/", &words).is_empty(), "what renders is found");
}

#[test]
fn escape_sequences_are_defined_once() {
    let found = with_words("", &["']' | 'P'", "b']' | b'P'", "'\\u{9b}'"]);
    let elsewhere: Vec<_> = found.iter().filter(|found| !found.starts_with("crates/untrusted/")).collect();
    assert!(elsewhere.is_empty(), "roboppi-untrusted knows them: {elsewhere:?}");
    assert_eq!(found.len(), 2, "the definition is found: {found:?}");
}
