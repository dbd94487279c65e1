//! What is read of a run: logs, activity, statistics.

use serde_json::json;

use super::client::Served;
use super::told;
use crate::agents;
use crate::env::TestEnv;
use crate::flow::Flow;

#[test]
fn a_long_log_is_read_anywhere_and_whole() {
    let env = TestEnv::new();
    let script = "seq 1 300000; printf '\\033[31mred\\033[0m\\033]0;title\\007 end\\n'; \
                  head -c 100000 /dev/zero | tr '\\0' x; echo; echo last";
    let flow = Flow::of(script).step_with("errors", "echo wrong >&2", &["depends_on: [work]"]);
    env.run(&flow).output().code(0).text();
    let served = Served::start(&env, &[]);
    let log = "/api/v1/runs/r1/attempts/work/log";
    let page = told(&served.own("GET", &format!("{log}?from=250000&limit=3"), ""));
    assert_eq!(
        (&page["total"], &page["complete"], &page["next"]),
        (&json!(300_003), &json!(true), &json!(250_003))
    );
    assert_eq!(page["lines"][0]["text"], "250001");
    let page = told(&served.own("GET", &format!("{log}?from=-3"), ""));
    let lines = page["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 3);
    let text = lines[0]["text"].as_str().unwrap();
    assert!(text.contains("\u{1b}[31mred") && text.contains(" end") && !text.contains("title"), "{text:?}");
    assert_eq!((&lines[1]["cut"], lines[1]["text"].as_str().unwrap().len()), (&json!(100_000), 16 * 1024));
    assert_eq!((&lines[2]["stream"], &lines[2]["text"]), (&json!("out"), &json!("last")));
    let whole = served.own("GET", &format!("{log}/line/300001"), "");
    assert_eq!(whole.body.len(), 100_000);
    let found = told(&served.own("GET", &format!("{log}/search?q=299999"), ""));
    assert_eq!((&found["hits"][0]["n"], &found["hits"][0]["start"]), (&json!(299_998), &json!(0)));
    let found = told(&served.own("GET", &format!("{log}/search?q=%5E12345.%24&regex&limit=4"), ""));
    assert_eq!((found["hits"].as_array().unwrap().len(), found["next"].is_u64()), (4, true));
    let raw = served.own("GET", &format!("{log}/download?format=raw"), "");
    assert!(raw.body == env.the_run().log("work", 1), "byte for byte");
    let as_json = served.own("GET", &format!("{log}/download?format=json"), "").json();
    assert_eq!(as_json.as_array().unwrap().len(), 300_003);
    let as_text = served.own("GET", &format!("{log}/download?format=text"), "").text();
    assert!(as_text.contains("\nred end\n") && as_text.ends_with("last\n"));
    let all = told(&served.own("GET", "/api/v1/runs/r1/log?from=-1", ""));
    assert_eq!((&all["lines"][0]["step"], &all["total"]), (&json!("errors"), &json!(300_004)));
    assert_eq!((&all["lines"][0]["stream"], &all["lines"][0]["text"]), (&json!("err"), &json!("wrong")));
    served.end();
}

#[test]
fn what_an_agent_did_is_told() {
    let env = agents::with_claude();
    agents::run(&env, "fix it", &[]).output().code(0).text();
    let served = Served::start(&env, &[]);
    let run = told(&served.own("GET", "/api/v1/runs/r1", ""));
    let step = &run["steps"][0];
    assert_eq!((&step["agent"], &step["attempts"][0]["result"]), (&json!(true), &json!("All tests pass.")));
    assert!(run["costUsd"].as_f64().unwrap() > 0.0);
    let attempt = "/api/v1/runs/r1/attempts/fix";
    let all = told(&served.own("GET", &format!("{attempt}/activity?limit=1000"), ""));
    let items = all["items"].as_array().unwrap();
    assert_eq!(items.len() as u64, all["total"].as_u64().unwrap());
    let call = items.iter().find(|item| item["kind"] == "toolCall" && item["tool"] == "Bash").unwrap();
    assert_eq!(call["argument"], "npm test");
    // In pages, the same items once.
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let query = after.map_or_else(|| "before=1".to_owned(), |after: u64| format!("after={after}"));
        let page = told(&served.own("GET", &format!("{attempt}/activity?limit=3&{query}"), ""));
        paged.extend(page["items"].as_array().unwrap().clone());
        let is_first = after.is_none();
        after = page["last"].as_u64().or(Some(0));
        if !is_first && page["more"] == false {
            break;
        }
    }
    assert_eq!(&paged, items);
    let diffs = told(&served.own("GET", &format!("{attempt}/diffs"), ""));
    assert!(!diffs["files"].as_array().unwrap().is_empty(), "{diffs}");
    let calls = told(&served.own("GET", "/api/v1/runs/r1/events?kinds=activity&tool=Bash&limit=2000", ""));
    let calls = calls["events"].as_array().unwrap();
    assert!(!calls.is_empty() && calls.iter().all(|event| event["item"]["tool"] == "Bash"), "{calls:?}");
    served.end();
}

#[test]
fn statistics_have_the_forms_that_programs_read() {
    let env = TestEnv::new();
    env.run(&Flow::of("echo hello")).output().code(0).text();
    let served = Served::start(&env, &[]);
    let mut stats = told(&served.own("GET", "/api/v1/stats", ""));
    let mut printed: serde_json::Value =
        serde_json::from_str(&env.roboppi(["stats", "--json"]).output().code(0).text()).unwrap();
    // A rate depends on the time of the count.
    for counted in [&mut stats, &mut printed] {
        counted["runs"]["perHour"].take();
    }
    assert_eq!(stats["runs"], printed["runs"]);
    let data = told(&served.own("GET", "/api/data", ""));
    for key in ["agents", "specs", "metrics", "recent-logs", "hooks", "timestamp"] {
        assert!(data.get(key).is_some(), "{key}: {data}");
    }
    assert!(data["metrics"]["global"].get("success-rate").is_some(), "{data}");
    let metrics = served.own("GET", "/metrics", "").text();
    assert!(metrics.contains("\nroboppi_serve_requests_total "), "{metrics}");
    served.end();
}
