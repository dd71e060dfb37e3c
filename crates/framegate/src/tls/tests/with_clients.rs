//! The client's leg.

use bytes::Bytes;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, HandshakeKind};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::*;

async fn connect(
    config: ClientConfig,
    host: &str,
    tcp: TcpStream,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

fn alert(error: &std::io::Error) -> AlertDescription {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("no alert but {error}"),
    }
}

#[tokio::test]
async fn a_client_gets_a_certificate_for_the_host_it_names() {
    for (version, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let (_directory, ca, tls) = proxy(|_| {});
        let config = client_config(ca.cert_der(), &[version], &["h2", "http/1.1"]);
        let (client, proxy) = pair().await;
        let (client, proxy) = tokio::join!(
            connect(config, "Echo.example.com", client),
            tls.accept(proxy.into(), "other.example")
        );
        let (mut client, (mut stream, leg)) = (client.unwrap(), proxy.unwrap());
        greet(&mut client, &mut stream).await;
        assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(leg.version, name);
        let suite = client.get_ref().1.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(leg.cipher, suite.as_str().unwrap());
        assert!(leg.cipher.starts_with("TLS"), "{}", leg.cipher);
        assert_eq!(leg.server_name.as_deref(), Some("echo.example.com"));
        assert_eq!(leg.alpn.as_deref(), Some("http/1.1"));
        assert_eq!(leg.subject, None);
    }
}

#[tokio::test]
async fn a_client_that_names_no_host_gets_one_for_the_authority() {
    for authority in ["127.0.0.1", "::1", "[::1]"] {
        let (_directory, ca, tls) = proxy(|_| {});
        let config = client_config(ca.cert_der(), &[&TLS13], &[]);
        let (client, proxy) = pair().await;
        let address = authority.trim_matches(['[', ']']);
        let (client, proxy) = tokio::join!(connect(config, address, client), tls.accept(proxy.into(), authority));
        let (mut client, (mut stream, leg)) = (client.unwrap(), proxy.unwrap());
        greet(&mut client, &mut stream).await;
        assert_eq!((leg.server_name, leg.alpn), (None, None));
    }
}

#[tokio::test]
async fn what_was_read_ahead_is_part_of_the_handshake() {
    let (_directory, ca, tls) = proxy(|_| {});
    let config = client_config(ca.cert_der(), &[&TLS13], &[]);
    let (client, mut proxy) = pair().await;
    let accept = async {
        let mut early = vec![0; 100];
        proxy.read_exact(&mut early).await.unwrap();
        assert_eq!(server_name(&early), Hello::Incomplete);
        tls.accept(Rewind::new(proxy, Bytes::from(early)), "other.example")
            .await
    };
    let (client, proxy) = tokio::join!(connect(config, "echo.example.com", client), accept);
    greet(&mut client.unwrap(), &mut proxy.unwrap().0).await;
}

#[tokio::test]
async fn a_client_that_comes_back_resumes_its_session() {
    let (_directory, ca, tls) = proxy(|_| {});
    let config = client_config(ca.cert_der(), &[&TLS13], &["http/1.1"]);
    let mut kinds = Vec::new();
    let mut legs = Vec::new();
    for _ in 0..2 {
        let (client, proxy) = pair().await;
        let accept = tls.accept(proxy.into(), "echo.example.com");
        let (client, proxy) = tokio::join!(connect(config.clone(), "echo.example.com", client), accept);
        let (mut client, (mut stream, leg)) = (client.unwrap(), proxy.unwrap());
        greet(&mut client, &mut stream).await;
        kinds.push(client.get_ref().1.handshake_kind());
        legs.push(leg);
    }
    assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    assert_eq!(legs[0], legs[1]);
}

