//! Parameters of requests.

use std::str::FromStr;

use crate::feed::Filter;
use crate::problem::Problem;

/// Longest query of a request, in bytes.
const LONGEST: usize = 64 * 1024;

/// The query of a request, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// # Errors
    /// When it is no query.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let query = query.unwrap_or_default();
        if query.len() > LONGEST {
            return Err(Problem::bad_request("the query is too long"));
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| percent_decoded(&text.replace('+', " "));
            let bad = || Problem::bad_request("the query is not percent-encoded UTF-8");
            Ok((decoded(name).ok_or_else(bad)?, decoded(value).ok_or_else(bad)?))
        });
        pairs.collect::<Result<_, Problem>>().map(Self)
    }

    /// A value; `None` when it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// Whether it is there, and not `0` or `false`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let value = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        value.is_some_and(|value| !matches!(value, "0" | "false"))
    }

    /// A value that is read from its text.
    ///
    /// # Errors
    /// When the text is none.
    pub(crate) fn value<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        self.text(name).map(|text| text.parse().map_err(|_| bad(name, text, what))).transpose()
    }

    /// A number within a range.
    ///
    /// # Errors
    /// When it is none, or not within it.
    pub(crate) fn limit(&self, name: &str, default: usize, most: usize) -> Result<usize, Problem> {
        let limit = self.value::<usize>(name, "a number")?.unwrap_or(default);
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        Err(bad(name, &limit.to_string(), &format!("a number from 1 to {most}")))
    }

    /// Words separated by commas.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let words = self.text(name).unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Which events are wanted.
    pub(crate) fn filter(&self) -> Filter {
        Filter { kinds: self.list("kinds"), tools: self.list("tool") }
    }
}

fn bad(name: &str, text: &str, what: &str) -> Problem {
    Problem::bad_request(format!(
        "`{name}` is `{}`, and must be {what}",
        crate::api::text::shortened(text, 100)
    ))
}

/// A text with its `%XX` decoded; `None` when it is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let byte = match first {
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            plain => *plain,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        let params = Params::parse(Some("limit=5&q=a+b%26c&state=running,,failed&inline&x=&no=0")).unwrap();
        assert_eq!(params.limit("limit", 1, 9).unwrap(), 5);
        assert_eq!(params.text("q"), Some("a b&c"));
        assert_eq!(params.list("state"), ["running", "failed"]);
        assert!(params.flag("inline") && !params.flag("no") && !params.flag("absent"));
        assert_eq!(params.text("x"), None);
        for bad in ["limit=0", "limit=10", "limit=x", "limit=-1"] {
            let problem = Params::parse(Some(bad)).unwrap().limit("limit", 1, 9).unwrap_err();
            assert!(problem.detail.contains("limit"), "{problem:?}");
        }
        assert!(Params::parse(Some("q=%ff")).is_err() && Params::parse(Some("q=%2")).is_err());
    }
}
