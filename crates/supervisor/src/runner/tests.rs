//! What the runner asks of the host of an attempt.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use roboppi_ipc::{RecordLimits, UtcMillis, WorkerResult, WorkerStatus};
use roboppi_run::{Role, RunMode, StepPath, TakenInput};
use roboppi_workflow::{AttemptEnd, DecisionFile, FoundFile, IterationDecision, OutputSpec, RunEffect, Step};
use tokio::io::{empty, sink};
use tokio::task::LocalSet;

use super::*;
use crate::context_dir::{ArtifactError, ArtifactName, Collected, Copied, DecisionPlace, Limits};
use crate::core_link::{CoreStreams, HeartbeatSettings};
use crate::machine::attempt::AttemptStop;
use crate::machine::{AttemptDone, SupervisorEffect};
use crate::secrets::RunSecrets;
use crate::settings::{RunSettings, SpanSettings, WorkflowFile};
use crate::site::{FetchedLog, Site, Sites};

const WORKFLOW: &str = r#"
name: hosts
version: "1"
timeout: 1m
steps:
  make: {worker: CUSTOM, capabilities: [READ], instructions: x, outputs: [{name: report, path: out}]}
  take:
    worker: CUSTOM
    capabilities: [READ]
    instructions: x
    depends_on: [make]
    inputs: [{from: make, artifact: report, as: taken}]
    max_iterations: 2
    completion_check: {worker: CODEX_CLI, capabilities: [READ], instructions: look, decision_file: out/decision.json}
"#;

/// A host without files.
#[derive(Debug, Default)]
struct MemorySite {
    asked: Mutex<Vec<String>>,
}

impl MemorySite {
    fn ask(&self, what: &str, of: impl std::fmt::Display) {
        self.asked.lock().unwrap().push(format!("{what} {of}"));
    }

    /// What it was asked for since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Site for MemorySite {
    fn place_inputs(
        &self,
        id: &StepPath,
        step: &Step,
        made: &HashSet<ArtifactName>,
        _limits: &Limits,
    ) -> Result<Copied<TakenInput>, ArtifactError> {
        self.ask("place", id);
        let taken = step.inputs.iter().map(|input| TakenInput {
            from: input.from.clone(),
            artifact: input.artifact.clone(),
            sha256: made.contains(&(input.from.clone(), input.artifact.clone())).then(|| "hash".to_owned()),
        });
        Ok(Copied { done: taken.collect(), notices: Vec::new() })
    }

