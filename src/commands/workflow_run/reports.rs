//! Writes the reports of a run at its end. They change nothing about the run: one that cannot be written is a warning.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use roboppi_attach::{Liveness, RunSource};
use roboppi_redact::Secrets;
use roboppi_report::ReportError;
use roboppi_report::export::JUnit;
use roboppi_report::summary::{Summary, github_output};
use roboppi_run::{RunStatus, RunView};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::commands::target;
use crate::exit::Failure;
use crate::options::reports::ReportArgs;
use crate::telemetry::{self, Telemetry};

/// How long reports may take. A file system that hangs keeps no run from ending.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long sending traces may take. It has a limit of its own, and knows why it is over: this one is for a system that
/// answers nothing at all, such as one that looks up a name.
const TRACES: Duration = telemetry::LIMIT.saturating_add(Duration::from_secs(2));

/// The variable that names the file for outputs.
const GITHUB_OUTPUT: &str = "GITHUB_OUTPUT";

/// What is written at the end of a run.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    junit: Option<PathBuf>,
    summary: Option<PathBuf>,
    github: Option<PathBuf>,
    min_free: u64,
    telemetry: Telemetry,
    hidden: Secrets,
}

impl Reports {
    /// Refuses reports that cannot be written, before anything is started. `hidden` masks what is sent.
    pub(super) fn new(
        args: &ReportArgs,
        min_free: u64,
        telemetry: Telemetry,
        hidden: Secrets,
    ) -> Result<Self, Failure> {
        for (option, file) in [("--junit", &args.junit), ("--summary-file", &args.summary_file)] {
            let Some(file) = file else { continue };
            if file == Path::new("-") {
                return Err(Failure::usage(format!(
                    "{option}: standard output shows the run; name a file, such as `{option} report`"
                )));
            }
            target::place(file)?;
        }
        let github = env::var_os(GITHUB_OUTPUT).filter(|path| !path.is_empty());
        if args.github_output && github.is_none() {
            return Err(Failure::usage(format!(
                "--github-output: {GITHUB_OUTPUT} is not set; it names the file for outputs within GitHub Actions"
            )));
        }
        Ok(Self {
            junit: args.junit.clone(),
            summary: args.summary_file.clone(),
            github: github.filter(|_| args.github_output).map(PathBuf::from),
            min_free,
            telemetry,
            hidden,
        })
    }

    /// Writes all reports of a run that is over, and sends its traces. Returns what went wrong, for people.
    pub(super) async fn write(self, source: Arc<dyn RunSource>) -> Vec<String> {
        let mut warnings: Vec<_> = self.telemetry.warning.clone().into_iter().collect();
        let traces = self.telemetry.is_on().then(|| {
            let (telemetry, source) = (self.telemetry.clone(), Arc::clone(&source));
            let hidden = self.hidden.clone();
            aside("traces", move || {
                let view = source.follow().view;
                let hide = |text: &str| hidden.redact_str(text).into_owned();
                telemetry.send(source.record(), &view, liveness(&view), &hide).into_iter().collect()
            })
        });
        if self.junit.is_some() || self.summary.is_some() || self.github.is_some() {
            let written = aside("reports", move || self.write_all(source.as_ref()));
            warnings.extend(result_of("the reports were not written", written, PATIENCE).await);
        }
        if let Some(traces) = traces {
            // Whatever the reports took, the traces had as well.
            warnings.extend(result_of("the traces were not sent", traces, TRACES).await);
        }
        warnings
    }

    fn write_all(&self, source: &dyn RunSource) -> Vec<String> {
        let view = source.follow().view;
        let mut warnings = Vec::new();
        let mut done = |option: &str, written: Result<(), Failure>| {
            warnings.extend(written.err().map(|failure| format!("{option}: {}", failure.message())));
        };
        if let Some(file) = &self.junit {
            let report = JUnit::new(source.record(), &view, liveness(&view));
            let write = |out: &mut dyn io::Write| report.write(out).map_err(ReportError::Out);
            done("--junit", target::write_to(Some(file), self.min_free, write).map(drop));
        }
        if let Some(file) = &self.summary {
            let summary = Summary::new(source.record(), &view);
            let write = |out: &mut dyn io::Write| summary.write(out).map_err(ReportError::Out);
            done("--summary-file", target::write_to(Some(file), self.min_free, write).map(drop));
        }
        if let Some(file) = &self.github {
            done("--github-output", target::append_to(file, &github_output(&view)));
        }
        warnings
    }
}

/// Has something done on a thread of its own.
fn aside(
    name: &str,
    work: impl FnOnce() -> Vec<String> + Send + 'static,
) -> io::Result<oneshot::Receiver<Vec<String>>> {
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || drop(end.send(work())))?;
    Ok(ended)
}

/// What went wrong, when it is known in time.
async fn result_of(
    failed: &str,
    ended: io::Result<oneshot::Receiver<Vec<String>>>,
    patience: Duration,
) -> Vec<String> {
    match ended {
        Err(error) => vec![format!("{failed}: {error}")],
        Ok(ended) => match timeout(patience, ended).await {
            Ok(Ok(warnings)) => warnings,
            Ok(Err(_)) => vec![format!("{failed}: a defect of roboppi")],
            Err(_) => vec![format!("{failed} within {}s", patience.as_secs())],
        },
    }
}

/// A run in this process is over, or it is not known how it ended.
fn liveness(view: &RunView) -> Liveness {
    match &view.status {
        RunStatus::Finished { outcome, .. } => Liveness::Finished(*outcome),
        RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => Liveness::Lost,
    }
}
