//! Which hosts may be called.

use reqwest::Url;

use crate::Error;

/// Granted hosts.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Vec<Grant>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    /// In lower case; without the `*.` of a pattern.
    host: String,
    /// None: any.
    port: Option<u16>,
    reach: Reach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// This host.
    Itself,
    /// Every host below this domain, not itself.
    Below,
}

impl Hosts {
    /// Reads `HOST`, `HOST:PORT`, `[IPV6]:PORT` and `*.DOMAIN`.
    pub(super) fn new(granted: &[String]) -> Result<Self, Error> {
        granted.iter().map(|text| read(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Says whether a URL leads to a granted host.
    pub(super) fn allow(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let port = url.port_or_known_default();
        self.0.iter().any(|grant| {
            let named = match grant.reach {
                Reach::Itself => host == grant.host,
                Reach::Below => {
                    host.strip_suffix(&grant.host).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
                }
            };
            named && grant.port.is_none_or(|granted| Some(granted) == port)
        })
    }
}

fn read(text: &str) -> Result<Grant, Error> {
    let bad = || Error::Config {
        field: "grants.hosts",
        why: format!("'{text}' is not a host: expected HOST, HOST:PORT or *.DOMAIN"),
    };
    let (pattern, reach) = match text.strip_prefix("*.") {
        Some(rest) => (rest, Reach::Below),
        None => (text, Reach::Itself),
    };
    // The URL parser knows what a host is, IPv6 and punycode included.
    let url = Url::parse(&format!("http://{pattern}/")).map_err(|_| bad())?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none();
    let host = url.host_str().filter(|_| plain && !pattern.contains(['/', '*', '?', '#'])).ok_or_else(bad)?;
    // The parser drops the port that is HTTP's default.
    let port = if pattern.ends_with(":80") { Some(80) } else { url.port() };
    Ok(Grant { host: host.trim_matches(['[', ']']).to_ascii_lowercase(), port, reach })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn allowed(granted: &str, url: &str) -> bool {
        Hosts::new(&[granted.to_owned()]).unwrap().allow(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_grant_reaches_what_it_names_and_no_further() {
        assert!(allowed("api.example.com", "https://API.example.com/x"));
        assert!(allowed("api.example.com", "http://api.example.com:8080/"));
        assert!(!allowed("example.com", "https://api.example.com/"));
        assert!(!allowed("example.com", "https://evil-example.com/"));
        assert!(!allowed("example.com", "https://example.com.evil.org/"));
        assert!(!allowed("example.com", "https://example.com@evil.org/"));
        assert!(allowed("*.example.com", "https://a.b.example.com/"));
        assert!(!allowed("*.example.com", "https://example.com/"));
        assert!(!allowed("*.example.com", "https://evilexample.com/"));
        assert!(allowed("localhost:8080", "http://localhost:8080/"));
        assert!(!allowed("localhost:8080", "http://localhost/"));
        assert!(allowed("a:80", "http://a/") && !allowed("a:80", "https://a/"));
        assert!(allowed("[::1]:99", "http://[::1]:99/"));
        assert!(!allowed("127.0.0.1", "file:///etc/passwd"));
    }

    #[test]
    fn what_is_no_host_is_refused_at_the_start() {
        for bad in ["", "http://a", "a/b", "a b", "*", "a.*.b", "user@a"] {
            assert!(Hosts::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
