//! One connection to a hook: making it, and one request and answer on it.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::buf::Chain;
use bytes::{Buf as _, Bytes};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWrite as _;
use tokio::net::{TcpStream, lookup_host};
use wire::http::{BodyReader, Framing, Limits, ResponseHead};

use super::answer::Failure;
use super::hooks::Hooks;
use super::pool::Place;
use crate::config::HookHttp;
use crate::net::{self, Conn};

/// A request as it goes out in HTTP/1.1.
pub(super) type Written = Chain<io::Cursor<Vec<u8>>, Bytes>;

/// A connection for many requests at once.
pub(super) type Many = http2::SendRequest<Full<Bytes>>;

/// A connection for one request at a time, in HTTP/1.1. It moves only while somebody waits for an answer on it.
#[derive(Debug)]
pub(super) struct Link {
    conn: Conn,
    /// What has not left yet of the request.
    unsent: Option<Written>,
    /// Where the answer ends.
    body: BodyReader,
    /// Whether another request may follow, as far as is known.
    keeps: bool,
    /// Since when nobody uses it.
    pub(super) idle_since: Instant,
}

/// A new connection.
pub(super) enum Made {
    One(Box<Link>),
    /// The future carries it.
    Many(Many, Pin<Box<dyn Future<Output = ()>>>),
}

/// What went wrong, and what is left to try.
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) then: Then,
}

/// What is left to try after a trouble.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: the hook has said something.
    Last,
    /// The same again: the hook has said nothing yet.
    Again,
    /// Another connection: on this one nothing of the request has left.
    Elsewhere,
}

impl Trouble {
    pub(super) fn last(failure: Failure) -> Self {
        let then = Then::Last;
        Self { failure, then }
    }

    pub(super) fn again(failure: Failure) -> Self {
        let then = Then::Again;
        Self { failure, then }
    }
}

impl Link {
    pub(super) fn new(conn: Conn) -> Self {
        Self {
            conn,
            unsent: None,
            body: BodyReader::new(Framing::Empty),
            keeps: true,
            idle_since: Instant::now(),
        }
    }

    /// Whether it can take another request, as far as is known: it has been answered, and nothing follows the answer.
    pub(super) fn is_reusable(&self) -> bool {
        self.keeps && self.unsent.is_none() && self.body.is_done() && self.conn.buffer.is_empty()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(
        &mut self,
        request: Written,
        method: &str,
        limits: &Limits,
    ) -> Result<ResponseHead, Trouble> {
        // HTTP/1.1 does not number its answers: what its peer has said before the request leaves is no answer to it.
        if !self.conn.is_fresh() {
            let failure = Failure::Connect("it has ended, or says what nobody has asked".to_owned());
            let then = Then::Elsewhere;
            return Err(Trouble { failure, then });
        }
        self.unsent = Some(request);
        let mut heard = false;
        let head = loop {
            if let Some(head) = self.head(limits)? {
                break head;
            }
            match poll_fn(|cx| self.poll_more(cx)).await {
                Ok(n) if n > 0 => heard = true,
                end => return Err(cut(heard, end.err())),
            }
        };
        let framing = head.framing(method).map_err(|error| broken(error.to_string()))?;
        self.body = BodyReader::new(framing);
        // What follows 101 is not HTTP.
        self.keeps &= head.keep_alive() && framing != Framing::UntilClose && head.status() != 101;
        Ok(head)
    }

    /// The head of the answer, if it is there. What is said before it, such as 103, is passed over.
    fn head(&mut self, limits: &Limits) -> Result<Option<ResponseHead>, Trouble> {
        while !self.conn.buffer.is_empty() {
            let parsed = ResponseHead::parse(&self.conn.buffer, limits);
            let Some(head) = parsed.map_err(|error| broken(error.to_string()))? else {
                break;
            };
            self.conn.buffer.advance(head.raw().len());
            if head.status() >= 200 || head.status() == 101 {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// The next piece of the answer's body.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Trouble> {
        while !self.body.is_done() {
            let mut data = Vec::new();
            let read = self
                .body
                .advance(&self.conn.buffer, &mut |more| data.extend_from_slice(more));
            self.conn
                .buffer
                .advance(read.map_err(|error| broken(error.to_string()))?);
            if !data.is_empty() {
                return Ok(Some(data.into()));
            }
            if self.body.is_done() {
                break;
            }
            match poll_fn(|cx| self.poll_more(cx)).await {
                Ok(0) => self.body.end_of_stream().map_err(|error| broken(error.to_string()))?,
                Ok(_) => {}
                Err(error) => return Err(broken(error.to_string())),
            }
        }
        Ok(None)
    }

    /// Reads once. What is left of the request goes on leaving meanwhile: the hook may answer before it has all of it.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(request) = &mut self.unsent {
            match poll_send(&mut self.conn, request, cx) {
                Poll::Ready(Ok(())) => self.unsent = None,
                // The hook may have said before why it takes no more.
                Poll::Ready(Err(_)) => self.keeps = false,
                Poll::Pending => {}
            }
        }
        pin!(self.conn.read_more()).poll(cx)
    }
}

/// Writes what is left of a request, down to the socket.
fn poll_send(conn: &mut Conn, request: &mut Written, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut stream = Pin::new(&mut conn.stream);
    while request.has_remaining() {
        match ready!(stream.as_mut().poll_write(cx, request.chunk()))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => request.advance(n),
        }
    }
    stream.poll_flush(cx)
}

