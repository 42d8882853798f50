//! How near a host is: what may go there without TLS, and what no proxy knows the way to.

use std::net::IpAddr;

use http::{Uri, uri::Scheme};

/// Whether a URL's host is this machine by its address, or `localhost`.
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|it| it.is_loopback())
}

/// Whether it is this machine, or on its own network's link, where a cloud tells a machine about
/// itself.
pub(crate) fn is_near(host: &str) -> bool {
    let on_link = |it: IpAddr| match it {
        IpAddr::V4(it) => it.is_link_local(),
        IpAddr::V6(it) => it.is_unicast_link_local(),
    };
    is_this_machine(host)
        || host == "metadata.google.internal"
        || address(host).is_some_and(on_link)
}

/// Whether what is sent to a URL is read by nobody on the way: over TLS, or to a host of which
/// `is_safe` says so.
pub(crate) fn is_private(url: &Uri, is_safe: impl Fn(&str) -> bool) -> bool {
    match url.scheme() {
        Some(it) if *it == Scheme::HTTPS => true,
        Some(it) if *it == Scheme::HTTP => url.host().is_some_and(is_safe),
        _ => false,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_here_or_on_the_link_needs_no_tls() {
        let check = |url: &str, here: bool, near: bool| {
            let url: Uri = url.parse().unwrap();
            let found = (is_private(&url, is_this_machine), is_private(&url, is_near));
            assert_eq!(found, (here, near), "{url}");
        };
        check("https://example.com/token", true, true);
        check("http://127.0.0.1:8000/", true, true);
        check("http://[::1]/", true, true);
        check("http://localhost:1/msi", true, true);
        check("http://169.254.169.254/metadata", false, true);
        check("http://metadata.google.internal/", false, true);
        check("http://169.254.example.com/", false, false);
        check("http://localhost.example.com/", false, false);
        check("http://10.0.0.1/", false, false);
        check("ftp://127.0.0.1/", false, false);
    }
}
