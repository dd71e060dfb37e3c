//! The connection to the server that a client connection has, kept from one request to the next.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Context, Onward, Origin, Problem, dial};
use crate::flow::TlsLeg;
use crate::net::{self, Conn};
use crate::tls::Reason;

/// A connection to a server, ready for a request.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) conn: Conn,
    pub(crate) origin: Origin,
    pub(crate) addr: SocketAddr,
    pub(crate) tls: Option<TlsLeg>,
    /// It was idle before: the server may have ended it just now, which says nothing about the request.
    pub(crate) was_idle: bool,
}

/// Why there is no connection to the server.
#[derive(Debug)]
pub(crate) struct NoLink {
    pub(crate) problem: Problem,
    /// The address, if a connection to it came about.
    pub(crate) addr: Option<SocketAddr>,
}

/// The servers that one client connection has connections to: one, because its requests come one after another.
#[derive(Debug, Default)]
pub(crate) struct Links {
    idle: Option<Link>,
    /// CONNECT dials before it is known what will be spoken.
    dialled: Option<(TcpStream, SocketAddr)>,
}

impl Links {
    /// A connection that was dialled for the server that all requests go to.
    pub(crate) fn dialled(tcp: TcpStream, addr: SocketAddr) -> Self {
        Self {
            idle: None,
            dialled: Some((tcp, addr)),
        }
    }

    /// A connection to that server: the idle one if it is to the same server and still good, or else a new one.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or TLS with it fails.
    pub(crate) async fn take(&mut self, context: &Context, origin: &Origin) -> Result<Link, NoLink> {
        if let Some(mut link) = self.idle.take()
            && link.origin == *origin
            && link.conn.is_fresh()
        {
            link.was_idle = true;
            return Ok(link);
        }
        let ((tcp, addr), was_idle) = match self.take_dialled() {
            Some(dialled) => (dialled, true),
            None => {
                let dialled = dial(context, origin).await;
                (dialled.map_err(|problem| NoLink { problem, addr: None })?, false)
            }
        };
        let (conn, tls) = secure(context, origin, tcp).await.map_err(|problem| NoLink {
            problem,
            addr: Some(addr),
        })?;
        Ok(Link {
            conn,
            origin: origin.clone(),
            addr,
            tls,
            was_idle,
        })
    }

    /// A connection to the server that the request is for, or to another that does as well if there is none.
    ///
    /// # Errors
    ///
    /// Of the last of them.
    pub(crate) async fn take_any(&mut self, context: &Context, onward: &Onward) -> Result<Link, NoLink> {
        let mut taken = self.take(context, &onward.origin).await;
        for spare in &onward.spare {
            let Err(no_link) = &taken else { break };
            tracing::warn!(problem = no_link.problem.detail, "passed over for {spare}");
            taken = self.take(context, spare).await;
        }
        taken
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep(&mut self, mut link: Link) {
        // An idle connection needs no room.
        link.conn.buffer = BytesMut::new();
        self.idle = Some(link);
    }

    fn take_dialled(&mut self) -> Option<(TcpStream, SocketAddr)> {
        let (tcp, addr) = self.dialled.take()?;
        let mut conn = Conn::new(tcp.into());
        let is_fresh = conn.is_fresh();
        match conn.stream {
            net::Stream::Plain(rewind) if is_fresh => Some((rewind.into_parts().0, addr)),
            _ => None,
        }
    }
}

async fn secure(context: &Context, origin: &Origin, tcp: TcpStream) -> Result<(Conn, Option<TlsLeg>), Problem> {
    if !origin.tls {
        return Ok((Conn::new(tcp.into()), None));
    }
    let name = origin.server_name.as_deref().unwrap_or(&origin.host);
    match timeout(context.handshake(), context.tls.connect(tcp, name)).await {
        Ok(Ok((stream, leg))) => Ok((Conn::new(stream), Some(leg))),
        Ok(Err(error)) => {
            let kind = match error.reason() {
                Reason::Expired | Reason::UnknownIssuer | Reason::WrongHost | Reason::BadCertificate => {
                    "server-certificate"
                }
                _ => "server-tls",
            };
            Err(Problem::bad_gateway(kind, error.to_string()))
        }
        Err(_) => Err(Problem::too_slow(format!(
            "the server {origin} did not finish the TLS handshake"
        ))),
    }
}
