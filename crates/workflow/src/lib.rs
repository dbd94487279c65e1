//! The workflow language and its decisions.
//!
//! [`parse`] reads a workflow file and reports every mistake in it at once; [`Workflow`] is what is
//! left when there is none. [`RunMachine`] decides the life of a run: which step starts when, what is
//! tried again, what is skipped, and how it ends. [`plan_resume`] decides what of an earlier run counts.
//! Nothing here does I/O or reads a clock.

mod branch;
mod budget;
mod condition;
mod config;
mod control;
mod convergence;
mod decision;
mod defaults;
mod definition;
mod diagnostic;
pub mod draft;
mod duration;
mod format;
mod give;
mod inputs;
mod keys;
mod kinds;
mod lower;
mod plan;
mod resume;
mod run_machine;
mod schema;
mod source;
mod sources;
mod template;

use std::collections::{BTreeMap, HashMap};

pub use branch::{
    BranchKeys, BranchLock, BranchOptions, BranchSource, Checkout, PROTECTED_BRANCHES, branch_variables,
    is_protected, patterns, watches,
};
pub use budget::{Budget, Dollars, Used};
pub use condition::Condition;
pub use config::{Config, CoreCommand, Notification, NotifyOn, NotifyTarget, WebhookUrl};
pub use control::{RetryPolicy, StepControl};
pub use convergence::{Convergence, Escalation, Progress, ScopeProblems, matches_path};
pub use decision::{
    CheckDecision, CheckMoment, DecisionFile, DecisionSource, FoundFile, MAX_DECISION_BYTES, decide,
};
pub use definition::{
    AgentOptions, Carrier, CompletionCheck, ExportsMode, HostSpec, InputRef, OnExhausted, OnFailure,
    OnLeaseEnd, OnLimit, OutputSpec, SecretSource, Step, Subworkflow, Workflow,
};
pub use diagnostic::{Diagnostic, Excerpt, FileId, FileRef, Severity, Span, nearest};
pub use duration::{DurationError, parse_duration};
pub use format::{FormatError, format};
pub use give::InputError;
pub use inputs::{InputKind, InputSpec, LONGEST_VALUE, Variables};
pub use keys::{KEYS, KeyDoc, KeyStatus, Section};
pub use kinds::{OtherKinds, WorkerKinds, WorkerPlace, worker_places};
pub use plan::{MOST_STEPS, Node, Plan, Repeat, expand};
pub use resume::{
    Decision, EarlierArtifact, Places, PreviousRun, PreviousStep, ResumePlan, Why, definition_hash,
    plan_resume, result_hash,
};
pub use run_machine::{
    AttemptEnd, IterationDecision, LimitPolicy, RunEffect, RunInput, RunMachine, RunTimer, RunTimerSubject,
    TRY_AGAIN_LATER, exit_code, retry_delay,
};
pub use schema::schema;
pub use source::MAX_BYTES;
pub use sources::{SourceFile, Sources};
pub use template::{Reference, Template, TemplateError};

/// What a file says.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The workflow, when there is no error.
    pub workflow: Option<Workflow>,
    /// What is wrong, in the order of the file. At most 200 errors and 200 warnings are kept.
    pub diagnostics: Vec<Diagnostic>,
    /// Problems beyond those.
    pub omitted: usize,
    /// Files that are named and were not asked for yet: see [`parse_sources`].
    pub needs: Vec<FileRef>,
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

    /// What each problem points at, in the order of the problems.
    #[must_use]
    pub fn excerpts(&self, sources: &Sources) -> Vec<Excerpt> {
        diagnostic::excerpts(&self.diagnostics, sources.files().map(|(_, file)| file.text.as_str()))
    }

    /// All problems as a person reads them, an empty line between two of them. Ends without a line break.
    #[must_use]
    pub fn render(&self, file_name: &str, text: &str, colour: bool) -> String {
        self.render_files([(file_name, text)], colour)
    }

    /// All problems of several files, each with the line of its own file.
    #[must_use]
    pub fn render_sources(&self, sources: &Sources, colour: bool) -> String {
        self.render_files(sources.files().map(|(_, file)| (file.name.as_str(), file.text.as_str())), colour)
    }

    fn render_files<'t>(&self, files: impl IntoIterator<Item = (&'t str, &'t str)>, colour: bool) -> String {
        render(&self.diagnostics, self.omitted, files, colour)
    }
}

