//! Traces: the context of workers, and what a collector gets.

use std::collections::BTreeMap;
use std::net::TcpListener;

use serde_json::Value;

use crate::agents::{finding, with_claude};
use crate::env::TestEnv;
use crate::flow::Flow;
use crate::receiver::Receiver;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Fields of the messages of OTLP, by what they hold.
const FIELDS: &[(&str, &[(&str, Field)])] = &[
    ("request", &[("resourceSpans", Field::List("resourceSpans"))]),
    (
        "resourceSpans",
        &[
            ("resource", Field::Message("resource")),
            ("scopeSpans", Field::List("scopeSpans")),
            ("schemaUrl", Field::Text),
        ],
    ),
    ("resource", &[("attributes", Field::List("keyValue")), ("droppedAttributesCount", Field::Number)]),
    (
        "scopeSpans",
        &[("scope", Field::Message("scope")), ("spans", Field::List("span")), ("schemaUrl", Field::Text)],
    ),
    ("scope", &[("name", Field::Text), ("version", Field::Text)]),
    (
        "span",
        &[
            ("traceId", Field::Hex(32)),
            ("spanId", Field::Hex(16)),
            ("parentSpanId", Field::Hex(16)),
            ("traceState", Field::Text),
            ("flags", Field::Number),
            ("name", Field::Text),
            ("kind", Field::Enum(5)),
            ("startTimeUnixNano", Field::Digits),
            ("endTimeUnixNano", Field::Digits),
            ("attributes", Field::List("keyValue")),
            ("events", Field::List("event")),
            ("status", Field::Message("status")),
        ],
    ),
    (
        "event",
        &[("timeUnixNano", Field::Digits), ("name", Field::Text), ("attributes", Field::List("keyValue"))],
    ),
    ("status", &[("code", Field::Enum(2)), ("message", Field::Text)]),
    ("keyValue", &[("key", Field::Text), ("value", Field::Message("anyValue"))]),
    (
        "anyValue",
        &[
            ("stringValue", Field::Text),
            ("intValue", Field::Signed),
            ("doubleValue", Field::Number),
            ("boolValue", Field::Bool),
        ],
    ),
];

/// How the JSON mapping of Protocol Buffers, with the exceptions of OTLP, writes a field.
#[derive(Clone, Copy)]
enum Field {
    Text,
    Bool,
    /// A number of 32 bits, or one with a fraction.
    Number,
    /// A number of 64 bits without a sign.
    Digits,
    /// A number of 64 bits with a sign.
    Signed,
    /// An id of so many digits.
    Hex(usize),
    /// An enumeration, as a number up to this one.
    Enum(u64),
    Message(&'static str),
    List(&'static str),
}

fn hold(message: &str, value: &Value) {
    let (_, fields) = FIELDS.iter().find(|(name, _)| *name == message).unwrap();
    let object = value.as_object().unwrap_or_else(|| panic!("{message} is an object: {value}"));
    for (name, value) in object {
        let (_, field) =
            fields.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} of {message}"));
        let holds = match field {
            Field::Text => value.is_string(),
            Field::Bool => value.is_boolean(),
            Field::Number => value.is_number(),
            Field::Digits => value.as_str().is_some_and(|text| text.parse::<u64>().is_ok()),
            Field::Signed => value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
            Field::Hex(len) => value.as_str().is_some_and(|text| {
                text.len() == *len
                    && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                    && text.bytes().any(|byte| byte != b'0')
            }),
            Field::Enum(most) => value.as_u64().is_some_and(|number| number <= *most),
            Field::Message(of) => {
                hold(of, value);
                true
            }
            Field::List(of) => value.as_array().is_some_and(|items| {
                items.iter().for_each(|item| hold(of, item));
                true
            }),
        };
        assert!(holds, "{name} of {message}: {value}");
    }
}

/// The spans of a request that is held to the standard, by name, and the attributes of its resource.
fn spans(request: &Value) -> (BTreeMap<String, Value>, Value) {
    hold("request", request);
    let of = &request["resourceSpans"][0];
    let spans = of["scopeSpans"][0]["spans"].as_array().unwrap().clone();
    let ids: Vec<_> = spans.iter().map(|span| span["spanId"].clone()).collect();
    for span in &spans {
        assert_eq!(ids.iter().filter(|id| **id == span["spanId"]).count(), 1, "each id once");
        let parent = &span["parentSpanId"];
        assert!(parent.is_null() || ids.contains(parent) || parent == "00f067aa0ba902b7", "{span}");
        let nanos = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(
            nanos("startTimeUnixNano") <= nanos("endTimeUnixNano") && nanos("startTimeUnixNano") > 0,
            "{span}"
        );
    }
    let named = spans.into_iter().map(|span| (span["name"].as_str().unwrap().to_owned(), span)).collect();
    (named, of["resource"]["attributes"].clone())
}

fn attribute<'a>(attributes: &'a Value, name: &str) -> &'a Value {
    let found = attributes.as_array().unwrap().iter().find(|pair| pair["key"] == name);
    let Some(found) = found else { return &Value::Null };
    found["value"].as_object().unwrap().values().next().unwrap()
}

