//! `notify` of the configuration file.

use std::fs;

use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::agents_limits::{agent, run, with_limited_claude};
use crate::env::TestEnv;
use crate::flow::Flow;
use crate::receiver::Receiver;

fn configure(env: &TestEnv, text: &str) {
    let dir = env.path("home/config/roboppi");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.yaml"), text).unwrap();
}

fn payload(body: &[u8]) -> Value {
    let payload: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(payload["v"], 1);
    for field in ["event", "ts", "text", "run", "handle", "name", "workspace"] {
        assert!(!payload[field].is_null(), "{field}: {payload}");
    }
    payload
}

#[test]
fn a_webhook_is_informed_of_the_end_with_a_signature() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let server = Receiver::answering(&[Some(204)]);
        configure(
            &env,
            &format!("notify:\n  - {{url: '{}', secret_env: HOOK_KEY}}\n", server.url("/hook?a=b")),
        );
        let flow = Flow::new().step("fine", "true").step("bad one", "exit 3");
        let printed = env.run(&flow).arg(mode).env("HOOK_KEY", "signing-k3y").output().code(1);
        assert!(!printed.stderr.contains("warning"), "{}", printed.stderr);
        let received = server.all();
        assert_eq!(received.len(), 1);
        let one = &received[0];
        assert!(one.line.starts_with("POST /hook?a=b HTTP/1.1"), "{}", one.line);
        let payload = payload(&one.body);
        assert_eq!((&payload["event"], &payload["outcome"]), (&"failure".into(), &"failed".into()));
        assert_eq!((&payload["exitCode"], &payload["failed"]), (&1.into(), &serde_json::json!(["bad one"])));
        assert!(payload["text"].as_str().unwrap().starts_with("r1 flow failed after "), "{payload}");
        assert_eq!(one.header("X-Roboppi-Event"), "failure");
        assert!(one.header("X-Roboppi-Delivery").starts_with(payload["run"].as_str().unwrap()));
        let mut mac = Hmac::<Sha256>::new_from_slice(b"signing-k3y").unwrap();
        mac.update(one.header("X-Roboppi-Timestamp").as_bytes());
        mac.update(b".");
        mac.update(&one.body);
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(one.header("X-Roboppi-Signature"), format!("sha256={signature}"));
    }
}

#[test]
fn only_what_was_asked_for_is_informed_of() {
    let env = TestEnv::new();
    let server = Receiver::answering(&[Some(200)]);
    configure(
        &env,
        &format!(
            "notify:\n  - {{on: failure, url: '{}'}}\n  - {{on: [waiting], url: '{}'}}\n",
            server.url("/failure"),
            server.url("/waiting")
        ),
    );
    let _ = env.run(&Flow::of("true")).output().code(0);
    assert!(server.all().is_empty());
    let _ = env.run(&Flow::of("exit 1")).output().code(1);
    assert_eq!(server.all().len(), 1);
    for off in [&["--no-notify"][..], &[]] {
        let run = env.run(&Flow::of("exit 1")).args(off);
        let run = if off.is_empty() { run.env("ROBOPPI_NOTIFY", "off") } else { run };
        let _ = run.output().code(1);
    }
    assert_eq!(server.all().len(), 1);
    // A dry run is no run.
    let _ = env.roboppi(["workflow", "run", "flow.yaml", "--rerun-failed", "--dry-run"]).output().code(0);
    assert_eq!(server.all().len(), 1);
}

#[test]
fn a_delivery_is_tried_again_only_where_that_may_help() {
    let env = TestEnv::new();
    let busy = Receiver::answering(&[Some(503), Some(429), Some(200)]);
    let gone = Receiver::answering(&[Some(410)]);
    configure(
        &env,
        &format!(
            "notify:\n  - url: {}\n  - url: {}\n",
            busy.url("/t0ken-of-busy"),
            gone.url("/t0ken-of-gone")
        ),
    );
    let printed = env.run(&Flow::of("true")).output().code(0);
    let tries = busy.all();
    assert_eq!(tries.len(), 3);
    assert!(
        tries.iter().all(|one| one.header("X-Roboppi-Delivery") == tries[0].header("X-Roboppi-Delivery"))
    );
    assert_eq!(gone.all().len(), 1);
    assert!(
        printed.stderr.contains("warning: notify[1]: the server answered with status 410"),
        "{}",
        printed.stderr
    );
    assert!(!printed.all().contains("t0ken"), "a URL may hold a secret: {}", printed.all());
}

#[test]
fn what_cannot_be_delivered_is_a_warning_and_the_run_is_what_it_was() {
    let env = TestEnv::new();
    let silent = Receiver::answering(&[None]);
    let stubborn = env.write_program("stubborn", "#!/bin/sh\ntrap '' TERM HUP\nsleep 1000\n");
    configure(
        &env,
        &format!(
            "notify:\n  - url: {}\n  - command: {}\n  - command: /nonexistent/program\n  - command: [sh, -c, exit 7]\n  - \
             url_env: NO_SUCH_HOOK\n  - {{url: 'http://localhost:1/', secret_env: NO_SUCH_KEY}}\n",
            silent.url("/"),
            stubborn.display()
        ),
    );
    let printed = env.run(&Flow::of("true")).output().code(0);
    for part in [
        "notify[0]: ",
        "notify[1]: ",
        "notify[2]: the command cannot be started",
        "notify[3]: the command failed: exit status: 7",
        "notify[4]: NO_SUCH_HOOK is not set",
        "notify[5]: NO_SUCH_KEY is not set",
    ] {
        assert!(printed.stderr.contains(&format!("warning: {part}")), "{part}: {}", printed.stderr);
    }
    env.wait_until_nothing_is_left();
}