/// Problems as a person reads them, each with the line of its file.
fn render<'t>(
    diagnostics: &[Diagnostic],
    omitted: usize,
    files: impl IntoIterator<Item = (&'t str, &'t str)>,
    colour: bool,
) -> String {
    let files: Vec<_> =
        files.into_iter().map(|(name, text)| (name, diagnostic::LineIndex::new(text))).collect();
    let draw = |found: &Diagnostic| {
        let (name, lines) = files.get(found.span.file.index())?;
        Some(found.render_with(name, lines, colour))
    };
    let mut drawn: Vec<_> = diagnostics.iter().filter_map(draw).collect();
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
    parse_within(text, MAX_BYTES, kinds)
}

/// The same of a file that may have so many bytes, for those who want another limit than [`MAX_BYTES`].
#[must_use]
pub fn parse_within(text: &str, most_bytes: usize, kinds: &WorkerKinds) -> Parsed {
    let mut sink = diagnostic::Sink::new([text], false);
    let workflow = read_file(text, most_bytes, kinds, &mut sink);
    finish(workflow, Vec::new(), sink)
}

/// Reads a workflow of several files, in rounds: it says in [`Parsed::needs`] which further files it names, its caller answers
/// them by [`Sources::add`] or [`Sources::refuse`] and asks again, until nothing is needed any more. Finds every mistake in
/// all files that are there.
#[must_use]
pub fn parse_sources(sources: &Sources, kinds: &WorkerKinds) -> Parsed {
    let mut sink = diagnostic::Sink::new(sources.files().map(|(_, file)| file.text.as_str()), true);
    let mut workflows = HashMap::new();
    for (id, file) in sources.files() {
        sink.begin(id);
        let most = if id == FileId::default() { sources.most_bytes() } else { MAX_BYTES };
        workflows.extend(read_file(&file.text, most, kinds, &mut sink).map(|workflow| (id, workflow)));
    }
    let mut needs = sink.take_needs();
    lower::subworkflow::check_nesting(sources, &needs, &mut sink);
    needs.retain(|need| match sources.answer(need) {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(why)) => {
            let message = format!("the file {} cannot be used: {why}", diagnostic::quote(&need.path));
            sink.error(need.span, message, None);
            false
        }
    });
    let mut workflow = workflows.remove(&FileId::default());
    for other in workflows.values_mut() {
        // Steps give no values: what has none is a mistake that is reported where the file is named.
        let _ = other.give(&BTreeMap::new());
    }
    if needs.is_empty() && sink.errors() == 0 {
        workflow = workflow.and_then(|main| lower::subworkflow::link(sources, main, &workflows, &mut sink));
    }
    finish(workflow, needs, sink)
}

fn read_file(
    text: &str,
    most_bytes: usize,
    kinds: &WorkerKinds,
    sink: &mut diagnostic::Sink<'_>,
) -> Option<Workflow> {
    let root = source::read(text, most_bytes, sink)?;
    lower::workflow(&root, kinds, sink)
}

fn finish(workflow: Option<Workflow>, needs: Vec<FileRef>, sink: diagnostic::Sink<'_>) -> Parsed {
    let workflow = workflow.filter(|_| sink.errors() == 0);
    let (diagnostics, omitted) = sink.finish();
    Parsed { workflow, diagnostics, omitted, needs }
}

/// The content of a file of at most [`MAX_BYTES`] as JSON: what [`schema`] describes. Anchors, aliases and `<<` are resolved, comments
/// are gone, numbers that JSON has not are null. `None` when the file is no YAML that a workflow may be.
#[must_use]
pub fn document(text: &str) -> Option<serde_json::Value> {
    let mut sink = diagnostic::Sink::new([text], false);
    let root = source::read(text, MAX_BYTES, &mut sink)?;
    (sink.errors() == 0).then(|| source::json(&root))
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
        render(&self.diagnostics, self.omitted, [(file_name, text)], colour)
    }
}

/// Reads a configuration file. Finds every mistake in it, unless it is not YAML at all.
#[must_use]
pub fn parse_config(text: &str) -> ParsedConfig {
    let mut sink = diagnostic::Sink::new([text], false);
    let config = if is_blank(text) {
        Config::default()
    } else {
        source::read(text, MAX_BYTES, &mut sink)
            .map(|root| lower::config(&root, &mut sink))
            .unwrap_or_default()
    };
    let config = (sink.errors() == 0).then_some(config);
    let (diagnostics, omitted) = sink.finish();
    ParsedConfig { config, diagnostics, omitted }
}

/// Whether there is nothing but comments, which is no document.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}
