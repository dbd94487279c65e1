//! Decisions as words: `PASS`, `VERDICT: FAIL`, `DECISION=incomplete`.
//!
//! A word decides when it stands for itself: alone on its line, before a mark of punctuation (`FAIL: 2 tests`, `PASS - all
//! good`), or behind `VERDICT` or `DECISION`. Prose that merely begins with such a word does not: "Fail-safe logic is fine",
//! "Complete the rest first".

/// Lines that are looked at, from the last one up.
const MOST_LINES: usize = 10_000;

/// Words of a line in front of the one that may decide.
const KEYWORDS: [&str; 2] = ["verdict", "decision"];

/// What the last line that decides says: whether the work is complete.
pub(super) fn last(text: &str) -> Option<bool> {
    text.lines().rev().take(MOST_LINES).find_map(of_line)
}

fn of_line(line: &str) -> Option<bool> {
    let line = line.trim_matches(is_decoration);
    // JSON on one line was read as that.
    if line.starts_with('{') {
        return None;
    }
    let (word, rest) = first_word(line);
    marker(word).filter(|_| stands_alone(rest)).or_else(|| behind_keyword(line))
}

/// White space, and the marks with which Markdown decorates a line.
fn is_decoration(char: char) -> bool {
    char.is_whitespace() || matches!(char, '*' | '_' | '`' | '#' | '>' | '-' | '•' | '~' | '"' | '\'')
}

fn first_word(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(text.len());
    text.split_at(end)
}

fn marker(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "complete" | "pass" => Some(true),
        "incomplete" | "fail" | "failed" => Some(false),
        _ => None,
    }
}

/// Whether a word is no part of a sentence, by what follows it.
fn stands_alone(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['*', '_', '`']);
    if rest.is_empty() || rest.starts_with([':', ';', '.', ',', '!', ')', '(']) {
        return true;
    }
    let spaced = rest.trim_start();
    spaced.len() < rest.len() && spaced.starts_with(['-', '–', '—', '(', ':'])
}

/// `VERDICT: PASS`, anywhere in a line.
fn behind_keyword(line: &str) -> Option<bool> {
    let lower = line.to_ascii_lowercase();
    KEYWORDS.iter().find_map(|keyword| {
        lower.match_indices(keyword).find_map(|(at, _)| {
            let begins = !lower[..at].ends_with(|char: char| char.is_alphanumeric() || char == '_');
            let rest = lower[at + keyword.len()..].trim_start_matches(is_decoration);
            let value = rest.strip_prefix([':', '=']).filter(|_| begins)?.trim_start_matches(is_decoration);
            let (word, rest) = first_word(value);
            let ends = !rest.starts_with(|char: char| char.is_alphanumeric() || char == '_' || char == '-');
            marker(word).filter(|_| ends)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_decide_that_stand_for_themselves() {
        for complete in [
            "PASS",
            "complete",
            "  Pass  ",
            "**PASS**",
            "# PASS",
            "PASS: all tests",
            "PASS - all good",
            "Complete.",
        ] {
            assert_eq!(last(complete), Some(true), "{complete}");
        }
        for incomplete in
            ["FAIL", "failed", "INCOMPLETE", "FAIL: 2 tests", "- FAILED (exit 1)", "Incomplete, sadly"]
        {
            assert_eq!(last(incomplete), Some(false), "{incomplete}");
        }
    }

    #[test]
    fn keywords_say_what_follows() {
        for (line, complete) in [
            ("VERDICT: PASS", true),
            ("verdict=fail", false),
            ("DECISION = complete", true),
            ("My final decision: INCOMPLETE because of x", false),
            ("**Verdict:** PASS", true),
            ("  \"decision\": \"incomplete\",", false),
        ] {
            assert_eq!(last(line), Some(complete), "{line}");
        }
    }

    #[test]
    fn prose_does_not_decide() {
        for prose in [
            "Fail-safe logic is fine",
            "Complete the rest first",
            "Passing tests: 3",
            "PASSED",
            "failure",
            "Pass the salt",
            "The check may FAIL",
            "indecision: pass",
            "{\"decision\":\"complete\"}",
            "verdict: pass-through is fine",
            "",
        ] {
            assert_eq!(last(prose), None, "{prose}");
        }
    }

    #[test]
    fn the_last_one_counts() {
        assert_eq!(last("FAIL\nthen it was repaired\nPASS\nthat is all\n"), Some(true));
        assert_eq!(last("PASS\r\nFAIL\r\n"), Some(false));
    }
}
