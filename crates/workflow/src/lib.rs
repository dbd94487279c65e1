//! The workflow language and its decisions.
//!
//! [`parse`] reads a workflow file and reports every mistake in it at once; [`Workflow`] is what is
//! left when there is none. [`RunMachine`] decides the life of a run: which step starts when, what is
//! tried again, what is skipped, and how it ends. [`plan_resume`] decides what of an earlier run counts.
//! Nothing here does I/O or reads a clock.

mod definition;
mod diagnostic;
mod duration;
mod keys;
mod lower;
mod plan;
mod resume;
mod run_machine;
mod source;

pub use definition::{AgentOptions, InputRef, OnFailure, OutputSpec, SecretSource, Step, Workflow};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use duration::{DurationError, parse_duration};
pub use keys::{KEYS, KeyDoc, KeyStatus, Section};
pub use plan::{Node, Plan, Repeat, expand};
pub use resume::{
    Decision, EarlierArtifact, Places, PreviousRun, PreviousStep, ResumePlan, Why, definition_hash,
    plan_resume, result_hash,
};
pub use run_machine::{
    AttemptEnd, IterationDecision, RunEffect, RunInput, RunMachine, RunTimer, RunTimerSubject, exit_code,
    retry_delay,
};
pub use source::MAX_BYTES;

/// What a file says.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The workflow, when there is no error.
    pub workflow: Option<Workflow>,
    /// What is wrong, in the order of the file. At most 200 errors and 200 warnings are kept.
    pub diagnostics: Vec<Diagnostic>,
    /// Problems beyond those.
    pub omitted: usize,
}

impl Parsed {
    /// Makes every warning an error, and takes the workflow away when there was one.
    #[must_use]
    pub fn deny_warnings(mut self) -> Self {
        for diagnostic in &mut self.diagnostics {
            diagnostic.severity = Severity::Error;
        }
        if !self.diagnostics.is_empty() {
            self.workflow = None;
        }
        self
    }

    /// All problems as a person reads them, an empty line between two of them. Ends without a line break.
    #[must_use]
    pub fn render(&self, file_name: &str, text: &str, colour: bool) -> String {
        let lines = diagnostic::LineIndex::new(text);
        let draw = |found: &Diagnostic| found.render_with(file_name, &lines, colour);
        let mut drawn: Vec<_> = self.diagnostics.iter().map(draw).collect();
        if self.omitted > 0 {
            drawn.push(format!("… and {} more", self.omitted));
        }
        drawn.join("\n\n")
    }
}

/// Reads a workflow file. Finds every mistake in it, unless it is not YAML at all.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut sink = diagnostic::Sink::new(text);
    let root = source::read(text, &mut sink);
    let workflow = root.and_then(|root| lower::workflow(&root, &mut sink));
    let workflow = if sink.errors() > 0 { None } else { workflow };
    let (diagnostics, omitted) = sink.finish();
    Parsed { workflow, diagnostics, omitted }
}
