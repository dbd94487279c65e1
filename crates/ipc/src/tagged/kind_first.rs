//! Objects whose tag comes first, read without keeping their fields in between.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};

/// The field that says of which kind an object is.
const TAG: &str = "type";

/// Decodes an object tagged by `type`, as [`decode_tagged`](crate::decode_tagged) does, where there are very many of them.
///
/// `K` reads a kind: an enum that is derived without a tag, with a variant for each of `known`. An object that begins with
/// its tag, as all that are written here do, is read in one go; one that has it elsewhere is kept as a tree first.
///
/// # Errors
/// When the value is not an object with a string `type`, or a known kind has wrong fields.
pub fn decode_kind_first<'de, K, T, D>(
    deserializer: D,
    known: &'static [&'static str],
    unknown: impl FnOnce(String) -> T,
) -> Result<T, D::Error>
where
    K: Deserialize<'de> + Into<T>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Tagged { known, unknown, kind: PhantomData::<fn() -> K> })
}

struct Tagged<K, F> {
    known: &'static [&'static str],
    unknown: F,
    kind: PhantomData<fn() -> K>,
}

impl<'de, K, T, F> Visitor<'de> for Tagged<K, F>
where
    K: Deserialize<'de> + Into<T>,
    F: FnOnce(String) -> T,
{
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with a string `{TAG}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<T, A::Error> {
        let mut kept = Map::new();
        match fields.next_key::<Text<'de>>()? {
            Some(Text(first)) if first == TAG => {
                let Text(kind) = fields.next_value()?;
                if let Some(kind) = self.known.iter().find(|known| **known == kind) {
                    return K::deserialize(Fields { kind, fields }).map(Into::into);
                }
                kept.insert(TAG.to_owned(), Value::String(kind.into_owned()));
            }
            Some(Text(first)) => {
                kept.insert(first.into_owned(), fields.next_value()?);
            }
            None => {}
        }
        while let Some((name, value)) = fields.next_entry()? {
            kept.insert(name, value);
        }
        let missing = || A::Error::custom(format_args!("expected an object with a string `{TAG}`"));
        let kind = kept.get(TAG).and_then(Value::as_str).ok_or_else(missing)?;
        let Some(kind) = self.known.iter().find(|known| **known == kind) else {
            return Ok((self.unknown)(Value::Object(kept).to_string()));
        };
        kept.remove(TAG);
        let fields = MapDeserializer::<_, serde_json::Error>::new(kept.into_iter());
        K::deserialize(Fields { kind, fields }).map(Into::into).map_err(A::Error::custom)
    }
}

/// A text, borrowed where it can be.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;

        impl<'de> Visitor<'de> for AsText {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(AsText)
    }
}

/// The fields behind a tag, as an enum of which the variant is known.
struct Fields<A> {
    kind: &'static str,
    fields: A,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Fields<A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, into: V) -> Result<V::Value, A::Error> {
        into.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Fields<A> {
    type Error = A::Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), A::Error> {
        let variant = seed.deserialize(StrDeserializer::new(self.kind))?;
        Ok((variant, self))
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Fields<A> {
    type Error = A::Error;

    fn unit_variant(mut self) -> Result<(), A::Error> {
        while self.fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        seed.deserialize(MapAccessDeserializer::new(self.fields))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _into: V) -> Result<V::Value, A::Error> {
        Err(A::Error::custom("an object has no positions"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _names: &'static [&'static str],
        into: V,
    ) -> Result<V::Value, A::Error> {
        into.visit_map(self.fields)
    }
}
