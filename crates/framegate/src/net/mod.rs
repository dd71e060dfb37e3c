//! One byte stream to a peer, plain or TLS, with whatever was read ahead of its turn.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

mod conn;

pub(crate) use conn::Conn;

/// Readies a new TCP connection, of either side: what is written leaves at once, and a peer whose machine or network is
/// gone is noticed although it never says so (`keepalive_ms`; 0: it is not).
///
/// # Errors
/// Fails on a connection that is gone already.
pub fn ready(tcp: &TcpStream, keepalive_ms: u64) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    if keepalive_ms == 0 {
        return Ok(());
    }
    // The kernel counts in seconds, of which it takes no less than one.
    let seconds = |ms: u64| Duration::from_millis(ms).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new()
        .with_time(seconds(keepalive_ms))
        .with_interval(seconds(keepalive_ms / PROBES));
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(PROBES as u32);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

/// How often a silent peer is asked before it counts as gone.
const PROBES: u64 = 4;

/// A stream to a client or a server.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(Rewind),
    /// TLS on TCP, from either end. Boxed: a plain connection does not pay for its size.
    Tls(Box<TlsStream<Rewind>>),
}

impl Stream {
    /// The TCP connection underneath.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(rewind) => &rewind.tcp,
            Self::Tls(tls) => match &**tls {
                TlsStream::Client(tls) => &tls.get_ref().0.tcp,
                TlsStream::Server(tls) => &tls.get_ref().0.tcp,
            },
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(Rewind::from(tcp))
    }
}

/// A TCP connection, some of whose first bytes may have been read already and are handed out again.
#[derive(Debug)]
pub struct Rewind {
    early: Bytes,
    tcp: TcpStream,
}

impl Rewind {
    /// Puts `early` in front of what `tcp` has still to say.
    #[must_use]
    pub fn new(tcp: TcpStream, early: Bytes) -> Self {
        Self { early, tcp }
    }

    /// The connection, and what of the early bytes nobody has read.
    #[must_use]
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.tcp, self.early)
    }
}

impl From<TcpStream> for Rewind {
    fn from(tcp: TcpStream) -> Self {
        Self::new(tcp, Bytes::new())
    }
}

impl AsyncRead for Rewind {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.tcp).poll_read(cx, buf);
        }
        let n = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..n]);
        self.early.advance(n);
        if self.early.is_empty() {
            self.early = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(plain) => Pin::new(plain).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(plain) => Pin::new(plain).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// Whether a connection to `addr` reaches a socket that listens at `door`.
pub(crate) fn is_at(door: SocketAddr, addr: SocketAddr) -> bool {
    let (own, ip) = (door.ip().to_canonical(), addr.ip().to_canonical());
    door.port() == addr.port()
        && (own == ip || (own.is_unspecified() && is_here(ip)) || (ip.is_unspecified() && own.is_loopback()))
}

/// Whether an address is this machine's own: the system sends to those from themselves. No packet is sent for it.
fn is_here(ip: IpAddr) -> bool {
    let any = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    ip.is_loopback() || ip.is_unspecified() || from().is_ok_and(|from| from.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn loopback_is_here_and_the_rest_of_the_world_is_not() {
        for (ip, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("0.0.0.0", true),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_here(ip.parse().expect("an address")), expected, "{ip}");
        }
    }
}
