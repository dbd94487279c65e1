//! What is wrong with a file that is no YAML, in words for its author.

use granit_parser::{ErrorKind, ScanError};

/// A message and a hint for an error at a byte of a file.
pub(super) fn explained(text: &str, at: usize, error: &ScanError) -> (String, Option<String>) {
    let place = Place::of(text, at);
    let hint = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => Some("indent with spaces".to_owned()),
        ErrorKind::MappingValueNotAllowed => Some(place.misplaced_colon()),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            Some("a quotation mark is missing, or the lines after it are not indented".to_owned())
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => {
            Some("between single quotation marks an apostrophe is written twice: `'don''t'`".to_owned())
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar => Some(
            "between double quotation marks another one is written `\\\"`; or write the text on lines of their own below `|`"
                .to_owned(),
        ),
        ErrorKind::UnknownQuotedScalarEscape => {
            Some("between double quotation marks a backslash is written twice; between single ones it is itself".to_owned())
        }
        ErrorKind::UnexpectedCharacter { .. } => Some("put the text into quotation marks".to_owned()),
        ErrorKind::InvalidColonPlacement
        | ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping => {
            Some("a `]`, `}` or `,` is missing in this line or one above".to_owned())
        }
        ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry => Some(place.expected_key()),
        _ => None,
    };
    let message = match error.kind() {
        ErrorKind::MappingValueNotAllowed => "there is a `:` where none can be".to_owned(),
        ErrorKind::SimpleKeyExpected => "a key and a `:` are expected here".to_owned(),
        ErrorKind::UnexpectedCharacter { .. } => {
            let found = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
            // A backtick cannot be quoted by backticks.
            let found =
                if found == '`' { "a backtick".to_owned() } else { format!("`{}`", found.escape_debug()) };
            format!("a text cannot begin with {found}")
        }
        _ => error.info().to_owned(),
    };
    (format!("this is not valid YAML: {message}"), hint)
}

/// The line of an error, and the one above.
struct Place<'t> {
    /// The line up to the error.
    before: &'t str,
    /// The last line above it that is not empty and no comment.
    above: &'t str,
}

impl<'t> Place<'t> {
    fn of(text: &'t str, at: usize) -> Self {
        let upto = text.get(..at).unwrap_or(text);
        let (above, before) = upto.rsplit_once('\n').unwrap_or(("", upto));
        let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        Self { before, above: above.rsplit('\n').take(100).find(is_content).unwrap_or_default() }
    }

    /// A text with `: `, a key of the line above that ends without one, or an indentation that is too deep.
    fn misplaced_colon(&self) -> String {
        let key = self.before.split_once(": ").map(|(key, _)| key.trim_start().trim_start_matches("- "));
        if let Some(key) = key {
            return format!(
                "the text of `{key}` has a `: ` in it: put it into quotation marks, or on lines of their own below `{key}: |`"
            );
        }
        let above = self.above.trim();
        let is_entry = above.contains(": ") || above.ends_with(':');
        if !is_entry && above.contains(':') {
            return "a space is missing behind the `:` of the line above".to_owned();
        }
        if !is_entry && !above.is_empty() {
            return "a `:` is missing in the line above, or its text needs quotation marks".to_owned();
        }
        if indentation(self.before) > indentation(self.above) && !above.ends_with(':') {
            return "indent this line like the one above".to_owned();
        }
        "check the indentation; text with `: ` in it must be quoted".to_owned()
    }

    /// The lines of a block that are not indented, or another line that is no entry.
    fn expected_key(&self) -> String {
        let above = self.above.trim_end();
        if above.ends_with(['|', '>']) || above.ends_with("|-") || above.ends_with(">-") {
            return "indent the lines of a text more than the key they belong to".to_owned();
        }
        "check the indentation and the `:` of the lines above".to_owned()
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
