//! Who may talk to the loopback port: not web pages of other sites, and nobody under another name.
//!
//! Every request must name this machine as its host, which defeats DNS rebinding, and must not come
//! from another site's page. There is no CORS answer at all.

use std::net::SocketAddr;

use http::{HeaderMap, Uri, header};

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The `Host` is missing or names something else than this gateway.
    #[error("the `Host` of this request is not this gateway")]
    ForeignHost,
    /// A page of another site sent the request.
    #[error("requests from web pages of other sites are refused")]
    ForeignOrigin,
}

/// Checks `Host`, `Origin` and `Sec-Fetch-Site` of a request to the gateway on `listen`.
///
/// # Errors
/// When the request must not be served.
pub fn check(uri: &Uri, headers: &HeaderMap, listen: SocketAddr) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|it| it.to_str().ok()).ok_or(Refusal::ForeignHost)?;
    // Where the request's line names a host as well, both must be this gateway.
    let named = uri.authority().map_or(host, |it| it.as_str());
    let is_own = [host, named].iter().all(|it| is_own_authority(it, listen));
    if hosts.next().is_some() || !is_own {
        return Err(Refusal::ForeignHost);
    }
    for origin in headers.get_all(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|it| it.strip_prefix("http://"));
        if !own.is_some_and(|it| is_own_authority(it, listen)) {
            return Err(Refusal::ForeignOrigin);
        }
    }
    // Sent by browsers alone; `none` is an address typed by the user.
    match headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Refusal::ForeignOrigin),
    }
}

fn is_own_authority(authority: &str, listen: SocketAddr) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, digits)) if digits.parse() == Ok(listen.port()) => name,
        // A bare IPv6 address ends in `]`, so what follows the last colon there is no port.
        Some(_) | None if listen.port() == 80 => authority,
        Some(_) | None => return false,
    };
    // Any loopback address may be listened on; its own text is one of its names.
    let own = listen.to_string();
    let own = own.rsplit_once(':').map_or("", |(name, _)| name);
    ["127.0.0.1", "[::1]", own].contains(&name) || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check(&Uri::from_static("/v1/models"), &map, "127.0.0.1:4141".parse().unwrap())
    }

    #[test]
    fn serves_this_machine_under_its_own_names() {
        for host in ["127.0.0.1:4141", "localhost:4141", "LocalHost:4141", "[::1]:4141"] {
            assert_eq!(check_with(&[("host", host)]), Ok(()), "{host}");
        }
        let own = [("host", "localhost:4141"), ("origin", "http://localhost:4141")];
        assert_eq!(check_with(&own), Ok(()));
    }

    #[test]
    fn another_loopback_address_is_a_name_only_where_it_is_listened_on() {
        let mut map = HeaderMap::new();
        map.append("host", "127.0.0.2:4141".parse().unwrap());
        let check_on = |listen: &str| check(&Uri::from_static("/"), &map, listen.parse().unwrap());
        assert_eq!(check_on("127.0.0.2:4141"), Ok(()));
        assert_eq!(check_on("127.0.0.1:4141"), Err(Refusal::ForeignHost));
    }

    #[test]
    fn refuses_other_hosts_as_in_dns_rebinding() {
        for host in [
            "evil.example",
            "evil.example:4141",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1.evil:4141",
            "",
            ":4141",
        ] {
            assert_eq!(check_with(&[("host", host)]), Err(Refusal::ForeignHost), "{host}");
        }
        assert_eq!(check_with(&[]), Err(Refusal::ForeignHost));
        let absolute = |target: &'static str, host: &str| {
            let mut map = HeaderMap::new();
            map.append("host", host.parse().unwrap());
            check(&Uri::from_static(target), &map, "127.0.0.1:4141".parse().unwrap())
        };
        let own = "http://127.0.0.1:4141/v1/models";
        assert_eq!(absolute(own, "127.0.0.1:4141"), Ok(()));
        assert_eq!(absolute(own, "evil.example"), Err(Refusal::ForeignHost));
        let evil = "http://evil.example/v1/models";
        assert_eq!(absolute(evil, "127.0.0.1:4141"), Err(Refusal::ForeignHost));
        let twice = [("host", "localhost:4141"), ("host", "evil.example")];
        assert_eq!(check_with(&twice), Err(Refusal::ForeignHost));
    }

    #[test]
    fn refuses_pages_of_other_sites() {
        for origin in
            ["https://evil.example", "null", "http://localhost:3000", "https://localhost:4141"]
        {
            let headers = [("host", "localhost:4141"), ("origin", origin)];
            assert_eq!(check_with(&headers), Err(Refusal::ForeignOrigin), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            let headers = [("host", "localhost:4141"), ("sec-fetch-site", site)];
            assert_eq!(check_with(&headers), Err(Refusal::ForeignOrigin), "{site}");
        }
    }
}
