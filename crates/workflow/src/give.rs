//! Gives a workflow the values of its inputs.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;
use thiserror::Error;

use crate::control::{StepControl, type_of};
use crate::definition::{Step, Workflow};
use crate::diagnostic::nearest;
use crate::inputs::{InputSpec, Variables};
use crate::template::{Reference, Template};

/// A value that an input cannot have, or one that is missing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InputError {
    /// There is no such input.
    #[error("the workflow has no input `{name}`{hint}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// Its value does not fit.
    #[error("the input `{name}` must be {expected}")]
    Misfit {
        /// The input.
        name: String,
        /// What its value may be.
        expected: String,
    },
    /// It has no default, and no value was given.
    #[error("the input `{name}` is required: give it with `--input {name}=…`")]
    Missing {
        /// The input.
        name: String,
    },
}

impl Workflow {
    /// Gives the inputs their values, and puts those in place of what refers to them: in variables, and in the
    /// instructions of agents. Scripts are not changed.
    ///
    /// # Errors
    /// Every value that does not fit, has no input, or is missing.
    pub fn give(&mut self, values: &BTreeMap<String, String>) -> Result<(), Vec<InputError>> {
        let mut errors = Vec::new();
        for (name, value) in values {
            match self.inputs.get_mut(name) {
                Some(input) if input.kind.fits(value) => input.value = Some(value.clone()),
                Some(input) => {
                    errors.push(InputError::Misfit { name: name.clone(), expected: input.kind.expected() });
                }
                None => {
                    let meant = nearest(name, self.inputs.keys().map(String::as_str));
                    let hint = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
                    errors.push(InputError::Unknown { name: name.clone(), hint });
                }
            }
        }
        let is_missing = |(name, input): (&String, &InputSpec)| {
            let misfit = values.contains_key(name);
            (input.known().is_none() && !misfit).then(|| InputError::Missing { name: name.clone() })
        };
        errors.extend(self.inputs.iter().filter_map(is_missing));
        if !errors.is_empty() {
            return Err(errors);
        }
        self.fill_in();
        Ok(())
    }

    /// Puts the values that are known in place of what refers to them.
    fn fill_in(&mut self) {
        if self.inputs.is_empty() {
            return;
        }
        let mut filled = Filling { inputs: &self.inputs, variables: HashMap::new() };
        for step in self.steps.values_mut() {
            *step = Arc::new(filled.step(step));
        }
    }

    /// The inputs that have a value, by name.
    #[must_use]
    pub fn given(&self) -> BTreeMap<String, String> {
        let known =
            self.inputs.iter().filter_map(|(name, input)| Some((name.clone(), input.known()?.to_owned())));
        known.collect()
    }
}

/// Values of inputs on their way into steps.
struct Filling<'w> {
    inputs: &'w IndexMap<String, InputSpec>,
    /// What shared variables became, by the address of what they were: steps go on to share them.
    variables: HashMap<*const Variables, (Arc<Variables>, Arc<Variables>)>,
}

impl Filling<'_> {
    fn step(&mut self, step: &Step) -> Step {
        let mut filled = step.clone();
        filled.env = self.variables(&step.env);
        if let Some(condition) = &step.control.condition {
            let value = |name: &str| {
                let input = self.inputs.get(name)?;
                Some((input.known()?.to_owned(), type_of(&input.kind)))
            };
            let condition = Some(condition.with_inputs(&value));
            filled.control = Arc::new(StepControl { condition, ..(*step.control).clone() });
        }
        if step.worker != WorkerKind::CUSTOM
            && let Ok(template) = Template::parse(&step.instructions)
        {
            let text = template.filled(|reference| self.value(reference));
            filled.instructions = text.as_text().map_or_else(|| text.to_string(), Cow::into_owned);
        }
        filled.check = step.check.as_ref().map(|check| {
            let mut filled = (**check).clone();
            filled.work = Arc::new(self.step(&check.work));
            Arc::new(filled)
        });
        filled
    }

    fn variables(&mut self, variables: &Arc<Variables>) -> Arc<Variables> {
        let address = Arc::as_ptr(variables);
        if let Some((_, filled)) = self.variables.get(&address) {
            return Arc::clone(filled);
        }
        let filled = variables.iter().map(|(name, value)| {
            let value = value.filled(|reference| self.value(reference));
            (name.clone(), value)
        });
        let filled = Arc::new(filled.collect());
        // Kept with what it was made of, so that no other map takes its address.
        self.variables.insert(address, (Arc::clone(variables), Arc::clone(&filled)));
        filled
    }

    fn value(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::Input(name) => self.inputs.get(name)?.known().map(str::to_owned),
        }
    }
}
