//! `if` and `retry`: when a step is done, and how often.

use std::time::Duration;

use roboppi_ipc::ErrorClass;
use roboppi_run::StepPath;

use super::env::{Scope, place};
use super::fields::{Field, Fields};
use super::value;
use crate::condition::{Condition, Known};
use crate::control::{RetryPolicy, StepControl, type_of};
use crate::diagnostic::{Sink, quote};
use crate::keys::Section;
use crate::source::Value;

/// Time before the first retry when the step does not say.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest time before a retry when the step does not say.
const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);

/// Classes after which a step can be tried again.
pub(crate) const RETRIED: [ErrorClass; 7] = [
    ErrorClass::RetryableTransient,
    ErrorClass::RetryableRateLimit,
    ErrorClass::RetryableNetwork,
    ErrorClass::RetryableService,
    ErrorClass::NonRetryableLint,
    ErrorClass::NonRetryableTest,
    ErrorClass::NonRetryable,
];

/// When the step of these keys is done, which depends on these steps.
pub(super) fn control(
    fields: &Fields<'_>,
    depends_on: &dyn Fn(&StepPath) -> bool,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> StepControl {
    StepControl {
        condition: fields.get("if").and_then(|at| condition(&at, depends_on, scope, sink)),
        retry: fields.get("retry").and_then(|at| retry(fields, &at, sink)),
    }
}

fn condition(
    at: &Field<'_>,
    depends_on: &dyn Fn(&StepPath) -> bool,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> Option<Condition> {
    let text = match &at.node.value {
        Value::Bool(value) => return Some(Condition::constant(*value)),
        _ => value::text(at, sink)?.value,
    };
    let (condition, errors) = match Condition::parse(&text) {
        Ok(condition) => {
            let types = |name: &str| scope.inputs?.get(name).map(|input| type_of(&input.kind));
            let inputs = scope.inputs.is_some().then_some(&types as _);
            let errors = condition.check(&Known { inputs, depends_on });
            (Some(condition), errors)
        }
        Err(error) => (None, vec![error]),
    };
    let is_fine = errors.is_empty();
    for error in errors {
        let part = text.get(error.at.clone()).filter(|part| !part.is_empty() && part.len() < text.len());
        let part = part.map_or_else(String::new, |part| format!(": {}", quote(part)));
        let span = place(at, &text, &error.at);
        sink.error(span, format!("{}{part} {}", quote(&at.path), error.problem), error.hint);
    }
    condition.filter(|_| is_fine)
}

pub(super) fn retry(step: &Fields<'_>, at: &Field<'_>, sink: &mut Sink<'_>) -> Option<RetryPolicy> {
    if !matches!(at.node.value, Value::Map(_)) {
        let hint = match at.node.value {
            Value::Number(number) => format!("write `{{ max: {number} }}`"),
            _ => "write `{ max: 3, backoff: 5s }`".to_owned(),
        };
        value::mismatch(at, "a map with `max`", Some(hint), sink);
        return None;
    }
    let fields = Fields::read(at.node, Section::Retry, &at.path, at.key_span, sink)?;
    if let Some(other) = step.get("max_retries") {
        let message = format!("{} stands beside `retry`, which says how often already", quote(&other.path));
        sink.error(other.key_span, message, Some("remove one of them".to_owned()));
    }
    if let Some(other) = step.get("on_failure")
        && matches!(&other.node.value, Value::Text(text) if text == "retry")
    {
        let message = format!("{} stands beside `retry`", quote(&format!("{}: retry", other.path)));
        let hint = "remove it; `on_failure` says what follows when no retry is left: `abort` or `continue`";
        sink.error(other.place(), message, Some(hint.to_owned()));
    }
    let max = fields.required("max", sink).and_then(|at| value::whole(&at, 1, sink));
    let backoff = fields.get("backoff").and_then(|at| value::duration(&at, sink)).unwrap_or(BACKOFF);
    let longest = fields.get("max_backoff").and_then(|at| value::duration(&at, sink));
    if let (Some(at), Some(longest)) = (fields.get("max_backoff"), longest)
        && longest < backoff
    {
        sink.warning(at.place(), format!("{} is shorter than `backoff`", quote(&at.path)), None);
    }
    let jitter = fields.get("jitter").and_then(|at| value::flag(&at, sink)).unwrap_or(true);
    let on = fields.get("on").map(|at| classes(&at, sink)).unwrap_or_default();
    Some(RetryPolicy {
        max: max?,
        backoff,
        max_backoff: longest.unwrap_or(MAX_BACKOFF.max(backoff)),
        jitter,
        on,
    })
}

fn classes(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<ErrorClass> {
    let known: Vec<_> = RETRIED.iter().map(|class| (class.name(), *class)).collect();
    let items = value::list(at, "classes of failures", sink);
    if items.as_ref().is_some_and(Vec::is_empty) {
        let hint = "leave it out, for all of them";
        sink.error(at.place(), format!("{} must not be empty", quote(&at.path)), Some(hint.to_owned()));
    }
    items.into_iter().flatten().filter_map(|item| value::choice(&item, &known, sink)).collect()
}
