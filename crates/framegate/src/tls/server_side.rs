//! The handshake with the server: the proxy is the client, and verifies whom it talks to.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::{Fault, Reason, TlsError};
use super::facts;
use super::host::Host;
use super::host_patterns::HostPatterns;
use super::verify::{AnyCertificate, Trusted};
use crate::flow::TlsLeg;
use crate::net::{Rewind, Stream};

/// What all handshakes with servers have in common.
pub(super) struct ServerSide {
    /// Why there is none, if there is none: only connections that need it fail.
    verified: Result<Arc<ClientConfig>, String>,
    insecure: Arc<ClientConfig>,
    insecure_hosts: HostPatterns,
}

impl ServerSide {
    pub(super) fn new(
        provider: &Arc<CryptoProvider>,
        key_log: &Arc<dyn rustls::KeyLog>,
        verifier: Result<Arc<dyn ServerCertVerifier>, String>,
        insecure_hosts: HostPatterns,
    ) -> Result<Self, TlsError> {
        let config = |verifier: Arc<dyn ServerCertVerifier>| -> Result<Arc<ClientConfig>, TlsError> {
            let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| TlsError::setup(format!("TLS towards servers cannot be set up: {error}")))?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth();
            config.key_log = Arc::clone(key_log);
            Ok(Arc::new(config))
        };
        let verified = match verifier {
            Ok(verifier) => Ok(config(verifier)?),
            Err(why) => Err(why),
        };
        Ok(Self {
            verified,
            insecure: config(Arc::new(AnyCertificate::new(provider)))?,
            insecure_hosts,
        })
    }

    pub(super) async fn connect(&self, tcp: TcpStream, host: &str) -> Result<(Stream, TlsLeg), TlsError> {
        self.connect_offering(tcp, host, vec![super::ALPN.to_vec()]).await
    }

    /// `protocols`: the application protocols on offer.
    pub(super) async fn connect_offering(
        &self,
        tcp: TcpStream,
        host: &str,
        protocols: Vec<Vec<u8>>,
    ) -> Result<(Stream, TlsLeg), TlsError> {
        let no_host = || {
            TlsError::new(
                Fault::Client,
                Reason::NoHost,
                format!(
                    "\"{}\" is no host that a server's certificate can be verified for",
                    host.escape_default()
                ),
            )
        };
        let host = Host::parse(host).ok_or_else(no_host)?;
        let (server_name, sni) = match &host {
            Host::Name(name) => (
                ServerName::try_from(name.clone()).map_err(|_| no_host())?,
                Some(name.clone()),
            ),
            Host::Ip(ip) => (ServerName::from(*ip), None),
        };
        let config = if self.insecure_hosts.matches(&host.to_string()) {
            &self.insecure
        } else {
            self.verified
                .as_ref()
                .map_err(|why| TlsError::setup(format!("the certificate of {host} cannot be verified: {why}")))?
        };
        let stream = TlsConnector::from(Arc::clone(config))
            .with_alpn(protocols)
            .connect(server_name, Rewind::from(tcp))
            .await
            .map_err(|error| TlsError::from_server(error, &host))?;
        let leg = facts::of_server_leg(stream.get_ref().1, sni);
        Ok((Stream::Tls(Box::new(stream.into())), leg))
    }
}

/// The platform's verifier with the extra roots of `tls.upstream_ca`. The inner error: there is no root at all.
pub(super) fn verifier(
    provider: &Arc<CryptoProvider>,
    upstream_ca: &str,
) -> Result<Result<Arc<dyn ServerCertVerifier>, String>, TlsError> {
    let extra = if upstream_ca.is_empty() {
        Vec::new()
    } else {
        read_bundle(Path::new(upstream_ca))?
    };
    Ok(match Trusted::new(extra.clone(), Arc::clone(provider)) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(error) if !extra.is_empty() => {
            return Err(TlsError::setup(format!(
                "tls.upstream_ca: {upstream_ca} cannot be used: {error}"
            )));
        }
        Err(_) => Err(
            "this machine trusts no root certificate at all; install its certificates (on Linux usually the \
                       package ca-certificates), or set tls.upstream_ca"
                .to_owned(),
        ),
    })
}

fn read_bundle(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |why: String| TlsError::setup(format!("tls.upstream_ca: {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| wrong(format!("could not be read: {error}")))?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("is damaged: {error}")))?;
    if certificates.is_empty() {
        return Err(wrong("there is no PEM certificate in it".to_owned()));
    }
    Ok(certificates)
}
