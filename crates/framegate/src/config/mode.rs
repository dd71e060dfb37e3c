//! A door: how clients reach the proxy and, for a reverse door, which server stands behind it.
//!
//! A door is written as on the command line: `regular@127.0.0.1:8080`, `reverse:https://example.com@:9000`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::tls::is_host;

/// One door and the address that it listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mode {
    /// A forward proxy: absolute-form requests and CONNECT.
    Regular {
        /// Where it listens. Port 0: a free one.
        addr: SocketAddr,
    },
    /// Whoever is in front says where each connection goes, or a route does.
    Gateway {
        /// Where it listens. Port 0: a free one.
        addr: SocketAddr,
    },
    /// It stands in front of one server.
    Reverse {
        /// That server.
        url: Upstream,
        /// Where it listens. Port 0: a free one.
        addr: SocketAddr,
    },
}

impl Mode {
    /// The address that the door listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        match self {
            Self::Regular { addr } | Self::Gateway { addr } | Self::Reverse { addr, .. } => *addr,
        }
    }

    /// The word that stands for the kind of door, as flows carry it: `regular`, `gateway`, `reverse`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Regular { .. } => "regular",
            Self::Gateway { .. } => "gateway",
            Self::Reverse { .. } => "reverse",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Regular { addr } => write!(f, "regular@{addr}"),
            Self::Gateway { addr } => write!(f, "gateway@{addr}"),
            Self::Reverse { url, addr } => write!(f, "reverse:{url}@{addr}"),
        }
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let (kind, addr) = text.rsplit_once('@').ok_or(ModeError::Shape)?;
        match kind {
            "regular" => Ok(Self::Regular {
                addr: parse_addr(addr)?,
            }),
            "gateway" => Ok(Self::Gateway {
                addr: parse_addr(addr)?,
            }),
            "socks5" => Err(ModeError::Later("socks5")),
            _ => {
                let url = kind.strip_prefix("reverse:").ok_or(ModeError::Shape)?.parse()?;
                let addr = parse_addr(addr)?;
                Ok(Self::Reverse { url, addr })
            }
        }
    }
}

impl TryFrom<String> for Mode {
    type Error = ModeError;

