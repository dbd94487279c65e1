//! What one step wrote, line by line, with what was started and how it ended.

use std::io::Write;

use roboppi_attach::Liveness;
use roboppi_ipc::{OutputStream, UtcMillis, signal_name};
use roboppi_record::{Log, LogLine, RecordStore, UNKNOWN_LOSS};
use roboppi_run::{AttemptRef, AttemptStatus, AttemptView, Role, RunId, RunView, StepView, missing_words};
use roboppi_untrusted::{first_words, line};
use serde::Serialize;
use serde_json::{Value, json};

use crate::logs::{self, LONGEST};
use crate::units::{clock, format_time, time_to_second};
use crate::{ReportError, select};

/// Lines read at a time. Each is 1 MiB at the most.
const BATCH: u64 = 64;

/// The output of one attempt and what is known of it.
#[derive(Debug)]
pub struct StepOutput {
    head: Head,
    end: End,
    log: Box<dyn Log>,
}

/// What was started.
#[derive(Debug, Serialize)]
struct Head {
    command: String,
    started: String,
    host: String,
    run: String,
    step: String,
    attempt: u32,
    worker: String,
    workspace: String,
}

/// How it ended.
#[derive(Debug)]
enum End {
    /// It has not.
    Open,
    Over {
        at: UtcMillis,
        exit_code: Option<i32>,
        /// Number of the signal that ended the worker.
        signal: Option<i32>,
        /// The word for how.
        status: String,
    },
    /// Nobody knows.
    Lost,
}

impl End {
    /// The line that names the signal, when one ended the worker.
    fn signal_line(&self) -> String {
        let Self::Over { signal: Some(signal), .. } = self else { return String::new() };
        let name = signal_name(*signal).map_or_else(|| signal.to_string(), str::to_owned);
        format!("Signal: {name}\n")
    }
}

impl StepOutput {
    /// What the step `name` of a run wrote in its attempt of this number, or in its last one.
    ///
    /// # Errors
    /// When the run has no such step or attempt, or its log cannot be read.
    pub fn find(
        run: Option<RunId>,
        record: &dyn RecordStore,
        view: &RunView,
        liveness: Liveness,
        name: &str,
        number: Option<u32>,
    ) -> Result<Self, ReportError> {
        let (step, filter) = select::reference(view, name, number)?;
        let attempt = select::attempt(step, filter)?;
        let manifest = record.manifest().ok();
        let head = Head {
            command: command(record, step, &attempt.of),
            started: time_to_second(attempt.started_at),
            host: manifest.map(|manifest| manifest.host).unwrap_or_default(),
            run: run.map(|id| id.to_string()).unwrap_or_default(),
            step: step.plan.step.to_string(),
            attempt: attempt.of.attempt,
            worker: step.worker_of(&attempt.of).to_string(),
            workspace: view.head.as_ref().map(|head| head.workspace.clone()).unwrap_or_default(),
        };
        let log = logs::open(record, attempt).map_err(ReportError::Record)?;
        Ok(Self { head, end: end(attempt, liveness), log })
    }