/// The hook's answer is none.
fn broken(why: String) -> Trouble {
    Trouble::last(Failure::Protocol(why))
}

/// The connection has ended before an answer was there.
fn cut(heard: bool, error: Option<io::Error>) -> Trouble {
    let why = error.map_or_else(|| "it ended the connection".to_owned(), |error| error.to_string());
    if heard {
        broken(why)
    } else {
        Trouble::again(Failure::Connect(why))
    }
}

/// Connects to the hook, at an address that it may have.
pub(super) async fn connect(hooks: &Hooks, place: &Place) -> Result<Made, Trouble> {
    let tcp = dial(hooks, place).await?;
    let (stream, h2) = if place.tls {
        let tls = hooks.tls.load_full();
        let offers: &[&[u8]] = match place.http {
            HookHttp::Auto => &[b"h2", b"http/1.1"],
            HookHttp::Http1 => &[b"http/1.1"],
            HookHttp::Http2 => &[b"h2"],
        };
        let connected = tls.connect_offering(tcp, &place.host, offers).await;
        let (stream, leg) =
            connected.map_err(|error| Trouble::last(Failure::Tls(error.reason(), error.to_string())))?;
        (stream, leg.alpn.as_deref() == Some("h2"))
    } else {
        (tcp.into(), false)
    };
    let h2 = h2 || place.http == HookHttp::Http2;
    if !h2 {
        return Ok(Made::One(Box::new(Link::new(Conn::new(stream)))));
    }
    let broken = |error: hyper::Error| Trouble::again(Failure::Connect(error.to_string()));
    let (sender, driver) = http2::Builder::new(Local)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let driver = Box::pin(async move {
        // Those who wait for answers are told by hyper.
        let _ = driver.await;
    });
    Ok(Made::Many(sender, driver))
}

