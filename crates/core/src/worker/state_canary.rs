//! A secret that comes in two pieces, cut at every place, in every spelling, on both streams, into everything that a
//! worker's output becomes: log, events, the wire of both protocols, the result.

use std::path::Path;
use std::time::Duration;

use memchr::memmem;
use roboppi_ipc::{AgentText, Dialect, RecordTarget, UtcMillis, WorkerKind};
use roboppi_process::ExitKind as ProcessExit;
use roboppi_worker_adapters::{Adapters, CommandSpec, SessionInput, StreamPlan, WorkerSession, verdict};

use super::*;
use crate::fixtures::job;
use crate::live::LiveEncoder;
use crate::{Clock, CoreSettings, Variables};

const CANARY: &str = "c4nary/9f+86d0=8 kill\"joy";

/// What the canary looks like on the wire and on disk, and pieces of it that are none of anything else.
const SEEN: &[&str] = &[
    CANARY,
    "c4nary/9f+86d0=8 kill\\\"joy",
    "c4nary/9f+86d0=8 kill\\\\\\\"joy",
    "c4nary%2F9f%2B86d0%3D8%20kill%22joy",
    // Base64 without the characters at its ends, which stand for something else as well.
    "zRuYXJ5LzlmKzg2ZDA9OCBraWxsImp",
    "0bmFyeS85Zis4NmQwPTgga2lsbCJqb",
    "NG5hcnkvOWYrODZkMD04IGtpbGwiam9",
    "c4nary",
    "86d0=8",
    "kill\"joy",
    "kill\\\"joy",
];

/// What a worker may print.
const PRINTED: &[&str] = &[
    CANARY,
    r#"c4nary/9f+86d0=8 kill\"joy"#,
    r#"c4nary\/9f+86d0=8 kill\"joy"#,
    "c4nary%2F9f%2B86d0%3D8%20kill%22joy",
    "c4nary%2f9f%2b86d0%3d8+kill%22joy",
    // Of `canary`, `xcanary` and `xxcanary`.
    "YzRuYXJ5LzlmKzg2ZDA9OCBraWxsImpveQ==",
    "eGM0bmFyeS85Zis4NmQwPTgga2lsbCJqb3k=",
    "eHhjNG5hcnkvOWYrODZkMD04IGtpbGwiam95",
];

/// A session that repeats every line, as agents do.
struct Echo;

impl WorkerSession for Echo {
    fn handle(&mut self, _now: Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
        match input {
            SessionInput::Line(_, line) => {
                let text = String::from_utf8_lossy(line).into_owned();
                out.push(SessionEffect::Event(WorkerEvent::Text(AgentText::new(text))));
            }
            SessionInput::Exit(end) => out.push(SessionEffect::Result(verdict(&end))),
            _ => {}
        }
    }
}

struct Attempt {
    state: State,
    now: Mono,
    wires: [(LiveEncoder, Vec<u8>); 2],
}

impl Attempt {
    fn begin(dir: &Path, base: &str, translation: Translation) -> Self {
        let task = job("a").worker_task().unwrap();
        let host = WorkerHost::new(Clock::start(), Variables::default());
        assert_eq!(host.secrets.add("CANARY", CANARY.as_bytes()), roboppi_redact::Taken::Added);
        let options = WorkerOptions::for_task(&task, &CoreSettings::default(), None, UtcMillis(0));
        let mut state = State::new("a".into(), &options, &host);
        let target = RecordTarget { dir: dir.to_str().unwrap().into(), base: base.into(), limits: None };
        state.begin(
            Mono::ZERO,
            Recorder::open(Some(&target), None, &host.budgets),
            translation,
            Duration::ZERO,
        );
        let wires =
            [Dialect::V1, Dialect::V2].map(|dialect| (LiveEncoder::new("a".into(), dialect), Vec::new()));
        Self { state, now: Mono::ZERO, wires }
    }

