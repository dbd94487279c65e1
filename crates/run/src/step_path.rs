//! Which step of a run is meant.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

/// The path of a step in the plan of a run: `build`, `release/build`, `release/build[os=linux,arch=arm64]`.
///
/// Segments are separated by `/`: the last one is the step, those before it are the steps whose workflows it is part of.
/// A segment is a name, and behind it in brackets the matrix coordinates that tell it from its siblings. In JSON, on the
/// command line and on screen a path is this one text. A step of a workflow that has neither is a path of one segment,
/// and its text is the name in the file.
///
/// Every text is a path: one that does not follow the grammar, as `a//b`, is a single segment with this name. So what is
/// read from a record is never refused for its form, and never changed. [`StepPath::parse`] insists on the grammar.
///
/// Paths are ordered segment by segment, so that everything below a step follows it directly.
///
/// Copies of a path share its text: a plan, its machines and every view of it have it once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct StepPath(Arc<str>);

/// A text that is no path of a step.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidStepPath {
    /// It has no characters.
    #[error("the path of a step is empty")]
    Empty,
    /// It is too long.
    #[error("the path of a step has {0} bytes, at most {most} are allowed", most = StepPath::LONGEST)]
    TooLong(usize),
    /// It has too many segments.
    #[error("the path of a step has {0} segments, at most {most} are allowed", most = StepPath::DEEPEST)]
    TooDeep(usize),
    /// A segment cannot be one.
    #[error("`{0}` cannot be a segment of the path of a step")]
    Segment(String),
}

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSegment<'a> {
    /// The name in the workflow file.
    pub name: &'a str,
    /// Matrix coordinates: axis and value, in the order of the path. Empty for most steps.
    pub coordinates: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl StepPath {
    /// Longest path, in bytes. A record with a longer one is damaged.
    pub const LONGEST: usize = 4096;
    /// Most segments of a path.
    pub const DEEPEST: usize = 32;

    /// The path of this text, whatever it is. The workflow language decides which names are allowed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Checks a text from outside.
    ///
    /// # Errors
    /// When it is empty, too long or too deep, or a segment of it is empty, is `.` or `..`, or has a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidStepPath> {
        if text.is_empty() {
            return Err(InvalidStepPath::Empty);
        }
        if text.len() > Self::LONGEST {
            return Err(InvalidStepPath::TooLong(text.len()));
        }
        let segments = text.split('/').count();
        if segments > Self::DEEPEST {
            return Err(InvalidStepPath::TooDeep(segments));
        }
        match text.split('/').find(|segment| !is_segment(segment)) {
            Some(bad) => {
                Err(InvalidStepPath::Segment(bad.chars().flat_map(char::escape_debug).take(80).collect()))
            }
            None => Ok(Self(text.into())),
        }
    }

    /// The path as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, at least one.
    pub fn segments(&self) -> impl Iterator<Item = PathSegment<'_>> {
        let follows = Self::parse(&self.0).is_ok();
        let end = if follows { '/' } else { '\0' };
        let whole = (!follows).then_some(PathSegment { name: &self.0, coordinates: Vec::new() });
        let parts = follows.then(|| self.0.split(end).map(PathSegment::of));
        whole.into_iter().chain(parts.into_iter().flatten())
    }

    /// The step whose workflow this one is part of; `None` for a step of the workflow of the run.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('/').filter(|_| Self::parse(&self.0).is_ok())?;
        Some(Self(parent.into()))
    }

    /// The path of a step of the workflow that this step runs.
    #[must_use]
    pub fn join(&self, inner: &Self) -> Self {
        Self(format!("{self}/{inner}").into())
    }

    /// The path of one variant of this step. In the text, characters with a meaning in paths are `%XX`.
    #[must_use]
    pub fn variant<'a>(&self, coordinates: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let coordinates = coordinates.into_iter();
        let coordinates: Vec<_> =
            coordinates.map(|(axis, value)| format!("{}={}", escaped(axis), escaped(value))).collect();
        if coordinates.is_empty() {
            self.clone()
        } else {
            Self(format!("{self}[{}]", coordinates.join(",")).into())
        }
    }

    /// The path as the name of a directory: letters, digits, `-`, `_` and inner dots stay, every other byte is `%XX`.
    /// Different paths give different names; one too long for a file system ends in a hash.
    #[must_use]
    pub fn path_segment(&self) -> String {
        const LONGEST: usize = 200;
        let mut segment = file_name(&self.0);
        if segment.len() > LONGEST {
            let hash = Uuid::from_u128(fnv128(self.0.as_bytes()));
            segment.truncate(LONGEST);
            let _ = write!(segment, "%{}", hash.simple());
        }
        segment
    }
}

