//! Tokens for the machine that the gateway runs on, which its cloud gives to whoever asks from there:
//! Google's metadata server, Azure's instance metadata service and the one of its App Service
//! (<https://cloud.google.com/compute/docs/access/authenticate-workloads>,
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity>).
//!
//! They are asked only where the configuration says so.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tollgate_core::Secret;

use super::{
    SignError,
    oauth::{Ask, Sent},
};
use crate::near::{is_near, is_private};

/// Where clouds tell a machine about itself.
const METADATA: &str = "http://169.254.169.254";

/// What Azure's tokens are asked for.
const RESOURCE: &str = "https%3A%2F%2Fcognitiveservices.azure.com%2F";

/// The identity of the machine in its cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineIdentity(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Google(Uri),
    Azure(Uri),
    AppService { url: Uri, proof: Secret },
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Google(url), Self::Google(url2)) | (Self::Azure(url), Self::Azure(url2)) => {
                url == url2
            }
            (Self::AppService { url, proof }, Self::AppService { url: url2, proof: proof2 }) => {
                url == url2 && proof.matches(proof2.expose().as_bytes())
            }
            (Self::Google(_) | Self::Azure(_) | Self::AppService { .. }, _) => false,
        }
    }
}

impl Eq for Kind {}

impl MachineIdentity {
    /// The service account of a machine of Google's. `host` is where its metadata server is if that
    /// is elsewhere (`GCE_METADATA_HOST`): a host, and a port if it is not the usual one.
    ///
    /// # Errors
    /// A sentence when that is no host.
    pub fn google(host: Option<&str>) -> Result<Self, &'static str> {
        let origin = host.map_or_else(|| METADATA.to_owned(), |host| format!("http://{host}"));
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        url(&format!("{origin}{path}")).map(|it| Self(Kind::Google(it)))
    }

    /// The managed identity of a machine of Azure's: the one with this `client` id, or the machine's
    /// own. `origin` is where its metadata service is if that is elsewhere
    /// (`AZURE_POD_IDENTITY_AUTHORITY_HOST`).
    ///
    /// # Errors
    /// A sentence when one of them cannot stand in a URL.
    pub fn azure(client: Option<&str>, origin: Option<&str>) -> Result<Self, &'static str> {
        let origin = origin.unwrap_or(METADATA).trim_end_matches('/');
        let path = "/metadata/identity/oauth2/token?api-version=2018-02-01";
        let client = of_client(client)?;
        let text = format!("{origin}{path}&resource={RESOURCE}{client}");
        url(&text).map(|it| Self(Kind::Azure(it)))
    }

    /// The managed identity of an app in Azure's App Service or Container Apps, which gives it the
    /// `endpoint` and the `proof` that it is this app (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`).
    ///
    /// # Errors
    /// A sentence when one of them cannot be used, or the address would show the proof to the
    /// network.
    pub fn app_service(
        client: Option<&str>,
        endpoint: &str,
        proof: Secret,
    ) -> Result<Self, &'static str> {
        let client = of_client(client)?;
        let text = format!("{endpoint}?api-version=2019-08-01&resource={RESOURCE}{client}");
        if HeaderValue::try_from(proof.expose()).is_err() {
            return Err("the proof has characters that no HTTP header can carry");
        }
        url(&text).map(|url| Self(Kind::AppService { url, proof }))
    }

    /// The request for a token.
    pub(super) fn ask(&self) -> Result<Ask, SignError> {
        const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
        const METADATA: HeaderName = HeaderName::from_static("metadata");
        const PROOF: HeaderName = HeaderName::from_static("x-identity-header");
        let (url, name, value) = match &self.0 {
            Kind::Google(url) => (url, FLAVOR, HeaderValue::from_static("Google")),
            Kind::Azure(url) => (url, METADATA, HeaderValue::from_static("true")),
            Kind::AppService { url, proof } => {
                let mut value = HeaderValue::try_from(proof.expose())
                    .map_err(|_| SignError::new("ask for a token", "the proof cannot be sent"))?;
                value.set_sensitive(true);
                (url, PROOF, value)
            }
        };
        Ok(Ask {
            url: url.clone(),
            sent: Sent::Headers(HeaderMap::from_iter([(name, value)])),
            then: None,
        })
    }
}

fn of_client(client: Option<&str>) -> Result<String, &'static str> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    match client {
        None => Ok(String::new()),
        Some(id) if !id.is_empty() && id.bytes().all(plain) => Ok(format!("&client_id={id}")),
        Some(_) => Err("the identity is no client id"),
    }
}

/// What is asked and answered there is as good as a key, and must not cross a network.
fn url(text: &str) -> Result<Uri, &'static str> {
    let url: Uri = text.parse().map_err(|_| "its address is not a URL")?;
    let is_fit = is_private(&url, is_near);
    is_fit
        .then_some(url)
        .ok_or("its address is neither an https URL nor on this machine or its own network")
}
