//! Which server: scheme, host and port.

use std::fmt;
use std::sync::Arc;

use crate::config::Reach;

/// A server as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether it is spoken to in TLS.
    pub(crate) tls: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whose certificate it must have, if that is not `host`: the name that the client asked for by SNI.
    pub(crate) server_name: Option<String>,
    /// Which addresses it may have, if somebody has named it who may not name all.
    pub(crate) reach: Option<Arc<Reach>>,
}

impl Origin {
    pub(crate) fn new(tls: bool, host: String, port: u16) -> Self {
        Self {
            tls,
            host,
            port,
            server_name: None,
            reach: None,
        }
    }

    /// `scheme://host:port` of a URL; the port only where it is not the scheme's own.
    pub(crate) fn url(&self, websocket: bool) -> String {
        let scheme = match (websocket, self.tls) {
            (true, true) => "wss",
            (true, false) => "ws",
            (false, true) => "https",
            (false, false) => "http",
        };
        let default = if self.tls { 443 } else { 80 };
        if self.port == default {
            format!("{scheme}://{}", bracketed(&self.host))
        } else {
            format!("{scheme}://{self}")
        }
    }
}

impl fmt::Display for Origin {
    /// `host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// Reads `host`, `host:port`, `[v6]` or `[v6]:port`; `None`: it is none of them, or holds a user name. Without a port
/// it is `default_port`; without that the port must be there.
pub(crate) fn parse_authority(text: &str, default_port: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':')?),
            };
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"/?#@[]<>\"\\^`{|}".contains(&byte);
    if host.is_empty() || !host.bytes().all(fits) && !text.starts_with('[') {
        return None;
    }
    let port = match port {
        None | Some("") => default_port?,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok().filter(|port| *port != 0)?,
        Some(_) => return None,
    };
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::{Origin, parse_authority};

    #[test]
    fn authorities_are_read_as_urls_have_them() {
        let read = |text, default| parse_authority(text, default);
        assert_eq!(read("Example.com", Some(80)), Some(("example.com".to_owned(), 80)));
        assert_eq!(read("example.com:", Some(80)), Some(("example.com".to_owned(), 80)));
        assert_eq!(read("example.com:8080", None), Some(("example.com".to_owned(), 8080)));
        assert_eq!(read("[::1]:443", None), Some(("::1".to_owned(), 443)));
        assert_eq!(read("[::1]", Some(443)), Some(("::1".to_owned(), 443)));
        for bad in [
            "", ":80", "h", "h:", "h:0", "h:+1", "h:65536", "u@h:80", "[::1]80", "[h]:80", "::1:80", "a b:80", "h/:80",
        ] {
            assert_eq!(read(bad, None), None, "{bad:?}");
        }
    }

    #[test]
    fn a_url_has_the_port_only_where_it_says_something() {
        let url = |tls, host: &str, port, websocket| Origin::new(tls, host.to_owned(), port).url(websocket);
        assert_eq!(url(false, "h", 80, false), "http://h");
        assert_eq!(url(true, "h", 80, false), "https://h:80");
        assert_eq!(url(true, "::1", 443, true), "wss://[::1]");
        assert_eq!(url(false, "::1", 81, true), "ws://[::1]:81");
    }
}
