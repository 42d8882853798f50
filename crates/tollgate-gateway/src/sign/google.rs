//! Tokens of Google's, for a service account's key, for a person's own login, or for somebody whom
//! another party vouches for, as Google's tools write them into files
//! (<https://google.aip.dev/auth/4112>, 4113, 4117).

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};
use tollgate_core::{Secret, UnixMs};

use super::{
    SignError,
    federated::{Federated, Login, sts_url},
    oauth::{Ask, Exchange, Sent, Token, fetch},
};
use crate::{
    near::{is_private, is_this_machine},
    upstream::Upstream,
};

/// What tokens are asked for: everything that its owner may do in Google Cloud.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where a person's login is exchanged unless its file says otherwise.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// How long a service account's assertion is good for: the most that Google takes.
const ASSERTION_S: i64 = 3_600;

/// How long the token of a service account is good that another acts as: the most that Google gives
/// without being told to give more.
const IMPERSONATED_S: u64 = 3_600;

/// Names the project that pays, for a person's login.
pub(super) const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// A key as Google's tools keep it in a file.
#[derive(Clone, Debug)]
pub struct GoogleKey {
    token_url: Uri,
    kind: Kind,
    /// The project that pays for its calls, where the key names one.
    project: Option<String>,
    /// Where its token is exchanged for a service account's that it may act as.
    exchange: Option<Box<Exchange>>,
}

#[derive(Clone, Debug)]
enum Kind {
    ServiceAccount {
        email: String,
        key_id: Option<String>,
        key: Secret,
    },
    Person {
        client_id: String,
        client_secret: Secret,
        refresh: Secret,
    },
    Federated(Box<Federated>),
    /// A person of a workforce.
    FederatedPerson {
        login: Login,
        refresh: Secret,
    },
}

