//! Where a provider is called, and in which formats.

use std::{collections::BTreeMap, str::FromStr as _};

use tollgate_core::{
    Format,
    provider::{Addressing, Endpoint, Provider},
};
use tollgate_gateway::is_this_machine;
use toml::Spanned;

use super::{Mistake, RawProvider};

/// The provider whose deployments have versions, in the catalogue.
const AZURE: &str = "azure";

/// The endpoints of an entry: its own, or the catalogue's with what only the user knows filled in.
pub(super) fn valid(raw: &RawProvider, known: Option<&Provider>) -> Result<Vec<Endpoint>, Mistake> {
    let Some(base_url) = &raw.base_url else {
        let Some(known) = known else {
            let message = format!(
                "provider `{}` is not in the catalogue, so it needs `base_url` and `format`",
                raw.id.get_ref()
            );
            return Err(Mistake::new(&raw.id, message));
        };
        if let Some(first) = raw.format.as_ref().and_then(|it| it.first()) {
            let message = "`format` says what is spoken at `base_url`, which is not here";
            return Err(Mistake::new(first, message.to_owned()));
        }
        return filled(raw, known);
    };
    let url = base_url.get_ref().trim_end_matches('/');
    let parsed = url.parse::<http::Uri>().ok();
    let scheme = parsed.as_ref().and_then(http::Uri::scheme_str);
    if !matches!(scheme, Some("http" | "https")) || url.contains(['?', '#', '{']) {
        let message = format!("`{url}` is not an http(s) URL without a query or placeholder");
        return Err(Mistake::new(base_url, message));
    }
    let formats = match &raw.format {
        Some(names) => names.iter().map(valid_format).collect::<Result<Vec<_>, _>>()?,
        None => {
            known.map(|it| it.endpoints.iter().map(|it| it.format).collect()).unwrap_or_default()
        }
    };
    if formats.is_empty() {
        let message = format!("provider `{}` needs `format`: {}", raw.id.get_ref(), format_names());
        return Err(Mistake::new(&raw.id, message));
    }
    let endpoints = formats.into_iter().map(|format| Endpoint::new(format, url.to_owned()));
    by_deployment(raw, known, endpoints.collect())
}

/// The endpoints as Azure has them for an `api_version`: chats and vectors by deployments below
/// `…/openai`, the rest below `…/openai/v1`, which knows no versions.
fn by_deployment(
    raw: &RawProvider,
    known: Option<&Provider>,
    mut endpoints: Vec<Endpoint>,
) -> Result<Vec<Endpoint>, Mistake> {
    let Some(version) = &raw.api_version else { return Ok(endpoints) };
    let text = version.get_ref();
    // Other providers' addresses end alike, but know no versions.
    if let Some(known) = known.filter(|it| it.id != AZURE) {
        let message = format!("`api_version` is Azure's, and `{}` is another provider", known.id);
        return Err(Mistake::new(version, message));
    }
    if text.is_empty() || !text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-.".contains(&it))
    {
        let message = format!("`{text}` is no version of Azure's, such as `2024-10-21`");
        return Err(Mistake::new(version, message));
    }
    let mut deployed = false;
    for endpoint in &mut endpoints {
        let root = endpoint.base_url.strip_suffix("/v1").unwrap_or(&endpoint.base_url);
        if !root.ends_with("/openai") {
            let message = format!(
                "`api_version` is for Azure's deployments below `…/openai`, and `{}` is elsewhere",
                endpoint.base_url
            );
            return Err(Mistake::new(version, message));
        }
        match endpoint.format {
            Format::OpenaiChat | Format::OpenaiEmbeddings => {
                deployed = true;
                endpoint.base_url = root.to_owned();
                endpoint.addressing = Addressing::Deployments(text.clone());
            }
            Format::OpenaiResponses
            | Format::AnthropicMessages
            | Format::Gemini
            | Format::BedrockConverse
            | Format::CohereEmbed
            | Format::OllamaEmbed => endpoint.base_url = format!("{root}/v1"),
        }
    }
    if !deployed {
        let message = "`api_version` is for chats and vectors of OpenAI's formats, and `format` names \
                       neither";
        return Err(Mistake::new(version, message.to_owned()));
    }
    Ok(endpoints)
}

