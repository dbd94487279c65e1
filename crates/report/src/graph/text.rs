//! For a terminal: the stages below one another. Steps that wait for the same ones share a line.

use roboppi_ipc::WorkerKind;
use roboppi_run::StepPath;
use roboppi_untrusted::first_words;
use roboppi_workflow::Plan;
use unicode_width::UnicodeWidthStr;

use super::{Placed, artifacts, placed};

/// Columns between two names.
const GAP: &str = "  ";

/// Steps of a whole stage that are named nevertheless.
const NAMED: usize = 4;

/// Steps of a stage that wait for the same ones.
struct Group<'p> {
    steps: Vec<&'p Placed<'p>>,
    before: &'p [StepPath],
}

/// The stages of a plan in `width` columns.
#[must_use]
pub fn text(name: &str, plan: &Plan, width: usize) -> String {
    let steps = placed(plan);
    let stages = steps.last().map_or(0, |last| last.stage);
    let noun = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut text = format!(
        "{}: {} in {}, at most {} at the same time\n",
        first_words(name),
        noun(steps.len(), "step"),
        noun(stages, "stage"),
        plan.concurrency
    );
    let number = stages.to_string().len();
    let mut earlier = 0;
    let mut blocks = Vec::with_capacity(stages);
    for stage in steps.chunk_by(|one, other| one.stage == other.stage) {
        let room = width.saturating_sub(number + GAP.len());
        let lines =
            groups(stage).iter().flat_map(|group| group_lines(group, earlier, room)).collect::<Vec<_>>();
        blocks.push((stage[0].stage, lines));
        earlier = stage.len();
    }
    // A row of single lines needs nothing between them.
    let is_row = blocks.iter().all(|(_, lines)| lines.len() == 1);
    for (index, (stage, lines)) in blocks.iter().enumerate() {
        if index == 0 || !is_row {
            text.push('\n');
        }
        let mut label = stage.to_string();
        for line in lines {
            text += format!("{label:>number$}{GAP}{line}").trim_end();
            text.push('\n');
            label.clear();
        }
    }
    text
}

/// The steps of a stage by what they wait for, in the order of the first one of each.
fn groups<'p>(stage: &'p [Placed<'p>]) -> Vec<Group<'p>> {
    let mut places: std::collections::HashMap<Vec<&StepPath>, usize> = std::collections::HashMap::new();
    let mut groups: Vec<Group<'p>> = Vec::new();
    for step in stage {
        let before = &step.node.step.depends_on;
        let mut key: Vec<&StepPath> = before.iter().collect();
        key.sort_unstable();
        let takes = !step.node.step.inputs.is_empty();
        match places.get(&key).filter(|_| !takes) {
            Some(place) => groups[*place].steps.push(step),
            None => {
                if !takes {
                    places.insert(key, groups.len());
                }
                groups.push(Group { steps: vec![step], before });
            }
        }
    }
    groups
}

/// The names of a group, and what it waits for: behind them where there is room, else below. `earlier` is the number of steps of
/// the stage before.
fn group_lines(group: &Group<'_>, earlier: usize, width: usize) -> Vec<String> {
    let names: Vec<String> = group.steps.iter().map(|step| label(step)).collect();
    let mut lines = wrapped(&names, GAP, width);
    if group.before.is_empty() {
        return lines;
    }
    let first = group.steps[0];
    let is_all = group.before.len() == earlier && earlier > NAMED && first.node.step.inputs.is_empty();
    let before: Vec<String> = if is_all {
        vec![format!("all {earlier} of stage {}", first.stage - 1)]
    } else {
        group.before.iter().map(|before| dependency(first, before)).collect()
    };
    let mut waits = wrapped(&before, ", ", width.saturating_sub(2));
    for (index, line) in waits.iter_mut().enumerate() {
        line.insert_str(0, if index == 0 { "← " } else { "  " });
    }
    let last = lines.last().map_or(0, |line| line.width());
    if let ([wait], true) = (waits.as_slice(), lines.len() == 1)
        && last + GAP.len() + wait.width() <= width
    {
        lines[0] = format!("{}{GAP}{wait}", lines[0]);
        return lines;
    }
    lines.extend(waits.into_iter().map(|line| format!("{GAP}{line}")));
    lines
}

/// A step, and its worker if that is an agent.
fn label(step: &Placed<'_>) -> String {
    let name = first_words(step.node.path.as_str());
    let worker = step.node.kind();
    if worker == WorkerKind::CUSTOM { name } else { format!("{name} ({worker})") }
}

/// A step that another one waits for, and the artifacts that come from it.
fn dependency(step: &Placed<'_>, before: &StepPath) -> String {
    let name = first_words(before.as_str());
    let artifacts = artifacts(step.node, before);
    if artifacts.is_empty() {
        return name;
    }
    let artifacts: Vec<_> = artifacts.into_iter().map(first_words).collect();
    format!("{name} [{}]", artifacts.join(", "))
}

/// Words in lines of at most `width` columns; a longer word has a line of its own.
fn wrapped(words: &[String], between: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words {
        let room = used + between.width() + word.width();
        match lines.last_mut() {
            Some(line) if room <= width => {
                line.push_str(between);
                line.push_str(word);
                used = room;
            }
            last => {
                if let Some(line) = last {
                    line.push_str(between.trim_end());
                }
                lines.push(word.clone());
                used = word.width();
            }
        }
    }
    lines
}
