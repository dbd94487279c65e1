//! The agents, and how each is told to ask our model.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;

/// Opens nothing anywhere. It must look like a key to some of them.
const KEY: &str = "sk-made-up-0000000000000000";

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
}

pub(crate) const AGENTS: [Agent; 4] = [
    Agent {
        word: "claude-code",
        package: "@anthropic-ai/claude-code",
        model: "claude-sonnet-4-5",
        tells_retries: true,
        tells_exit_codes: true,
        tells_usage_of_resumed: true,
    },
    Agent {
        word: "codex",
        package: "@openai/codex",
        model: "scripted",
        tells_retries: true,
        tells_exit_codes: true,
        tells_usage_of_resumed: false,
    },
    Agent {
        word: "opencode",
        package: "opencode-ai",
        model: "scripted/scripted",
        tells_retries: false,
        tells_exit_codes: true,
        tells_usage_of_resumed: true,
    },
    Agent {
        word: "gemini",
        package: "@google/gemini-cli",
        model: "gemini-2.5-pro",
        tells_retries: true,
        tells_exit_codes: false,
        tells_usage_of_resumed: true,
    },
];

impl Agent {
    /// Writes its configuration into `home`, and returns the variables it needs.
    pub(crate) fn set_up(&self, home: &Path, url: &str) -> io::Result<Vec<(&'static str, String)>> {
        let file = |name: &str, content: String| {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap_or(home))?;
            fs::write(path, content)
        };
        match self.word {
            "claude-code" => Ok(vec![
                ("ANTHROPIC_BASE_URL", url.to_owned()),
                ("ANTHROPIC_API_KEY", KEY.to_owned()),
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
                ("DISABLE_TELEMETRY", "1".to_owned()),
                ("DISABLE_ERROR_REPORTING", "1".to_owned()),
            ]),
            "codex" => {
                file(
                    ".codex/config.toml",
                    format!(
                        "model_provider = \"scripted\"\ncheck_for_update_on_startup = false\n\
                         [model_providers.scripted]\nname = \"scripted\"\nbase_url = \"{url}/v1\"\n\
                         env_key = \"SCRIPTED_API_KEY\"\nwire_api = \"responses\"\n\
                         [analytics]\nenabled = false\n[feedback]\nenabled = false\n[features]\nplugins = false\n"
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
                let config = json!({
                    "share": "disabled", "autoupdate": false, "enabled_providers": ["scripted"],
                    "provider": { "scripted": provider },
                });
                file(".config/opencode/opencode.json", config.to_string())?;
                Ok(vec![
                    ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
                    ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1".to_owned()),
                ])
            }
            _ => {
                let settings = json!({
                    "security": { "auth": { "selectedType": "gemini-api-key" } },
                    "telemetry": { "enabled": false },
                    "privacy": { "usageStatisticsEnabled": false },
                    "general": { "enableAutoUpdate": false },
                });
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
