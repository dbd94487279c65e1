//! The text of a first workflow, by what a directory holds.

use std::fmt::Write as _;

/// Scripts and targets that are steps, in the order in which they run.
const CHECKS: [&str; 5] = ["lint", "typecheck", "check", "build", "test"];

/// What a directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Its name, which may be any text.
    pub name: String,
    /// The tools that build or test it.
    pub tools: Vec<Tool>,
    /// An agent that is installed.
    pub agent: Option<Agent>,
}

/// A tool that builds or tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Cargo, for Rust.
    Cargo,
    /// A package manager of Node.js.
    Node {
        /// Its program.
        manager: &'static str,
        /// The scripts of `package.json`.
        scripts: Vec<String>,
        /// Whether the packages are installed.
        installed: bool,
    },
    /// Python.
    Python {
        /// Whether pytest is installed.
        pytest: bool,
    },
    /// Make.
    Make {
        /// The targets of the makefile.
        targets: Vec<String>,
    },
}

/// An agent that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its kind, as in a workflow.
    pub kind: String,
    /// The name of the product.
    pub name: String,
}

impl Project {
    /// What it was written for, in words.
    #[must_use]
    pub fn found(&self) -> String {
        let names: Vec<&str> = self.tools.iter().map(Tool::name).collect();
        match names.as_slice() {
            [] => "a directory without a known build tool".to_owned(),
            names => names.join(", "),
        }
    }

    /// A workflow whose steps run what was found, those of one tool one after the other.
    #[must_use]
    pub fn workflow(&self) -> String {
        let name: String =
            self.name.chars().filter(|char| char.is_ascii_alphanumeric() || "-_.".contains(*char)).collect();
        let name = if name.is_empty() { "project" } else { &name };
        let mut text = format!("name: {name}\nversion: \"1\"\ntimeout: 30m\n\nsteps:\n");
        let mut steps = 0;
        for tool in &self.tools {
            let mut before: Option<String> = None;
            for (step, command) in tool.steps() {
                // Two tools may have a step of the same name.
                let step = if self.tools.len() > 1 { format!("{}-{step}", tool.name()) } else { step };
                push_step(&mut text, &step, &command, before.as_deref());
                before = Some(step);
                steps += 1;
            }
        }
        if steps == 0 {
            push_step(&mut text, "hello", "echo \"replace this by what is to be run\"", None);
        }
        if let Some(agent) = &self.agent {
            push_agent(&mut text, agent);
        }
        text
    }
}

fn push_step(text: &mut String, step: &str, command: &str, before: Option<&str>) {
    let _ = write!(text, "  {step}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n");
    if let Some(before) = before {
        let _ = writeln!(text, "    depends_on: [{before}]");
    }
    let _ = writeln!(text, "    instructions: |\n      {command}");
}

/// An agent works for money, so its step is for the reader to switch on.
fn push_agent(text: &mut String, Agent { kind, name }: &Agent) {
    let _ = write!(
        text,
        "\n  # {name} is installed. Remove the number signs to have it review the last commit.\n  \
         # review:\n  #   worker: {kind}\n  #   capabilities: [READ, RUN_COMMANDS]\n  #   timeout: 10m\n  \
         #   instructions: |\n  #     Review the last commit of this repository. List defects, the worst one first.\n"
    );
}

impl Tool {
    const fn name(&self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Node { manager, .. } => manager,
            Self::Python { .. } => "python",
            Self::Make { .. } => "make",
        }
    }

    /// Names and commands of its steps, in order.
    fn steps(&self) -> Vec<(String, String)> {
        let step = |name: &str, command: String| (name.to_owned(), command);
        match self {
            Self::Cargo => vec![step("check", "cargo check".into()), step("test", "cargo test".into())],
            Self::Node { manager, scripts, installed } => {
                let install = (!installed).then(|| step("install", format!("{manager} install")));
                let known = CHECKS.iter().filter(|check| scripts.iter().any(|script| script == *check));
                install
                    .into_iter()
                    .chain(known.map(|script| step(script, format!("{manager} run {script}"))))
                    .collect()
            }
            Self::Python { pytest: true } => vec![step("test", "pytest".into())],
            Self::Python { pytest: false } => vec![step("compile", "python3 -m compileall -q .".into())],
            Self::Make { targets } => {
                let known: Vec<_> = CHECKS
                    .iter()
                    .filter(|check| targets.iter().any(|target| target == *check))
                    .map(|target| step(target, format!("make {target}")))
                    .collect();
                if known.is_empty() { vec![step("make", "make".into())] } else { known }
            }
        }
    }
}

/// Targets that a makefile names at the beginning of a line.
#[must_use]
pub fn make_targets(makefile: &str) -> Vec<String> {
    let rules = makefile.lines().filter_map(|line| {
        let (names, rest) = line.split_once(':')?;
        // An assignment, or the continuation of a recipe.
        let is_rule =
            !rest.starts_with('=') && !names.contains('=') && !line.starts_with([' ', '\t', '#', '.']);
        is_rule.then_some(names)
    });
    rules.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use crate::parse;

    use super::*;

    fn steps(project: &Project) -> Vec<String> {
        let text = project.workflow();
        let parsed = parse(&text);
        assert!(parsed.diagnostics.is_empty(), "{text}\n{:?}", parsed.diagnostics);
        parsed.workflow.unwrap().steps.keys().map(ToString::to_string).collect()
    }

    fn agent() -> Option<Agent> {
        Some(Agent { kind: "CLAUDE_CODE".to_owned(), name: "Claude Code".to_owned() })
    }

    #[test]
    fn every_draft_is_a_workflow_without_a_warning() {
        let scripts = ["test", "lint", "deploy"].map(str::to_owned).to_vec();
        let node = || Tool::Node { manager: "pnpm", scripts: scripts.clone(), installed: false };
        let make = || Tool::Make { targets: vec!["all".to_owned()] };
        assert_eq!(steps(&Project::default()), ["hello"]);
        for name in ["", "a b: c", "名前", "-x", "\"quoted\""] {
            let project = Project { name: name.to_owned(), tools: vec![Tool::Cargo], agent: agent() };
            assert_eq!(steps(&project), ["check", "test"], "{name}");
        }
        let all = vec![Tool::Cargo, node(), Tool::Python { pytest: true }, make()];
        let project = Project { tools: all, agent: agent(), ..Project::default() };
        assert_eq!(
            steps(&project),
            [
                "cargo-check",
                "cargo-test",
                "pnpm-install",
                "pnpm-lint",
                "pnpm-test",
                "python-test",
                "make-make"
            ]
        );
    }

    #[test]
    fn the_agent_that_is_commented_out_is_a_step_once_it_is_not() {
        let project = Project { agent: agent(), ..Project::default() };
        let text = project.workflow();
        let (steps, comment) = text.split_once("  # review:").unwrap();
        let review = format!("  review:{}", comment.replace("\n  #", "\n  "));
        let parsed = parse(&format!("{steps}{review}"));
        assert!(parsed.diagnostics.is_empty(), "{review}\n{:?}", parsed.diagnostics);
        assert_eq!(parsed.workflow.unwrap().steps.len(), 2);
    }

    #[test]
    fn targets_of_a_makefile_are_its_rules() {
        let makefile =
            ".PHONY: test\nCC := gcc\nX = a:b\ntest lint: deps\n\tcargo test\n# build: no\nbuild:\n";
        assert_eq!(make_targets(makefile), ["test", "lint", "build"]);
    }
}
