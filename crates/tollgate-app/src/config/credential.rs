//! Where a provider's credential is found, and how requests carry it.

use std::{path::PathBuf, str::FromStr as _};

use tollgate_core::provider::Auth;
use toml::Spanned;

use super::Mistake;

/// Where a provider's credential is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// In this environment variable.
    Env(String),
    /// In the OS keyring, under this name.
    Keyring(String),
    /// In this profile of the AWS tools.
    AwsProfile(String),
    /// In the environment, as the AWS tools have it, in variables that begin like this:
    /// `…_ACCESS_KEY_ID`, `…_SECRET_ACCESS_KEY` and, if there is one, `…_SESSION_TOKEN`.
    AwsEnv(String),
    /// Where the AWS tools find them: in the environment, in a profile, at a web identity's token, or
    /// at the service of the container or machine that this is.
    Aws,
    /// In a file that Google's tools wrote; `None` is where they look themselves.
    Google(Option<PathBuf>),
    /// Nowhere: the metadata server of Google's gives tokens to the machine that this is.
    GoogleMetadata,
    /// Nowhere: Azure gives tokens to the machine or app that this is, for the managed identity with
    /// this client id, or for its own.
    EntraManaged(Option<String>),
    /// In the environment, as Azure's tools have it, in variables that begin like this:
    /// `…_TENANT_ID`, `…_CLIENT_ID` and `…_CLIENT_SECRET`.
    EntraEnv(String),
    /// With the Azure CLI, which is run for a token: of its login in this tenant, or in its own
    /// choice.
    EntraCli(Option<String>),
}

/// The word for what tools would take themselves.
const DEFAULT: &str = "default";

/// The word for the machine's own identity in the place of a file of Google's.
const METADATA: &str = "metadata";

impl CredentialSource {
    /// What `google = "…"` means: a file, `default`, or `metadata`.
    #[must_use]
    pub fn of_google(name: String) -> Self {
        match name.as_str() {
            DEFAULT => Self::Google(None),
            METADATA => Self::GoogleMetadata,
            _ => Self::Google(Some(name.into())),
        }
    }

    /// What `entra_managed = "…"` means: a client id, or `default`.
    #[must_use]
    pub fn of_managed(name: String) -> Self {
        Self::EntraManaged((name != DEFAULT).then_some(name))
    }

    /// What `entra_cli = "…"` means: a tenant, or `default`.
    #[must_use]
    pub fn of_cli(name: String) -> Self {
        Self::EntraCli((name != DEFAULT).then_some(name))
    }

    /// The kind and the name, as `api_key` has them in the file.
    pub(super) fn written(&self) -> (&'static str, String) {
        match self {
            Self::Env(name) => ("env", name.clone()),
            Self::Keyring(name) => ("keyring", name.clone()),
            Self::AwsProfile(name) => ("aws_profile", name.clone()),
            Self::AwsEnv(prefix) => ("aws_env", prefix.clone()),
            Self::Aws => ("aws", DEFAULT.to_owned()),
            Self::Google(None) => ("google", DEFAULT.to_owned()),
            Self::Google(Some(path)) => ("google", path.display().to_string()),
            Self::GoogleMetadata => ("google", METADATA.to_owned()),
            Self::EntraManaged(id) => {
                ("entra_managed", id.clone().unwrap_or_else(|| DEFAULT.to_owned()))
            }
            Self::EntraCli(tenant) => {
                ("entra_cli", tenant.clone().unwrap_or_else(|| DEFAULT.to_owned()))
            }
            Self::EntraEnv(prefix) => ("entra_env", prefix.clone()),
        }
    }

    /// How requests carry what is found there; `None` where the provider's `auth` says so.
    const fn auth(&self) -> Option<Auth> {
        match self {
            Self::Env(_) | Self::Keyring(_) => None,
            Self::AwsProfile(_) | Self::AwsEnv(_) | Self::Aws => Some(Auth::Aws),
            Self::Google(_) | Self::GoogleMetadata => Some(Auth::Google),
            Self::EntraEnv(_) | Self::EntraManaged(_) | Self::EntraCli(_) => Some(Auth::Entra),
        }
    }
}

