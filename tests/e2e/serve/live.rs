//! What a client is sent while runs go on.

use serde_json::{Value, json};

use super::client::{Random, Served, Socket};
use crate::env::TestEnv;
use crate::flow::Flow;

/// A flow of many short steps, and its file.
fn many_steps(env: &TestEnv, count: usize) -> Flow {
    let steps = (0..count).fold(Flow::new().with("concurrency: 4"), |flow, number| {
        flow.step(&format!("s{number}"), "while [ ! -e go ]; do sleep 0.05; done; echo out; sleep 0.02")
    });
    env.write("flow.yaml", &steps.text());
    steps
}

fn subscribe(socket: &mut Socket, after: &str) {
    socket.say(
        &json!({"type": "subscribe", "sub": "s", "topic": "run", "run": "r1", "after": after}).to_string(),
    );
}

/// Number of the journal record of an event: steps without agents have events of the journal only.
fn number(event: &Value) -> u64 {
    event["cursor"].as_str().unwrap().split('.').next().unwrap().parse().unwrap()
}

#[test]
fn a_client_that_is_cut_anywhere_has_every_event_once_and_in_order() {
    let env = TestEnv::new();
    let flow = many_steps(&env, 60);
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let limits = ["--events-per-second", "5000"];
    let mut served = Some(Served::start(&env, &limits));
    let run = env.run(&flow).start();
    env.wait_for("the run", || env.runs().pop());
    env.write("go", "");
    let (mut cursor, mut numbers, mut cuts) = ("0.0".to_owned(), Vec::new(), 0);
    let mut last = String::new();
    while last != "succeeded" {
        let mut socket = served.as_ref().unwrap().socket();
        subscribe(&mut socket, &cursor);
        for _ in 0..random.below(12) {
            let frame = socket.json().unwrap();
            match frame["type"].as_str().unwrap() {
                "batch" => {
                    assert_eq!(frame["from"], cursor.as_str(), "no hole between frames");
                    for event in frame["events"].as_array().unwrap() {
                        numbers.push(number(event));
                        if let Some(state) = event["run"]["state"].as_str() {
                            last = state.to_owned();
                        }
                    }
                    cursor = frame["to"].as_str().unwrap().to_owned();
                }
                "caughtUp" => {}
                other => panic!("{other}: {frame}"),
            }
            if last == "succeeded" {
                break;
            }
        }
        cuts += 1;
        // The cursor is good for the next server too.
        if cuts % 7 == 0 {
            served.take().unwrap().kill();
            served = Some(Served::start(&env, &limits));
        }
    }
    run.wait().code(0).text();
    let recount = env.the_run().journal().len() as u64;
    println!("{cuts} cuts, {recount} events");
    assert_eq!(numbers, (1..=recount).collect::<Vec<_>>());
    served.unwrap().end();
}

#[test]
fn a_frame_keeps_its_bounds_and_a_gap_can_be_fetched() {
    let env = TestEnv::new();
    let flow = many_steps(&env, 60);
    env.write("go", "");
    env.run(&flow).output().code(0).text();
    let recount = env.the_run().journal().len() as u64;
    let served = Served::start(&env, &["--events-per-second", "10", "--events-per-frame", "5"]);
    let mut socket = served.socket();
    subscribe(&mut socket, "0.0");
    let gap = socket.json_of("gap");
    assert_eq!((&gap["from"], &gap["count"]), (&json!("0.0"), &json!(recount)), "{gap}");
    let mut steps = 0;
    loop {
        let (part, len) = socket.frame().unwrap();
        assert!(part["type"] == "snapshot" && len <= 65_536, "{len}");
        steps += part["run"]["steps"].as_array().unwrap().len();
        if part["more"] == false {
            break;
        }
    }
    assert_eq!(steps, 60);
    let (from, to) = (gap["from"].as_str().unwrap(), gap["to"].as_str().unwrap());
    socket.say(&json!({"type": "fetch", "sub": "s", "from": from, "to": to}).to_string());
    let mut numbers = Vec::new();
    while numbers.len() < 30 {
        let (frame, len) = socket.frame().unwrap();
        assert!(len <= 65_536, "{len}");
        if frame["type"] == "batch" {
            let events = frame["events"].as_array().unwrap();
            assert!(frame["fetched"] == true && events.len() <= 5, "{frame}");
            numbers.extend(events.iter().map(number));
        }
    }
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    // The whole gap at once, for those who can wait.
    let page =
        served.own("GET", &format!("/api/v1/runs/r1/events?after={from}&to={to}&limit=2000"), "").json();
    let all: Vec<_> = page["events"].as_array().unwrap().iter().map(number).collect();
    assert_eq!((all, &page["cursor"]), ((1..=recount).collect(), &gap["to"]));
    served.end();
}

