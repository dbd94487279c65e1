//! "Did you mean …?"

/// The candidate a person who wrote `word` most likely meant, if any is near.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = fold(word);
    let length = plain.chars().count();
    let limit = (length / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (fold(candidate), candidate))
        .filter(|(folded, _)| folded.chars().count().abs_diff(length) <= limit)
        .map(|(folded, candidate)| (strsim::damerau_levenshtein(&plain, &folded), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

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
    fn one_letter_names_are_not_suggested_for_each_other() {
        assert_eq!(nearest("b", ["a"]), None);
    }
}
