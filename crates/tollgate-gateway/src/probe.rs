//! Which models a provider has, asked for apart from calls: nothing of it is settled or billed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use serde_json::Value;
use tokio::time::timeout;
use tollgate_wire::translate::model_in_path;

use crate::{
    Gateway,
    auth::Credential,
    destination::{Destination, Query, Way},
    headers::{self, Carried, Framing, Outbound, PlainAnswer},
    upstream::SendError,
};

/// The longest list of models that is read: the longest known has 1.5 MB.
pub(crate) const MODELS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most pages of a list that are read, each of a hundred models or more; what follows is not
/// listed.
pub(crate) const LIST_PAGES_MAX: usize = 20;

/// Why a provider did not tell its models.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// There is no such provider, or it cannot be called now.
    #[error("the provider cannot be called")]
    NotThere,
    /// It has no list of the models that can be called.
    #[error("it has no list of its models")]
    NoList,
    /// It wants a credential, and none is configured.
    #[error("no credential is configured")]
    NoCredential,
    /// No token could be got, or the request could not be signed.
    #[error("{0}")]
    NotSigned(String),
    /// There is no connection.
    #[error("{0}")]
    Unreachable(String),
    /// The certificate or the handshake was not accepted.
    #[error("{0}")]
    Tls(String),
    /// It answered with this status.
    #[error("HTTP {0}")]
    Refused(u16),
    /// What it answered is no list of models.
    #[error("the answer is no list of models")]
    NotAList,
}

impl Gateway {
    /// Asks a provider which models it has, by the names that it gives them. Takes at most `within`.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn models_of(
        &self,
        provider: &str,
        within: Duration,
    ) -> Result<Vec<String>, ProbeError> {
        let destination = self.routes.load().destination(provider).ok_or(ProbeError::NotThere)?;
        self.models_at(&destination, within).await
    }

    /// The same of a provider at hand.
    pub(crate) async fn models_at(
        &self,
        destination: &Arc<Destination>,
        within: Duration,
    ) -> Result<Vec<String>, ProbeError> {
        let late =
            || ProbeError::Unreachable(format!("no answer within {} ms", within.as_millis()));
        timeout(within, self.ask_models(destination)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn ask_models(&self, destination: &Arc<Destination>) -> Result<Vec<String>, ProbeError> {
        let lists = destination.lists();
        if lists.is_empty() {
            return Err(ProbeError::NoList);
        }
        let mut models = Vec::new();
        for (way, query) in lists {
            let mut page = self.ask_list(&way, query.as_deref()).await?;
            models.append(&mut page.models);
            for _ in 1..LIST_PAGES_MAX {
                let Some(token) = page.next.take() else { break };
                let begun = query.iter().map(|it| format!("{it}&")).collect::<String>();
                let query = format!("{begun}pageToken={}", model_in_path(&token));
                page = self.ask_list(&way, Some(&query)).await?;
                models.append(&mut page.models);
            }
        }
        Ok(models)
    }

    /// Asks for one page of a list.
    async fn ask_list(&self, way: &Way, query: Option<&str>) -> Result<Page, ProbeError> {
        let destination = &way.destination;
        let credential =
            Credential::withheld(destination, None).map_err(|_| ProbeError::NoCredential)?;
        let outbound = Outbound {
            destination,
            credential: &credential,
            carried: Carried::All,
            ruled: &[],
            framing: Framing::AsItComes,
            plain_answer: PlainAnswer::AsAsked,
        };
        let (mut head, ()) = Request::new(()).into_parts();
        let nothing = Uri::from_static("/");
        head.uri =
            way.uri(&nothing, Query::Other(query), None).map_err(|_| ProbeError::NotThere)?;
        head.headers = headers::for_provider(&HeaderMap::new(), outbound);
        head.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(signer) = &destination.signer {
            let now = self.config.clock.now();
            let signed = signer.sign(&self.upstream, now, &mut head, &Bytes::new()).await;
            signed.map_err(|it| ProbeError::NotSigned(it.to_string()))?;
        }
        let request = Request::from_parts(head, Either::Left(Full::new(Bytes::new())));
        let answer = self.upstream.send(request).await.map_err(|error| match error {
            SendError::Tls(_) => ProbeError::Tls(error.to_string()),
            SendError::Unreachable(_)
            | SendError::Timeout(_)
            | SendError::Silent(_)
            | SendError::Broke { .. } => ProbeError::Unreachable(error.to_string()),
        })?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ProbeError::Refused(status.as_u16()));
        }
        let body = Limited::new(answer.into_body(), MODELS_BYTES_MAX).collect().await;
        let body = body.map_err(|_| ProbeError::NotAList)?.to_bytes();
        page(&body).ok_or(ProbeError::NotAList)
    }
}

