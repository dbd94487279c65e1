//! `roboppi serve`: who is let in, what is answered, and what a client is sent.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::flow::Flow;

mod access;
mod changes;
mod client;
mod live;
mod logs;
mod progress;
mod reading;

use client::{Reply, Served};

/// Routes with the run `r1` that has the attempt `work`, one of each kind.
const ROUTES: [&str; 16] = [
    "/metrics",
    "/api/v1/session",
    "/api/v1/openapi.json",
    "/api/v1/runs",
    "/api/v1/runs/r1",
    "/api/v1/runs/r1/events",
    "/api/v1/runs/r1/stream",
    "/api/v1/stream",
    "/api/v1/runs/r1/log",
    "/api/v1/runs/r1/attempts/work/activity",
    "/api/v1/runs/r1/attempts/work/diffs",
    "/api/v1/runs/r1/attempts/work/log",
    "/api/v1/runs/r1/attempts/work/log/download",
    "/api/v1/runs/r1/attempts/work/blobs/x",
    "/api/v1/stats",
    "/api/data",
];

fn with_a_run() -> TestEnv {
    let env = TestEnv::new();
    env.run(&Flow::of("echo hello")).output().code(0).text();
    env
}

#[test]
fn without_a_credential_nothing_is_told() {
    let env = with_a_run();
    let served = Served::start(&env, &[]);
    for route in ROUTES.iter().chain(&["/api/v1/ws", "/ws", "/api/v2"]) {
        for headers in [&[][..], &[("Cookie", "roboppi_session_1=x")]] {
            let reply = served.request("GET", route, headers, "");
            assert_eq!(reply.status, 401, "{route}: {}", reply.text());
            let problem = reply.json();
            assert_eq!((&problem["status"], &problem["login"]), (&json!(401), &json!("token")), "{route}");
            assert!(problem["hint"].as_str().unwrap().contains("roboppi serve"), "{problem}");
        }
    }
    for (method, route) in
        [("POST", "/api/v1/runs/r1/commands"), ("POST", "/api/v1/workflows/w1/runs"), ("PUT", "/")]
    {
        assert_eq!(served.request(method, route, &[], "{}").status, 401, "{route}");
    }
    for route in ["/healthz", "/readyz", "/"] {
        let reply =
            served.request("GET", route, &[("Host", if route == "/" { "localhost" } else { "probe" })], "");
        assert_eq!(reply.status, 200, "{route}");
    }
    // Pages cannot see why an upgrade was refused, so it is not: the reason comes after it.
    for route in ["/api/v1/ws", "/ws"] {
        let mut socket = served.socket_with(route, &[]).unwrap();
        let told = socket.json().unwrap();
        assert_eq!(told["type"], "error", "{told}");
        assert_eq!(socket.closed(), Some(4401), "{route}");
    }
    served.end();
}

#[test]
fn a_foreign_page_and_a_foreign_name_are_refused() {
    let env = with_a_run();
    let served = Served::start(&env, &["--allow-host", "runs.example"]);
    let bearer = served.bearer();
    for route in ROUTES {
        for (name, value) in
            [("Origin", "https://evil.example"), ("Origin", "null"), ("Host", "evil.example:80")]
        {
            let reply = served.request("GET", route, &[("Authorization", &bearer), (name, value)], "");
            assert_eq!(reply.status, 403, "{route} with {name}: {value}");
        }
    }
    let own = format!("http://{}", served.authority());
    for (name, value) in
        [("Origin", own.as_str()), ("Origin", "https://runs.example"), ("Host", "runs.example")]
    {
        let reply = served.request("GET", "/api/v1/runs", &[("Authorization", &bearer), (name, value)], "");
        assert_eq!(reply.status, 200, "{name}: {value}: {}", reply.text());
    }
    let mut socket = served
        .socket_with("/api/v1/ws", &[("Authorization", &bearer), ("Origin", "https://evil.example")])
        .unwrap();
    assert_eq!(socket.json().unwrap()["status"], 403);
    assert_eq!(socket.closed(), Some(4403));
    served.end();
}

