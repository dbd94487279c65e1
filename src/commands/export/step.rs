//! What one step wrote, line by line, with what was started and how it ended.

use std::io::Write;

use jiff::Timestamp;
use roboppi_attach::Liveness;
use roboppi_ipc::{OutputStream, UtcMillis, signal_name};
use roboppi_record::{LogLine, LogReader, RunDir, UNKNOWN_LOSS};
use roboppi_run::{AttemptStatus, AttemptView, StepView, missing_words};
use roboppi_untrusted as untrusted;
use serde::Serialize;
use serde_json::{Value, json};

use super::Broken;
use crate::commands::logs::LONGEST;
use crate::commands::{logs, record};
use crate::exit::Failure;
use crate::terminal;

/// Lines read at a time. Each is 1 MiB at the most.
const BATCH: u64 = 64;

/// The output of one attempt and what is known of it.
pub(super) struct StepOutput {
    head: Head,
    end: End,
    log: LogReader,
}

/// What was started.
#[derive(Serialize)]
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
    pub(super) fn find(dir: &RunDir, name: &str, number: Option<u32>) -> Result<Self, Failure> {
        let (view, liveness) = record::view_of(dir);
        let step = logs::find_step(&view, name)?;
        let attempt = match number {
            Some(number) => step.attempts.iter().rev().find(|attempt| attempt.of.attempt == number),
            None => step.attempts.last(),
        };
        let attempt = attempt.ok_or_else(|| logs::no_attempt(step, number))?;
        let manifest = dir.manifest().ok();
        let head = Head {
            command: command(dir, step),
            started: iso(attempt.started_at),
            host: manifest.map(|manifest| manifest.host).unwrap_or_default(),
            run: dir.id().map(|id| id.to_string()).unwrap_or_default(),
            step: name.to_owned(),
            attempt: attempt.of.attempt,
            worker: step.plan.worker.to_string(),
            workspace: view.head.as_ref().map(|head| head.workspace.clone()).unwrap_or_default(),
        };
        let log = logs::open_log(dir, attempt).map_err(Failure::record)?;
        Ok(Self { head, end: end(attempt, liveness), log })
    }

    /// Says what is wrong with what was written, and whether anything is.
    pub(super) fn say_damage(&mut self) -> Result<bool, Failure> {
        let damage = self.log.damage().map_err(Failure::record)?;
        for one in &damage {
            let name = terminal::plain(&self.head.step);
            terminal::say(&format!("error: the log of {name} is damaged: {one}"));
        }
        Ok(!damage.is_empty())
    }

    /// A header, a line for each line, and a footer.
    /// A `terminal` must not obey what it is shown.
    pub(super) fn write_text(&mut self, out: &mut dyn Write, terminal: bool) -> Result<(), Broken> {
        let shown = |bytes: &[u8]| {
            if terminal { untrusted::line(bytes, false).into_bytes() } else { bytes.to_owned() }
        };
        let Head { command, started, host, .. } = &self.head;
        let mut lines = command.lines().filter(|line| !line.trim().is_empty());
        let first = shown(lines.next().unwrap_or_default().trim().as_bytes());
        let first = String::from_utf8_lossy(&first);
        let more = if lines.next().is_some() { " …" } else { "" };
        write!(out, "Command: {first}{more}\nStarted: {started}\nHost: {host}\n\n").map_err(Broken::Out)?;
        self.lines(|line| {
            let time = line.ts.and_then(timestamp).map_or_else(|| "??:??:??".to_owned(), clock);
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
                format!("Completed: {}\nExit code: {code}\n{signal}", iso(*at))
            }
            End::Over { at, exit_code: None, status, .. } => {
                format!("Completed: {}\nExit code: none ({status})\n", iso(*at))
            }
        };
        write!(out, "\n{footer}").map_err(Broken::Out)
    }

    /// One object, with a line of its own for each line.
    pub(super) fn write_json(&mut self, out: &mut dyn Write) -> Result<(), Broken> {
        let head = serde_json::to_string(&self.head).map_err(|error| Broken::Own(Failure::own(error)))?;
        let head = head.trim_end_matches('}');
        write!(out, "{head},\"lines\":[").map_err(Broken::Out)?;
        let mut separator = "";
        self.lines(|line| {
            let mut object = json!({
                "time": line.ts.map(record::time),
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
                (iso(*at).into(), (*exit_code).into(), status.as_str())
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
        .map_err(Broken::Out)
    }

    /// Gives every line, whole but for what it has beyond [`LONGEST`] bytes, to `take`.
    fn lines(&mut self, mut take: impl FnMut(&LogLine) -> std::io::Result<()>) -> Result<(), Broken> {
        let mut next = 0;
        loop {
            let lines = self.log.lines(next..next + BATCH);
            let lines = lines.map_err(|error| Broken::Own(Failure::record(error)))?;
            let Some(last) = lines.last() else { return Ok(()) };
            // The lines that were in a gap are counted, but are not there.
            next = if last.bytes.is_empty() && last.lost > 0 {
                let after = self.log.line_of(last.offset + last.lost);
                after.map_err(|error| Broken::Own(Failure::record(error)))?.max(last.number + 1)
            } else {
                last.number + 1
            };
            for line in lines {
                let line = self.log.whole_line(line, LONGEST);
                take(&line.map_err(|error| Broken::Own(Failure::record(error)))?).map_err(Broken::Out)?;
            }
        }
    }
}

/// What the worker was told, as the recorded workflow has it; the name of the step when that cannot be read.
fn command(dir: &RunDir, step: &StepView) -> String {
    let name = &step.plan.step;
    let text = dir.workflow_text().unwrap_or_default();
    let workflow = roboppi_workflow::parse(&text).workflow;
    let told = workflow.and_then(|workflow| Some(workflow.steps.get(name)?.instructions.trim().to_owned()));
    told.unwrap_or_else(|| name.to_string())
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

/// A time to the second.
fn iso(ts: UtcMillis) -> String {
    timestamp(ts).map_or_else(|| record::time(ts), |time| format!("{time:.0}"))
}

fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%S").to_string()
}

fn timestamp(ts: UtcMillis) -> Option<Timestamp> {
    i64::try_from(ts.0).ok().and_then(|ts| Timestamp::from_millisecond(ts).ok())
}