    fn says(&mut self, stream: OutputStream, pieces: &[&[u8]]) {
        for piece in pieces {
            // So much later each time that nothing waits for anything.
            self.now = self.now + Duration::from_secs(1);
            self.state.output(self.now, stream, piece);
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        while let Some(event) = self.state.take_event(self.now + Duration::from_secs(60)) {
            for (encoder, wire) in &mut self.wires {
                encoder.encode(event.clone(), wire);
            }
        }
    }

    /// Everything that has come of it.
    fn end(mut self, dir: &Path, base: &str) -> Vec<(String, Vec<u8>)> {
        let process = ProcessIdentity { pid: 1, start_time: 1 };
        let report = ChildReport {
            exit: ProcessExit::Code(1),
            reason: None,
            killed: false,
            pipes_left_open: false,
            duration: Duration::from_secs(1),
            process,
            usage: None,
        };
        self.state.finish(self.now, &report);
        self.pass_on();
        let result = serde_json::to_vec(&self.state.outcome.as_ref().unwrap().result).unwrap();
        let mut all = vec![("result".to_owned(), result)];
        for (mut encoder, mut wire) in self.wires {
            encoder.finish(UtcMillis(0), &mut wire);
            all.push((format!("{encoder:?}"), wire));
        }
        drop(self.state);
        for extension in ["log", "idx", "events.jsonl"] {
            let path = dir.join(format!("{base}.{extension}"));
            all.push((extension.to_owned(), std::fs::read(path).unwrap_or_default()));
        }
        all
    }
}

fn translations() -> [(&'static str, Translation); 2] {
    let task = job("a").worker_task().unwrap();
    let custom = Adapters::builtin().get(WorkerKind::CUSTOM).unwrap();
    let mut for_session = CommandSpec::new(["agent"]);
    for_session.stdout = StreamPlan::FOR_SESSION;
    for_session.stderr = StreamPlan::FOR_SESSION;
    [
        ("custom", Translation::new(custom.session(&task), &custom.plan(&task).unwrap())),
        ("agent", Translation::new(Box::new(Echo), &for_session)),
    ]
}

fn assert_clean(all: &[(String, Vec<u8>)]) {
    for (place, bytes) in all {
        for seen in SEEN {
            let at = memmem::find(bytes, seen.as_bytes());
            let near = at.map(|at| {
                let end = bytes.len().min(at + 200);
                String::from_utf8_lossy(&bytes[at.saturating_sub(100)..end]).into_owned()
            });
            assert_eq!(near, None, "{seen} in {place}");
        }
    }
}

#[test]
fn no_place_of_a_cut_lets_a_secret_through() {
    let dir = tempfile::tempdir().unwrap();
    for (name, translation) in translations() {
        let base = format!("steps/{name}/i1-a1");
        let mut attempt = Attempt::begin(dir.path(), &base, translation);
        let mut secrets = 0;
        for printed in PRINTED {
            let bytes = printed.as_bytes();
            for cut in 0..=bytes.len() {
                let (first, second) = bytes.split_at(cut);
                for stream in [OutputStream::Stdout, OutputStream::Stderr] {
                    attempt.says(stream, &[b"before ", first, second, b" after\n"]);
                    attempt.says(stream, &[b"::progress::", first, second, b"\n"]);
                    // The other stream in between.
                    attempt.says(stream, &[first]);
                    let other = if stream == OutputStream::Stdout {
                        OutputStream::Stderr
                    } else {
                        OutputStream::Stdout
                    };
                    attempt.says(other, &[b"meanwhile\n"]);
                    attempt.says(stream, &[second, b"\n"]);
                    secrets += 3;
                }
            }
            attempt.says(OutputStream::Stdout, &bytes.chunks(1).collect::<Vec<_>>());
            attempt.says(OutputStream::Stdout, &[b"\n"]);
            secrets += 1;
        }
        // What was held back is let go at the end, and is no secret.
        attempt.says(OutputStream::Stderr, &[CANARY.as_bytes(), b"\n", b"at the end c4n"]);
        let all = attempt.end(dir.path(), &base);
        assert_clean(&all);
        let log = &all.iter().find(|(place, _)| place == "log").unwrap().1;
        assert_eq!(memmem::find_iter(log, "***").count(), secrets + 1, "{name}: every one left a mark");
        assert!(log.ends_with(b"at the end c4n"));
        for (place, bytes) in all.iter().filter(|(place, _)| place.contains("V2") || place == "events.jsonl")
        {
            assert!(memmem::find_iter(bytes, "***").count() > secrets / 10, "{name}: {place} has many");
        }
    }
}

#[test]
fn a_value_that_is_masked_on_the_way_is_hidden_whatever_was_held_back() {
    let dir = tempfile::tempdir().unwrap();
    for (name, translation) in translations() {
        let base = format!("steps/{name}/i1-a1");
        let mut attempt = Attempt::begin(dir.path(), &base, translation);
        let value = "made-0f-nothing";
        let _taken = attempt.state.host.secrets.add("mask", value.as_bytes());
        for cut in 0..=value.len() {
            let (first, second) = value.as_bytes().split_at(cut);
            for stream in [OutputStream::Stdout, OutputStream::Stderr] {
                attempt.says(stream, &[b"x ", first, second, b" y\n"]);
            }
        }
        for (place, bytes) in attempt.end(dir.path(), &base) {
            assert!(memmem::find(&bytes, value.as_bytes()).is_none(), "{place}");
        }
    }
}
