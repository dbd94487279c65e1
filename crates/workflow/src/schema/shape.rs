//! What the value of a key may be, read from the kind that the table of keys states for people.

use roboppi_ipc::{Capability, WorkerKind};
use serde_json::{Value, json};

use crate::inputs::LONGEST_VALUE;
use crate::keys::{KeyDoc, Section};
use crate::lower::control::RETRIED;
use crate::lower::env::OURS;
use crate::plan::MOST_STEPS;
use crate::template::NAME_PATTERN;

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A text that is not empty.
    Text,
    /// A text for people, which may be empty.
    Note,
    /// A text that becomes an argument of a program.
    Argument,
    Boolean,
    /// A number above zero.
    Amount,
    /// A whole number of at least this.
    Whole(u32),
    Duration,
    /// A duration, or this word.
    DurationOr(String),
    /// One of these words.
    Words(Vec<String>),
    /// A list of at least so many of these.
    List(usize, Box<Self>),
    /// What a definition says.
    Of(&'static str),
    /// A kind of worker.
    Worker,
    /// The name of a step, as a reference to it.
    StepReference,
    /// The steps by name.
    Steps,
    /// A path below the workspace.
    PathInside,
    /// The name of a variable of the environment, or a pattern of names.
    Variable,
    /// A text that a worker is handed.
    Instructions,
    /// A check, or what switches it off.
    Check,
    /// The same of how a loop is watched.
    Convergence,
    /// What is not described here.
    Anything,
    /// Hosts by name.
    Hosts,
    /// A word that selects hosts.
    Label,
    /// A destination of `ssh`.
    Destination,
    /// A program, or a list of a program and its arguments.
    Command,
    /// Texts by the names of variables.
    Variables,
    /// A duration of at least a second.
    Lease,
    /// Texts by the names of variables that are not ours; numbers and booleans are texts as well.
    Env,
    /// Inputs of the workflow by name.
    Parameters,
    /// A text, which may be empty, a number or a boolean.
    Scalar,
    /// A condition; what it says is beyond a schema.
    Condition,
}

impl Shape {
    /// The shape of a key's value; `None` when its kind is not known.
    pub(super) fn of(key: &KeyDoc) -> Option<Self> {
        let list = |of: Self| Some(Self::List(0, Box::new(of)));
        match (key.section, key.name) {
            (_, "worker") => return Some(Self::Worker),
            (_, "instructions") => return Some(Self::Instructions),
            (_, "capabilities") => {
                let names = Capability::NAMES.map(str::to_owned).to_vec();
                return Some(Self::List(1, Box::new(Self::Words(names))));
            }
            (Section::Workflow, "hosts") => return Some(Self::Hosts),
            (Section::Step, "host") => return Some(Self::Text),
            (Section::Host, "ssh") => return Some(Self::Destination),
            (Section::Host, "command") => return Some(Self::Command),
            (Section::Host, "env") => return Some(Self::Variables),
            (Section::Host, "labels") => return list(Self::Label),
            (Section::Workflow | Section::Step, "env") => return Some(Self::Env),
            (Section::Workflow, "inputs") => return Some(Self::Parameters),
            (Section::Step, "if") => return Some(Self::Condition),
            (Section::Workflow, "defaults") => return Some(Self::Of("defaults")),
            (Section::Step | Section::Defaults, "retry") => return Some(Self::Of("retry")),
            (Section::Retry, "on") => {
                let classes = RETRIED.iter().map(|class| class.name().to_owned()).collect();
                return Some(Self::List(1, Box::new(Self::Words(classes))));
            }
            // What fits its type is said where the type is.
            (Section::Parameter, "default") => return Some(Self::Scalar),
            (Section::Parameter, "options") => return Some(Self::List(1, Box::new(Self::Scalar))),
            (Section::Host, "lease") => return Some(Self::Lease),
            // Beside `instructions` it is not read, and what it is otherwise is said where that is known.
            (_, "run") => return Some(Self::Anything),
            (_, "completion_check") => return Some(Self::Check),
            // Without a check fewer mean nothing; with one, the step asks for two.
            (_, "max_iterations") => return Some(Self::Whole(0)),
            (_, "description") | (Section::Output, "type") => return Some(Self::Note),
            (_, "steps") => return Some(Self::Steps),
            (_, "environment") => return Some(Self::Of("environment")),
            (_, "secrets") => return list(Self::Of("secret")),
            (_, "inputs") => return list(Self::Of("input")),
            (_, "outputs") => return list(Self::Of("output")),
            (Section::Step, "convergence") => return Some(Self::Convergence),
            (Section::Convergence, "stages") => return list(Self::Of("stage")),
            (Section::Convergence, "diff_base_ref_file") => return Some(Self::PathInside),
            (_, "exports") => return list(Self::Of("export")),
            (Section::Step, "workflow") => return Some(Self::Argument),
            (Section::Environment, "pass" | "block") => return list(Self::Variable),
            (Section::Output, "path") => return Some(Self::PathInside),
            (_, "program" | "mcp_config" | "append_system_prompt") => return Some(Self::Argument),
            (_, "add_dirs") => return list(Self::Argument),
            _ => {}
        }
        Self::of_kind(key.kind)
    }

