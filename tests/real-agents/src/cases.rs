//! What is tried with every agent, and what must come of it.

use std::fs;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::model::{Fault, Script, Step};
use crate::stage::{Options, Outcome, Stage};

mod background;
mod recipes;
mod trouble;

/// A case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What must come of it, for the page.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Stage<'_>) -> Ran,
}

/// What came of a case, or why it could not be tried.
pub(crate) type Ran = Result<Verdict, String>;

#[derive(Debug)]
pub(crate) enum Verdict {
    /// What is wrong; nothing when all is well.
    Tried(Vec<String>),
    /// The agent has nothing for it.
    NotOffered(String),
}

const fn case(name: &'static str, about: &'static str, run: fn(&Stage<'_>) -> Ran) -> Case {
    Case { name, about, run }
}

pub(crate) const CASES: [Case; 18] = [
    case("text", "a text is the answer, with session and usage", text),
    case("write_edit", "a file that is written, read and edited", write_edit),
    case("bash_ok", "a command with its output", bash_ok),
    case("bash_fail", "a command that fails, which is no failure of the agent", bash_fail),
    case("multi_turn", "several turns of texts and commands, in order", multi_turn),
    case("err_429_then_ok", "refused requests are made again, and the wait is shown", err_429_then_ok),
    case("err_500", "a service that always fails: a failure that may be retried", err_500),
    case("drop_then_ok", "an interrupted stream is asked for again, and its text comes once", drop_then_ok),
    case("cancel", "Ctrl-C during a command: nothing is left", cancel),
    case("resume", "a session is continued", resume),
    case(
        "sub_agents",
        "the calls of a sub-agent, or its state, below the call that started it",
        background::sub_agents,
    ),
    case(
        "background_agent",
        "a sub-agent that works on after the answer is waited for",
        background::background_agent,
    ),
    case("wake_up", "a scheduled wake-up is waited for", background::wake_up),
    case(
        "left_running",
        "a server that is left running is ended and named; success",
        background::left_running,
    ),
    case(
        "usage_limit",
        "a used-up limit: exit code 75, its class and the time of its end",
        trouble::usage_limit,
    ),
    case(
        "endless_429",
        "refused for ever without a time: a failure that may be retried",
        trouble::endless_429,
    ),
    case("mcp_failed", "an MCP server that does not start is a warning of the step", trouble::mcp_failed),
    case("by_hand", "started by hand, it records itself by the recipe for it", recipes::by_hand),
];

/// A text that a stream can break off in.
const LONG_TEXT: &str = "The first sentence of a long answer is here. The second one says something else. A third one \
                         follows, so that there is enough of it to be cut. The last one ends the answer.";

fn owned(text: &str) -> String {
    text.to_owned()
}

fn say(text: &str) -> Step {
    Step::Say(text.to_owned())
}

fn bash(command: &str) -> Step {
    Step::Bash(command.to_owned())
}

/// Collects what is wrong.
struct Findings {
    outcome: Outcome,
    wrong: Vec<String>,
}

impl Findings {
    fn of(outcome: Outcome) -> Self {
        let wrong = outcome.left.iter().map(|command| format!("left behind: {command}")).collect();
        Self { outcome, wrong }
    }

    fn holds(&mut self, holds: bool, otherwise: impl FnOnce(&Outcome) -> String) {
        if !holds {
            self.wrong.push(otherwise(&self.outcome));
        }
    }

    fn exits_with(&mut self, code: i32) {
        self.holds(self.outcome.status.code() == Some(code), |outcome| {
            let ends = outcome.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
            let ends: Vec<_> = ends.collect();
            let why = ends.iter().find(|line| line.contains(" ✗ ")).or(ends.last()).unwrap_or(&"");
            format!("{}, expected code {code}: {why}", outcome.status)
        });
    }

    /// The answer, which is all there is on standard output.
    fn answers(&mut self, answer: &str) {
        self.holds(self.outcome.stdout.trim_end() == answer, |outcome| {
            format!("the answer is {:?}, expected {answer:?}", outcome.stdout)
        });
    }

    /// What came of it. What the agent has nothing for can be neither right nor wrong.
    fn verdict(self) -> Ran {
        Ok(match self.outcome.missing.first() {
            Some(missing) => Verdict::NotOffered((*missing).to_owned()),
            None => Verdict::Tried(self.wrong),
        })
    }

    /// Something that a step notes about itself, in its result or meanwhile.
    fn notes(&self) -> String {
        let ends = self.outcome.journal.iter().map(|line| &line["event"]);
        let results = ends.filter(|event| event["type"] == "attempt_finished");
        let notes = results.map(|event| event["result"].to_string());
        let meanwhile = self.events("progress").map(Value::to_string);
        notes.chain(meanwhile).chain([self.outcome.stderr.clone()]).collect::<Vec<_>>().join("\n")
    }

    fn events<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.outcome.events.iter().filter(move |event| event["type"] == kind)
    }

    /// Every call has one result, and the facts that every agent gives are there.
    fn is_complete(&mut self) {
        let ids = |kind| {
            let mut ids: Vec<_> = self.events(kind).map(|event| event["id"].to_string()).collect();
            ids.sort();
            ids
        };
        let (calls, results) = (ids("tool_call"), ids("tool_result"));
        self.holds(calls == results, |_| format!("calls {calls:?}, results {results:?}"));
        let sessions = self.events("session").count();
        self.holds(sessions > 0, |_| "no session".to_owned());
        let unknown: Vec<_> = self.events("unknown").map(|event| event["raw"].to_string()).collect();
        self.holds(unknown.is_empty(), |_| format!("not understood: {}", unknown.join(", ")));
    }

    fn has_usage(&mut self) {
        let usage = self.events("usage").last().cloned().unwrap_or_default();
        let has_tokens = usage["outputTokens"].as_u64().is_some_and(|tokens| tokens > 0);
        self.holds(has_tokens, |_| format!("usage is {usage}"));
    }

    fn results(&self) -> Vec<(bool, String)> {
        self.events("tool_result")
            .map(|event| (event["ok"] == true, event["preview"].as_str().unwrap_or_default().to_owned()))
            .collect()
    }
}

