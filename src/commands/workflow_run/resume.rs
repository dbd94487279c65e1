//! Finds the run to go on with, and says what of it counts.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;

use roboppi_attach::{Liveness, LocalRun, SameFile, survivors};
use roboppi_record::StateRoot;
use roboppi_report::{resume, select};
use roboppi_run::{Manifest, RunId, RunOutcome, RunView, StepPath};
use roboppi_supervisor::{Resume, RunSettings, WorkflowFile};
use roboppi_workflow::{Decision, Why, Workflow};

use super::args::RunArgs;
use crate::commands::{out, record};
use crate::exit::{Failure, NOTHING_TO_RUN};
use crate::options::Output;
use crate::terminal::{self, plain};

/// A run that is over, one way or another.
pub(super) struct EarlierRun {
    id: RunId,
    run: LocalRun,
    view: RunView,
    liveness: Liveness,
    /// Where its steps worked.
    pub(super) workspace: PathBuf,
}

impl EarlierRun {
    /// The run that is to be gone on with, if one is.
    pub(super) fn find(args: &RunArgs, file: &WorkflowFile) -> Result<Option<Self>, Failure> {
        if !args.resume.is_wanted() {
            let alone = args.resume.accept_changes || args.resume.force;
            let hint = "--accept-changes and --force go with --resume, --rerun-failed or --from";
            return if alone { Err(Failure::usage(hint)) } else { Ok(None) };
        }
        let root = record::root()?;
        let id = match &args.resume.resume {
            Some(text) => root.resolve(text).map_err(Failure::usage)?,
            None => last_of(&root, file, args)?,
        };
        let run = LocalRun::open(&root, &id).map_err(Failure::usage)?;
        let manifest = run.record().manifest().map_err(Failure::usage)?;
        let (view, liveness) = record::view_of(&run);
        let earlier = Self { id, run, view, liveness, workspace: manifest.workspace_path() };
        earlier.may_be_resumed(&manifest, args.resume.force)?;
        Ok(Some(earlier))
    }

    /// Nobody may write any more what this one goes on with.
    fn may_be_resumed(&self, manifest: &Manifest, force: bool) -> Result<(), Failure> {
        let id = self.run.name();
        if self.run.record().is_imported() {
            let host = plain(&manifest.host);
            return Err(Failure::usage(format!(
                "run {id} came from {host}; what its steps made is there, so it can be resumed there only"
            )));
        }
        if self.liveness == Liveness::Live {
            return Err(Failure::usage(format!(
                "run {id} is going on (pid {} on {}); it can be resumed when it is over",
                manifest.owner.pid,
                plain(&manifest.host)
            )));
        }
        if let Some(elsewhere) = record::elsewhere(&self.run, self.liveness) {
            if !force {
                return Err(Failure::usage(format!(
                    "run {id} may not be over: {elsewhere}\n\
                     hint: --force resumes it nevertheless; if it is alive, both write the same context directory, and \
                     steps are done twice"
                )));
            }
            terminal::note(&format!("roboppi: {elsewhere}; it is gone on with because of --force"));
        }
        let left = survivors(&self.run, &self.view);
        if left.is_empty() {
            return Ok(());
        }
        let pids: Vec<_> = left.iter().map(|process| process.pid.to_string()).collect();
        Err(Failure::usage(format!(
            "run {id} is over, but not all it started has ended (pid {}); resume it in a moment",
            pids.join(", ")
        )))
    }

    /// The inputs it was given, by name.
    pub(super) const fn inputs(&self) -> &BTreeMap<String, String> {
        &self.view.inputs
    }

    /// What to call it.
    pub(super) fn name(&self) -> String {
        self.run.name()
    }

