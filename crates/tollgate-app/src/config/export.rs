//! Who is told of calls as they end: `[export]`.

use std::{collections::BTreeMap, str::FromStr as _};

use http::{HeaderName, Uri};
use serde::Deserialize;
use toml::Spanned;

use super::{CredentialSource, Mistake, credential, refresh::http_url};

/// Headers that can be set: a collector wants one or two.
const HEADERS_MAX: usize = 8;

/// An OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpConfig {
    /// Where it listens; what is sent goes to `v1/traces` and `v1/metrics` below it.
    pub url: Uri,
    /// Headers that it wants, each with where its value is.
    pub headers: Vec<(HeaderName, CredentialSource)>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExport {
    #[serde(default)]
    otlp: RawOtlp,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOtlp {
    url: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<toml::Value>>,
}

pub(super) fn valid_export(raw: RawExport) -> Result<Option<OtlpConfig>, Mistake> {
    let RawOtlp { url, headers } = raw.otlp;
    let headers = headers.into_iter().map(|(name, value)| {
        let known = HeaderName::from_str(&name);
        let known = known.map_err(|_| Mistake::new(&value, format!("`{name}` is no header")))?;
        let source = credential::valid_source(&value)?;
        match source {
            CredentialSource::Env(_) | CredentialSource::Keyring(_) => Ok((known, source)),
            CredentialSource::AwsProfile(_)
            | CredentialSource::AwsEnv(_)
            | CredentialSource::Aws
            | CredentialSource::Google(_)
            | CredentialSource::GoogleMetadata
            | CredentialSource::EntraManaged(_)
            | CredentialSource::EntraEnv(_)
            | CredentialSource::EntraCli(_) => {
                let how = "use `{ keyring = \"NAME\" }` or `{ env = \"VARIABLE\" }`";
                Err(Mistake::new(&value, how.to_owned()))
            }
        }
    });
    let headers = headers.collect::<Result<Vec<_>, _>>()?;
    let Some(url) = url else { return Ok(None) };
    if headers.len() > HEADERS_MAX {
        return Err(Mistake::new(&url, format!("there are more than {HEADERS_MAX} `headers`")));
    }
    Ok(Some(OtlpConfig { url: http_url(&url)?, headers }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<OtlpConfig>, String> {
        let raw = toml::from_str(text).map_err(|it| it.message().to_owned())?;
        valid_export(raw).map_err(|it| it.message)
    }

    #[test]
    fn a_collector_has_an_address_and_headers_whose_values_stand_elsewhere() {
        assert_eq!(read(""), Ok(None));
        let text = "[otlp]\nurl = 'http://127.0.0.1:4318'\nheaders.x-api-key = { env = 'KEY' }";
        let found = read(text).unwrap().unwrap();
        assert_eq!(found.url, "http://127.0.0.1:4318");
        let key = (HeaderName::from_static("x-api-key"), CredentialSource::Env("KEY".to_owned()));
        assert_eq!(found.headers, [key]);
    }

    #[test]
    fn a_key_in_the_file_is_refused_and_not_repeated() {
        let why = read("[otlp]\nurl = 'http://a'\nheaders = { a = 'sk-123' }").unwrap_err();
        assert!(why.contains("never stands in this file") && !why.contains("sk-123"), "{why}");
        assert!(read("[otlp]\nurl = 'ftp://a'").unwrap_err().contains("not an http(s) URL"));
        assert!(read("[otlp]\nheaders.a = { aws = 'default' }").unwrap_err().contains("use `"));
        assert!(read("[otlp]\nurl = 'http://a'\ncontent = true").unwrap_err().contains("content"));
    }
}
