//! Progress lines of scripts.

use roboppi_ipc::Progress;

use super::PROGRESS_PREFIX;

/// Reads `::progress [percent=NUMBER] [phase=WORD]::MESSAGE`. Anything else is not a progress line.
///
/// `percent` is cut to 0..=100; one that is not a number is left out. Unknown keys are left out too.
#[must_use]
pub fn parse_progress(line: &[u8]) -> Option<Progress> {
    let rest = line.strip_prefix(PROGRESS_PREFIX.as_bytes())?;
    let text = String::from_utf8_lossy(rest);
    let (keys, message) = text.split_once("::")?;
    if !(keys.is_empty() || keys.starts_with(' ')) {
        return None;
    }
    let mut progress = Progress::new(message.trim().to_owned());
    for pair in keys.split_ascii_whitespace() {
        match pair.split_once('=') {
            Some(("percent", value)) => progress.percent = percent(value),
            Some(("phase", value)) if !value.is_empty() => progress.phase = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(progress)
}

fn percent(text: &str) -> Option<f64> {
    let value: f64 = text.trim_end_matches('%').parse().ok()?;
    value.is_finite().then(|| value.clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_progress_line() {
        let rows: Vec<String> = [
            "::progress::starting",
            "::progress percent=42 phase=link::linking the binary",
            "::progress phase=test percent=99.5%::  a::b \r",
            "::progress percent=400::too much",
            "::progress percent=NaN::no number",
            "::progress percent=many color=red::unknown key",
            "::progress percent=10",
            "::progressive::no",
            "::progress percent=7::",
            "say ::progress::no",
        ]
        .into_iter()
        .map(|line| match parse_progress(line.as_bytes()) {
            Some(p) => format!("{line:?} -> {:?} {:?} {:?}", p.message, p.percent, p.phase),
            None => format!("{line:?} -> no"),
        })
        .collect();
        insta::assert_snapshot!(rows.join("\n"), @r#"
        "::progress::starting" -> "starting" None None
        "::progress percent=42 phase=link::linking the binary" -> "linking the binary" Some(42.0) Some("link")
        "::progress phase=test percent=99.5%::  a::b \r" -> "a::b" Some(99.5) Some("test")
        "::progress percent=400::too much" -> "too much" Some(100.0) None
        "::progress percent=NaN::no number" -> "no number" None None
        "::progress percent=many color=red::unknown key" -> "unknown key" None None
        "::progress percent=10" -> no
        "::progressive::no" -> no
        "::progress percent=7::" -> "" Some(7.0) None
        "say ::progress::no" -> no
        "#);
    }

    #[test]
    fn a_message_is_text() {
        assert_eq!(parse_progress(b"::progress::\xff!").unwrap().message, "\u{fffd}!");
    }

    proptest! {
        #[test]
        fn any_line_is_harmless(start in "(::progress|::progress percent=|::progress ::)?", rest in any::<Vec<u8>>()) {
            let line = [start.as_bytes(), &rest].concat();
            if let Some(progress) = parse_progress(&line) {
                prop_assert!(progress.percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
            }
        }
    }
}