#[test]
fn a_browser_logs_in_by_the_link_and_changes_something_only_from_the_page() {
    let env = with_a_run();
    let served = Served::start_with_link(&env, &[]);
    let reply = served.request("GET", &served.link(), &[], "");
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    let cookie = reply.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |headers: &[(&str, &str)], method: &str, route: &str, body: &str| {
        let mut all = vec![("Cookie", cookie.as_str())];
        all.extend(headers);
        served.request(method, route, &all, body)
    };
    let session = with(&[], "GET", "/api/v1/session", "").json();
    assert_eq!(session["role"], "operator");
    let csrf = session["csrf"].as_str().unwrap();
    let order = json!({"command": "cancel"}).to_string();
    let route = "/api/v1/runs/r1/commands";
    for headers in [&[][..], &[("X-Roboppi-Csrf", "wrong")]] {
        assert_eq!(with(headers, "POST", route, &order).status, 403);
    }
    // It is let through, and the run is over.
    let refused = with(&[("X-Roboppi-Csrf", csrf)], "POST", route, &order);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.json()["detail"].as_str().unwrap().contains("over"));
    assert_eq!(with(&[("X-Roboppi-Csrf", csrf)], "DELETE", "/api/v1/session", "").status, 204);
    assert_eq!(with(&[], "GET", "/api/v1/session", "").status, 401);
    served.end();
}

