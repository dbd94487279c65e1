//! The condition of a step: a small expression about the steps before it and the inputs of the run.
//!
//! ```text
//! or      := and { "||" and }
//! and     := not { "&&" not }
//! not     := "!" not | compare
//! compare := value [ ("==" | "!=") value ]
//! value   := "(" or ")" | 'text' | number | true | false | success() | failure() | always()
//!          | inputs.NAME | steps.NAME.outcome | steps['NAME'].outcome
//! ```

mod check;
mod parse;

use std::ops::Range;

use roboppi_run::{StepPath, StepState};

pub(crate) use check::Known;

/// A condition that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As it is written.
    text: String,
    root: Expression,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionError {
    /// Its place in the text, in bytes.
    pub(crate) at: Range<usize>,
    /// What is wrong.
    pub(crate) problem: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// A part of a condition, and its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expression {
    at: Range<usize>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text(String),
    /// A number, as it is written.
    Number(String),
    Boolean(bool),
    /// `success()`: every dependency lets the step start.
    Success,
    /// `failure()`: a dependency has failed, or keeps the step from starting.
    Failure,
    /// `always()`: whatever the dependencies came to.
    Always,
    Input(String),
    Outcome(StepPath),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    /// Whether two values are the same, or with `true` are not.
    Equal(bool, Box<Expression>, Box<Expression>),
}

/// What a condition is about, when it is decided.
pub(crate) struct Situation<'a> {
    /// Every dependency lets the step start.
    pub(crate) success: bool,
    /// A dependency has failed, or keeps the step from starting.
    pub(crate) failure: bool,
    /// What a dependency came to.
    pub(crate) outcome: &'a dyn Fn(&StepPath) -> Option<StepState>,
}

/// A value of a condition.
#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Number(f64),
    Boolean(bool),
}

