//! The git branch of a run: what is checked out, and what is done about it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use roboppi_ipc::ErrorClass;
use roboppi_process::{aside, inherited};
use roboppi_run::{AttemptRef, Role, StepPath};
use roboppi_workflow::{BranchKeys, BranchLock, BranchOptions, Checkout, branch_variables, watches};

use crate::context_dir::BranchMeta;
use crate::error::StartError;
use crate::machine::attempt::AttemptStop;
use crate::settings::RunSettings;

/// Bytes of an answer of git that are read.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The branch of a run, as far as it is watched.
#[derive(Debug)]
pub(crate) struct Branches {
    workspace: PathBuf,
    keys: BranchKeys,
    options: BranchOptions,
    lock: RefCell<Option<BranchLock>>,
}

impl Branches {
    /// Looks at what is checked out, if the branch is to be watched. Also says why it is not watched although that was asked for.
    pub(crate) fn begin(settings: &RunSettings) -> Result<(Self, Option<String>), StartError> {
        let (keys, options) = (settings.source.workflow.branch.clone(), settings.branches.clone());
        let workspace = settings.workspace.clone();
        let mut branches = Self { workspace, keys, options, lock: RefCell::new(None) };
        if !watches(&branches.keys, &branches.options) {
            return Ok((branches, None));
        }
        if let Err(error) = git(&branches.workspace, &["rev-parse", "--is-inside-work-tree"]) {
            let warning =
                format!("the branch is not watched: the workspace is in no git repository ({error})");
            return Ok((branches, Some(warning)));
        }
        let failed = |why: String| StartError::Branch { why, hint: None };
        let startup = checkout(&branches.workspace).map_err(|error| {
            failed(format!("what is checked out in the workspace cannot be found out: {error}"))
        })?;
        let base = branches.options.base.clone();
        let base_sha = match &base {
            Some(base) => {
                let commit = format!("{base}^{{commit}}");
                let found = git(&branches.workspace, &["rev-parse", "--verify", "--end-of-options", &commit]);
                found
                    .map_err(|error| failed(format!("the base branch `{base}` is no commit here: {error}")))?
            }
            None => startup.head.clone(),
        };
        let lock = BranchLock::begin(&branches.keys, &branches.options, startup, base_sha)
            .map_err(|(why, hint)| StartError::Branch { why, hint: Some(hint) })?;
        branches.lock = RefCell::new(Some(lock));
        Ok((branches, None))
    }

    /// Whether it is to be looked at before an attempt begins.
    pub(crate) fn guards(&self, of: &AttemptRef) -> bool {
        of.role == Role::Work && self.lock.borrow().is_some()
    }

    /// Whether another branch is expected after a step.
    pub(crate) fn is_transition(&self, step: &StepPath) -> bool {
        self.keys.transition.as_ref() == Some(step) && self.lock.borrow().is_some()
    }

    /// Looks at it before an attempt begins.
    pub(crate) async fn check(&self) -> Result<(), AttemptStop> {
        let fatal = |why: String| AttemptStop::Failed(Some(ErrorClass::Fatal), why);
        let now = self.look().await.map_err(fatal)?;
        let drift = self.lock.borrow().as_ref().and_then(|lock| lock.drift(&now));
        drift.map_or(Ok(()), |drift| Err(fatal(drift)))
    }

    /// Expects from now on what is checked out.
    pub(crate) async fn follow(&self) -> Result<(), String> {
        let now = self.look().await?;
        self.lock.borrow_mut().as_mut().map_or(Ok(()), |lock| lock.follow(&now))
    }

    async fn look(&self) -> Result<Checkout, String> {
        let workspace = self.workspace.clone();
        let looked = aside(move || checkout(&workspace)).await;
        let words = |error: String| format!("what is checked out cannot be found out: {error}");
        looked.map_err(|error| words(error.to_string()))?.map_err(words)
    }

    /// What steps are told.
    pub(crate) fn variables(&self) -> BTreeMap<&'static str, String> {
        branch_variables(&self.keys, &self.options, self.lock.borrow().as_ref())
    }

    /// What `_workflow.json` says of it.
    pub(crate) fn meta(&self) -> BranchMeta {
        let lock = self.lock.borrow();
        let of = |text: fn(&BranchLock) -> String| lock.as_ref().map(text);
        BranchMeta {
            create_branch: self.keys.create,
            expected_work_branch: of(|lock| lock.expected_at_start.clone())
                .or_else(|| self.keys.expected.clone()),
            expected_current_branch: of(|lock| lock.expected.clone()),
            startup_toplevel: of(|lock| lock.startup.toplevel.clone()),
            startup_branch: lock.as_ref().and_then(|lock| lock.startup.branch.clone()),
            startup_head_sha: of(|lock| lock.startup.head.clone()),
            effective_base_branch: of(|lock| lock.base.clone()),
            effective_base_branch_source: lock.as_ref().map(|_| self.options.base_source_name()),
            effective_base_sha: of(|lock| lock.base_sha.clone()),
            protected_branches: self.options.protected(),
            protected_branches_source: self.options.protected_source_name(),
            allow_protected_branch: self.options.allow_protected,
            branch_lock_enabled: lock.is_some(),
        }
    }
}

/// What is checked out in a workspace.
fn checkout(workspace: &Path) -> Result<Checkout, String> {
    let lines = git(workspace, &["rev-parse", "--show-toplevel", "HEAD", "--symbolic-full-name", "HEAD"])?;
    let mut lines = lines.lines();
    let (Some(toplevel), Some(head), Some(name)) = (lines.next(), lines.next(), lines.next()) else {
        return Err("git does not say".to_owned());
    };
    let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
    Ok(Checkout { toplevel: toplevel.to_owned(), branch, head: head.to_owned() })
}

/// What git answers; its first line of complaint when it does not. It changes nothing and asks nobody.
pub(crate) fn git(workspace: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(workspace).env("GIT_OPTIONAL_LOCKS", "0");
    git.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    inherited::give_back(&mut git);
    let mut child = git.spawn().map_err(|error| format!("git: {error}"))?;
    // Names of files need not be text.
    let (mut answer, mut complaint) = (Vec::new(), Vec::new());
    let read = child.stdout.take().map(|out| out.take(LONGEST + 1).read_to_end(&mut answer));
    let read_error = child.stderr.take().map(|out| out.take(LONGEST).read_to_end(&mut complaint));
    let status = child.wait().map_err(|error| format!("git: {error}"))?;
    if let Some(Err(error)) = read.into_iter().chain(read_error).find(Result::is_err) {
        return Err(format!("git: {error}"));
    }
    if answer.len() as u64 > LONGEST {
        return Err(format!("git: it says more than {LONGEST} bytes"));
    }
    if status.success() {
        return Ok(String::from_utf8_lossy(&answer).trim_end_matches('\n').to_owned());
    }
    let complaint = String::from_utf8_lossy(&complaint);
    let line = complaint.lines().next().unwrap_or("it says nothing").trim();
    Err(format!("git: {}", line.strip_prefix("fatal: ").unwrap_or(line)))
}
