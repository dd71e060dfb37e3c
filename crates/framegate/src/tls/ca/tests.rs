//! The CA on disk, and what it signs.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{ServerName, UnixTime};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use super::*;

fn new_ca() -> (tempfile::TempDir, Ca) {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::load_or_create(&directory.path().join("ca")).unwrap();
    (directory, ca)
}

fn leaf_of(ca: &Ca, host: &str) -> Arc<CertifiedKey> {
    ca.leaf(&Host::parse(host).unwrap()).unwrap()
}

fn parse(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).unwrap().1
}

/// Writes a CA of one's own, as `change` wants it.
fn own_ca(directory: &Path, change: impl FnOnce(&mut CertificateParams)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    fs::write(directory.join(KEY_FILE), key.serialize_pem()).unwrap();
    fs::write(directory.join(CERTIFICATE_FILE), certificate.pem()).unwrap();
}

fn refusal(directory: &Path) -> CaError {
    Ca::load_or_create(directory)
        .map(|ca| ca.name().to_owned())
        .unwrap_err()
}

#[test]
fn a_ca_is_made_once_and_then_read() {
    let (directory, first) = new_ca();
    let again = Ca::load_or_create(&directory.path().join("ca")).unwrap();
    assert_eq!(first.cert_der(), again.cert_der());
    assert_eq!(first.cert_pem(), again.cert_pem());
    assert_eq!(path(directory.path()).unwrap(), first.path());
    let (_other_directory, other) = new_ca();
    assert_ne!(first.name(), other.name());
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, _) = new_ca();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let ca = directory.path().join("ca");
    assert_eq!(mode(&ca), 0o700);
    assert_eq!(mode(&ca.join(KEY_FILE)), 0o600);
}

#[test]
fn processes_that_start_at_once_agree_on_one_ca() {
    const THREADS: usize = 8;
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca");
        let barrier = Barrier::new(THREADS);
        let certificates: HashSet<Vec<u8>> = std::thread::scope(|scope| {
            let start = || {
                barrier.wait();
                Ca::load_or_create(&ca).unwrap().cert_der().to_vec()
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(certificates.len(), 1);
        let left: Vec<_> = fs::read_dir(&ca)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}

#[test]
fn a_key_that_a_crash_left_alone_gets_its_certificate() {
    let (directory, first) = new_ca();
    fs::remove_file(first.path()).unwrap();
    let again = Ca::load_or_create(&directory.path().join("ca")).unwrap();
    assert_eq!(again.name(), first.name(), "the name comes from the key");
    assert_ne!(again.cert_der(), first.cert_der());
}

#[test]
fn the_certificate_is_a_ca_for_leaves_only() {
    let (_directory, ca) = new_ca();
    let certificate = parse(ca.cert_der());
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && !usage.digital_signature() && !usage.key_encipherment());
    assert_eq!(certificate.issuer(), certificate.subject());
    let lifetime = certificate.validity().not_after.timestamp() - OffsetDateTime::now_utc().unix_timestamp();
    assert!(Duration::seconds(lifetime) > Duration::days(9 * 365));
    assert!(ca.name().starts_with("framegate CA "), "{}", ca.name());
    assert_eq!(
        key_ids(&certificate),
        (key_ids(&certificate).1, key_ids(&certificate).1)
    );
}

/// The subject's and the authority's key identifier.
fn key_ids(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut ids = (None, None);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => ids.0 = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => ids.1 = id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => {}
        }
    }
    ids
}

