//! Real handshakes over loopback, on both legs.
#![allow(clippy::unwrap_used)]

mod with_clients;
mod with_servers;

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Two ends of one connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (left, right) = tokio::join!(TcpStream::connect(address), listener.accept());
    (left.unwrap(), right.unwrap().0)
}

/// The proxy's TLS with a new CA; the directory must be kept.
fn proxy(change: impl FnOnce(&mut Settings)) -> (tempfile::TempDir, Arc<Ca>, Tls) {
    let directory = tempfile::tempdir().unwrap();
    let ca = Arc::new(Ca::load_or_create(&directory.path().join("ca")).unwrap());
    let mut settings = Settings::default();
    change(&mut settings);
    let tls = Tls::new(&settings, Arc::clone(&ca)).unwrap();
    (directory, ca, tls)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A client's configuration that trusts `root` only.
fn client_config(
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// Four bytes each way.
async fn greet(
    one: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    other: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
) {
    let mut bytes = [0; 4];
    one.write_all(b"ping").await.unwrap();
    one.flush().await.unwrap();
    other.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
    other.write_all(b"pong").await.unwrap();
    other.flush().await.unwrap();
    one.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"pong");
}

#[test]
fn wrong_settings_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Arc::new(Ca::load_or_create(directory.path()).unwrap());
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, b"nothing\n").unwrap();
    let damaged = directory.path().join("damaged.pem");
    std::fs::write(&damaged, &ca.cert_pem()[..100]).unwrap();
    type Change = Box<dyn Fn(&mut Settings)>;
    let bundle = |path: &std::path::Path| -> Change {
        let path = path.to_string_lossy().into_owned();
        Box::new(move |settings| settings.tls.upstream_ca.clone_from(&path))
    };
    let changes: [(Change, &[&str]); 5] = [
        (
            Box::new(|settings| settings.tls.passthrough = vec!["a:1".to_owned()]),
            &["tls.passthrough", "a:1", "port"],
        ),
        (
            Box::new(|settings| settings.tls.insecure_hosts = vec![".a".to_owned()]),
            &["tls.insecure_hosts", ".a"],
        ),
        (
            bundle(&directory.path().join("missing.pem")),
            &["tls.upstream_ca", "missing.pem", "could not be read"],
        ),
        (bundle(&empty), &["tls.upstream_ca", "empty.pem", "no PEM certificate"]),
        (bundle(&damaged), &["tls.upstream_ca", "damaged.pem"]),
    ];
    for (change, parts) in changes {
        let mut settings = Settings::default();
        change(&mut settings);
        let error = Tls::new(&settings, Arc::clone(&ca)).unwrap_err();
        assert_eq!((error.fault(), error.reason()), (Fault::Ours, Reason::Setup));
        for part in parts {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
    }
}

#[test]
fn passthrough_is_what_the_settings_say() {
    let (_directory, _, tls) = proxy(|settings| settings.tls.passthrough = vec!["*.bank.example".to_owned()]);
    assert!(tls.passthrough("login.bank.example"));
    assert!(!tls.passthrough("bank.example"));
}