#[test]
fn a_command_gets_the_notification_without_secrets() {
    let env = TestEnv::new();
    let program = env.write_program("inform", "#!/bin/sh\n{ echo \"$ROBOPPI_EVENT $1\"; cat; } > informed\n");
    configure(&env, &format!("notify:\n  - command: [{}, 'a b']\n", program.display()));
    let secret = "hunter2-is-my-secret";
    let flow = Flow::new().with(&format!("name: \"{secret} \\u001b[31m ##vso[x]\"")).step_with(
        "flaky",
        "echo x >> calls; [ $(wc -l < calls) -ge 2 ]",
        &["on_failure: retry", "max_retries: 2"],
    );
    let _ = env.run(&flow).env("MY_TOKEN", secret).output().code(0);
    let text = env.read("informed");
    let (first, body) = text.split_once('\n').unwrap();
    assert_eq!(first, "end a b");
    let payload = payload(body.as_bytes());
    assert_eq!(
        (&payload["flaky"], &payload["outcome"]),
        (&serde_json::json!(["flaky"]), &"succeeded".into())
    );
    assert!(!text.contains(secret) && !text.contains("##vso["), "{text}");
}

#[test]
fn variables_of_the_configuration_are_not_seen_in_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let server = Receiver::answering(&[Some(200)]);
        // Names that do not look like those of secrets.
        configure(&env, "notify:\n  - {url_env: WHERE_TO, secret_env: SIGN_WITH}\n");
        let run =
            env.run(&Flow::of("env; echo; env | tail -n 100")).arg(mode).env("SIGN_WITH", "s1gning-of-mine");
        let printed = run.env("WHERE_TO", server.url("/t0ken-of-mine")).output().code(0);
        assert!(server.all()[0].line.starts_with("POST /t0ken-of-mine "));
        let log = env.roboppi(["logs", "-1"]).output().code(0).text();
        assert!(log.contains("SIGN_WITH=***") && log.contains("WHERE_TO=***"), "{mode}: {log}");
        for text in [&printed.all(), &log] {
            assert!(!text.contains("s1gning-of-mine") && !text.contains("t0ken-of-mine"), "{mode}: {text}");
        }
    }
}

#[test]
fn a_wait_that_was_not_delivered_is_a_warning_at_the_end() {
    let env = with_limited_claude(1, 2);
    configure(&env, "notify:\n  - {on: waiting, command: [sh, -c, exit 7]}\n");
    let printed = run(&env, &agent("fix"), &["--on-limit", "wait"]).output().code(0);
    let warning = "warning: notify[0]: a wait was not delivered: the command failed: exit status: 7";
    assert!(printed.stderr.contains(warning), "{}", printed.stderr);
}

#[test]
fn a_mistake_in_the_configuration_is_found_before_anything_starts() {
    let env = TestEnv::new();
    configure(&env, "notify:\n  - {on: done, command: a}\n");
    let refused = env.run(&Flow::of("true")).output().code(2);
    assert!(refused.stderr.contains("notify") && refused.stderr.contains("2:"), "{}", refused.stderr);
    for (url, why) in [
        ("ftp://ci:passw0rd@example.org/", "notify[0]: the URL must begin with http"),
        ("http://ci:passw0rd@example.org/", "notify[0]: the URL has a user name"),
    ] {
        configure(&env, &format!("notify:\n  - url: {url}\n"));
        let refused = env.run(&Flow::of("true")).output().code(2).stderr;
        assert!(refused.contains(why) && !refused.contains("passw0rd"), "{refused}");
    }
    // The line of a mistake is shown without the passwords in it.
    configure(&env, "notify:\n  - webhook: https://ci:passw0rd@example.org/\n");
    let refused = env.run(&Flow::of("true")).output().code(2).stderr;
    assert!(refused.contains("webhook: https://ci:********@example.org/"), "{refused}");
    assert!(env.runs().is_empty());
}

#[test]
fn a_step_that_waits_for_a_limit_is_reported_while_it_waits() {
    let env = with_limited_claude(1, 2);
    let server = Receiver::answering(&[Some(200)]);
    configure(&env, &format!("notify:\n  - {{on: waiting, url: '{}'}}\n", server.url("/")));
    let _ = run(&env, &agent("fix"), &["--on-limit", "wait"]).output().code(0);
    let received = server.all();
    assert_eq!(received.len(), 1);
    let payload = payload(&received[0].body);
    assert_eq!((&payload["event"], &payload["step"]), (&"waiting".into(), &"fix".into()));
    assert!(
        payload["until"].as_u64().is_some_and(|until| until > payload["ts"].as_u64().unwrap() - 60_000),
        "{payload}"
    );
    let text = payload["text"].as_str().unwrap();
    assert!(text.contains("fix waits until ") && text.contains("the usage limit of CLAUDE_CODE"), "{text}");
}
