//! What bash shows of words that may come next.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::engine::{CompletionCandidate, complete};
use clap_complete::env::EnvCompleter;

/// The kind of completion of bash that lists words and inserts none of them.
const LISTS: &str = "63";

/// Bash, which lists words alone. So what a word means is written behind it where it is only listed: when there are several,
/// and the key was pressed again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        clap_complete::env::Bash.write_registration(variable, name, program, completer, out)
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let variable = |name: &str| env::var(name).ok();
        let index = variable("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok()).unwrap_or_default();
        let between = variable("_CLAP_IFS").unwrap_or_else(|| "\n".to_owned());
        let is_listed = variable("_CLAP_COMPLETE_COMP_TYPE").is_some_and(|kind| kind == LISTS);
        let candidates = complete(command, words, index, here)?;
        out.write_all(text(&candidates, is_listed).join(&between).as_bytes())
    }
}

fn text(candidates: &[CompletionCandidate], is_listed: bool) -> Vec<String> {
    let value = |candidate: &CompletionCandidate| candidate.get_value().to_string_lossy().into_owned();
    if !is_listed || candidates.len() == 1 {
        return candidates.iter().map(value).collect();
    }
    let widest =
        candidates.iter().map(|candidate| value(candidate).chars().count()).max().unwrap_or_default();
    let with_help = |candidate: &CompletionCandidate| {
        let value = value(candidate);
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        match help.lines().next() {
            Some(help) => format!("{value:widest$}  ({help})"),
            None => value,
        }
    };
    candidates.iter().map(with_help).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_are_listed_are_explained() {
        let candidates = [
            CompletionCandidate::new("r2").help(Some("release, 3m ago".into())),
            CompletionCandidate::new("r11").help(Some("build\nmore".into())),
            CompletionCandidate::new("test"),
        ];
        assert_eq!(text(&candidates, true), ["r2    (release, 3m ago)", "r11   (build)", "test"]);
        assert_eq!(text(&candidates, false), ["r2", "r11", "test"]);
        assert_eq!(text(&candidates[..1], true), ["r2"], "it is inserted");
    }
}
