//! Reading requests leniently, as the real APIs do.

use serde_json::Value;

use crate::rules::count_tokens;

/// Tokens of a value's compact JSON.
pub(crate) fn json_tokens(value: &Value) -> u64 {
    count_tokens(&value.to_string())
}

/// The text of a message's content: a string, or a list of parts some of which have a `text`.
pub(crate) fn text_of(content: &Value) -> String {
    let parts = items(content).filter_map(|it| it["text"].as_str());
    content.as_str().into_iter().chain(parts).collect()
}

/// How many parts of a message's content are not text: images, files, sounds.
pub(crate) fn images_of(content: &Value) -> u64 {
    let parts = content.as_array().into_iter().flatten();
    let images = parts.filter(|it| it["text"].is_null()).count();
    u64::try_from(images).unwrap_or(u64::MAX)
}

/// The strings of a list of strings.
pub(crate) fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// A field under its name in camel case or in snake case: Gemini takes both.
pub(crate) fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    let camel = &value[camel];
    if camel.is_null() { &value[snake] } else { camel }
}

/// The items of a list, and none of anything else.
pub(crate) fn items(list: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