impl std::fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "from ${name}"),
            Self::Keyring(name) => write!(f, "from the keyring ({name})"),
            Self::AwsProfile(name) => write!(f, "from the AWS profile {name}"),
            Self::AwsEnv(prefix) => write!(f, "from ${prefix}_ACCESS_KEY_ID"),
            Self::Aws => f.write_str("where the AWS tools find it"),
            Self::Google(None) => f.write_str("from Google's own login"),
            Self::Google(Some(path)) => write!(f, "from {}", path.display()),
            Self::GoogleMetadata => f.write_str("from Google's metadata server"),
            Self::EntraManaged(None) => f.write_str("from Azure's managed identity"),
            Self::EntraManaged(Some(id)) => write!(f, "from Azure's managed identity {id}"),
            Self::EntraEnv(prefix) => write!(f, "from ${prefix}_CLIENT_ID"),
            Self::EntraCli(None) => f.write_str("from the Azure CLI"),
            Self::EntraCli(Some(tenant)) => write!(f, "from the Azure CLI for {tenant}"),
        }
    }
}

/// The credential and how it is sent: as `auth` says, or as the kind of credential wants it, else as
/// the catalogue has it.
pub(super) fn valid(
    api_key: Option<&Spanned<toml::Value>>,
    auth: Option<&Spanned<String>>,
    usual: Auth,
) -> Result<(Option<CredentialSource>, Auth), Mistake> {
    let said = auth.map(valid_auth).transpose()?;
    let Some(value) = api_key else {
        return Ok((None, said.unwrap_or(usual)));
    };
    let source = valid_source(value)?;
    let auth = match (said, source.auth()) {
        (Some(said), Some(own)) if said != own => {
            let message = "this credential is not sent as `auth` says: leave `auth` out";
            return Err(Mistake::new(value, message.to_owned()));
        }
        (_, Some(own)) => own,
        (said, None) => said.unwrap_or(usual),
    };
    if auth == Auth::None {
        // It would not be sent, and the client's own key would go in its place.
        let message = "no key is sent with `auth = \"none\"`: leave `api_key` out, or set `auth` to \
                       `bearer` or `header:NAME`";
        return Err(Mistake::new(value, message.to_owned()));
    }
    Ok((Some(source), auth))
}

fn valid_auth(text: &Spanned<String>) -> Result<Auth, Mistake> {
    match text.get_ref().as_str() {
        "bearer" => Ok(Auth::Bearer),
        "none" => Ok(Auth::None),
        "aws" => Ok(Auth::Aws),
        "google" => Ok(Auth::Google),
        "entra" => Ok(Auth::Entra),
        other => match other.strip_prefix("header:") {
            Some(name) if http::HeaderName::from_str(name).is_ok() => {
                Ok(Auth::Header(name.to_ascii_lowercase()))
            }
            _ => {
                let message = format!(
                    "no auth `{other}`: use `bearer`, `none`, `header:NAME`, `aws`, `google` or \
                     `entra`"
                );
                Err(Mistake::new(text, message))
            }
        },
    }
}

/// A text is refused without being repeated: it is most likely a key.
pub(super) fn valid_source(value: &Spanned<toml::Value>) -> Result<CredentialSource, Mistake> {
    let wrong = "a key never stands in this file: use `{ keyring = \"NAME\" }` or \
                 `{ env = \"VARIABLE\" }` (or `aws_profile`, `aws_env`, `aws`, `google`, \
                 `entra_env`, `entra_managed`, `entra_cli`), or \
                 leave it out and the client's own key passes through";
    let wrong = || Mistake::new(value, wrong.to_owned());
    let table = value.get_ref().as_table().filter(|it| it.len() == 1).ok_or_else(wrong)?;
    let (kind, name) = table.iter().next().ok_or_else(wrong)?;
    let name = name.as_str().filter(|it| !it.is_empty()).ok_or_else(wrong)?.to_owned();
    match kind.as_str() {
        "env" => Ok(CredentialSource::Env(name)),
        "keyring" => Ok(CredentialSource::Keyring(name)),
        "aws_profile" => Ok(CredentialSource::AwsProfile(name)),
        "aws_env" => Ok(CredentialSource::AwsEnv(name)),
        "aws" if name == DEFAULT => Ok(CredentialSource::Aws),
        "google" => Ok(CredentialSource::of_google(name)),
        "entra_env" => Ok(CredentialSource::EntraEnv(name)),
        "entra_managed" => Ok(CredentialSource::of_managed(name)),
        "entra_cli" => Ok(CredentialSource::of_cli(name)),
        _ => Err(wrong()),
    }
}
