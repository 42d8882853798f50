//! Tokens of Google's for somebody whom another party vouches for (workload and workforce identity
//! federation, <https://google.aip.dev/auth/4117>): that party's token is fetched from a file or a
//! URL and exchanged at Google's security token service (RFC 8693).

use std::{path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tollgate_core::Secret;

use super::{
    IDENTITY_CONNECT_TIMEOUT, SignError,
    google::{GoogleKeyError, SCOPE, safe_url},
    oauth::{Sent, TOKEN_ANSWER_BYTES_MAX, exchanged},
};
use crate::{
    near::{is_near, is_private},
    upstream::Upstream,
};

/// What `external_account` says.
#[derive(Clone, Debug)]
pub(super) struct Federated {
    audience: String,
    token_type: String,
    source: Source,
    field: Option<String>,
    login: Option<Login>,
    /// Who pays, where a person of a workforce is meant and no login names a project.
    user_project: Option<String>,
}

/// Where the other party's token is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    Url(Uri, HeaderMap),
}

/// An application that proves who it is with its secret.
#[derive(Clone, Debug)]
pub(super) struct Login {
    id: String,
    secret: Secret,
}

impl Login {
    /// `client_id` and `client_secret` of a key, where both are there.
    pub(super) fn of(key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { id: text("client_id")?, secret: Secret::new(text("client_secret")?) })
    }

    /// The `authorization` header that shows it (RFC 7617).
    pub(super) fn header(&self) -> Result<HeaderValue, SignError> {
        let pair = STANDARD.encode(format!("{}:{}", self.id, self.secret.expose()));
        let mut header = HeaderValue::try_from(format!("Basic {pair}"))
            .map_err(|_| SignError::new("ask for a token", "the login cannot be sent"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.secret.matches(other.secret.expose().as_bytes())
    }
}

impl PartialEq for Federated {
    fn eq(&self, other: &Self) -> bool {
        let Self { audience, token_type, source, field, login, user_project } = self;
        (audience, token_type, source) == (&other.audience, &other.token_type, &other.source)
            && (field, login, user_project) == (&other.field, &other.login, &other.user_project)
    }
}

impl Federated {
    /// Reads a key of the type `external_account`.
    pub(super) fn read(key: &Value) -> Result<Self, GoogleKeyError> {
        let text = |name: &'static str| {
            let found = key.get(name).and_then(Value::as_str).map(str::to_owned);
            found.ok_or(GoogleKeyError::Missing(name))
        };
        let place = key.get("credential_source").unwrap_or(&Value::Null);
        let format = place.get("format");
        let named = |name: &str| format.and_then(|it| it.get(name)).and_then(Value::as_str);
        let field = match named("type") {
            None | Some("text") => None,
            Some("json") => {
                const FIELD: &str = "subject_token_field_name";
                Some(named(FIELD).ok_or(GoogleKeyError::Missing(FIELD))?.to_owned())
            }
            Some(_) => return Err(GoogleKeyError::Source("gives a token in a form of its own")),
        };
        Ok(Self {
            audience: text("audience")?,
            token_type: text("subject_token_type")?,
            source: Source::read(place)?,
            field,
            login: Login::of(key),
            user_project: text("workforce_pool_user_project").ok(),
        })
    }

    /// What is sent to the security token service.
    pub(super) async fn ask(&self, upstream: &Arc<Upstream>) -> Result<Sent, SignError> {
        let subject = self.subject(upstream).await?;
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
            ("audience", self.audience.clone()),
            ("scope", SCOPE.to_owned()),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token".to_owned()),
            ("subject_token", subject),
            ("subject_token_type", self.token_type.clone()),
        ];
        if let (Some(project), None) = (&self.user_project, &self.login) {
            form.push(("options", json!({ "userProject": project }).to_string()));
        }
        let login = self.login.as_ref().map(Login::header).transpose()?;
        Ok(Sent::Form(form, login))
    }

    /// The other party's token.
    async fn subject(&self, upstream: &Arc<Upstream>) -> Result<String, SignError> {
        let (what, text) = match &self.source {
            Source::File(path) => {
                let what = format!("read `{}` for Google's token service", path.display());
                let file = tokio::fs::File::open(path).await;
                let mut text = String::new();
                let bytes_max = u64::try_from(TOKEN_ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
                let read = async { file?.take(bytes_max).read_to_string(&mut text).await };
                read.await.map_err(|it| SignError::new(&what, &it.to_string()))?;
                (what, text)
            }
            Source::Url(url, headers) => {
                let what = format!("get a token from `{}`", url.host().unwrap_or_default());
                let sent = Sent::Headers(headers.clone());
                let connect =
                    Some(IDENTITY_CONNECT_TIMEOUT).filter(|_| url.host().is_some_and(is_near));
                let (status, body) =
                    exchanged(upstream, Method::GET, url.clone(), sent, connect).await?;
                if status != StatusCode::OK {
                    return Err(SignError::new(&what, &format!("HTTP {}", status.as_u16())));
                }
                (what, String::from_utf8_lossy(&body).into_owned())
            }
        };
        let found = match &self.field {
            None => Some(text.trim().to_owned()),
            Some(field) => {
                let answer: Value = serde_json::from_str(&text).unwrap_or_default();
                answer.get(field).and_then(Value::as_str).map(str::to_owned)
            }
        };
        let found = found.filter(|it| !it.is_empty());
        found.ok_or_else(|| SignError::new(&what, "there is none"))
    }
}

impl Source {
    fn read(place: &Value) -> Result<Self, GoogleKeyError> {
        if let Some(file) = place.get("file").and_then(Value::as_str) {
            return Ok(Self::File(file.into()));
        }
        if place.get("environment_id").is_some() {
            return Err(GoogleKeyError::Source("signs in with AWS"));
        }
        if let Some(text) = place.get("url").and_then(Value::as_str) {
            const URL: &str = "credential_source.url";
            let url: Uri = text.parse().map_err(|_| GoogleKeyError::TokenUrl(URL))?;
            if !is_private(&url, is_near) {
                return Err(GoogleKeyError::TokenUrl(URL));
            }
            let mut headers = HeaderMap::new();
            let listed = place.get("headers").and_then(Value::as_object);
            for (name, value) in listed.into_iter().flatten() {
                let pair = HeaderName::try_from(name.as_str()).ok();
                let pair = pair.zip(HeaderValue::try_from(value.as_str().unwrap_or_default()).ok());
                let (name, mut value) =
                    pair.ok_or(GoogleKeyError::Source("has a header that cannot be sent"))?;
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            return Ok(Self::Url(url, headers));
        }
        Err(match (place.get("executable"), place.get("certificate")) {
            (Some(_), _) => GoogleKeyError::Source("runs a program"),
            (None, Some(_)) => GoogleKeyError::Source("shows a certificate"),
            (None, None) => GoogleKeyError::Missing("credential_source"),
        })
    }
}

/// A token server's address in a key, or Google's own.
pub(super) fn sts_url(key: &Value) -> Result<Uri, GoogleKeyError> {
    const USUAL: &str = "https://sts.googleapis.com/v1/token";
    safe_url(key.get("token_url").and_then(Value::as_str).unwrap_or(USUAL), "token_url")
}
