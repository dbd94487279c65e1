use super::*;

/// 2026-11-30 23:00 UTC, which is 15:00 in the zone of the machine.
const WALL: WallTime = WallTime::new(UtcMillis(1_796_079_600_000), -8 * 3600);

fn after(text: &str) -> Option<LimitEnd> {
    LimitTime::of_text(text, WALL).map(|time| time.resolve(WALL))
}

/// Minutes until the limit is over, and whether that has a note.
fn minutes(end: &LimitEnd) -> (Option<i64>, bool) {
    let ms = end.at.map(|at| i64::try_from(at.0).unwrap() - i64::try_from(WALL.now.0).unwrap());
    (ms.map(|ms| ms / 60_000), end.note.is_some())
}

#[test]
fn sentences_of_agents_give_a_time() {
    const DAY: i64 = 24 * 60;
    for (text, expected) in [
        ("Claude AI usage limit reached|1796083200", Some(60)),
        ("Claude AI usage limit reached|1796083200000", Some(60)),
        ("You've hit your session limit · resets 5:50pm (America/Los_Angeles)", Some(2 * 60 + 50)),
        ("You've hit your session limit · resets 12:50am (America/Los_Angeles)", Some(9 * 60 + 50)),
        ("You've hit your session limit · resets 3pm", Some(DAY)),
        ("You've hit your session limit · resets 11:30pm (UTC)", Some(30)),
        ("Your limit will reset at 4pm.", Some(60)),
        ("You've hit your weekly limit · resets Dec 2 at 5pm (America/Los_Angeles)", Some(2 * DAY + 120)),
        ("You've hit your weekly limit · resets Jan 1, 3pm", Some(32 * DAY)),
        (
            "You've hit your usage limit. Upgrade to Pro (https://x.test) or try again at 6:21 PM.",
            Some(3 * 60 + 21),
        ),
        ("You've hit your usage limit. Try again at Dec 1st, 2026 6:21 PM.", Some(DAY + 3 * 60 + 21)),
        ("or try again in 2 days 3 hours 12 minutes.", Some(2 * DAY + 3 * 60 + 12)),
        ("Please try again in 61.5s.", Some(1)),
        ("try again in 1 hour, 5 minutes and 30 seconds", Some(65)),
        ("Your quota will reset after 3h22m10s.", Some(3 * 60 + 22)),
        ("quota resets at 2026-12-01T00:50:00Z", Some(110)),
        ("quota resets at 2026-12-01T00:50:00.123+01:00", Some(50)),
        ("usage limit, ask your administrator", None),
        ("try again in a while", None),
        ("try again at noon", None),
        ("resets 25:00", None),
        ("resets 13pm", None),
        ("limit reached|soon", None),
        ("", None),
    ] {
        let found = after(text);
        let bounded = expected.map(|minutes: i64| minutes.min(31 * DAY));
        assert_eq!(found.as_ref().and_then(|end| minutes(end).0), bounded, "{text}: {found:?}");
    }
}

#[test]
fn absurd_times_are_bounded_and_noted() {
    let longest = Some(31 * 24 * 60);
    for (text, expected) in [
        ("usage limit reached|0", (None, false)),
        ("usage limit reached|1796079599", (None, false)),
        ("usage limit reached|99999999999999999999999999999999999999999999999999", (longest, true)),
        ("usage limit reached|32503680000", (longest, true)),
        ("try again in 99999999999999999999999999999999 days", (longest, true)),
        ("try again in 0 minutes", (None, false)),
        ("try again at Jan 1, 9999 6:21 PM", (longest, true)),
        ("try again at Jan 1, 2000 6:21 PM", (None, false)),
    ] {
        let end = after(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(minutes(&end), expected, "{text}: {end:?}");
    }
    assert_eq!(after("limit reached|-5"), None);
    assert_eq!(after("try again in -5 minutes"), None);
    for time in [LimitTime::At(i128::MAX), LimitTime::In(i128::MAX), LimitTime::of_epoch(i128::MAX)] {
        assert_eq!(minutes(&time.resolve(WALL)), (longest, true), "{time:?}");
    }
    for time in [LimitTime::At(i128::MIN), LimitTime::In(-1), LimitTime::of_epoch(i128::MIN)] {
        assert_eq!(time.resolve(WALL), LimitEnd::default(), "{time:?}");
    }
}

#[test]
fn headers_of_an_answer_give_a_time() {
    for (headers, expected) in [
        (&[("Retry-After", "120")][..], Some(2)),
        (&[("retry-after", "999999"), ("retry-after-ms", "60000")], Some(1)),
        (&[("retry-after", "Wed, 02 Dec 2026 00:00:00 GMT"), ("x-ratelimit-reset", "300")], Some(5)),
        (&[("x-ratelimit-reset-requests", "6m0s")], Some(6)),
        (&[("x-ratelimit-reset", "1796083200")], Some(60)),
        (&[("x-ratelimit-reset", "1796083200000")], Some(60)),
        (&[("anthropic-ratelimit-requests-reset", "2026-12-01T00:00:00Z")], Some(60)),
        (&[("retry-after", "-5")], None),
        (&[("retry-after", "NaN")], None),
        (&[("retry-after", "inf")], None),
        (&[("content-type", "120")], None),
    ] {
        let found = LimitTime::of_headers(&headers.iter().copied());
        let found = found.and_then(|time| minutes(&time.resolve(WALL)).0);
        assert_eq!(found, expected, "{headers:?}");
    }
}

#[test]
fn any_text_is_read_without_harm() {
    for text in [
        "resets ",
        "resets 😀",
        "try again in 1",
        "try again in 1 😀",
        "resets jan",
        "resets jan 5th",
        "2026-12-",
        "retry after é",
    ] {
        let _ = after(text);
        let _ = LimitTime::of_headers(&[("retry-after", text)].into_iter());
    }
}