#[test]
fn a_token_is_not_guessed_and_a_reader_only_reads() {
    let env = with_a_run();
    let file = env.write("reader", "a token of readers\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let served = Served::start(&env, &["--reader-token-file", file.to_str().unwrap()]);
    let reader = [("Authorization", "Bearer a token of readers")];
    assert_eq!(served.request("GET", "/api/v1/runs", &reader, "").status, 200);
    let refused = served.request("POST", "/api/v1/runs/r1/commands", &reader, r#"{"command":"cancel"}"#);
    assert_eq!(refused.status, 403, "{}", refused.text());
    let wrong = json!({"token": "wrong"}).to_string();
    let statuses: Vec<_> =
        (0..6).map(|_| served.request("POST", "/api/v1/session", &[], &wrong).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    let right = json!({"token": client::TOKEN}).to_string();
    let reply = served.request("POST", "/api/v1/session", &[], &right);
    assert_eq!(reply.status, 429, "the right one must wait too");
    assert!(reply.header("retry-after").is_some());
    served.end();
}

#[test]
fn other_machines_need_tls_and_a_credential() {
    let env = TestEnv::new();
    let text = env.roboppi(["serve", "--bind", "0.0.0.0:0"]).output().code(2).all();
    assert!(text.contains("TLS") && text.contains("hint:"), "{text}");
    let file = env.write("token", "short");
    let text = env.roboppi(["serve", "--token-file"]).arg(&file).output().code(2).all();
    assert!(text.contains("chmod 600"), "{text}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = env.roboppi(["serve", "--token-file"]).arg(&file).output().code(2).all();
    assert!(text.contains("at least 12"), "{text}");
}

#[test]
fn bad_input_is_answered_with_what_to_do() {
    let env = with_a_run();
    let served = Served::start(&env, &[]);
    let status = |method: &str, route: &str, body: &str| {
        let reply = served.own(method, route, body);
        if reply.status >= 400 {
            let problem = reply.json();
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{route}");
            assert_eq!(problem["status"], reply.status, "{route}");
            assert!(!problem["detail"].as_str().unwrap().is_empty(), "{route}");
        }
        reply.status
    };
    for (route, expected) in [
        ("/api/v1/runs/nope", 404),
        ("/api/v1/runs/..%2f..%2fetc", 404),
        ("/api/v1/runs/-1", 404),
        ("/api/v1/runs/r1/attempts/..%2f..%2frun/log", 404),
        ("/api/v1/runs/r1/attempts/work/blobs/..%2f..%2frun.json", 404),
        ("/api/v1/runs/r1/attempts/work/blobs/run.json", 404),
        ("/api/v1/runs/r1/attempts/nope/log", 404),
        ("/api/v1/runs/r1/attempts/work/log/line/9", 404),
        ("/api/v1/runs/r1/attempts/work/log/line/x", 400),
        ("/api/v1/runs/r1/attempts/work/log/search", 400),
        ("/api/v1/runs/r1/attempts/work/log/search?q=(&regex", 400),
        ("/api/v1/runs/r1/attempts/work/log?from=x", 400),
        ("/api/v1/runs/r1/attempts/work/log?limit=0", 400),
        ("/api/v1/runs/r1/attempts/work/log/download?format=exe", 400),
        ("/api/v1/runs/r1/events?after=nope", 400),
        ("/api/v1/runs/r1/events?after=9999999", 400),
        ("/api/v1/runs/r1/stream?after=nope", 400),
        ("/api/v1/runs?after=nope", 400),
        ("/api/v1/runs?limit=-1", 400),
        ("/api/v1/runs?q=%ff", 400),
        ("/api/v1/nothing", 404),
        ("/../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/assets/..%2f..%2fCargo.toml", 404),
    ] {
        let found = status("GET", route, "");
        assert!(found == expected || (found == 200 && route.contains("etc/passwd")), "{route}: {found}");
    }
    let commands = "/api/v1/runs/r1/commands";
    for (method, route, body, expected) in [
        ("POST", commands, "", 400),
        ("POST", commands, r#"{"command":"explode"}"#, 400),
        ("POST", commands, r#"{"command":"retry"}"#, 400),
        ("POST", commands, r#"{"command":"retry","step":"nope"}"#, 404),
        ("POST", "/api/v1/workflows/w9/runs", "", 404),
        ("POST", "/api/v1/runs", "", 405),
        ("DELETE", "/api/v1/runs/r1", "", 405),
    ] {
        assert_eq!(status(method, route, body), expected, "{method} {route} {body}");
    }
    assert_eq!(status("POST", commands, &"x".repeat(70_000)), 413);
    let mut socket = served.socket();
    for text in ["", "{", "[]", r#"{"type":"explode"}"#, r#"{"type":"fetch","sub":"x","from":"1","to":"2"}"#]
    {
        socket.say(text);
        assert_eq!(socket.json_of("error")["type"], "error", "{text}");
    }
    socket.say(
        &json!({"type": "subscribe", "sub": "s", "topic": "run", "run": "r1", "after": "nope"}).to_string(),
    );
    let error = socket.json_of("error");
    assert_eq!((&error["status"], &error["sub"]), (&json!(400), &json!("s")));
    for _ in 0..20 {
        socket.say("garbage");
    }
    assert_eq!(socket.closed(), Some(4400));
    let metrics = served.own("GET", "/metrics", "").text();
    let counted = metrics.lines().find_map(|line| line.strip_prefix("roboppi_serve_bad_messages_total "));
    assert!(counted.unwrap().parse::<u64>().unwrap() >= 20, "{metrics}");
    served.end();
}

#[test]
fn no_request_of_the_document_makes_the_server_fail() {
    let env = with_a_run();
    let served = Served::start(&env, &[]);
    let document = served.own("GET", "/api/v1/openapi.json", "").json();
    let values = [
        "",
        "r1",
        "work",
        "-1",
        "0",
        "99999999999999999999",
        "%00",
        "..%2f..",
        "%F0%9F%92%A9",
        "true",
        "1.1",
    ];
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = client::Random::new(seed);
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        // What goes on without an end is tried elsewhere.
        if path.ends_with("/stream") || path.ends_with("/ws") {
            continue;
        }
        for (method, operation) in operations.as_object().unwrap() {
            for _ in 0..25 {
                let mut route = path.clone();
                let mut query = Vec::new();
                for parameter in operation["parameters"].as_array().unwrap() {
                    let name = parameter["name"].as_str().unwrap();
                    let value = values[random.below(values.len())];
                    if parameter["in"] == "path" {
                        let value = if random.below(2) == 0 {
                            match name {
                                "run" => "r1",
                                "attempt" => "work",
                                _ => "1",
                            }
                        } else {
                            value
                        };
                        route = route.replace(&format!("{{{name}}}"), value);
                    } else if random.below(2) == 0 {
                        query.push(format!("{name}={value}"));
                    }
                }
                let route = if query.is_empty() { route } else { format!("{route}?{}", query.join("&")) };
                let body = ["", "{}", "[1]", r#"{"command":7}"#, r#"{"token":null}"#][random.below(5)];
                // A login of nobody must not lock the test out, and a workflow is not to be started.
                if method == "post" && (path.ends_with("/session") || path.contains("/workflows/")) {
                    continue;
                }
                let reply = served.own(&method.to_uppercase(), &route, body);
                assert!(reply.status < 500, "{method} {route} {body}: {} {}", reply.status, reply.text());
                tried += 1;
            }
        }
    }
    assert!(tried > 400, "{tried}");
    served.end();
}

#[test]
fn a_command_reaches_the_run_and_its_journal_names_the_user() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo > started; sleep 600")).start();
    env.wait_for_file("started");
    let served = Served::start(&env, &[]);
    let reply = served.own("POST", "/api/v1/runs/r1/commands", r#"{"command":"cancel"}"#);
    assert_eq!((reply.status, &reply.json()["outcome"]), (202, &json!("granted")), "{}", reply.text());
    run.wait().code(130).text();
    let command = env.the_run().events("command").remove(0);
    assert_eq!(command["user"], "operator@127.0.0.1");
    // The server reads the record a moment after it is written.
    let shown = env.wait_for("the command", || {
        let shown = served.own("GET", "/api/v1/runs/r1", "").json();
        shown["commands"][0].is_object().then_some(shown)
    });
    assert_eq!(
        (&shown["commands"][0]["command"], &shown["commands"][0]["user"]),
        (&json!("cancel"), &command["user"])
    );
    served.end();
}

#[test]
fn a_workflow_of_the_list_is_started_and_outlives_the_server() {
    let env = TestEnv::new();
    env.write(
        "flow.yaml",
        &Flow::of("echo > started; while [ ! -e go ]; do sleep 0.05; done; echo done").text(),
    );
    let served = Served::start(&env, &["--workflow", "flow.yaml"]);
    let session = served.own("GET", "/api/v1/session", "").json();
    assert_eq!(session["workflows"], json!([{"id": "w1", "name": "flow.yaml"}]));
    let reply = served.own("POST", "/api/v1/workflows/w1/runs", "");
    assert_eq!(reply.status, 201, "{}", reply.text());
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    env.wait_for_file("started");
    assert_eq!(served.own("GET", &format!("/api/v1/runs/{id}"), "").json()["state"], "running");
    served.kill();
    env.write("go", "");
    env.wait_for("the end of the run", || (env.the_run().outcome()? == "succeeded").then_some(()));
    env.wait_until_nothing_is_left();
}

#[test]
fn below_a_path_everything_is_there_and_nothing_beside_it() {
    let env = with_a_run();
    let served = Served::start(&env, &["--base-path", "/x/y"]);
    assert_eq!(served.own("GET", "/x/y/api/v1/runs", "").json()["total"], 1);
    let page = served.request("GET", "/x/y/", &[], "");
    assert!(page.text().contains("<base href=\"/x/y/\">"), "{}", page.text());
    let csp = page.header("content-security-policy").unwrap();
    assert!(csp.contains("script-src 'self'") && !csp.contains("unsafe"), "{csp}");
    assert_eq!(served.own("GET", "/api/v1/runs", "").status, 404);
    assert_eq!(served.own("GET", "/x/y", "").status, 308);
    served.end();
}

fn told(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}