/// The values of `parameters`, each fit for a URL's host and path.
pub(super) fn valid_parameters(
    raw: &BTreeMap<String, Spanned<String>>,
) -> Result<BTreeMap<&str, &str>, Mistake> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
    let mut values = BTreeMap::new();
    for (name, value) in raw {
        let text = value.get_ref();
        if text.is_empty() || !text.bytes().all(plain) {
            let message = format!("`{text}` does not fit into a URL: use letters, digits, `-_.`");
            return Err(Mistake::new(value, message));
        }
        values.insert(name.as_str(), text.as_str());
    }
    Ok(values)
}

/// Whether all of it is on this machine.
pub(super) fn are_local(endpoints: &[Endpoint]) -> bool {
    let is_local = |it: &Endpoint| {
        let url = it.base_url.parse::<http::Uri>();
        url.is_ok_and(|it| it.host().is_some_and(is_this_machine))
    };
    !endpoints.is_empty() && endpoints.iter().all(is_local)
}

/// Where the models of an entry are listed: as the catalogue has it, unless they are somewhere else
/// than the catalogue's.
pub(super) fn lists(
    raw: &RawProvider,
    known: Option<&Provider>,
) -> Result<Option<Vec<String>>, Mistake> {
    let Some(lists) = known.and_then(|it| it.lists.as_ref()) else { return Ok(None) };
    if raw.base_url.is_some() {
        return Ok(lists.is_empty().then(Vec::new));
    }
    let values = valid_parameters(&raw.parameters)?;
    Ok(Some(lists.iter().map(|it| address(it, &values)).collect()))
}

/// An address of the catalogue's with what only the user knows filled in.
fn address(template: &str, values: &BTreeMap<&str, &str>) -> String {
    let mut url = template.to_owned();
    for (name, value) in values {
        url = url.replace(&format!("{{{name}}}"), value);
    }
    // Vertex AI's regions that are several have hosts of another kind.
    for several in ["us", "eu"] {
        let usual = format!("//{several}-aiplatform.");
        url = url.replace(&usual, &format!("//aiplatform.{several}.rep."));
    }
    url
}

/// The catalogue's endpoints with the entry's `parameters` in the place of their names.
fn filled(raw: &RawProvider, known: &Provider) -> Result<Vec<Endpoint>, Mistake> {
    let values = valid_parameters(&raw.parameters)?;
    let mut endpoints = known.endpoints.clone();
    for (name, value) in &raw.parameters {
        let has = |it: &Endpoint| it.base_url.contains(&format!("{{{name}}}"));
        if !endpoints.iter().any(has) {
            let message = format!("the address of provider `{}` has no `{name}`", raw.id.get_ref());
            return Err(Mistake::new(value, message));
        }
    }
    for endpoint in &mut endpoints {
        endpoint.base_url = address(&endpoint.base_url, &values);
        if endpoint.base_url.contains("//global-aiplatform.") {
            let message = "all regions at once are the provider `google-vertex-global`, which has \
                           prices of its own"
                .to_owned();
            return Err(Mistake::new(&raw.id, message));
        }
    }
    let Some(open) = endpoints.iter().find(|it| it.is_template()) else {
        return by_deployment(raw, Some(known), endpoints);
    };
    let names = open.base_url.split('{').skip(1).filter_map(|it| it.split_once('}'));
    let mut names: Vec<String> = names.map(|(name, _)| format!("{name} = \"…\"")).collect();
    names.dedup();
    let message = format!(
        "provider `{}` needs `parameters = {{ {} }}`, or `base_url`: its address has a part that \
         only you know (`{}`)",
        raw.id.get_ref(),
        names.join(", "),
        open.base_url
    );
    Err(Mistake::new(&raw.id, message))
}

fn valid_format(name: &Spanned<String>) -> Result<Format, Mistake> {
    Format::from_str(name.get_ref()).map_err(|_| {
        let message = format!("no format `{}`: use {}", name.get_ref(), format_names());
        Mistake::new(name, message)
    })
}

fn format_names() -> String {
    Format::ALL.map(|it| format!("`{it}`")).join(", ")
}
