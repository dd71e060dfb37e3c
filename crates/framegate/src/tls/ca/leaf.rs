//! The certificates that clients see: one for each host, signed by the CA when it is first asked for.
//!
//! All of them share one key, made when the process starts; it is never written down.

use std::net::IpAddr;
use std::sync::Arc;

use quick_cache::sync::Cache;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use time::{Duration, OffsetDateTime};

use super::{Ca, random_serial};
use crate::tls::error::TlsError;
use crate::tls::host::Host;

/// So many hosts' certificates are kept; what has not been used for longest goes first. One takes about 1 KiB.
const LEAVES_MAX: usize = 4096;
/// Clients' clocks may be slow.
const VALID_BEFORE: Duration = Duration::days(2);
/// Some clients take no certificate that is valid for more than 397 days altogether.
const VALID_AFTER: Duration = Duration::days(365);
/// A cached certificate that is valid for less than this is replaced.
const RENEW_BEFORE: Duration = Duration::days(30);
/// Longer common names are not allowed (RFC 5280, appendix A.1, ub-common-name).
const COMMON_NAME_CHARS_MAX: usize = 64;

/// The shared key, and the certificates made with it.
pub(super) struct Leaves {
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    cache: Cache<Host, Leaf>,
}

#[derive(Clone)]
struct Leaf {
    certified: Arc<CertifiedKey>,
    renew_at: OffsetDateTime,
}

impl Leaves {
    pub(super) fn new() -> Result<Self, String> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?;
        let der = PrivatePkcs8KeyDer::from(key.serialize_der());
        let signer =
            rustls::crypto::aws_lc_rs::sign::any_supported_type(&der.into()).map_err(|error| error.to_string())?;
        Ok(Self {
            key,
            signer,
            cache: Cache::new(LEAVES_MAX),
        })
    }

    pub(super) fn leaf(&self, host: &Host, ca: &Ca) -> Result<Arc<CertifiedKey>, TlsError> {
        let now = OffsetDateTime::now_utc();
        if let Some(leaf) = self.cache.get(host)
            && now < leaf.renew_at
        {
            return Ok(leaf.certified);
        }
        let leaf = self
            .issue(host, ca, now)
            .map_err(|why| TlsError::setup(format!("no certificate could be made for {host}: {why}")))?;
        self.cache.insert(host.clone(), leaf.clone());
        Ok(leaf.certified)
    }

    fn issue(&self, host: &Host, ca: &Ca, now: OffsetDateTime) -> Result<Leaf, String> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(random_serial().map_err(|error| error.to_string())?);
        params.not_before = now - VALID_BEFORE;
        params.not_after = (now + VALID_AFTER).min(ca.not_after);
        params.distinguished_name = DistinguishedName::new();
        let name = host.to_string();
        params.subject_alt_names = vec![match host {
            Host::Name(_) => SanType::DnsName(
                name.as_str()
                    .try_into()
                    .map_err(|error: rcgen::Error| error.to_string())?,
            ),
            Host::Ip(ip) => SanType::IpAddress(IpAddr::clone(ip)),
        }];
        if name.len() <= COMMON_NAME_CHARS_MAX {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&self.key, &ca.issuer)
            .map_err(|error| error.to_string())?;
        let chain = std::iter::once(certificate.into())
            .chain(ca.chain.iter().cloned())
            .collect();
        let renew_at = params.not_after - RENEW_BEFORE;
        Ok(Leaf {
            certified: Arc::new(CertifiedKey::new(chain, Arc::clone(&self.signer))),
            renew_at,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_number_of_hosts_fills_the_memory() {
        let directory = tempfile::tempdir().unwrap();
        let ca = Ca::load_or_create(directory.path()).unwrap();
        for n in 0..LEAVES_MAX + 100 {
            ca.leaves.leaf(&Host::Name(format!("host{n}.example")), &ca).unwrap();
        }
        assert!(
            (1..=LEAVES_MAX).contains(&ca.leaves.cache.len()),
            "{}",
            ca.leaves.cache.len()
        );
    }

    #[test]
    fn a_leaf_is_renewed_before_it_expires() {
        let directory = tempfile::tempdir().unwrap();
        let ca = Ca::load_or_create(directory.path()).unwrap();
        let host = Host::Name("echo.example".to_owned());
        let year_ago = OffsetDateTime::now_utc() - VALID_AFTER + RENEW_BEFORE;
        let old = ca.leaves.issue(&host, &ca, year_ago).unwrap();
        ca.leaves.cache.insert(host.clone(), old.clone());
        let new = ca.leaves.leaf(&host, &ca).unwrap();
        assert!(!Arc::ptr_eq(&old.certified, &new));
    }
}
