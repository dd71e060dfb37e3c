//! The CA's two files: made by exactly one of many processes, read and checked by all.
//!
//! The key comes first and the certificate is made from it, each with one atomic step that never replaces a file. So
//! whoever loses a race, or finds what a crash left, reads what is there and goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::leaf::Leaves;
use super::{CERTIFICATE_FILE, Ca, CaError, KEY_FILE, random_serial};

/// Clocks may differ.
const VALID_BEFORE: Duration = Duration::days(2);
/// Ten years, more or less.
const VALID_AFTER: Duration = Duration::days(3650);
/// A file of more bytes is none of ours.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn load_or_create(directory: &Path) -> Result<Ca, CaError> {
    let certificate_path = directory.join(CERTIFICATE_FILE);
    let key_path = directory.join(KEY_FILE);
    // In this order: the key is always there before the certificate.
    let has_certificate = exists(&certificate_path)?;
    let has_key = exists(&key_path)?;
    if has_certificate && !has_key {
        return Err(wrong(
            &key_path,
            format!(
                "the CA's key is missing while its certificate is there; restore it, or remove {CERTIFICATE_FILE} to have a new CA made"
            ),
        ));
    }
    if !has_key {
        make_directory(directory).map_err(|error| wrong(directory, format!("could not be made: {error}")))?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|error| wrong(&key_path, format!("no key could be made: {error}")))?;
        write_new(&key_path, key.serialize_pem().as_bytes(), Access::Owner)?;
    }
    let key = read_key(&key_path)?;
    if !has_certificate {
        let pem = make_certificate(&key).map_err(|why| wrong(&certificate_path, why))?;
        write_new(&certificate_path, pem.as_bytes(), Access::Everyone)?;
    }
    load(certificate_path, &key_path, key)
}

fn load(path: PathBuf, key_path: &Path, key: KeyPair) -> Result<Ca, CaError> {
    let certificate_pem = read(&path)?;
    let mut chain = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&path, format!("the CA's certificate is damaged: {error}")))?;
    let Some(certificate) = chain.first().cloned() else {
        return Err(wrong(&path, "there is no certificate in it".to_owned()));
    };
    let (_, parsed) = X509Certificate::from_der(&certificate)
        .map_err(|error| wrong(&path, format!("the CA's certificate is damaged: {error}")))?;
    if let Some(why) = flaw(&parsed) {
        return Err(wrong(&path, why));
    }
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err(wrong(
            &path,
            format!("the certificate does not belong to the key in {}", key_path.display()),
        ));
    }
    let name = parsed
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    let name = name.map_or_else(|| crate::tls::facts::rfc4514(parsed.subject()), str::to_owned);
    let not_after = parsed.validity().not_after.to_datetime();
    if parsed.subject().as_raw() == parsed.issuer().as_raw() {
        // Clients have the root, or they do not trust it.
        chain.clear();
    }
    let issuer = Issuer::from_ca_cert_der(&certificate, key)
        .map_err(|error| wrong(&path, format!("the certificate cannot be used as a CA's: {error}")))?;
    let leaves =
        Leaves::new().map_err(|why| wrong(&path, format!("no key for host certificates could be made: {why}")))?;
    Ok(Ca {
        path,
        name,
        certificate_pem,
        certificate,
        chain,
        issuer,
        not_after,
        leaves,
    })
}

fn flaw(certificate: &X509Certificate<'_>) -> Option<String> {
    if !certificate.is_ca() {
        return Some("the certificate is not a CA's (its basic constraints do not say so)".to_owned());
    }
    if let Ok(Some(usage)) = certificate.key_usage()
        && !usage.value.key_cert_sign()
    {
        return Some("the certificate may not sign certificates (key usage)".to_owned());
    }
    let valid = certificate.validity();
    let now = OffsetDateTime::now_utc();
    if now > valid.not_after.to_datetime() {
        return Some(format!(
            "the CA's certificate expired at {}; remove it and its key to have a new CA made",
            valid.not_after
        ));
    }
    if now < valid.not_before.to_datetime() {
        return Some(format!(
            "the CA's certificate is not valid before {}; is the clock right?",
            valid.not_before
        ));
    }
    None
}

fn make_certificate(key: &KeyPair) -> Result<String, String> {
    let mut params = CertificateParams::default();
    let now = OffsetDateTime::now_utc();
    params.serial_number = Some(random_serial().map_err(|error| error.to_string())?);
    params.not_before = now - VALID_BEFORE;
    params.not_after = now + VALID_AFTER;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    // From the key, so that all processes that make a certificate for one key give it one name.
    let id: String = params
        .key_identifier(key)
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("framegate CA {id}"));
    let certificate = params
        .self_signed(key)
        .map_err(|error| format!("no certificate could be made: {error}"))?;
    Ok(certificate.pem())
}

fn read_key(path: &Path) -> Result<KeyPair, CaError> {
    let pem = read(path)?;
    warn_if_readable_by_others(path);
    // What the parser says of it might quote it.
    KeyPair::from_pem(&pem).map_err(|_| {
        wrong(
            path,
            "the CA's key is damaged, encrypted or of a kind that is not supported; PEM with an EC or RSA key is"
                .to_owned(),
        )
    })
}

fn read(path: &Path) -> Result<String, CaError> {
    let size = fs::metadata(path).map(|it| it.len());
    if size.is_ok_and(|size| size > FILE_BYTES_MAX) {
        return Err(wrong(path, "it is too long to be a certificate or a key".to_owned()));
    }
    fs::read_to_string(path).map_err(|error| wrong(path, format!("could not be read: {error}")))
}

fn exists(path: &Path) -> Result<bool, CaError> {
    path.try_exists()
        .map_err(|error| wrong(path, format!("could not be looked at: {error}")))
}

#[derive(Clone, Copy)]
enum Access {
    Owner,
    Everyone,
}

/// Puts a whole file there, unless there is one already.
fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<(), CaError> {
    let failed = |error: io::Error| wrong(path, format!("could not be written: {error}"));
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error.to_string())))?;
    let temporary = path.with_extension(format!("{:016x}.tmp", u64::from_be_bytes(random)));
    let written = write_temporary(&temporary, bytes, access).and_then(|()| put_in_place(&temporary, path));
    // After a rename it is no longer there.
    let _ = fs::remove_file(&temporary);
    written.map_err(failed)
}

fn write_temporary(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(match access {
            Access::Owner => 0o600,
            Access::Everyone => 0o644,
        });
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file: File = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A hard link is made in one step and never replaces a file; a file system without them gets the second best.
fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(_) if path.try_exists()? => Ok(()),
        Err(_) => fs::rename(temporary, path),
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn warn_if_readable_by_others(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o077 != 0) {
            tracing::warn!(file = %path.display(), "the CA's key can be read by others; chmod 600 it");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

fn wrong(path: &Path, why: String) -> CaError {
    CaError {
        path: path.to_owned(),
        why,
    }
}
