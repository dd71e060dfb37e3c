//! Where somebody else may send the proxy: which hosts a header field may name, and to which addresses they may lead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::tls::{HostPatterns, PatternError};

/// Services of clouds that hand secrets to whoever asks from inside; link-local addresses have most of them.
const METADATA: [IpNet; 9] = [
    v4([169, 254, 0, 0], 16),
    v6([0xfe80, 0, 0, 0], 10),
    v4([100, 100, 100, 200], 32),
    v4([168, 63, 129, 16], 32),
    v4([192, 0, 0, 192], 32),
    // Amazon's (instances, EKS pods), Google's, Oracle's and Scaleway's.
    v6([0xfd00, 0xec2, 0, 0], 32),
    v6([0xfd20, 0xce, 0, 0], 32),
    v6([0xfd00, 0xc1, 0, 0], 32),
    v6([0xfd00, 0x42, 0, 0], 32),
];

/// What is not reached from everywhere (IANA's special-purpose registries): a name below a wildcard that leads there was
/// not meant.
const PRIVATE: [IpNet; 20] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 3),
    v6([0, 0, 0, 0], 127),
    // NAT64 within one network (RFC 8215), Teredo.
    v6([0x64, 0xff9b, 1, 0], 48),
    v6([0x2001, 0, 0, 0], 32),
    v6([0x2001, 0xdb8, 0, 0], 32),
    v6([0x3fff, 0, 0, 0], 20),
    v6([0xfc00, 0, 0, 0], 7),
    v6([0xfec0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0], 8),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

/// The network of IPv6 addresses whose first half begins like this.
const fn v6([a, b, c, d]: [u16; 4], prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix))
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
        let ends = [Some(addr), behind(addr)];
        let is_of = |networks: &[IpNet]| {
            let mut ends = ends.iter().flatten();
            ends.any(|end| networks.iter().any(|network| network.contains(end)))
        };
        if is_of(&METADATA) {
            return false;
        }
        self.patterns.is_empty() || self.patterns.has_name(host) || self.patterns.matches(host) && !is_of(&PRIVATE)
    }
}

/// The IPv4 address that a router between the two families makes of an IPv6 address.
fn behind(addr: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(addr) = addr else { return None };
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into());
    match addr.segments() {
        // NAT64 (RFC 6052 §2.1), and addresses that are only compatible (RFC 4291 §2.5.5.1).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high > 0 => v4(high, low),
        // 6to4 (RFC 3056 §2).
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
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
            "fd00:ec2::23",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
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
            for addr in ["8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2600::1"] {
                assert!(admits(&patterns, "a.test", addr), "{addr}");
            }
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
                "192.0.0.8",
                "198.19.0.1",
                "224.0.0.1",
                "255.255.255.255",
                "64:ff9b::a00:5",
                "64:ff9b:1::808:808",
                "2002:a00:5::1",
                "::10.0.0.5",
                "2001::1",
                "fec0::1",
                "ff02::1",
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
        assert!(admits(&["64:ff9b::/96"], "a.test", "64:ff9b::a00:5"));
    }
}
