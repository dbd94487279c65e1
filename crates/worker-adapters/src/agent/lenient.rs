//! Fields of lines that may one day be something else.
//!
//! Functions for `#[serde(default, deserialize_with = "…")]`. A value of another type than expected counts as absent:
//! one surprising field must not cost the whole line, which may be the one that says how the agent ended.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text.
///
/// # Errors
/// Only for what is not JSON.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    deserializer.deserialize_any(Lenient::<TextOnly>::NEW)
}

/// A whole number that is not negative; one with a fraction is cut.
///
/// # Errors
/// Only for what is not JSON.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut and checked")]
    let whole = |number: f64| (number >= 0.0).then_some(number as u64);
    Ok(deserializer.deserialize_any(Lenient::<NumberOnly>::NEW)?.and_then(|number| match number {
        Number::Whole(number) => Some(number),
        Number::Fraction(number) => whole(number),
    }))
}

/// A number.
///
/// # Errors
/// Only for what is not JSON.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[expect(clippy::cast_precision_loss, reason = "nothing here is that large")]
    let float = |number: u64| number as f64;
    Ok(deserializer.deserialize_any(Lenient::<NumberOnly>::NEW)?.map(|number| match number {
        Number::Whole(number) => float(number),
        Number::Fraction(number) => number,
    }))
}

/// Whether something is `true`.
///
/// # Errors
/// Only for what is not JSON.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(deserializer.deserialize_any(Lenient::<FlagOnly>::NEW)?.unwrap_or(false))
}

/// Whether something is `true` or `false`.
///
/// # Errors
/// Only for what is not JSON.
pub fn maybe_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    deserializer.deserialize_any(Lenient::<FlagOnly>::NEW)
}

/// An object.
///
/// # Errors
/// For what is not JSON, and what the object itself does not take.
pub fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(Lenient::<ObjectOnly<T>>::NEW)
}

/// The objects in a list; anything else in it is left out.
///
/// # Errors
/// For what is not JSON, and what an object itself does not take.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(deserializer.deserialize_any(Lenient::<ListOnly<T>>::NEW)?.unwrap_or_default())
}

/// The names and objects in an object; anything else in it is left out.
///
/// # Errors
/// For what is not JSON, and what an object itself does not take.
pub fn entries<'de, D, T>(deserializer: D) -> Result<Vec<(String, T)>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(deserializer.deserialize_any(Lenient::<EntriesOnly<T>>::NEW)?.unwrap_or_default())
}

/// The texts in a list; anything else in it is left out.
///
/// # Errors
/// Only for what is not JSON.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(deserializer.deserialize_any(Lenient::<TextsOnly>::NEW)?.unwrap_or_default())
}

/// One text, or an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TextOr<'a, T> {
    /// Neither.
    #[default]
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// An object.
    Object(T),
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for TextOr<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(Lenient::<TextOrObject<T>>::NEW)? {
            None | Some(TextOr::Absent) => Self::Absent,
            Some(TextOr::Text(text)) => Self::Text(text),
            Some(TextOr::Object(object)) => Self::Object(object),
        })
    }
}

/// One text, or a list of blocks: how agents give contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content<'a, T> {
    /// Neither.
    #[default]
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// Blocks.
    Blocks(Vec<T>),
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Content<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(Lenient::<ContentOnly<T>>::NEW)? {
            None | Some(Content::Absent) => Self::Absent,
            Some(Content::Text(text)) => Self::Text(text),
            Some(Content::Blocks(blocks)) => Self::Blocks(blocks),
        })
    }
}

/// What one kind of field takes. Everything it does not take is read over.
trait Takes<'de> {
    type Value;

    fn text(_text: Cow<'de, str>) -> Option<Self::Value> {
        None
    }
    fn number(_number: Number) -> Option<Self::Value> {
        None
    }
    fn flag(_flag: bool) -> Option<Self::Value> {
        None
    }
    fn object<A: MapAccess<'de>>(map: A) -> Result<Option<Self::Value>, A::Error> {
        read_over_object(map).map(|()| None)
    }
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Option<Self::Value>, A::Error> {
        read_over_list(list).map(|()| None)
    }
}

fn read_over_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn read_over_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

enum Number {
    Whole(u64),
    Fraction(f64),
}

thread_local! {
    /// Values that were read over because they had another type than expected.
    static READ_OVER: Cell<u64> = const { Cell::new(0) };
}

/// Notices a value that is read over. Those that are taken cost nothing.
fn taken<T>(value: Option<T>) -> Option<T> {
    if value.is_none() {
        READ_OVER.set(READ_OVER.get() + 1);
    }
    value
}

/// How many values `read` finds that have another type than expected. An absent one, or `null`, is none.
#[cfg(any(test, feature = "conformance"))]
pub(crate) fn read_over(read: impl FnOnce()) -> u64 {
    let before = READ_OVER.get();
    read();
    READ_OVER.get() - before
}

struct Lenient<T>(PhantomData<T>);

impl<T> Lenient<T> {
    const NEW: Self = Self(PhantomData);
}

