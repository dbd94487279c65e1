//! Words that were replaced by the terms of the field must not come back: in names, in messages and in pages.

use std::collections::BTreeSet;
use std::fs;

use crate::modules::Crate;
use crate::tokens::{Kind, tokens, without_tests};
use crate::{TOOLS, files, packages, root};

/// Words that are in no name of the product, and what to write instead.
const NAMES: &[(&str, &str)] = &[
    ("anybody", "the noun"),
    ("brought", "`received`, `sent`"),
    ("clerk", "`worker`, `service`"),
    ("everybody", "the noun"),
    ("happened", "`event`"),
    ("nobody", "`none`, `no` and the noun"),
    ("outgrown", "`limit_reached`"),
    ("polite", "`soft_stop`"),
    ("rubbish", "`malformed`"),
    ("said", "`reported`, `printed`, or the noun"),
    ("say", "`print`, `report`, `emit`"),
    ("says", "`prints`, `reports`, `emits`"),
    ("somebody", "the noun"),
    ("someone", "the noun"),
    ("surroundings", "`context`"),
    ("tell", "`notify`, `report`, `emit`"),
    ("teller", "`reporter`"),
    ("tells", "`notifies`, `reports`, `emits`"),
    ("told", "`notified`, `reported`, `announced`"),
    ("unspoken", "`redaction`"),
    ("visitor", "`client`, `peer`, `connection`"),
    ("who", "the noun"),
    ("whoever", "the noun"),
    ("wish", "`request`, `command`"),
    ("wished", "`requested`"),
    ("wisher", "`origin`, `sender`"),
    ("wishes", "`requests`, `commands`"),
];

/// Names that types once had, and what they are called now.
const TYPES: &[(&str, &str)] = &[
    ("Absence", "ConnectFailure"),
    ("Asked", "ShutdownRequest"),
    ("CoreInUse", "ActiveCore"),
    ("Desk", "LogService"),
    ("Hold", "TerminalMode"),
    ("Noticed", "LinkState"),
    ("Shared", "RunContext"),
    ("Sheet", "LogLayout"),
    ("Signalled", "SignalEvent"),
    ("Spot", "Position"),
    ("Standing", "Liveness"),
    ("Tray", "Mailbox"),
];

/// Names that are right nevertheless: the name, and the reason.
const RIGHT_NAMES: &[(&str, &str)] = &[("Visitor", "a trait of serde")];

/// Phrases that are in no page and no message, and what to write instead.
const PHRASES: &[(&str, &str)] = &[
    ("all the same", "nevertheless"),
    ("anew", "again"),
    ("anybody", "the noun: a user, a process, a reader"),
    ("became of", "the outcome of"),
    ("becomes of", "the outcome of"),
    ("came of", "the result of"),
    ("comes of", "the result of"),
    ("everybody", "the noun: all users, all processes"),
    ("nobody", "no and the noun: no user, no process"),
    ("rubbish", "malformed input"),
    ("somebody", "the noun: a user, a process, a reader"),
    ("someone", "the noun: a user, a process, a reader"),
    ("stand still", "pause, be suspended"),
    ("stands still", "is paused, is suspended"),
    ("stood still", "was paused, was suspended"),
    ("who", "the noun: the user, the process, the reader"),
    ("whoever", "the noun: any user, any process"),
    ("whom", "the noun"),
    ("wish", "request, command"),
    ("wished", "requested"),
    ("wishes", "requests, commands"),
];

/// Texts that are right nevertheless: the text, and the reason.
const RIGHT_TEXTS: &[(&str, &str)] = &[
    ("wish", "the kind of a command in records of earlier versions"),
    ("wishes", "the commands in views of earlier versions"),
];

/// Pages of the past, which quote what once was.
const PAST: &[&str] = &["CHANGELOG.md"];

/// The words of a name: `is_told`, `ToldOnce` and `TOLD` have `told`.
fn words_of(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut before = '_';
    for c in name.chars() {
        if (c == '_' || (c.is_uppercase() && before.is_lowercase())) && !word.is_empty() {
            words.insert(std::mem::take(&mut word));
        }
        word.extend(c.to_lowercase().filter(|c| *c != '_'));
        before = c;
    }
    words.insert(word);
    words
}