fn run(stage: &Stage<'_>, script: Script) -> Result<Findings, String> {
    run_with(stage, script, Options::default())
}

fn run_with(stage: &Stage<'_>, script: Script, options: Options<'_>) -> Result<Findings, String> {
    stage.run(script, options, |_, _| {}).map(Findings::of)
}

fn text(stage: &Stage<'_>) -> Ran {
    let mut found = run(stage, Script::new([vec![say("The answer is 42.")]]))?;
    found.exits_with(0);
    found.answers("The answer is 42.");
    found.is_complete();
    found.has_usage();
    found.verdict()
}

fn write_edit(stage: &Stage<'_>) -> Ran {
    let path = "hello.txt";
    let mut found = run(
        stage,
        Script::new([
            vec![say("I make a file."), Step::Write { path: owned(path), content: owned("hello\nworld\n") }],
            vec![Step::Read(owned(path))],
            vec![Step::Edit { path: owned(path), old: owned("hello"), new: owned("goodbye") }],
            vec![say("It is changed.")],
        ]),
    )?;
    found.exits_with(0);
    found.answers("It is changed.");
    found.is_complete();
    found.has_usage();
    let content = fs::read_to_string(stage.work().join(path)).unwrap_or_default();
    found.holds(content == "goodbye\nworld\n", |_| format!("the file holds {content:?}"));
    let changes = found.events("file_changed").filter(|event| ends_with(&event["path"], path)).count();
    found.holds(changes == 2, |_| format!("{changes} changes of files are told"));
    found.verdict()
}

fn ends_with(value: &Value, end: &str) -> bool {
    value.as_str().is_some_and(|text| text.ends_with(end))
}

fn bash_ok(stage: &Stage<'_>) -> Ran {
    let mut found =
        run(stage, Script::new([vec![bash("echo from-the-command; pwd")], vec![say("It said so.")]]))?;
    found.exits_with(0);
    found.answers("It said so.");
    found.is_complete();
    found.has_usage();
    let results = found.results();
    let expected = matches!(results.as_slice(), [(true, text)] if text.contains("from-the-command"));
    found.holds(expected, |_| format!("results are {results:?}"));
    found.verdict()
}

fn bash_fail(stage: &Stage<'_>) -> Ran {
    let command = "echo before-it-fails; exit 3";
    let mut found = run(stage, Script::new([vec![bash(command)], vec![say("It failed.")]]))?;
    // The agent has done its work, which was to see a command fail.
    found.exits_with(0);
    found.answers("It failed.");
    found.is_complete();
    found.has_usage();
    let results = found.results();
    let fails = stage.agent.tells_exit_codes;
    let expected =
        matches!(results.as_slice(), [(ok, text)] if *ok != fails && text.contains("before-it-fails"));
    found.holds(expected, |_| format!("results are {results:?}"));
    found.verdict()
}

