//! The way out through a proxy, where the environment names one.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Uri, uri::Scheme};
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service;

use super::BoxError;
use crate::near::is_near;

/// The proxies that the environment names, and what must not go through them.
///
/// `HTTPS_PROXY` is for `https` URLs and `HTTP_PROXY` for `http` ones, `ALL_PROXY` for both;
/// `NO_PROXY` lists hosts that are called directly (`example.com` with all below it,
/// `192.168.0.0/16`, `*`). Each may be written in lower case. This machine itself is always called
/// directly. A proxy is an `http://` or `socks5://` URL, with a name and password if it wants them;
/// those are never shown.
#[derive(Clone, Debug)]
pub struct Proxies {
    matcher: Arc<Matcher>,
    unusable: Vec<&'static str>,
}

impl Default for Proxies {
    fn default() -> Self {
        Self::from_env(|_| None)
    }
}

impl Proxies {
    /// Reads the variables through `env`.
    #[must_use]
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| {
            let found = env(name).or_else(|| env(&name.to_ascii_lowercase()));
            found.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
        };
        let mut unusable = Vec::new();
        let mut proxy = |name: &'static str| {
            let value = read(name)?;
            if is_usable(&value) {
                return Some(value);
            }
            unusable.push(name);
            None
        };
        let (https, http, all) = (proxy("HTTPS_PROXY"), proxy("HTTP_PROXY"), proxy("ALL_PROXY"));
        let matcher = Matcher::builder()
            .https(https.unwrap_or_default())
            .http(http.unwrap_or_default())
            .all(all.unwrap_or_default())
            .no(read("NO_PROXY").unwrap_or_default())
            .build();
        Self { matcher: Arc::new(matcher), unusable }
    }

    /// The variables that name a proxy which cannot be used, so that it is not.
    #[must_use]
    pub fn unusable(&self) -> &[&'static str] {
        &self.unusable
    }

    /// The proxy, as `HOST:PORT`, through which `url` is called.
    #[must_use]
    pub fn host_for(&self, url: &Uri) -> Option<String> {
        self.for_url(url).map(|it| authority(it.uri()))
    }

    fn for_url(&self, url: &Uri) -> Option<Intercept> {
        if url.host().is_none_or(is_direct) {
            return None;
        }
        self.matcher.intercept(url)
    }

    /// What a request to `url` says to the proxy itself: nothing where it goes through a tunnel or
    /// directly; else whether it has to prove who it is.
    pub(super) fn forwards(&self, url: &Uri) -> Option<Option<HeaderValue>> {
        let plain = url.scheme() == Some(&Scheme::HTTP);
        let proxy = self.for_url(url).filter(|it| plain && is_http(it.uri()))?;
        Some(proxy.basic_auth().cloned())
    }
}

fn is_usable(value: &str) -> bool {
    let found = Matcher::builder().all(value).build();
    let any = Uri::from_static("https://example.com");
    let proxy = found.intercept(&any);
    proxy.is_some_and(|it| is_http(it.uri()) || socks_names(it.uri()).is_some())
}

fn is_http(proxy: &Uri) -> bool {
    proxy.scheme() == Some(&Scheme::HTTP)
}

