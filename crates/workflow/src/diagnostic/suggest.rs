//! "Did you mean …?"

/// The candidate a person who wrote `word` most likely meant, if any is near.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = fold(word);
    let length = plain.chars().count();
    let limit = (length / 3).max(1);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let near = candidates
        .iter()
        .copied()
        .map(|candidate| (fold(candidate), candidate))
        .filter(|(folded, _)| folded.chars().count().abs_diff(length) <= limit)
        .map(|(folded, candidate)| (strsim::damerau_levenshtein(&plain, &folded), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate);
    let other = || {
        let meant = CALLED_OTHERWISE.iter().filter(|(word, _)| *word == plain).map(|(_, meant)| *meant);
        meant.into_iter().find_map(|meant| candidates.iter().copied().find(|candidate| *candidate == meant))
    };
    near.or_else(other)
}

/// Values that others call so, without `_` and in small letters, and what they are called here.
const CALLED_OTHERWISE: &[(&str, &str)] = &[
    ("write", "EDIT"),
    ("modify", "EDIT"),
    ("bash", "RUN_COMMANDS"),
    ("shell", "RUN_COMMANDS"),
    ("run", "RUN_COMMANDS"),
    ("exec", "RUN_COMMANDS"),
    ("execute", "RUN_COMMANDS"),
    ("command", "RUN_COMMANDS"),
    ("commands", "RUN_COMMANDS"),
    ("test", "RUN_TESTS"),
    ("tests", "RUN_TESTS"),
    ("view", "READ"),
    ("mail", "MAILBOX"),
    ("claude", "CLAUDE_CODE"),
    ("anthropic", "CLAUDE_CODE"),
    ("codex", "CODEX_CLI"),
    ("openai", "CODEX_CLI"),
    ("geminicli", "GEMINI"),
    ("google", "GEMINI"),
    ("bash", "CUSTOM"),
    ("sh", "CUSTOM"),
    ("shell", "CUSTOM"),
    ("script", "CUSTOM"),
    ("command", "CUSTOM"),
    ("exec", "CUSTOM"),
    ("local", "CUSTOM"),
    ("ignore", "continue"),
    ("skip", "continue"),
    ("warn", "continue"),
    ("fail", "abort"),
    ("stop", "abort"),
    ("restart", "retry"),
    ("sleep", "wait"),
    ("pause", "wait"),
    ("abort", "fail"),
];

/// `dependsOn`, `depends-on` and `depends_on` are the same word. Long texts are cut: they are no typos.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).take(64).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_variants_and_typos_are_recognised() {
        let keys = ["depends_on", "timeout", "name", "on_failure"];
        for (word, meant) in [
            ("dependsOn", Some("depends_on")),
            ("depend_on", Some("depends_on")),
            ("tiemout", Some("timeout")),
            ("nmae", Some("name")),
            ("on-failure", Some("on_failure")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }

    #[test]
    fn words_of_others_are_recognised_where_there_is_such_a_choice() {
        let capabilities = ["READ", "EDIT", "RUN_TESTS", "RUN_COMMANDS"];
        assert_eq!(nearest("WRITE", capabilities), Some("EDIT"));
        assert_eq!(nearest("Bash", capabilities), Some("RUN_COMMANDS"));
        assert_eq!(nearest("bash", ["CLAUDE_CODE", "CUSTOM"]), Some("CUSTOM"));
        assert_eq!(nearest("bash", ["build", "test"]), None);
    }

    #[test]
    fn one_letter_names_are_not_suggested_for_each_other() {
        assert_eq!(nearest("b", ["a"]), None);
    }
}
