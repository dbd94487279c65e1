//! How far runs are, for browsers and programs.

use serde_json::json;

use super::client::Served;
use crate::env::TestEnv;
use crate::forecast::with_earlier_runs;

#[test]
fn rows_and_runs_have_their_progress_and_its_basis() {
    let env = TestEnv::new();
    let run = with_earlier_runs(&env);
    let served = Served::start(&env, &[]);
    let rows = env.wait_for("an estimate", || {
        let rows = served.own("GET", "/api/v1/runs", "").json()["runs"].take();
        (rows[0]["progress"]["basis"] == "estimate").then_some(rows)
    });
    let shown = env.wait_for("an estimate", || {
        let run = served.own("GET", "/api/v1/runs/r3", "").json();
        (run["progress"]["basis"] == "estimate").then_some(run)
    });
    for progress in [&rows[0]["progress"], &shown["progress"]] {
        let basis = (&progress["done"], &progress["total"], &progress["runs"], &progress["percent"]);
        assert_eq!(basis, (&json!(1), &json!(3), &json!(2), &json!(33.0)), "{progress}");
        assert!((1..=302_000).contains(&progress["remainingMs"].as_u64().unwrap()), "{progress}");
        assert!(progress["endsAt"].is_u64(), "{progress}");
    }
    assert_eq!(
        (&rows[1]["progress"]["basis"], &rows[1]["progress"]["remainingMs"]),
        (&json!("exact"), &json!(0))
    );
    env.write("end", "");
    run.wait().code(0).text();
    env.wait_for("the end", || {
        let run = served.own("GET", "/api/v1/runs/r3", "").json();
        (run["progress"]["basis"] == "exact" && run["progress"]["remainingMs"] == 0).then_some(())
    });
    served.end();
}