#[test]
fn files_that_do_not_hold_are_named() {
    let (directory, ca) = new_ca();
    let at = directory.path().join("ca");
    let key_file = at.join(KEY_FILE);
    let key = fs::read_to_string(&key_file).unwrap();
    let secret = key.lines().nth(1).unwrap();

    for damaged in ["", "no key\n", &key.replace('A', "B"), &key[..key.len() / 2]] {
        fs::write(&key_file, damaged).unwrap();
        let error = refusal(&at);
        assert_eq!(error.path, key_file);
        assert!(!error.to_string().contains(&secret[..20]), "{error}");
    }
    fs::write(&key_file, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = refusal(&at);
    assert_eq!(error.path, ca.path());
    assert!(
        error.to_string().contains(KEY_FILE) && error.to_string().contains("does not belong"),
        "{error}"
    );
    fs::remove_file(&key_file).unwrap();
    let error = refusal(&at);
    assert_eq!(error.path, key_file);
    assert!(error.to_string().contains("missing"), "{error}");
    fs::write(&key_file, &key).unwrap();

    let pem = ca.cert_pem();
    for damaged in [
        "",
        "no certificate\n",
        &pem[..pem.len() / 2],
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        fs::write(ca.path(), damaged).unwrap();
        assert_eq!(refusal(&at).path, ca.path(), "{damaged:?}");
    }
    fs::write(ca.path(), pem).unwrap();
    assert_eq!(Ca::load_or_create(&at).unwrap().cert_der(), ca.cert_der());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = refusal(&file.join("ca"));
    assert!(error.path.starts_with(file.join("ca")), "{error}");
}

#[test]
fn certificates_that_are_no_ca_are_refused() {
    type Change = fn(&mut CertificateParams);
    let changes: [(Change, &str); 4] = [
        (|params| params.is_ca = IsCa::ExplicitNoCa, "not a CA's"),
        (
            |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
            "may not sign",
        ),
        (
            |params| params.not_after = OffsetDateTime::now_utc() - Duration::days(1),
            "expired",
        ),
        (
            |params| params.not_before = OffsetDateTime::now_utc() + Duration::days(1),
            "not valid before",
        ),
    ];
    for (change, why) in changes {
        let directory = tempfile::tempdir().unwrap();
        own_ca(directory.path(), change);
        let error = refusal(directory.path());
        assert_eq!(error.path, directory.path().join(CERTIFICATE_FILE));
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_ca_of_ones_own_signs_too() {
    let directory = tempfile::tempdir().unwrap();
    own_ca(directory.path(), |params| {
        params.not_after = OffsetDateTime::now_utc() + Duration::days(3)
    });
    let ca = Ca::load_or_create(directory.path()).unwrap();
    let leaf = leaf_of(&ca, "echo.example.com");
    assert_eq!(leaf.cert.len(), 1, "a root is not sent");
    verify(&ca, &leaf, "echo.example.com").unwrap();
    let [own, leaf] = [ca.cert_der(), &leaf.cert[0]].map(|der| parse(der).validity().not_after.timestamp());
    assert!(leaf <= own, "a leaf does not outlive its CA");
}

#[test]
fn a_ca_that_was_signed_by_another_is_sent_with_its_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "a root");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "an intermediate");
    let intermediate = params.signed_by(&key, &Issuer::from_params(&root, &root_key)).unwrap();
    fs::write(directory.path().join(KEY_FILE), key.serialize_pem()).unwrap();
    fs::write(directory.path().join(CERTIFICATE_FILE), intermediate.pem()).unwrap();
    let ca = Ca::load_or_create(directory.path()).unwrap();
    assert_eq!(ca.name(), "an intermediate");
    let leaf = leaf_of(&ca, "echo.example.com");
    assert_eq!(leaf.cert[1..], [intermediate.der().clone()]);
    let root = root.self_signed(&root_key).unwrap();
    verify_from(root.der(), &leaf, "echo.example.com").unwrap();
}

fn verify(ca: &Ca, leaf: &CertifiedKey, host: &str) -> Result<(), rustls::Error> {
    verify_from(ca.cert_der(), leaf, host)
}

fn verify_from(root: &CertificateDer<'static>, leaf: &CertifiedKey, host: &str) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    verifier
        .verify_server_cert(&leaf.cert[0], &leaf.cert[1..], &name, &[], UnixTime::now())
        .map(drop)
}

