//! Tokens of OAuth 2.0 (RFC 6749): asked for with a form, kept until shortly before they expire.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};
use tollgate_core::UnixMs;

use super::{IDENTITY_CONNECT_TIMEOUT, SignError, TOKEN_SLACK};
use crate::upstream::Upstream;

/// The longest answer of a token server that is read: tokens have a few kilobytes.
pub(crate) const TOKEN_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What to ask a token server.
pub(super) struct Ask {
    /// Where.
    pub(super) url: Uri,
    /// What is sent there.
    pub(super) sent: Sent,
    /// Where the token is exchanged for the one that is used, if it is.
    pub(super) then: Option<Exchange>,
}

/// Where a token is exchanged for another, in Google's way for service accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Where.
    pub(super) url: Uri,
    /// What is asked for, JSON.
    pub(super) body: Bytes,
}

/// What a token server is sent.
pub(super) enum Sent {
    /// A form with these fields, and this `authorization`.
    Form(Vec<(&'static str, String)>, Option<HeaderValue>),
    /// Nothing but these headers.
    Headers(HeaderMap),
    /// JSON, with this `authorization`.
    Json(HeaderValue, Bytes),
}

/// A token as it goes into `authorization`, and until when it is good.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    good_until: Instant,
}

impl Token {
    /// The token in a server's or program's answer, which was asked for at `asked_at`.
    pub(super) fn of(answer: &Value, asked_at: Instant, now: UnixMs) -> Result<Self, &'static str> {
        let token = answer.get("access_token").or_else(|| answer.get("accessToken"));
        let token = token.and_then(Value::as_str).ok_or("the answer has no `access_token`")?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| "the token has characters that no HTTP header can carry")?;
        header.set_sensitive(true);
        // A token whose life is not told serves once.
        let lives_s = lifetime_s(answer, now).unwrap_or(0);
        Ok(Self { header, good_until: asked_at + Duration::from_secs(lives_s) })
    }
}

/// The token of one credential.
#[derive(Default)]
pub(super) struct TokenKept(Mutex<Option<Token>>);

impl TokenKept {
    /// The `authorization` header. Gets a `new` token when the one at hand ends soon; while that
    /// fails, the old one serves to its end.
    pub(super) async fn header(
        &self,
        new: impl Future<Output = Result<Token, SignError>>,
    ) -> Result<HeaderValue, SignError> {
        let mut kept = self.0.lock().await;
        let now = Instant::now();
        let old = kept.clone().filter(|it| it.good_until > now);
        if let Some(token) = &old
            && token.good_until > now + TOKEN_SLACK
        {
            return Ok(token.header.clone());
        }
        match (new.await, old) {
            (Ok(token), _) => Ok(kept.insert(token).header.clone()),
            (Err(_), Some(token)) => Ok(token.header),
            (Err(error), None) => Err(error),
        }
    }
}

/// Asks a token server.
pub(super) async fn fetch(upstream: &Upstream, now: UnixMs, ask: Ask) -> Result<Token, SignError> {
    let Ask { url, sent, then } = ask;
    let token = fetch_one(upstream, now, url, sent).await?;
    match then {
        None => Ok(token),
        Some(Exchange { url, body }) => {
            fetch_one(upstream, now, url, Sent::Json(token.header, body)).await
        }
    }
}

async fn fetch_one(
    upstream: &Upstream,
    now: UnixMs,
    url: Uri,
    sent: Sent,
) -> Result<Token, SignError> {
    let asked_at = Instant::now();
    let what = format!("get a token from `{}`", url.host().unwrap_or_default());
    let failed = |why: &str| SignError::new(&what, why);
    let (method, connect) = match &sent {
        Sent::Form(..) | Sent::Json(..) => (Method::POST, None),
        Sent::Headers(_) => (Method::GET, Some(IDENTITY_CONNECT_TIMEOUT)),
    };
    let (status, body) = exchanged(upstream, method, url, sent, connect).await?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status != StatusCode::OK {
        return Err(failed(&refusal(status, &answer)));
    }
    Token::of(&answer, asked_at, now).map_err(failed)
}

/// Sends a request and takes the whole answer.
pub(super) async fn exchanged(
    upstream: &Upstream,
    method: Method,
    url: Uri,
    sent: Sent,
    connect: Option<Duration>,
) -> Result<(StatusCode, Bytes), SignError> {
    let what = format!("get a token from `{}`", url.host().unwrap_or_default());
    let failed = |why: &str| SignError::new(&what, why);
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let body = match sent {
        Sent::Form(form, authorization) => {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, kind);
            headers.extend(authorization.map(|it| (header::AUTHORIZATION, it)));
            encoded(&form)
        }
        Sent::Headers(own) => {
            headers.extend(own);
            Bytes::new()
        }
        Sent::Json(authorization, body) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::AUTHORIZATION, authorization);
            body
        }
    };
    let mut request = Request::new(Either::Left(Full::new(body)));
    *request.method_mut() = method;
    *request.uri_mut() = url;
    *request.headers_mut() = headers;
    let answer =
        upstream.send_within(request, connect).await.map_err(|it| failed(&it.to_string()))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), TOKEN_ANSWER_BYTES_MAX).collect().await;
    Ok((status, body.map_err(|it| failed(&it.to_string()))?.to_bytes()))
}

/// For how many seconds a token is good: as it is told, or until when.
fn lifetime_s(answer: &Value, now: UnixMs) -> Option<u64> {
    let now_s = u64::try_from(now.0 / 1_000).ok()?;
    if let Some(seconds) = answer.get("expires_in").and_then(seconds) {
        return Some(seconds);
    }
    let until = answer.get("expires_on").and_then(seconds).or_else(|| {
        let time: jiff::Timestamp = answer.get("expireTime")?.as_str()?.parse().ok()?;
        u64::try_from(time.as_second()).ok()
    });
    until?.checked_sub(now_s)
}

/// Some servers write numbers as text.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// What RFC 6749 has a server say of a request that it refuses, or Google's APIs.
fn refusal(status: StatusCode, answer: &Value) -> String {
    let member = |name: &str| answer.get(name).and_then(Value::as_str);
    let googles = answer.pointer("/error/message").and_then(Value::as_str);
    let told = [member("error"), member("error_description"), googles];
    let told: Vec<&str> = told.into_iter().flatten().collect();
    format!("HTTP {}: {}", status.as_u16(), told.join(": "))
}

fn encoded(form: &[(&'static str, String)]) -> Bytes {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text.into()
}
