//! A run as JUnit XML, for the test reports of CI systems: a suite for the run, a case for each step.
//!
//! The form is that of Maven Surefire, which most readers understand: a step that passed on a retry is a passed case with a
//! `flakyFailure` for each attempt that failed, and the attempts of a failed step after the first are `rerunFailure`s. What
//! is not the failure of a step's own work is an `error`: a lost core, a cancellation. A document is bounded, whatever the
//! logs are ([`excerpt`]).

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use roboppi_attach::Liveness;
use roboppi_record::RecordStore;
use roboppi_run::{AttemptView, RunHead, RunStatus, RunView, shell_word};
use roboppi_untrusted::words;
use roboppi_workflow::AttemptEnd;

use crate::units::time_to_second;

mod case;
mod excerpt;
mod text;

use case::{Case, Verdict, is_failure, kind_of};
use excerpt::{Excerpts, Output};
use text::xml_text;

/// Characters of a message.
const LONGEST_MESSAGE: usize = 1_000;

/// A run, ready to be written.
#[derive(Debug)]
pub struct JUnit<'a> {
    record: &'a dyn RecordStore,
    view: &'a RunView,
    cases: Vec<Case<'a>>,
}

/// An attempt that failed, as an element of its case.
struct Rerun<'a> {
    element: &'a str,
    attempt: &'a AttemptView,
}

impl<'a> JUnit<'a> {
    /// The report of a run, as far as it is known.
    #[must_use]
    pub fn new(record: &'a dyn RecordStore, view: &'a RunView, liveness: Liveness) -> Self {
        Self { record, view, cases: case::cases(view, liveness) }
    }

    /// Writes the document.
    ///
    /// # Errors
    /// When `out` cannot be written. A log that cannot be read is stated in its place.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = Document(Writer::new_with_indent(out, b' ', 2));
        out.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let name = self.view.head.as_ref().map_or("", |head| head.name.as_str());
        let duration_ms = match &self.view.status {
            RunStatus::Finished { duration_ms, .. } => Some(*duration_ms),
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => None,
        };
        let count = |kind: fn(&Verdict<'_>) -> bool| {
            self.cases.iter().filter(|case| kind(&case.verdict)).count().to_string()
        };
        let counts = vec![
            ("name", words(name)),
            ("tests", self.cases.len().to_string()),
            ("failures", count(|verdict| matches!(verdict, Verdict::Failed { .. }))),
            ("errors", count(|verdict| matches!(verdict, Verdict::Error { .. }))),
            ("time", seconds(duration_ms.unwrap_or_default())),
        ];
        out.open("testsuites", counts.clone())?;
        let mut suite = counts;
        suite.push(("skipped", count(|verdict| matches!(verdict, Verdict::Skipped { .. }))));
        if let Some(head) = &self.view.head {
            suite.push(("timestamp", time_to_second(head.started_at)));
        }
        if let Ok(manifest) = self.record.manifest() {
            suite.push(("hostname", words(&manifest.host)));
        }
        out.open("testsuite", suite)?;
        self.properties(&mut out)?;
        let mut excerpts = Excerpts::new(self.record);
        for case in &self.cases {
            self.case(&mut out, &words(name), case, &mut excerpts)?;
        }
        out.close("testsuite")?;
        out.close("testsuites")?;
        out.0.get_mut().write_all(b"\n")
    }

    /// Facts of the run that have no attribute.
    fn properties(&self, out: &mut Document<'_>) -> io::Result<()> {
        let Some(head) = &self.view.head else { return Ok(()) };
        let mut properties = vec![("run", head.run_id.to_string())];
        properties.extend(head.handle.map(|handle| ("handle", handle.to_string())));
        properties.push(("workflow", words(&head.workflow)));
        properties.push(("workspace", words(&head.workspace)));
        if let RunStatus::Finished { outcome, exit_code, .. } = &self.view.status {
            properties.push(("outcome", outcome.name().to_owned()));
            properties.push(("exitCode", exit_code.to_string()));
        }
        out.open("properties", Vec::new())?;
        for (name, value) in properties {
            out.empty("property", vec![("name", name.to_owned()), ("value", value)])?;
        }
        out.close("properties")
    }

    fn case(
        &self,
        out: &mut Document<'_>,
        class: &str,
        case: &Case<'_>,
        excerpts: &mut Excerpts<'_>,
    ) -> io::Result<()> {
        let attributes = vec![
            ("name", words(&case.name)),
            ("classname", class.to_owned()),
            ("time", seconds(case.duration_ms)),
        ];
        out.open("testcase", attributes)?;
        match &case.verdict {
            Verdict::Passed { flaky } => {
                for attempt in flaky {
                    self.rerun(out, &Rerun { element: "flakyFailure", attempt }, case, excerpts)?;
                }
                if let Some(kept) = case.step.and_then(|step| step.kept.as_ref()) {
                    out.text("system-out", &format!("kept from run {}", kept.run))?;
                }
            }
            Verdict::Skipped { why } => {
                out.empty("skipped", vec![("message", message(why))])?;
                self.output(out, case.last_failure(), case, excerpts)?;
            }
            Verdict::Failed { why, attempts } => {
                let first = attempts.first().copied();
                let kind = first.map_or("failed", kind_of);
                let about = first.map_or_else(|| words(why), |first| self.about(first, case));
                out.message("failure", message(why), kind, &about)?;
                self.output(out, first, case, excerpts)?;
                for attempt in attempts.iter().skip(1) {
                    let element = if is_failure(attempt) { "rerunFailure" } else { "rerunError" };
                    self.rerun(out, &Rerun { element, attempt }, case, excerpts)?;
                }
            }
            Verdict::Error { why, kind } => {
                out.message("error", message(why), kind, &words(why))?;
                let last = case.step.and_then(|step| step.attempts.last());
                self.output(out, last, case, excerpts)?;
            }
        }
        out.close("testcase")
    }

    /// One failed attempt among others.
    fn rerun(
        &self,
        out: &mut Document<'_>,
        rerun: &Rerun<'_>,
        case: &Case<'_>,
        excerpts: &mut Excerpts<'_>,
    ) -> io::Result<()> {
        let Rerun { element, attempt } = rerun;
        let attributes =
            vec![("message", message(&attempt_words(attempt))), ("type", kind_of(attempt).to_owned())];
        out.open(element, attributes)?;
        out.text("stackTrace", &self.about(attempt, case))?;
        self.output(out, Some(attempt), case, excerpts)?;
        out.close(element)
    }

    /// The attempt, how it ended, and the command that prints its log.
    fn about(&self, attempt: &AttemptView, case: &Case<'_>) -> String {
        let run = self.view.head.as_ref().map_or_else(|| "-1".to_owned(), RunHead::short_name);
        let step = shell_word(&words(attempt.of.step.as_str()));
        let number = match case.step.map_or(0, |step| step.attempts.len()) {
            0 | 1 => String::new(),
            _ => format!(" --attempt {}", attempt.of.attempt),
        };
        format!(
            "attempt {}: {}\nwhole log: roboppi logs {run} {step}{number}",
            attempt.of.attempt,
            words(&attempt_words(attempt))
        )
    }

    /// What an attempt wrote.
    fn output(
        &self,
        out: &mut Document<'_>,
        attempt: Option<&AttemptView>,
        case: &Case<'_>,
        excerpts: &mut Excerpts<'_>,
    ) -> io::Result<()> {
        let Some(attempt) = attempt else { return Ok(()) };
        let is_agent = case.step.is_some_and(|step| step.is_agent_in(&attempt.of));
        let Output { stdout, stderr } = excerpts.of(attempt, is_agent);
        for (element, text) in [("system-out", stdout), ("system-err", stderr)] {
            if !text.is_empty() {
                out.text(element, &text)?;
            }
        }
        Ok(())
    }
}

