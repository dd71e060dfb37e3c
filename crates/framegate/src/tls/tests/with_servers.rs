//! The server's leg.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::PrivateKeyDer;
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority of the test's own, and servers with its certificates.
struct World {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    bundle: PathBuf,
}

fn world() -> World {
    world_of("the test's root")
}

fn world_of(root: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, root);
    let bundle = directory.path().join("roots.pem");
    std::fs::write(&bundle, params.self_signed(&key).unwrap().pem()).unwrap();
    World {
        directory,
        issuer: Issuer::new(params, key),
        bundle,
    }
}

fn params(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Frames, Ltd");
    params.distinguished_name.push(DnType::CommonName, "the server");
    params
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn server_config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(Arc::new(CertifiedKey::new(vec![certificate], key)))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

impl World {
    fn server(&self, params: &CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        server_config(params.signed_by(&key, &self.issuer).unwrap().into(), &key)
    }

    /// A proxy that trusts the world's authority.
    fn proxy(&self, insecure: &[&str]) -> (tempfile::TempDir, Arc<Ca>, Tls) {
        proxy(|settings| {
            settings.tls.upstream_ca = self.bundle.to_string_lossy().into_owned();
            settings.tls.insecure_hosts = insecure.iter().map(|host| (*host).to_owned()).collect();
        })
    }
}

/// One connection of the proxy to a server; bytes go both ways over it if it comes up.
async fn meet(tls: &Tls, host: &str, server: ServerConfig) -> Result<TlsLeg, TlsError> {
    let (proxy, tcp) = pair().await;
    let (proxy, server) = tokio::join!(
        tls.connect(proxy, host),
        TlsAcceptor::from(Arc::new(server)).accept(tcp)
    );
    let (mut stream, leg) = proxy?;
    let mut server = server.unwrap();
    assert_eq!(server.get_ref().1.server_name(), leg.server_name.as_deref());
    greet(&mut stream, &mut server).await;
    Ok(leg)
}

fn assert_refused(result: Result<TlsLeg, TlsError>, reason: Reason, parts: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!((error.fault(), error.reason()), (Fault::Server, reason), "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part} is missing in: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_trusted_is_met_and_described() {
    let world = world();
    let (_directory, _, tls) = world.proxy(&[]);
    let server = || world.server(&params(&["echo.example.com"]));
    for host in ["echo.example.com", "ECHO.example.com."] {
        let leg = meet(&tls, host, server()).await.unwrap();
        assert_eq!(leg.version, "TLSv1.3");
        assert_eq!(leg.cipher, "TLS13_AES_256_GCM_SHA384");
        assert_eq!(leg.server_name.as_deref(), Some("echo.example.com"));
        assert_eq!(leg.subject.as_deref(), Some("CN=the server,O=Frames\\, Ltd"));
        assert_eq!(leg.alpn.as_deref(), Some("http/1.1"));
    }
}

#[tokio::test]
async fn a_session_that_is_resumed_is_described_as_well() {
    let world = world();
    let (_directory, _, tls) = world.proxy(&[]);
    let server = world.server(&params(&["echo.example.com"]));
    let first = meet(&tls, "echo.example.com", server.clone()).await.unwrap();
    let second = meet(&tls, "echo.example.com", server).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn an_address_is_verified_and_not_sent_as_a_name() {
    let world = world();
    let (_directory, _, tls) = world.proxy(&[]);
    for (host, address) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1")] {
        let leg = meet(&tls, host, world.server(&params(&[address]))).await.unwrap();
        assert_eq!(leg.server_name, None, "{host}");
        assert_eq!(leg.subject.as_deref(), Some("CN=the server,O=Frames\\, Ltd"));
    }
    let result = meet(&tls, "127.0.0.2", world.server(&params(&["127.0.0.1"]))).await;
    assert_refused(result, Reason::WrongHost, &["127.0.0.2", "127.0.0.1"]);
}

#[tokio::test]
async fn a_server_without_alpn_or_tls_1_3_is_met_too() {
    let world = world();
    let (_directory, _, tls) = world.proxy(&[]);
    let key = KeyPair::generate().unwrap();
    let certificate = params(&["old.example"]).signed_by(&key, &world.issuer).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.into()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let leg = meet(&tls, "old.example", config).await.unwrap();
    assert_eq!((leg.version.as_str(), leg.alpn), ("TLSv1.2", None));
    assert!(leg.cipher.starts_with("TLS_ECDHE_ECDSA_"), "{}", leg.cipher);
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_refused_with_the_reason() {
    let world = world();
    let (_directory, _, tls) = world.proxy(&[]);
    let host = "echo.example.com";
    let result = meet(&tls, host, world.server(&params(&["a.example", "b.example"]))).await;
    assert_refused(result, Reason::WrongHost, &[host, "a.example", "b.example"]);
    let result = meet(&tls, host, world.server(&params(&[]))).await;
    assert_refused(result, Reason::WrongHost, &[host]);

    let mut expired = params(&[host]);
    expired.not_after = OffsetDateTime::now_utc() - Duration::days(1);
    assert_refused(
        meet(&tls, host, world.server(&expired)).await,
        Reason::Expired,
        &[host, "expired at 20"],
    );
    let mut early = params(&[host]);
    early.not_before = OffsetDateTime::now_utc() + Duration::days(1);
    assert_refused(
        meet(&tls, host, world.server(&early)).await,
        Reason::Expired,
        &[host, "not valid before 20"],
    );

    for stranger in [world_of("another root"), self::world()] {
        let result = meet(&tls, host, stranger.server(&params(&[host]))).await;
        assert_refused(
            result,
            Reason::UnknownIssuer,
            &[host, "tls.upstream_ca", "tls.insecure_hosts"],
        );
    }
}

#[tokio::test]
async fn a_host_may_be_met_unverified_and_that_one_only() {
    let world = world();
    let stranger = self::world();
    let (_directory, _, tls) = world.proxy(&["*.dev.example", "127.0.0.0/8"]);
    for host in ["a.dev.example", "127.0.0.1"] {
        let mut wrong = params(&["other.example"]);
        wrong.not_after = OffsetDateTime::now_utc() - Duration::days(1);
        let leg = meet(&tls, host, stranger.server(&wrong)).await.unwrap();
        assert_eq!(leg.subject.as_deref(), Some("CN=the server,O=Frames\\, Ltd"));
    }
    let result = meet(&tls, "dev.example", stranger.server(&params(&["dev.example"]))).await;
    assert_refused(result, Reason::UnknownIssuer, &["dev.example"]);
}

#[tokio::test]
async fn an_unverified_server_must_own_its_certificate_all_the_same() {
    let world = world();
    let (_directory, _, tls) = world.proxy(&["*"]);
    let certificate = params(&["a.example"])
        .signed_by(&KeyPair::generate().unwrap(), &world.issuer)
        .unwrap();
    let thief = server_config(certificate.into(), &KeyPair::generate().unwrap());
    assert_refused(
        meet(&tls, "a.example", thief).await,
        Reason::BadCertificate,
        &["a.example"],
    );
}

#[tokio::test]
async fn a_listed_certificate_may_be_the_servers_own() {
    let world = world();
    let key = KeyPair::generate().unwrap();
    let mut own = params(&["own.example"]);
    // As openssl makes them by default.
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = own.self_signed(&key).unwrap();
    own.not_after = OffsetDateTime::now_utc() - Duration::days(1);
    let expired = own.self_signed(&key).unwrap();
    let bundle = world.directory.path().join("own.pem");
    std::fs::write(&bundle, certificate.pem() + &expired.pem()).unwrap();
    let (_directory, _, tls) = proxy(|settings| settings.tls.upstream_ca = bundle.to_string_lossy().into_owned());
    let server = || server_config(certificate.der().clone(), &key);
    meet(&tls, "own.example", server()).await.unwrap();
    assert_refused(
        meet(&tls, "other.example", server()).await,
        Reason::WrongHost,
        &["own.example"],
    );
    let result = meet(&tls, "own.example", server_config(expired.der().clone(), &key)).await;
    assert_refused(result, Reason::Expired, &["expired at"]);
    let thief = server_config(certificate.der().clone(), &KeyPair::generate().unwrap());
    assert_refused(
        meet(&tls, "own.example", thief).await,
        Reason::BadCertificate,
        &["signature is wrong"],
    );
}

#[tokio::test]
async fn a_server_that_speaks_http2_only_is_named() {
    let world = world();
    let (_directory, _, tls) = world.proxy(&[]);
    let mut server = world.server(&params(&["echo.example.com"]));
    server.alpn_protocols = vec![b"h2".to_vec()];
    let result = meet(&tls, "echo.example.com", server).await;
    assert_refused(result, Reason::NoCommonProtocol, &["echo.example.com", "http/1.1"]);
}

#[tokio::test]
async fn what_is_no_tls_is_the_servers_fault() {
    let (_directory, _, tls) = world().proxy(&[]);
    for (bytes, reason) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Reason::Protocol),
        (b"", Reason::Interrupted),
    ] {
        let (proxy, mut server) = pair().await;
        let answer = async {
            let mut hello = [0; 5];
            server.read_exact(&mut hello).await.unwrap();
            server.write_all(bytes).await.unwrap();
            server.shutdown().await.unwrap();
            server
        };
        let (result, _server) = tokio::join!(tls.connect(proxy, "echo.example.com"), answer);
        assert_refused(result.map(|(_, leg)| leg), reason, &["echo.example.com"]);
    }
}

#[tokio::test]
async fn a_host_that_is_none_is_not_connected_to() {
    let (_directory, _, tls) = world().proxy(&["*"]);
    for host in ["", "a b", "*.example.com", "a:443"] {
        let (proxy, _server) = pair().await;
        let error = tls.connect(proxy, host).await.unwrap_err();
        assert_eq!(
            (error.fault(), error.reason()),
            (Fault::Client, Reason::NoHost),
            "{host:?}"
        );
    }
}

#[tokio::test]
async fn a_machine_without_roots_fails_where_it_needs_them() {
    let insecure = HostPatterns::parse(&["a.example"]).unwrap();
    let key_log: Arc<dyn rustls::KeyLog> = Arc::new(rustls::NoKeyLog {});
    let no_roots = Err("no roots".to_owned());
    let server_side = ServerSide::new(&provider(), &key_log, no_roots, insecure).unwrap();
    let (proxy, _server) = pair().await;
    let error = server_side.connect(proxy, "b.example").await.unwrap_err();
    assert_eq!((error.fault(), error.reason()), (Fault::Ours, Reason::Setup));
    assert!(
        error.to_string().contains("b.example") && error.to_string().contains("no roots"),
        "{error}"
    );

    let server = TlsAcceptor::from(Arc::new(world().server(&params(&["a.example"]))));
    let (proxy, tcp) = pair().await;
    let (proxy, server) = tokio::join!(server_side.connect(proxy, "a.example"), server.accept(tcp));
    greet(&mut proxy.unwrap().0, &mut server.unwrap()).await;
}