#[test]
fn a_collector_gets_the_trace_and_workers_are_in_it() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let collector = Receiver::answering(&[Some(200)]);
        let flow = Flow::new()
            .step("work", "echo $TRACEPARENT > trace")
            .step_with(
                "flaky",
                "echo x >> calls; [ $(wc -l < calls) -ge 2 ]",
                &["on_failure: retry", "max_retries: 2"],
            )
            .step_with("bad", "exit 3", &["depends_on: [work]"]);
        let run = env.run(&flow).arg(mode).env("TRACEPARENT", PARENT);
        let run = run.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("/"));
        let run = run.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b").env("OTEL_SERVICE_NAME", "ci");
        let printed =
            run.env("OTEL_RESOURCE_ATTRIBUTES", "team=blue").env("GITHUB_SHA", "abc").output().code(1);
        assert!(!printed.stderr.contains("warning: "), "{}", printed.stderr);
        let requests = collector.all();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].line.starts_with("POST /v1/traces HTTP/1.1"), "{:?}", requests[0]);
        assert_eq!(
            (requests[0].header("content-type"), requests[0].header("x-key")),
            ("application/json", "a b")
        );
        let request: Value = serde_json::from_slice(&requests[0].body).unwrap();
        let (spans, resource) = spans(&request);
        for (name, value) in [("service.name", "ci"), ("team", "blue"), ("vcs.ref.head.revision", "abc")] {
            assert_eq!(attribute(&resource, name), value, "{resource}");
        }
        let run = &spans["RUN flow"];
        assert_eq!((&run["traceId"], &run["parentSpanId"]), (&TRACE.into(), &"00f067aa0ba902b7".into()));
        assert_eq!((&run["kind"], &run["status"]["code"]), (&2.into(), &2.into()));
        let of_run = &run["attributes"];
        assert_eq!(attribute(of_run, "cicd.pipeline.name"), "flow");
        assert_eq!(attribute(of_run, "cicd.pipeline.result"), "failure");
        assert_eq!(spans["work"]["parentSpanId"], run["spanId"]);
        assert_eq!(attribute(&spans["flaky"]["attributes"], "roboppi.step.flaky"), true);
        assert_eq!(attribute(&spans["bad"]["attributes"], "cicd.pipeline.task.run.result"), "failure");
        // The worker is below the span of its attempt.
        let context = env.read("trace");
        let attempts = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        let of_work = attempts.iter().find(|span| span["parentSpanId"] == spans["work"]["spanId"]).unwrap();
        assert_eq!(context, format!("00-{TRACE}-{}-01\n", of_work["spanId"].as_str().unwrap()));
        // The record has the same trace.
        let exported = env.roboppi(["export", "-1", "--format", "otlp"]).output().code(0).text();
        let exported: Value = serde_json::from_str(&exported).unwrap();
        assert_eq!(exported["resourceSpans"][0]["scopeSpans"], request["resourceSpans"][0]["scopeSpans"]);
    }
}