/// The outcome of an attempt in words.
fn attempt_words(attempt: &AttemptView) -> String {
    match attempt.result().map(AttemptEnd::from) {
        None => "not over".to_owned(),
        Some(AttemptEnd::Succeeded) => "succeeded".to_owned(),
        Some(
            AttemptEnd::Failed { detail, .. }
            | AttemptEnd::TimedOut { detail }
            | AttemptEnd::Cancelled { detail, .. }
            | AttemptEnd::Lost { detail },
        ) => detail,
    }
}

/// A message of one line, not too long.
fn message(text: &str) -> String {
    let mut message = words(text);
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Seconds with three digits behind the point, as Surefire writes them, without separators.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// What elements are written to. Every text passes [`xml_text`]; the writer escapes it.
struct Document<'a>(Writer<&'a mut dyn Write>);

impl Document<'_> {
    fn start(element: &str, attributes: Vec<(&'static str, String)>) -> BytesStart<'static> {
        let mut start = BytesStart::new(element.to_owned());
        for (name, value) in attributes {
            start.push_attribute((name, &*xml_text(&value)));
        }
        start
    }

    fn open(&mut self, element: &str, attributes: Vec<(&'static str, String)>) -> io::Result<()> {
        self.0.write_event(Event::Start(Self::start(element, attributes)))
    }

    fn empty(&mut self, element: &str, attributes: Vec<(&'static str, String)>) -> io::Result<()> {
        self.0.write_event(Event::Empty(Self::start(element, attributes)))
    }

    fn close(&mut self, element: &str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(element)))
    }

    /// An element with nothing but text.
    fn text(&mut self, element: &str, text: &str) -> io::Result<()> {
        self.open(element, Vec::new())?;
        self.0.write_event(Event::Text(BytesText::new(&xml_text(text))))?;
        self.close(element)
    }

    /// A `failure` or an `error`.
    fn message(&mut self, element: &str, message: String, kind: &str, text: &str) -> io::Result<()> {
        self.open(element, vec![("message", message), ("type", kind.to_owned())])?;
        self.0.write_event(Event::Text(BytesText::new(&xml_text(text))))?;
        self.close(element)
    }
}

#[cfg(test)]
mod tests;
