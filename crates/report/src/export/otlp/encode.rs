//! Spans as the JSON of OTLP: ids are hexadecimal, 64-bit integers are strings, enumerations are numbers, names are in camel
//! case.

use roboppi_untrusted::words;
use serde_json::{Map, Value, json};

use super::attributes::{AttributeValue, Attributes};
use super::span::{Outcome, Span};

/// What all spans come from.
#[derive(Debug)]
pub(super) struct Resource(Attributes);

/// The version of the conventions that names of attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Characters of the value of an attribute.
const LONGEST: usize = 1_000;

/// Characters of why something failed.
const LONGEST_WHY: usize = 500;

/// Whether a flag says that the span above is in another process is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// The span above is in another process.
const IS_REMOTE: u32 = 0x200;
/// The trace is recorded.
const SAMPLED: u32 = 1;

impl Resource {
    pub(super) fn new(mut attributes: Attributes) -> Self {
        if !attributes.has("service.name") {
            attributes.text("service.name", "roboppi");
        }
        attributes.text("service.version", env!("CARGO_PKG_VERSION"));
        Self(attributes)
    }

    pub(super) fn mask(&mut self, hide: &dyn Fn(&str) -> String) {
        self.0.mask(hide);
    }
}

/// An `ExportTraceServiceRequest`.
pub(super) fn request(resource: &Resource, spans: &[Span]) -> Value {
    let spans: Vec<_> = spans.iter().map(of_span).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": of_attributes(&resource.0)},
        "scopeSpans": [{
            "scope": {"name": "roboppi", "version": env!("CARGO_PKG_VERSION")},
            "spans": spans,
            "schemaUrl": SCHEMA,
        }],
        "schemaUrl": SCHEMA,
    }]})
}

fn of_span(span: &Span) -> Value {
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    set("traceId", span.trace.to_string().into());
    set("spanId", span.id.to_string().into());
    if let Some(parent) = span.parent {
        set("parentSpanId", parent.to_string().into());
    }
    let is_remote = if span.is_remote { IS_REMOTE } else { 0 };
    set("flags", (SAMPLED | HAS_IS_REMOTE | is_remote).into());
    set("name", words(&span.name).into());
    set("kind", u32::from(span.kind).into());
    set("startTimeUnixNano", nanos(span.from.0));
    set("endTimeUnixNano", nanos(span.to.0.max(span.from.0)));
    set("attributes", of_attributes(&span.attributes));
    if !span.events.is_empty() {
        let events = span.events.iter();
        set(
            "events",
            events.map(|(at, name)| json!({"timeUnixNano": nanos(at.0), "name": words(name)})).collect(),
        );
    }
    set(
        "status",
        match &span.outcome {
            Outcome::Unset => json!({}),
            Outcome::Good => json!({"code": 1}),
            Outcome::Bad(why) => json!({"code": 2, "message": shown(why, LONGEST_WHY)}),
        },
    );
    Value::Object(object)
}

fn of_attributes(attributes: &Attributes) -> Value {
    let of_value = |value: &AttributeValue| match value {
        AttributeValue::Text(text) => json!({"stringValue": shown(text, LONGEST)}),
        AttributeValue::Number(number) => json!({"intValue": signed(*number).to_string()}),
        AttributeValue::Decimal(number) => json!({"doubleValue": number}),
        AttributeValue::Bool(value) => json!({"boolValue": value}),
    };
    attributes.iter().map(|(key, value)| json!({"key": key, "value": of_value(value)})).collect()
}

/// A text that is safe to show, and not too long.
fn shown(text: &str, most: usize) -> String {
    words(text).chars().take(most).collect()
}

/// The number as OTLP has it: of 64 bits with a sign.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn nanos(millis: u64) -> Value {
    millis.saturating_mul(1_000_000).to_string().into()
}