    fn collect_outputs(
        &self,
        id: &StepPath,
        outputs: &[OutputSpec],
        _limits: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError> {
        self.ask("collect", id);
        let collected = outputs.iter().map(|output| Collected {
            name: output.name.clone(),
            path: "/memory".into(),
            kind: None,
            sha256: Some("hash".to_owned()),
        });
        Ok(Copied { done: collected.collect(), notices: Vec::new() })
    }

    fn prepare_decision(&self, place: &DecisionPlace) -> Result<(), ArtifactError> {
        self.ask("prepare", &place.file);
        Ok(())
    }

    fn read_decision(&self, place: &DecisionPlace) -> Vec<DecisionFile> {
        self.ask("read", &place.file);
        let bytes = format!(r#"{{"decision": "incomplete", "check_id": "{}"}}"#, place.check).into();
        vec![DecisionFile::Found(FoundFile { bytes, written_at: UtcMillis(0) })]
    }

    fn fetch_log(&self, of: &AttemptRef, _said: Option<FetchedLog>) -> FetchedLog {
        self.ask("fetch", of);
        FetchedLog { log_bytes: 7_001, events_bytes: 7_002 }
    }
}

fn settings(dir: &Path) -> RunSettings {
    let workflow = roboppi_workflow::parse(WORKFLOW).workflow.unwrap();
    RunSettings {
        source: WorkflowFile { path: PathBuf::new(), text: WORKFLOW.to_owned(), most_bytes: 0, workflow },
        workspace: dir.join("workspace"),
        arguments: Vec::new(),
        mode: RunMode::Direct,
        state_dir: Some(dir.join("state")),
        stream_stdio: true,
        grace: Duration::from_secs(1),
        drain: Duration::from_secs(1),
        secrets: RunSecrets::default(),
        record_limits: RecordLimits::default(),
        request_timeout: Duration::from_secs(1),
        heartbeat: HeartbeatSettings::default(),
        trace: None,
        version: "test".to_owned(),
        other_core: String::new(),
        limits: roboppi_workflow::LimitPolicy::default(),
        fail_fast: false,
        branches: roboppi_workflow::BranchOptions::default(),
        resume: None,
        spans: SpanSettings::default(),
    }
}

/// A runner whose run works on these hosts, and has not begun.
fn runner(dir: &Path, sites: [(HostId, &Arc<MemorySite>); 2]) -> Runner {
    let (prepared, _signals) = PreparedRun::new(settings(dir)).unwrap();
    let streams = CoreStreams { reader: Box::new(empty()), writer: Box::new(sink()) };
    let mut runner = Runner::new(prepared, CoreLaunch::Connected(streams));
    let sites = sites.map(|(host, site)| (host, Arc::clone(site) as Arc<dyn Site>));
    Rc::get_mut(&mut runner.context).unwrap().sites = Sites::of(sites);
    runner
}

/// An attempt that was lost with its core, which says nothing of its files.
fn lost() -> AttemptDone {
    let detail = "lost".to_owned();
    let result = WorkerResult::of_status(WorkerStatus::Failed);
    AttemptDone { end: AttemptEnd::Lost { detail }, result: result.into(), started: true }
}

async fn next_task(runner: &mut Runner) -> TaskDone {
    runner.tasks.join_next().await.unwrap().unwrap()
}

#[tokio::test]
async fn only_the_site_of_the_host_of_an_attempt_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (here, far) = (Arc::<MemorySite>::default(), Arc::<MemorySite>::default());
    let far_host = HostId::from("far".to_owned());
    let work = async {
        let mut runner = runner(dir.path(), [(HostId::here(), &here), (far_host.clone(), &far)]);
        let (make, take) = (AttemptRef::first("make".into()), AttemptRef::first("take".into()));

        runner.perform(SupervisorEffect::Prepare {
            of: make.clone(),
            host: HostId::here(),
            continues: false,
        });
        let placed = runner.done_at_once.pop_front();
        assert!(matches!(placed, Some(TaskDone::Placed(_, Ok(inputs))) if inputs.is_empty()));
        runner.perform(SupervisorEffect::Run(RunEffect::CollectOutputs { of: make }));
        let collected = next_task(&mut runner).await;
        assert!(matches!(&collected, TaskDone::Collected(_, Ok(collected)) if collected.done.len() == 1));
        runner.task_done(collected);
        assert_eq!((here.asked(), far.asked()), (vec!["collect make".to_owned()], Vec::new()));

        runner.perform(SupervisorEffect::Prepare {
            of: take.clone(),
            host: far_host.clone(),
            continues: false,
        });
        let TaskDone::Placed(_, Ok(inputs)) = next_task(&mut runner).await else { panic!("not placed") };
        assert_eq!(inputs[0].sha256.as_deref(), Some("hash"), "what another host made is handed over");
        runner.perform(SupervisorEffect::AttemptFinished { of: take.clone(), done: lost() });
        assert_eq!(far.asked(), ["place take".to_owned(), format!("fetch {take}")]);

        let check = AttemptRef { role: Role::Check, ..take.clone() };
        runner.perform(SupervisorEffect::Prepare {
            of: check.clone(),
            host: far_host.clone(),
            continues: false,
        });
        let TaskDone::Placed(_, Ok(inputs)) = next_task(&mut runner).await else { panic!("no place") };
        assert!(inputs.is_empty(), "a check takes nothing");
        runner.perform(SupervisorEffect::Run(RunEffect::DecideIteration { of: check }));
        let decided = next_task(&mut runner).await;
        assert!(
            matches!(
                &decided,
                TaskDone::Decided(_, checked)
                    if checked.decision == IterationDecision::Incomplete { detail: None }
            ),
            "what another host decided counts here"
        );
        assert_eq!(far.asked(), ["prepare out/decision.json", "read out/decision.json"]);
        assert_eq!(here.asked(), Vec::<String>::new());

        runner.context.finish();
        let journal = std::fs::read_to_string(runner.context.run_dir.path().join("journal.jsonl")).unwrap();
        assert!(journal.contains("7001") && journal.contains("7002"), "{journal}");
    };
    LocalSet::new().run_until(work).await;
    let workspace: Vec<_> = std::fs::read_dir(dir.path().join("workspace")).unwrap().collect();
    assert_eq!(workspace.len(), 1, "there is nothing but the context directory: {workspace:?}");
}

#[tokio::test]
async fn a_host_without_a_site_fails_the_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let (here, other) = (Arc::<MemorySite>::default(), Arc::<MemorySite>::default());
    let work = async {
        let sites = [(HostId::here(), &here), (HostId::from("other".to_owned()), &other)];
        let mut runner = runner(dir.path(), sites);
        let (of, host) = (AttemptRef::first("take".into()), HostId::from("gone".to_owned()));
        runner.perform(SupervisorEffect::Prepare { of, host, continues: false });
        let TaskDone::Placed(_, Err(AttemptStop::Failed(_, detail))) = next_task(&mut runner).await else {
            panic!("the inputs were placed somewhere");
        };
        assert_eq!(detail, "this run has no workers on the host `gone`");
    };
    LocalSet::new().run_until(work).await;
    assert_eq!((here.asked(), other.asked()), (Vec::new(), Vec::new()));
}
