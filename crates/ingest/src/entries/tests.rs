use roboppi_run::{AttemptRecord, JournalRecord, RunId, RunMode};

use super::*;

/// A run that reports are recorded in.
struct Run {
    view: RunView,
    now: u64,
    events: u64,
}

impl Run {
    fn new() -> Self {
        let mut run = Self { view: RunView::default(), now: 1_000, events: 0 };
        run.write(Entry::Journal(RunEvent::RunStarted {
            run_id: RunId::parse("run-1").unwrap(),
            handle: None,
            name: "n".into(),
            workflow: String::new(),
            workspace: "/w".into(),
            context_dir: String::new(),
            mode: RunMode::Direct,
            timeout_ms: 0,
            concurrency: 1,
            stream_stdio: false,
            steps: Vec::new(),
            resumes: None,
            only: Vec::new(),
        }));
        run
    }

    fn write(&mut self, entry: Entry) {
        match entry {
            Entry::Journal(event) => {
                let seq = self.view.position.journal_seq + 1;
                self.view.apply_journal(&JournalRecord { seq, ts: UtcMillis(self.now), event });
            }
            Entry::Attempt(of, event) => {
                self.events += 1;
                let record = AttemptRecord { seq: self.events, ts: UtcMillis(self.now), at: 0, event };
                self.view.apply_attempt(&of, &record);
            }
        }
    }

    fn report(&mut self, line: &str) -> Result<usize, Refused> {
        self.now += 100;
        let (emission, _) = Emission::read(line);
        let made = entries(&self.view, EMITTED, UtcMillis(self.now), emission)?;
        let count = made.len();
        made.into_iter().for_each(|entry| self.write(entry));
        Ok(count)
    }

    fn states(&self) -> Vec<(String, StepState)> {
        self.view.steps.iter().map(|step| (step.plan.step.to_string(), step.state)).collect()
    }
}

#[test]
fn a_report_without_a_step_begins_one_or_belongs_to_the_latest() {
    let mut run = Run::new();
    run.report(r#"{"type":"tool_call","id":"1","tool":"Bash"}"#).unwrap();
    assert_eq!(run.states(), [(MAIN_STEP.to_owned(), StepState::Running)]);
    run.report(r#"{"type":"step","step":"build"}"#).unwrap();
    run.report(r#"{"type":"progress","message":"half","percent":250}"#).unwrap();
    run.report(r#"{"type":"tool_result","id":"1","step":"main"}"#).unwrap();
    let activity = |step: usize| run.view.steps[step].attempts[0].activity.clone();
    assert_eq!(activity(1).progress.as_ref().unwrap().percent, Some(100.0));
    assert!(activity(0).tool("1").unwrap().result.is_some());
    assert_eq!(run.report(r#"{"type":"activity"}"#), Ok(0), "a sign of life leaves no record");
    assert_eq!(run.report("malformed"), Ok(1), "and what is no report is kept");
    assert_eq!(run.view.steps[1].attempts[0].activity.unknown, 1);
}

#[test]
fn steps_end_and_begin_again_and_the_end_of_the_run_ends_them() {
    let mut run = Run::new();
    run.report(r#"{"type":"start","steps":["a","b","c","a"]}"#).unwrap();
    run.report(r#"{"type":"step","step":"a"}"#).unwrap();
    assert_eq!(run.report(r#"{"type":"step","step":"a"}"#), Ok(0), "it has begun");
    run.report(r#"{"type":"step","step":"a","state":"failed","detail":"no"}"#).unwrap();
    assert_eq!(run.view.steps[0].duration_ms, Some(200));
    run.report(r#"{"type":"step","step":"a"}"#).unwrap();
    assert_eq!(run.view.steps[0].attempts.len(), 2);
    run.report(r#"{"type":"step","step":"b","state":"ok","duration_ms":45}"#).unwrap();
    assert_eq!((run.view.steps[1].state, run.view.steps[1].duration_ms), (StepState::Succeeded, Some(45)));
    run.report(r#"{"type":"error","message":"m"}"#).unwrap();
    run.report(r#"{"type":"complete","outcome":"failed"}"#).unwrap();
    let expected = [("a", StepState::Failed), ("b", StepState::Succeeded), ("c", StepState::Skipped)];
    assert_eq!(run.states(), expected.map(|(step, state)| (step.to_owned(), state)));
    assert!(matches!(run.view.status, RunStatus::Finished { outcome: RunOutcome::Failed, exit_code: 1, .. }));
    assert_eq!(run.view.warnings_total, 1);
    for late in
        [r#"{"type":"activity","text":"x"}"#, r#"{"type":"complete"}"#, r#"{"type":"step","step":"d"}"#]
    {
        assert_eq!(run.report(late), Err(Refused::Over));
    }
}

#[test]
fn hostile_names_and_numbers_are_refused_or_bounded() {
    let mut run = Run::new();
    for step in ["", "..", "a//b", "a\u{0}b"] {
        let line = serde_json::json!({"type": "step", "step": step}).to_string();
        assert!(matches!(run.report(&line), Err(Refused::BadStep(..))), "{step:?}");
        let line = serde_json::json!({"type": "activity", "text": "x", "step": step}).to_string();
        assert!(matches!(run.report(&line), Err(Refused::BadStep(..))), "{step:?}");
    }
    let names: Vec<_> = (0..=STEPS).map(|number| format!("s{number}")).collect();
    let line = serde_json::json!({"type": "start", "steps": names}).to_string();
    assert_eq!(run.report(&line), Err(Refused::TooManySteps));
    run.report(r#"{"type":"usage","cost_usd":-1.0}"#).unwrap();
    assert_eq!(run.view.steps[0].attempts[0].activity.usage.unwrap().cost_usd, None);
    for (word, outcome) in
        [("lost", RunOutcome::Lost), ("timeout", RunOutcome::TimedOut), ("skipped", RunOutcome::Cancelled)]
    {
        let mut run = Run::new();
        run.report(&format!(r#"{{"type":"complete","outcome":"{word}"}}"#)).unwrap();
        assert!(matches!(run.view.status, RunStatus::Finished { outcome: found, .. } if found == outcome));
    }
}