impl<'a> PathSegment<'a> {
    /// Takes the coordinates off a segment. Brackets that hold none are part of the name.
    fn of(segment: &'a str) -> Self {
        let parts = || {
            let (name, inner) =
                segment.strip_suffix(']')?.split_once('[').filter(|(name, _)| !name.is_empty())?;
            let coordinates = inner.split(',').map(|coordinate| {
                let (axis, value) = coordinate.split_once('=')?;
                let fits = |text: &str| !text.is_empty() && !text.contains(['[', ']', '=']);
                (fits(axis) && fits(value)).then(|| Some((unescaped(axis)?, unescaped(value)?)))?
            });
            Some(Self { name, coordinates: coordinates.collect::<Option<_>>()? })
        };
        parts().unwrap_or(Self { name: segment, coordinates: Vec::new() })
    }
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty() && segment != "." && segment != ".." && !segment.chars().any(char::is_control)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() || matches!(char, '%' | '/' | '[' | ']' | ',' | '=') {
            let mut bytes = [0; 4];
            char.encode_utf8(&mut bytes).bytes().for_each(|byte| {
                let _ = write!(escaped, "%{byte:02X}");
            });
        } else {
            escaped.push(char);
        }
    }
    escaped
}

/// `None` when the text is not what [`escaped`] makes.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            plain => *plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// A text as part of a file name: letters, digits, `-`, `_` and inner dots stay, every other byte is `%XX`.
pub(crate) fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && index > 0);
        if plain {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

/// FNV-1a, 128 bit: stable across versions, which a file name needs and `std`'s hasher does not promise.
fn fnv128(bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

impl Ord for StepPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for StepPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepPath {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl TryFrom<String> for StepPath {
    type Error = InvalidStepPath;

    /// For records: only what cannot be a path of any version is refused.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() > Self::LONGEST {
            Err(InvalidStepPath::TooLong(text.len()))
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl Serialize for StepPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(text: &str) -> Vec<(String, Vec<String>)> {
        let path = StepPath::from(text);
        let shape = path.segments().map(|segment| {
            let coordinates = segment.coordinates.iter().map(|(axis, value)| format!("{axis}: {value}"));
            (segment.name.to_owned(), coordinates.collect())
        });
        shape.collect()
    }

    fn plain(names: &[&str]) -> Vec<(String, Vec<String>)> {
        names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect()
    }

    #[test]
    fn names_of_a_file_are_paths_of_one_segment() {
        for name in [
            "build",
            "Größe ok",
            "a[b]",
            "a[",
            "[x=1]",
            "a[x]",
            "a[=1]",
            "a[x=]",
            "a[x=1]b",
            "50%",
            "a[x=%Z]",
        ] {
            assert_eq!(shape(name), plain(&[name]), "{name}");
            let path = StepPath::parse(name).unwrap();
            assert_eq!(serde_json::to_string(&path).unwrap(), serde_json::to_string(name).unwrap());
            assert_eq!((path.to_string().as_str(), path.parent()), (name, None));
        }
    }

    #[test]
    fn a_path_has_segments_and_coordinates() {
        let path =
            StepPath::from("release").join(&"build".into()).variant([("os", "linux"), ("path", "a/b,=[]%")]);
        assert_eq!(path.as_str(), "release/build[os=linux,path=a%2Fb%2C%3D%5B%5D%25]");
        let last = ("build".to_owned(), vec!["os: linux".to_owned(), "path: a/b,=[]%".to_owned()]);
        assert_eq!(shape(path.as_str()), [("release".to_owned(), Vec::new()), last]);
        assert_eq!(path.parent(), Some("release".into()));
        assert_eq!(StepPath::from("a[x=1]/b").parent(), Some("a[x=1]".into()));
        assert_eq!(StepPath::from("a").variant([]).as_str(), "a");
    }

    #[test]
    fn a_text_without_form_is_one_segment_and_no_path_from_outside() {
        let deep = "a/".repeat(StepPath::DEEPEST) + "a";
        let long = "x".repeat(StepPath::LONGEST + 1);
        for text in ["", "a//b", "/a", "a/", "../a", "a/..", "a/./b", "a\nb", "a/\u{9b}", &deep, &long] {
            assert!(StepPath::parse(text).is_err(), "{text:?}");
            assert_eq!(shape(text), plain(&[text]));
            assert_eq!(StepPath::from(text).parent(), None);
        }
        let said = StepPath::parse("a/\u{1b}[2J").unwrap_err().to_string();
        assert_eq!(said, "`\\u{1b}[2J` cannot be a segment of the path of a step");
    }

    #[test]
    fn a_record_may_have_any_text_of_a_sane_length() {
        let read = |text: &str| serde_json::from_value::<StepPath>(text.into());
        for text in ["", "a//b", "\u{1b}[2J", &"x".repeat(StepPath::LONGEST)] {
            assert_eq!(read(text).unwrap().as_str(), text);
        }
        let error = read(&"x".repeat(StepPath::LONGEST + 1)).unwrap_err().to_string();
        assert!(error.contains("at most 4096"), "{error}");
    }

    #[test]
    fn what_is_below_a_step_follows_it() {
        let mut paths =
            ["a/b", "a-x", "b", "a", "a/a/c", "a[x=1]", "a/a", "a.b", "a[x=1]/b"].map(StepPath::from);
        paths.sort();
        let sorted = paths.each_ref().map(StepPath::as_str);
        assert_eq!(sorted, ["a", "a/a", "a/a/c", "a/b", "a-x", "a.b", "a[x=1]", "a[x=1]/b", "b"]);
    }

    #[test]
    fn a_path_is_the_name_of_one_directory() {
        let segment = |name: &str| StepPath::from(name).path_segment();
        assert_eq!(segment("build-1_a.b"), "build-1_a.b");
        assert_eq!(segment("Größe ok"), "Gr%C3%B6%C3%9Fe%20ok");
        assert_eq!(segment(".."), "%2E.");
        assert_eq!(segment("release/build[os=linux]"), "release%2Fbuild%5Bos%3Dlinux%5D");
        assert!(segment(&"ü".repeat(300)).len() < 255);
    }

    proptest! {
        #[test]
        fn different_paths_give_different_directories(a in ".{0,80}", b in ".{0,80}") {
            prop_assume!(a != b);
            let (a, b) = (StepPath::new(a), StepPath::new(b));
            prop_assert_ne!(a.cmp(&b), Ordering::Equal);
            let (a, b) = (a.path_segment(), b.path_segment());
            prop_assert_ne!(&a, &b);
            prop_assert!(!a.contains('/') && a != ".." && a != ".");
        }

        #[test]
        fn a_variant_has_the_coordinates_it_was_given(
            name in "[a-z./\\[\\]=%]{1,12}",
            coordinates in proptest::collection::vec((".{1,8}", ".{1,8}"), 1..4),
        ) {
            prop_assume!(StepPath::parse(&name).is_ok());
            let given = coordinates.iter().map(|(axis, value)| (axis.as_str(), value.as_str()));
            let path = StepPath::new(name.clone()).variant(given);
            let path = StepPath::parse(path.as_str()).unwrap();
            let last = path.segments().last().unwrap();
            let found: Vec<_> =
                last.coordinates.iter().map(|(axis, value)| (axis.to_string(), value.to_string())).collect();
            let bare = name.rsplit('/').next().is_some_and(|last| !last.contains(['[', ']']));
            prop_assert!(!bare || found == coordinates, "{path}");
        }

        #[test]
        fn whatever_the_text_it_comes_back(text in "(?s).{0,60}") {
            let path = StepPath::new(text.clone());
            let json = serde_json::to_string(&path).unwrap();
            prop_assert_eq!(serde_json::from_str::<StepPath>(&json).unwrap(), path.clone());
            prop_assert!(path.segments().count() >= 1);
            let _ = (path.parent(), path.path_segment());
        }
    }
}
