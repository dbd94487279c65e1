//! A layout changes no meaning, and is changed by no second one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(clippy::disallowed_methods, reason = "the corpus is in files")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use roboppi_workflow::{WorkerKinds, document, format, parse_with};

fn hold(name: &str, text: &str) {
    let made = format(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    let of = |text: &str| parse_with(text, &WorkerKinds::any()).workflow.unwrap();
    let (before, after) = (of(text), of(&made));
    assert_eq!(before, after, "{name}");
    assert!(before.steps.keys().eq(after.steps.keys()), "{name}: the order of the steps");
    assert_eq!(document(text), document(&made), "{name}");
    let again = format(&made).unwrap();
    assert!(again == made, "{name}: laid out twice\n{text}\n--- once\n{made}\n--- twice\n{again}");
}

#[test]
fn examples_and_corpus_keep_their_meaning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tried = 0;
    for dir in ["../../examples", "tests/corpus"] {
        for entry in fs::read_dir(root.join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
            let text = if is_yaml { fs::read_to_string(&path).unwrap() } else { continue };
            if !text.starts_with("# refused") {
                hold(&path.display().to_string(), &text);
                tried += 1;
            }
        }
    }
    assert!(tried >= 8, "{tried} files");
}

/// Texts of all kinds, many of which need quotation marks.
fn words() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "yes",
        "null",
        "~",
        "1",
        "2.0",
        "0x1F",
        ".inf",
        "a: b",
        "a #b",
        "#a",
        "- a",
        "a:",
        " a",
        "a ",
        "[a]",
        "{a}",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "|",
        ">",
        "? a",
        "'a'",
        "\"a\"",
        "a\\b",
        "<<",
        "=",
        "a, b",
        "two\nlines",
        "tab\there",
        "three\n\nlines\n",
        "  leading\nlines",
        "ends\n\n",
        "漢字",
        "é: ü",
        "---",
        "...",
        "a\u{85}b",
        "\u{2028}",
        "none",
        "1m",
        "x\u{7f}",
        "a]b",
        "//",
        ".a",
        "_",
        "(a)",
        "+a",
        "a'b",
    ]);
    prop_oneof![odd.prop_map(str::to_owned), "[a-z]{1,8}( [a-z:#,]{1,6}){0,3}", "\\PC{1,12}"]
}

/// How a text is written, where the choice falls on a style that it cannot have: in double quotes.
fn written(text: &str, style: u8, indent: usize) -> String {
    let escaped = |text: &str| {
        let mut quoted = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                    let _ = write!(quoted, "\\U{:08x}", u32::from(c));
                }
                c => quoted.push(c),
            }
        }
        quoted + "\""
    };
    let is_simple =
        !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    let of_lines =
        text.chars().all(|c| c == '\n' || !c.is_control()) && !text.trim_matches(['\n', ' ']).is_empty();
    let of_lines = of_lines && !text.contains(['\u{2028}', '\u{2029}', '\u{feff}']);
    match style % 4 {
        0 if is_simple => format!("'{}'", text.replace('\'', "''")),
        1 if is_simple
            && text.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
            && !text.starts_with("no") =>
        {
            text.to_owned()
        }
        2 if of_lines && !text.starts_with(['\n', ' ']) => {
            let ends = text.len() - text.trim_end_matches('\n').len();
            let mark = ["|-", "|", "|+"][ends.min(2)];
            let inner = " ".repeat(indent);
            let lines: Vec<_> =
                text.trim_end_matches('\n').split('\n').map(|line| format!("{inner}{line}")).collect();
            format!("{mark}\n{}{}", lines.join("\n"), "\n".repeat(ends.saturating_sub(1)))
        }
        _ => escaped(text),
    }
}

/// Decisions of an author, taken in turn.
struct Choices(Vec<u8>, usize);

impl Choices {
    fn next(&mut self) -> u8 {
        self.1 += 1;
        self.0.get(self.1 % self.0.len()).copied().unwrap_or(0)
    }

