//! The document of the API, made from its types and the table of its routes.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::api::event::Event;
use crate::api::line::{LogPage, SearchPage};
use crate::api::run::Run;
use crate::api::session::Session;
use crate::problem::Problem;
use crate::routes::{ActivityPage, Changes, Diffs, Login, Order, Outcome, RunPage};

/// A route: method, path, what it does, parameters of its query, the type of its body, the type of its answer.
type Operation =
    (&'static str, &'static str, &'static str, &'static [&'static str], &'static str, &'static str);

const LOG: &str = "/api/v1/runs/{run}/attempts/{attempt}/log";

const OPERATIONS: &[Operation] = &[
    ("get", "/healthz", "Whether the server answers; without a credential", &[], "", "text"),
    ("get", "/readyz", "Whether it can read the runs; without a credential", &[], "", "text"),
    ("get", "/metrics", "The runs and the server for Prometheus", &[], "", "text"),
    ("get", "/api/v1/session", "The session of the client", &[], "", "Session"),
    ("post", "/api/v1/session", "Log in: the answer sets a cookie", &[], "Login", "none"),
    ("delete", "/api/v1/session", "Log out", &[], "", "none"),
    ("get", "/api/v1/openapi.json", "This document", &[], "", "any"),
    (
        "get",
        "/api/v1/runs",
        "Runs, newest first",
        &["after", "limit", "state", "workflow", "q"],
        "",
        "RunPage",
    ),
    ("get", "/api/v1/runs/{run}", "A run with its steps", &[], "", "Run"),
    (
        "get",
        "/api/v1/runs/{run}/events",
        "Events of a run behind a cursor, up to another one",
        &["after", "to", "limit", "kinds", "tool", "last", "since"],
        "",
        "EventPage",
    ),
    (
        "get",
        "/api/v1/runs/{run}/stream",
        "The same as server-sent events",
        &["after", "kinds", "tool", "last", "since"],
        "",
        "text",
    ),
    ("get", "/api/v1/stream", "Changes of the list of runs as server-sent events", &["after"], "", "text"),
    ("post", "/api/v1/runs/{run}/commands", "Send a command to a run", &[], "Order", "Outcome"),
    (
        "get",
        "/api/v1/runs/{run}/log",
        "The logs of all attempts as one, in the order of their beginnings",
        &["from", "limit"],
        "",
        "LogPage",
    ),
    ("get", "/api/v1/runs/{run}/log/line/{line}", "A whole line of all logs", &[], "", "text"),
    (
        "get",
        "/api/v1/runs/{run}/log/search",
        "Lines of all logs with a text",
        &["q", "from", "limit", "regex", "case"],
        "",
        "SearchPage",
    ),
    (
        "get",
        "/api/v1/runs/{run}/log/download",
        "All logs as one: format text or json",
        &["format"],
        "",
        "text",
    ),
    (
        "get",
        "/api/v1/runs/{run}/attempts/{attempt}/activity",
        "What a worker did",
        &["after", "before", "limit"],
        "",
        "ActivityPage",
    ),
    ("get", "/api/v1/runs/{run}/attempts/{attempt}/blobs/{blob}", "A large value", &["inline"], "", "text"),
    ("get", "/api/v1/runs/{run}/attempts/{attempt}/diffs", "Changes of files", &[], "", "Diffs"),
    (
        "get",
        "/api/v1/runs/{run}/attempts/{attempt}/changes",
        "Files that are not what they were before the attempt",
        &[],
        "",
        "Changes",
    ),
    (
        "get",
        "/api/v1/runs/{run}/attempts/{attempt}/changes/diff",
        "The unified diff of one of them",
        &["path"],
        "",
        "text",
    ),
    ("get", LOG, "Lines of a log", &["from", "limit"], "", "LogPage"),
    ("get", "/api/v1/runs/{run}/attempts/{attempt}/log/line/{line}", "A whole line", &[], "", "text"),
    (
        "get",
        "/api/v1/runs/{run}/attempts/{attempt}/log/search",
        "Lines with a text",
        &["q", "from", "limit", "regex", "case"],
        "",
        "SearchPage",
    ),
    (
        "get",
        "/api/v1/runs/{run}/attempts/{attempt}/log/download",
        "The whole log: format text, json or raw",
        &["format"],
        "",
        "text",
    ),
    ("post", "/api/v1/workflows/{workflow}/runs", "Start a workflow", &[], "", "any"),
    (
        "get",
        "/api/v1/stats",
        "Statistics, as `roboppi stats --json`",
        &["since", "until", "workflow"],
        "",
        "any",
    ),
    ("get", "/api/data", "Statistics in the shape of Pyjama", &[], "", "any"),
    ("get", "/api/v1/ws", "WebSocket of many subscriptions, see docs/api.md", &[], "", "none"),
    ("get", "/ws", "WebSocket with the message names of AgentGate", &[], "", "none"),
];

/// The document, as OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<Session>();
    generator.subschema_for::<Login>();
    generator.subschema_for::<RunPage>();
    generator.subschema_for::<Run>();
    let event = generator.subschema_for::<Event>();
    generator.subschema_for::<LogPage>();
    generator.subschema_for::<SearchPage>();
    generator.subschema_for::<ActivityPage>();
    generator.subschema_for::<Diffs>();
    generator.subschema_for::<Changes>();
    generator.subschema_for::<Order>();
    generator.subschema_for::<Outcome>();
    generator.subschema_for::<Problem>();
    let mut schemas: Map<String, Value> = generator.take_definitions(true).into_iter().collect();
    let page = json!({"type": "object", "required": ["events", "cursor", "more"], "properties": {
        "events": {"type": "array", "items": event}, "cursor": {"type": "string"}, "more": {"type": "boolean"}}});
    schemas.insert("EventPage".to_owned(), page);
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.1).or_insert(json!({}));
        path[operation.0] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "roboppi serve", "version": "1",
            "description": "Runs of roboppi. Times are UTC milliseconds; a key without a value is absent."},
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "roboppi_session_PORT"},
            },
        },
    })
}

fn described((method, path, summary, query, body, answer): &Operation) -> Value {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query =
        query.iter().map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}));
    let content = match *answer {
        "none" => json!({"description": "done"}),
        "text" => json!({"description": "the text", "content": {"text/plain": {}}}),
        "any" => json!({"description": "the answer", "content": {"application/json": {}}}),
        name => {
            json!({"description": "the answer", "content": {"application/json": {"schema": reference(name)}}})
        }
    };
    let status = match (*method, *path) {
        ("post", "/api/v1/runs/{run}/commands") => "202",
        ("post", "/api/v1/workflows/{workflow}/runs") => "201",
        ("get", "/api/v1/ws" | "/ws") => "101",
        (_, _) if *answer == "none" => "204",
        _ => "200",
    };
    let mut operation = json!({
        "summary": summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": {
            status: content,
            "default": {"description": "a problem", "content": {"application/problem+json": {"schema": reference("Problem")}}},
        },
    });
    if !body.is_empty() {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": reference(body)}}});
    }
    operation
}