/// Who resolves names for a SOCKS proxy; `None` for another kind of proxy.
fn socks_names(proxy: &Uri) -> Option<Names> {
    match proxy.scheme_str() {
        Some("socks5") => Some(Names::Here),
        Some("socks5h") => Some(Names::There),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Here,
    There,
}

/// Whether no proxy knows the way to a host.
fn is_direct(host: &str) -> bool {
    is_near(host) || host.ends_with(".localhost")
}

fn authority(proxy: &Uri) -> String {
    proxy.authority().map(ToString::to_string).unwrap_or_default()
}

/// A proxy did not let the connection through.
#[derive(Debug, thiserror::Error)]
#[error("the proxy `{proxy}`: {why}")]
pub(super) struct ProxyError {
    proxy: String,
    why: String,
}

/// Makes TCP connections, through a proxy where one is to be used.
#[derive(Clone)]
pub(super) struct Dial {
    tcp: HttpConnector,
    proxies: Proxies,
}

impl Dial {
    pub(super) fn new(tcp: HttpConnector, proxies: Proxies) -> Self {
        Self { tcp, proxies }
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<TokioIo<TcpStream>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.for_url(&url) else {
            let connecting = self.tcp.call(url);
            return Box::pin(async move { connecting.await.map_err(Into::into) });
        };
        let tcp = self.tcp.clone();
        Box::pin(async move {
            let through = through(tcp, &proxy, url).await;
            through.map_err(|it| {
                let proxy = authority(proxy.uri());
                ProxyError { proxy, why: last_cause(&*it) }.into()
            })
        })
    }
}

async fn through(
    mut tcp: HttpConnector,
    proxy: &Intercept,
    url: Uri,
) -> Result<TokioIo<TcpStream>, BoxError> {
    let at = proxy.uri().clone();
    if let Some(names) = socks_names(&at) {
        let mut socks = SocksV5::new(at, tcp).local_dns(names == Names::Here);
        if let Some((user, password)) = proxy.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        return Ok(socks.call(with_port(url)?).await?);
    }
    if url.scheme() == Some(&Scheme::HTTP) {
        return Ok(tcp.call(at).await?);
    }
    let mut tunnel = Tunnel::new(at, tcp);
    if let Some(auth) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(auth.clone());
    }
    Ok(tunnel.call(url).await?)
}

/// SOCKS wants the port that a URL may leave out.
fn with_port(url: Uri) -> Result<Uri, http::Error> {
    if url.port().is_some() {
        return Ok(url);
    }
    let port = if url.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    let authority = format!("{}:{port}", url.host().unwrap_or_default());
    let mut parts = url.into_parts();
    parts.authority = Some(authority.parse()?);
    Ok(Uri::from_parts(parts)?)
}

fn last_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &'static [(&str, &str)]) -> Proxies {
        Proxies::from_env(|name| {
            let found = variables.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_url_has_the_proxy_that_the_environment_names_for_it() {
        let check = |proxies: &Proxies, url: &'static str, proxy: Option<&str>| {
            assert_eq!(proxies.host_for(&Uri::from_static(url)).as_deref(), proxy, "{url}");
        };
        let both = proxies(&[
            ("HTTPS_PROXY", "http://me:secret@proxy.lan:3128"),
            ("http_proxy", "plain.lan:8080"),
            ("NO_PROXY", "internal.lan, 10.0.0.0/8"),
        ]);
        check(&both, "https://api.openai.com/v1", Some("proxy.lan:3128"));
        check(&both, "http://gpu.example/v1", Some("plain.lan:8080"));
        check(&both, "https://llm.internal.lan", None);
        check(&both, "https://10.1.2.3", None);
        for own in [
            "http://localhost:11434",
            "http://127.0.0.1:1234",
            "http://[::1]:8080",
            "http://169.254.169.254",
        ] {
            check(&both, own, None);
        }
        let all = proxies(&[("ALL_PROXY", "socks5h://proxy.lan:1080")]);
        check(&all, "https://api.openai.com/v1", Some("proxy.lan:1080"));
        check(&Proxies::default(), "https://api.openai.com/v1", None);
        assert!(!format!("{both:?}").contains("secret"), "{both:?}");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named() {
        let bad = proxies(&[
            ("HTTPS_PROXY", "https://proxy.lan"),
            ("HTTP_PROXY", "ftp://proxy.lan"),
            ("ALL_PROXY", "socks4://proxy.lan:1080"),
        ]);
        assert_eq!(bad.unusable(), ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"]);
        assert_eq!(bad.host_for(&Uri::from_static("https://api.openai.com")), None);
        assert!(proxies(&[("HTTPS_PROXY", " ")]).unusable().is_empty());
    }

    #[test]
    fn only_a_plain_request_speaks_to_the_proxy_itself() {
        let it = proxies(&[("ALL_PROXY", "http://me:pw@proxy.lan:3128")]);
        assert_eq!(it.forwards(&Uri::from_static("https://example.com/")), None);
        assert_eq!(it.forwards(&Uri::from_static("http://127.0.0.1/")), None);
        let auth = it.forwards(&Uri::from_static("http://example.com/")).unwrap().unwrap();
        assert_eq!(auth, "Basic bWU6cHc=");
        assert!(auth.is_sensitive());
    }
}