/// Why a text is no key of Google's. Says nothing of what stands in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoogleKeyError {
    /// It is not JSON, or not an object.
    #[error("the key is not the JSON that Google's tools write")]
    NotJson,
    /// It is for another kind of login.
    #[error(
        "the key's `type` is `{0}`: only `service_account`, `authorized_user`, \
         `impersonated_service_account`, `external_account` and `external_account_authorized_user` of \
         these are supported"
    )]
    Kind(String),
    /// Something is missing.
    #[error("the key has no `{0}`")]
    Missing(&'static str),
    /// It says to get a token in a way that is not gone here.
    #[error("the key's `credential_source` {0}, which is not supported: only files and URLs are")]
    Source(&'static str),
    /// The token server's address would show the key to the network.
    #[error("the key's `{0}` is neither an https URL nor on this machine")]
    TokenUrl(&'static str),
    /// The private key cannot be used.
    #[error("the key's `private_key` is not an RSA key in PEM")]
    PrivateKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

/// An address that keys and tokens may be sent to.
pub(super) fn safe_url(text: &str, name: &'static str) -> Result<Uri, GoogleKeyError> {
    let url: Uri = text.parse().map_err(|_| GoogleKeyError::TokenUrl(name))?;
    let is_fit = is_private(&url, is_this_machine);
    is_fit.then_some(url).ok_or(GoogleKeyError::TokenUrl(name))
}

/// How the token of `source_credentials` becomes the service account's
/// (<https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>).
fn impersonation(key: &Value) -> Result<Exchange, GoogleKeyError> {
    const URL: &str = "service_account_impersonation_url";
    let url = key.get(URL).and_then(Value::as_str).ok_or(GoogleKeyError::Missing(URL))?;
    let delegates = key.get("delegates").filter(|it| it.is_array());
    let asked = key.pointer("/service_account_impersonation_options/token_lifetime_seconds");
    let lifetime = asked.and_then(Value::as_u64).unwrap_or(IMPERSONATED_S);
    let lifetime = format!("{lifetime}s");
    let body = json!({"scope": [SCOPE], "lifetime": lifetime, "delegates": delegates});
    Ok(Exchange { url: safe_url(url, URL)?, body: body.to_string().into() })
}

impl GoogleKey {
    /// Reads the JSON of a service account's key or of `application_default_credentials.json`.
    ///
    /// # Errors
    /// When it is something else, or incomplete.
    pub fn parse(json: &str) -> Result<Self, GoogleKeyError> {
        let key: Value = serde_json::from_str(json).map_err(|_| GoogleKeyError::NotJson)?;
        if key.get("type").and_then(Value::as_str) != Some("impersonated_service_account") {
            return Self::read(&key);
        }
        let source =
            key.get("source_credentials").ok_or(GoogleKeyError::Missing("source_credentials"))?;
        Ok(Self { exchange: Some(Box::new(impersonation(&key)?)), ..Self::read(source)? })
    }

    fn read(key: &Value) -> Result<Self, GoogleKeyError> {
        let text = |name: &'static str| {
            let found = key.get(name).and_then(Value::as_str).map(str::to_owned);
            found.ok_or(GoogleKeyError::Missing(name))
        };
        let kind = match text("type")?.as_str() {
            "service_account" => {
                let key = Secret::new(text("private_key")?);
                EncodingKey::from_rsa_pem(key.expose().as_bytes())
                    .map_err(|_| GoogleKeyError::PrivateKey)?;
                let email = text("client_email")?;
                Kind::ServiceAccount { email, key_id: text("private_key_id").ok(), key }
            }
            "authorized_user" => Kind::Person {
                client_id: text("client_id")?,
                client_secret: Secret::new(text("client_secret")?),
                refresh: Secret::new(text("refresh_token")?),
            },
            "external_account" => Kind::Federated(Box::new(Federated::read(key)?)),
            "external_account_authorized_user" => Kind::FederatedPerson {
                login: Login::of(key).ok_or(GoogleKeyError::Missing("client_secret"))?,
                refresh: Secret::new(text("refresh_token")?),
            },
            other => return Err(GoogleKeyError::Kind(other.to_owned())),
        };
        let project = text("quota_project_id").ok();
        let (token_url, exchange, project) = match &kind {
            Kind::Federated(_) => {
                let acts = key.get("service_account_impersonation_url").is_some();
                let exchange = acts.then(|| impersonation(key)).transpose()?;
                (sts_url(key)?, exchange.map(Box::new), project)
            }
            Kind::FederatedPerson { .. } => (sts_url(key)?, None, project),
            Kind::ServiceAccount { .. } | Kind::Person { .. } => {
                let url = text("token_uri").unwrap_or_else(|_| TOKEN_URL.to_owned());
                let is_person = matches!(kind, Kind::Person { .. });
                (safe_url(&url, "token_uri")?, None, project.filter(|_| is_person))
            }
        };
        Ok(Self { token_url, kind, project, exchange })
    }

    /// The project that pays for the calls, for [`QUOTA_PROJECT`].
    pub(super) fn quota_project(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.project.as_ref()?).ok()
    }

    /// Gets a token.
    pub(super) async fn token(
        &self,
        upstream: &Arc<Upstream>,
        now: UnixMs,
    ) -> Result<Token, SignError> {
        let sent = match &self.kind {
            Kind::ServiceAccount { email, key_id, key } => {
                let assertion = self.assertion(email, key_id.clone(), key, now)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
                Sent::Form(vec![("grant_type", grant), ("assertion", assertion)], None)
            }
            Kind::Person { client_id, client_secret, refresh } => {
                let form = vec![
                    ("grant_type", "refresh_token".to_owned()),
                    ("client_id", client_id.clone()),
                    ("client_secret", client_secret.expose().to_owned()),
                    ("refresh_token", refresh.expose().to_owned()),
                ];
                Sent::Form(form, None)
            }
            Kind::Federated(federated) => federated.ask(upstream).await?,
            Kind::FederatedPerson { login, refresh } => {
                let form = vec![
                    ("grant_type", "refresh_token".to_owned()),
                    ("refresh_token", refresh.expose().to_owned()),
                ];
                Sent::Form(form, Some(login.header()?))
            }
        };
        let url = self.token_url.clone();
        fetch(upstream, now, Ask { url, sent, then: self.exchange.as_deref().cloned() }).await
    }

    fn assertion(
        &self,
        email: &str,
        key_id: Option<String>,
        key: &Secret,
        now: UnixMs,
    ) -> Result<String, SignError> {
        let failed =
            |_| SignError::new("sign the request for a token", "the private key does not work");
        let header = Header { kid: key_id, ..Header::new(Algorithm::RS256) };
        let (aud, iat) = (self.token_url.to_string(), now.0 / 1_000);
        let claims = Claims { iss: email, scope: SCOPE, aud: &aud, iat, exp: iat + ASSERTION_S };
        let key = EncodingKey::from_rsa_pem(key.expose().as_bytes()).map_err(failed)?;
        jsonwebtoken::encode(&header, &claims, &key).map_err(failed)
    }
}

impl PartialEq for GoogleKey {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Secret, other: &Secret| one.matches(other.expose().as_bytes());
        self.token_url == other.token_url
            && self.exchange == other.exchange
            && self.project == other.project
            && match (&self.kind, &other.kind) {
                (
                    Kind::ServiceAccount { email, key_id, key },
                    Kind::ServiceAccount { email: email2, key_id: id2, key: key2 },
                ) => email == email2 && key_id == id2 && same(key, key2),
                (
                    Kind::Person { client_id, client_secret, refresh },
                    Kind::Person { client_id: id2, client_secret: secret2, refresh: refresh2 },
                ) => client_id == id2 && same(client_secret, secret2) && same(refresh, refresh2),
                (Kind::Federated(one), Kind::Federated(other)) => one == other,
                (
                    Kind::FederatedPerson { login, refresh },
                    Kind::FederatedPerson { login: login2, refresh: refresh2 },
                ) => login == login2 && same(refresh, refresh2),
                (
                    Kind::ServiceAccount { .. }
                    | Kind::Person { .. }
                    | Kind::Federated(_)
                    | Kind::FederatedPerson { .. },
                    _,
                ) => false,
            }
    }
}

impl Eq for GoogleKey {}
