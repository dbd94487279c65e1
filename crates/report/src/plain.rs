//! A run for people, as lines: in CI logs, in pipes, and on terminals without the full view.
//!
//! A line reports how a step ends; the output of successful steps is not shown. That of a failed step follows its line, or
//! comes at the end ([`FailureOutput`]). The last lines are a table, the outcome of the run, and the steps that failed.
//! A step that takes long is reported once, and when nothing happens for a while, a line reports what is still going on.
//!
//! With [`PlainSettings::stream`] the output of all steps is shown as it comes, `step | text` for stdout and
//! `step ! text` for stderr. It is read from the record, so every line of every log is shown exactly once,
//! however much of it the live plane had to drop.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roboppi_attach::{RunSource, Sharing};
use roboppi_ipc::{UtcMillis, WorkerEvent};
use roboppi_record::RecordPart;
use roboppi_run::{AttemptRef, RunEvent, RunRecord, RunView};
use tokio::sync::oneshot;

use super::detached;
use super::follower::{Follower, Item, Stop};
use crate::clock;

mod activity;
pub mod ci;
mod concise;
mod count;
mod cut;
mod failure;
mod heartbeat;
mod lines;
mod log;
mod output;
mod printer;
mod progress;
mod quiet;
mod slow;
mod started;
mod summary;

pub use concise::{is_called_by_agent, run_concisely};
use log::{LogStream, SourceLogs};
use printer::PlainPrinter;

/// When the output of failed steps is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureOutput {
    /// When the step fails.
    #[default]
    Immediate,
    /// At the end of the run.
    Final,
    /// At both times.
    ImmediateFinal,
    /// Never.
    Never,
}

impl FailureOutput {
    const fn is_immediate(self) -> bool {
        matches!(self, Self::Immediate | Self::ImmediateFinal)
    }

    const fn is_final(self) -> bool {
        matches!(self, Self::Final | Self::ImmediateFinal)
    }
}

/// How a run is shown as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainSettings {
    /// Whether to write colour codes; see [`use_colour`](super::style::use_colour).
    pub colour: bool,
    /// Show the output of all steps as it comes.
    pub stream: bool,
    /// Show the starts and stages of attempts, artifacts and the core too.
    pub verbose: bool,
    /// Show failures, warnings and how the run ended, and nothing else.
    pub quiet: bool,
    /// When the output of failed steps is shown.
    pub failure_output: FailureOutput,
    /// A step that takes longer is reported once. Zero: never.
    pub slow: Duration,
    /// After this much silence a line says what is going on. Zero: never.
    pub heartbeat: Duration,
    /// Lines of a failed step's output that are shown.
    pub tail_lines: usize,
    /// Bytes of a failed step's output that are shown.
    pub tail_bytes: u64,
}

impl Default for PlainSettings {
    fn default() -> Self {
        Self {
            colour: false,
            stream: false,
            verbose: false,
            quiet: false,
            failure_output: FailureOutput::default(),
            slow: Duration::from_secs(60),
            heartbeat: Duration::from_secs(60),
            tail_lines: 50,
            tail_bytes: 16 * 1024,
        }
    }
}

/// Writes the run of `source` to `out` until the run is over and everything is written. Blocks, so it needs
/// a thread of its own, which must not be one of an async runtime.
///
/// # Errors
/// When `out` cannot be written, except that a reader that went away is no error.
pub fn run(source: Arc<dyn RunSource>, settings: PlainSettings, out: impl Write) -> io::Result<()> {
    let follower = Follower::new(Arc::clone(&source))?;
    let mut sink = PlainSink::new(source, settings, out, follower);
    detached(sink.run().and_then(|_| sink.finish()))
}

/// Lines around those of [`run_from_now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Before the first one.
    pub begin: &'static str,
    /// Behind the last one, when the run is over.
    pub over: &'static str,
}

/// How following a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nobody wanted more.
    Stopped,
    /// The run is over.
    Over,
}

/// Writes what happens from now on, after the last few lines of what is at work, until the run is over or
/// the sender of `stop` is dropped. How the run ended is left to say to who called. Blocks, as [`run`] does.
///
/// # Errors
/// When `out` cannot be written, except that a reader that went away is no error.
pub fn run_from_now(
    source: Arc<dyn RunSource>,
    settings: PlainSettings,
    frame: Frame,
    mut out: impl Write,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    writeln!(out, "{}", frame.begin)?;
    let follower = Follower::from_now(Arc::clone(&source), Stop::on(stop))?;
    let mut sink = PlainSink::new(source, settings, &mut out, follower);
    sink.begin = Begin::Now;
    let mut outcome = Outcome::Over;
    detached(sink.run().map(|how| outcome = how))?;
    match outcome {
        Outcome::Over => writeln!(out, "{}", frame.over),
        Outcome::Stopped => Ok(()),
    }
}