impl Condition {
    /// Reads a condition.
    pub(crate) fn parse(text: &str) -> Result<Self, ConditionError> {
        Ok(Self { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// A condition that is always so, or never.
    pub(crate) fn constant(value: bool) -> Self {
        let text = value.to_string();
        Self { root: Expression { at: 0..text.len(), kind: Kind::Boolean(value) }, text }
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Everything that makes no sense in it.
    pub(crate) fn check(&self, known: &Known<'_>) -> Vec<ConditionError> {
        check::check(&self.root, known)
    }

    /// Whether it says itself what the outcomes of dependencies mean. Otherwise all of them have to let the step start.
    #[must_use]
    pub fn judges_outcomes(&self) -> bool {
        self.root.any(&|kind| matches!(kind, Kind::Success | Kind::Failure | Kind::Always | Kind::Outcome(_)))
    }

    /// The same with the values of inputs in their place.
    pub(crate) fn with_inputs(&self, value: &dyn Fn(&str) -> Option<(String, InputType)>) -> Self {
        let other = |kind: &Kind| match kind {
            Kind::Input(name) => value(name).map(|(text, kind)| match kind {
                InputType::Text => Kind::Text(text),
                InputType::Number => Kind::Number(text),
                InputType::Boolean => Kind::Boolean(text == "true"),
            }),
            _ => None,
        };
        Self { text: self.text.clone(), root: self.root.replaced(&other) }
    }

    /// The same about steps at other places.
    pub(crate) fn with_steps(&self, place: &dyn Fn(&StepPath) -> StepPath) -> Self {
        let other = |kind: &Kind| match kind {
            Kind::Outcome(step) => Some(Kind::Outcome(place(step))),
            _ => None,
        };
        Self { text: self.text.clone(), root: self.root.replaced(&other) }
    }

    /// Whether the step is done.
    pub(crate) fn holds(&self, situation: &Situation<'_>) -> bool {
        self.root.value(situation) == Value::Boolean(true)
    }
}

/// How the value of an input is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputType {
    Text,
    Number,
    Boolean,
}

impl Expression {
    fn any(&self, is_it: &dyn Fn(&Kind) -> bool) -> bool {
        is_it(&self.kind)
            || match &self.kind {
                Kind::Not(inner) => inner.any(is_it),
                Kind::And(left, right) | Kind::Or(left, right) | Kind::Equal(_, left, right) => {
                    left.any(is_it) || right.any(is_it)
                }
                _ => false,
            }
    }

    /// The same with other parts, where there are some.
    fn replaced(&self, other: &dyn Fn(&Kind) -> Option<Kind>) -> Self {
        let inner = |inner: &Self| Box::new(inner.replaced(other));
        let kind = other(&self.kind).unwrap_or_else(|| match &self.kind {
            Kind::Not(not) => Kind::Not(inner(not)),
            Kind::And(left, right) => Kind::And(inner(left), inner(right)),
            Kind::Or(left, right) => Kind::Or(inner(left), inner(right)),
            Kind::Equal(differs, left, right) => Kind::Equal(*differs, inner(left), inner(right)),
            same => same.clone(),
        });
        Self { at: self.at.clone(), kind }
    }

    fn value(&self, situation: &Situation<'_>) -> Value {
        let is_so = |inner: &Self| inner.value(situation) == Value::Boolean(true);
        Value::Boolean(match &self.kind {
            Kind::Text(text) => return Value::Text(text.clone()),
            Kind::Number(text) => return Value::Number(text.parse().unwrap_or(f64::NAN)),
            // One without a value: none is given to a workflow that only is looked at.
            Kind::Input(_) => return Value::Text(String::new()),
            Kind::Outcome(step) => {
                let outcome = (situation.outcome)(step);
                return Value::Text(outcome.map_or_else(String::new, |state| state.name().to_owned()));
            }
            Kind::Boolean(value) => *value,
            Kind::Success => situation.success,
            Kind::Failure => situation.failure,
            Kind::Always => true,
            Kind::Not(inner) => !is_so(inner),
            Kind::And(left, right) => is_so(left) && is_so(right),
            Kind::Or(left, right) => is_so(left) || is_so(right),
            Kind::Equal(differs, left, right) => {
                (left.value(situation) == right.value(situation)) != *differs
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, success: bool, failure: bool) -> bool {
        let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let condition = condition.with_inputs(&|name| match name {
            "t" => Some(("a'b".to_owned(), InputType::Text)),
            "n" => Some(("2.0".to_owned(), InputType::Number)),
            "b" => Some(("true".to_owned(), InputType::Boolean)),
            _ => None,
        });
        let outcome = |step: &StepPath| (step.as_str() == "test[os=linux]").then_some(StepState::Failed);
        condition.holds(&Situation { success, failure, outcome: &outcome })
    }

    #[test]
    fn conditions_are_decided() {
        for (text, expected) in [
            ("true", true),
            ("!true", false),
            ("!!true", true),
            ("always()", true),
            ("success()", true),
            ("failure ( )", false),
            ("success() && !failure()", true),
            ("false && false || true", true),
            ("false && (false || true)", false),
            ("true || false && false", true),
            ("inputs.t == 'a''b'", true),
            ("inputs.t != 'a'", true),
            ("inputs.n == 2", true),
            ("2 == inputs.n && inputs.b", true),
            ("inputs.b == false", false),
            ("'A' == 'a'", false),
            ("steps['test[os=linux]'].outcome == 'failed'", true),
            ("steps.build.outcome == 'failed'", false),
            ("(success() == true) != false", true),
        ] {
            assert_eq!(holds(text, true, false), expected, "{text}");
        }
        assert!(holds("failure()", false, true) && !holds("success()", false, true));
        assert!(Condition::parse("!failure()").unwrap().judges_outcomes());
        assert!(!Condition::parse("inputs.b").unwrap().judges_outcomes());
    }

    #[test]
    fn mistakes_are_found_at_their_place() {
        let rows = [
            "",
            "  ",
            "sucess()",
            "success",
            "inputs.",
            "inputs.a ==",
            "(true",
            "true)",
            "true true",
            "'open",
            "\"double\"",
            "a = b",
            "true & false",
            "steps.a",
            "steps.a.state == 'x'",
            "steps['a'.outcome",
            "env.X == 'y'",
            "1.2.3 == 4",
            "${{ success() }}",
            "é",
            "1 < 2",
        ]
        .map(|text| {
            let error = Condition::parse(text).unwrap_err();
            let hint = error.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            format!("{text:?} at {:?}: {}{hint}", error.at, error.problem)
        });
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn deep_and_long_ones_are_refused() {
        for text in [
            format!("{}true", "!".repeat(5_000)),
            "(".repeat(5_000),
            format!("true{}", " || true".repeat(5_000)),
        ] {
            Condition::parse(&text).unwrap_err();
        }
        Condition::parse(&format!("true{}", " || true".repeat(50))).unwrap();
    }
}
