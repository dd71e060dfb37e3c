//! The handshake with the client: the proxy is the server that the client wanted.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::Acceptor;
use rustls::sign::SingleCertAndKey;
use tokio_rustls::LazyConfigAcceptor;

use super::ca::Ca;
use super::error::{Fault, Reason, TlsError};
use super::facts;
use super::host::Host;
use crate::flow::TlsLeg;
use crate::net::{Rewind, Stream};

/// What all handshakes with clients have in common.
#[derive(Debug)]
pub(super) struct ClientSide {
    /// Everything but the certificate.
    base: ServerConfig,
    ca: Arc<Ca>,
}

impl ClientSide {
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        key_log: Arc<dyn rustls::KeyLog>,
        ca: Arc<Ca>,
    ) -> Result<Self, TlsError> {
        let unusable = |error: rustls::Error| TlsError::setup(format!("TLS towards clients cannot be set up: {error}"));
        let mut base = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoCertificate));
        base.alpn_protocols = vec![super::ALPN.to_vec()];
        base.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(unusable)?;
        base.key_log = key_log;
        Ok(Self { base, ca })
    }

    pub(super) async fn accept(&self, client: Rewind, authority_host: &str) -> Result<(Stream, TlsLeg), TlsError> {
        let from_client = |error| TlsError::from_client(error, &authority_host.escape_default());
        let start = LazyConfigAcceptor::new(Acceptor::default(), client)
            .await
            .map_err(from_client)?;
        let asked_for = start.client_hello().server_name().and_then(Host::parse);
        let Some(host) = asked_for.or_else(|| Host::parse(authority_host)) else {
            // Without a certificate this can only fail, but the client gets its alert.
            let _ = start.into_stream(Arc::new(self.base.clone())).await;
            return Err(TlsError::new(
                Fault::Client,
                Reason::NoHost,
                format!(
                    "the client names no host that a certificate can be made for (\"{}\")",
                    authority_host.escape_default()
                ),
            ));
        };
        let leaf = self.ca.leaf(&host)?;
        let mut config = self.base.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(leaf));
        let stream = start
            .into_stream(Arc::new(config))
            .await
            .map_err(|error| TlsError::from_client(error, &host))?;
        let leg = facts::of_client_leg(stream.get_ref().1);
        Ok((Stream::Tls(Box::new(stream.into())), leg))
    }
}

/// Stands in until the host is known.
#[derive(Debug)]
struct NoCertificate;

impl rustls::server::ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
}
