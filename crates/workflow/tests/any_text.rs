//! Whatever a file holds, reading it ends, panics nowhere, and points inside the file.

use proptest::prelude::*;
use roboppi_workflow::{Severity, parse};

const EVERYTHING: &str = include_str!("everything.yaml");

fn check(text: &str) -> Result<(), TestCaseError> {
    let parsed = parse(text);
    let lines = text.split('\n').count();
    for found in &parsed.diagnostics {
        prop_assert!(found.span.start <= found.span.end && found.span.end <= text.len(), "{found:?}");
        prop_assert!(found.line >= 1 && found.column >= 1, "{found:?}");
        prop_assert!(found.line <= lines + text.matches('\r').count(), "{found:?}");
        for drawn in [found.render("f.yaml", text, true), found.render("", text, false)] {
            prop_assert!(drawn.lines().count() <= 5, "{drawn}");
        }
    }
    let errors = parsed.diagnostics.iter().any(|found| found.severity == Severity::Error);
    prop_assert_eq!(parsed.workflow.is_none(), errors);
    Ok(())
}

proptest! {
    #[test]
    fn of_any_characters(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn of_the_characters_yaml_is_made_of(text in "[-a:?*&!<>|'\"{}\\[\\],#%@~ \t\r\n\u{feff}日]{0,80}") {
        check(&text)?;
    }

    #[test]
    fn that_was_a_workflow_before_it_was_damaged(
        places in proptest::collection::vec((0..EVERYTHING.len(), 0..20_usize, "[-a:*&!|'\"{}\\[\\]# \t\r\n日]{0,6}"), 1..6),
    ) {
        let mut text = EVERYTHING.to_owned();
        for (start, length, new) in places {
            let start = text.floor_char_boundary(start.min(text.len()));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &new);
        }
        check(&text)?;
    }
}
