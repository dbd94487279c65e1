//! A run in the log of a CI job, and its page where the CI system shows one.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use roboppi_attach::RunSource;
use roboppi_process::end_with_starter;
use roboppi_process::inherited::give_back;
use roboppi_report::plain::PlainSettings;
use roboppi_report::plain::ci::{self, CiSettings, LONGEST_PAGE, Vendor};
use roboppi_run::{RunHead, RunOutcome, RunStatus, RunView};

use crate::options::{CiChoice, ReaderArgs};
use crate::programs::find;

/// How long the agent of Buildkite may take for a page.
const AGENT_PATIENCE: Duration = Duration::from_secs(10);

/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The program that takes a page for Buildkite.
const BUILDKITE_AGENT: &str = "buildkite-agent";

/// The CI system that was asked for, else the one that the environment names.
pub(super) fn vendor(args: ReaderArgs) -> Option<Vendor> {
    match args.ci {
        Some(CiChoice::Github) => Some(Vendor::GitHub),
        Some(CiChoice::Gitlab) => Some(Vendor::GitLab),
        Some(CiChoice::Buildkite) => Some(Vendor::Buildkite),
        Some(CiChoice::Teamcity) => Some(Vendor::TeamCity),
        Some(CiChoice::Azure) => Some(Vendor::Azure),
        Some(CiChoice::None) => None,
        None => Vendor::detect(|name| env::var(name).ok()),
    }
}

/// Shows a run until it is over, then leaves its page. A page that cannot be left is a warning.
pub(super) fn show(
    source: &Arc<dyn RunSource>,
    vendor: Vendor,
    lines: PlainSettings,
    mut out: impl Write,
    warn: impl Fn(&str),
) -> Result<(), String> {
    let settings = CiSettings { vendor, lines, checkout: directory(vendor.checkout_variable()) };
    ci::run(Arc::clone(source), &settings, &mut out).map_err(|error| error.to_string())?;
    if let Err(error) = leave_page(source, vendor, &mut out) {
        warn(&format!("warning: the summary of the job lacks this run: {error}"));
    }
    Ok(())
}

/// A directory that a variable names.
fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn leave_page(source: &Arc<dyn RunSource>, vendor: Vendor, out: &mut impl Write) -> Result<(), String> {
    match vendor {
        Vendor::GitHub => match env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
            Some(path) => append(source, Path::new(&path)),
            None => Ok(()),
        },
        Vendor::Azure => {
            let Some(dir) = directory("AGENT_TEMPDIRECTORY") else { return Ok(()) };
            let path = dir.join(format!("roboppi-{}.md", id(&source.follow().view)));
            let at = |error: std::io::Error| format!("{}: {error}", path.display());
            let page = ci::page(source, LONGEST_PAGE);
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(at)?;
            file.write_all(page.as_bytes()).map_err(at)?;
            let command = ci::upload_summary(&path.to_string_lossy());
            out.write_all(command.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
        }
        Vendor::Buildkite => match find(BUILDKITE_AGENT) {
            Some(program) => annotate(source, &program),
            None => Ok(()),
        },
        Vendor::GitLab | Vendor::TeamCity => Ok(()),
    }
}

fn id(view: &RunView) -> String {
    view.head.as_ref().map_or_else(String::new, |head: &RunHead| head.run_id.to_string())
}

/// Adds the page to the file for the summary. What other commands have put there counts against its limit.
fn append(source: &Arc<dyn RunSource>, path: &Path) -> Result<(), String> {
    let at = |error: std::io::Error| format!("GITHUB_STEP_SUMMARY: {}: {error}", path.display());
    let present = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(format!("GITHUB_STEP_SUMMARY: {}: not a file", path.display()));
        }
        Ok(metadata) => usize::try_from(metadata.len()).unwrap_or(usize::MAX),
        Err(_) => 0,
    };
    let page = ci::page(source, LONGEST_PAGE.saturating_sub(present).saturating_sub(1));
    if page.is_empty() {
        return Err(format!(
            "GITHUB_STEP_SUMMARY: {}: it has {present} bytes of at most {LONGEST_PAGE} already",
            path.display()
        ));
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(at)?;
    // A line of another command may have no end.
    file.write_all(format!("\n{page}").as_bytes()).map_err(at)
}

/// Hands the page to the agent of Buildkite, and does not wait for it longer than a moment.
fn annotate(source: &Arc<dyn RunSource>, program: &Path) -> Result<(), String> {
    let view = source.follow().view;
    let style = match view.status {
        RunStatus::Finished { outcome: RunOutcome::Succeeded, .. } => "success",
        _ => "error",
    };
    let context = format!("roboppi-{}", id(&view));
    let mut command = Command::new(program);
    command.args(["annotate", "--style", style, "--context", &context]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    give_back(&mut command);
    end_with_starter(&mut command);
    let failed = |error: std::io::Error| format!("{}: {error}", program.display());
    let mut child = command.spawn().map_err(failed)?;
    let page = ci::page(source, LONGEST_PAGE);
    if let Some(mut input) = child.stdin.take() {
        let feed = thread::Builder::new().name("page".to_owned());
        // One that ends early has reported why, with its exit code.
        let fed = feed.spawn(move || drop(input.write_all(page.as_bytes())));
        drop(fed.map_err(failed)?);
    }
    wait(&mut child).map_err(|error| format!("{}: {error}", program.display()))
}

fn wait(child: &mut Child) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(status.to_string()),
            None if begun.elapsed() >= AGENT_PATIENCE => {
                // One that has ended meanwhile need not be killed.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {} s", AGENT_PATIENCE.as_secs()));
            }
            None => thread::sleep(LOOK_EVERY),
        }
    }
}
