//! Where values come from that must not be seen.

use super::fields::{Field, Fields};
use super::value;
use crate::definition::SecretSource;
use crate::diagnostic::{Sink, quote};
use crate::keys::Section;
use crate::source::Value;

const EXPECTED: &str = "names of variables, and maps with `file` or `command`";

pub(super) fn secrets(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<SecretSource> {
    let items = value::list(at, EXPECTED, sink);
    items.into_iter().flatten().filter_map(|item| secret(&item, sink)).collect()
}

fn secret(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<SecretSource> {
    if !matches!(at.node.value, Value::Map(_)) {
        return value::text(at, sink).map(|name| SecretSource::Variable(name.value));
    }
    let fields = Fields::read(at.node, Section::Secret, &at.path, at.key_span, sink)?;
    let mut text = |name: &str| fields.get(name).and_then(|at| value::text(&at, sink)).map(|text| text.value);
    match (text("file"), text("command")) {
        (Some(path), None) => Some(SecretSource::File(path)),
        (None, Some(command)) => Some(SecretSource::Command(command)),
        (Some(_), Some(_)) => {
            let hint = "make two entries of them".to_owned();
            sink.error(at.place(), format!("{} has both `file` and `command`", quote(&at.path)), Some(hint));
            None
        }
        (None, None) => {
            if !fields.has("file") && !fields.has("command") {
                let hint = "name one of the two".to_owned();
                sink.error(
                    at.place(),
                    format!("{} has no `file` and no `command`", quote(&at.path)),
                    Some(hint),
                );
            }
            None
        }
    }
}