    fn try_from(text: String) -> Result<Self, ModeError> {
        text.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

/// The server behind a reverse door.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Whether it speaks TLS (`https`, `wss`).
    pub tls: bool,
    /// A name in lower case or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The URL's port, or else its scheme's.
    pub port: u16,
    /// What is put in front of each request's path: empty, or it begins with `/` and does not end with one.
    pub path: String,
}

impl Upstream {
    /// `host:port`, with brackets around an IPv6 address, and without the port if it is the scheme's own: what a `Host`
    /// field holds (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let mut text = format!("{open}{}{close}", self.host);
        if self.port != default {
            text.push_str(&format!(":{}", self.port));
        }
        text
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl FromStr for Upstream {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let bad = |why| ModeError::Url(text.to_owned(), why);
        let (scheme, rest) = text.split_once("://").ok_or(bad("it has no scheme"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(bad("its scheme is none of http, https, ws, wss")),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            // The URL is not shown: what stands before the @ may be a password.
            return Err(ModeError::UserInfo);
        }
        if path.contains(['?', '#']) {
            return Err(bad(
                "a query or a fragment cannot stand in front of each request's path",
            ));
        }
        if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(bad("its path has a character that must be percent-encoded"));
        }
        let (host, port) = split_authority(authority).map_err(bad)?;
        Ok(Self {
            tls,
            host,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// Why a door cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// It is not written as any door is.
    #[error("expected regular@ADDR, gateway@ADDR or reverse:URL@ADDR, such as regular@127.0.0.1:8080")]
    Shape,
    /// The kind of door exists in name only.
    #[error("{0}@ADDR is not in this version; there are regular@ADDR, gateway@ADDR and reverse:URL@ADDR")]
    Later(&'static str),
    /// The address cannot be read.
    #[error(
        "cannot read the address {0:?}: expected an IP address and a port, such as 127.0.0.1:8080, [::1]:8080 or :8080"
    )]
    Addr(String),
    /// The server's URL cannot be read.
    #[error("cannot use the URL {0:?}: {1}")]
    Url(String, &'static str),
    /// The server's URL holds a user name.
    #[error("a URL cannot hold a user name or a password")]
    UserInfo,
}

impl ModeError {
    /// What is wrong, for a text that says itself what is found.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Url(_, why) => (*why).to_owned(),
            _ => self.to_string(),
        }
    }
}

/// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, and `:8080` or `8080`, which are the loopback's.
///
/// # Errors
/// [`ModeError::Addr`] for anything else; other names are not looked up.
pub fn parse_addr(text: &str) -> Result<SocketAddr, ModeError> {
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    let port = match text.rsplit_once(':') {
        None => text,
        Some(("" | "localhost", port)) => port,
        Some(_) => return Err(ModeError::Addr(text.to_owned())),
    };
    let port = parse_port(port).ok_or_else(|| ModeError::Addr(text.to_owned()))?;
    Ok(loopback(port))
}

/// A port of this machine, for itself alone.
pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// A host, and a port if there is one.
///
/// # Errors
/// Which of them cannot be read.
fn split_authority(text: &str) -> Result<(String, Option<u16>), &'static str> {
    const NO_HOST: &str = "its host is neither a DNS name nor an IP address";
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(NO_HOST)?;
            let host: Ipv6Addr = host.parse().map_err(|_| NO_HOST)?;
            let port = (!rest.is_empty()).then(|| rest.strip_prefix(':').unwrap_or_default());
            (host.to_string(), port)
        }
        None => {
            let (host, port) = text
                .split_once(':')
                .map_or((text, None), |(host, port)| (host, Some(port)));
            if !is_host(host) {
                return Err(NO_HOST);
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    let read = |port| {
        parse_port(port)
            .filter(|port| *port != 0)
            .ok_or("its port is none of 1 to 65535")
    };
    Ok((host, port.map(read).transpose()?))
}

/// Digits only: `u16::from_str` would take `+80`.
fn parse_port(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Mode, ModeError, parse_addr};

    fn shown(text: &str) -> String {
        text.parse::<Mode>().unwrap().to_string()
    }

    #[test]
    fn a_door_is_shown_as_it_is_written() {
        for text in [
            "regular@127.0.0.1:8080",
            "regular@[::1]:0",
            "gateway@127.0.0.1:4000",
            "reverse:http://example.com@127.0.0.1:9000",
            "reverse:https://example.com:8443/a/b@0.0.0.0:443",
            "reverse:http://[::1]:81/@x@127.0.0.1:9000",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn an_address_without_a_host_is_the_loopback() {
        assert_eq!(shown("regular@:8080"), "regular@127.0.0.1:8080");
        assert_eq!(shown("regular@8080"), "regular@127.0.0.1:8080");
        assert_eq!(shown("regular@localhost:0"), "regular@127.0.0.1:0");
    }

    #[test]
    fn a_url_is_normalised() {
        assert_eq!(
            shown("reverse:WSS://Example.COM:443/@:1"),
            "reverse:https://example.com@127.0.0.1:1"
        );
        assert_eq!(shown("reverse:ws://h:80/a/@:1"), "reverse:http://h/a@127.0.0.1:1");
        let Ok(Mode::Reverse { url, .. }) = "reverse:wss://[::1]@:1".parse() else {
            panic!("not a reverse door");
        };
        assert_eq!((url.tls, url.host.as_str(), url.port), (true, "::1", 443));
        assert_eq!(url.authority(), "[::1]");
    }

    #[test]
    fn bad_addresses_are_refused() {
        for text in [
            "",
            ":",
            "example.com:80",
            "127.0.0.1",
            "::1:80:",
            "1:2:3",
            "65536",
            "+80",
            ":+80",
            "[::1]",
        ] {
            assert_eq!(parse_addr(text), Err(ModeError::Addr(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn bad_doors_say_what_is_wrong() {
        for (text, says) in [
            ("regular", "expected regular@ADDR"),
            ("", "expected regular@ADDR"),
            ("regular:http://h@:1", "expected regular@ADDR"),
            ("socks5@:1080", "socks5@ADDR is not in this version"),
            ("regular@nowhere", "\"nowhere\""),
            ("reverse:example.com@:1", "no scheme"),
            ("reverse:ftp://example.com@:1", "none of http"),
            ("reverse:http://@:1", "its host is neither"),
            ("reverse:http://h h@:1", "its host is neither"),
            ("reverse:http://[::1@:1", "its host is neither"),
            ("reverse:http://h..i@:1", "its host is neither"),
            ("reverse:http://1.2.3.4.5@:1", "its host is neither"),
            ("reverse:http://h:99999@:1", "its port is none of"),
            ("reverse:http://h:0@:1", "its port is none of"),
            ("reverse:http://h:@:1", "its port is none of"),
            ("reverse:http://[::1]1@:1", "its port is none of"),
            ("reverse:http://h/?q=1@:1", "a query or a fragment"),
            ("reverse:http://h/a b@:1", "percent-encoded"),
        ] {
            let error = text.parse::<Mode>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let error = "reverse:http://me:hush@h@:1".parse::<Mode>().unwrap_err().to_string();
        assert!(error.contains("a user name or a password"), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}
