//! The agents, and how each is told to ask our model.

use std::fs;
use std::io;
use std::path::Path;

use roboppi_ipc::WorkerKind;
use serde_json::json;

/// Opens nothing anywhere. It must look like a key to some of them.
const KEY: &str = "sk-made-up-0000000000000000";

/// The same for an account with a subscription.
const SUBSCRIPTION: &str = "sk-ant-oat01-made-up-0000000000000000";

/// What is special about the configuration of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Plain,
    /// Its account has a subscription, where there is such a thing.
    Subscribed,
    /// With an MCP server that ends at once.
    BrokenServer,
}

/// One agent program.
pub(crate) struct Agent {
    /// As `roboppi run --worker` calls it.
    pub(crate) word: &'static str,
    pub(crate) package: &'static str,
    pub(crate) model: &'static str,
    /// Whether it says when a request is made again.
    pub(crate) tells_retries: bool,
    /// Whether it says that a command has failed.
    pub(crate) tells_exit_codes: bool,
    /// Whether what it says it used is of this run, and not of all runs of the session.
    pub(crate) tells_usage_of_resumed: bool,
    /// Whether the calls of sub-agents are in its output.
    pub(crate) tells_calls_of_sub_agents: bool,
    /// Whether waiting for sub-agents is a call of its own.
    pub(crate) awaits_sub_agents_by_call: bool,
    /// Whether it ends its commands when it leaves.
    pub(crate) ends_what_it_started: bool,
    /// Whether it says that a limit of its account is used up.
    pub(crate) tells_limits: bool,
    /// Whether it says that an MCP server did not start.
    pub(crate) tells_mcp_trouble: bool,
    /// Its name on the page.
    pub(crate) title: &'static str,
    /// As its adapter is called.
    pub(crate) kind: WorkerKind,
}

pub(crate) const AGENTS: [Agent; 4] = [
    Agent {
        word: "claude-code",
        package: "@anthropic-ai/claude-code",
        model: "claude-sonnet-4-5",
        tells_retries: true,
        tells_exit_codes: true,
        tells_usage_of_resumed: true,
        tells_calls_of_sub_agents: true,
        awaits_sub_agents_by_call: false,
        ends_what_it_started: false,
        tells_limits: true,
        tells_mcp_trouble: true,
        title: "Claude Code",
        kind: WorkerKind::CLAUDE_CODE,
    },
    Agent {
        word: "codex",
        package: "@openai/codex",
        model: "scripted",
        tells_retries: true,
        tells_exit_codes: true,
        tells_usage_of_resumed: false,
        tells_calls_of_sub_agents: false,
        awaits_sub_agents_by_call: true,
        ends_what_it_started: true,
        tells_limits: true,
        tells_mcp_trouble: false,
        title: "Codex",
        kind: WorkerKind::CODEX_CLI,
    },
    Agent {
        word: "opencode",
        package: "opencode-ai",
        model: "scripted/scripted",
        tells_retries: false,
        tells_exit_codes: true,
        tells_usage_of_resumed: true,
        tells_calls_of_sub_agents: false,
        awaits_sub_agents_by_call: false,
        ends_what_it_started: false,
        tells_limits: false,
        tells_mcp_trouble: false,
        title: "opencode",
        kind: WorkerKind::OPENCODE,
    },
    Agent {
        word: "gemini",
        package: "@google/gemini-cli",
        model: "gemini-2.5-pro",
        tells_retries: true,
        tells_exit_codes: false,
        tells_usage_of_resumed: true,
        tells_calls_of_sub_agents: false,
        awaits_sub_agents_by_call: false,
        ends_what_it_started: false,
        tells_limits: true,
        tells_mcp_trouble: false,
        title: "Gemini CLI",
        kind: WorkerKind::GEMINI,
    },
];

impl Agent {
    /// Writes its configuration into `home`, and returns the variables it needs.
    pub(crate) fn set_up(
        &self,
        home: &Path,
        url: &str,
        setting: Setting,
    ) -> io::Result<Vec<(&'static str, String)>> {
        let file = |name: &str, content: String| {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap_or(home))?;
            fs::write(path, content)
        };
        let broken = setting == Setting::BrokenServer;
        match self.word {
            "claude-code" => Ok(vec![
                ("ANTHROPIC_BASE_URL", url.to_owned()),
                // Limits of subscriptions have a time; those of keys have none.
                match setting {
                    Setting::Subscribed => ("CLAUDE_CODE_OAUTH_TOKEN", SUBSCRIPTION.to_owned()),
                    _ => ("ANTHROPIC_API_KEY", KEY.to_owned()),
                },
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
                ("DISABLE_TELEMETRY", "1".to_owned()),
                ("DISABLE_ERROR_REPORTING", "1".to_owned()),
            ]),
            "codex" => {
                let servers = if broken { "[mcp_servers.broken-server]\ncommand = \"false\"\n" } else { "" };
                file(
                    ".codex/config.toml",
                    format!(
                        "model_provider = \"scripted\"\ncheck_for_update_on_startup = false\n\
                         [model_providers.scripted]\nname = \"scripted\"\nbase_url = \"{url}/v1\"\n\
                         env_key = \"SCRIPTED_API_KEY\"\nwire_api = \"responses\"\n\
                         [analytics]\nenabled = false\n[feedback]\nenabled = false\n[features]\nplugins = false\n\
                         {servers}"
                    ),
                )?;
                Ok(vec![("SCRIPTED_API_KEY", KEY.to_owned())])
            }
            "opencode" => {
                let model = json!({ "limit": { "context": 200_000, "output": 16_000 } });
                let provider = json!({
                    "npm": "@ai-sdk/openai-compatible",
                    "options": { "baseURL": format!("{url}/v1"), "apiKey": KEY },
                    "models": { "scripted": model },
                });
                let mut config = json!({
                    "share": "disabled", "autoupdate": false, "enabled_providers": ["scripted"],
                    "provider": { "scripted": provider },
                });
                if broken {
                    config["mcp"] = json!({ "broken-server": { "type": "local", "command": ["false"], "enabled": true } });
                }
                file(".config/opencode/opencode.json", config.to_string())?;
                Ok(vec![
                    ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
                    ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1".to_owned()),
                ])
            }
            _ => {
                let mut settings = json!({
                    "security": { "auth": { "selectedType": "gemini-api-key" } },
                    "telemetry": { "enabled": false },
                    "privacy": { "usageStatisticsEnabled": false },
                    "general": { "enableAutoUpdate": false },
                });
                if broken {
                    settings["mcpServers"] = json!({ "broken-server": { "command": "false" } });
                }
                file(".gemini/settings.json", settings.to_string())?;
                Ok(vec![
                    ("GEMINI_API_KEY", KEY.to_owned()),
                    ("GOOGLE_GEMINI_BASE_URL", url.to_owned()),
                    ("GEMINI_TELEMETRY_ENABLED", "false".to_owned()),
                ])
            }
        }
    }
}