impl<'de, T: Takes<'de>> Visitor<'de> for Lenient<T> {
    type Value = Option<T::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(taken(T::text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(taken(T::text(Cow::Owned(text.to_owned()))))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(taken(T::text(Cow::Owned(text))))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(taken(T::flag(flag)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(taken(T::number(Number::Whole(number))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "nothing here is that large")]
        let number = u64::try_from(number).map_or(Number::Fraction(number as f64), Number::Whole);
        Ok(taken(T::number(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(taken(T::number(Number::Fraction(number))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::object(map).map(taken)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::list(list).map(taken)
    }
}

struct TextOnly;

impl<'de> Takes<'de> for TextOnly {
    type Value = Cow<'de, str>;

    fn text(text: Cow<'de, str>) -> Option<Self::Value> {
        Some(text)
    }
}

struct NumberOnly;

impl Takes<'_> for NumberOnly {
    type Value = Number;

    fn number(number: Number) -> Option<Self::Value> {
        Some(number)
    }
}

struct FlagOnly;

impl Takes<'_> for FlagOnly {
    type Value = bool;

    fn flag(flag: bool) -> Option<Self::Value> {
        Some(flag)
    }
}

struct ObjectOnly<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Takes<'de> for ObjectOnly<T> {
    type Value = T;

    fn object<A: MapAccess<'de>>(map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
    }
}

/// An element of a list that is wanted only when it is an object.
struct Element<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Element<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

struct ListOnly<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Takes<'de> for ListOnly<T> {
    type Value = Vec<T>;

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Vec<T>>, A::Error> {
        let mut found = Vec::new();
        while let Some(Element(element)) = list.next_element()? {
            found.extend(element);
        }
        Ok(Some(found))
    }
}

struct EntriesOnly<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Takes<'de> for EntriesOnly<T> {
    type Value = Vec<(String, T)>;

    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self::Value>, A::Error> {
        let mut found = Vec::new();
        while let Some((name, Element(value))) = map.next_entry::<String, Element<T>>()? {
            found.extend(value.map(|value| (name, value)));
        }
        Ok(Some(found))
    }
}

/// A text in a list, where it is one.
struct TextElement(Option<String>);

impl<'de> Deserialize<'de> for TextElement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(|text| Self(text.map(Cow::into_owned)))
    }
}

struct TextsOnly;

impl<'de> Takes<'de> for TextsOnly {
    type Value = Vec<String>;

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self::Value>, A::Error> {
        let mut found = Vec::new();
        while let Some(TextElement(text)) = list.next_element()? {
            found.extend(text);
        }
        Ok(Some(found))
    }
}

struct TextOrObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Takes<'de> for TextOrObject<T> {
    type Value = TextOr<'de, T>;

    fn text(text: Cow<'de, str>) -> Option<Self::Value> {
        Some(TextOr::Text(text))
    }

    fn object<A: MapAccess<'de>>(map: A) -> Result<Option<Self::Value>, A::Error> {
        Ok(ObjectOnly::object(map)?.map(TextOr::Object))
    }
}

struct ContentOnly<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Takes<'de> for ContentOnly<T> {
    type Value = Content<'de, T>;

    fn text(text: Cow<'de, str>) -> Option<Self::Value> {
        Some(Content::Text(text))
    }

    fn list<A: SeqAccess<'de>>(list: A) -> Result<Option<Self::Value>, A::Error> {
        Ok(ListOnly::list(list)?.map(Content::Blocks))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Line<'a> {
        #[serde(borrow, deserialize_with = "text")]
        text: Option<Cow<'a, str>>,
        #[serde(deserialize_with = "count")]
        count: Option<u64>,
        #[serde(deserialize_with = "number")]
        number: Option<f64>,
        #[serde(deserialize_with = "flag")]
        flag: bool,
        #[serde(borrow, deserialize_with = "object")]
        object: Option<Box<Line<'a>>>,
        #[serde(borrow, deserialize_with = "list")]
        list: Vec<Line<'a>>,
        #[serde(deserialize_with = "entries")]
        entries: Vec<(String, Small)>,
        #[serde(borrow)]
        content: Content<'a, Small>,
    }

    #[derive(Clone, Debug, Default, Deserialize, PartialEq)]
    struct Small {
        #[serde(default, deserialize_with = "count")]
        n: Option<u64>,
    }

    #[test]
    fn what_is_expected_is_taken() {
        let line = r#"{"text":"a","count":3,"number":0.5,"flag":true,"object":{"text":"b\n","other":[1]},
            "list":[{"count":1},7,null,{"count":2.9}],"entries":{"x":{"n":1},"y":2},"content":[{"n":5},"z"]}"#;
        let small = |n| Small { n: Some(n) };
        let expected = Line {
            text: Some("a".into()),
            count: Some(3),
            number: Some(0.5),
            flag: true,
            object: Some(Box::new(Line { text: Some("b\n".into()), ..Line::default() })),
            list: vec![
                Line { count: Some(1), ..Line::default() },
                Line { count: Some(2), ..Line::default() },
            ],
            entries: vec![("x".into(), small(1))],
            content: Content::Blocks(vec![small(5)]),
        };
        let read: Line<'_> = serde_json::from_str(line).unwrap();
        assert_eq!(read, expected);
        assert!(matches!(read.text, Some(Cow::Borrowed(_))), "not copied");
    }

    #[test]
    fn anything_else_counts_as_absent() {
        for value in ["null", "true", "-7", "1e300", "\"text\"", "[]", "[[{}]]", "{}", "{\"a\":{\"b\":[1]}}"]
        {
            let fields = ["text", "count", "number", "flag", "object", "list", "entries", "content"];
            let pairs: Vec<_> = fields.iter().map(|field| format!("\"{field}\":{value}")).collect();
            let line = format!("{{{},\"count\":4}}", pairs[2..].join(","));
            let read: Line<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!(read.count, Some(4), "{line}");
            serde_json::from_str::<Line<'_>>(&format!("{{{}}}", pairs.join(","))).unwrap();
        }
    }
}
