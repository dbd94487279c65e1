//! A run that is over, told once more.

use roboppi_terminal::Screen;

use crate::env::{OnScreen, TestEnv};
use crate::flow::Flow;
use crate::wait;

fn flow() -> Flow {
    Flow::new().step("build", "echo first line; sleep 0.3; echo last line").step_with(
        "publish",
        "exit 3",
        &["depends_on: [build]"],
    )
}

#[test]
fn at_full_speed_it_prints_what_the_run_printed() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let live = env.run(&flow()).args([mode, "--output", "json"]).output().code(1).text();
        let attached = env.roboppi(["attach", "--no-tui"]).output().code(0).text();
        let replayed = env.roboppi(["replay", "--no-tui", "--speed", "max"]).output().code(0).text();
        let facts = |text: &str| {
            let told = |line: &&str| ["✓", "✗", "failed"].iter().any(|word| line.contains(word));
            text.lines().filter(told).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(facts(&replayed), facts(&attached), "{replayed}");
        assert!(!facts(&replayed).is_empty(), "{replayed}");
        // What workers did may come in another order, and output in other pieces.
        let journal = |text: &str| {
            let lines = text.lines().filter(|line| !line.contains("\"attempt\":{")).map(str::to_owned);
            lines.collect::<Vec<_>>()
        };
        let json = |command: &[&str]| {
            journal(&env.roboppi(command).args(["--output", "json"]).output().code(0).text())
        };
        assert!(!journal(&live).is_empty(), "{live}");
        assert_eq!(json(&["attach"]), journal(&live));
        assert_eq!(json(&["replay", "--speed", "max"]), journal(&live));
        let whole = env.roboppi(["replay", "--speed", "max", "--output", "json"]).output().code(0).text();
        assert!(!whole.contains("\"ts\":0,"), "what files tell of is no event\n{whole}");
    }
}

/// Everything that is on a screen but the lines that say whose screen it is: the first one, up to where the state is, and
/// the last one.
fn page(screen: &OnScreen<'_>) -> Vec<String> {
    let text = screen.terminal.look(Screen::contents);
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.pop();
    if let Some(first) = lines.first_mut() {
        let state = first.split_once('✗').map(|(_, state)| state).unwrap_or_default();
        *first = state.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    lines
}

#[test]
fn at_full_speed_it_ends_as_its_owner_saw_it_end() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let talk = "echo first line; echo '::progress percent=50::half'; echo careful >&2; echo last line";
        let flow = Flow::new()
            .step("build", talk)
            .step_with(
                "flaky",
                "[ -e tried ] || { touch tried; exit 1; }; echo mended",
                &["on_failure: retry", "max_retries: 1"],
            )
            .step_with("publish", "exit 3", &["depends_on: [build]"])
            .step_with("never", "true", &["depends_on: [publish]"]);
        env.write("flow.yaml", &flow.text());
        let mut owner =
            env.roboppi(["workflow", "run", "flow.yaml", "--tui", mode]).start_in_terminal(32, 110);
        owner.wait_for_text("press q to leave");
        for watching in [&["replay", "--speed", "max"][..], &["attach"]] {
            let mut other = env.roboppi(watching).start_in_terminal(32, 110);
            other.wait_for_text("✗ failed");
            for screen in [&mut owner, &mut other] {
                screen.press("kkkk");
            }
            for step in ["build", "flaky", "publish", "never"] {
                // What each page has that no other one has.
                let (log, changes) = match step {
                    "never" => ("so there is no log", "nothing was changed"),
                    _ => ("log: ", "no changes"),
                };
                for (tab, has) in [("1", "Workspace"), ("2", log), ("3", changes), ("5", "┄")] {
                    for screen in [&mut owner, &mut other] {
                        screen.press(tab);
                    }
                    let same = || {
                        let [owner, other] = [&owner, &other].map(page);
                        let here = |word: &str| owner.iter().any(|line| line.contains(word));
                        let chosen = here(&format!("›✓ {step}"))
                            || here(&format!("›✓~{step}"))
                            || here(&format!("›✗ {step}"))
                            || here(&format!("›⊘ {step}"));
                        (owner == other && here(has) && chosen).then_some(())
                    };
                    if wait::until(same).is_none() {
                        let [owner, other] = [&owner, &other].map(|screen| page(screen).join("\n"));
                        panic!("{mode}, {watching:?}, {step}, page {tab}\n{owner}\n--- and ---\n{other}");
                    }
                }
                for screen in [&mut owner, &mut other] {
                    screen.press("j");
                }
            }
            other.press("q");
            other.expect_code(0);
        }
        owner.press("q");
        owner.expect_code(1);
    }
}

#[test]
fn a_screen_plays_stands_still_and_goes_back() {
    let env = TestEnv::new();
    let _ = env.run(&flow()).output().code(1);
    let mut screen = env.roboppi(["replay", "--speed", "max"]).start_in_terminal(30, 110);
    screen.wait_for_text("✗ failed");
    screen.wait_for_text(", max");
    // As slow as it gets, from the beginning.
    for _ in 0..9 {
        screen.press("-");
    }
    screen.wait_for_text("0.25x");
    screen.press("0");
    screen.press(" ");
    screen.wait_for_text("paused");
    screen.wait_until("the run is not over", |screen| !screen.contents().contains("✗ failed"));
    screen.press(")");
    screen.wait_for_text("✗ failed");
    screen.press("x");
    screen.press("X");
    screen.press("q");
    screen.expect_code(0);
    screen.expect_restored_terminal();
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo up > up; until [ -e go ]; do sleep 0.01; done")).start();
    env.wait_for_file("up");
    let refused = env.roboppi(["replay", "-1", "--no-tui"]).output().code(1).all();
    assert!(refused.contains("roboppi attach"), "{refused}");
    env.write("go", "");
    let _ = run.wait().code(0);
    for speed in ["0", "fast", "-1", "1e9"] {
        let wrong = env.roboppi(["replay", "--speed", speed]).output().code(2).all();
        assert!(wrong.contains("max"), "{wrong}");
    }
}
