//! What agents can be given beside their task, and which of them has no such option.

use serde::{Deserialize, Serialize};

use crate::WorkerKind;
use crate::with_fields::with_fields;

/// The ability of a core to give agents what [`AgentSetup`] has (`payload.roboppi.agent`).
pub const CAPABILITY_AGENT_SETUP: &str = "agent_setup";

/// What an agent is given beside its task (`payload.roboppi.agent`). A core that supports it has the capability `agent_setup`.
/// A kind of agent that has no such option refuses the task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AgentSetup {
    /// `program`: program in place of the agent's own one: an absolute path, or a name in `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// `mcpConfig`: file that describes MCP servers, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_config: Option<String>,
    /// `addDirs`: directories that the agent may use beside its workspace, as absolute paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_dirs: Vec<String>,
    /// `appendSystemPrompt`: text added to the system prompt of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
}

impl AgentSetup {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The options that it asks for.
    pub fn asks_for(&self) -> impl Iterator<Item = AgentOption> + use<> {
        let asked = [
            (AgentOption::Program, self.program.is_some()),
            (AgentOption::McpConfig, self.mcp_config.is_some()),
            (AgentOption::AddDirs, !self.add_dirs.is_empty()),
            (AgentOption::AppendSystemPrompt, self.append_system_prompt.is_some()),
        ];
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(option, _)| option)
    }
}

with_fields!(AgentSetup {
    with_program(program: Option<String>),
    with_mcp_config(mcp_config: Option<String>),
    with_add_dirs(add_dirs: Vec<String>),
    with_append_system_prompt(append_system_prompt: Option<String>),
});

/// Something that an agent can be given, or that it has to report, beside its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentOption {
    /// A program in place of the one in `PATH`.
    Program,
    /// A file that describes MCP servers.
    McpConfig,
    /// Directories beside the workspace.
    AddDirs,
    /// Text added to the system prompt.
    AppendSystemPrompt,
    /// A limit of its cost, for which it has to report what it costs.
    MaxCost,
    /// A limit of its tokens, for which it has to report them.
    MaxTokens,
}

impl AgentOption {
    /// Every option, in the order of the reference.
    pub const ALL: [Self; 6] = [
        Self::Program,
        Self::McpConfig,
        Self::AddDirs,
        Self::AppendSystemPrompt,
        Self::MaxCost,
        Self::MaxTokens,
    ];

    /// The key of a step in a workflow file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::McpConfig => "mcp_config",
            Self::AddDirs => "add_dirs",
            Self::AppendSystemPrompt => "append_system_prompt",
            Self::MaxCost => "max_cost",
            Self::MaxTokens => "max_tokens",
        }
    }

    /// What to do instead with a kind of worker that has no such option: a fragment that begins with a verb. `None` when it has
    /// the option, or when the kind does not come with roboppi, so that its options are not known.
    ///
    /// ```
    /// use roboppi_ipc::{AgentOption, WorkerKind};
    ///
    /// assert_eq!(AgentOption::McpConfig.instead_with(WorkerKind::CLAUDE_CODE), None);
    /// assert!(AgentOption::McpConfig.instead_with(WorkerKind::GEMINI).is_some());
    /// ```
    #[must_use]
    pub fn instead_with(self, kind: WorkerKind) -> Option<&'static str> {
        let text = match (self, kind) {
            (_, WorkerKind::CUSTOM) => "remove it, or name an agent as `worker`",
            (Self::McpConfig, WorkerKind::CODEX_CLI) => {
                "name the servers in `~/.codex/config.toml`, or pass the arguments `-c` and `mcp_servers.NAME.command=\"…\"`"
            }
            (Self::McpConfig, WorkerKind::GEMINI) => {
                "name the servers in `.gemini/settings.json` of the workspace, or add them with `gemini mcp add`"
            }
            (Self::McpConfig, WorkerKind::OPENCODE) => {
                "name the servers under `mcp` in `opencode.json` of the workspace"
            }
            (Self::AddDirs, WorkerKind::OPENCODE) => {
                "allow the directories with `permission.external_directory` in `opencode.json`, or give the capability \
                 `RUN_COMMANDS`"
            }
            (Self::AppendSystemPrompt, WorkerKind::GEMINI) => {
                "put the text in front of the instructions, or in `GEMINI.md` of the workspace"
            }
            (Self::AppendSystemPrompt, WorkerKind::OPENCODE) => {
                "put the text in front of the instructions, or in `AGENTS.md` of the workspace"
            }
            (Self::MaxCost, WorkerKind::CODEX_CLI | WorkerKind::GEMINI) => {
                "limit its tokens instead: it reports tokens and no cost"
            }
            _ => return None,
        };
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_none_and_an_unknown_kind_may_have_all() {
        let other = WorkerKind::from_static("SCRIBE");
        for option in AgentOption::ALL {
            assert!(option.instead_with(WorkerKind::CUSTOM).is_some(), "{option:?}");
            assert_eq!(option.instead_with(other), None);
            assert_eq!(option.instead_with(WorkerKind::CLAUDE_CODE), None, "{option:?}");
        }
    }

    #[test]
    fn every_agent_has_a_program_and_reports_tokens() {
        for kind in WorkerKind::BUILTIN.into_iter().filter(|kind| *kind != WorkerKind::CUSTOM) {
            assert_eq!(AgentOption::Program.instead_with(kind), None);
            assert_eq!(AgentOption::MaxTokens.instead_with(kind), None);
        }
    }
}
