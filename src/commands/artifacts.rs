//! `roboppi artifacts`

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::LocalRun;
use roboppi_report::artifacts::{Artifact, ArtifactState, array, list};
use roboppi_report::select;
use roboppi_run::{RunView, StepView};
use roboppi_supervisor::artifacts::{ArtifactReader, FoundArtifact};

use crate::commands::completion::{runs_or_steps, steps};
use crate::commands::{out, record};
use crate::exit::{self, Failure};
use crate::terminal::{note, plain};

#[derive(Debug, Args)]
pub(crate) struct ArtifactsArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs_or_steps))]
    run: String,
    /// The step [default: all steps]
    #[arg(add = ArgValueCompleter::new(steps))]
    step: Option<String>,
    /// Copy the artifacts to DIR/STEP/ARTIFACT. DIR is created if needed, and nothing in it is replaced
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with_all = ["path", "json"])]
    output: Option<PathBuf>,
    /// Print the paths only, one per line, of artifacts that are there
    #[arg(long, conflicts_with = "json")]
    path: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ArtifactsArgs) -> Result<ExitCode, Failure> {
    let (run, step) = find(args)?;
    let (view, _) = record::view_of(&run);
    let steps: Vec<&StepView> = match &step {
        Some(name) => vec![select::step(&view, name)?],
        None => view.steps().collect(),
    };
    let place = Place::of(&run, &view);
    if let Some(to) = &args.output {
        return copy(&run, &place, &steps, to);
    }
    let artifacts: Vec<Artifact> = steps.iter().flat_map(|step| place.artifacts(step)).collect();
    if args.json {
        return out::print(&array(&artifacts));
    }
    if args.path {
        return out::print(&paths(&artifacts));
    }
    if artifacts.is_empty() {
        return out::print(&format!("{} has no artifacts.\n", plain(&meant(&run, step.as_deref()))));
    }
    out::print(&list(&artifacts))
}

/// What is meant. The run may be left out: `roboppi artifacts build` is the step `build` of the last run.
fn find(args: &ArtifactsArgs) -> Result<(LocalRun, Option<String>), Failure> {
    let root = record::root()?;
    let error = match LocalRun::find(&root, &args.run) {
        Ok(run) => return Ok((run, args.step.clone())),
        Err(error) => record::unknown(&root, &error),
    };
    let Ok(last) = LocalRun::find(&root, roboppi_record::LAST) else { return Err(error) };
    let is_step = args.step.is_none() && select::step(&record::view_of(&last).0, &args.run).is_ok();
    if is_step { Ok((last, Some(args.run.clone()))) } else { Err(error) }
}

fn meant(run: &LocalRun, step: Option<&str>) -> String {
    step.map_or_else(|| run.name(), |step| format!("`{step}` of {}", run.name()))
}

/// Where the artifacts of a run are.
enum Place {
    /// Nothing of a run that came from there is opened here: the record names places of that machine.
    Elsewhere(String),
    Here(ArtifactReader),
}

impl Place {
    fn of(run: &LocalRun, view: &RunView) -> Self {
        let record = run.record();
        // A mark that cannot be read is one nevertheless.
        if record.is_imported() {
            let host = record.imported().map(|imported| imported.from.host);
            return Self::Elsewhere(host.unwrap_or_else(|| "another machine".to_owned()));
        }
        let head = view.head.as_ref();
        let named = head.map(|head| head.context_dir.clone()).unwrap_or_default();
        let usual = head.is_some_and(|head| named == format!("{}/context", head.workspace));
        let workspace = record.manifest().ok().filter(|_| usual);
        let path = workspace.map_or_else(|| named.into(), |run| run.workspace_path().join("context"));
        Self::Here(ArtifactReader::new(path, !usual))
    }

    fn artifacts(&self, step: &StepView) -> Vec<Artifact> {
        let of_step = |artifact: &roboppi_run::ArtifactView| {
            let (state, bytes) = self.state(step, &artifact.name, artifact.sha256.as_deref());
            Artifact {
                step: step.plan.step.to_string(),
                name: artifact.name.clone(),
                path: artifact.path.clone(),
                sha256: artifact.sha256.clone(),
                state,
                bytes,
            }
        };
        step.artifacts.iter().map(of_step).collect()
    }

    fn state(&self, step: &StepView, name: &str, made: Option<&str>) -> (ArtifactState, Option<u64>) {
        let reader = match self {
            Self::Elsewhere(host) => return (ArtifactState::Elsewhere(host.clone()), None),
            Self::Here(reader) => reader,
        };
        match reader.look(&step.plan.step, name) {
            Ok(FoundArtifact { bytes, sha256, .. }) => {
                let state = match made {
                    None => ArtifactState::Unknown,
                    Some(made) if made == sha256 => ArtifactState::Unchanged,
                    Some(_) => ArtifactState::Changed,
                };
                (state, Some(bytes))
            }
            Err(error) if error.is_absence() => (ArtifactState::Missing, None),
            Err(error) => (ArtifactState::Unreadable(error.to_string()), None),
        }
    }
}

/// The paths, exact for programs, harmless for a terminal.
fn paths(artifacts: &[Artifact]) -> String {
    let there = |artifact: &&Artifact| {
        matches!(artifact.state, ArtifactState::Unchanged | ArtifactState::Changed | ArtifactState::Unknown)
    };
    let on_terminal = io::stdout().is_terminal();
    let line = |artifact: &Artifact| {
        let path = if on_terminal { plain(&artifact.path) } else { artifact.path.clone() };
        format!("{path}\n")
    };
    artifacts.iter().filter(there).map(line).collect()
}

fn copy(
    run: &LocalRun,
    place: &Place,
    steps: &[&StepView],
    to: &std::path::Path,
) -> Result<ExitCode, Failure> {
    let reader = match place {
        Place::Here(reader) => reader,
        Place::Elsewhere(host) => {
            return Err(Failure::refused(format!(
                "the artifacts of {} are on {}, where it was exported: an export has none",
                run.name(),
                plain(host)
            )));
        }
    };
    let mut copied = String::new();
    let mut failed = false;
    for step in steps {
        for artifact in &step.artifacts {
            let name = format!("{}/{}", step.plan.step, artifact.name);
            match reader.copy(&step.plan.step, &artifact.name, to) {
                Ok(found) => {
                    copied.push_str(&format!("{}\n", plain(&to.join(&name).display().to_string())));
                    let changed = artifact.sha256.as_ref().is_some_and(|made| *made != found.sha256);
                    let notices = found.left_out.iter().map(String::as_str);
                    let is_not = changed.then_some("it is not what the step made: it was changed since");
                    for notice in notices.chain(is_not) {
                        note(&format!("warning: {}: {}", plain(&name), plain(notice)));
                    }
                }
                Err(error) => {
                    failed = true;
                    note(&format!("error: {}: {}", plain(&name), plain(&error.to_string())));
                }
            }
        }
    }
    let printed = out::print(&copied)?;
    Ok(if failed { ExitCode::from(exit::REFUSED) } else { printed })
}
