//! Files and lines that compilers, test runners and tracebacks name.

use std::sync::LazyLock;

use regex::Regex;

/// A place in a file, as it was printed. Whether there is such a file is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Absolute, or from where the worker was.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: Option<u32>,
}

/// Places named in a text, with the bytes of each, in their order.
pub(crate) fn locations(text: &str) -> Vec<(std::ops::Range<usize>, Location)> {
    // Python's `File "x", line 1`; `x(1,2)` of tsc and MSVC; `x:1:2` and `x:1` of almost all others.
    static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r#"(?x) File\ "(?<quoted>[^"]+)",\ line\ (?<line1>\d+)
            | (?<path>[^\s:"'`()\[\]{}<>|,;=]+)
              (?: \((?<line2>\d+)(?:,\ ?(?<column2>\d+))?\) | :(?<line3>\d+)(?::(?<column3>\d+))? )"#,
        )
        .ok()
    });
    let Some(place) = PLACE.as_ref() else { return Vec::new() };
    let found = place.captures_iter(text).filter_map(|found| {
        let number = |names: [&str; 3]| names.iter().find_map(|name| found.name(name)?.as_str().parse().ok());
        let path = found.name("quoted").or_else(|| found.name("path"))?.as_str();
        // A time or a part of one is no file.
        let is_number = path.bytes().all(|byte| byte.is_ascii_digit() || b".-/".contains(&byte));
        let line = number(["line1", "line2", "line3"])?;
        let column = number(["column1", "column2", "column3"]);
        (!is_number).then(|| (found.get_match().range(), Location { path: path.to_owned(), line, column }))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_common_tools_print() {
        let cases = [
            ("  --> src/main.rs:3:5", Some(("src/main.rs", 3, Some(5)))),
            ("main.c:3:5: error: expected ';'", Some(("main.c", 3, Some(5)))),
            ("make: *** [Makefile:2: all] Error 1", Some(("Makefile", 2, None))),
            ("src/index.ts(10,5): error TS2304", Some(("src/index.ts", 10, Some(5)))),
            ("  File \"/w/a b.py\", line 7, in <module>", Some(("/w/a b.py", 7, None))),
            ("    at run (/w/src/x.js:10:15)", Some(("/w/src/x.js", 10, Some(15)))),
            ("    at file:///w/x.mjs:1:2", Some(("///w/x.mjs", 1, Some(2)))),
            ("thread 'main' panicked at src/lib.rs:10:9:", Some(("src/lib.rs", 10, Some(9)))),
            ("ok  \tpkg\t0.01s", None),
            ("14:05:10 started", None),
            ("2026-01-02 03:04:05.123 it broke", None),
            ("error: no such thing", None),
            ("x:99999999999999999999", None),
        ];
        for (text, expected) in cases {
            let found = locations(text).into_iter().next().map(|(_, found)| found);
            let expected =
                expected.map(|(path, line, column)| Location { path: path.to_owned(), line, column });
            assert_eq!(found, expected, "{text}");
        }
    }
}
