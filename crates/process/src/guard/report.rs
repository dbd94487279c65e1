//! What a guard says on stderr, one line each.

use roboppi_ipc::{Leaked, ProcessIdentity};
use serde::{Deserialize, Serialize};

use crate::ExitKind;

/// How a line of a guard begins; JSON follows.
pub const REPORT_PREFIX: &str = "roboppi-guard: ";

/// What is said of a process that nobody could end, before its pid and command.
const LEFT: &str = "a process cannot be ended and is left: ";

/// What is said of a process that nobody could end.
#[must_use]
pub fn cannot_be_ended(left: &Leaked) -> String {
    format!("{LEFT}{} {}", left.process.pid, left.command)
}

/// The pid of a process of which [`cannot_be_ended`] says so somewhere in this text.
#[must_use]
pub fn pid_of_left(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once(LEFT)?;
    rest.split(' ').next()?.parse().ok()
}

/// One thing a guard says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GuardReport {
    /// The core has ended: by itself with this code, or by this signal.
    CoreExited {
        /// `code`: 0 to 255.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// `signal`: its number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
    /// A process that was left has been ended. Said once of each, when it is gone.
    Ended {
        /// `process`.
        process: ProcessIdentity,
        /// `command`: its command line, shortened.
        command: String,
    },
    /// The last word of a guard.
    Done {
        /// `ended`: how many were ended.
        ended: u32,
        /// `unkillable`: those that live nevertheless.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unkillable: Vec<Leaked>,
    },
}

impl GuardReport {
    /// Reads a line of stderr; `None` when a guard did not write it.
    #[must_use]
    pub fn parse_line(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim_end().strip_prefix(REPORT_PREFIX)?).ok()
    }

    /// The line, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Numbers and strings always have a JSON form.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{REPORT_PREFIX}{json}\n")
    }

    pub(super) const fn core_exited(exit: ExitKind) -> Self {
        match exit {
            ExitKind::Code(code) => Self::CoreExited { code: Some(code), signal: None },
            ExitKind::Signal(signal) => Self::CoreExited { code: None, signal: Some(signal) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaked() -> Leaked {
        Leaked::new(ProcessIdentity { pid: 7, start_time: 99 }, "sleep \"1\"\n2")
    }

    fn all() -> Vec<GuardReport> {
        let Leaked { process, command, .. } = leaked();
        vec![
            GuardReport::core_exited(ExitKind::Code(3)),
            GuardReport::core_exited(ExitKind::Signal(9)),
            GuardReport::Ended { process, command },
            GuardReport::Done { ended: 0, unkillable: Vec::new() },
            GuardReport::Done { ended: 2, unkillable: vec![leaked()] },
        ]
    }

    #[test]
    fn every_report_is_one_line_of_this_form() {
        let lines: String = all().iter().map(GuardReport::to_line).collect();
        insta::assert_snapshot!(lines, @r#"
    roboppi-guard: {"type":"core_exited","code":3}
    roboppi-guard: {"type":"core_exited","signal":9}
    roboppi-guard: {"type":"ended","process":{"pid":7,"startTime":99},"command":"sleep \"1\"\n2"}
    roboppi-guard: {"type":"done","ended":0}
    roboppi-guard: {"type":"done","ended":2,"unkillable":[{"process":{"pid":7,"startTime":99},"command":"sleep \"1\"\n2"}]}
    "#);
    }

    #[test]
    fn what_cannot_be_ended_is_known_again() {
        let said = format!("job 7: {}", cannot_be_ended(&leaked()));
        assert_eq!(pid_of_left(&said), Some(7));
        assert_eq!(pid_of_left("a process cannot be ended and is left: x"), None);
        assert_eq!(pid_of_left("all is well"), None);
    }

    #[test]
    fn every_report_is_read_again() {
        for report in all() {
            assert_eq!(GuardReport::parse_line(&report.to_line()), Some(report));
        }
    }

    #[test]
    fn other_lines_are_not_taken_for_reports() {
        for line in ["", "roboppi-guard: ", "roboppi-guard: {", "{\"type\":\"done\",\"ended\":0}", "panic!"] {
            assert_eq!(GuardReport::parse_line(line), None, "{line}");
        }
        // A later version may say more.
        let later = "roboppi-guard: {\"type\":\"done\",\"ended\":1,\"rounds\":4}";
        assert_eq!(GuardReport::parse_line(later), Some(GuardReport::Done { ended: 1, unkillable: vec![] }));
        assert_eq!(GuardReport::parse_line("roboppi-guard: {\"type\":\"sneezed\"}"), None);
    }
}
