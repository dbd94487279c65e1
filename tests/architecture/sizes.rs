//! A file has one subject, a function one thought.

use std::fs;

use crate::modules::Crate;
use crate::tokens::{Kind, Token, after_closing, tokens, without_tests};
use crate::{packages, root};

/// Lines a file may have without its tests.
const LONGEST_FILE: usize = 700;

/// Lines half of the files have at most, without their tests.
const USUAL_FILE: usize = 200;

/// Lines a function may have, from its name to its last bracket.
const LONGEST_FUNCTION: usize = 80;

/// Functions that are longer, each with the reason why its parts would be worse.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[
    ("crates/run/src/view/fold.rs", "apply_journal", "one arm for each event, in the order of the events"),
    (
        "crates/supervisor/src/prepare.rs",
        "new",
        "steps that must come in this order, each with its own error",
    ),
];

/// Paths and texts of the files that make what is released.
pub(crate) fn product() -> Vec<(String, String)> {
    let packages = packages();
    let entries = packages.values().flat_map(|package| {
        ["src/lib.rs", "src/main.rs"]
            .map(|entry| package.dir.join(entry))
            .into_iter()
            .filter(|it| it.exists())
    });
    let files = entries.flat_map(|entry| Crate::read(&entry).files().to_vec());
    files
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (file.strip_prefix(root()).unwrap_or(&file).display().to_string(), text)
        })
        .collect()
}

/// Lines up to the first test module.
pub(crate) fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let is_tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ");
    lines.windows(2).position(|pair| is_tests(pair) && pair[1].ends_with('{')).unwrap_or(lines.len())
}

#[test]
fn files_have_one_subject() {
    assert_eq!(lines_without_tests("a\nb\n\n#[cfg(test)]\nmod tests {\n}\n"), 3);
    let mut lengths: Vec<_> =
        product().iter().map(|(path, text)| (lines_without_tests(text), path.clone())).collect();
    lengths.sort();
    let too_long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > LONGEST_FILE).collect();
    assert!(too_long.is_empty(), "longer than {LONGEST_FILE} lines: {too_long:#?}");
    let (median, _) = &lengths[lengths.len() / 2];
    assert!(*median <= USUAL_FILE, "half of the files have more than {median} lines");
}

/// Name, first line and number of lines of each function.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let all = tokens(text);
    let tokens = without_tests(&all);
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if pair[0].is("fn")
            && pair[1].kind == Kind::Word
            && let Some(open) = body(&tokens, at + 2)
        {
            let end = tokens[after_closing(&tokens, open) - 1].line;
            found.push((pair[1].text.to_owned(), pair[0].line, end + 1 - pair[0].line));
        }
    }
    found
}

/// The bracket that opens the body of the function whose signature goes on at `at`, when it has one.
fn body(tokens: &[Token<'_>], mut at: usize) -> Option<usize> {
    loop {
        let token = tokens.get(at)?;
        if token.is("{") {
            return Some(at);
        } else if token.is(";") {
            return None;
        }
        at = if token.is("(") || token.is("[") { after_closing(tokens, at) } else { at + 1 };
    }
}

#[test]
fn functions_have_one_thought() {
    let found = functions("trait A { fn a(b: [u8; 2]);\n fn c() -> u8 {\n 0\n } }");
    assert_eq!(found, [("c".to_owned(), 2, 3)]);
    let (mut too_long, mut excused) = (Vec::new(), Vec::new());
    for (path, text) in product() {
        for (name, line, lines) in functions(&text) {
            if lines <= LONGEST_FUNCTION {
                continue;
            }
            match LONG_FUNCTIONS.iter().find(|(file, function, _)| *file == path && *function == name) {
                Some(excuse) => excused.push(excuse),
                None => too_long.push(format!("{path}:{line}: {name} has {lines} lines")),
            }
        }
    }
    assert!(
        too_long.is_empty(),
        "longer than {LONGEST_FUNCTION} lines; take a part out, or state the reason in LONG_FUNCTIONS:\n{}",
        too_long.join("\n")
    );
    for known in LONG_FUNCTIONS {
        assert!(excused.contains(&known), "{}: {} is not long any more", known.0, known.1);
    }
}
