//! What was found out about an installation.

use std::fmt::Write as _;

use roboppi_untrusted::{first_words, json};
use serde_json::json;

use crate::style::Ink;

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Ok,
    /// Something that not everybody needs.
    Note,
    /// Something works less well.
    Warning,
    /// Something does not work.
    Error,
}

impl Health {
    /// `state` in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    const fn sign(self) -> (&'static str, Ink) {
        match self {
            Self::Ok => ("✓", Ink::Good),
            Self::Note => ("·", Ink::Faint),
            Self::Warning => ("!", Ink::Caution),
            Self::Error => ("✗", Ink::Bad),
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The subject it belongs to, as `state`.
    pub area: &'static str,
    /// What was looked at, as `free space`.
    pub name: String,
    /// How good it is.
    pub health: Health,
    /// What was found: one line.
    pub found: String,
    /// What to do about it: one line.
    pub advice: Option<String>,
    /// Whether `--fix` can do it.
    pub fixable: bool,
    /// What `--fix` has done.
    pub fixed: Option<String>,
}

impl Check {
    /// Something that is as it should be.
    #[must_use]
    pub fn ok(area: &'static str, name: &str, found: impl Into<String>) -> Self {
        Self {
            area,
            name: name.to_owned(),
            health: Health::Ok,
            found: found.into(),
            advice: None,
            fixable: false,
            fixed: None,
        }
    }

    /// The same, when it is not.
    #[must_use]
    pub fn but(mut self, health: Health, advice: impl Into<String>) -> Self {
        self.health = health;
        self.advice = Some(advice.into()).filter(|advice| !advice.is_empty());
        self
    }

    /// The same, where `--fix` can do what the advice says.
    #[must_use]
    pub const fn fixable(mut self) -> Self {
        self.fixable = true;
        self
    }
}

/// Everything, by subject; what to do stands below what was found.
#[must_use]
pub fn list(checks: &[Check], colour: bool) -> String {
    let mut text = String::new();
    let mut area = "";
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    for check in checks {
        if check.area != area {
            area = check.area;
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", Ink::Strong.paint(colour, area));
        }
        let (sign, ink) = check.health.sign();
        let _ = writeln!(
            text,
            "  {} {:<width$}  {}",
            ink.paint(colour, sign),
            check.name,
            first_words(&check.found)
        );
        if let Some(fixed) = &check.fixed {
            let _ = writeln!(text, "    {:<width$}  fixed: {}", "", first_words(fixed));
        } else if let Some(advice) = &check.advice {
            let how = if check.fixable { " (--fix does it)" } else { "" };
            let _ = writeln!(text, "    {:<width$}  → {}{how}", "", first_words(advice));
        }
    }
    let count =
        |health| checks.iter().filter(|check| check.health == health && check.fixed.is_none()).count();
    let (errors, warnings) = (count(Health::Error), count(Health::Warning));
    let ending = |count| if count == 1 { "" } else { "s" };
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "\nNo problems."),
        _ => writeln!(text, "\n{errors} error{}, {warnings} warning{}.", ending(errors), ending(warnings)),
    };
    text
}

/// Everything as a JSON array.
#[must_use]
pub fn array(checks: &[Check]) -> String {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "area": check.area,
                "name": check.name,
                "state": check.health.name(),
                "found": check.found,
                "advice": check.advice,
                "fixable": check.fixable,
                "fixed": check.fixed,
            })
        })
        .collect();
    json(&format!("{:#}\n", json!(checks))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_what_was_found() {
        let mut private =
            Check::ok("state", "permissions", "drwxrwxrwx").but(Health::Warning, "chmod 700 /s").fixable();
        let checks = [
            Check::ok("state", "directory", "/s"),
            private.clone(),
            Check::ok("terminal", "TERM", "unset").but(Health::Error, ""),
        ];
        insta::assert_snapshot!(list(&checks, false), @r"
        state
          ✓ directory    /s
          ! permissions  drwxrwxrwx
                         → chmod 700 /s (--fix does it)

        terminal
          ✗ TERM         unset

        1 error, 1 warning.
        ");
        private.fixed = Some("chmod 700 /s".to_owned());
        assert!(list(&[private], false).ends_with("fixed: chmod 700 /s\n\nNo problems.\n"));
    }
}
