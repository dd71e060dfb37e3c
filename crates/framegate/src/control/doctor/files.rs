//! What is in the data directory: its access, the certificate authority, the database.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::Check;
use crate::flow::Timestamp;
use crate::store::{Reader, StoreError};
use crate::tls::ca;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A CA with fewer days left than this should be replaced soon.
const DAYS_LEFT_MIN: i64 = 30;

/// Whether it is there, its owner's alone, and can be written to.
pub(super) fn data_directory(dir: &Path) -> Check {
    let name = "data directory";
    let shown = dir.display();
    let metadata = match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return Check::fail(name, format!("{shown} is not a directory")).advise("name another with --data-dir");
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Check::ok(name, format!("{shown} is not there yet")).advise("framegate run creates it");
        }
        Err(error) => return Check::fail(name, format!("{shown}: {error}")).advise("name another with --data-dir"),
    };
    if let Err(error) = write_probe(dir) {
        return Check::fail(name, format!("{shown} cannot be written to: {error}"))
            .advise("change its owner, or name another with --data-dir");
    }
    match access(&metadata) {
        Some(mode) if mode & 0o077 != 0 => Check::warn(
            name,
            format!("{shown} is open to others on this machine (mode {mode:04o})"),
        )
        .advise(format!("chmod 700 {shown}")),
        _ => Check::ok(name, format!("{shown}, writable")),
    }
}

/// Whether the record can be opened.
pub(super) fn database(data_dir: &Path) -> Check {
    let name = "database";
    let path = data_dir.join("framegate.db");
    let shown = path.display();
    match Reader::open(&path) {
        Ok(_) => {
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            Check::ok(name, format!("{shown}, {:.1} MiB", bytes as f64 / 1_048_576.0))
        }
        Err(StoreError::Missing(_)) => {
            Check::ok(name, format!("{shown} is not there yet")).advise("framegate run creates it")
        }
        Err(error @ StoreError::Older { .. }) => Check::warn(name, error.to_string()),
        Err(error @ StoreError::Foreign(_)) => {
            Check::fail(name, error.to_string()).advise("move it away, or name another directory with --data-dir")
        }
        Err(error) => Check::fail(name, error.to_string()),
    }
}

/// The certificate authority as its files are, read without creating any.
pub(super) struct Authority {
    certificate: PathBuf,
    key: PathBuf,
    /// The certificate in DER.
    der: Result<Vec<u8>, String>,
    /// Whether there are no files at all.
    missing: bool,
}

impl Authority {
    pub(super) fn read(data_dir: &Path) -> Self {
        let certificate = ca::directory(data_dir).join(ca::CERTIFICATE_FILE);
        let key = ca::directory(data_dir).join(ca::KEY_FILE);
        let der = fs::read(&certificate)
            .map_err(|error| format!("{}: {error}", certificate.display()))
            .and_then(|pem| match CertificateDer::from_pem_slice(&pem) {
                Ok(der) => Ok(der.to_vec()),
                Err(_) => Err(format!("{} holds no certificate", certificate.display())),
            });
        let missing = !certificate.exists() && !key.exists();
        Self {
            certificate,
            key,
            der,
            missing,
        }
    }

    /// The certificate in DER, if there is one.
    pub(super) fn der(&self) -> Option<&[u8]> {
        self.der.as_deref().ok()
    }

    pub(super) fn check(&self, now: Timestamp) -> Check {
        let name = "certificate authority";
        let anew = "remove the ca directory: framegate run makes a new one, which clients have to trust anew";
        if self.missing {
            return Check::ok(name, "not there yet").advise("framegate run creates it");
        }
        let der = match &self.der {
            Ok(der) => der,
            Err(why) => return Check::fail(name, why).advise(anew),
        };
        if let Some(check) = self.key_check(name, anew) {
            return check;
        }
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else {
            return Check::fail(name, format!("{} cannot be read", self.certificate.display())).advise(anew);
        };
        let validity = certificate.validity();
        let at = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1_000_000));
        let (from, until) = (at(validity.not_before), at(validity.not_after));
        let date = |at: Timestamp| at.rfc3339()[..10].to_owned();
        let days_left = (until.0 - now.0).div_euclid(DAY_US);
        if !certificate.is_ca() {
            Check::fail(
                name,
                format!("{} is not a CA's certificate", self.certificate.display()),
            )
            .advise(anew)
        } else if now < from {
            Check::fail(name, format!("not valid before {}", date(from))).advise("set the clock of this machine")
        } else if now > until {
            Check::fail(name, format!("expired on {}", date(until))).advise(anew)
        } else if days_left < DAYS_LEFT_MIN {
            Check::warn(name, format!("expires on {}", date(until))).advise(anew)
        } else {
            Check::ok(
                name,
                format!("{}, valid until {}", self.certificate.display(), date(until)),
            )
        }
    }

    /// What is wrong with the key's file.
    fn key_check(&self, name: &str, anew: &str) -> Option<Check> {
        let shown = self.key.display();
        match fs::metadata(&self.key) {
            Err(error) => Some(Check::fail(name, format!("{shown}: {error}")).advise(anew)),
            Ok(metadata) => match access(&metadata) {
                Some(mode) if mode & 0o077 != 0 => Some(
                    Check::fail(
                        name,
                        format!("others on this machine can read the key {shown} (mode {mode:04o})"),
                    )
                    .advise(format!("chmod 600 {shown}, or, if others may have read it: {anew}")),
                ),
                _ => None,
            },
        }
    }
}

/// Creates a file and takes it away again.
fn write_probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)
}

/// The permission bits, where there are such.
#[cfg(unix)]
fn access(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn access(_: &Metadata) -> Option<u32> {
    None
}
