//! What a request is, told from its method, path, query and the names of its headers.

use std::borrow::Cow;

use tollgate_core::{Format, Operation};

/// The head of a request, as far as routing looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The HTTP method in capitals.
    pub method: &'a str,
    /// The path, percent-encoded as sent, without the query.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: Option<&'a str>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The format that the body has, and that errors are told in.
    pub format: Format,
    /// What is asked for.
    pub operation: Operation,
    /// The model, where the path names it (Gemini, Bedrock, `/v1/models/{id}`), percent-decoded.
    pub model_in_path: Option<String>,
    /// Whether the answer streams, where the path says so (Gemini, Bedrock); else the body does.
    pub streaming_in_path: Option<bool>,
}

impl Route {
    const fn new(format: Format, operation: Operation) -> Self {
        Self { format, operation, model_in_path: None, streaming_in_path: None }
    }
}

/// Routes a request to one of the gateway's own paths (`/v1/…`, `/v1beta/…`). `has_header` is asked
/// with lower-case names. `None`: no format has such a path.
///
/// `/v1/…` is shared: `/v1/models` and every path that no format claims belong to Gemini when the
/// request carries `x-goog-api-key` or `key=`, to Anthropic when it carries `anthropic-version` or
/// `x-api-key`, else to OpenAI (as [`Format::OpenaiEmbeddings`]).
#[must_use]
pub fn detect(request: Inbound<'_>, has_header: impl Fn(&str) -> bool) -> Option<Route> {
    let path = request.path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let (version, rest) = path.split_once('/')?;
    let rest = Rest::of(rest);
    match version {
        "v1" => Some(claimed(request, &rest).unwrap_or_else(|| {
            let format = family(request.query, has_header);
            listing(format, request.method, &rest)
        })),
        "v1beta" | "v1alpha" => Some(
            gemini_call(request.method, &rest)
                .unwrap_or_else(|| listing(Format::Gemini, request.method, &rest)),
        ),
        "upload" => {
            let gemini = rest.is("v1beta") || rest.starts("v1beta") || rest.starts("v1alpha");
            gemini.then(|| Route::new(Format::Gemini, Operation::Other))
        }
        _ => None,
    }
}

/// Routes a request that names its provider (`/p/<provider>` already taken off) by the end of its
/// path, whatever stands before it: `/openai/v1/chat/completions`, `/anthropic/v1/messages`,
/// `/openai/deployments/d/chat/completions`. `None`: a path to pass through without a format.
#[must_use]
pub fn detect_suffix(request: Inbound<'_>, has_header: impl Fn(&str) -> bool) -> Option<Route> {
    let path = request.path.trim_matches('/');
    if path.split('/').any(|it| it == "threads") {
        // OpenAI's assistants have `threads/{id}/messages`, which are not Anthropic's.
        return Some(Route::new(Format::OpenaiEmbeddings, Operation::Other));
    }
    let starts = path.match_indices('/').map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).find_map(|start| {
        let rest = Rest::of(path.get(start..)?);
        let call = claimed(request, &rest).or_else(|| outbound(request, &rest));
        call.or_else(|| {
            let models = rest.is("models") || (rest.starts("models") && rest.count() == 2);
            let format = models.then(|| family(request.query, &has_header))?;
            Some(listing(format, request.method, &rest))
        })
    })
}

/// A path as segments.
struct Rest<'a>(Vec<&'a str>);

impl<'a> Rest<'a> {
    fn of(path: &'a str) -> Self {
        Self(path.split('/').collect())
    }

    fn is(&self, path: &str) -> bool {
        self.0.iter().copied().eq(path.split('/'))
    }

    fn starts(&self, first: &str) -> bool {
        self.count() > 1 && self.0.first() == Some(&first)
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn after_first(&self) -> String {
        self.0.get(1..).unwrap_or_default().join("/")
    }
}

/// The paths that belong to one format whoever sends them.
fn claimed(request: Inbound<'_>, rest: &Rest<'_>) -> Option<Route> {
    use Format::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings, OpenaiResponses};
    use Operation::{CountTokens, Embed, Generate, Other};
    let posts = request.method == "POST";
    let when_posted = |operation| if posts { operation } else { Other };
    let (format, operation) = if rest.is("chat/completions") || rest.is("completions") {
        (OpenaiChat, when_posted(Generate))
    } else if rest.starts("chat") && rest.0.get(1) == Some(&"completions") {
        (OpenaiChat, Other)
    } else if rest.is("responses") || rest.is("responses/compact") {
        (OpenaiResponses, when_posted(Generate))
    } else if rest.is("responses/input_tokens") {
        (OpenaiResponses, when_posted(CountTokens))
    } else if rest.starts("responses") {
        (OpenaiResponses, Other)
    } else if rest.is("embeddings") {
        (OpenaiEmbeddings, when_posted(Embed))
    } else if rest.is("messages") {
        (AnthropicMessages, when_posted(Generate))
    } else if rest.is("messages/count_tokens") {
        (AnthropicMessages, when_posted(CountTokens))
    } else if rest.starts("messages") {
        (AnthropicMessages, Other)
    } else {
        return gemini_call(request.method, rest);
    };
    Some(Route::new(format, operation))
}