/// Writes how a run ended, no longer than a screen, for somebody who has watched it.
///
/// # Errors
/// When `out` cannot be written, except that a reader that went away is no error.
pub fn run_in_short(source: &dyn RunSource, settings: &PlainSettings, mut out: impl Write) -> io::Result<()> {
    let view = source.follow().view;
    let text = summary::short(&view, settings, source.record().location(RecordPart::Run).as_deref());
    detached(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes how a run ended, with the end of what its failed steps wrote, for a terminal whose reader has not watched it.
///
/// # Errors
/// When `out` cannot be written, except that a reader that went away is no error.
pub fn run_at_end(
    source: Arc<dyn RunSource>,
    settings: &PlainSettings,
    mut out: impl Write,
) -> io::Result<()> {
    let view = source.follow().view;
    let location = source.record().location(RecordPart::Run);
    // Nothing was shown above.
    let failure_output = match settings.failure_output {
        FailureOutput::Never => FailureOutput::Never,
        FailureOutput::Immediate | FailureOutput::Final | FailureOutput::ImmediateFinal => {
            FailureOutput::Final
        }
    };
    let settings = PlainSettings { stream: false, failure_output, ..settings.clone() };
    let text = summary::end(&view, &settings, location.as_deref(), &mut SourceLogs(source));
    detached(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Lines of a log that was written before one looked.
const BEFORE_NOW: u64 = 10;

/// Records that are taken in before logs are read on.
const TOGETHER: usize = 256;

struct PlainSink<W> {
    follower: Follower,
    source: Arc<dyn RunSource>,
    printer: PlainPrinter,
    out: Output<W>,
    settings: PlainSettings,
    /// Logs that are being shown; `None` for those that were shown to their end or cannot be read.
    streams: HashMap<AttemptRef, Option<Box<LogStream>>>,
    /// Logs that have grown.
    grown: HashSet<AttemptRef>,
    sharing: Sharing,
    begin: Begin,
}

/// What is shown of the time before somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// All of it.
    Start,
    /// The last few lines of what is at work.
    Now,
}

/// Where the text goes.
struct Output<W> {
    out: W,
    /// When something was written last.
    wrote_at: Instant,
}

impl<W: Write> Output<W> {
    /// Writes what was printed, at once.
    fn write(&mut self, printer: &mut PlainPrinter) -> io::Result<()> {
        if printer.text().is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(printer.text());
        printer.clear();
        self.wrote_at = Instant::now();
        written
    }
}

impl<W: Write> PlainSink<W> {
    fn new(source: Arc<dyn RunSource>, settings: PlainSettings, out: W, follower: Follower) -> Self {
        Self {
            follower,
            printer: PlainPrinter::new(
                settings.clone(),
                source.record().location(RecordPart::Run),
                Box::new(SourceLogs(Arc::clone(&source))),
            ),
            source,
            out: Output { out, wrote_at: Instant::now() },
            settings,
            streams: HashMap::new(),
            grown: HashSet::new(),
            sharing: Sharing::default(),
            begin: Begin::Start,
        }
    }

    fn run(&mut self) -> io::Result<Outcome> {
        let mut together = 0;
        loop {
            let ready = if together < TOGETHER { self.follower.try_next() } else { None };
            let item = match ready {
                Some(item) => {
                    together += 1;
                    item
                }
                None => {
                    together = 0;
                    self.stream_grown()?;
                    self.write()?;
                    match self.follower.wait(self.patience()) {
                        Some(item) => item,
                        None => {
                            self.nothing_came();
                            continue;
                        }
                    }
                }
            };
            match item {
                Item::Journal(record) => {
                    if let RunEvent::AttemptFinished { of, .. } = &record.event {
                        self.stream_end(of)?;
                    }
                    let record = RunRecord::Journal(record);
                    self.printer.record(&record);
                    self.sharing.count(&record);
                    self.printer.share(&*self.source, &mut self.sharing);
                }
                Item::Attempt(of, record) => {
                    let grows = matches!(
                        record.event,
                        WorkerEvent::Stdout(_)
                            | WorkerEvent::Stderr(_)
                            | WorkerEvent::LogGrew(_)
                            | WorkerEvent::Gap(_)
                    );
                    if grows {
                        self.grown.insert(of.clone());
                    }
                    self.printer.record(&RunRecord::Attempt(of, record));
                }
                Item::Recorded(of, record) => self.printer.record(&RunRecord::Attempt(of, record)),
                Item::CaughtUp(view) => self.caught_up(*view)?,
                Item::Ended => break,
                Item::Stopped => return self.write().map(|()| Outcome::Stopped),
            }
        }
        let left: Vec<_> = self.streams.keys().cloned().chain(self.grown.iter().cloned()).collect();
        for of in left {
            self.stream_end(&of)?;
        }
        self.write().map(|()| Outcome::Over)
    }

    /// Says how it all ended.
    fn finish(&mut self) -> io::Result<()> {
        self.printer.finish();
        self.write()
    }

    /// Time until the next heartbeat, until an unfinished line is shown, or until a step is slow.
    fn patience(&self) -> Option<Duration> {
        let unfinished = self.streams.values().flatten().filter_map(|stream| stream.due()).min();
        let unfinished = unfinished.map(|due| due.saturating_duration_since(Instant::now()));
        // In a replay the records themselves bring the time.
        let slow = self.printer.next_slow().filter(|_| self.source.playback().is_none());
        let slow = slow.map(|due| Duration::from_millis(due.0.saturating_sub(clock::now().0)));
        self.until_heartbeat().into_iter().chain(unfinished).chain(slow).min()
    }

    /// The time of the run that is shown.
    fn now(&self) -> UtcMillis {
        self.source.playback().map_or_else(clock::now, |playback| playback.now)
    }

    fn until_heartbeat(&self) -> Option<Duration> {
        let heartbeat = self.settings.heartbeat;
        (!heartbeat.is_zero()).then(|| heartbeat.saturating_sub(self.out.wrote_at.elapsed()))
    }

    /// Shows lines that wait for their end for too long, or that the run is alive.
    fn nothing_came(&mut self) {
        let now = Instant::now();
        for (of, stream) in &mut self.streams {
            if let Some(stream) = stream {
                stream.take_due(now, |line| self.printer.output(of).add(line));
            }
        }
        let time = self.now();
        self.printer.mark_slow(time);
        if self.until_heartbeat().is_some_and(|left| left.is_zero()) {
            if self.printer.text().is_empty() {
                self.printer.heartbeat(time);
            }
            self.out.wrote_at = now;
        }
    }

    fn caught_up(&mut self, view: RunView) -> io::Result<()> {
        if std::mem::replace(&mut self.begin, Begin::Start) == Begin::Now {
            return self.begin_now(view);
        }
        for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
            if attempt.finished_at.is_some() {
                self.stream_end(&attempt.of)?;
            } else {
                self.grown.insert(attempt.of.clone());
            }
        }
        self.printer.catch_up(view);
        Ok(())
    }

    /// Passes over what was before, but for the last lines of what is at work.
    fn begin_now(&mut self, view: RunView) -> io::Result<()> {
        for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
            let of = &attempt.of;
            if attempt.finished_at.is_some() {
                self.streams.insert(of.clone(), None);
            } else if self.settings.stream {
                let opened =
                    self.source.record().log(of).and_then(|log| LogStream::near_the_end(log, BEFORE_NOW));
                let opened = opened.map_err(|error| self.printer.note(of, &error.to_string())).ok();
                self.streams.insert(of.clone(), opened.map(Box::new));
                self.grown.insert(of.clone());
            }
        }
        self.printer.pass_over(view);
        Ok(())
    }

    /// Shows what was added to logs.
    fn stream_grown(&mut self) -> io::Result<()> {
        for of in std::mem::take(&mut self.grown) {
            self.stream(&of)?;
        }
        Ok(())
    }

    /// Shows the rest of a log: nothing is added to it any more.
    fn stream_end(&mut self, of: &AttemptRef) -> io::Result<()> {
        self.stream(of)?;
        self.grown.remove(of);
        if !self.settings.stream {
            return Ok(());
        }
        let Some(Some(mut stream)) = self.streams.insert(of.clone(), None) else { return Ok(()) };
        stream.finish(|last| self.printer.output(of).add(last));
        // What cannot be compared was read all the same.
        for damage in stream.changed().unwrap_or_default() {
            self.printer.note(of, &format!("its log is damaged: {damage}"));
        }
        Ok(())
    }

    fn stream(&mut self, of: &AttemptRef) -> io::Result<()> {
        if !self.settings.stream {
            return Ok(());
        }
        if !self.streams.contains_key(of) {
            let opened = self.source.record().log(of).map(LogStream::new);
            let opened = opened.map_err(|error| self.printer.note(of, &error.to_string())).ok();
            self.streams.insert(of.clone(), opened.map(Box::new));
        }
        let Some(Some(stream)) = self.streams.get_mut(of) else { return Ok(()) };
        let mut more = stream.refresh();
        while more.is_ok() && !self.follower.is_stopped() {
            let mut lines = self.printer.output(of);
            let read = stream.read(|line| lines.add(line));
            self.out.write(&mut self.printer)?;
            more = match read {
                Ok(true) => Ok(()),
                Ok(false) => break,
                Err(error) => Err(error),
            };
        }
        if let Err(error) = more {
            self.printer.note(of, &format!("the rest of its output is not shown: {error}"));
            self.streams.insert(of.clone(), None);
        }
        Ok(())
    }

    /// Writes what there is, before waiting.
    fn write(&mut self) -> io::Result<()> {
        self.out.write(&mut self.printer)?;
        self.out.out.flush()
    }
}

#[cfg(test)]
mod tests;