    /// Decides what is kept, and has `settings` do so. An exit code when there is nothing more to do.
    pub(super) fn plan(
        &self,
        args: &RunArgs,
        settings: &mut RunSettings,
    ) -> Result<Option<ExitCode>, Failure> {
        let again = again(args, settings)?;
        let planned = Resume::plan(settings, &self.id, self.run.record().as_ref(), &self.view, &again);
        let (plan, resume) = planned
            .map_err(|error| Failure::infrastructure(format!("an artifact cannot be read: {error}")))?;
        let is_new = |decision: &Decision| *decision == Decision::Run(Why::New);
        if plan.steps.iter().all(|(_, decision)| is_new(decision)) {
            let message = format!(
                "run {} has none of the steps of {}; is it a run of another workflow?",
                self.run.name(),
                plain(&settings.source.path.display().to_string())
            );
            return Err(Failure::usage(message));
        }
        if args.plan.dry_run {
            if let Some(warning) = settings.name_warning() {
                terminal::note(&format!("roboppi: warning: {}", plain(&warning)));
            }
            let text = match args.how.view.output() {
                Output::Json => resume::object(&self.id, self.liveness, &plan),
                Output::Text => resume::render(&self.run.name(), self.liveness, &plan),
            };
            return out::print(&text).map(Some);
        }
        let changes = resume::changes(&plan);
        if !changes.is_empty() {
            if !args.resume.accept_changes {
                return Err(Failure::usage(format!(
                    "steps that had succeeded in run {} are not what they were:{changes}\n\
                     hint: --accept-changes runs them again, --dry-run shows what would be done",
                    self.run.name()
                )));
            }
            terminal::note(&format!("roboppi: what had succeeded and runs again:{changes}"));
        }
        let nothing = plan.kept().count() == plan.steps.len();
        if nothing && self.liveness == Liveness::Finished(RunOutcome::Succeeded) {
            terminal::note(&format!(
                "roboppi: nothing to run: every step succeeded in run {}, and nothing has changed",
                self.run.name()
            ));
            return Ok(Some(ExitCode::from(NOTHING_TO_RUN)));
        }
        settings.resume = Some(resume);
        Ok(None)
    }
}

/// The steps that are asked for.
fn again(args: &RunArgs, settings: &RunSettings) -> Result<HashSet<StepPath>, Failure> {
    let workflow = &settings.source.workflow;
    let from = selected("--from", &args.resume.from, workflow)?;
    Ok(from.into_iter().chain(selected("--only", &args.plan.only, workflow)?).collect())
}

/// The steps of these names, which an option has.
pub(super) fn selected(
    option: &str,
    names: &[String],
    workflow: &Workflow,
) -> Result<Vec<StepPath>, Failure> {
    let known = &workflow.steps;
    let step = |name: &String| {
        let step = StepPath::from(name.as_str());
        if known.contains_key(&step) {
            return Ok(step);
        }
        let hint = select::names_in_words(known.keys());
        let name = plain(name);
        Err(Failure::usage(format!("{option}: the workflow has no step `{name}`\nhint: {hint}")))
    };
    names.iter().map(step).collect()
}

/// The last run of all steps of a workflow file that was not imported: the result of one step alone (`--only`) is no base for a
/// run of all.
fn last_of(root: &StateRoot, file: &WorkflowFile, args: &RunArgs) -> Result<RunId, Failure> {
    // A pipe or a terminal has the same path whatever comes out of it.
    if !file.path.is_file() {
        return Err(Failure::usage(format!(
            "{} is no regular file, so no earlier run is known to be of it\nhint: name the run with --resume",
            plain(&file.path.display().to_string())
        )));
    }
    let workspace = args.how.workspace.as_deref().and_then(|dir| std::path::absolute(dir).ok());
    let workspace = workspace.as_deref().map(SameFile::as_file);
    let path = SameFile::as_file(&file.path);
    let is_it = |id: &RunId| {
        let run = LocalRun::open(root, id).ok().filter(|run| !run.record().is_imported());
        let Some(manifest) = run.as_ref().and_then(|run| run.record().manifest().ok()) else { return false };
        let here = workspace.as_ref().is_none_or(|dir| dir.is(&manifest.workspace_path()));
        !manifest.workflow.is_empty()
            && path.is(&manifest.workflow_path())
            && here
            && run.is_some_and(|run| record::view_of(&run).0.head.is_none_or(|head| head.only.is_empty()))
    };
    let runs = root.runs().map_err(Failure::own)?;
    runs.into_iter().find(is_it).ok_or_else(|| {
        Failure::usage(format!("there is no run of {} to resume", plain(&file.path.display().to_string())))
    })
}