    /// Nothing, a comment or an empty line, at some indentation.
    fn line_above(&mut self, file: &mut String, indent: usize) {
        match self.next() % 6 {
            0 => file.push('\n'),
            1 => {
                let _ = writeln!(file, "{}# comment {}: |", " ".repeat(indent), self.1);
            }
            2 if self.next().is_multiple_of(2) => {
                let _ = writeln!(file, "{}#odd {}\n\n", " ".repeat(usize::from(self.next()) % 9), self.1);
            }
            _ => {}
        }
    }

    fn behind(&mut self) -> String {
        if self.next().is_multiple_of(4) { format!("   # behind {}", self.1) } else { String::new() }
    }
}

/// A valid file in the layout that the choices make.
fn file(names: &[String], texts: &[String], choices: &mut Choices) -> String {
    let step = [2, 3, 4][usize::from(choices.next()) % 3];
    let mut file = String::new();
    choices.line_above(&mut file, 0);
    let mut head = vec![
        format!("name: {}", written(&texts[0], choices.next(), step)),
        format!("version: {}", ["\"1\"", "'1'"][usize::from(choices.next()) % 2]),
        "timeout: 5m".to_owned(),
        "x-shared: &shared\n  worker: CUSTOM\n  capabilities: [READ,   EDIT]".to_owned(),
    ];
    let turn = usize::from(choices.next()) % head.len();
    head.rotate_left(turn);
    let mut head = head.into_iter();
    for line in head.by_ref().take(4) {
        choices.line_above(&mut file, 0);
        let is_block = line.contains('\n');
        let behind = if is_block { String::new() } else { choices.behind() };
        let _ = writeln!(file, "{line}{behind}");
    }
    let _ = writeln!(file, "steps:{}", choices.behind());
    let mut earlier: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        choices.line_above(&mut file, step);
        let inner = " ".repeat(2 * step);
        let _ = writeln!(
            file,
            "{}{}:{}",
            " ".repeat(step),
            written(name, 3 + choices.next() % 2 * 5, 0),
            choices.behind()
        );
        let text = &texts[(index + 1) % texts.len()];
        let mut keys = vec![
            format!("instructions: {}", written(text, choices.next(), 3 * step)),
            if choices.next().is_multiple_of(2) {
                "<<: *shared".to_owned()
            } else {
                format!("worker: CUSTOM\n{inner}capabilities:\n{inner}- READ\n{inner}- EDIT")
            },
            format!("description: {}", written(&texts[(index + 2) % texts.len()], choices.next(), 3 * step)),
            format!("outputs: [{{path: p, name: {}}}]", written(&format!("out {index}"), 3, 0)),
        ];
        if let Some(last) = earlier.last() {
            let list = if choices.next().is_multiple_of(2) {
                format!(" [ {last} ]")
            } else {
                format!("\n{inner}  -   {last}")
            };
            keys.push(format!("depends_on:{list}"));
        }
        let turn = usize::from(choices.next()) % keys.len();
        keys.rotate_left(turn);
        for key in keys {
            choices.line_above(&mut file, 2 * step);
            let behind = if key.contains('\n') { String::new() } else { choices.behind() };
            let _ = writeln!(file, "{inner}{key}{behind}");
        }
        earlier.push(written(name, 3, 0));
    }
    choices.line_above(&mut file, step);
    choices.line_above(&mut file, 0);
    file
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn generated_files_keep_their_meaning(
        names in prop::collection::btree_set("[a-z]{1,6}|[0-9]{1,3}|[a-z]{1,3}: [a-z]", 1..4),
        texts in prop::collection::vec(words(), 4),
        choices in prop::collection::vec(any::<u8>(), 16..64),
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let text = file(&names, &texts, &mut Choices(choices, 0));
        // A text that no file may have, such as one that is nothing but white space in a name, is not what this is about.
        prop_assume!(parse_with(&text, &WorkerKinds::any()).workflow.is_some());
        hold("generated", &text);
    }
}
