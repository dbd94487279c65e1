//! `roboppi events`

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use roboppi_attach::{Liveness, RunFollower};
use roboppi_ipc::WorkerEvent;
use roboppi_run::{RunEvent, RunRecord};
use roboppi_untrusted as untrusted;
use serde_json::Value;

use crate::cli::EventsArgs;
use crate::commands::logs::STILL_FOLLOWED;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::stdio;
use crate::terminal::{self, plain};

mod text;

/// Version of the JSON lines, the same as of a run that is printed as JSON.
const VERSION: u32 = 1;

pub(crate) fn run(args: &EventsArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let dir = run.clone();
    let mut said_elsewhere = false;
    let mut follower = if args.workers { RunFollower::new(run) } else { RunFollower::of_journal(run) };
    let mut stdout = io::BufWriter::new(stdio::stdout());
    let mut warned = 0;
    // Kinds that were there, for whoever asks for one that was not.
    let (mut kinds, mut found) = (BTreeSet::new(), args.kind.is_empty());
    loop {
        let mut written = Ok(());
        let liveness = follower.read(|record| {
            if !found {
                kinds.insert(kind(&record));
            }
            if written.is_ok() && is_wanted(&record, args) {
                found = true;
                written = writeln!(stdout, "{}", line(&record, args.json));
            }
        });
        if let Err(error) = written.and_then(|()| stdout.flush()) {
            return out::ended(Err(error));
        }
        let problems = follower.problems();
        record::warn(&problems[warned.min(problems.len())..]);
        warned = problems.len();
        if liveness == Liveness::Lost && args.follow {
            terminal::say("roboppi: the run is lost: its owner is gone and recorded no end");
        }
        if !liveness.may_live() || !args.follow || out::is_deserted() {
            if args.kind.iter().any(|wanted| !kinds.contains(current_name(wanted))) && !found {
                let kinds: Vec<_> = kinds.into_iter().collect();
                let there = plain(&kinds.join(", "));
                terminal::say(&format!("roboppi: nothing of that kind is recorded; what there is: {there}"));
            }
            return Ok(ExitCode::SUCCESS);
        }
        if !said_elsewhere && let Some(elsewhere) = record::elsewhere(&dir, liveness) {
            said_elsewhere = true;
            terminal::say(&format!("roboppi: {elsewhere}; {STILL_FOLLOWED}"));
        }
        follower.wait(Duration::MAX);
    }
}

fn is_wanted(record: &RunRecord, args: &EventsArgs) -> bool {
    let is_new = match record {
        RunRecord::Journal(record) => record.seq > args.after,
        // That a log has grown is no event of the record. That something is missing in it is one.
        RunRecord::Attempt(_, record) => match &record.event {
            WorkerEvent::Gap(gap) => gap.recorded > 0,
            event => event.is_recorded(),
        },
    };
    is_new && (args.kind.is_empty() || args.kind.iter().any(|wanted| current_name(wanted) == kind(record)))
}

/// The name of a kind today, for a name of earlier versions.
fn current_name(kind: &str) -> &str {
    if kind == "wish" { "command" } else { kind }
}

/// The word that says what happened, as it is in JSON.
fn kind(record: &RunRecord) -> String {
    let event = match record {
        RunRecord::Journal(record) => match &record.event {
            RunEvent::Unknown { raw } => serde_json::from_str(raw),
            event => serde_json::to_value(event),
        },
        RunRecord::Attempt(_, record) => serde_json::to_value(&record.event),
    };
    event.ok().and_then(|event| event.get("type")?.as_str().map(str::to_owned)).unwrap_or_default()
}

fn line(record: &RunRecord, as_json: bool) -> String {
    if as_json {
        untrusted::json(&json(record)).into_owned()
    } else {
        format!("{} {}", text::head(record, &kind(record)), text::of(record))
    }
}

/// The line a run that is printed as JSON has for this.
fn json(record: &RunRecord) -> String {
    let null = |_| Value::Null.to_string();
    let (attempt, seq, ts, event) = match record {
        RunRecord::Journal(record) => {
            let event = match &record.event {
                RunEvent::Unknown { raw } => raw.clone(),
                event => serde_json::to_string(event).unwrap_or_else(null),
            };
            (String::new(), record.seq, record.ts, event)
        }
        RunRecord::Attempt(of, record) => {
            let of = serde_json::to_string(of).unwrap_or_else(null);
            let event = serde_json::to_string(&record.event).unwrap_or_else(null);
            (format!("\"attempt\":{of},"), record.seq, record.ts, event)
        }
    };
    format!("{{\"v\":{VERSION},{attempt}\"seq\":{seq},\"ts\":{ts},\"event\":{event}}}")
}
