//! The certificate authority (CA) that signs what the proxy shows to clients: made once, kept in two files.
//!
//! Whoever has its key can read the TLS of everybody who trusts it, so the key never leaves its file and this module.

mod files;
mod install;
mod leaf;

pub use install::{Installation, Plan, Step, System, install, plan};

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{Issuer, KeyPair};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use super::error::TlsError;
use super::host::Host;
use leaf::Leaves;

/// The CA's certificate in its directory.
pub const CERTIFICATE_FILE: &str = "framegate-ca.cert.pem";
/// The CA's key in its directory.
pub const KEY_FILE: &str = "framegate-ca.key.pem";

/// The CA, and the certificates that it has signed in this process.
pub struct Ca {
    path: PathBuf,
    name: String,
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    /// What servers send behind the leaf: nothing, unless the CA was itself signed by another.
    chain: Vec<CertificateDer<'static>>,
    issuer: Issuer<'static, KeyPair>,
    not_after: time::OffsetDateTime,
    leaves: Leaves,
}

/// What is wrong with the CA's files. Its text names the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct CaError {
    /// The file or directory that is meant.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Ca {
    /// Reads the CA from its directory (see [`directory`]), which is made (0700) with a new CA in it if it is not there.
    /// A CA of one's own may be put there: a certificate that may sign certificates and its key, both PEM; if it was
    /// signed by another one, that one's certificate may follow it.
    ///
    /// Processes that do this at the same time all end up with the same CA.
    ///
    /// # Errors
    /// If a file cannot be read or written, is damaged, has expired, or does not fit the other.
    pub fn load_or_create(directory: &Path) -> Result<Self, CaError> {
        files::load_or_create(directory)
    }

    /// The certificate's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate as it is in the file.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate in DER form.
    #[must_use]
    pub fn cert_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate's common name, such as "framegate CA 3f9a1c22": by it, it is found in a trust store.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of the certificate in DER form, as trust stores show it: `AB:CD:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let bytes: Vec<_> = sha256(&self.certificate)
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        bytes.join(":")
    }

    /// A certificate for `host`, from the cache or new.
    pub(super) fn leaf(&self, host: &Host) -> Result<Arc<CertifiedKey>, TlsError> {
        self.leaves.leaf(host, self)
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca")
            .field("path", &self.path)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The CA's directory in a data directory.
#[must_use]
pub fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("ca")
}

/// The certificate's file in a data directory; the CA is made if it is not there.
///
/// # Errors
/// As [`Ca::load_or_create`].
pub fn path(data_dir: &Path) -> Result<PathBuf, CaError> {
    Ok(Ca::load_or_create(&directory(data_dir))?.path)
}

/// Writes the certificate, without its key, to `file`: in DER form if the name ends in `.der` or `.cer`, as PEM otherwise.
///
/// # Errors
/// If the file cannot be written, or if its name asks for a form that there is not (`.p12`, `.pfx`).
pub fn export(ca: &Ca, file: &Path) -> Result<(), CaError> {
    let failed = |why: String| CaError {
        path: file.to_owned(),
        why,
    };
    let extension = file
        .extension()
        .map(|it| it.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let bytes = match extension.as_str() {
        "p12" | "pfx" => {
            return Err(failed(
                "there is no PKCS #12 form; write to a .pem, .crt, .cer or .der file".to_owned(),
            ));
        }
        "der" | "cer" => ca.cert_der().as_ref(),
        _ => ca.cert_pem().as_bytes(),
    };
    std::fs::write(file, bytes).map_err(|error| failed(format!("the certificate could not be written: {error}")))
}

/// From the suite that TLS uses it in, so that there is one implementation in the program.
fn sha256(bytes: &[u8]) -> Vec<u8> {
    rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .map(|suite| suite.common.hash_provider.hash(bytes).as_ref().to_vec())
        .unwrap_or_default()
}

/// Serial numbers must be unlike among all certificates of an issuer, positive and at most 20 bytes (RFC 5280 §4.1.2.2).
fn random_serial() -> Result<rcgen::SerialNumber, getrandom::Error> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(rcgen::SerialNumber::from_slice(&serial))
}

#[cfg(test)]
mod tests;