#[test]
fn a_leaf_holds_for_its_host_and_no_other() {
    let (_directory, ca) = new_ca();
    let long = format!("{}.example.com", "a".repeat(63));
    for host in [
        "echo.example.com",
        "localhost",
        "127.0.0.1",
        "::1",
        "under_score.example",
        &long,
    ] {
        let leaf = leaf_of(&ca, host);
        leaf.keys_match().unwrap();
        verify(&ca, &leaf, host).unwrap();
        verify(&ca, &leaf, "other.example").unwrap_err();
        verify(&ca, &leaf, "127.0.0.2").unwrap_err();
    }
    let (_other_directory, other) = new_ca();
    verify(&other, &leaf_of(&ca, "echo.example.com"), "echo.example.com").unwrap_err();
}

#[test]
fn leaves_are_what_strict_clients_want() {
    let (_directory, ca) = new_ca();
    let mut serials = HashSet::new();
    for host in (0..100)
        .map(|n| format!("host{n}.example"))
        .chain(["127.0.0.1".to_owned()])
    {
        let leaf = leaf_of(&ca, &host);
        let certificate = parse(&leaf.cert[0]);
        let serial = certificate.raw_serial().to_vec();
        assert!(
            (serial[0] & 0x80) == 0 && serial.len() == 16,
            "positive, 16 bytes: {serial:?}"
        );
        assert!(serials.insert(serial), "the serial of {host} was there before");
        let valid = certificate.validity();
        assert!(valid.not_after.timestamp() - valid.not_before.timestamp() <= Duration::days(397).whole_seconds());
        assert!(valid.not_before.to_datetime() < OffsetDateTime::now_utc() - Duration::days(1));
        assert_eq!(key_ids(&certificate).1, key_ids(&parse(ca.cert_der())).0);
        assert!(certificate.extended_key_usage().unwrap().unwrap().value.server_auth);
        assert!(!certificate.is_ca());
    }
}

#[test]
fn a_leaf_is_made_once_per_host() {
    let (_directory, ca) = new_ca();
    let first = leaf_of(&ca, "echo.example.com");
    assert!(Arc::ptr_eq(&first, &leaf_of(&ca, "ECHO.example.com.")));
    assert!(!Arc::ptr_eq(&first, &leaf_of(&ca, "other.example.com")));
}

#[test]
fn the_certificate_is_exported_as_the_files_name_says() {
    let (directory, ca) = new_ca();
    for (name, der) in [
        ("a.der", true),
        ("a.CER", true),
        ("a.pem", false),
        ("a.crt", false),
        ("a", false),
    ] {
        let file = directory.path().join(name);
        export(&ca, &file).unwrap();
        let expected = if der {
            ca.cert_der().as_ref()
        } else {
            ca.cert_pem().as_bytes()
        };
        assert_eq!(fs::read(&file).unwrap(), expected, "{name}");
    }
    let error = export(&ca, &directory.path().join("a.p12")).unwrap_err();
    assert!(
        error.to_string().contains("a.p12") && error.to_string().contains("PKCS #12"),
        "{error}"
    );
    let error = export(&ca, &directory.path().join("missing/a.pem")).unwrap_err();
    assert!(error.to_string().contains("missing/a.pem"), "{error}");
}

#[test]
fn the_key_cannot_be_printed() {
    let (directory, ca) = new_ca();
    let key = fs::read_to_string(directory.path().join("ca").join(KEY_FILE)).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let printed = format!("{ca:?}");
    assert!(printed.contains(ca.name()) && !printed.contains(secret));
}

#[test]
fn the_fingerprint_is_the_sha_256_of_the_certificate() {
    // The digest of "abc" from FIPS 180-2, appendix B.1.
    let abc: String = sha256(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(abc, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let (_directory, ca) = new_ca();
    assert_eq!(ca.fingerprint().len(), 32 * 3 - 1);
}
