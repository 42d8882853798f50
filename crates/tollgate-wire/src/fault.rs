//! Errors in providers' bodies, whatever their shape.

use serde::{
    Deserialize,
    de::{
        Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::MapAccessDeserializer,
    },
};

use crate::{
    lenient::{Many, Text, absent, expects_anything},
    tap::{ERROR_MESSAGE_BYTES_MAX, ProviderError},
};

/// The value of an `error` member: an object, or just a text (Ollama).
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault<'a>(pub(crate) Option<FaultParts<'a>>);

/// The members of an error object that any provider uses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FaultParts<'a> {
    #[serde(borrow)]
    pub(crate) message: Text<'a>,
    #[serde(borrow)]
    pub(crate) r#type: Text<'a>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    #[serde(borrow)]
    pub(crate) code: Text<'a>,
}

impl FaultParts<'_> {
    pub(crate) fn told(&self) -> ProviderError {
        let kind = self.status.filled().or(self.r#type.filled()).or(self.code.filled());
        ProviderError {
            message: cut(self.message.filled().or(kind).unwrap_or_default()),
            kind: kind.map(cut),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fault<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read<'a>(std::marker::PhantomData<&'a str>);
        impl<'de: 'a, 'a> Visitor<'de> for Read<'a> {
            type Value = Fault<'a>;
            expects_anything!();
            absent!(bool number null list);

            fn visit_str<E: Error>(self, text: &str) -> Result<Fault<'a>, E> {
                let message = Text(Some(text.to_owned().into()));
                Ok(Fault(Some(FaultParts { message, ..FaultParts::default() })))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fault<'a>, A::Error> {
                FaultParts::deserialize(MapAccessDeserializer::new(map)).map(|it| Fault(Some(it)))
            }
        }
        source.deserialize_any(Read(std::marker::PhantomData))
    }
}

/// A body sent with an error status.
#[derive(Default, Deserialize)]
#[serde(default)]
struct FailedBody<'a> {
    #[serde(borrow)]
    error: Fault<'a>,
    #[serde(borrow, alias = "Message")]
    message: Text<'a>,
    #[serde(borrow)]
    detail: Text<'a>,
    #[serde(borrow)]
    r#type: Text<'a>,
    /// Amazon's, with a name space in front (`com.amazon.coral.service#…`).
    #[serde(borrow)]
    __type: Text<'a>,
    #[serde(borrow)]
    code: Text<'a>,
}

/// What a body sent with an error status says: any JSON shape in use, else a page's title or the
/// first line of text; `None` when it is empty.
pub(crate) fn read_failed_body(body: &[u8]) -> Option<ProviderError> {
    let first = body.iter().find(|it| !it.is_ascii_whitespace())?;
    let parsed = match first {
        b'[' => {
            let list = serde_json::from_slice::<Many<FailedBody<'_>>>(body).ok();
            list.and_then(|it| it.0.into_iter().next())
        }
        b'{' => serde_json::from_slice(body).ok(),
        _ => None,
    };
    let Some(FailedBody { error, message, detail, r#type, __type, code }) = parsed else {
        let text = String::from_utf8_lossy(body);
        let line =
            title(&text).or_else(|| text.lines().map(str::trim).find(|it| !it.is_empty()))?;
        return Some(ProviderError { message: cut(line), kind: None });
    };
    let parts = error.0.unwrap_or_else(|| {
        let message = if message.filled().is_some() { message } else { detail };
        let spaced = __type.filled().map(|it| it.rsplit('#').next().unwrap_or(it).to_owned());
        let r#type = spaced.map_or(r#type, |it| Text(Some(it.into())));
        FaultParts { message, r#type, status: Text::default(), code }
    });
    Some(parts.told())
}

/// The title of a web page, as proxies before the provider send it.
fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    rest.split_once("</title>").map(|(title, _)| title.trim()).filter(|it| !it.is_empty())
}

/// The text, cut at a character's border so that it fits the limit.
pub(crate) fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX);
    text.get(..end).unwrap_or_default().to_owned()
}
