//! Values of the kinds a workflow knows.

use std::rc::Rc;
use std::time::Duration;

use super::Located;
use super::describe::found;
use super::fields::Field;
use super::meant;
use crate::budget::Dollars;
use crate::diagnostic::{Sink, nearest, quote};
use crate::duration::{DurationError, parse_duration};
use crate::source::{Node, Value};

/// Reports a value of the wrong kind.
pub(super) fn mismatch(at: &Field<'_>, expected: &str, hint: Option<String>, sink: &mut Sink<'_>) {
    let path = quote(&at.path);
    let message = match &at.node.value {
        Value::Invalid => return,
        Value::Null => format!("{path} has no value, expected {expected}"),
        _ => format!("{path} must be {expected}, found {}", found(at.node)),
    };
    sink.error(at.place(), message, hint);
}

/// Text that is not empty.
pub(super) fn text(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Located<String>> {
    match &at.node.value {
        Value::Text(text) if text.is_empty() => {
            sink.error(at.place(), format!("{} must not be empty", quote(&at.path)), None);
            None
        }
        Value::Text(text) => Some(Located { value: text.clone(), span: at.place() }),
        Value::Number(_) | Value::Bool(_) => {
            mismatch(at, "text", Some("put it into quotation marks".to_owned()), sink);
            None
        }
        Value::List(_) => {
            let hint = "write one text: lines of their own below `|`, or quotation marks around a text that begins with `[`";
            mismatch(at, "text", Some(hint.to_owned()), sink);
            None
        }
        Value::Map(_) => {
            let hint = "put a text that begins with `{` or has `: ` in it into quotation marks, or on lines of their own below `|`";
            mismatch(at, "text", Some(hint.to_owned()), sink);
            None
        }
        _ => {
            mismatch(at, "text", None, sink);
            None
        }
    }
}

/// Text for people, which may be empty: that is as good as none.
pub(super) fn note(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<String> {
    match &at.node.value {
        Value::Text(text) if text.is_empty() => None,
        _ => text(at, sink).map(|text| text.value),
    }
}

/// A duration above zero.
pub(super) fn duration(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Duration> {
    let how = || Some("write numbers with the units ms, s, m, h and no spaces: `90s`, `1h30m`".to_owned());
    let Value::Text(text) = &at.node.value else {
        let hint = match at.node.value {
            Value::Number(number) if number > 0.0 => {
                Some(format!("add a unit: `{number}s` for seconds, `{number}m` for minutes"))
            }
            _ => how(),
        };
        mismatch(at, "a duration", hint, sink);
        return None;
    };
    let (problem, hint) = match parse_duration(text) {
        Ok(duration) => return Some(duration),
        Err(DurationError::Grammar) => {
            let meant = meant::duration(text).map(|meant| format!("write `{meant}`; units are ms, s, m, h"));
            let unlimited = || {
                let hint = if at.path.ends_with(".idle") {
                    "write `none`"
                } else {
                    "write a long time, such as `1000h`"
                };
                meant::is_unlimited(text).then(|| hint.to_owned())
            };
            ("is not a duration", meant.or_else(unlimited).or_else(how))
        }
        Err(DurationError::NoUnit) => {
            let number = text.trim();
            let hint = format!("add a unit: `{number}s` for seconds, `{number}m` for minutes");
            ("has no unit", Some(hint))
        }
        Err(DurationError::Zero) => ("must be longer than zero", None),
        Err(DurationError::TooLong) => ("is longer than any clock can count", None),
    };
    sink.error(at.place(), format!("{} {problem}: {}", quote(&at.path), quote(text)), hint);
    None
}

/// A whole number of at least `least`.
pub(super) fn whole(at: &Field<'_>, least: u32, sink: &mut Sink<'_>) -> Option<u32> {
    let expected = format!("a whole number of at least {least}");
    match at.node.value {
        Value::Number(number)
            if number.fract() == 0.0 && number >= f64::from(least) && number <= f64::from(u32::MAX) =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and between least and u32::MAX"
            )]
            let number = number as u32;
            Some(number)
        }
        Value::Text(ref text) if text.trim().parse::<u32>().is_ok() => {
            mismatch(at, &expected, Some("remove the quotation marks".to_owned()), sink);
            None
        }
        Value::Text(ref text) => {
            let number = meant::number(text).map(|number| format!("write `{number}`"));
            let unlimited =
                || meant::is_unlimited(text).then(|| "leave it out, or write a large number".to_owned());
            mismatch(at, &expected, number.or_else(unlimited), sink);
            None
        }
        _ => {
            mismatch(at, &expected, None, sink);
            None
        }
    }
}

