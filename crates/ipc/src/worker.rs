//! Kinds of workers: a name that workflow files, the wire and the record share.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Word;
use crate::value::decode;

/// Name of a kind of worker (`workerKind` on the wire, `worker` in a workflow file), such as `CLAUDE_CODE`.
///
/// The list is open: a core has the kinds its adapters serve, and says them in its hello. A name is checked where a person or
/// an adapter makes one ([`WorkerKind::new`]). What is read from the wire or from a record is kept as it came, so that a
/// record with a kind of another program can be read; no adapter serves a name that is not well formed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerKind(Word);

impl WorkerKind {
    /// Bytes a name may have.
    pub const LONGEST: usize = 40;

    /// `CODEX_CLI`: the agent Codex.
    pub const CODEX_CLI: Self = Self::from_static("CODEX_CLI");
    /// `CLAUDE_CODE`: the agent Claude Code.
    pub const CLAUDE_CODE: Self = Self::from_static("CLAUDE_CODE");
    /// `OPENCODE`: the agent opencode.
    pub const OPENCODE: Self = Self::from_static("OPENCODE");
    /// `GEMINI`: the agent Gemini CLI.
    pub const GEMINI: Self = Self::from_static("GEMINI");
    /// `CUSTOM`: a shell script.
    pub const CUSTOM: Self = Self::from_static("CUSTOM");

    /// The kinds that come with roboppi, in the order of the reference. A core that does not say its kinds has these.
    pub const BUILTIN: [Self; 5] =
        [Self::CODEX_CLI, Self::CLAUDE_CODE, Self::OPENCODE, Self::GEMINI, Self::CUSTOM];

    /// The kinds that a core of protocol 1 has.
    pub const PROTOCOL_1: [Self; 4] = [Self::CODEX_CLI, Self::CLAUDE_CODE, Self::OPENCODE, Self::CUSTOM];

    /// A kind by its name: at most [`WorkerKind::LONGEST`] capital letters (A to Z), digits and `_`, the first one a letter.
    ///
    /// ```
    /// use roboppi_ipc::WorkerKind;
    ///
    /// assert_eq!(WorkerKind::new("CUSTOM"), Ok(WorkerKind::CUSTOM));
    /// assert_eq!(WorkerKind::new("SCRIBE")?.name(), "SCRIBE");
    /// assert!(WorkerKind::new("scribe").is_err());
    /// # Ok::<(), roboppi_ipc::BadWorkerKind>(())
    /// ```
    ///
    /// # Errors
    /// When the name is not of this form.
    pub fn new(name: &str) -> Result<Self, BadWorkerKind> {
        if is_well_formed(name) { Ok(Self(Word::new(name))) } else { Err(BadWorkerKind(())) }
    }

    /// A kind whose name is known when the program is built, for the constant of an adapter. The form is that of
    /// [`WorkerKind::new`].
    ///
    /// ```
    /// use roboppi_ipc::WorkerKind;
    ///
    /// const SCRIBE: WorkerKind = WorkerKind::from_static("SCRIBE");
    /// assert_eq!(SCRIBE.name(), "SCRIBE");
    /// ```
    ///
    /// # Panics
    /// When the name is not of this form: in a constant that is an error of the compiler.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(
            is_well_formed(name),
            "a worker kind has up to 40 capital letters, digits and `_`, and begins with a letter"
        );
        Self(Word::ascii(name))
    }

    /// A kind as another program or version wrote it, checked by nobody. Longer and other characters are treated as
    /// [`Word`] says.
    #[must_use]
    pub fn as_written(name: &str) -> Self {
        Self(Word::new(name))
    }

    /// The name in JSON, in workflow files and on screen.
    #[must_use]
    pub const fn name(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it comes with roboppi.
    #[must_use]
    pub fn is_builtin(self) -> bool {
        Self::BUILTIN.contains(&self)
    }
}

const fn is_well_formed(name: &str) -> bool {
    let name = name.as_bytes();
    if name.is_empty() || name.len() > WorkerKind::LONGEST || !name[0].is_ascii_uppercase() {
        return false;
    }
    let mut index = 1;
    while index < name.len() {
        if !matches!(name[index], b'A'..=b'Z' | b'0'..=b'9' | b'_') {
            return false;
        }
        index += 1;
    }
    true
}