/// One page of a list of models.
struct Page {
    /// By the names that the provider gives them.
    models: Vec<String>,
    /// What Google's next page is asked for by.
    next: Option<String>,
}

/// Where lists of models stand in answers, and the member that names each: those of OpenAI and
/// Anthropic, Gemini and Cohere, Vertex AI, Bedrock, and Cloudflare.
const SHAPES: [(&str, &[&str]); 6] = [
    ("data", &["id", "name"]),
    ("models", &["id", "name"]),
    ("publisherModels", &["name"]),
    ("modelSummaries", &["modelId"]),
    ("inferenceProfileSummaries", &["inferenceProfileId"]),
    ("result", &["name"]),
];

/// Reads a list of models in any known shape, or a list alone.
fn page(body: &[u8]) -> Option<Page> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let shape = SHAPES.iter().find_map(|(member, names)| Some((answer.get(member)?, *names)));
    let (list, names) = shape.unwrap_or((&answer, &["id", "name"]));
    let name = |it: &Value| {
        let name = names.iter().find_map(|name| it.get(*name)?.as_str())?;
        // Google's have a path before them.
        let google = name.starts_with("models/") || name.starts_with("publishers/");
        let end = name.rsplit_once("models/").filter(|_| google).map(|(_, end)| end);
        Some(end.unwrap_or(name).to_owned())
    };
    let models = list.as_array()?.iter().filter_map(name).collect();
    let next = answer.get("nextPageToken").and_then(Value::as_str).filter(|it| !it.is_empty());
    Some(Page { models, next: next.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_a_list_of_models_is_read() {
        let check = |body: &str, expected: Option<&[&str]>| {
            let found = page(body.as_bytes()).map(|it| it.models);
            let found = found.as_ref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(found.as_deref(), expected, "{body}");
        };
        check(r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#, Some(&["a", "b"]));
        check(r#"{"models":[{"name":"models/gemini-2.5-pro"}]}"#, Some(&["gemini-2.5-pro"]));
        check(r#"[{"id":"a"},{"no":"name"}]"#, Some(&["a"]));
        let vertex =
            r#"{"publisherModels":[{"name":"publishers/anthropic/models/claude-opus-5"}]}"#;
        check(vertex, Some(&["claude-opus-5"]));
        check(
            r#"{"modelSummaries":[{"modelId":"amazon.nova-lite-v1:0","modelName":"Nova"}]}"#,
            Some(&["amazon.nova-lite-v1:0"]),
        );
        let profiles = r#"{"inferenceProfileSummaries":[{"inferenceProfileId":"eu.a.b","inferenceProfileName":"B"}]}"#;
        check(profiles, Some(&["eu.a.b"]));
        check(
            r#"{"success":true,"result":[{"id":"0f2c","name":"@cf/meta/llama-3"}]}"#,
            Some(&["@cf/meta/llama-3"]),
        );
        // A name may itself have such a part.
        check(r#"{"data":[{"id":"accounts/x/models/m"}]}"#, Some(&["accounts/x/models/m"]));
        check(r#"{"data":[]}"#, Some(&[]));
        check(r#"{"data":{}}"#, None);
        check("<html>", None);
        check("3", None);
    }
}
