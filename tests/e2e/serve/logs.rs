//! The logs of all steps as one, and clients with limits of their own.

use serde_json::{Value, json};

use super::client::{Served, Socket};
use super::told;
use crate::env::TestEnv;
use crate::flow::Flow;

fn texts(page: &Value) -> Vec<String> {
    let lines = page["lines"].as_array().unwrap().iter();
    lines
        .map(|line| format!("{}: {}", line["step"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_logs_of_all_steps_are_one_that_is_read_searched_and_downloaded() {
    let env = TestEnv::new();
    let flow =
        Flow::new().step("one", "seq 1 1000").step_with("quiet", "true", &["depends_on: [one]"]).step_with(
            "two",
            "echo needle; seq 1001 2000; head -c 30000 /dev/zero | tr '\\0' x",
            &["depends_on: [quiet]"],
        );
    env.run(&flow).output().code(0).text();
    let served = Served::start(&env, &[]);
    let log = "/api/v1/runs/r1/log";
    let page = told(&served.own("GET", &format!("{log}?from=998&limit=4"), ""));
    assert_eq!(texts(&page), ["one: 999", "one: 1000", "two: needle", "two: 1001"]);
    assert_eq!(
        (&page["total"], &page["next"], &page["complete"]),
        (&json!(2002), &json!(1002), &json!(true))
    );
    // Page by page each line once, whatever the length of a page.
    for limit in [7, 500, 2000] {
        let (mut from, mut lines) = (0, Vec::new());
        while from < 2002 {
            let page = told(&served.own("GET", &format!("{log}?from={from}&limit={limit}"), ""));
            lines.extend(page["lines"].as_array().unwrap().iter().map(|line| line["n"].as_u64().unwrap()));
            from = page["next"].as_u64().unwrap();
        }
        assert_eq!(lines, (0..2002).collect::<Vec<_>>(), "{limit}");
    }
    let found = told(&served.own("GET", &format!("{log}/search?q=needle"), ""));
    assert_eq!((&found["hits"][0]["n"], &found["hits"][0]["step"]), (&json!(1000), &json!("two")));
    assert_eq!(found["searched"]["bytes"], found["searched"]["of"]);
    let (mut from, mut hits) = (0, Vec::new());
    loop {
        let found = told(&served.own("GET", &format!("{log}/search?q=99&limit=3&from={from}"), ""));
        hits.extend(found["hits"].as_array().unwrap().iter().map(|hit| hit["n"].as_u64().unwrap()));
        match found["next"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    let expected: Vec<u64> = (1..=2000_u64)
        .filter(|number| number.to_string().contains("99"))
        .map(|number| if number <= 1000 { number - 1 } else { number })
        .collect();
    assert_eq!(hits, expected);
    let whole = served.own("GET", &format!("{log}/line/2001"), "");
    assert_eq!((whole.status, whole.body.len()), (200, 30_000));
    assert_eq!(served.own("GET", &format!("{log}/line/2002"), "").status, 404);
    let text = served.own("GET", &format!("{log}/download"), "").text();
    assert!(
        text.starts_with("==> one <==\n1\n") && text.contains("\n1000\n\n==> two <==\nneedle\n"),
        "{text:.300}",
    );
    let lines = served.own("GET", &format!("{log}/download?format=json"), "").json();
    assert_eq!(lines.as_array().unwrap().len(), 2002);
    let raw = served.own("GET", &format!("{log}/download?format=raw"), "");
    assert_eq!(raw.status, 400, "{}", raw.text());
    served.end();
}

#[test]
fn the_logs_of_all_steps_are_followed_while_several_grow() {
    let env = TestEnv::new();
    let script = |name: &str| {
        format!(
            "for i in $(seq 1 40); do echo {name} $i; sleep 0.02; done; echo > {name}-done; until [ -e go ]; do sleep 0.05; done"
        )
    };
    let flow = Flow::new().with("concurrency: 2").step("a", &script("a")).step("b", &script("b"));
    let run = env.run(&flow).start();
    env.wait_for("the run", || env.runs().pop());
    let served = Served::start(&env, &[]);
    let mut socket = served.socket();
    socket.say(&json!({"type": "subscribe", "sub": "l", "topic": "log", "run": "r1", "from": 0}).to_string());
    env.wait_for_file("a-done");
    env.wait_for_file("b-done");
    env.write("go", "");
    let mut lines: Vec<Option<String>> = Vec::new();
    loop {
        let frame = socket.json_of("lines");
        if frame["renumbered"] == true {
            lines.clear();
        }
        for (line, text) in frame["lines"].as_array().unwrap().iter().zip(texts(&frame)) {
            let number = usize::try_from(line["n"].as_u64().unwrap()).unwrap();
            lines.resize(lines.len().max(number + 1), None);
            lines[number] = Some(text);
        }
        if frame["complete"] == true {
            break;
        }
    }
    run.wait().code(0).text();
    // The last 200 lines are all.
    let page = told(&served.own("GET", "/api/v1/runs/r1/log?limit=2000", ""));
    assert_eq!(lines.into_iter().map(Option::unwrap).collect::<Vec<_>>(), texts(&page));
    assert_eq!(page["total"], 80);
    served.end();
}

/// Events of each frame until a subscription has caught up.
fn frames(socket: &mut Socket, limits: &Value) -> Vec<usize> {
    let subscribe = json!({"type": "subscribe", "sub": "s", "topic": "run", "run": "r1", "after": "0.0", "limits": limits});
    socket.say(&subscribe.to_string());
    let mut frames = Vec::new();
    loop {
        let frame = socket.json().unwrap();
        match frame["type"].as_str().unwrap() {
            "batch" => frames.push(frame["events"].as_array().unwrap().len()),
            "caughtUp" => return frames,
            other => panic!("{other}: {frame}"),
        }
    }
}

#[test]
fn a_client_asks_for_less_and_gets_no_more_than_the_server_allows() {
    let env = TestEnv::new();
    let flow = (0..5).fold(Flow::new(), |flow, number| flow.step(&format!("s{number}"), "true"));
    env.run(&flow).output().code(0).text();
    let events = env.the_run().journal().len();
    let served = Served::start(&env, &["--events-per-second", "5000", "--events-per-frame", "10"]);
    let few = frames(&mut served.socket(), &json!({"eventsPerFrame": 2}));
    assert!(few.iter().all(|count| *count <= 2) && few.iter().sum::<usize>() == events, "{few:?}");
    let most = frames(&mut served.socket(), &json!({"eventsPerFrame": 1000}));
    assert!(most.iter().all(|count| *count <= 10) && most.iter().any(|count| *count > 2), "{most:?}");
    served.end();
}

#[test]
fn a_client_that_stalls_is_closed_and_goes_on_without_loss() {
    let env = TestEnv::new();
    env.run(&Flow::of("seq 1 3000000")).output().code(0).text();
    let served = Served::start(&env, &["--log-frames-per-second", "100", "--frame-bytes", "1048576"]);
    let subscribe = |socket: &mut Socket, from: u64| {
        let subscribe = json!({"type": "subscribe", "sub": "l", "topic": "log", "run": "r1", "attempt": "work", "from": from});
        socket.say(&subscribe.to_string());
    };
    let mut socket = served.socket();
    subscribe(&mut socket, 0);
    // It reads nothing until the server has enough of it.
    env.wait_for("the server to give the client up", || {
        let metrics = served.own("GET", "/metrics", "").text();
        let count =
            metrics.lines().find(|line| line.starts_with("roboppi_serve_") && line.contains("slow"))?;
        (count.rsplit(' ').next()? != "0").then_some(())
    });
    let mut next = 0;
    let code = socket.read_until_closed(|frame| {
        for line in frame["lines"].as_array().into_iter().flatten() {
            assert_eq!(line["n"], next, "no line is missing");
            next += 1;
        }
    });
    assert!(next > 0 && next < 3_000_000, "{next}");
    assert!(code.is_none_or(|code| code == 4408), "{code:?}");
    let mut socket = served.socket();
    subscribe(&mut socket, next);
    let first = socket.json_of("lines");
    assert_eq!(
        (&first["lines"][0]["n"], &first["lines"][0]["text"]),
        (&json!(next), &json!((next + 1).to_string()))
    );
    served.end();
}

#[test]
fn without_sockets_a_client_asks_for_events_and_has_each_once() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo > started; until [ -e go ]; do sleep 0.05; done")).start();
    env.wait_for_file("started");
    let served = Served::start(&env, &[]);
    let (mut cursor, mut numbers, mut state) = ("0.0".to_owned(), Vec::new(), String::new());
    env.write("go", "");
    while state != "succeeded" {
        let page = told(&served.own("GET", &format!("/api/v1/runs/r1/events?after={cursor}&limit=3"), ""));
        for event in page["events"].as_array().unwrap() {
            let number = event["cursor"].as_str().unwrap().split('.').next().unwrap();
            numbers.push(number.parse::<u64>().unwrap());
            if let Some(now) = event["run"]["state"].as_str() {
                state = now.to_owned();
            }
        }
        cursor = page["cursor"].as_str().unwrap().to_owned();
    }
    run.wait().code(0).text();
    assert_eq!(numbers, (1..=env.the_run().journal().len() as u64).collect::<Vec<_>>());
    served.end();
}
