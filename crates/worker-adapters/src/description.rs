//! What an adapter says of its kind of worker. Nobody else knows what differs between kinds.

use std::borrow::Cow;
use std::time::Duration;

use roboppi_ipc::{WorkerFacts, WorkerKind};

/// A text of a description: a literal, or what was read somewhere.
type Text = Cow<'static, str>;

/// A kind of worker, as its adapter describes it.
///
/// ```
/// use roboppi_ipc::WorkerKind;
/// use roboppi_worker_adapters::WorkerDescription;
///
/// const SCRIBE: WorkerKind = WorkerKind::from_static("SCRIBE");
/// let scribe = WorkerDescription::agent(SCRIBE, "Scribe").with_program("scribe").with_install("cp scribe ~/.local/bin/");
/// assert!(scribe.agent);
/// assert_eq!(scribe.provider(), Some("SCRIBE"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerDescription {
    /// Its name in workflow files and on the wire.
    pub kind: WorkerKind,
    /// What people call it.
    pub name: Text,
    /// Whether it is an agent, and not a command: an agent is watched for idleness, has a temporary directory of its own, and
    /// is counted by the limits for agents.
    pub agent: bool,
    /// What its program is called in `PATH`, where there is one that has to be installed.
    pub program: Option<Text>,
    /// The command that installs the program.
    pub install: Option<Text>,
    /// Names for it on the command line (`roboppi run --worker`), the first one is shown.
    pub words: Vec<Text>,
    /// How long it may do nothing at all when its task does not say. `None` means what the core says for agents, and no limit
    /// for commands; zero means no limit.
    pub idle: Option<Duration>,
    provider: Option<Text>,
}

impl WorkerDescription {
    /// An agent.
    pub fn agent(kind: WorkerKind, name: impl Into<Text>) -> Self {
        Self {
            kind,
            name: name.into(),
            agent: true,
            program: None,
            install: None,
            words: Vec::new(),
            idle: None,
            provider: None,
        }
    }

    /// Something that is no agent: a command.
    pub fn command(kind: WorkerKind, name: impl Into<Text>) -> Self {
        Self { agent: false, ..Self::agent(kind, name) }
    }

    /// Names its program.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<Text>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Says which command installs the program.
    #[must_use]
    pub fn with_install(mut self, command: impl Into<Text>) -> Self {
        self.install = Some(command.into());
        self
    }

    /// Adds a name for the command line.
    #[must_use]
    pub fn with_word(mut self, word: impl Into<Text>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Says how long it may do nothing at all when its task does not say; zero means no limit.
    #[must_use]
    pub const fn with_idle(mut self, limit: Duration) -> Self {
        self.idle = Some(limit);
        self
    }

    /// Names the service it depends on. Kinds with the same provider have one circuit breaker.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<Text>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// The service it depends on, whose failures keep it from starting. An agent for which none was named has one of its own,
    /// called like its kind; a command has none.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref().or_else(|| self.agent.then(|| self.kind.name()))
    }

    /// How long it may do nothing at all when its task does not say, in a core that says `for_agents`; `None` means for ever.
    #[must_use]
    pub fn idle_limit(&self, for_agents: Option<Duration>) -> Option<Duration> {
        match self.idle {
            Some(limit) => (!limit.is_zero()).then_some(limit),
            None => for_agents.filter(|_| self.agent),
        }
    }

    /// What a core says of it in its hello.
    #[must_use]
    pub const fn facts(&self) -> WorkerFacts {
        if self.agent { WorkerFacts::agent(self.kind) } else { WorkerFacts::command(self.kind) }
    }

    /// That its program is not there, and what to do; `None` when it has no program that could be installed.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let program = self.program.as_deref()?;
        let install = self.install.as_deref().map(|install| format!(" (`{install}`)")).unwrap_or_default();
        Some(format!(
            "there is no `{program}` in PATH, so {} cannot be started; install it{install}, or add its directory to PATH \
             (`roboppi workers` shows what is found)",
            self.name
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIBE: WorkerKind = WorkerKind::from_static("SCRIBE");

    #[test]
    fn the_limit_for_idle_workers_is_the_first_that_is_said() {
        let core = Some(Duration::from_secs(900));
        let (agent, command) =
            (WorkerDescription::agent(SCRIBE, "Scribe"), WorkerDescription::command(SCRIBE, "Scribe"));
        let own = Duration::from_secs(60);
        assert_eq!(agent.idle_limit(core), core);
        assert_eq!(agent.clone().with_idle(own).idle_limit(core), Some(own));
        assert_eq!(agent.with_idle(Duration::ZERO).idle_limit(core), None);
        assert_eq!(command.idle_limit(core), None);
        assert_eq!(command.with_idle(own).idle_limit(None), Some(own));
    }

    #[test]
    fn an_agent_depends_on_a_service_and_a_command_does_not() {
        let agent = WorkerDescription::agent(SCRIBE, "Scribe");
        assert_eq!(agent.provider(), Some("SCRIBE"));
        assert_eq!(agent.with_provider("quill.example").provider(), Some("quill.example"));
        assert_eq!(WorkerDescription::command(SCRIBE, "Scribe").provider(), None);
    }

    #[test]
    fn only_what_can_be_installed_is_missing() {
        let scribe = WorkerDescription::agent(SCRIBE, "Scribe");
        assert_eq!(scribe.missing(), None);
        let scribe = scribe.with_program("scribe");
        assert!(
            scribe
                .missing()
                .unwrap()
                .contains("there is no `scribe` in PATH, so Scribe cannot be started; install it, or")
        );
        let said = scribe.with_install("cp scribe ~/bin").missing().unwrap();
        assert!(said.contains("install it (`cp scribe ~/bin`)"), "{said}");
    }
}
