//! What can go wrong with TLS, in plain words, and whose fault it is.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as Rustls};

use crate::flow::Timestamp;

/// Why TLS could not be set up or a handshake failed. Its text is a whole sentence for logs and error pages; it holds
/// no secrets.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    fault: Fault,
    reason: Reason,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client did not speak TLS as it should, or does not trust the proxy.
    Client,
    /// The server did not speak TLS as it should, or its certificate does not hold.
    Server,
    /// The proxy's settings, its CA or the machine it runs on.
    Ours,
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The server's certificate is no longer or not yet valid.
    Expired,
    /// The server's certificate comes from nobody who is trusted.
    UnknownIssuer,
    /// The server's certificate is for other hosts.
    WrongHost,
    /// The server's certificate does not hold for another reason.
    BadCertificate,
    /// The client refused the certificate that the proxy made: it does not trust the CA.
    CaNotTrusted,
    /// The client offers only application protocols that the proxy does not speak, or the server insists on one.
    NoCommonProtocol,
    /// The peer broke TLS, speaks none, or has no version or cipher suite in common with the proxy.
    Protocol,
    /// The connection broke during the handshake.
    Interrupted,
    /// There is no usable host name to make or verify a certificate for.
    NoHost,
    /// A setting does not hold, or the machine trusts no root at all.
    Setup,
}

impl TlsError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// What kind of error it is.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    pub(super) fn new(fault: Fault, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            fault,
            reason,
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn setup(message: impl Into<String>) -> Self {
        Self::new(Fault::Ours, Reason::Setup, message)
    }

    /// A handshake with the client, for which a certificate for `host` was made, failed.
    pub(super) fn from_client(error: io::Error, host: &dyn fmt::Display) -> Self {
        let (fault, reason, message) = match rustls_error(&error) {
            Some(Rustls::AlertReceived(alert)) if is_distrust(*alert) => (
                Fault::Client,
                Reason::CaNotTrusted,
                format!(
                    "the client does not trust the certificate that the proxy made for {host} (TLS alert {}): install \
                     the proxy's CA certificate where the client looks for it; \"framegate ca install\" says how",
                    alert_name(*alert)
                ),
            ),
            Some(Rustls::AlertReceived(alert)) => (
                Fault::Client,
                Reason::Protocol,
                format!(
                    "the client gave up the TLS handshake for {host} with alert {}",
                    alert_name(*alert)
                ),
            ),
            Some(Rustls::NoApplicationProtocol) => (
                Fault::Client,
                Reason::NoCommonProtocol,
                format!(
                    "the client offers no application protocol (ALPN) for {host} that the proxy speaks; it speaks http/1.1"
                ),
            ),
            Some(other) => (
                Fault::Client,
                Reason::Protocol,
                format!("the client's TLS for {host} is not usable: {other}"),
            ),
            None => (
                Fault::Client,
                Reason::Interrupted,
                format!(
                    "the client's connection ended during the TLS handshake for {host} ({error}); clients that do not \
                     trust the proxy's CA often do that"
                ),
            ),
        };
        Self {
            fault,
            reason,
            message,
            source: Some(Box::new(error)),
        }
    }

    /// A handshake with the server `host` failed.
    pub(super) fn from_server(error: io::Error, host: &dyn fmt::Display) -> Self {
        let (reason, message) = match rustls_error(&error) {
            Some(Rustls::InvalidCertificate(flaw)) => certificate_flaw(flaw, host),
            Some(Rustls::AlertReceived(AlertDescription::NoApplicationProtocol)) => (
                Reason::NoCommonProtocol,
                format!("the server {host} does not speak http/1.1 over TLS (alert no_application_protocol)"),
            ),
            Some(Rustls::AlertReceived(alert)) => (
                Reason::Protocol,
                format!(
                    "the server {host} refused the TLS handshake with alert {}",
                    alert_name(*alert)
                ),
            ),
            Some(Rustls::InvalidMessage(flaw)) => (
                Reason::Protocol,
                format!("the server {host} did not answer in TLS ({flaw:?}); is it a plain-text port?"),
            ),
            Some(other) => (
                Reason::Protocol,
                format!("the TLS handshake with the server {host} failed: {other}"),
            ),
            None => (
                Reason::Interrupted,
                format!("the connection to the server {host} ended during the TLS handshake: {error}"),
            ),
        };
        Self {
            fault: Fault::Server,
            reason,
            message,
            source: Some(Box::new(error)),
        }
    }
}

fn rustls_error(error: &io::Error) -> Option<&Rustls> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// The alerts by which clients refuse a certificate (RFC 8446 §6.2). Some send access_denied or decrypt_error for other
/// troubles, so these are not among them.
fn is_distrust(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
    )
}

/// The name that RFC 8446 §6 gives it, as far as it differs from rustls's by case and underscores only.
fn alert_name(alert: AlertDescription) -> String {
    let camel = format!("{alert:?}");
    if camel.contains('(') {
        return camel;
    }
    let mut name = String::new();
    let mut before_lower = false;
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && before_lower {
            name.push('_');
        }
        before_lower = letter.is_ascii_lowercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn certificate_flaw(flaw: &CertificateError, host: &dyn fmt::Display) -> (Reason, String) {
    let day = |at: &rustls_pki_types::UnixTime| {
        Timestamp(
            i64::try_from(at.as_secs())
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000),
        )
        .rfc3339()
    };
    match flaw {
        CertificateError::Expired => (
            Reason::Expired,
            format!("the server's certificate for {host} has expired"),
        ),
        CertificateError::ExpiredContext { not_after, .. } => (
            Reason::Expired,
            format!("the server's certificate for {host} expired at {}", day(not_after)),
        ),
        CertificateError::NotValidYet => (
            Reason::Expired,
            format!("the server's certificate for {host} is not valid yet"),
        ),
        CertificateError::NotValidYetContext { not_before, .. } => (
            Reason::Expired,
            format!(
                "the server's certificate for {host} is not valid before {}",
                day(not_before)
            ),
        ),
        CertificateError::UnknownIssuer => (
            Reason::UnknownIssuer,
            format!(
                "the server's certificate for {host} was issued by nobody that is trusted here; put its CA into \
                 tls.upstream_ca, or list the host in tls.insecure_hosts"
            ),
        ),
        CertificateError::NotValidForName => (
            Reason::WrongHost,
            format!("the server's certificate is not valid for {host}"),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = if presented.is_empty() {
                "no host at all".to_owned()
            } else {
                presented.join(", ")
            };
            (
                Reason::WrongHost,
                format!("the server's certificate is not valid for {host}; it names {names}"),
            )
        }
        CertificateError::BadSignature => (
            Reason::BadCertificate,
            format!("the server {host} could not prove that its certificate is its own: a signature is wrong"),
        ),
        other => (
            Reason::BadCertificate,
            format!("the server's certificate for {host} does not hold: {other}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{AlertDescription, alert_name};

    #[test]
    fn alerts_have_the_names_of_the_rfc() {
        assert_eq!(alert_name(AlertDescription::UnknownCA), "unknown_ca");
        assert_eq!(alert_name(AlertDescription::BadCertificate), "bad_certificate");
        assert_eq!(alert_name(AlertDescription::CertificateUnknown), "certificate_unknown");
        assert_eq!(alert_name(AlertDescription::HandshakeFailure), "handshake_failure");
    }
}
