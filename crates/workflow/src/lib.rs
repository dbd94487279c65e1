//! The workflow language and its decisions.
//!
//! [`parse`] reads a workflow file and reports every mistake in it at once; [`Workflow`] is what is
//! left when there is none. [`RunMachine`] decides the life of a run: which step starts when, what is
//! tried again, what is skipped, and how it ends. [`plan_resume`] decides what of an earlier run counts.
//! Nothing here does I/O or reads a clock.

mod config;
mod definition;
mod diagnostic;
mod duration;
mod keys;
mod kinds;
mod lower;
mod plan;
mod resume;
mod run_machine;
mod source;

pub use config::{Config, CoreCommand};
pub use definition::{AgentOptions, InputRef, OnFailure, OutputSpec, SecretSource, Step, Workflow};
pub use diagnostic::{Diagnostic, Severity, Span, nearest};
pub use duration::{DurationError, parse_duration};
pub use keys::{KEYS, KeyDoc, KeyStatus, Section};
pub use kinds::{OtherKinds, WorkerKinds, WorkerPlace, worker_places};
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
        render(&self.diagnostics, self.omitted, file_name, text, colour)
    }
}

/// Problems as a person reads them.
fn render(diagnostics: &[Diagnostic], omitted: usize, file_name: &str, text: &str, colour: bool) -> String {
    let lines = diagnostic::LineIndex::new(text);
    let draw = |found: &Diagnostic| found.render_with(file_name, &lines, colour);
    let mut drawn: Vec<_> = diagnostics.iter().map(draw).collect();
    if omitted > 0 {
        drawn.push(format!("… and {omitted} more"));
    }
    drawn.join("\n\n")
}

/// Reads a workflow file that names no kinds of workers but those that come with roboppi. Finds every mistake in it, unless it
/// is not YAML at all.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    parse_with(text, &WorkerKinds::builtin())
}

/// Reads a workflow file that may name these kinds of workers.
#[must_use]
pub fn parse_with(text: &str, kinds: &WorkerKinds) -> Parsed {
    let mut sink = diagnostic::Sink::new(text);
    let root = source::read(text, &mut sink);
    let workflow = root.and_then(|root| lower::workflow(&root, kinds, &mut sink));
    let workflow = if sink.errors() > 0 { None } else { workflow };
    let (diagnostics, omitted) = sink.finish();
    Parsed { workflow, diagnostics, omitted }
}

/// What a configuration file says.
#[derive(Clone, Debug)]
pub struct ParsedConfig {
    /// The settings, when nothing in it is wrong.
    pub config: Option<Config>,
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Problems beyond those that are kept.
    pub omitted: usize,
}

impl ParsedConfig {
    /// All problems as a person reads them, an empty line between two of them. Ends without a line break.
    #[must_use]
    pub fn render(&self, file_name: &str, text: &str, colour: bool) -> String {
        render(&self.diagnostics, self.omitted, file_name, text, colour)
    }
}

/// Reads a configuration file. Finds every mistake in it, unless it is not YAML at all.
#[must_use]
pub fn parse_config(text: &str) -> ParsedConfig {
    let mut sink = diagnostic::Sink::new(text);
    let config = if is_blank(text) {
        Config::default()
    } else {
        source::read(text, &mut sink).map(|root| lower::config(&root, &mut sink)).unwrap_or_default()
    };
    let config = (sink.errors() == 0).then_some(config);
    let (diagnostics, omitted) = sink.finish();
    ParsedConfig { config, diagnostics, omitted }
}

/// Whether there is nothing but comments, which is no document.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}
