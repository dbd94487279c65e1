//! Scripts of what happens beside the turns, and what is known after each.

use std::fmt::Write as _;

use super::*;

/// One happening a word with its arguments: what the lines of Claude Code say.
fn play(script: &str) -> String {
    let mut background = Background::default();
    let mut table = String::new();
    for step in script.split("; ") {
        let words: Vec<&str> = step.split(' ').collect();
        match words.as_slice() {
            ["agent", id] => background.begin(id, "local_agent", "look", None),
            ["shell", id] => {
                let input = serde_json::json!({"command": "npm run dev", "run_in_background": true});
                background.call("c", "Bash", &input);
                background.begin(id, "local_bash", "Start it", Some("c"));
            }
            ["monitor", id, persistent] => {
                let input = serde_json::json!({"description": "CI", "persistent": *persistent == "for-ever"});
                background.call("m", "Monitor", &input);
                background.begin(id, "local_bash", "CI", Some("m"));
            }
            ["ends", id, status] => background.updated(id, status, None),
            ["wake-up", at] => {
                background.call("w", "ScheduleWakeup", &serde_json::json!({"reason": "CI"}));
                let structured = RawValue::from_string(format!("{{\"scheduledFor\":{at}}}")).unwrap();
                background.returned("w", Some(&structured));
            }
            ["turn"] => background.turn_begins(false),
            ["woken"] => background.turn_begins(true),
            ["says"] => background.agent_goes_on(),
            other => panic!("{other:?}"),
        }
    }
    let waits = background.waiting().map_or("nothing".to_owned(), |waiting| waiting.why);
    let awaited = if background.is_awaited() { "is to go on" } else { "is done" };
    let lost =
        background.lost().or_else(|| background.unfinished()).map_or(String::new(), |lost| lost.message);
    let _ = write!(
        table,
        "{script}\n  {awaited}, waits for {waits}\n  at the end: {lost} {:?}",
        background.remarks()
    );
    table
}

#[test]
fn what_goes_on_beside_the_turns() {
    let scripts = [
        "says",
        "agent a; says",
        "agent a; says; ends a killed",
        "agent a; says; ends a killed; turn",
        "agent a; ends a failed; says",
        "agent a; says; ends a completed",
        "agent a; agent b; ends a completed",
        "shell s; says",
        "shell s; says; ends s killed",
        "shell s; agent a",
        "monitor m a-while; says",
        "monitor m a-while; says; ends m stopped",
        "monitor m for-ever; says",
        "wake-up 9; says",
        "wake-up 9; says; woken",
        "wake-up 9; says; turn",
        "wake-up 9; agent a; says; ends a completed; turn",
        "wake-up 9; says; wake-up 0",
        "shell s; wake-up 9",
    ];
    let table: Vec<String> = scripts.iter().map(|script| play(script)).collect();
    insta::assert_snapshot!(table.join("\n"));
}
