//! Lists of words that later versions may lengthen.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serialize, Serializer};

/// A word that this version does not know, as a later version or a foreign program wrote it.
///
/// Words have at most [`Word::LONGEST`] bytes, and no characters but letters, digits, spaces and `_-./:+@`, nor `::`. What
/// comes with more is cut, `…` says so, and other characters become U+FFFD: a word is printed where only our own were, so
/// it must be harmless to terminals and to CI systems that read what is printed.
///
/// The text of a word is kept once in a process, because every state and every kind has room for one: at most
/// [`Word::MOST`] of them. A word beyond those, which only an enemy sends, is `…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(&'static str);

/// What stands for a part, or for a word, that is not kept.
const CUT: &str = "…";

impl Word {
    /// Bytes that are kept.
    pub const LONGEST: usize = 62;

    /// Different words that a process keeps.
    pub const MOST: usize = 16 * 1024;

    /// Keeps `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut word = String::with_capacity(Self::LONGEST.min(text.len()));
        let (mut whole, mut before) = (0, ' ');
        for next in text.chars() {
            let harmless =
                next.is_alphanumeric() || " _-./:+@".contains(next) && (next, before) != (':', ':');
            before = next;
            let next = if harmless { next } else { '\u{fffd}' };
            if word.len() + next.len_utf8() > Self::LONGEST {
                word.truncate(whole);
                word.push_str(CUT);
                break;
            }
            word.push(next);
            if word.len() + CUT.len() <= Self::LONGEST {
                whole = word.len();
            }
        }
        Self(kept(&word))
    }

    /// Keeps an ASCII text of at most [`Word::LONGEST`] bytes without control characters.
    pub(crate) const fn ascii(text: &'static str) -> Self {
        assert!(text.len() <= Self::LONGEST, "the text is too long for a word");
        Self(text)
    }

    /// The word.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        self.0
    }
}

