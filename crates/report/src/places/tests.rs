use super::*;

fn found(output: &str) -> Vec<String> {
    let mut finder = PlaceFinder::default();
    let found = output.lines().filter_map(|line| finder.push(line.as_bytes()));
    found.map(|one| format!("{:?} {} {}", one.severity, one.place(), one.message)).collect()
}

#[test]
fn places_of_common_programs_are_found() {
    let cases: &[(&str, &str)] = &[
        ("main.c:3:5: error: expected ';'", "Error main.c:3:5 expected ';'"),
        ("/w/a b/main.c:3: warning: unused", "Warning /w/a b/main.c:3 unused"),
        ("foo.h:1:10: fatal error: bar.h: No such file", "Error foo.h:1:10 bar.h: No such file"),
        (r"C:\src\a.c:3:5: error: no", r"Error C:\src\a.c:3:5 no"),
        (
            "app.py:10: error: Incompatible types  [assignment]",
            "Error app.py:10 Incompatible types  [assignment]",
        ),
        ("src/a.ts(4,7): error TS2322: Type", "Error src/a.ts:4:7 TS2322: Type"),
        ("src/a.ts:4:7 - error TS2322: Type", "Error src/a.ts:4:7 Type"),
        ("\u{1b}[1mmain.c:3:5: \u{1b}[31merror:\u{1b}[0m red", "Error main.c:3:5 red"),
        (
            "error[E0308]: mismatched types\n  --> src/lib.rs:10:5\n   |",
            "Error src/lib.rs:10:5 mismatched types",
        ),
        (
            "warning: unused variable: `x`\n --> src/main.rs:2:9",
            "Warning src/main.rs:2:9 unused variable: `x`",
        ),
        (
            "thread 'tests::adds' (42) panicked at src/lib.rs:7:9:\nassertion `left == right` failed",
            "Error src/lib.rs:7:9 assertion `left == right` failed",
        ),
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n  File \"b.py\", line 2, in f\n    raise\nValueError: bad",
            "Error b.py:2 ValueError: bad",
        ),
        ("tests/test_a.py:4: AssertionError", "Error tests/test_a.py:4 AssertionError"),
        ("./main.go:10:2: undefined: x", "Error ./main.go:10:2 undefined: x"),
        ("    main_test.go:12: want 1, got 2", "Error main_test.go:12 want 1, got 2"),
        ("build.sh: line 3: nosuch: command not found", "Error build.sh:3 nosuch: command not found"),
        ("TypeError: x is not a function\n    at run (node_modules/a/b.js:1:1)", ""),
        (
            "TypeError: x is not a function\n    at run (/w/src/b.js:1:2)",
            "Error /w/src/b.js:1:2 TypeError: x is not a function",
        ),
        (
            "src/app.js\n  12:5  error  'x' is not defined  no-undef\n  13:1  warning  odd  rule\n",
            "Error src/app.js:12:5 'x' is not defined  no-undef; Warning src/app.js:13:1 odd  rule",
        ),
    ];
    for (output, expected) in cases {
        assert_eq!(found(output).join("; "), *expected, "{output}");
    }
}

#[test]
fn what_only_looks_like_a_place_is_none() {
    for output in [
        "12:30:01 started",
        "error: could not compile",
        "http://localhost:8080/ error",
        "0 errors, 0 warnings",
        "warning: unused\nnote: nothing\n --> a.rs:1:1",
        "  12:5  error  without a file",
        "a.c:0:0: error: no line has this number",
        "a.c:99999999999: error: nor this one",
    ] {
        assert_eq!(found(output), Vec::<String>::new(), "{output}");
    }
}

#[test]
fn a_message_and_a_name_hold_nothing_that_acts() {
    let mut finder = PlaceFinder::default();
    let line = b"a\x1b]0;t\x07.c:3:5: error: \x1b[31m##[error]forged\x1b[0m\r";
    let finding = finder.push(line).unwrap();
    assert_eq!(finding.place(), "a.c:3:5");
    assert_eq!(finding.message, "## [error]forged");
}

#[test]
fn a_line_of_any_length_is_looked_at_in_part() {
    let mut line = b"a.c:1:1: error: ".to_vec();
    line.resize(10 * 1024 * 1024, b'x');
    let finding = PlaceFinder::default().push(&line).unwrap();
    assert!(finding.message.len() < LONGEST_LINE);
}
