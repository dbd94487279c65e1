//! Names and values that say what a span is about.

use roboppi_untrusted::words;

/// Names and values, each name once. Texts are as they are: they are made safe to show, and cut, when they are written, because
/// half a secret is not found to be one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, AttributeValue)>);

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AttributeValue {
    Text(String),
    Number(u64),
    Decimal(f64),
    Bool(bool),
}

impl Attributes {
    /// Adds a text. An empty one is none.
    pub fn text(&mut self, name: &str, value: &str) {
        if !words(value).is_empty() {
            self.set(name, AttributeValue::Text(value.to_owned()));
        }
    }

    /// Adds a number. Zero is none.
    pub fn number(&mut self, name: &str, value: u64) {
        if value > 0 {
            self.set(name, AttributeValue::Number(value));
        }
    }

    /// Adds a number that is not whole.
    pub(super) fn decimal(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.set(name, AttributeValue::Decimal(value));
        }
    }

    /// Adds that something holds. What does not hold is no attribute.
    pub(super) fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.set(name, AttributeValue::Bool(value));
        }
    }

    fn set(&mut self, name: &str, value: AttributeValue) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Replaces each text by what `hide` makes of it.
    pub(super) fn mask(&mut self, hide: &dyn Fn(&str) -> String) {
        for (_, value) in &mut self.0 {
            if let AttributeValue::Text(text) = value {
                *text = hide(text);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, AttributeValue)> {
        self.0.iter()
    }
}
