//! An address or a network, as people write it in settings and filters.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 10.0.0.0/8")]
pub(crate) struct NoNetwork(String);

/// Reads an address or a network, to be asked about canonical addresses. An address is the network that it is alone in.
///
/// # Errors
/// For a text that is neither.
pub(crate) fn parse(text: &str) -> Result<IpNet, NoNetwork> {
    let address = |_| text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(address);
    network.map(canonical).map_err(|_| NoNetwork(text.to_owned()))
}

/// Addresses are asked about with IPv4-mapped ones unmapped (RFC 4291 §2.5.5.2), so networks of them must be too.
fn canonical(network: IpNet) -> IpNet {
    let IpAddr::V4(ip) = network.addr().to_canonical() else {
        return network;
    };
    let prefix = if network.max_prefix_len() == 128 {
        network.prefix_len().checked_sub(96)
    } else {
        Some(network.prefix_len())
    };
    prefix
        .and_then(|prefix| Ipv4Net::new(ip, prefix).ok())
        .map_or(network, IpNet::V4)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::parse;

    #[test]
    fn an_address_a_network_and_their_mapped_spellings_are_read() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:0.0.0.0/95", "::ffff:0.0.0.0/95"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse(text).unwrap(), network.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_named() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0",
            "example.com",
            "10.0.0.0/8 ",
            "[::1]",
            "127.0.0.1:80",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{text:?} is neither an address nor a network such as 10.0.0.0/8")
            );
        }
    }
}
