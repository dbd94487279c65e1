//! Whether a core has the kinds of workers that a run needs. Asked after its hello, before any step starts.

use std::fmt::Write as _;
use std::path::Path;

use roboppi_ipc::{Hello, WorkerFacts, WorkerKind};
use roboppi_run::StepPath;
use roboppi_workflow::{WorkerPlace, Workflow, nearest, worker_places};

/// Kinds a core lacks that are told; a core of another program may lack all of a long workflow.
const LISTED: usize = 5;

/// The kinds of workers that a run needs.
#[derive(Debug, Default)]
pub struct NeededKinds {
    /// Each kind once, with the first step that names it.
    needs: Vec<Need>,
}

#[derive(Debug)]
struct Need {
    kind: WorkerKind,
    step: StepPath,
    /// It is the kind of its check.
    is_check: bool,
    /// File, line and column, when there is a file.
    place: Option<String>,
}

impl NeededKinds {
    /// Those of the steps of a workflow that `is_kept` does not take for done. The file has a `path`, or is none.
    pub(crate) fn of(
        workflow: &Workflow,
        path: &Path,
        text: &str,
        is_kept: impl Fn(&StepPath) -> bool,
    ) -> Self {
        let mut needs: Vec<Need> = Vec::new();
        let steps = workflow.steps.iter().filter(|(id, _)| !is_kept(id));
        for (id, is_check, kind) in steps.flat_map(|(id, step)| {
            step.tasks().zip([false, true]).map(move |(task, is_check)| (id, is_check, task.worker))
        }) {
            if !needs.iter().any(|need| need.kind == kind) {
                needs.push(Need { kind, step: id.clone(), is_check, place: None });
            }
        }
        // Only what a core may lack has to be found in the file.
        if !path.as_os_str().is_empty() && needs.iter().any(|need| !need.kind.is_builtin()) {
            let places = worker_places(text);
            for need in &mut needs {
                let is_it = |place: &&WorkerPlace| place.step == need.step && place.is_check == need.is_check;
                let at = places.iter().find(is_it);
                need.place = at.map(|at| format!("{}:{}:{}", path.display(), at.line, at.column));
            }
        }
        Self { needs }
    }

    /// Why a core that sent `hello`, or none, cannot be used. `None` when it has all kinds.
    pub(crate) fn lacking(&self, hello: Option<&Hello>) -> Option<String> {
        let lacking = || self.needs.iter().filter(|need| Hello::worker_of(hello, need.kind).is_none());
        let count = lacking().count();
        if count == 0 {
            return None;
        }
        let has: Vec<WorkerKind> = match hello.and_then(|hello| hello.workers.as_ref()) {
            Some(workers) => workers.iter().map(|facts| facts.kind).collect(),
            None => WorkerKind::BUILTIN.to_vec(),
        };
        let mut message = "the core cannot run the workflow".to_owned();
        for (index, Need { kind, step, is_check, place }) in lacking().take(LISTED).enumerate() {
            let before = if index == 0 { ": " } else { "; " };
            let place = place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            let _ = write!(
                message,
                "{before}it has no worker kind `{kind}`, which the {}step `{step}` names{place}",
                if *is_check { "check of the " } else { "" }
            );
            if let Some(meant) = nearest(kind.name(), has.iter().map(WorkerKind::name)) {
                let _ = write!(message, " (did you mean `{meant}`?)");
            }
        }
        if count > LISTED {
            let _ = write!(message, "; and {} more", count - LISTED);
        }
        let names: Vec<_> = has.iter().map(|kind| format!("`{kind}`")).take(20).collect();
        let _ = write!(
            message,
            "; it has {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        );
        Some(message)
    }

    /// What a core says of the needed kinds that do not come with roboppi, for the record.
    pub(crate) fn foreign(&self, hello: Option<&Hello>) -> Vec<WorkerFacts> {
        let foreign = self.needs.iter().filter(|need| !need.kind.is_builtin());
        foreign.filter_map(|need| Hello::worker_of(hello, need.kind)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(kinds: &[&'static str]) -> NeededKinds {
        let need = |(index, kind): (usize, &&'static str)| Need {
            kind: WorkerKind::from_static(kind),
            step: StepPath::new(format!("step{index}")),
            is_check: false,
            place: Some(format!("flow.yaml:{index}:1")),
        };
        NeededKinds { needs: kinds.iter().enumerate().map(need).collect() }
    }

    fn hello(workers: Option<Vec<WorkerFacts>>) -> Hello {
        Hello { workers, ..Hello::ours("1") }
    }

    #[test]
    fn a_core_that_does_not_say_its_kinds_has_the_five() {
        let five = WorkerKind::BUILTIN.map(|kind| kind.name().to_owned());
        for hello in [None, Some(hello(None))] {
            for kind in &five {
                let needed = NeededKinds {
                    needs: vec![Need {
                        kind: WorkerKind::as_written(kind),
                        step: "s".into(),
                        is_check: false,
                        place: None,
                    }],
                };
                assert_eq!(needed.lacking(hello.as_ref()), None, "{kind}");
                assert_eq!(needed.foreign(hello.as_ref()), []);
            }
            let message = needed(&["SCRIBE"]).lacking(hello.as_ref()).unwrap();
            assert!(
                message.contains("no worker kind `SCRIBE`") && message.contains("it has `CODEX_CLI`, "),
                "{message}"
            );
        }
    }

    #[test]
    fn what_a_core_lacks_is_said_with_its_place_and_what_was_meant() {
        let scribe = WorkerFacts::command(WorkerKind::from_static("SCRIBE"));
        let hello = hello(Some(vec![scribe]));
        assert_eq!(needed(&["SCRIBE"]).lacking(Some(&hello)), None);
        assert_eq!(needed(&["SCRIBE"]).foreign(Some(&hello)), [scribe]);
        assert_eq!(
            needed(&["SCRIB", "CUSTOM"]).lacking(Some(&hello)).unwrap(),
            "the core cannot run the workflow: it has no worker kind `SCRIB`, which the step `step0` names (flow.yaml:0:1) \
             (did you mean `SCRIBE`?); it has no worker kind `CUSTOM`, which the step `step1` names (flow.yaml:1:1); it has \
             `SCRIBE`"
        );
        let many = needed(&["A", "B", "C", "D", "E", "F", "G"]).lacking(Some(&hello)).unwrap();
        assert!(many.contains("`E`") && !many.contains("`F`") && many.contains("; and 2 more"), "{many}");
    }
}
