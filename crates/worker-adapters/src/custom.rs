//! `CUSTOM`: the instructions are a shell script.

mod progress;

use roboppi_ipc::{Observation, OutputStream, WorkerEvent, WorkerKind, WorkerResult, WorkerTask};

use crate::{
    Arg, CommandSpec, LineFilter, LineSession, LineTranslator, PlanError, StreamPlan, TempFile,
    WorkerAdapter, WorkerDescription, WorkerEnd, WorkerSession, excerpt, stderr_observation, verdict,
};

pub use progress::parse_progress;

/// What a progress line begins with.
const PROGRESS_PREFIX: &str = "::progress";

/// Instructions longer than this are handed over in a file: systems bound the length of one argument, Linux to
/// 128 KiB.
const LONGEST_ARGUMENT: usize = 100 * 1024;

/// Runs the instructions with `bash -e -c --`, or `sh -e -c --` where there is no bash; long ones from a file.
///
/// A line on standard output of the form `::progress percent=42 phase=link::what it does now` tells how
/// far the script is: it becomes a progress event and stays in the log. `percent` and `phase` may be
/// left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct CustomAdapter;

impl WorkerAdapter for CustomAdapter {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::command(WorkerKind::CUSTOM, "a shell script")
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        if task.instructions.contains('\0') {
            return Err(PlanError::new("its script holds a NUL, which no shell can read; remove it"));
        }
        let mut spec = CommandSpec::new(["bash", "sh"]).args(["-e"]);
        if task.instructions.len() > LONGEST_ARGUMENT {
            let (name, content) = ("script".to_owned(), task.instructions.clone().into_bytes());
            spec.args.push(Arg::File(name.clone()));
            spec.files.push(TempFile::new(name, content));
        } else {
            // A script that begins with `-` or `+` is no option.
            spec = spec.args(["-c", "--"]).args([task.instructions.clone()]);
        }
        spec.stdout = StreamPlan::for_people_and_session(LineFilter::starting_with(PROGRESS_PREFIX));
        Ok(spec)
    }

    fn session(&self, _task: &WorkerTask) -> Box<dyn WorkerSession> {
        Box::new(LineSession::new(ShellTranslator))
    }
}

#[derive(Debug)]
struct ShellTranslator;

impl LineTranslator for ShellTranslator {
    fn line(&mut self, _stream: OutputStream, line: &[u8], events: &mut Vec<WorkerEvent>) {
        events.extend(parse_progress(line).map(WorkerEvent::Progress));
    }

    fn result(&mut self, end: &WorkerEnd<'_>) -> WorkerResult {
        let mut result = verdict(end);
        let stdout = excerpt(&end.output.stdout, 4000, 1000, "...");
        if !stdout.is_empty() {
            result.observations.push(Observation::text(stdout));
        }
        result.observations.extend(stderr_observation(&end.output.stderr));
        result
    }
}