/// The paths of formats that no client of the gateway's own paths speaks.
fn outbound(request: Inbound<'_>, rest: &Rest<'_>) -> Option<Route> {
    let posts = request.method == "POST";
    let embed = if posts { Operation::Embed } else { Operation::Other };
    if rest.is("v2/embed") {
        Some(Route::new(Format::CohereEmbed, embed))
    } else if rest.is("api/embed") {
        Some(Route::new(Format::OllamaEmbed, embed))
    } else {
        raw_predict(posts, rest).or_else(|| bedrock_call(posts, rest))
    }
}

/// `publishers/anthropic/models/{model}:{method}` of Vertex AI.
fn raw_predict(posts: bool, rest: &Rest<'_>) -> Option<Route> {
    let ["publishers", "anthropic", "models", call] = rest.0.as_slice() else { return None };
    let call = percent_decoded(call);
    let (model, verb) = call.rsplit_once(':')?;
    let streaming = match verb {
        "rawPredict" => false,
        "streamRawPredict" => true,
        _ => return None,
    };
    let (operation, model) = match model {
        "count-tokens" => (Operation::CountTokens, None),
        model => (Operation::Generate, Some(model.to_owned())),
    };
    Some(Route {
        format: Format::AnthropicMessages,
        operation: if posts { operation } else { Operation::Other },
        model_in_path: model,
        streaming_in_path: Some(streaming),
    })
}

/// `model/{model}/{operation}`. Clients encode a model's name, but an ARN's slash need not be.
fn bedrock_call(posts: bool, rest: &Rest<'_>) -> Option<Route> {
    let [first, model @ .., operation] = rest.0.as_slice() else { return None };
    if *first != "model" || model.is_empty() {
        return None;
    }
    let (operation, streaming) = match *operation {
        "converse" => (Operation::Generate, Some(false)),
        "converse-stream" => (Operation::Generate, Some(true)),
        "count-tokens" => (Operation::CountTokens, Some(false)),
        "invoke" | "invoke-with-response-stream" | "invoke-with-bidirectional-stream" => {
            (Operation::Other, None)
        }
        _ => return None,
    };
    Some(Route {
        format: Format::BedrockConverse,
        operation: if posts { operation } else { Operation::Other },
        model_in_path: Some(percent_decoded(&model.join("/")).into_owned()),
        streaming_in_path: streaming,
    })
}

/// `models/{model}:{method}`, and the same below `tunedModels`.
fn gemini_call(method: &str, rest: &Rest<'_>) -> Option<Route> {
    let owner = rest.starts("models") || rest.starts("tunedModels");
    let tail = owner.then(|| rest.after_first())?;
    let (model, verb) = percent_decoded(&tail)
        .rsplit_once(':')
        .map(|(model, verb)| (model.to_owned(), verb.to_owned()))?;
    let (operation, streaming) = match verb.as_str() {
        "generateContent" => (Operation::Generate, Some(false)),
        "streamGenerateContent" => (Operation::Generate, Some(true)),
        "countTokens" => (Operation::CountTokens, Some(false)),
        "embedContent" | "batchEmbedContents" => (Operation::Embed, Some(false)),
        // An OpenAI fine-tune has colons in its name too (`ft:gpt-4o:acme::id`).
        _ if method == "POST" => (Operation::Other, None),
        _ => return None,
    };
    let operation = if method == "POST" { operation } else { Operation::Other };
    Some(Route {
        format: Format::Gemini,
        operation,
        model_in_path: Some(model),
        streaming_in_path: streaming,
    })
}

/// `models`, `models/{id}`, and everything else a format serves.
fn listing(format: Format, method: &str, rest: &Rest<'_>) -> Route {
    let reads = method == "GET";
    if reads && rest.is("models") {
        return Route::new(format, Operation::ListModels);
    }
    if rest.starts("models") {
        let operation = if reads { Operation::ListModels } else { Operation::Other };
        let model = percent_decoded(&rest.after_first()).into_owned();
        return Route { model_in_path: Some(model), ..Route::new(format, operation) };
    }
    Route::new(format, Operation::Other)
}

/// Whose paths a request means, told by how it carries its key.
fn family(query: Option<&str>, has_header: impl Fn(&str) -> bool) -> Format {
    let key = |query: &str| query.split('&').any(|it| it.starts_with("key="));
    if has_header("x-goog-api-key") || query.is_some_and(key) {
        Format::Gemini
    } else if has_header("anthropic-version") || has_header("x-api-key") {
        Format::AnthropicMessages
    } else {
        Format::OpenaiEmbeddings
    }
}

/// The text with `%XX` undone; unchanged where that is not UTF-8.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, coded)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        match coded.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = coded.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = coded;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests;
