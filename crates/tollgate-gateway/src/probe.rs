//! Which models a provider has, asked for apart from calls: nothing of it is settled or billed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    Gateway,
    auth::Credential,
    destination::{Destination, Query},
    headers::{self, Carried, Framing, Outbound, PlainAnswer},
    upstream::SendError,
};

/// The longest list of models that is read: the longest known has 1.5 MB.
pub(crate) const MODELS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a provider did not tell its models.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// There is no such provider, or it cannot be called now.
    #[error("the provider cannot be called")]
    NotThere,
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
        let (way, query) = destination.models_way().ok_or(ProbeError::NotThere)?;
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
        names(&body).ok_or(ProbeError::NotAList)
    }
}

/// The names in a list of models: OpenAI's and Anthropic's `data`, Gemini's and Cohere's `models`, or
/// a list alone.
fn names(body: &[u8]) -> Option<Vec<String>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let list = answer.get("data").or_else(|| answer.get("models")).unwrap_or(&answer);
    let name = |it: &Value| {
        let name = it.get("id").or_else(|| it.get("name")).and_then(Value::as_str)?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    Some(list.as_array()?.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_a_list_of_models_is_read() {
        let check = |body: &str, expected: Option<&[&str]>| {
            let found = names(body.as_bytes());
            let found = found.as_ref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(found.as_deref(), expected, "{body}");
        };
        check(r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#, Some(&["a", "b"]));
        check(r#"{"models":[{"name":"models/gemini-2.5-pro"}]}"#, Some(&["gemini-2.5-pro"]));
        check(r#"[{"id":"a"},{"no":"name"}]"#, Some(&["a"]));
        check(r#"{"data":[]}"#, Some(&[]));
        check(r#"{"data":{}}"#, None);
        check("<html>", None);
        check("3", None);
    }
}
