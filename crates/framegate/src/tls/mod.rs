//! TLS on both legs: the CA and its leaf certificates, the handshakes with client and server, and what they were like.
//!
//! The proxy speaks TLS 1.2 and 1.3 on either leg and offers http/1.1 as the only application protocol. If the
//! environment variable `SSLKEYLOGFILE` names a file, the secrets of both legs are appended to it, for tools that read captured
//! traffic. Deadlines are the caller's.

pub mod ca;
mod client_side;
mod error;
mod facts;
mod hello;
mod host;
mod host_patterns;
mod page;
mod guide;
mod server_side;
mod verify;

pub use ca::Ca;
pub use error::{Fault, Reason, TlsError};
pub use hello::{Hello, server_name};
pub(crate) use host::is_host;
pub use host_patterns::{HostPatterns, PatternError};
pub use page::{Page, page};

use std::fmt;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::config::{Profile, Settings};
use crate::flow::TlsLeg;
use crate::net::{Rewind, Stream};
use client_side::ClientSide;
use server_side::ServerSide;

/// The only application protocol (RFC 7301) offered on either leg: WebSocket's upgrade is HTTP/1.1's.
const ALPN: &[u8] = b"http/1.1";

/// Both legs' TLS, made from one state of the settings. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
}

struct Inner {
    client_side: ClientSide,
    server_side: ServerSide,
    passthrough: HostPatterns,
}

impl Tls {
    /// Reads what the settings name. On a machine without any root certificate it works too, but every connection that
    /// needs one fails.
    ///
    /// # Errors
    /// If a host pattern is wrong or the bundle of `tls.upstream_ca` cannot be read; the text names the setting.
    pub fn new(settings: &Settings, ca: Arc<Ca>) -> Result<Self, TlsError> {
        let tls = &settings.tls;
        let Profile::Standard = tls.profile;
        let patterns = |key: &str, patterns: &[String]| {
            HostPatterns::parse(patterns).map_err(|error| TlsError::setup(format!("{key}: {error}")))
        };
        let passthrough = patterns("tls.passthrough", &tls.passthrough)?;
        let insecure_hosts = patterns("tls.insecure_hosts", &tls.insecure_hosts)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key_log: Arc<dyn rustls::KeyLog> = Arc::new(rustls::KeyLogFile::new());
        let verifier = server_side::verifier(&provider, &tls.upstream_ca)?;
        let server_side = ServerSide::new(&provider, &key_log, verifier, insecure_hosts)?;
        let client_side = ClientSide::new(provider, key_log, ca)?;
        Ok(Self {
            inner: Arc::new(Inner {
                client_side,
                server_side,
                passthrough,
            }),
        })
    }

    /// Takes the server's part in a handshake with a client, with a certificate for the host that its ClientHello names
    /// (SNI), or else for `authority_host`: the host that it asked the proxy for, without a port.
    ///
    /// # Errors
    /// If the handshake fails; the client has got an alert then, as far as it still listens. A server name that no host can
    /// have is such a failure.
    pub async fn accept(&self, client: Rewind, authority_host: &str) -> Result<(Stream, TlsLeg), TlsError> {
        self.inner.client_side.accept(client, authority_host).await
    }

    /// Takes the client's part in a handshake with the server `host`, a name or an address without a port. Its certificate
    /// is verified, unless `tls.insecure_hosts` has the host. Names are sent as SNI, addresses are not (RFC 6066 §3).
    ///
    /// # Errors
    /// If the handshake fails or the certificate does not hold.
    pub async fn connect(&self, tcp: TcpStream, host: &str) -> Result<(Stream, TlsLeg), TlsError> {
        self.inner.server_side.connect(tcp, host).await
    }

    /// The same, with other application protocols than http/1.1 on offer (RFC 7301).
    ///
    /// # Errors
    /// As [`Tls::connect`].
    pub async fn connect_offering(
        &self,
        tcp: TcpStream,
        host: &str,
        protocols: &[&[u8]],
    ) -> Result<(Stream, TlsLeg), TlsError> {
        let protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        self.inner.server_side.connect_offering(tcp, host, protocols).await
    }

    /// Whether TLS to `host`, a name or an address without a port, is to be tunnelled untouched (`tls.passthrough`).
    #[must_use]
    pub fn passthrough(&self, host: &str) -> bool {
        self.inner.passthrough.matches(host)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("passthrough", &self.inner.passthrough)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
