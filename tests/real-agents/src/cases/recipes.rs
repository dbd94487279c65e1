//! Agents that are started by hand and record themselves, as the page about that tells.

use std::fs;

use super::{Findings, Ran, bash, say};
use crate::model::{PROMPT, Script};
use crate::stage::Stage;

/// The page with the recipes.
const PAGE: &str = include_str!("../../../../docs/emit.md");

/// A code block of the page.
fn recipe(name: &str) -> Result<&'static str, String> {
    let block = PAGE.split_once(&format!("<!-- recipe: {name} -->\n\n```"));
    let code = block.and_then(|(_, rest)| rest.split_once('\n')?.1.split_once("\n```"));
    code.map(|(code, _)| code).ok_or_else(|| format!("the page has no recipe `{name}`"))
}

/// The run is the one that the agent reported: its turns, its calls, its end.
pub(super) fn by_hand(stage: &Stage<'_>) -> Ran {
    let script =
        Script::new([vec![say("I look."), bash("echo what-it-printed")], vec![say("All of it is done.")]]);
    let model = stage.agent.model;
    let (file, recipe, program): (_, _, &[&str]) = match stage.agent.word {
        "claude-code" => (
            ".claude/settings.json",
            recipe("claude")?,
            &["claude", "-p", PROMPT, "--model", model, "--allowedTools", "Bash"],
        ),
        "codex" => (
            ".codex/config.toml",
            recipe("codex")?,
            &["codex", "exec", "--skip-git-repo-check", "--sandbox", "workspace-write", PROMPT],
        ),
        _ => return Ok(super::Verdict::NotOffered("there is no recipe for it".to_owned())),
    };
    let path = stage.home().join(file);
    let configure = || {
        // Beside what it needs to find its model.
        let before = fs::read_to_string(&path).unwrap_or_default();
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, format!("{recipe}\n{before}"))
    };
    let mut found = stage.run_alone(script, configure, program).map(Findings::of)?;
    found.exits_with(0);
    let end =
        found.outcome.journal.iter().map(|line| &line["event"]).find(|event| event["type"] == "run_finished");
    let outcome = end.map(|event| event["outcome"].to_string()).unwrap_or_default();
    found.holds(outcome == "\"succeeded\"", |_| format!("the outcome of the run is {outcome:?}"));
    let texts: Vec<_> = found.events("text").map(|event| event["text"].to_string()).collect();
    found.holds(texts.iter().any(|text| text.contains("All of it is done.")), |_| format!("texts {texts:?}"));
    if stage.agent.word == "claude-code" {
        found.is_complete();
        let results = found.results();
        let is_right = matches!(results.as_slice(), [(true, text)] if text.contains("what-it-printed"));
        found.holds(is_right, |_| format!("results {results:?}"));
    }
    found.verdict()
}
