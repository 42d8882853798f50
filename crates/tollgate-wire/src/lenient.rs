//! Values read from other people's JSON: a member of the wrong type is as good as absent and never
//! spoils the rest of the body.

use std::{borrow::Cow, marker::PhantomData};

use serde::de::{
    Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
    value::MapAccessDeserializer,
};
use serde_json::value::RawValue;

/// A count of something; absent unless it is a whole number from 0 to 2⁶⁴-1 (`7`, `7.0`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) Option<u64>);

/// A string; absent when the value is anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

/// An object; absent when the value is anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

/// The objects of a list; empty when the value is anything else, and what is no object is left out.
#[derive(Clone, Debug)]
pub(crate) struct Many<T>(pub(crate) Vec<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Text<'_> {
    /// The text unless it is absent or empty.
    pub(crate) fn filled(&self) -> Option<&str> {
        self.0.as_deref().filter(|it| !it.is_empty())
    }
}

/// Implements the given kinds of value as "absent".
macro_rules! absent {
    ($($kind:ident)*) => { $(absent!(@ $kind);)* };
    (@ bool) => { fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ number) => {
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> { Ok(Default::default()) }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> { Ok(Default::default()) }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> { Ok(Default::default()) }
    };
    (@ text) => { fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ null) => { fn visit_unit<E: Error>(self) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ list) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
    (@ object) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
}
pub(crate) use absent;

/// The visitor's word for what it expects; never shown, because nothing is refused.
macro_rules! expects_anything {
    () => {
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("any value")
        }
    };
}
pub(crate) use expects_anything;

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Count;
            expects_anything!();
            absent!(bool text null list object);

            fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count(Some(value)))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(value).ok()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Count, E> {
                Ok(Count(whole(value)))
            }
        }
        source.deserialize_any(Read)
    }
}

/// The number without its fraction, if it has none and fits.
fn whole(value: f64) -> Option<u64> {
    let text = format!("{value:.0}");
    text.parse().ok().filter(|_| value.fract() == 0.0)
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read<'a>(PhantomData<&'a str>);
        impl<'de: 'a, 'a> Visitor<'de> for Read<'a> {
            type Value = Text<'a>;
            expects_anything!();
            absent!(bool number null list object);

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }
        }
        source.deserialize_any(Read(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Maybe<T>;
            expects_anything!();
            absent!(bool number text null list);

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Maybe<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|it| Maybe(Some(it)))
            }
        }
        source.deserialize_any(Read(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Many<T>;
            expects_anything!();
            absent!(bool number text null object);

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Many<T>, A::Error> {
                let mut objects = Vec::new();
                while let Some(Maybe(object)) = seq.next_element()? {
                    objects.extend(object);
                }
                Ok(Many(objects))
            }
        }
        source.deserialize_any(Read(PhantomData))
    }
}

/// A number with a fraction, exactly the nearest to what was written; absent when the value is
/// anything else. JSON has no infinity, for which some write a text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Decimal(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        // Reading the digits is exact, where `serde_json` is exact only nearly.
        let written = <&RawValue>::deserialize(source)?.get();
        if written == r#""-Infinity""# {
            return Ok(Self(Some(f64::NEG_INFINITY)));
        }
        Ok(Self(written.parse().ok().filter(|it: &f64| it.is_finite())))
    }
}

/// A list of bytes as numbers; absent when the value is anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Option<Vec<u8>>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Bytes;
            expects_anything!();
            absent!(bool number text null object);

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Some(Vec::new());
                while let Some(Count(byte)) = seq.next_element()? {
                    let byte = byte.and_then(|it| u8::try_from(it).ok());
                    bytes = bytes.zip(byte).map(|(mut held, byte)| {
                        held.push(byte);
                        held
                    });
                }
                Ok(Bytes(bytes))
            }
        }
        source.deserialize_any(Read)
    }
}

/// A list of texts: how many of them are not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) filled: u64,
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Texts;
            expects_anything!();
            absent!(bool number text null object);

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut filled = 0;
                while let Some(text) = seq.next_element::<Text<'de>>()? {
                    filled += u64::from(text.filled().is_some());
                }
                Ok(Texts { filled })
            }
        }
        source.deserialize_any(Read)
    }
}

/// Whether there is something in the value: a text, list or object that is not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled(pub(crate) bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Filled;
            expects_anything!();
            absent!(bool number null);

            fn visit_str<E: Error>(self, text: &str) -> Result<Filled, E> {
                Ok(Filled(!text.is_empty()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Filled, A::Error> {
                let mut filled = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    filled = true;
                }
                Ok(Filled(filled))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filled, A::Error> {
                let mut filled = false;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    filled = true;
                }
                Ok(Filled(filled))
            }
        }
        source.deserialize_any(Read)
    }
}