#[test]
fn an_event_stream_resumes_by_its_last_id() {
    let env = TestEnv::new();
    env.run(&Flow::of("echo hello")).output().code(0).text();
    let recount = env.the_run().journal().len() as u64;
    let served = Served::start(&env, &["--events-per-second", "5000"]);
    // The run is over, so the stream ends.
    let ids = |after: &str| -> Vec<u64> {
        let headers = [("Authorization", "Bearer the token of operators"), ("Last-Event-ID", after)];
        let reply = served.request("GET", "/api/v1/runs/r1/stream", &headers, "");
        assert_eq!(reply.header("x-accel-buffering"), Some("no"));
        let text = reply.text();
        assert!(text.ends_with("data: {}\n\n") && text.contains("event: end\n"), "{text}");
        let events = text.split("\n\n").filter(|event| event.starts_with("id: "));
        events.map(|event| event["id: ".len()..].split('.').next().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(ids("0.0"), (1..=recount).collect::<Vec<_>>());
    assert_eq!(ids("4.0"), (5..=recount).collect::<Vec<_>>());
    served.end();
}

#[test]
fn the_list_of_runs_changes_while_it_is_looked_at() {
    let env = TestEnv::new();
    let served = Served::start(&env, &[]);
    let mut socket = served.socket();
    socket.say(&json!({"type": "subscribe", "sub": "all", "topic": "runs"}).to_string());
    assert_eq!(socket.json_of("snapshot")["runs"], json!([]));
    env.run(&Flow::of("echo hello")).output().code(0).text();
    loop {
        let frame = socket.json_of("batch");
        let events = frame["events"].as_array().unwrap();
        if events.iter().any(|event| event["kind"] == "runChanged" && event["run"]["state"] == "succeeded") {
            break;
        }
    }
    served.end();
}

#[test]
fn lines_of_a_log_are_followed_to_its_end() {
    let env = TestEnv::new();
    let run =
        env.run(&Flow::of("for i in $(seq 1 50); do echo line $i; sleep 0.02; done; printf 'half'")).start();
    env.wait_for("output", || env.runs().pop().filter(|run| run.text("work", 1).contains("line 1")));
    let served = Served::start(&env, &[]);
    let mut socket = served.socket();
    let subscribe =
        json!({"type": "subscribe", "sub": "l", "topic": "log", "run": "r1", "attempt": "work", "from": 0});
    socket.say(&subscribe.to_string());
    let mut lines: Vec<String> = Vec::new();
    loop {
        let frame = socket.json_of("lines");
        for line in frame["lines"].as_array().unwrap() {
            let number = usize::try_from(line["n"].as_u64().unwrap()).unwrap();
            lines.truncate(number);
            assert_eq!(lines.len(), number, "no line is missing: {frame}");
            lines.push(line["text"].as_str().unwrap().to_owned());
        }
        if frame["complete"] == true {
            break;
        }
    }
    run.wait().code(0).text();
    assert_eq!(lines.join("\n"), env.the_run().text("work", 1));
    served.end();
}

#[test]
fn a_page_of_another_program_understands_the_messages() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo > started; while [ ! -e go ]; do sleep 0.05; done; exit 3")).start();
    env.wait_for_file("started");
    let served = Served::start(&env, &[]);
    let mut socket = served.socket_with("/ws", &[("Authorization", &served.bearer())]).unwrap();
    socket.say(r#"{"type":"ping"}"#);
    assert_eq!(socket.json().unwrap()["type"], "pong");
    socket.say(r#"{"type":"subscribe","workOrderId":"r1"}"#);
    assert_eq!(socket.json().unwrap()["type"], "subscription_confirmed");
    assert_eq!(socket.json_of("work_order_updated")["status"], "running");
    env.write("go", "");
    let failed = socket.json_of("run_failed");
    assert!(
        failed["timestamp"].as_str().unwrap().ends_with('Z') && failed["workOrderId"] == "r1",
        "{failed}"
    );
    run.wait().code(1).text();
    socket.say(r#"{"type":"subscribe","workOrderId":"r9"}"#);
    assert_eq!(socket.json_of("error")["code"], "NOT_FOUND");
    socket.say("{");
    assert_eq!(socket.json_of("error")["code"], "PARSE_ERROR");
    served.end();
}
