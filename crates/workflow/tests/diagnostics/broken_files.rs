//! Files that are broken, hostile, or no workflow at all.

use roboppi_workflow::parse;

use super::{drawn, listed, step, with_steps};

#[test]
fn broken_yaml_is_located() {
    insta::assert_snapshot!(drawn("name: a: b\n"), @r"
        error: this is not valid YAML: there is a `:` where none can be
         --> flow.yaml:1:8
        1 | name: a: b
          |        ^
          hint: the text of `name` has a `: ` in it: put it into quotation marks, or on lines of their own below `name: |`
    ");
    insta::assert_snapshot!(drawn("name: x\nversion: \"open\n"), @r#"
        error: this is not valid YAML: invalid indentation in multiline quoted scalar
         --> flow.yaml:2:15
        2 | version: "open
          |               ^
          hint: a quotation mark is missing, or the lines after it are not indented
    "#);
    insta::assert_snapshot!(drawn("steps:\n\ta: 1\n"), @r"
        error: this is not valid YAML: tabs disallowed within this context (block indentation)
         --> flow.yaml:2:2
        2 |     a: 1
          |     ^
          hint: indent with spaces
    ");
    insta::assert_snapshot!(drawn("steps: [a, b\n"), @r"
        error: this is not valid YAML: unclosed bracket '['
         --> flow.yaml:1:8
        1 | steps: [a, b
          |        ^
          hint: a `]`, `}` or `,` is missing in this line or one above
    ");
    insta::assert_snapshot!(drawn("name: a\n b: 2\n"), @r"
        error: this is not valid YAML: there is a `:` where none can be
         --> flow.yaml:2:3
        2 |  b: 2
          |   ^
          hint: indent this line like the one above
    ");
}

#[test]
fn anchors_tags_and_keys_that_mean_nothing_are_located() {
    insta::assert_snapshot!(drawn("a: *missing\n").split("\n\n").last().unwrap(), @r"
        error: there is no anchor `missing` above
         --> flow.yaml:1:4
        1 | a: *missing
          |    ^^^^^^^^
          hint: an anchor, `&name`, must come before its alias, `*name`; a text that begins with `*` needs quotation marks
    ");
    let text = with_steps(
        "  a:\n    worker: !!str CUSTOM\n    instructions: !secret x\n    capabilities: !!set { READ }\n    max_retries: !!int two\n    ? [a, b]\n    : c\n    ~: d\n    <<: text\n",
    );
    insta::assert_snapshot!(listed(&text), @r"
        error 7:19 the tag `!secret` does not fit here (a workflow needs no tags; remove it)
        error 8:25 the tag `!!set` does not fit here (a workflow needs no tags; remove it)
        error 9:18 the tag `!!int` does not fit here (a workflow needs no tags; remove it)
        error 10:7 a key must be text (put a key such as `null` into quotation marks; a text that begins with `{` or `[` needs them, too)
        error 12:5 a key must be text (put a key such as `null` into quotation marks; a text that begins with `{` or `[` needs them, too)
        error 13:5 `<<` takes a map or a list of maps (write `<<: *anchor`, with the anchor on a map)
    ");
}

#[test]
fn files_that_hold_no_workflow_say_so() {
    insta::assert_snapshot!(drawn(""), @r"
        error: the file has no content
         --> flow.yaml:1:1
          hint: a workflow is a map with `name`, `version`, `timeout` and `steps`
    ");
    insta::assert_snapshot!(drawn("# nothing\n---\n"), @r"
        error: the file has no content
         --> flow.yaml:1:1
        1 | # nothing
          | ^
          hint: a workflow is a map with `name`, `version`, `timeout` and `steps`
    ");
    insta::assert_snapshot!(drawn("- a\n- b\n"), @r"
        error: the file must be a map, found a list
         --> flow.yaml:1:1
        1 | - a
          | ^^^
          hint: a workflow has the keys `name`, `version`, `timeout` and `steps`
    ");
    insta::assert_snapshot!(listed("just text"), @r#"
        error 1:1 the file must be a map, found the text `just text` (a workflow has the keys `name`, `version`, `timeout` and `steps`)
        "#);
    insta::assert_snapshot!(listed("{}"), @r#"
        error 1:1 the workflow has no `name` (add `name:` (text))
        error 1:1 the workflow has no `version` (add `version:` (`"1"`))
        error 1:1 the workflow has no `timeout` (add `timeout:` (duration))
        error 1:1 the workflow has no `steps` (add `steps:` (map))
    "#);
    insta::assert_snapshot!(drawn("name: a\n---\nname: b\n"), @r"
        error: the file holds a second document
         --> flow.yaml:2:1
        2 | ---
          | ^^^
          hint: keep one workflow per file; remove this `---`
    ");
    insta::assert_snapshot!(listed(&" ".repeat((16 << 20) + 1)), @r"
        error 1:1 the file is too large: 16777217 bytes, at most 16777216 are read
    ");
}

#[test]
fn a_byte_order_mark_tabs_and_windows_line_ends_do_not_move_places() {
    let text = format!("\u{feff}{}", with_steps(&step("a", ", \ttimeout: soon")).replace('\n', "\r\n"));
    insta::assert_snapshot!(drawn(&text), @r#"
        error: `steps.a.timeout` is not a duration: `soon`
         --> flow.yaml:5:78
        5 |   a: { worker: CUSTOM, instructions: "true", capabilities: [READ],  timeout: soon }
          |                                                                              ^^^^
          hint: write numbers with the units ms, s, m, h and no spaces: `90s`, `1h30m`
    "#);
    insta::assert_snapshot!(drawn("\u{feff}version: 1"), @r#"
        error: the workflow has no `name`
         --> flow.yaml:1:1
        1 | version: 1
          | ^
          hint: add `name:` (text)

        error: the workflow has no `timeout`
         --> flow.yaml:1:1
        1 | version: 1
          | ^
          hint: add `timeout:` (duration)

        error: the workflow has no `steps`
         --> flow.yaml:1:1
        1 | version: 1
          | ^
          hint: add `steps:` (map)

        error: `version` must be text, found a number
         --> flow.yaml:1:10
        1 | version: 1
          |          ^
          hint: write `version: "1"`
    "#);
    let text = "name: 日本\nversion: 1 # 版\nsteps: { 手順: { worker: CUSTOM, instructions: x, capabilities: [READ], timout: 1s } }\ntimeout: 1h";
    insta::assert_snapshot!(drawn(text), @r#"
        error: `version` must be text, found a number
         --> flow.yaml:2:10
        2 | version: 1 # 版
          |          ^
          hint: write `version: "1"`

        warning: unknown key `steps.手順.timout`, it has no effect
         --> flow.yaml:3:71
        3 | steps: { 手順: { worker: CUSTOM, instructions: x, capabilities: [READ], timout: 1s } }
          |                                                                         ^^^^^^
          hint: did you mean `timeout`?
    "#);
}

#[test]
fn hostile_files_are_refused_quickly() {
    insta::assert_snapshot!(listed(&format!("a: {}", "[".repeat(500_000))), @"error 1:68 more than 64 lists and maps inside each other");
    let nested: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    insta::assert_snapshot!(listed(&nested), @"error 65:65 more than 64 lists and maps inside each other");

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "));
    }
    insta::assert_snapshot!(listed(&bomb), @r"
        error 5:45 aliases expand the file to more than 100000 values (write less with anchors, or split the workflow)
    ");

    let mut merged = "m0: &m0 { k0: 1 }\n".to_owned();
    for level in 1..2000 {
        merged += &format!("m{level}: &m{level} {{ <<: *m{}, k{level}: 1 }}\n", level - 1);
    }
    insta::assert_snapshot!(listed(&merged), @r"
        error 259:19 aliases expand the file to more than 100000 values (write less with anchors, or split the workflow)
    ");

    let chain: String = (1..200).map(|level| format!("c{level}: &c{level} [*c{}]\n", level - 1)).collect();
    insta::assert_snapshot!(listed(&format!("c0: &c0 [x]\n{chain}")), @"error 64:12 more than 64 lists and maps inside each other");
    insta::assert_snapshot!(listed("a: &a [*a]\n"), @r#"
        error 1:1 the workflow has no `name` (add `name:` (text))
        error 1:1 the workflow has no `version` (add `version:` (`"1"`))
        error 1:1 the workflow has no `timeout` (add `timeout:` (duration))
        error 1:1 the workflow has no `steps` (add `steps:` (map))
        warning 1:1 unknown key `a`, it has no effect
        error 1:8 an alias stands inside its own anchor
    "#);

    // A text behind an alias counts by its length: each step would have a copy of it.
    let long = format!("x-text: &text {}\nx-all: [{}]\n", "x".repeat(100_000), "*text,".repeat(1_000));
    insta::assert_snapshot!(listed(&long), @r"
        error 2:195 aliases expand the file to more than 100000 values (write less with anchors, or split the workflow)
    ");

    let keys = format!("{{{}}}", "a,".repeat(400_000));
    assert_eq!(parse(&keys).diagnostics.len(), 201);
    assert!(parse(&keys).render("f", &keys, false).len() < 200_000);
    let names: String = (0..15_000).map(|n| format!("nearly{n},")).collect();
    let many: String = (0..1000).map(|n| step(&format!("nearest{n}"), "")).collect();
    let parsed = parse(&with_steps(&(many + &step("z", &format!(", depends_on: [{names}]")))));
    assert_eq!((parsed.diagnostics.len(), parsed.omitted), (200, 14_800));

    let many: String = (0..30_000).map(|n| format!("key{n}: 1\n")).collect();
    let parsed = parse(&many);
    assert_eq!((parsed.diagnostics.len(), parsed.omitted), (204, 29_800));
}

#[test]
fn hostile_text_does_not_reach_the_terminal() {
    let text = "\"na\\e[2Jme\": 1\nname: \u{202e}evil\nversion: \"\\e[31m\"\ntimeout: *a\u{202e}\nsteps: { a: { depends_on: \"\\e[2J\" } }\n";
    let drawn = parse(text).render("fi\x1ble.yaml", text, false);
    assert!(!drawn.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{drawn:?}");
}