/// A name that no kind of worker can have: a fragment that fits after the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWorkerKind(());

impl fmt::Display for BadWorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "is not the name of a worker kind, which has at most {} capital letters, digits and `_` and begins with a \
             letter",
            WorkerKind::LONGEST
        )
    }
}

impl std::error::Error for BadWorkerKind {}

impl fmt::Debug for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerKind({:?})", self.name())
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for WorkerKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for WorkerKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        decode(from, Self::as_written)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for WorkerKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WorkerKind".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Name of a worker kind: up to 40 capital letters, digits and `_`. `CODEX_CLI`, `CLAUDE_CODE`, \
                `OPENCODE` and `GEMINI` (protocol 2 only) are agents, `CUSTOM` is a shell command. Any core may have other kinds.",
            "examples": Self::BUILTIN.map(|kind| kind.name().to_owned()),
        })
    }
}

/// What a core says of a kind of worker it runs (an item of `workers` in its hello).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WorkerFacts {
    /// `kind`: its name.
    pub kind: WorkerKind,
    /// `agent`: whether it is an agent, and not a command; default true.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub agent: bool,
}

impl WorkerFacts {
    /// Of an agent.
    #[must_use]
    pub const fn agent(kind: WorkerKind) -> Self {
        Self { kind, agent: true }
    }

    /// Of something that is no agent: a command.
    #[must_use]
    pub const fn command(kind: WorkerKind) -> Self {
        Self { kind, agent: false }
    }

    /// What is thought of a kind of which no core has said anything: every kind but `CUSTOM` is an agent.
    #[must_use]
    pub fn assumed(kind: WorkerKind) -> Self {
        Self { kind, agent: kind != WorkerKind::CUSTOM }
    }
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_yes(agent: &bool) -> bool {
    *agent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_where_it_is_made() {
        let longest = "A".repeat(WorkerKind::LONGEST);
        for name in ["A", "SCRIBE", "CLAUDE_CODE", "X9_", &longest] {
            assert_eq!(WorkerKind::new(name).unwrap().name(), name);
        }
        let too_long = "A".repeat(WorkerKind::LONGEST + 1);
        for name in ["", "_A", "9A", "scribe", "A-B", "A B", "É", "A\n", &too_long] {
            assert!(WorkerKind::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_name_that_nobody_checked_is_written_back_as_it_came() {
        for name in ["CUSTOM", "SCRIBE", "Kind_of_tomorrow", "with-dash", ""] {
            let text = format!("{name:?}");
            let kind: WorkerKind = serde_json::from_str(&text).unwrap();
            assert_eq!((kind.name(), serde_json::to_string(&kind).unwrap()), (name, text));
        }
        assert!(serde_json::from_str::<WorkerKind>("1").is_err());
        // Harmless to terminals.
        assert_eq!(WorkerKind::as_written("\u{1b}[31m").name(), "\u{fffd}\u{fffd}31m");
    }

    #[test]
    fn constants_are_the_words_of_the_wire() {
        let names = WorkerKind::BUILTIN.map(|kind| kind.name().to_owned());
        assert_eq!(names, ["CODEX_CLI", "CLAUDE_CODE", "OPENCODE", "GEMINI", "CUSTOM"]);
        for kind in WorkerKind::BUILTIN {
            assert_eq!(WorkerKind::new(kind.name()), Ok(kind));
        }
    }

    #[test]
    fn facts_that_are_not_said_are_those_of_an_agent() {
        let facts: WorkerFacts = serde_json::from_str(r#"{"kind":"SCRIBE"}"#).unwrap();
        assert_eq!(facts, WorkerFacts::agent(WorkerKind::new("SCRIBE").unwrap()));
        let command = WorkerFacts::command(WorkerKind::CUSTOM);
        assert_eq!(serde_json::to_string(&command).unwrap(), r#"{"kind":"CUSTOM","agent":false}"#);
    }
}
