//! A look at a connection's first bytes: is it TLS, and for which server? Nothing is consumed or answered.

use std::io::Cursor;

use rustls::server::Acceptor;

/// The first byte of every TLS handshake record (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// The first byte of a ClientHello message (RFC 8446 §4).
const CLIENT_HELLO: u8 = 1;
/// A record's type, version and length (RFC 8446 §5.1).
const RECORD_HEADER_BYTES: usize = 5;
/// A plain-text record's payload (RFC 8446 §5.1).
const RECORD_PAYLOAD_BYTES_MAX: usize = 1 << 14;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// They may become a ClientHello: ask again with more, from the first byte on.
    Incomplete,
    /// They are something else.
    NotTls,
    /// They are a ClientHello, whole or one whose content cannot be read. The latter has no server name;
    /// [`Tls::accept`](super::Tls::accept) answers it with the alert that it deserves.
    Tls {
        /// The host that it asks for (SNI, RFC 6066 §3), lower-case, if any.
        server_name: Option<String>,
    },
}

/// Looks for a ClientHello in the first bytes that a client sent. It may span several records; at most about 64 KiB of it are
/// looked at before it counts as unreadable.
#[must_use]
pub fn server_name(first_bytes: &[u8]) -> Hello {
    if !may_be_client_hello(first_bytes) {
        return Hello::NotTls;
    }
    let mut acceptor = Acceptor::default();
    let mut rest = Cursor::new(first_bytes);
    loop {
        // The acceptor takes some thousand bytes at a time.
        match acceptor.read_tls(&mut rest) {
            Ok(0) => return Hello::Incomplete,
            Ok(_) => {}
            Err(_) => return Hello::Tls { server_name: None },
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let server_name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                return Hello::Tls { server_name };
            }
            Err(_) => return Hello::Tls { server_name: None },
        }
    }
}

fn may_be_client_hello(bytes: &[u8]) -> bool {
    let is = |at: usize, right: &dyn Fn(u8) -> bool| bytes.get(at).is_none_or(|byte| right(*byte));
    let length_fits = || {
        let (Some(high), Some(low)) = (bytes.get(3), bytes.get(4)) else {
            return true;
        };
        (1..=RECORD_PAYLOAD_BYTES_MAX).contains(&usize::from(u16::from_be_bytes([*high, *low])))
    };
    is(0, &|byte| byte == HANDSHAKE_RECORD)
        && is(1, &|byte| byte == 3)
        && is(2, &|byte| byte <= 4)
        && length_fits()
        && is(RECORD_HEADER_BYTES, &|byte| byte == CLIENT_HELLO)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    fn client_hello(host: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = host.to_owned().try_into().unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The same handshake message in records of at most `size` bytes.
    fn split_records(hello: &[u8], size: usize) -> Vec<u8> {
        hello[RECORD_HEADER_BYTES..]
            .chunks(size)
            .flat_map(|part| {
                let length = u16::try_from(part.len()).unwrap().to_be_bytes();
                [&[HANDSHAKE_RECORD, 3, 1, length[0], length[1]][..], part].concat()
            })
            .collect()
    }

    #[test]
    fn the_server_name_is_found_as_soon_as_the_hello_is_whole() {
        let hello = client_hello("Echo.Example.com");
        let found = Hello::Tls {
            server_name: Some("echo.example.com".to_owned()),
        };
        for end in 0..hello.len() {
            assert_eq!(server_name(&hello[..end]), Hello::Incomplete, "after {end} bytes");
        }
        assert_eq!(server_name(&hello), found);
        assert_eq!(server_name(&[&hello[..], b"what comes behind it"].concat()), found);
    }

    #[test]
    fn a_hello_in_many_records_is_one_hello() {
        let hello = client_hello("echo.example.com");
        let found = Hello::Tls {
            server_name: Some("echo.example.com".to_owned()),
        };
        for size in [1, 7, 100, 1000] {
            let split = split_records(&hello, size);
            assert_eq!(server_name(&split), found, "records of {size} bytes");
            assert_eq!(
                server_name(&split[..split.len() - 1]),
                Hello::Incomplete,
                "records of {size} bytes"
            );
        }
    }

    #[test]
    fn a_hello_to_an_address_has_no_server_name() {
        assert_eq!(
            server_name(&client_hello("127.0.0.1")),
            Hello::Tls { server_name: None }
        );
    }

    #[test]
    fn other_protocols_are_not_tls() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"SSH-2.0-x\r\n",
            b"\x16GET",
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\xff\xff",
            b"\x16\x03\x01\x00\x05\x02",
            b"\x17\x03\x03\x00\x05",
            b"\0",
        ] {
            assert_eq!(server_name(bytes), Hello::NotTls, "{bytes:?}");
        }
    }

    #[test]
    fn an_unreadable_hello_is_tls_without_a_name() {
        let mut hello = client_hello("echo.example.com");
        // The length of the session id, behind the two headers, the version and the random.
        hello[RECORD_HEADER_BYTES + 4 + 2 + 32] = 255;
        assert_eq!(server_name(&hello), Hello::Tls { server_name: None });
        let endless = split_records(
            &[&[0; RECORD_HEADER_BYTES][..], &[1, 0xff, 0xff, 0xff], &[0; 100_000]].concat(),
            16_000,
        );
        assert_eq!(server_name(&endless), Hello::Tls { server_name: None });
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(mut bytes: Vec<u8>, at in 0_usize..400, value: u8) {
            let _ = server_name(&bytes);
            let mut hello = client_hello("echo.example.com");
            let at = at % hello.len();
            hello[at] = value;
            let _ = server_name(&hello);
            hello.truncate(at);
            hello.append(&mut bytes);
            let _ = server_name(&hello);
        }
    }
}
