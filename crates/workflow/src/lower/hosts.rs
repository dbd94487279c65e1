//! Hosts on which steps work.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use roboppi_hosts::check_host_name;

use super::fields::{Field, Fields};
use super::step::DraftStep;
use super::value;
use crate::definition::{Carrier, HostSpec, OnLeaseEnd};
use crate::diagnostic::{Sink, nearest, quote};
use crate::keys::Section;
use crate::source::{Entry, Value};

/// The name of this machine in events and on the screen.
const HERE: &str = "here";
/// How long a host goes on without a sign of life, unless it says otherwise.
const LEASE: Duration = Duration::from_secs(30);
/// The shortest lease: one that a busy machine keeps.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

pub(super) fn hosts(at: &Field<'_>, sink: &mut Sink<'_>) -> IndexMap<String, HostSpec> {
    let Value::Map(entries) = &at.node.value else {
        value::mismatch(at, "a map of hosts by name", None, sink);
        return IndexMap::new();
    };
    entries.iter().filter_map(|entry| Some((entry.key.to_string(), host(entry, sink)?))).collect()
}

fn host(entry: &Entry, sink: &mut Sink<'_>) -> Option<HostSpec> {
    let name = &*entry.key;
    if let Err(error) = check_host_name(name) {
        sink.error(entry.key_span, error.to_string(), None);
        return None;
    }
    if name == HERE {
        let hint = "a step without `host` runs on this machine".to_owned();
        sink.error(entry.key_span, "`here` is the name of this machine", Some(hint));
        return None;
    }
    let path = format!("hosts.{name}");
    let default = HostSpec {
        carrier: Carrier::Ssh(name.to_owned()),
        program: None,
        labels: Vec::new(),
        workspace: None,
        concurrency: None,
        env: BTreeMap::new(),
        lease: LEASE,
        on_lease_end: OnLeaseEnd::default(),
    };
    if matches!(entry.value.value, Value::Null) {
        return Some(default);
    }
    let fields = Fields::read(&entry.value, Section::Host, &path, entry.key_span, sink)?;
    let text = |name: &str, sink: &mut Sink<'_>| {
        fields.get(name).and_then(|at| value::text(&at, sink)).map(|text| text.value)
    };
    let carrier = carrier(&fields, name, sink);
    let choices = [("kill", OnLeaseEnd::Kill), ("finish", OnLeaseEnd::Finish)];
    Some(HostSpec {
        carrier: carrier?,
        program: text("program", sink),
        labels: fields.get("labels").map(|at| labels(&at, sink)).unwrap_or_default(),
        workspace: text("workspace", sink),
        concurrency: fields.get("concurrency").and_then(|at| value::whole(&at, 1, sink)),
        env: fields.get("env").map(|at| env(&at, sink)).unwrap_or_default(),
        lease: fields.get("lease").and_then(|at| lease(&at, sink)).unwrap_or(LEASE),
        on_lease_end: fields
            .get("on_lease_end")
            .and_then(|at| value::choice(&at, &choices, sink))
            .unwrap_or_default(),
    })
}

fn carrier(fields: &Fields<'_>, name: &str, sink: &mut Sink<'_>) -> Option<Carrier> {
    if let Some(at) = fields.get("command") {
        if let Some(other) = ["ssh", "program"].into_iter().find(|key| fields.has(key)) {
            let message = format!("{} replaces `{other}`, and both are there", quote(&at.path));
            sink.error(at.place(), message, Some(format!("leave out `{other}`")));
            return None;
        }
        let words = match &at.node.value {
            Value::List(_) => {
                let items = value::list(&at, "a program and its arguments", sink)?;
                items.iter().map(|item| Some(value::text(item, sink)?.value)).collect::<Option<Vec<_>>>()?
            }
            _ => vec![value::text(&at, sink)?.value],
        };
        if words.first().is_none_or(String::is_empty) {
            sink.error(at.place(), format!("{} has no program", quote(&at.path)), None);
            return None;
        }
        return Some(Carrier::Command(words));
    }
    let Some(at) = fields.get("ssh") else { return Some(Carrier::Ssh(name.to_owned())) };
    let destination = value::text(&at, sink)?;
    // `ssh` would take it for an option, and options run commands.
    if destination.value.is_empty() || destination.value.starts_with('-') {
        let message = format!("{} must be a destination, such as `user@host`", quote(&at.path));
        sink.error(destination.span, message, None);
        return None;
    }
    Some(Carrier::Ssh(destination.value))
}

/// Labels have the alphabet of host names: both are words of a selection.
fn labels(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for item in value::list(at, "a list of labels", sink).unwrap_or_default() {
        let Some(label) = value::text(&item, sink) else { continue };
        if check_host_name(&label.value).is_err() {
            let message = format!(
                "{} is no label: labels have 1 to 63 lower-case letters, digits, `-` and `_`, and start with a letter or a digit",
                quote(&label.value)
            );
            sink.error(label.span, message, None);
        } else if !labels.contains(&label.value) {
            labels.push(label.value);
        }
    }
    labels
}

fn lease(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Duration> {
    let lease = value::duration(at, sink)?;
    if lease < SHORTEST_LEASE {
        sink.error(at.place(), format!("{} must be 1s or longer", quote(&at.path)), None);
        return None;
    }
    Some(lease)
}

fn env(at: &Field<'_>, sink: &mut Sink<'_>) -> BTreeMap<String, String> {
    let Value::Map(entries) = &at.node.value else {
        value::mismatch(at, "a map of variables", None, sink);
        return BTreeMap::new();
    };
    let variable = |entry: &Entry, sink: &mut Sink<'_>| {
        let path = format!("{}.{}", at.path, entry.key);
        if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
            sink.error(entry.key_span, format!("{} is no name of a variable", quote(&path)), None);
            return None;
        }
        let field = Field { path, key_span: entry.key_span, node: &entry.value };
        Some((entry.key.to_string(), value::text(&field, sink)?.value))
    };
    entries.iter().filter_map(|entry| variable(entry, sink)).collect()
}

/// Steps name hosts that there are, and ask for nothing that hosts cannot do yet.
pub(super) fn check(
    drafts: &[DraftStep],
    hosts: &IndexMap<String, HostSpec>,
    any: bool,
    sink: &mut Sink<'_>,
) {
    for draft in drafts {
        let Some(host) = &draft.host else { continue };
        if !any && !hosts.contains_key(&host.value) {
            let names = hosts.keys().map(String::as_str);
            let hint = match nearest(&host.value, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("describe it as `hosts: {{ {}: … }}`", host.value),
            };
            sink.error(host.span, format!("there is no host {}", quote(&host.value)), Some(hint));
        }
        let has_artifacts = !draft.inputs.is_empty() || !draft.outputs.is_empty();
        if has_artifacts {
            let message = format!("the step {} has artifacts, and a host", quote(draft.id.value.as_str()));
            let hint = "artifacts are not copied to and from other hosts yet: have its script do it";
            sink.error(host.span, message, Some(hint.to_owned()));
        }
        if draft.has_check() {
            let message =
                format!("the step {} has a completion check, and a host", quote(draft.id.value.as_str()));
            let hint = "checks run on this machine only: have the script of the step repeat itself";
            sink.error(host.span, message, Some(hint.to_owned()));
        }
    }
}
