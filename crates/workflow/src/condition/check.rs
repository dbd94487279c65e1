//! Whether the parts of a condition go together.

use roboppi_run::{StepPath, StepState};

use super::{ConditionError, Expression, InputType, Kind};
use crate::diagnostic::nearest;

/// The type of an input by its name; `None` for one that there is not.
type InputTypes<'a> = &'a dyn Fn(&str) -> Option<InputType>;

/// What a condition may be about.
pub(crate) struct Known<'a> {
    /// The types of inputs by name, `None` for one that there is not; `None` when they are not known.
    pub(crate) inputs: Option<InputTypes<'a>>,
    /// Whether a step is one that the step of the condition waits for.
    pub(crate) depends_on: &'a dyn Fn(&StepPath) -> bool,
}

/// States in which a step is over: what an outcome is compared with.
const OUTCOMES: [StepState; 6] = [
    StepState::Succeeded,
    StepState::Incomplete,
    StepState::Failed,
    StepState::Skipped,
    StepState::Cancelled,
    StepState::Lost,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Outcome,
    Number,
    Boolean,
    /// It was reported.
    Any,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Any => "text",
            Self::Outcome => "the outcome of a step",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }
}

pub(super) fn check(root: &Expression, known: &Known<'_>) -> Vec<ConditionError> {
    let mut checker = Checker { known, errors: Vec::new() };
    checker.truth(root);
    checker.errors
}

struct Checker<'a> {
    known: &'a Known<'a>,
    errors: Vec<ConditionError>,
}

impl Checker<'_> {
    fn error(&mut self, at: &Expression, problem: String, hint: Option<String>) {
        self.errors.push(ConditionError { at: at.at.clone(), problem, hint });
    }

    /// A part that has to be true or false.
    fn truth(&mut self, part: &Expression) {
        match self.kind_of(part) {
            Type::Boolean | Type::Any => {}
            other => {
                let hint = match other {
                    Type::Outcome => "compare it, as `steps.NAME.outcome == 'failed'`",
                    Type::Number => "compare it, as `inputs.NAME == 3`",
                    _ => "compare it, as `inputs.NAME == 'text'`",
                };
                self.error(
                    part,
                    format!("is {}, where true or false is needed", other.name()),
                    Some(hint.to_owned()),
                );
            }
        }
    }

    fn kind_of(&mut self, part: &Expression) -> Type {
        match &part.kind {
            Kind::Text(_) => Type::Text,
            Kind::Number(_) => Type::Number,
            Kind::Boolean(_) | Kind::Success | Kind::Failure | Kind::Always => Type::Boolean,
            Kind::Input(name) => self.input(part, name),
            Kind::Outcome(step) => {
                if !(self.known.depends_on)(step) {
                    let hint = format!("add `{step}` to `depends_on`: its outcome is known once it is over");
                    self.error(
                        part,
                        format!("refers to the step `{step}`, which is not in `depends_on`"),
                        Some(hint),
                    );
                }
                Type::Outcome
            }
            Kind::Not(inner) => {
                self.truth(inner);
                Type::Boolean
            }
            Kind::And(left, right) | Kind::Or(left, right) => {
                self.truth(left);
                self.truth(right);
                Type::Boolean
            }
            Kind::Equal(_, left, right) => {
                self.compare(part, left, right);
                Type::Boolean
            }
        }
    }

    fn input(&mut self, part: &Expression, name: &str) -> Type {
        let Some(inputs) = self.known.inputs else { return Type::Any };
        match inputs(name) {
            Some(InputType::Text) => Type::Text,
            Some(InputType::Number) => Type::Number,
            Some(InputType::Boolean) => Type::Boolean,
            None => {
                let hint = format!("declare it as `inputs: {{ {name}: … }}`");
                self.error(part, format!("the workflow has no input `{name}`"), Some(hint));
                Type::Any
            }
        }
    }

    fn compare(&mut self, whole: &Expression, left: &Expression, right: &Expression) {
        let types = (self.kind_of(left), self.kind_of(right));
        match types {
            (Type::Any, _) | (_, Type::Any) => {}
            (Type::Outcome, Type::Text) => self.outcome(right),
            (Type::Text, Type::Outcome) => self.outcome(left),
            (one, other) if one == other => {}
            (one, other) => {
                let problem = format!("compares {} with {}", one.name(), other.name());
                self.error(whole, problem, Some("compare values of one type".to_owned()));
            }
        }
    }

    fn outcome(&mut self, text: &Expression) {
        let Kind::Text(word) = &text.kind else { return };
        if OUTCOMES.iter().any(|state| state.name() == word) {
            return;
        }
        let names = OUTCOMES.iter().map(StepState::name);
        let hint = nearest(word, names.clone()).map_or_else(
            || {
                format!(
                    "outcomes are {}",
                    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                )
            },
            |meant| format!("did you mean `{meant}`?"),
        );
        self.error(text, format!("`{word}` is no outcome of a step"), Some(hint));
    }
}
