//! What is looked for in a log.

use roboppi_record::Needle;

/// What a person looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    pub(crate) text: String,
    /// It is a regular expression.
    pub(crate) pattern: bool,
}

impl Query {
    /// `"error"`, or `/err.r/` for a regular expression.
    pub(crate) fn in_words(&self) -> String {
        if self.pattern { format!("/{}/", self.text) } else { format!("\"{}\"", self.text) }
    }

    /// What the record is to be searched for.
    ///
    /// # Errors
    /// What is wrong with a regular expression, in one line.
    pub(crate) fn needle(&self) -> Result<Needle, String> {
        if !self.pattern {
            return Ok(Needle::smart_case(&self.text));
        }
        let case = if self.text.chars().any(char::is_uppercase) { "" } else { "(?i)" };
        Needle::pattern(&format!("{case}{}", self.text)).map_err(|error| {
            let error = error.to_string();
            let last = error.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            last.trim().trim_start_matches("error: ").to_owned()
        })
    }
}

/// What compilers and test runners print when something is wrong.
pub(crate) fn errors() -> Needle {
    // One alternative a line: who prints it, and what.
    const PATTERNS: &[&str] = &[
        // rustc, cargo, clang, gcc, make, and whoever says `error:`
        r"^[ \t]*(?:[^\s:][^:\n]*:\d+(?::\d+)?: )?(?:fatal )?(?i:error)(?:\[\w+\])?:",
        r"^thread '.*' (?:\(\d+\) )?panicked at ",
        r"^test .* \.\.\. FAILED$",
        r"^make(?:\[\d+\])?: \*\*\* ",
        // tsc
        r"^[^\n(]+\(\d+,\d+\): error ",
        r"^\S+:\d+:\d+ - error ",
        // jest
        r"^[ \t]*FAIL ",
        r"^  ● ",
        // pytest, Python
        r"^FAILED ",
        r"^E   ",
        r"^Traceback \(most recent call last\):",
        r"^\w*(?:Error|Exception): ",
        // go
        r"^[ \t]*--- FAIL: ",
        r"^panic: ",
        // npm, loggers
        r"^npm (?:ERR!|error) ",
        r"^(?:\S+ ){0,3}\[?(?:ERROR|FATAL|CRITICAL)\b",
    ];
    // The alternatives are fixed, and a test builds them.
    Needle::pattern(&format!("(?:{})", PATTERNS.join("|"))).unwrap_or_else(|_| Needle::text("error:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_letters_match_capitals() {
        let find = |text: &str, pattern: bool, line: &str| {
            Query { text: text.to_owned(), pattern }.needle().unwrap().find_in(line, 0)
        };
        assert_eq!(find("err", false, "an Error"), Some(3..6));
        assert_eq!(find("Err", false, "an error"), None);
        assert_eq!(find("e.r", false, "error"), None);
        assert_eq!(find("e.r", true, "ERROR"), Some(0..3));
        assert_eq!(find("E.r", true, "error"), None);
        let error = Query { text: "a(".to_owned(), pattern: true }.needle().unwrap_err();
        assert!(!error.contains('\n') && error.contains("unclosed group"), "{error}");
    }

    #[test]
    fn errors_of_common_tools_are_known() {
        let errors = errors();
        let wrong = [
            "error[E0308]: mismatched types",
            "error: could not compile `x` (lib) due to 1 previous error",
            "thread 'tests::it_works' panicked at src/lib.rs:10:9:",
            "thread 'tests::it_works' (4242) panicked at src/lib.rs:10:9:",
            "test tests::it_works ... FAILED",
            "main.c:3:5: error: expected ';'",
            "src/a b.c:3:5: fatal error: x.h: No such file",
            "src/index.ts(10,5): error TS2304: Cannot find name 'x'.",
            "src/index.ts:10:5 - error TS2304: Cannot find name 'x'.",
            "FAIL src/sum.test.js",
            "  ● adds 1 + 2 to equal 3",
            "FAILED tests/test_x.py::test_y - assert 1 == 2",
            "E   assert 1 == 2",
            "Traceback (most recent call last):",
            "ValueError: bad",
            "--- FAIL: TestAdd (0.00s)",
            "    --- FAIL: TestAdd/negative (0.00s)",
            "panic: runtime error: index out of range",
            "make: *** [Makefile:2: all] Error 1",
            "npm ERR! code ELIFECYCLE",
            "2025-01-02 03:04:05 ERROR it broke",
            "[ERROR] it broke",
            "Error: ENOENT",
        ];
        for line in wrong {
            assert!(errors.find_in(line, 0).is_some(), "{line}");
        }
        let right = [
            "0 errors, 0 warnings",
            "test result: ok. 5 passed; 0 failed",
            "   Compiling thiserror v2.0.0",
            "no error here",
            "ok  \tpkg\t0.01s",
            "warning: unused variable: `error`",
            "PASS src/sum.test.js",
            "src/errors.rs:10: fine",
        ];
        for line in right {
            assert!(errors.find_in(line, 0).is_none(), "{line}");
        }
    }
}
