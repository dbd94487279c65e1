//! Texts that refer to values of a run: `${{ inputs.name }}`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// What begins a reference.
const OPEN: &str = "${{";
/// What ends it.
const CLOSE: &str = "}}";
/// What stands for a literal `${{`.
const ESCAPED: &str = "$${{";

/// A text with references to values that are known when the run starts, or later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Template {
    parts: Vec<Part>,
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// What stands there.
    Text(String),
    /// What is put there.
    Reference(Reference),
}

/// A value that a text refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `inputs.NAME`: an input of the workflow.
    Input(String),
}

/// A reference that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Its place in the text, in bytes.
    pub at: Range<usize>,
    /// What is wrong, after the text of the reference.
    pub problem: String,
}

impl Template {
    /// A text without references.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(text.into())] }
    }

    /// Reads a text. Finds every reference that is wrong.
    ///
    /// # Errors
    /// When a reference has no end, or refers to nothing that there can be.
    pub fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        let (mut parts, mut errors) = (Vec::new(), Vec::new());
        let (mut literal, mut at) = (String::new(), 0);
        while let Some(found) = text[at..].find(OPEN).map(|found| at + found) {
            if text[..found].ends_with('$') && text[found - 1..].starts_with(ESCAPED) && found > at {
                literal.push_str(&text[at..found - 1]);
                literal.push_str(OPEN);
                at = found + OPEN.len();
                continue;
            }
            literal.push_str(&text[at..found]);
            let inside = found + OPEN.len();
            let Some(length) = text[inside..].find(CLOSE) else {
                errors.push(TemplateError { at: found..text.len(), problem: format!("has no `{CLOSE}`") });
                at = text.len();
                break;
            };
            at = inside + length + CLOSE.len();
            match Reference::parse(text[inside..inside + length].trim()) {
                Ok(reference) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Reference(reference));
                }
                Err(problem) => errors.push(TemplateError { at: found..at, problem }),
            }
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        if errors.is_empty() { Ok(Self { parts }) } else { Err(errors) }
    }

    /// Whether a text has anything that [`Template::parse`] does not take as it is.
    #[must_use]
    pub fn is_in(text: &str) -> bool {
        text.contains(OPEN)
    }

    /// The values it refers to, in the order of the text.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// The text, when it refers to nothing any more.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self.parts.as_slice() {
            [] => Some(Cow::Borrowed("")),
            [Part::Text(text)] => Some(Cow::Borrowed(text)),
            parts => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => Some(text.as_str()),
                    Part::Reference(_) => None,
                })
                .collect::<Option<String>>()
                .map(Cow::Owned),
        }
    }

    /// The same with the values that are known in place of what refers to them. A value is never read again: what looks like a
    /// reference in it is none.
    #[must_use]
    pub fn filled(&self, value: impl Fn(&Reference) -> Option<String>) -> Self {
        let parts = self.parts.iter().map(|part| match part {
            Part::Reference(reference) => {
                value(reference).map_or_else(|| Part::Reference(reference.clone()), Part::Text)
            }
            Part::Text(text) => Part::Text(text.clone()),
        });
        Self { parts: parts.collect() }
    }
}

/// As it is written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace(OPEN, ESCAPED)),
            Part::Reference(reference) => write!(f, "{OPEN} {reference} {CLOSE}"),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(name) => write!(f, "inputs.{name}"),
        }
    }
}

impl Reference {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            Some(("inputs", name)) if is_name(name) => Ok(Self::Input(name.to_owned())),
            Some(("inputs", name)) => Err(format!("names an input `{name}`, which none can be called")),
            _ => Err("refers to nothing that is known; write `${{ inputs.NAME }}`".to_owned()),
        }
    }
}

/// Whether a text can be the name of a value: a letter or `_`, then letters, digits, `_` and `-`, 64 characters at most.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first
        && text.len() <= LONGEST_NAME
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Characters of the longest name of a value.
const LONGEST_NAME: usize = 64;

/// What [`is_name`] accepts, as a pattern of JSON Schema.
pub(crate) const NAME_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,63}$";

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let template = Template::parse(text).unwrap();
        let filled = template.filled(|Reference::Input(name)| (name != "later").then(|| format!("<{name}>")));
        filled.as_text().map_or_else(|| format!("open: {filled}"), Cow::into_owned)
    }

    #[test]
    fn references_are_filled_in_once() {
        for (text, expected) in [
            ("", ""),
            ("plain $X ${Y} {{z}}", "plain $X ${Y} {{z}}"),
            ("${{ inputs.a }}", "<a>"),
            ("x${{inputs.a-b}}y${{  inputs._c  }}", "x<a-b>y<_c>"),
            ("$${{ inputs.a }}", "${{ inputs.a }}"),
            ("é${{ inputs.é_ }}", ""),
            ("a ${{ inputs.later }} b $${{", "open: a ${{ inputs.later }} b $${{"),
        ] {
            if !expected.is_empty() || text.is_empty() {
                assert_eq!(filled(text), expected, "{text}");
            }
        }
        let template = Template::parse("${{ inputs.a }}").unwrap();
        let once = template.filled(|_| Some("${{ inputs.b }}".to_owned()));
        assert_eq!(once.as_text().as_deref(), Some("${{ inputs.b }}"));
    }

    #[test]
    fn every_wrong_reference_is_found_at_its_place() {
        let text = "a ${{ inputs. }} ${{ env.X }} ${{ inputs.ok }} ${{ open";
        let errors = Template::parse(text).unwrap_err();
        let rows: Vec<_> =
            errors.iter().map(|error| format!("{}: {}", &text[error.at.clone()], error.problem)).collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        ${{ inputs. }}: names an input ``, which none can be called
        ${{ env.X }}: refers to nothing that is known; write `${{ inputs.NAME }}`
        ${{ open: has no `}}`
        ");
    }

    #[test]
    fn what_is_printed_is_read_as_the_same() {
        for text in ["a ${{ inputs.b }} c", "$${{ x", "plain"] {
            let template = Template::parse(text).unwrap();
            assert_eq!(Template::parse(&template.to_string()), Ok(template), "{text}");
        }
    }
}
