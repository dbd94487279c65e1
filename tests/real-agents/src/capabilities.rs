//! What agents can do with which capability, and where: their tools for files and their commands are tried in the workspace,
//! in the home directory and in `/tmp`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::{Script, Step};
use crate::stage::{Options, Stage};

/// A list of capabilities that is tried.
pub(crate) struct Tried {
    /// As it is given.
    pub(crate) capabilities: &'static str,
    pub(crate) means: &'static [Means],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Read,
    Write,
    Command,
    Redirection,
}

impl Means {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "its tool reads",
            Self::Write => "its tool writes",
            Self::Command => "`touch` writes",
            Self::Redirection => "`echo >` writes",
        }
    }
}

const ALL: &[Means] = &[Means::Read, Means::Write, Means::Command, Means::Redirection];

pub(crate) const TRIED: [Tried; 4] = [
    Tried { capabilities: "READ", means: ALL },
    Tried { capabilities: "READ,EDIT", means: ALL },
    Tried { capabilities: "READ,RUN_COMMANDS", means: ALL },
    Tried { capabilities: "READ,EDIT,RUN_COMMANDS", means: ALL },
];

pub(crate) const PLACES: [&str; 3] = ["workspace", "$HOME", "/tmp"];

/// What came of one list: a word for each means and place, in the order of the declaration.
pub(crate) fn attempt(stage: &Stage<'_>, tried: &Tried) -> Result<Vec<&'static str>, String> {
    let roots = [stage.work(), stage.home().to_owned(), PathBuf::from("/tmp")];
    let file = |root: &Path, what: &str| root.join(format!("roboppi-tried-{what}-{}", std::process::id()));
    let mark = |place: usize| format!("content-{place}-of-{}", std::process::id());
    let in_words = |error: std::io::Error| error.to_string();
    let mut turns = Vec::new();
    for means in tried.means {
        for (place, root) in roots.iter().enumerate() {
            let text = |path: PathBuf| path.display().to_string();
            turns.push(vec![match means {
                Means::Read => {
                    let path = file(root, "read");
                    fs::create_dir_all(root).map_err(in_words)?;
                    fs::write(&path, mark(place)).map_err(in_words)?;
                    Step::Read(text(path))
                }
                Means::Write => Step::Write { path: text(file(root, "tool")), content: mark(place) + "\n" },
                Means::Command => Step::Bash(format!("touch {}", text(file(root, "command")))),
                Means::Redirection => {
                    Step::Bash(format!("echo {} > {}", mark(place), text(file(root, "redirection"))))
                }
            }]);
        }
    }
    turns.push(vec![Step::Say("That was all.".to_owned())]);
    let options = Options { capabilities: tried.capabilities, ..Options::default() };
    let outcome = stage.run(Script::new(turns), options, |_, _| {});
    let there = |what: &str| roots.each_ref().map(|root| file(root, what).exists());
    let (tool, command, redirection) = (there("tool"), there("command"), there("redirection"));
    for root in &roots {
        for what in ["read", "tool", "command", "redirection"] {
            let _ = fs::remove_file(file(root, what));
        }
    }
    let outcome = outcome?;
    let asked = outcome.requests.len();
    let words = tried.means.iter().flat_map(|means| (0..roots.len()).map(move |place| (*means, place)));
    Ok(words
        .enumerate()
        .map(|(turn, (means, place))| match means {
            // An agent that ended before has not been asked for it.
            _ if asked <= turn => "not tried",
            Means::Read if has_result(&outcome.requests, &mark(place)) => "read",
            Means::Write if tool[place] => "written",
            Means::Command if command[place] => "written",
            Means::Redirection if redirection[place] => "written",
            _ => "refused",
        })
        .collect())
}

/// Whether the agent gave its model the content of a file. The script itself has it in what it writes, so only what was read
/// before counts.
fn has_result(requests: &[serde_json::Value], mark: &str) -> bool {
    requests.iter().take(PLACES.len() + 1).any(|request| request.to_string().contains(mark))
}
