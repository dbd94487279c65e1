//! From the tree to the settings of a person. Strict: a key without a meaning is a mistake.

use std::rc::Rc;

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;

use super::describe;
use super::fields::Field;
use super::hosts;
use super::value;
use crate::config::{Config, CoreCommand, Notification, NotifyOn, NotifyTarget, WebhookUrl};
use crate::diagnostic::{Sink, nearest, quote};
use crate::source::{Entry, Node, Value};

/// The keys of the file.
const KEYS: [&str; 3] = ["cores", "hosts", "notify"];

/// The keys of an entry of `notify`.
const NOTIFY: [&str; 5] = ["on", "command", "url", "url_env", "secret_env"];

/// The settings a tree describes; what cannot be read `sink` has been told of.
pub(crate) fn config(root: &Node, sink: &mut Sink<'_>) -> Config {
    let mut config = Config::default();
    let entries = match &root.value {
        Value::Map(entries) => entries.as_slice(),
        // An empty file, or one with comments alone.
        Value::Null | Value::Invalid => &[],
        _ => {
            sink.error(root.span, format!("the file must be a map, found {}", describe::found(root)), None);
            &[]
        }
    };
    for entry in entries {
        match &*entry.key {
            "cores" => config.cores = cores(&field("cores", entry), sink),
            "hosts" => config.hosts = hosts::hosts(&field("hosts", entry), sink),
            "notify" => config.notify = notify(&field("notify", entry), sink),
            _ => unknown(entry, &KEYS, sink),
        }
    }
    config
}

fn unknown(entry: &Entry, keys: &[&str], sink: &mut Sink<'_>) {
    let key = &*entry.key;
    let hint = nearest(key, keys.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
    let all: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    let hint = hint.unwrap_or_else(|| format!("keys are {}", all.join(", ")));
    sink.error(entry.key_span, format!("unknown key {}", quote(key)), Some(hint));
}

fn field<'n>(path: &str, entry: &'n Entry) -> Field<'n> {
    Field { path: path.to_owned(), key_span: entry.key_span, node: &entry.value }
}

fn cores(at: &Field<'_>, sink: &mut Sink<'_>) -> IndexMap<WorkerKind, CoreCommand> {
    let Value::Map(entries) = &at.node.value else {
        value::mismatch(at, "a map from kinds of workers to the commands of their cores", None, sink);
        return IndexMap::new();
    };
    let mut cores = IndexMap::with_capacity(entries.len());
    for entry in entries {
        let kind = match WorkerKind::new(&entry.key) {
            Ok(kind) => kind,
            Err(error) => {
                sink.error(entry.key_span, format!("{} {error}", quote(&entry.key)), None);
                continue;
            }
        };
        if let Some(command) = command(&field(&format!("cores.{}", entry.key), entry), sink) {
            cores.insert(kind, command);
        }
    }
    cores
}

fn notify(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<Notification> {
    let Some(items) = value::list(at, "notifications", sink) else { return Vec::new() };
    items.iter().filter_map(|item| notification(item, sink)).collect()
}

fn notification(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Notification> {
    let Value::Map(entries) = &at.node.value else {
        value::mismatch(at, "a map with `on` and `command` or `url`", None, sink);
        return None;
    };
    for entry in entries.iter().filter(|entry| !NOTIFY.contains(&&*entry.key)) {
        unknown(entry, &NOTIFY, sink);
    }
    let get = |name: &str| {
        let entry = entries.iter().find(|entry| &*entry.key == name)?;
        Some(field(&format!("{}.{name}", at.path), entry))
    };
    let targets: Vec<_> =
        ["command", "url", "url_env"].into_iter().filter_map(|name| Some((name, get(name)?))).collect();
    let [(name, target)] = targets.as_slice() else {
        let message = format!("{} must have one of `command`, `url` and `url_env`", quote(&at.path));
        sink.error(at.place(), message, None);
        return None;
    };
    let secret = get("secret_env");
    if let Some(secret) = secret.as_ref().filter(|_| *name == "command") {
        sink.error(secret.place(), format!("{} is for webhooks", quote(&secret.path)), None);
    }
    let target = if *name == "command" {
        NotifyTarget::Command(command(target, sink)?)
    } else {
        let text = value::text(target, sink)?.value;
        let url = if *name == "url" { WebhookUrl::Text(text) } else { WebhookUrl::Variable(text) };
        let secret_env = secret.and_then(|secret| value::text(&secret, sink)).map(|text| text.value);
        NotifyTarget::Webhook { url, secret_env }
    };
    let on = match get("on") {
        None => vec![NotifyOn::End],
        Some(on) => occasions(&on, sink),
    };
    Some(Notification { on, target })
}

/// One occasion, or a list of them.
fn occasions(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<NotifyOn> {
    const CHOICES: [(&str, NotifyOn); 3] =
        [("end", NotifyOn::End), ("failure", NotifyOn::Failure), ("waiting", NotifyOn::Waiting)];
    match &at.node.value {
        Value::Text(_) => value::choice(at, &CHOICES, sink).into_iter().collect(),
        _ => {
            let items = value::list(at, "occasions", sink).unwrap_or_default();
            items.iter().filter_map(|item| value::choice(item, &CHOICES, sink)).collect()
        }
    }
}

/// A program, or a list of a program and its arguments.
fn command(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<CoreCommand> {
    let words: Vec<String> = match &at.node.value {
        Value::List(items) => {
            let text = |item: &Rc<Node>| {
                let at = Field { path: at.path.clone(), key_span: at.key_span, node: item };
                value::text(&at, sink).map(|text| text.value)
            };
            items.iter().map(text).collect::<Option<_>>()?
        }
        Value::Text(_) => vec![value::text(at, sink)?.value],
        _ => {
            value::mismatch(at, "a program, or a list of a program and its arguments", None, sink);
            return None;
        }
    };
    if words.iter().any(|word| word.contains('\0')) {
        sink.error(at.place(), format!("{} holds a NUL, which no command can", quote(&at.path)), None);
        return None;
    }
    let mut words = words.into_iter();
    let Some(program) = words.next() else {
        sink.error(at.place(), format!("{} must not be empty", quote(&at.path)), None);
        return None;
    };
    Some(CoreCommand { program, args: words.collect() })
}
