//! Which core a run gets: the one a flag or a variable names, the one the configuration file names for its kinds of workers,
//! or our own.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;
use roboppi_workflow::{CoreCommand, HostSpec, OtherKinds, WorkerKinds, Workflow, nearest};

use crate::config::{UserConfig, file_name};
use crate::exit::Failure;
use crate::options::HowArgs;

/// The variable that names a core for all runs.
const VARIABLE: &str = "ROBOPPI_CORE_ENTRYPOINT";

/// A core of another author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherCore {
    /// Its program, or its script.
    pub(crate) entry: PathBuf,
    pub(crate) args: Vec<OsString>,
}

/// The cores there are to choose from.
#[derive(Debug)]
pub(crate) struct Cores {
    /// The one for every run, and who says so.
    given: Option<(OtherCore, &'static str)>,
    /// Those of the configuration file, by kind.
    configured: Vec<(WorkerKind, OtherCore)>,
    /// Hosts of the configuration file.
    hosts: IndexMap<String, HostSpec>,
    /// Whether workers are to be started from this process.
    direct: bool,
}

impl Cores {
    /// Reads the configuration file, if there is one.
    pub(crate) fn for_run(args: &HowArgs) -> Result<Self, Failure> {
        let flag = args.core.clone().map(|entry| (entry, "--core"));
        Self::find(flag.filter(|_| !args.direct), args.direct)
    }

    /// As a run without flags would have them.
    pub(crate) fn for_validation() -> Result<Self, Failure> {
        Self::find(None, false)
    }