/// The one copy of a text that this process keeps for good.
fn kept(text: &str) -> &'static str {
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    // Nothing in here panics half-way.
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = words.get(text) {
        return known;
    }
    if words.len() >= Word::MOST {
        return CUT;
    }
    let text: &'static str = Box::leak(text.into());
    words.insert(text);
    text
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Declares an enum whose values are words, stored or sent as JSON strings.
///
/// ```
/// roboppi_ipc::value_enum! {
///     /// How it went.
///     pub enum End {
///         /// `good`: as it should.
///         Good = "good",
///         /// `bad`: not as it should.
///         Bad = "bad",
///     }
/// }
/// assert_eq!(End::from_name("good"), End::Good);
/// assert_eq!(End::from_name("strange").name(), "strange");
/// ```
///
/// A word that is not in the list becomes `Unknown` and is written back as it came, so that one new word does not make
/// the record or the message around it unreadable. Each `match` has to say what it means. `Unknown` orders before the rest.
#[macro_export]
macro_rules! value_enum {
    (
        $(#[doc = $doc:literal])+
        $vis:vis enum $name:ident {
            $( $(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            /// A word that this version does not know.
            Unknown($crate::Word),
            $( $(#[doc = $variant_doc])+ $variant, )+
        }

        impl $name {
            /// Every value this version knows, in the order of the reference.
            $vis const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Their words, in the same order.
            $vis const NAMES: [&'static str; Self::ALL.len()] = [$($word),+];

            /// The word in JSON and on screen.
            #[must_use]
            $vis const fn name(&self) -> &str {
                match self {
                    $( Self::$variant => $word, )+
                    Self::Unknown(word) => word.as_str(),
                }
            }

            /// The value of a word.
            #[must_use]
            $vis fn from_name(name: &str) -> Self {
                match name {
                    $( $word => Self::$variant, )+
                    _ => Self::Unknown($crate::Word::new(name)),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::__value::serde::Serialize for $name {
            fn serialize<S: $crate::__value::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> $crate::__value::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__value::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::__value::decode(from, Self::from_name)
            }
        }

        $crate::__value_schema! { $name [$($doc),+] $( $word [$($variant_doc),+] )+ }
    };
}

/// Whether a type has a JSON Schema is for the features of this crate to say, and not for those of the crate it is in.
#[cfg(feature = "schema")]
#[doc(hidden)]
#[macro_export]
macro_rules! __value_schema {
    ($name:ident [$($doc:literal),+] $( $word:literal [$($variant_doc:literal),+] )+) => {
        impl $crate::__value::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut $crate::__value::schemars::SchemaGenerator) -> $crate::__value::schemars::Schema {
                $crate::__value::schema(&[$($doc),+], &[$( ($word, &[$($variant_doc),+]) ),+])
            }
        }
    };
}

/// See the other one.
#[cfg(not(feature = "schema"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __value_schema {
    ($($any:tt)*) => {};
}

/// For the code [`value_enum!`] makes.
#[doc(hidden)]
pub mod __value {
    #[cfg(feature = "schema")]
    pub use schemars;
    pub use serde;

    pub use super::decode;
    #[cfg(feature = "schema")]
    pub use super::schema;
}

/// Reads a word.
///
/// # Errors
/// When it is not a string.
#[doc(hidden)]
pub fn decode<'de, D: Deserializer<'de>, T>(from: D, known: fn(&str) -> T) -> Result<T, D::Error> {
    struct Reader<T>(fn(&str) -> T);

    impl<T> Visitor<'_> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a word")
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
            Ok(self.0(word))
        }
    }

    from.deserialize_str(Reader(known))
}

/// One of the words, or another one.
#[cfg(feature = "schema")]
#[doc(hidden)]
#[must_use]
pub fn schema(doc: &[&str], words: &[(&str, &[&str])]) -> schemars::Schema {
    let text = |lines: &[&str]| lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
    let known = words
        .iter()
        .map(|(word, doc)| serde_json::json!({"type": "string", "const": word, "description": text(doc)}));
    let other = serde_json::json!({"type": "string", "description": "A value of a later version, or of another program."});
    let choices: Vec<_> = known.chain([other]).collect();
    schemars::json_schema!({"description": text(doc), "anyOf": choices})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_as_it_came() {
        let longest = "é".repeat(Word::LONGEST / 2);
        for text in ["", "parked", "SCRIBE", "two words: a/b", "überholt", &longest] {
            assert_eq!(Word::new(text).as_str(), text);
            assert_eq!(serde_json::to_value(Word::new(text)).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_word_is_cut_and_made_visible() {
        for (text, kept) in [
            ("a".repeat(63), format!("{}…", "a".repeat(59))),
            ("é".repeat(32), format!("{}…", "é".repeat(29))),
            (format!("{}é€", "a".repeat(60)), format!("{}…", "a".repeat(59))),
            ("\u{1b}[31mred\n\u{202e}".to_owned(), "\u{fffd}\u{fffd}31mred\u{fffd}\u{fffd}".to_owned()),
            ("::error::##vso[".to_owned(), ":\u{fffd}error:\u{fffd}\u{fffd}\u{fffd}vso\u{fffd}".to_owned()),
        ] {
            assert_eq!(Word::new(&text).as_str(), kept, "{text:?}");
        }
        assert_eq!(Word::new(&"a".repeat(1_000_000)), Word::new(&"a".repeat(63)));
        assert_ne!(Word::new("a"), Word::new("a "));
    }

    #[test]
    fn a_word_takes_no_room_in_a_value_and_its_text_is_there_once() {
        assert_eq!(size_of::<Option<End>>(), 3 * size_of::<usize>());
        let (one, same) = (Word::new("not known"), Word::new("not known"));
        assert!(std::ptr::eq(one.as_str(), same.as_str()));
    }

    crate::value_enum! {
        /// How it went.
        enum End {
            /// `good`.
            Good = "good",
            /// `very_bad`.
            VeryBad = "very_bad",
        }
    }

    #[test]
    fn every_word_is_read_and_written_back() {
        for (word, value) in
            [("good", End::Good), ("very_bad", End::VeryBad), ("odd", End::Unknown(Word::new("odd")))]
        {
            let text = format!("\"{word}\"");
            assert_eq!(serde_json::from_str::<End>(&text).unwrap(), value);
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!((value.name(), value.to_string()), (word, word.to_owned()));
        }
        assert_eq!((End::ALL, End::NAMES), ([End::Good, End::VeryBad], ["good", "very_bad"]));
        assert!(End::from_name("odd") < End::Good);
        for text in ["1", "null", "{\"good\":null}"] {
            assert!(serde_json::from_str::<End>(text).unwrap_err().to_string().contains("a word"));
        }
    }
}
