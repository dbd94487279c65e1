//! Processor time and memory of steps.

use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::run_files::RunFiles;

/// Uses a processor and some memory in a child of a child until the file `end` is there.
const BUSY: &str = "bash -c 'data=$(head -c 20000000 /dev/zero | tr \"\\0\" x); echo > started
    while [ ! -e end ]; do :; done; echo ${#data}' & wait";

fn resources(run: &RunFiles) -> Vec<Value> {
    run.attempt_events("work", 1).into_iter().filter(|event| event["event"]["type"] == "resources").collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_busy_step_is_sampled_and_its_totals_are_everywhere() {
    if !cfg!(target_os = "linux") {
        return;
    }
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let mut screen = env.run_in_terminal(&Flow::of(BUSY)).arg(mode).start_in_terminal(30, 140);
        env.wait_for_file("started");
        screen.press("1");
        screen.wait_for_text("of a processor now");
        screen.wait_for_text("MiB, at most ");
        screen.wait_for_text("cpu ");
        // Another process sees the same in the record.
        let mut viewer = env.roboppi(["attach", "--tui"]).start_in_terminal(30, 140);
        viewer.press("1");
        viewer.wait_for_text("of a processor now");
        viewer.press("q");
        viewer.expect_code(0);
        let sampled = env.wait_for("two samples", || {
            let samples = resources(&env.the_run());
            (samples.len() >= 2).then_some(samples)
        });
        let [first, .., last] = sampled.as_slice() else { panic!("{sampled:?}") };
        assert!(number(&last["event"]["cpuMs"]) > number(&first["event"]["cpuMs"]), "{sampled:?}");
        assert!(number(&last["event"]["peakMemoryBytes"]) > 20_000_000, "{sampled:?}");
        env.write("end", "");
        screen.wait_for_text("press q to leave");
        screen.press("4");
        screen.wait_for_text("at most ");
        screen.press("q");
        screen.expect_code(0);
        let ends = env.the_run().events("attempt_finished");
        let total = &ends[0]["result"]["details"]["resources"];
        assert!(number(&total["cpuMs"]) >= number(&last["event"]["cpuMs"]), "{total} {last}");
        assert!(number(&total["peakMemoryBytes"]) > 20_000_000, "{total}");
        assert!(total.get("memoryBytes").is_none() && total.get("cpuPercent").is_none(), "{total}");
        let page = env.roboppi(["show"]).output().code(0).text();
        assert!(page.contains("CPU") && page.contains("MEMORY") && page.contains(" MiB"), "{page}");
    }
}

#[test]
fn a_step_that_is_over_before_a_sample_has_its_totals() {
    let env = TestEnv::new();
    let script = "data=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#data}";
    let json = env.run(&Flow::of(script)).args(["--output", "json"]).output().code(0).text();
    let ends: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| {
            event["event"]["type"] == "attempt_finished" || event["type"] == "attempt_finished"
        })
        .collect();
    let end = ends.first().unwrap_or_else(|| panic!("{json}"));
    let text = end.to_string();
    let total = text.split("\"resources\":").nth(1).unwrap_or_else(|| panic!("{text}"));
    let total: Value = serde_json::from_str(&total[..=total.find('}').unwrap()]).unwrap();
    assert!(number(&total["cpuMs"]) > 0, "{total}");
    // Of memory only what is more than the core itself has.
    let peak = total.get("peakMemoryBytes").map_or(u64::MAX, number);
    assert!(peak > 100_000_000, "{total}");
}