    fn find(flag: Option<(PathBuf, &'static str)>, direct: bool) -> Result<Self, Failure> {
        let variable = || env::var_os(VARIABLE).filter(|path| !path.is_empty() && !direct);
        let given = flag.or_else(|| variable().map(|path| (path.into(), VARIABLE)));
        let given = given.map(|(entry, by)| (OtherCore { entry, args: Vec::new() }, by));
        let user = UserConfig::read()?;
        Ok(Self { given, configured: configured(&user), hosts: user.config.hosts.clone(), direct })
    }

    /// Whether each run has a core of this program.
    pub(crate) fn are_all_ours(&self) -> bool {
        self.given.is_none() && self.configured.is_empty()
    }

    /// The kinds that a workflow may name which is to be run. What another core has beyond them is checked when it is there.
    pub(crate) fn kinds(&self) -> WorkerKinds {
        let others = if self.given.is_some() { OtherKinds::Accepted } else { OtherKinds::Refused };
        self.known_kinds().others(others)
    }

    /// The kinds that a workflow may name which is only looked at.
    pub(crate) fn kinds_for_validation(&self) -> WorkerKinds {
        let others = match &self.given {
            Some((_, by)) => OtherKinds::Unsure(format!("the core of {by}")),
            None => OtherKinds::Refused,
        };
        self.known_kinds().others(others)
    }

    fn known_kinds(&self) -> WorkerKinds {
        let kinds = WorkerKinds::builtin().with(self.configured.iter().map(|(kind, _)| *kind));
        kinds.with_hosts(self.hosts.clone())
    }

    /// Hosts of the configuration file, which steps of every workflow may name.
    pub(crate) const fn hosts(&self) -> &IndexMap<String, HostSpec> {
        &self.hosts
    }

    /// Kinds of the configuration file and their cores.
    pub(crate) fn configured(&self) -> &[(WorkerKind, OtherCore)] {
        &self.configured
    }

    /// The core of every run, and what names it.
    pub(crate) fn given(&self) -> Option<(&OtherCore, &'static str)> {
        self.given.as_ref().map(|(core, by)| (core, *by))
    }

    /// Says whether there can be a worker of a kind that was asked for by name.
    pub(crate) fn check(&self, kind: WorkerKind) -> Result<(), Failure> {
        let kinds = self.known_kinds();
        if self.given.is_some() || kinds.known().contains(&kind) {
            return Ok(());
        }
        let meant = nearest(kind.name(), kinds.known().iter().map(WorkerKind::name));
        let hint = meant.map_or_else(
            || {
                format!(
                    "to run it with a core of your own, name that under `cores: {{ {kind}: … }}` in {}",
                    file_name()
                )
            },
            |meant| format!("did you mean `{meant}`?"),
        );
        Err(Failure::usage(format!("there is no worker kind `{kind}`\nhint: {hint}")))
    }

    /// The core for a workflow; `None` for our own.
    pub(crate) fn for_workflow(&self, workflow: &Workflow) -> Result<Option<OtherCore>, Failure> {
        if let Some((core, _)) = &self.given {
            return Ok(Some(core.clone()));
        }
        let mut chosen: Option<(WorkerKind, &OtherCore)> = None;
        for step in workflow.steps.values().flat_map(|step| step.tasks()) {
            let Some((kind, core)) = self.configured.iter().find(|(kind, _)| *kind == step.worker) else {
                continue;
            };
            match chosen {
                None => chosen = Some((*kind, core)),
                Some((other, chosen)) if chosen != core => {
                    return Err(Failure::usage(format!(
                        "the workflow needs two cores, and a run has one: `{other}` is run by {}, `{kind}` by {} ({})\nhint: \
                         a core may have several adapters; or split the workflow",
                        chosen.entry.display(),
                        core.entry.display(),
                        file_name()
                    )));
                }
                Some(_) => {}
            }
        }
        let Some((kind, core)) = chosen else { return Ok(None) };
        if !self.direct {
            return Ok(Some(core.clone()));
        }
        if kind.is_builtin() {
            // `--direct` has the workers of this program.
            return Ok(None);
        }
        Err(Failure::usage(format!(
            "`{kind}` is run by the core {}, which is a process of its own ({})\nhint: leave out --direct",
            core.entry.display(),
            file_name()
        )))
    }
}

/// What the configuration file says of cores.
fn configured(user: &UserConfig) -> Vec<(WorkerKind, OtherCore)> {
    let core = |(kind, command): (&WorkerKind, &CoreCommand)| {
        let args = command.args.iter().map(OsString::from).collect();
        (*kind, OtherCore { entry: user.program(command), args })
    };
    user.config.cores.iter().map(core).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(entry: &str) -> OtherCore {
        OtherCore { entry: entry.into(), args: Vec::new() }
    }

    fn cores(configured: &[(&'static str, &str)], direct: bool) -> Cores {
        let configured = configured.iter().map(|(kind, entry)| (WorkerKind::from_static(kind), core(entry)));
        Cores { given: None, configured: configured.collect(), hosts: IndexMap::new(), direct }
    }

    fn workflow(kinds: &[&str], known: &Cores) -> Workflow {
        let mut text = "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n".to_owned();
        for (index, kind) in kinds.iter().enumerate() {
            text += &format!("  s{index}: {{ worker: {kind}, instructions: x, capabilities: [READ] }}\n");
        }
        roboppi_workflow::parse_with(&text, &known.kinds()).workflow.unwrap()
    }

    #[test]
    fn the_core_of_a_workflow_is_that_of_its_kinds() {
        let known = cores(&[("SCRIBE", "/a"), ("NOTES", "/a"), ("OTHER", "/b")], false);
        let of = |kinds: &[&str]| known.for_workflow(&workflow(kinds, &known)).ok();
        assert_eq!(of(&["CUSTOM", "GEMINI"]), Some(None));
        assert_eq!(of(&["CUSTOM", "SCRIBE", "NOTES"]), Some(Some(core("/a"))));
        assert_eq!(of(&["OTHER", "SCRIBE"]), None);
        let direct = cores(&[("SCRIBE", "/a"), ("GEMINI", "/b")], true);
        assert!(direct.for_workflow(&workflow(&["SCRIBE"], &direct)).is_err());
        assert_eq!(direct.for_workflow(&workflow(&["GEMINI"], &direct)).ok(), Some(None));
        let given = Cores { given: Some((core("/g"), "--core")), ..cores(&[("SCRIBE", "/a")], false) };
        assert_eq!(given.for_workflow(&workflow(&["SCRIBE", "ANY"], &given)).ok(), Some(Some(core("/g"))));
    }
}
