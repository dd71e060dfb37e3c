//! Where somebody else may send the proxy: which hosts a header field may name, and to which addresses they may lead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::tls::{HostPatterns, PatternError};

/// Services of clouds that hand secrets to whoever asks from inside; link-local addresses, which have most of them, are
/// refused as a whole.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// What is nobody else's network: a name below a wildcard that leads there was not meant.
const PRIVATE: [IpNet; 8] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v6(0, 127),
    v6(0xfc00, 7),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

/// The network of IPv6 addresses that begin like this.
const fn v6(first: u16, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), prefix))
}

/// The hosts and addresses that may be reached.
///
/// - Without any pattern: every address but link-local ones and the metadata services of clouds.
/// - A network or an address: every address in it, whichever name leads there.
/// - A name: that name, wherever it leads but to link-local addresses and metadata services.
/// - A wildcard (`*.example.com`, `*`): such names, where they lead to public addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    patterns: HostPatterns,
}

impl Reach {
    /// # Errors
    /// The first pattern that is none.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            patterns: HostPatterns::parse(patterns)?,
        })
    }

    /// Whether the host can be meant at all, before it is looked up.
    #[must_use]
    pub fn may_admit(&self, host: &str) -> bool {
        match host.parse() {
            Ok(ip) => self.admits(host, ip),
            Err(_) => self.patterns.is_empty() || self.patterns.matches(host) || self.patterns.has_networks(),
        }
    }

    /// Whether the host may be reached at that address.
    #[must_use]
    pub fn admits(&self, host: &str, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        if self.patterns.has_network_of(addr) {
            return true;
        }
        if is_metadata(addr) {
            return false;
        }
        self.patterns.is_empty()
            || self.patterns.has_name(host)
            || self.patterns.matches(host) && !PRIVATE.iter().any(|network| network.contains(&addr))
    }
}

fn is_metadata(addr: IpAddr) -> bool {
    let link_local = match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    };
    link_local || METADATA.contains(&addr)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Reach;

    fn admits(patterns: &[&str], host: &str, addr: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let reach = Reach::new(&patterns).unwrap();
        let admits = reach.admits(host, addr.parse().unwrap());
        assert!(
            !admits || reach.may_admit(host),
            "{host} is not refused before it is looked up"
        );
        admits
    }

    #[test]
    fn without_patterns_all_but_the_secrets_of_clouds_is_reached() {
        for addr in ["127.0.0.1", "10.0.0.1", "8.8.8.8", "::1", "2001:db8::1"] {
            assert!(admits(&[], "a.test", addr), "{addr}");
        }
        for addr in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd20:ce::254",
        ] {
            assert!(!admits(&[], "a.test", addr), "{addr}");
            assert!(!admits(&[], addr, addr), "{addr}");
        }
    }

    #[test]
    fn a_name_leads_where_it_leads_and_a_wildcard_only_outside() {
        assert!(admits(&["a.test"], "A.test.", "10.0.0.1"));
        assert!(!admits(&["a.test"], "b.test", "10.0.0.1"));
        assert!(!admits(&["a.test"], "a.test", "169.254.169.254"));
        for patterns in [["*.test"], ["*"]] {
            assert!(admits(&patterns, "a.test", "8.8.8.8"));
            for addr in [
                "10.0.0.1",
                "127.0.0.1",
                "::1",
                "::",
                "fd12::1",
                "100.64.0.1",
                "172.31.0.1",
                "::ffff:192.168.0.1",
                "0.0.0.0",
            ] {
                assert!(!admits(&patterns, "a.test", addr), "{addr}");
            }
        }
        assert!(admits(&["*.test", "10.0.0.0/8"], "a.test", "10.0.0.1"));
    }

    #[test]
    fn a_network_is_reached_by_every_name() {
        assert!(admits(&["10.0.0.0/8"], "a.test", "10.0.0.1"));
        assert!(admits(&["10.0.0.0/8"], "10.0.0.1", "10.0.0.1"));
        assert!(!admits(&["10.0.0.0/8"], "a.test", "11.0.0.1"));
        assert!(admits(&["169.254.0.0/16"], "a.test", "169.254.1.1"));
    }
}