    /// What is wrong with what was written.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn damage(&mut self) -> Result<Vec<String>, ReportError> {
        let damage = self.log.damage().map_err(ReportError::Record)?;
        let name = first_words(&self.head.step);
        Ok(damage.iter().map(|one| format!("the log of {name} is damaged: {one}")).collect())
    }

    /// Writes a header, a line for each line, and a footer. A `terminal` must not obey what it is shown.
    ///
    /// # Errors
    /// When `out` cannot be written or the log cannot be read.
    pub fn write_text(&mut self, out: &mut dyn Write, terminal: bool) -> Result<(), ReportError> {
        let shown = |bytes: &[u8]| {
            if terminal { line(bytes, false).into_bytes() } else { bytes.to_owned() }
        };
        let Head { command, started, host, .. } = &self.head;
        let mut lines = command.lines().filter(|line| !line.trim().is_empty());
        let first = shown(lines.next().unwrap_or_default().trim().as_bytes());
        let first = String::from_utf8_lossy(&first);
        let more = if lines.next().is_some() { " …" } else { "" };
        write!(out, "Command: {first}{more}\nStarted: {started}\nHost: {host}\n\n")
            .map_err(ReportError::Out)?;
        self.lines(|line| {
            let time = clock(line.ts);
            let mark = if line.stream == OutputStream::Stderr { "[ERR] " } else { "" };
            if line.lost > 0 {
                match line.lost {
                    UNKNOWN_LOSS => writeln!(out, "[{time}] [{}]", missing_words(line.lost, true))?,
                    lost => writeln!(out, "[{time}] [{lost} bytes are not in the record]")?,
                }
                if line.bytes.is_empty() {
                    return Ok(());
                }
            }
            write!(out, "[{time}] {mark}")?;
            out.write_all(&shown(&line.bytes))?;
            if line.truncated {
                write!(out, " [the line is longer than 64 MiB; the rest is not here]")?;
            }
            writeln!(out)
        })?;
        let footer = match &self.end {
            End::Open => "Completed: not yet\n".to_owned(),
            End::Lost => "Completed: unknown, its owner died\nExit code: unknown\n".to_owned(),
            End::Over { at, exit_code: Some(code), .. } => {
                let signal = self.end.signal_line();
                format!("Completed: {}\nExit code: {code}\n{signal}", time_to_second(*at))
            }
            End::Over { at, exit_code: None, status, .. } => {
                format!("Completed: {}\nExit code: none ({status})\n", time_to_second(*at))
            }
        };
        write!(out, "\n{footer}").map_err(ReportError::Out)
    }

    /// Writes one object, with a line of its own for each line.
    ///
    /// # Errors
    /// When `out` cannot be written or the log cannot be read.
    pub fn write_json(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let head = serde_json::to_string(&self.head).map_err(|error| ReportError::Out(error.into()))?;
        let head = head.trim_end_matches('}');
        write!(out, "{head},\"lines\":[").map_err(ReportError::Out)?;
        let mut separator = "";
        self.lines(|line| {
            let mut object = json!({
                "time": line.ts.map(format_time),
                "stream": line.stream.name(),
                "text": String::from_utf8_lossy(&line.bytes),
            });
            if line.lost > 0 {
                object["lostBytes"] = line.lost.into();
                if line.lost == UNKNOWN_LOSS {
                    object["lostBytesAtLeast"] = true.into();
                }
            }
            if line.truncated {
                object["truncated"] = true.into();
            }
            write!(out, "{separator}\n{object}")?;
            separator = ",";
            Ok(())
        })?;
        let (completed, exit_code, status) = match &self.end {
            End::Open => (Value::Null, Value::Null, "running"),
            End::Lost => (Value::Null, Value::Null, "lost"),
            End::Over { at, exit_code, status, .. } => {
                (time_to_second(*at).into(), (*exit_code).into(), status.as_str())
            }
        };
        let signal = match &self.end {
            End::Over { signal: Some(signal), .. } => format!(",\"signal\":{signal}"),
            _ => String::new(),
        };
        writeln!(
            out,
            "\n],\"completed\":{completed},\"exitCode\":{exit_code}{signal},\"status\":\"{status}\"}}"
        )
        .map_err(ReportError::Out)
    }

    /// Gives every line, whole but for what it has beyond [`LONGEST`] bytes, to `take`.
    fn lines(&mut self, mut take: impl FnMut(&LogLine) -> std::io::Result<()>) -> Result<(), ReportError> {
        let mut next = 0;
        loop {
            let lines = self.log.lines(next..next + BATCH);
            let lines = lines.map_err(ReportError::Record)?;
            let Some(last) = lines.last() else { return Ok(()) };
            // The lines that were in a gap are counted, but are not there.
            next = if last.bytes.is_empty() && last.lost > 0 {
                let after = self.log.line_of(last.offset + last.lost);
                after.map_err(ReportError::Record)?.max(last.number + 1)
            } else {
                last.number + 1
            };
            for line in lines {
                let line = self.log.whole_line(line, LONGEST);
                take(&line.map_err(ReportError::Record)?).map_err(ReportError::Out)?;
            }
        }
    }
}

/// What the worker was told, as the recorded workflow has it; the name of the step when that cannot be read.
fn command(record: &dyn RecordStore, step: &StepView, of: &AttemptRef) -> String {
    let name = &step.plan.step;
    let text = record.workflow_text().unwrap_or_default();
    let workflow = roboppi_workflow::parse(&text).workflow;
    let instructions = workflow.and_then(|workflow| {
        let step = workflow.steps.get(name)?;
        let check = step.check.as_ref().filter(|_| of.role == Role::Check);
        let task = check.map_or(&**step, |check| &*check.work);
        Some(task.instructions.trim().to_owned())
    });
    instructions.unwrap_or_else(|| name.to_string())
}

fn end(attempt: &AttemptView, liveness: Liveness) -> End {
    match &attempt.status {
        AttemptStatus::Finished { result, .. } => End::Over {
            at: attempt.finished_at.unwrap_or(attempt.status_at),
            exit_code: result.exit_code,
            signal: result.details.as_ref().and_then(|details| details.signal),
            status: result.status.name().to_lowercase(),
        },
        _ if liveness.may_live() => End::Open,
        _ => End::Lost,
    }
}
