//! `convergence` of a step.

use super::fields::{Field, Fields};
use super::{off, value};
use crate::convergence::Convergence;
use crate::diagnostic::{Sink, quote};
use crate::keys::Section;
use crate::source::Value;

/// How the loop of a step is watched; `None` when it is not.
pub(super) fn convergence(step: &Fields<'_>, is_checked: bool, sink: &mut Sink<'_>) -> Option<Convergence> {
    let at = step.get("convergence").filter(|at| !off::is_off(&at.node.value))?;
    if !matches!(at.node.value, Value::Map(_)) {
        value::mismatch(&at, "a map", None, sink);
        return None;
    }
    let of = Fields::read(at.node, Section::Convergence, &at.path, at.key_span, sink)?;
    let enabled = of.get("enabled").and_then(|at| value::flag(&at, sink)).unwrap_or_default();
    let number = |name: &str, sink: &mut Sink<'_>| of.get(name).and_then(|at| value::whole(&at, 1, sink));
    let texts = |name: &str, sink: &mut Sink<'_>| -> Vec<String> {
        let items = of.get(name).and_then(|at| value::list(&at, "paths", sink));
        let items = items.into_iter().flatten();
        items.filter_map(|item| value::text(&item, sink)).map(|text| text.value).collect()
    };
    let settings = Convergence {
        stall_threshold: number("stall_threshold", sink).unwrap_or(2),
        max_stage: number("max_stage", sink).unwrap_or(3),
        fail_on_max_stage: of.get("fail_on_max_stage").and_then(|at| value::flag(&at, sink)).unwrap_or(true),
        stages: of.get("stages").map(|at| stages(&at, sink)).unwrap_or_default(),
        allowed_paths: texts("allowed_paths", sink),
        ignored_paths: texts("ignored_paths", sink),
        diff_base_ref: of.get("diff_base_ref").and_then(|at| value::text(&at, sink)).map(|text| text.value),
        diff_base_ref_file: of.get("diff_base_ref_file").and_then(|at| inside(&at, sink)),
        max_changed_files: number("max_changed_files", sink),
    };
    let needs = if !enabled {
        Some("`enabled: true`")
    } else if !is_checked {
        Some("a `completion_check`")
    } else {
        None
    };
    if let Some(needs) = needs {
        let message = format!("{} has no effect without {needs}", quote(&at.path));
        sink.warning(at.key_span, message, None);
    }
    needs.is_none().then_some(settings)
}

fn stages(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<(u32, String)> {
    let items = value::list(at, "maps with `stage`", sink);
    let mut stages = Vec::new();
    for item in items.into_iter().flatten() {
        let Some(of) = Fields::read(item.node, Section::Stage, &item.path, item.key_span, sink) else {
            continue;
        };
        let stage = of.required("stage", sink).and_then(|at| value::whole(&at, 2, sink));
        let text = of.get("append_instructions").and_then(|at| value::text(&at, sink));
        stages.extend(stage.map(|stage| (stage, text.map(|text| text.value).unwrap_or_default())));
    }
    stages
}

fn inside(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<String> {
    let path = value::text(at, sink)?;
    if value::may_leave(&path.value) {
        let message = format!("the path {} may lead out of the workspace", quote(&path.value));
        let hint = "write it relative to the workspace, without `..`";
        sink.error(path.span, message, Some(hint.to_owned()));
    }
    Some(path.value)
}