#[test]
fn headers_for_the_collector_are_not_seen_in_the_run_nor_passwords_in_the_trace() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let collector = Receiver::answering(&[Some(200)]);
        let flow = Flow::of("env; echo Bearer s3cret-of-mine; exit 1");
        let run = env.run(&flow).arg(mode).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""));
        let run = run.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret-of-mine");
        let run = run.env("BUILDKITE_REPO", "https://me:pa55word-of-git@host/a.git");
        let printed = run.env("OTEL_SERVICE_NAME", "s3cret-of-mine").output().code(1);
        let requests = collector.all();
        assert_eq!(requests[0].header("authorization"), "Bearer s3cret-of-mine");
        let sent = String::from_utf8_lossy(&requests[0].body).into_owned();
        let log = env.roboppi(["logs", "-1"]).output().code(0).text();
        assert!(log.contains("OTEL_EXPORTER_OTLP_HEADERS=authorization=***"), "{log}");
        for text in [&printed.all(), &log, &sent] {
            assert!(!text.contains("s3cret-of-mine"), "{mode}: {text}");
        }
        assert!(sent.contains("https://host/a.git") && !sent.contains("pa55word"), "{sent}");
    }
}

#[test]
fn an_agent_has_spans_of_its_tools() {
    let env = with_claude();
    let collector = Receiver::answering(&[Some(200)]);
    let run =
        env.roboppi(["run", "--worker", "claude-code", "--capabilities", "READ,EDIT,RUN_TESTS", "fix it"]);
    let run = finding(&env, run).env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url("/in"));
    let _ = run.output().code(0);
    let requests = collector.all();
    assert!(requests[0].line.starts_with("POST /in "), "{:?}", requests[0]);
    let (spans, _) = spans(&serde_json::from_slice(&requests[0].body).unwrap());
    let agent = &spans["invoke_agent claude-code"];
    assert_eq!(attribute(&agent["attributes"], "gen_ai.operation.name"), "invoke_agent");
    assert!(attribute(&agent["attributes"], "gen_ai.usage.input_tokens").is_string(), "{agent}");
    let tools = spans.values().filter(|span| span["name"].as_str().unwrap().starts_with("execute_tool "));
    let tools: Vec<_> = tools.collect();
    assert!(
        !tools.is_empty() && tools.iter().all(|tool| tool["parentSpanId"] == agent["spanId"]),
        "{tools:?}"
    );
}

#[test]
fn without_an_endpoint_nothing_is_sent_and_the_context_is_that_of_the_parent() {
    let env = TestEnv::new();
    let flow = Flow::of("echo \"${TRACEPARENT:-none}\" > trace");
    let collector = Receiver::answering(&[Some(200)]);
    let _ = env.run(&flow).output().code(0);
    assert_eq!(env.read("trace"), "none\n");
    let _ = env.run(&flow).env("TRACEPARENT", PARENT).output().code(0);
    assert_eq!(env.read("trace"), format!("{PARENT}\n"));
    let off =
        env.run(&flow).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")).env("OTEL_SDK_DISABLED", "true");
    let _ = off.output().code(0);
    // A trace that is not recorded goes on as such.
    let run = env.run(&flow).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""));
    let _ = run.env("TRACEPARENT", PARENT.replace("-01", "-00")).output().code(0);
    let context = env.read("trace");
    assert!(context.starts_with(&format!("00-{TRACE}-")) && context.ends_with("-00\n"), "{context}");
    assert!(collector.all().is_empty());
}

#[test]
fn a_collector_that_does_not_take_them_is_one_warning() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (silent, refusing) = (Receiver::answering(&[None]), Receiver::answering(&[Some(401)]));
    for (url, why) in [
        (format!("http://{closed}"), "refused"),
        (silent.url(""), "timeout"),
        (refusing.url(""), "status 401"),
        ("collector:4318".to_owned(), "http://"),
        ("http://ci:passw0rd@localhost:1/".to_owned(), "the url has a user name"),
        ("http://localhost:1/ x".to_owned(), "percent-encoded"),
    ] {
        let env = TestEnv::new();
        let run = env.run(&Flow::of("true")).env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
        let printed = run.env("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cret-of-mine").output().code(0);
        let warnings: Vec<_> = printed.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings.len(), 1, "{url}: {}", printed.stderr);
        assert!(warnings[0].to_lowercase().contains(why) || why == "timeout", "{url}: {}", warnings[0]);
        assert!(!printed.all().contains("s3cret-of-mine"), "{}", printed.all());
    }
}

#[test]
fn the_password_in_the_url_of_a_collector_is_masked() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo \"$OTEL_EXPORTER_OTLP_ENDPOINT\"")).arg("--stream");
    let url = "http://ci:passw0rd@localhost:1/";
    let printed = run.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).output().code(0).all();
    assert!(printed.contains("http://ci:***@localhost:1/"), "{printed}");
    assert!(!printed.contains("passw0rd"), "{printed}");
}
