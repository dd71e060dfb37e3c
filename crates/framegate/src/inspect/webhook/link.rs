//! One connection to a hook: making it, and one request and answer on it.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};

use super::answer::Failure;
use super::hooks::Hooks;
use super::pool::Place;
use crate::config::HookHttp;
use crate::net::{self, Stream};

/// A request as it goes out.
pub(super) type Asked = Request<Full<Bytes>>;

/// A connection for many requests at once.
pub(super) type Many = http2::SendRequest<Full<Bytes>>;

/// A connection for one request at a time. It moves only while somebody waits for an answer on it.
pub(super) struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None`: it is over.
    driver: Option<Driver>,
    told: Rc<Marks>,
    /// Since when nobody uses it.
    pub(super) idle_since: Instant,
}

type Driver = Pin<Box<http1::Connection<TokioIo<Told>, Full<Bytes>>>>;

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
    /// Whether it can take a request still, as far as is known.
    pub(super) async fn is_alive(&mut self) -> bool {
        // Mostly it was found out together with the end of the last answer.
        if self.sender.is_ready() {
            return true;
        }
        poll_fn(|cx| {
            drive(&mut self.driver, cx);
            Poll::Ready(matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(()))))
        })
        .await
    }

    /// What its peer says before the next request leaves is no answer to it.
    pub(super) fn expect_silence(&self) {
        self.told.unasked.set(true);
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<Response<Incoming>, Trouble> {
        self.told.heard.set(false);
        let Self { sender, driver, .. } = self;
        let mut answer = pin!(sender.try_send_request(request));
        let answer = poll_fn(|cx| {
            drive(driver, cx);
            answer.as_mut().poll(cx)
        });
        answer.await.map_err(|error| {
            let then = match error.message() {
                Some(_) => Then::Elsewhere,
                None if self.told.heard.get() => Then::Last,
                None => Then::Again,
            };
            let why = error.into_error().to_string();
            let failure = match then {
                Then::Last => Failure::Protocol(why),
                Then::Again | Then::Elsewhere => Failure::Connect(why),
            };
            Trouble { failure, then }
        })
    }

    /// The next piece of the answer's body.
    pub(super) async fn piece(&mut self, body: &mut Incoming) -> Option<hyper::Result<Bytes>> {
        poll_fn(|cx| {
            drive(&mut self.driver, cx);
            poll_piece(body, cx)
        })
        .await
    }
}

/// Moves a connection. One that is over goes, and gives back the request that it has not sent.
fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if driver
        .as_mut()
        .is_some_and(|driver| driver.as_mut().poll(cx).is_ready())
    {
        *driver = None;
    }
}

/// The next piece of data of a body; trailers say nothing.
pub(super) fn poll_piece(body: &mut Incoming, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Bytes>>> {
    loop {
        match std::task::ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        }
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
    let told = Rc::<Marks>::default();
    let io = TokioIo::new(Told {
        stream,
        marks: Rc::clone(&told),
    });
    let broken = |error: hyper::Error| Trouble::again(Failure::Connect(error.to_string()));
    if h2 {
        let (sender, driver) = http2::Builder::new(Local).handshake(io).await.map_err(broken)?;
        let driver = Box::pin(async move {
            // Those who wait for answers are told by hyper.
            let _ = driver.await;
        });
        return Ok(Made::Many(sender, driver));
    }
    let (sender, driver) = http1::handshake(io).await.map_err(broken)?;
    Ok(Made::One(Box::new(Link {
        sender,
        driver: Some(Box::pin(driver)),
        told,
        idle_since: Instant::now(),
    })))
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

/// A stream that tells whether its peer has said anything.
struct Told {
    stream: Stream,
    marks: Rc<Marks>,
}

#[derive(Default)]
struct Marks {
    /// The peer has said something.
    heard: Cell<bool>,
    /// It has answered all, and nothing of another request has left: what it says now is no answer.
    unasked: Cell<bool>,
}

impl AsyncRead for Told {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let heard = buf.filled().len() > before;
        if self.marks.unasked.get() && (heard || (read.is_pending() && has_more(self.stream.tcp()))) {
            buf.set_filled(before);
            let unasked = io::Error::new(io::ErrorKind::InvalidData, "it says what nobody has asked");
            return Poll::Ready(Err(unasked));
        }
        if heard {
            self.marks.heard.set(true);
        }
        read
    }
}

/// Whether the system has bytes or an end of a connection that the runtime has not heard of yet.
fn has_more(tcp: &TcpStream) -> bool {
    let peeked = SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]);
    !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncWrite for Told {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.marks.unasked.set(false);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
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
    use std::io::Write;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::net::TcpStream;

    use super::{Marks, Told};

    #[tokio::test]
    async fn what_a_hook_has_said_before_a_request_leaves_is_no_answer_to_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut hook = listener.accept().unwrap().0;
        let marks = Rc::<Marks>::default();
        let stream = tcp.into();
        let mut told = Told {
            stream,
            marks: Rc::clone(&marks),
        };
        let cx = &mut Context::from_waker(Waker::noop());
        let mut byte = [0];
        let mut read = |told: &mut Told, cx: &mut Context<'_>| {
            let read = Pin::new(told).poll_read(cx, &mut ReadBuf::new(&mut byte));
            read.map(|read| read.is_err())
        };
        marks.unasked.set(true);
        assert_eq!(read(&mut told, cx), Poll::Pending);
        // The runtime, which has no chance to look at its sockets here, does not know of it.
        hook.write_all(b"HTTP/1.1 200 X\r\n\r\n").unwrap();
        assert_eq!(read(&mut told, cx), Poll::Ready(true));
        assert!(Pin::new(&mut told).poll_write(cx, b"POST / HTTP/1.1\r\n").is_ready());
        assert_eq!(read(&mut told, cx), Poll::Pending);
    }
}