#[tokio::test]
async fn a_client_that_wants_http2_only_is_told_so() {
    let (_directory, ca, tls) = proxy(|_| {});
    let config = client_config(ca.cert_der(), &[&TLS12, &TLS13], &["h2"]);
    let (client, proxy) = pair().await;
    let (client, proxy) = tokio::join!(
        connect(config, "echo.example.com", client),
        tls.accept(proxy.into(), "echo.example.com")
    );
    assert_eq!(alert(&client.unwrap_err()), AlertDescription::NoApplicationProtocol);
    let error = proxy.unwrap_err();
    assert_eq!(
        (error.fault(), error.reason()),
        (Fault::Client, Reason::NoCommonProtocol)
    );
    assert!(error.to_string().contains("http/1.1"), "{error}");
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_ca_is_recognised() {
    for version in [&TLS12, &TLS13] {
        let (_directory, _, tls) = proxy(|_| {});
        let (_other_directory, other, _) = proxy(|_| {});
        let config = client_config(other.cert_der(), &[version], &[]);
        let (client, proxy) = pair().await;
        let (client, proxy) = tokio::join!(
            connect(config, "echo.example.com", client),
            tls.accept(proxy.into(), "echo.example.com")
        );
        client.unwrap_err();
        let error = proxy.unwrap_err();
        assert_eq!((error.fault(), error.reason()), (Fault::Client, Reason::CaNotTrusted));
        for part in [
            "does not trust",
            "echo.example.com",
            "unknown_ca",
            "framegate ca install",
        ] {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
    }
}

#[tokio::test]
async fn without_any_host_there_is_no_certificate() {
    let (_directory, ca, tls) = proxy(|_| {});
    for authority in ["", "*.example.com", "a b", "\u{1}\n", &"a".repeat(300)] {
        let config = client_config(ca.cert_der(), &[&TLS13], &[]);
        let (client, proxy) = pair().await;
        let (client, proxy) = tokio::join!(
            connect(config, "127.0.0.1", client),
            tls.accept(proxy.into(), authority)
        );
        alert(&client.unwrap_err());
        let error = proxy.unwrap_err();
        assert_eq!(
            (error.fault(), error.reason()),
            (Fault::Client, Reason::NoHost),
            "{authority:?}"
        );
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
}

/// The first bytes of a client that asks for `host`.
fn client_hello(root: &CertificateDer<'static>, host: &str) -> Vec<u8> {
    let config = Arc::new(client_config(root, &[&TLS13], &[]));
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut bytes = Vec::new();
    rustls::ClientConnection::new(config, name)
        .unwrap()
        .write_tls(&mut bytes)
        .unwrap();
    bytes
}

#[tokio::test]
async fn a_server_name_that_is_no_host_is_refused() {
    let (_directory, ca, tls) = proxy(|_| {});
    let original = b"echo.example.com";
    for hostile in [
        b"*.xx.example.com",
        b"echo example.com",
        b"echo..xample.com",
        b"e\0\r\n.example.com",
        b"\xff\xfe\xfd/../../etc/ab",
    ] {
        let mut hello = client_hello(ca.cert_der(), "echo.example.com");
        let at = hello
            .windows(original.len())
            .position(|window| window == original)
            .unwrap();
        hello[at..at + original.len()].copy_from_slice(&hostile[..]);
        assert_eq!(
            server_name(&hello),
            Hello::Tls { server_name: None },
            "{}",
            hostile.escape_ascii()
        );
        let (mut client, proxy) = pair().await;
        client.write_all(&hello).await.unwrap();
        let error = tls.accept(proxy.into(), "other.example").await.unwrap_err();
        assert_eq!(
            (error.fault(), error.reason()),
            (Fault::Client, Reason::Protocol),
            "{error}"
        );
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        // A fatal alert: illegal_parameter (RFC 8446 §6.2).
        assert_eq!(answer, [21, 3, 3, 0, 2, 2, 47], "{}", hostile.escape_ascii());
    }
}

#[tokio::test]
async fn what_is_no_tls_is_the_clients_fault() {
    let (_directory, _, tls) = proxy(|_| {});
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], Reason::Protocol),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", Reason::Protocol),
        (b"\x16\x03\x01", Reason::Interrupted),
        (b"", Reason::Interrupted),
    ] {
        let (mut client, proxy) = pair().await;
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let error = tls.accept(proxy.into(), "echo.example.com").await.unwrap_err();
        assert_eq!(
            (error.fault(), error.reason()),
            (Fault::Client, reason),
            "{bytes:?}: {error}"
        );
    }
}

#[tokio::test]
async fn secrets_are_logged_for_those_who_ask() {
    let test = "tls::tests::with_clients::secrets_are_logged_for_those_who_ask";
    let Some(file) = std::env::var_os("SSLKEYLOGFILE") else {
        // The environment is read when TLS is set up, so the test runs in a process of its own.
        let directory = tempfile::tempdir().unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env("SSLKEYLOGFILE", directory.path().join("keys"))
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        assert!(directory.path().join("keys").is_file());
        return;
    };
    let (_directory, ca, tls) = proxy(|settings| settings.tls.insecure_hosts = vec!["*".to_owned()]);
    let config = client_config(ca.cert_der(), &[&TLS13], &[]);
    let (client, proxy) = pair().await;
    let (client, proxy) = tokio::join!(
        connect(config, "echo.example.com", client),
        tls.accept(proxy.into(), "echo.example.com")
    );
    let secrets = |text: String| {
        text.lines()
            .filter(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 "))
            .count()
    };
    greet(&mut client.unwrap(), &mut proxy.unwrap().0).await;
    assert_eq!(secrets(std::fs::read_to_string(&file).unwrap()), 1, "the client's leg");
    let (proxy, server) = pair().await;
    let (proxy, server) = tokio::join!(
        tls.connect(proxy, "echo.example.com"),
        tls.accept(server.into(), "echo.example.com")
    );
    greet(&mut proxy.unwrap().0, &mut server.unwrap().0).await;
    assert_eq!(
        secrets(std::fs::read_to_string(&file).unwrap()),
        3,
        "both ends of the second connection log"
    );
}
