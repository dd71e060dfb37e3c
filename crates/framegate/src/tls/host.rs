//! The one way in which this module reads a host: a DNS name or an IP address, in one spelling.
//!
//! It resolves nothing, and it knows no ports.

use std::fmt;
use std::net::IpAddr;

/// A DNS name is at most so long, its dots counted (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// One label of a DNS name is at most so long (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// A host that a certificate can be made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// Lower-case, without a trailing dot.
    Name(String),
    /// An IPv4-mapped IPv6 address is the IPv4 address that it stands for.
    Ip(IpAddr),
}

impl Host {
    /// Reads a name or an address, in brackets or not; `None` for what is neither: wrong characters, a wildcard, an
    /// empty or overlong label, a name that ends in a number and is no address.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(text).parse::<IpAddr>() {
            return Some(Self::Ip(ip.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        is_name(name).then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// Whether it is a DNS name, or an IP address as URLs hold it but for brackets.
#[must_use]
pub(crate) fn is_host(text: &str) -> bool {
    Host::parse(text).is_some()
}

/// Underscores are allowed: names with them are in use, and TLS libraries take them.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let ends_in_number = name
        .rsplit('.')
        .next()
        .is_some_and(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= NAME_BYTES_MAX && !ends_in_number && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Host;

    #[test]
    fn one_host_has_one_spelling() {
        for (text, expected) in [
            ("Echo.Example.COM", "echo.example.com"),
            ("example.com.", "example.com"),
            ("localhost", "localhost"),
            ("a_b.example", "a_b.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = vec!["abcdefgh"; 30].join(".");
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".example.com",
            "*.example.com",
            "a b",
            "a/b",
            "a:80",
            "[::1",
            "::1]",
            "-a.example",
            "a-.example",
            "b\u{fc}cher.example",
            "a\0b",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "a\r\nb",
            &long_label,
            &long_name,
        ] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }
}
