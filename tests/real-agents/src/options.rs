//! The options of `cargo xtask real-agents`.

use crate::agents::AGENTS;
use crate::cases::CASES;

/// The case in which capabilities are tried, each with a run of its own.
pub(crate) const CAPABILITIES: &str = "capabilities";

const USAGE: &str = "\
usage: cargo xtask real-agents [--latest] [--deny-drift] [--agent AGENT | --only CASE | AGENT | CASE]...

Installs claude-code, codex, opencode and gemini into target/real-agents, and runs each through roboppi. The versions are those
of tests/real-agents/package.json; --latest takes the newest and renews docs/agents-tested.md with what was run. What each run
left is in target/real-agents/runs. Exit code 1: a case failed or, with --deny-drift, an agent wrote what its adapter does not know.
";

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) latest: bool,
    pub(crate) deny_drift: bool,
    agents: Vec<String>,
    cases: Vec<String>,
}

impl Options {
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut next = || words.next().cloned().ok_or_else(|| format!("`{word}` of what?\n\n{USAGE}"));
            let chosen = match word.as_str() {
                "--latest" => {
                    options.latest = true;
                    continue;
                }
                "--deny-drift" => {
                    options.deny_drift = true;
                    continue;
                }
                "--agent" | "--only" => next()?,
                _ => word.clone(),
            };
            if AGENTS.iter().any(|agent| agent.word == chosen) && word != "--only" {
                options.agents.push(chosen);
            } else if is_case(&chosen) && word != "--agent" {
                options.cases.push(chosen);
            } else {
                return Err(format!("there is no agent or case `{chosen}`\n\n{USAGE}"));
            }
        }
        Ok(options)
    }

    pub(crate) fn wants_agent(&self, word: &str) -> bool {
        self.agents.is_empty() || self.agents.iter().any(|agent| agent == word)
    }

    pub(crate) fn wants_case(&self, name: &str) -> bool {
        self.is_of_all_cases() || self.cases.iter().any(|case| case == name)
    }

    pub(crate) fn is_of_all_cases(&self) -> bool {
        self.cases.is_empty()
    }
}

fn is_case(word: &str) -> bool {
    word == CAPABILITIES || CASES.iter().any(|case| case.name == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn agents_and_cases_are_chosen() {
        let options = read("--latest --agent codex --only text resume").unwrap();
        assert!(options.latest && !options.deny_drift);
        assert!(options.wants_agent("codex") && !options.wants_agent("gemini"));
        assert!(options.wants_case("text") && options.wants_case("resume") && !options.wants_case("cancel"));
        assert!(read("").unwrap().wants_case("capabilities"));
        for odd in ["--only", "--only codex", "--agent text", "news", "--quick"] {
            read(odd).unwrap_err();
        }
    }
}