/// An amount of US dollars above zero.
pub(super) fn dollars(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Dollars> {
    let amount = match at.node.value {
        Value::Number(number) => Dollars::new(number),
        _ => None,
    };
    if amount.is_none() {
        let hint = match &at.node.value {
            Value::Text(text) if text.starts_with('$') => "write the number alone, without `$`",
            _ => "write an amount of US dollars, such as `0.5` or `20`",
        };
        mismatch(at, "a number above 0", Some(hint.to_owned()), sink);
    }
    amount
}

/// Text that can be an argument of a program: not empty, not too long, and without a NUL.
pub(super) fn argument(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<String> {
    /// Below what a kernel takes as one argument.
    const LONGEST: usize = 100_000;
    let text = text(at, sink)?;
    let problem = if text.value.contains('\0') {
        "holds a NUL, which no argument of a program can".to_owned()
    } else if text.value.len() > LONGEST {
        format!("has {} bytes, at most {LONGEST} can be an argument of a program", text.value.len())
    } else {
        return Some(text.value);
    };
    sink.error(text.span, format!("{} {problem}", quote(&at.path)), None);
    None
}

/// Whether a path of the workspace may lead out of it.
pub(super) fn may_leave(path: &str) -> bool {
    path.split(['/', '\\']).any(|part| part == "..") || path.starts_with(['/', '\\']) || path.contains('\0')
}

/// `true` or `false`.
pub(super) fn flag(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<bool> {
    let hint = match &at.node.value {
        Value::Bool(value) => return Some(*value),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
            "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
            _ => None,
        },
        _ => None,
    };
    mismatch(at, "`true` or `false`", hint, sink);
    None
}

/// One of a few words.
pub(super) fn choice<T: Copy>(at: &Field<'_>, choices: &[(&str, T)], sink: &mut Sink<'_>) -> Option<T> {
    let Value::Text(text) = &at.node.value else {
        mismatch(at, &one_of(choices), None, sink);
        return None;
    };
    let chosen = choices.iter().find(|(name, _)| name == text);
    if chosen.is_none() {
        let hint = nearest(text, choices.iter().map(|(name, _)| *name));
        let hint = hint.map(|name| format!("did you mean `{name}`?"));
        mismatch(at, &one_of(choices), hint, sink);
    }
    chosen.map(|(_, value)| *value)
}

pub(super) fn one_of<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    match names.as_slice() {
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
        [] => String::new(),
    }
}

/// The items of a list, each with its path.
pub(super) fn list<'n>(at: &Field<'n>, of: &str, sink: &mut Sink<'_>) -> Option<Vec<Field<'n>>> {
    let items: &'n [Rc<Node>] = match &at.node.value {
        Value::List(items) => items,
        Value::Text(text) => {
            mismatch(at, &format!("a list of {of}"), Some(format!("write `[{text}]`")), sink);
            return None;
        }
        Value::Map(_) => {
            let hint = "begin each entry with `- `".to_owned();
            mismatch(at, &format!("a list of {of}"), Some(hint), sink);
            return None;
        }
        _ => {
            mismatch(at, &format!("a list of {of}"), None, sink);
            return None;
        }
    };
    let field = |(index, item): (usize, &'n Rc<Node>)| Field {
        path: format!("{}[{index}]", at.path),
        key_span: if item.span.start == item.span.end { at.key_span } else { item.span },
        node: item,
    };
    Some(items.iter().enumerate().map(field).collect())
}