    /// The shape of a kind as the reference words it.
    fn of_kind(kind: &str) -> Option<Self> {
        let list = |of: Self| Some(Self::List(0, Box::new(of)));
        if let Some(least) = kind.strip_prefix("whole number >= ") {
            return Some(Self::Whole(least.parse().ok()?));
        }
        if let Some(word) = kind.strip_prefix("duration or ") {
            return Some(Self::DurationOr(word.trim_matches('`').to_owned()));
        }
        match kind {
            "text" | "path" | "path or name" => Some(Self::Text),
            "name" => Some(Self::Of("artifactName")),
            "step" => Some(Self::StepReference),
            "boolean" => Some(Self::Boolean),
            "number > 0" => Some(Self::Amount),
            "duration" => Some(Self::Duration),
            "list of texts" | "list of paths" => list(Self::Text),
            "list of steps" => list(Self::StepReference),
            _ if kind.starts_with('`') && kind.ends_with('`') => {
                let words = kind.split('`').skip(1).step_by(2);
                Some(Self::Words(words.map(|word| word.trim_matches('"').to_owned()).collect()))
            }
            _ => None,
        }
    }

    pub(super) fn schema(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "string", "minLength": 1 }),
            Self::Note => json!({ "type": "string" }),
            Self::Argument => reference("argument"),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Amount => json!({ "type": "number", "exclusiveMinimum": 0 }),
            Self::Whole(least) => json!({ "type": "integer", "minimum": least, "maximum": u32::MAX }),
            Self::Duration => reference("duration"),
            Self::DurationOr(word) => json!({ "anyOf": [reference("duration"), {"const": word}] }),
            Self::Words(words) => json!({ "enum": words }),
            Self::List(least, of) => json!({ "type": "array", "minItems": least, "items": of.schema() }),
            Self::Of(definition) => reference(definition),
            Self::Worker => worker(),
            // A name is the text of the scalar: `2.0` is the step `2.0`.
            Self::StepReference => json!({ "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": ["number", "boolean"]},
            ]}),
            Self::Steps => json!({
                "type": "object",
                "minProperties": 1,
                "maxProperties": MOST_STEPS,
                "propertyNames": reference("stepName"),
                "additionalProperties": reference("step"),
            }),
            Self::PathInside => json!({
                "type": "string",
                "minLength": 1,
                "pattern": r"^(?![/\\])(?!([^\x00]*[/\\])?\.\.([/\\]|$))[^\x00]*$",
            }),
            Self::Variable => json!({ "type": "string", "minLength": 1, "pattern": "^[^=]*$" }),
            Self::Instructions => json!({ "type": "string", "minLength": 1, "maxLength": 1_048_576 }),
            Self::Anything => json!({}),
            Self::Hosts => json!({
                "type": "object",
                "propertyNames": {"pattern": HOST_NAME, "not": {"const": "here"}},
                "additionalProperties": {"anyOf": [{"type": "null"}, reference("host")]},
            }),
            Self::Label => json!({ "type": "string", "pattern": HOST_NAME }),
            // What begins with `-` is an option of `ssh`.
            Self::Destination => json!({ "type": "string", "minLength": 1, "pattern": "^[^-]" }),
            Self::Command => json!({ "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string", "minLength": 1},
                },
            ]}),
            Self::Variables => json!({
                "type": "object",
                "propertyNames": {"minLength": 1, "pattern": r"^[^=\x00]*$"},
                "additionalProperties": {"type": "string", "minLength": 1},
            }),
            Self::Lease => json!({ "allOf": [
                reference("duration"),
                {"not": {"pattern": r"^\s*0*[0-9]{1,3}ms\s*$"}},
            ]}),
            Self::Env => env(),
            Self::Parameters => parameters(),
            Self::Condition => json!({ "anyOf": [
                {"type": "boolean"},
                {"type": "string", "minLength": 1, "examples": ["failure()", "inputs.target == 'production'"]},
            ]}),
            Self::Scalar => json!({ "type": ["string", "number", "boolean"] }),
            // What is off may be any map.
            Self::Check => json!({
                "if": super::off(), "then": true, "else": reference("check"),
            }),
            Self::Convergence => json!({
                "if": super::off(), "then": true, "else": reference("convergence"),
            }),
        }
    }
}

/// Variables that are not ours.
fn env() -> Value {
    json!({
        "type": "object",
        "propertyNames": {"minLength": 1, "pattern": format!(r"^(?!{OURS})[^=\x00]*$")},
        "additionalProperties": {
            "type": ["string", "number", "boolean"],
            "maxLength": LONGEST_VALUE,
            "pattern": super::NO_NUL,
        },
    })
}

/// Inputs of the workflow by name.
fn parameters() -> Value {
    json!({
        "type": "object",
        "propertyNames": {"pattern": NAME_PATTERN},
        "additionalProperties": {"anyOf": [{"type": "null"}, reference("parameter")]},
    })
}

/// What a host may be called.
const HOST_NAME: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

/// The kinds that come with roboppi, which editors offer, and those that another core may have.
fn worker() -> Value {
    let builtin: Vec<_> = WorkerKind::BUILTIN.iter().map(WorkerKind::name).collect();
    json!({ "anyOf": [
        {"enum": builtin},
        {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,39}$", "description": "A kind of another core."},
    ]})
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{definition}") })
}
