//! Lists of hosts as people write them in the settings: which hosts they mean, and what is wrong with one.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::host::Host;
use crate::network;

/// A list of host patterns, each of them one of:
///
/// - `example.com`: that name and no other;
/// - `*.example.com`: every name below it at any depth, but not `example.com` itself;
/// - `192.0.2.7`, `2001:db8::7`, `[2001:db8::7]`: that address;
/// - `10.0.0.0/8`, `2001:db8::/32`: every address in that network;
/// - `*`: every host, names and addresses.
///
/// Case and a trailing dot do not matter. Ports are no part of a pattern: all ports of a host are meant. Names are not
/// resolved: an address or a network matches only a host that was given as an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPatterns {
    every: bool,
    names: HashSet<String>,
    /// `example.com` for `*.example.com`.
    parents: HashSet<String>,
    networks: Vec<IpNet>,
}

/// A pattern that means no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{pattern}\" is no host pattern: {why}")]
pub struct PatternError {
    /// As it was written.
    pub pattern: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl HostPatterns {
    /// Reads a list; an empty list means no host.
    ///
    /// # Errors
    /// The first pattern that is none, and why.
    pub fn parse<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        let mut all = Self::default();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            all.add(pattern.trim()).map_err(|why| PatternError {
                pattern: pattern.to_owned(),
                why,
            })?;
        }
        Ok(all)
    }

    /// Whether `host` is meant: a name or an address, in brackets or not, without a port. What is no host is meant by
    /// nothing but `*`.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        if self.every {
            return true;
        }
        if self.is_empty() {
            return false;
        }
        match Host::parse(host) {
            Some(Host::Name(name)) => self.names.contains(&name) || self.has_parent_of(&name),
            Some(Host::Ip(ip)) => self.networks.iter().any(|network| network.contains(&ip)),
            None => false,
        }
    }

    /// Whether that name is meant as it stands, by no star.
    #[must_use]
    pub fn has_name(&self, host: &str) -> bool {
        matches!(Host::parse(host), Some(Host::Name(name)) if self.names.contains(&name))
    }

    /// Whether an address or a network of the list means that address.
    #[must_use]
    pub fn has_network_of(&self, addr: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&addr))
    }

    /// Whether the list has any address or network.
    #[must_use]
    pub fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Whether no host at all is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.every && self.names.is_empty() && self.parents.is_empty() && self.networks.is_empty()
    }

    fn add(&mut self, pattern: &str) -> Result<(), &'static str> {
        if pattern == "*" {
            self.every = true;
            return Ok(());
        }
        if pattern.contains('/') {
            let network = network::parse(pattern).map_err(|_| why_not(pattern))?;
            self.networks.push(network);
            return Ok(());
        }
        if let Some(parent) = pattern.strip_prefix("*.") {
            let Some(Host::Name(parent)) = Host::parse(parent) else {
                return Err(why_not(parent));
            };
            self.parents.insert(parent);
            return Ok(());
        }
        match Host::parse(pattern) {
            Some(Host::Name(name)) => {
                self.names.insert(name);
            }
            Some(Host::Ip(ip)) => self.networks.push(ip.into()),
            None => return Err(why_not(pattern)),
        }
        Ok(())
    }

    fn has_parent_of(&self, name: &str) -> bool {
        !self.parents.is_empty()
            && name
                .match_indices('.')
                .any(|(dot, _)| self.parents.contains(&name[dot + 1..]))
    }
}

fn why_not(pattern: &str) -> &'static str {
    if pattern.is_empty() {
        "it is empty"
    } else if pattern.contains("://") {
        "write the host alone, without a scheme"
    } else if pattern.contains('/') {
        "a network is an address, a slash and a prefix length, such as 10.0.0.0/8"
    } else if pattern.contains('*') {
        "a star stands alone or for whole labels in front, such as *.example.com"
    } else if pattern.starts_with('.') {
        "it begins with a dot; for all names below one write *.example.com"
    } else if pattern.contains(':') {
        "a port is no part of a pattern, and an IPv6 address it is not"
    } else if !pattern.is_ascii() {
        "write an international name in its xn-- form"
    } else {
        "it is neither a DNS name nor an IP address"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::HostPatterns;

    fn matches(pattern: &str, host: &str) -> bool {
        HostPatterns::parse(&[pattern]).unwrap().matches(host)
    }

    #[test]
    fn a_pattern_means_these_hosts() {
        for (pattern, host) in [
            ("example.com", "example.com"),
            ("Example.COM.", "eXample.com"),
            ("example.com", "EXAMPLE.com."),
            ("*.example.com", "a.example.com"),
            ("*.example.com", "A.b.C.example.com."),
            ("*", "anything.at.all"),
            ("*", "10.1.2.3"),
            ("*", "[::1]"),
            ("*", "not a host"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("::1", "[::1]"),
            ("[::1]", "::1"),
            ("10.0.0.0/8", "10.255.0.1"),
            ("::ffff:10.0.0.0/104", "10.2.3.4"),
            ("2001:db8::/32", "[2001:DB8:1::2]"),
            ("0.0.0.0/0", "8.8.8.8"),
        ] {
            assert!(matches(pattern, host), "{pattern} should mean {host}");
        }
    }

    #[test]
    fn a_pattern_does_not_mean_these_hosts() {
        for (pattern, host) in [
            ("example.com", "a.example.com"),
            ("example.com", "example.com.evil.test"),
            ("example.com", "notexample.com"),
            ("*.example.com", "example.com"),
            ("*.example.com", "badexample.com"),
            ("*.example.com", "a.example.com.evil.test"),
            ("127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.0/8", "::1"),
            ("::/0", "10.0.0.1"),
            ("0.0.0.0/0", "example.com"),
            ("example.com", ""),
        ] {
            assert!(!matches(pattern, host), "{pattern} should not mean {host}");
        }
    }

    #[test]
    fn a_list_means_what_any_of_its_patterns_means() {
        let list = HostPatterns::parse(&["a.test", "*.b.test", "10.0.0.0/8"]).unwrap();
        assert!(list.matches("a.test") && list.matches("x.b.test") && list.matches("10.1.1.1"));
        assert!(!list.matches("b.test"));
        let empty = HostPatterns::parse::<&str>(&[]).unwrap();
        assert!(empty.is_empty() && !empty.matches("a.test"));
    }

    #[test]
    fn a_wrong_pattern_is_named_with_its_reason() {
        for (pattern, reason) in [
            ("", "empty"),
            ("https://example.com", "scheme"),
            ("10.0.0.0/33", "network"),
            ("a.*.com", "star"),
            ("*example.com", "star"),
            ("*.*.com", "star"),
            ("*.", "empty"),
            (".example.com", "dot"),
            ("example.com:443", "port"),
            ("b\u{fc}cher.example", "xn--"),
            ("1.2.3", "neither"),
            ("*.1.2.3.4", "neither"),
        ] {
            let error = HostPatterns::parse(&["fine.test", pattern]).unwrap_err();
            assert_eq!(error.pattern, pattern);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
