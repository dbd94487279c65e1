//! A run that is over, told once more.

use crate::env::TestEnv;
use crate::flow::Flow;

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
        let _ = env.run(&flow()).arg(mode).output().code(1);
        let attached = env.roboppi(["attach", "--no-tui"]).output().code(0).text();
        let replayed = env.roboppi(["replay", "--no-tui", "--speed", "max"]).output().code(0).text();
        let facts = |text: &str| {
            let told = |line: &&str| ["✓", "✗", "failed"].iter().any(|word| line.contains(word));
            text.lines().filter(told).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(facts(&replayed), facts(&attached), "{replayed}");
        assert!(!facts(&replayed).is_empty(), "{replayed}");
        let json = |command: &[&str]| {
            let text = env.roboppi(command).args(["--output", "json"]).output().code(0).text();
            let journal = text.lines().filter(|line| !line.contains("\"attempt\":{")).map(str::to_owned);
            journal.collect::<Vec<_>>()
        };
        assert_eq!(json(&["replay", "--speed", "max"]), json(&["attach"]));
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
