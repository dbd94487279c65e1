//! The programs of agents, for people who have to install them.

use roboppi_ipc::WorkerKind;

/// A program that does the work of a kind of worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The kind.
    pub kind: WorkerKind,
    /// What people call it.
    pub name: &'static str,
    /// What it is called in `PATH`.
    pub command: &'static str,
    /// The npm package it comes with.
    pub package: &'static str,
    /// The word for it on the command line.
    pub word: &'static str,
}

const PROGRAMS: [Program; 4] = [
    Program {
        kind: WorkerKind::ClaudeCode,
        name: "Claude Code",
        command: "claude",
        package: "@anthropic-ai/claude-code",
        word: "claude-code",
    },
    Program {
        kind: WorkerKind::CodexCli,
        name: "Codex",
        command: "codex",
        package: "@openai/codex",
        word: "codex",
    },
    Program {
        kind: WorkerKind::OpenCode,
        name: "opencode",
        command: "opencode",
        package: "opencode-ai",
        word: "opencode",
    },
    Program {
        kind: WorkerKind::Gemini,
        name: "Gemini CLI",
        command: "gemini",
        package: "@google/gemini-cli",
        word: "gemini",
    },
];

impl Program {
    /// All of them.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        &PROGRAMS
    }

    /// The program of a kind; a `CUSTOM` worker has none of its own.
    #[must_use]
    pub fn of(kind: WorkerKind) -> Option<&'static Self> {
        PROGRAMS.iter().find(|program| program.kind == kind)
    }

    /// The command that installs it.
    #[must_use]
    pub fn install(&self) -> String {
        format!("npm install -g {}", self.package)
    }

    /// That it is not there, and what to do.
    #[must_use]
    pub fn missing(&self) -> String {
        format!(
            "there is no `{}` in PATH, so {} cannot be started; install it (`{}`), or add its directory to PATH \
             (`roboppi workers` shows what is found)",
            self.command,
            self.name,
            self.install()
        )
    }
}