/// Phrases that are in a text as words of their own, whatever their case and the white space in them.
fn phrases_in(text: &str) -> Vec<&'static (&'static str, &'static str)> {
    let separated: String =
        text.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { ' ' }).collect();
    let lower = separated.to_lowercase();
    let words = format!(" {} ", lower.split_whitespace().collect::<Vec<_>>().join(" "));
    PHRASES.iter().filter(|(phrase, _)| words.contains(&format!(" {phrase} "))).collect()
}

/// Paths and texts of the files that make what is released.
fn product() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for package in packages().values().filter(|package| !TOOLS.contains(&package.name.as_str())) {
        for entry in ["src/lib.rs", "src/main.rs"].map(|entry| package.dir.join(entry)) {
            if entry.exists() {
                for file in Crate::read(&entry).files() {
                    let shown = file.strip_prefix(root()).unwrap_or(file).display().to_string();
                    found.push((shown, fs::read_to_string(file).unwrap()));
                }
            }
        }
    }
    found
}

#[test]
fn words_and_phrases_are_found() {
    let words = |name| words_of(name).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(words("is_told"), "is told");
    assert_eq!(words("CoreToldTwice"), "core told twice");
    assert_eq!(words("NOT_TOLD"), "not told");
    let phrases = |text| phrases_in(text).iter().map(|(phrase, _)| *phrase).collect::<Vec<_>>();
    assert_eq!(phrases("Whoami knows what\n  came   of it, all the same."), ["all the same", "came of"]);
    assert_eq!(phrases("`who` is asked"), ["who"]);
}

#[test]
fn names_are_the_terms_of_the_field() {
    let mut found = BTreeSet::new();
    for (path, text) in product() {
        let all = tokens(&text);
        let left = without_tests(&all);
        for (at, token) in left.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
            let name = token.text;
            let declares = at > 0 && ["struct", "enum", "trait", "type"].contains(&left[at - 1].text);
            if RIGHT_NAMES.iter().any(|(right, _)| *right == name) {
                continue;
            }
            let words = words_of(name);
            let word = NAMES.iter().find(|(word, _)| words.contains(*word));
            let old = TYPES.iter().find(|(old, _)| declares && *old == name);
            if let Some((_, instead)) = old.or(word) {
                found.insert(format!("{path}:{}: {name}: write {instead}", token.line));
            }
        }
    }
    let found: Vec<_> = found.into_iter().collect();
    assert!(found.is_empty(), "names with words that were replaced:\n{}", found.join("\n"));
}

#[test]
fn messages_are_plain_technical_english() {
    let mut found = Vec::new();
    for (path, text) in product() {
        for token in without_tests(&tokens(&text)).iter().filter(|token| token.kind == Kind::Text) {
            let message = token.text.trim_matches('"');
            if RIGHT_TEXTS.iter().any(|(right, _)| *right == message) {
                continue;
            }
            for (phrase, instead) in phrases_in(message) {
                found.push(format!("{path}:{}: “{phrase}”: write {instead}: {message}", token.line));
            }
        }
    }
    assert!(found.is_empty(), "messages with words that were replaced:\n{}", found.join("\n"));
}

#[test]
fn pages_are_plain_technical_english() {
    let mut found = Vec::new();
    for path in files(root(), "md") {
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        if PAST.contains(&shown.as_str()) {
            continue;
        }
        let page = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = page.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            // The subjects of old commits are quoted.
            if line.starts_with("Commit: `") {
                continue;
            }
            // A phrase may go over the end of a line.
            let next = lines.get(number + 1).copied().unwrap_or_default();
            let both = format!("{line} {next}");
            let begins_here = |phrase: &&(&str, &str)| {
                phrases_in(line).contains(phrase) || !phrases_in(next).contains(phrase)
            };
            for (phrase, instead) in phrases_in(&both).iter().filter(|phrase| begins_here(phrase)) {
                if !RIGHT_TEXTS.iter().any(|(right, _)| line.contains(&format!("`{right}`"))) {
                    found.push(format!("{shown}:{}: “{phrase}”: write {instead}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "pages with words that were replaced:\n{}", found.join("\n"));
}
