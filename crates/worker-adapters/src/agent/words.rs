//! How things of an agent are named in sentences.

use serde_json::Value;

/// Characters of a name in a sentence.
const NAME: usize = 80;

/// A name in quotes, on one line and shortened: `"npm run dev"`.
#[must_use]
pub fn quoted(name: &str) -> String {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("\"{}…\"", &name[..end]),
        None => format!("\"{name}\""),
    }
}

/// A question of an agent that had no answer, as a note. `input` is that of the call: `{"questions":[{"question":"…"}]}`.
#[must_use]
pub fn unanswered(input: &Value) -> String {
    let questions: Vec<&str> = input
        .get("questions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|question| question.get("question")?.as_str())
        .chain(input.get("question").and_then(Value::as_str))
        .collect();
    match questions.as_slice() {
        [] => "asked a question that was not answered".to_owned(),
        [question] => format!("asked a question that was not answered: {}", quoted(question)),
        [question, more @ ..] => {
            format!("asked questions that were not answered: {} and {} more", quoted(question), more.len())
        }
    }
}

/// A point in time in words: `2026-11-30 05:03 UTC`.
#[must_use]
pub fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that the day of a leap year is the last one; 400 years are 146,097 days.
    let since = days + 719_468;
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3_600, second / 60 % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_quoted() {
        let one = json!({"questions": [{"question": "Which DB?", "options": []}]});
        assert_eq!(unanswered(&one), "asked a question that was not answered: \"Which DB?\"");
        let two = json!({"questions": [{"question": "a?"}, {"question": "b?"}]});
        assert_eq!(unanswered(&two), "asked questions that were not answered: \"a?\" and 1 more");
        assert_eq!(unanswered(&json!(null)), "asked a question that was not answered");
    }

    #[test]
    fn a_time_is_a_date_and_a_time_of_day() {
        for (seconds, words) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00 UTC"),
            (1_796_020_000, "2026-11-30 06:26 UTC"),
            (4_102_444_799, "2099-12-31 23:59 UTC"),
        ] {
            assert_eq!(utc(seconds), words);
        }
    }
}