async fn dial(hooks: &Hooks, place: &Place) -> Result<TcpStream, Trouble> {
    let addresses: Vec<SocketAddr> = match place.host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, place.port)],
        Err(_) => match lookup_host((place.host.as_str(), place.port)).await {
            Ok(found) => found.collect(),
            Err(error) => {
                let why = format!("the host {:?} cannot be found: {error}", place.host);
                return Err(Trouble::last(Failure::NoHost(why)));
            }
        },
    };
    for addr in &addresses {
        // One of several is enough: a name that leads outside and inside is no mistake.
        if place
            .reach
            .as_ref()
            .is_some_and(|reach| !reach.admits(&place.host, addr.ip()))
        {
            let why = format!("it leads to {}, which gateway.hook_allow does not allow", addr.ip());
            return Err(Trouble::last(Failure::Reach(why)));
        }
        if hooks.is_own_door(*addr) {
            return Err(Trouble::last(Failure::OwnDoor(*addr)));
        }
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for addr in addresses {
        let connected = TcpStream::connect(addr).await;
        match connected.and_then(|tcp| net::ready(&tcp, 0).map(|()| tcp)) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => failure = error,
        }
    }
    Err(Trouble::again(Failure::Connect(failure.to_string())))
}

/// Runs what HTTP/2 needs on this thread.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

impl Place {
    /// Whether its hook may be spoken to in HTTP/2.
    pub(super) fn may_multiplex(&self) -> bool {
        self.http == HookHttp::Http2 || (self.tls && self.http == HookHttp::Auto)
    }

    /// Whether both are the same.
    pub(super) fn is(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || self == other
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{self, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use bytes::{Buf, Bytes};
    use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
    use rustls_pki_types::PrivateKeyDer;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use wire::http::Limits;

    use super::{Link, Then};
    use crate::net::{Conn, Rewind, Stream};

    const ANSWER: &[u8] = b"HTTP/1.1 200 X\r\n\r\n";

    async fn asks(mut link: Link) -> Then {
        let request = Buf::chain(io::Cursor::new(b"POST / HTTP/1.1\r\n\r\n".to_vec()), Bytes::new());
        let asked = link.ask(request, "POST", &Limits::default()).await;
        asked.unwrap_err().then
    }

    #[tokio::test]
    async fn what_a_hook_has_said_before_a_request_leaves_is_no_answer_to_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut hook = listener.accept().unwrap().0;
        let link = Link::new(Conn::new(tcp.into()));
        // The runtime, which has no chance to look at its sockets here, does not know of it.
        hook.write_all(ANSWER).unwrap();
        assert!(asks(link).await == Then::Elsewhere);
    }

    /// A connection in TLS, and the hook's end of it.
    async fn in_tls() -> (Conn, StreamOwned<ServerConnection, std::net::TcpStream>) {
        let made = rcgen::generate_simple_self_signed(["hook.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder().with_no_client_auth();
        let server = server.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let hook = std::thread::spawn(move || {
            let session = ServerConnection::new(Arc::new(server)).unwrap();
            let tcp = listener.accept().unwrap().0;
            // What it writes is there at once.
            tcp.set_nodelay(true).unwrap();
            let mut hook = StreamOwned::new(session, tcp);
            hook.conn.complete_io(&mut hook.sock).unwrap();
            hook
        });
        let name = "hook.test".try_into().unwrap();
        let tls = TlsConnector::from(Arc::new(client))
            .connect(name, Rewind::from(tcp))
            .await
            .unwrap();
        (Conn::new(Stream::Tls(Box::new(tls.into()))), hook.join().unwrap())
    }

    #[tokio::test]
    async fn nor_is_it_in_tls() {
        let (mut conn, mut hook) = in_tls().await;
        assert!(conn.is_fresh(), "what TLS has to say for itself is no answer");
        hook.write_all(ANSWER).unwrap();
        assert!(asks(Link::new(conn)).await == Then::Elsewhere);
    }

    #[tokio::test]
    async fn nor_what_lies_decrypted_behind_the_answer_before() {
        let (mut conn, mut hook) = in_tls().await;
        hook.write_all(&[ANSWER, ANSWER].concat()).unwrap();
        let mut first = vec![0; ANSWER.len()];
        conn.stream.read_exact(&mut first).await.unwrap();
        assert_eq!(first, ANSWER);
        assert!(asks(Link::new(conn)).await == Then::Elsewhere);
    }
}