fn multi_turn(stage: &Stage<'_>) -> Ran {
    let step =
        |number: u32| vec![say(&format!("Step {number}.")), bash(&format!("echo {number} >> steps.log"))];
    let mut found = run(stage, Script::new([step(1), step(2), step(3), vec![say("Three steps.")]]))?;
    found.exits_with(0);
    found.answers("Three steps.");
    found.is_complete();
    found.has_usage();
    let log = fs::read_to_string(stage.work().join("steps.log")).unwrap_or_default();
    found.holds(log == "1\n2\n3\n", |_| format!("the steps wrote {log:?}"));
    let texts: Vec<_> =
        found.events("text").filter_map(|event| event["text"].as_str()).map(str::to_owned).collect();
    found.holds(texts == ["Step 1.", "Step 2.", "Step 3.", "Three steps."], |_| {
        format!("texts are {texts:?}")
    });
    found.verdict()
}

fn err_429_then_ok(stage: &Stage<'_>) -> Ran {
    let mut script = Script::new([vec![say("Recovered.")]]);
    script.faults = vec![Fault::Status(429), Fault::Status(429)];
    let mut found = run(stage, script)?;
    found.exits_with(0);
    found.answers("Recovered.");
    found.is_complete();
    found.has_usage();
    let told = found.events("waiting").count();
    found.holds(!stage.agent.tells_retries || told > 0, |_| "nothing says that it waited".to_owned());
    found.verdict()
}

/// Agents ask again for minutes, or for ever. The time limit ends them, if they do not give up before.
fn err_500(stage: &Stage<'_>) -> Ran {
    let script = Script { always: Some(Fault::Status(500)), ..Script::default() };
    let mut found =
        run_with(stage, script, Options { arguments: &["--timeout", "20s"], ..Options::default() })?;
    found.exits_with(1);
    found.answers("");
    let classes = attempt_facts(&found.outcome.journal, "errorClass");
    let is_retryable = classes.last().is_some_and(|class| class.starts_with("RETRYABLE_"));
    found.holds(is_retryable, |_| format!("error classes are {classes:?}"));
    found.verdict()
}

/// A fact of the results in a journal, wherever it is.
fn attempt_facts(journal: &[Value], name: &str) -> Vec<String> {
    let ends = journal.iter().map(|line| &line["event"]).filter(|event| event["type"] == "attempt_finished");
    ends.filter_map(|event| event["result"][name].as_str().or(event[name].as_str()))
        .map(str::to_owned)
        .collect()
}

fn drop_then_ok(stage: &Stage<'_>) -> Ran {
    let mut script = Script::new([vec![say(LONG_TEXT)]]);
    script.faults = vec![Fault::Drop];
    let mut found = run(stage, script)?;
    found.exits_with(0);
    found.answers(LONG_TEXT);
    found.is_complete();
    found.has_usage();
    found.verdict()
}

/// In the middle of a command that has left its session, and of one that has not.
fn cancel(stage: &Stage<'_>) -> Ran {
    let commands = "setsid sleep 3217 > /dev/null 2>&1 &\nsleep 3218\n";
    fs::write(stage.work().join("long.sh"), commands).map_err(|error| error.to_string())?;
    let mut was_told = false;
    let script = Script::new([vec![say("This takes long."), bash("bash ./long.sh")], vec![say("never")]]);
    let outcome = stage.run(script, Options::default(), |stage, roboppi| {
        let commands = stage.alive();
        let runs = |command: &str| commands.iter().any(|(_, found)| found == command);
        if !was_told && runs("sleep 3217") && runs("sleep 3218") {
            was_told = true;
            interrupt(roboppi);
        }
    })?;
    let mut found = Findings::of(outcome);
    found.exits_with(130);
    found.holds(was_told, |_| "the command did not come to run".to_owned());
    found.verdict()
}

fn interrupt(roboppi: &Child) {
    if let Ok(pid) = i32::try_from(roboppi.id()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    }
}

fn resume(stage: &Stage<'_>) -> Ran {
    let session = |found: &Findings| {
        found.events("session").last().and_then(|event| event["id"].as_str()).unwrap_or_default().to_owned()
    };
    let script = Script::new([vec![say("I remember 1234.")]]);
    let first = run_with(stage, script, Options { prompt: "Remember 1234.", ..Options::default() })?;
    let id = session(&first);
    let again = Script::new([vec![say("It was 1234.")]]);
    let arguments = ["--resume", &id];
    let options = Options { arguments: &arguments, prompt: "What was it?", ..Options::default() };
    let mut found = run_with(stage, again, options)?;
    found.wrong.extend(first.wrong.iter().cloned());
    found.exits_with(0);
    found.answers("It was 1234.");
    found.is_complete();
    if stage.agent.tells_usage_of_resumed {
        found.has_usage();
    }
    let second = session(&found);
    found.holds(second == id && !id.is_empty(), |_| format!("session {second:?} after {id:?}"));
    let request = found.outcome.requests.last().map(Value::to_string).unwrap_or_default();
    found.holds(request.contains("Remember 1234."), |_| {
        "the model was not told what was said before".to_owned()
    });
    found.verdict()
}
