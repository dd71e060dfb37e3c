//! CONNECT: the server is dialled, the client told so, and then its first bytes say what the tunnel is for.
//!
//! TLS is intercepted and HTTP read, so that both end up where all requests do; everything else is passed on unread.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use wire::http::RequestHead;

use super::connection::{Then, Tunnel};
use crate::flow::{FlowType, Opening, Timestamp};
use crate::http::{
    Connect, Context, Door, Exchanged, Links, Next, Onward, Origin, Problem, Route, Step, dial, failed, opening,
    refuse, serve,
};
use crate::net::{Conn, Rewind, Stream};
use crate::record::FlowTap;
use crate::relay::Leg;
use crate::tls::{Hello, server_name};
use crate::upgrade::leg;

/// Of a request line that is longer so much is waited for.
const REQUEST_LINE_BYTES_MAX: usize = 8 << 10;
/// A ClientHello that is longer is not waited for; see [`server_name`].
const HELLO_BYTES_MAX: usize = 128 << 10;

/// The inside of a tunnel whose content is HTTP: all requests go where CONNECT wanted to.
struct Inside(Origin);

impl Door for Inside {
    fn route(&self, request: &RequestHead, _: &Context) -> Result<Route, Problem> {
        if request.method() == "CONNECT" {
            return Err(Problem::new(
                405,
                "bad-request",
                "a tunnel cannot be opened inside a tunnel",
            ));
        }
        Ok(Route::Server(Onward::new(self.0.clone(), request.target().to_owned())))
    }
}

/// Opens the tunnel and finds out what it is for.
pub(super) async fn connect(context: Context, asked: Connect) -> Then {
    let Connect {
        mut client,
        request,
        mut origin,
    } = asked;
    let started_at = Timestamp::now();
    let (tcp, addr) = match dial(&context, &origin).await {
        Ok(dialled) => dialled,
        Err(problem) => {
            let record = Exchanged::without(&context, origin.to_string(), started_at, None);
            let _: Step = refuse(&mut client, &request, Some(record), problem).await;
            client.linger(context.close()).await;
            return Then::Closed;
        }
    };
    if client
        .send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .is_err()
    {
        return Then::Closed;
    }
    let entry = Entry {
        context,
        url: origin.to_string(),
        started_at,
        addr,
    };
    if entry.context.tls.passthrough(&origin.host) {
        return entry.tunnel(client, tcp);
    }
    match sniff(&entry.context, &mut client, &tcp).await {
        // What a ClientHello says is only the client's word: where CONNECT has named a host, that is who is reached.
        Content::Tls(Some(name)) if is_address(&origin.host) && entry.context.tls.passthrough(&name) => {
            entry.tunnel(client, tcp)
        }
        Content::Tls(name) => {
            origin.tls = true;
            origin.server_name = name;
            entry.intercept(client, tcp, origin).await
        }
        Content::Http => serve_inside(&entry.context, client, origin, tcp, addr).await,
        Content::Other => entry.tunnel(client, tcp),
        Content::Nothing => Then::Closed,
    }
}

fn is_address(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// A tunnel that is open.
struct Entry {
    context: Context,
    url: String,
    started_at: Timestamp,
    addr: SocketAddr,
}

impl Entry {
    fn open(&self) -> FlowTap {
        self.context.tap.open(Opening {
            flow_type: FlowType::Tunnel,
            ..opening(&self.context, self.url.clone(), self.started_at, Some(self.addr), None)
        })
    }

    fn tunnel(self, client: Conn, tcp: TcpStream) -> Then {
        Then::Tunnel(Box::new(Tunnel {
            client: leg(client),
            server: Leg {
                stream: tcp.into(),
                early: Bytes::new(),
            },
            policy: self.context.policy(None, None),
            flow: self.open(),
        }))
    }

    async fn intercept(mut self, client: Conn, tcp: TcpStream, origin: Origin) -> Then {
        let early = client.buffer.freeze();
        let Stream::Plain(rewind) = client.stream else {
            return Then::Closed;
        };
        let rewind = Rewind::new(rewind.into_parts().0, early);
        let accepted = timeout(self.context.handshake(), self.context.tls.accept(rewind, &origin.host)).await;
        let error = match accepted {
            Ok(Ok((stream, leg))) => {
                self.context.client_tls = Some(leg);
                return serve_inside(&self.context, Conn::new(stream), origin, tcp, self.addr).await;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the client did not finish the TLS handshake in time".to_owned(),
        };
        tracing::info!(client = %self.context.client_addr, server = %self.url, %error, "TLS with the client failed");
        let flow = self.open();
        flow.ready().await;
        flow.end(failed(error));
        Then::Closed
    }
}

async fn serve_inside(context: &Context, client: Conn, origin: Origin, tcp: TcpStream, addr: SocketAddr) -> Then {
    match serve(context, client, &Inside(origin), Links::dialled(tcp, addr)).await {
        Next::WebSocket(handover) => Then::WebSocket(handover),
        Next::Closed | Next::Connect(_) => Then::Closed,
    }
}

/// What a client's first bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// TLS, for that host.
    Tls(Option<String>),
    /// HTTP/1.
    Http,
    /// Something else, or nothing within the time.
    Other,
    /// The client has gone.
    Nothing,
}

/// Reads until it is clear what the client speaks. Without any byte it waits for `limits.sniff_ms`, or until the server
/// speaks first; what has begun like TLS or HTTP has `limits.handshake_ms` to become it.
async fn sniff(context: &Context, client: &mut Conn, server: &TcpStream) -> Content {
    let start = Instant::now();
    let sniff_ms = context.settings.limits.sniff_ms;
    loop {
        if let Some(content) = classify(&client.buffer) {
            return content;
        }
        let patience = if client.buffer.is_empty() {
            Duration::from_millis(sniff_ms)
        } else {
            context.handshake()
        };
        let is_silent = client.buffer.is_empty();
        tokio::select! {
            read = client.read_more() => match read {
                Ok(n) if n > 0 => {}
                // It may wait for what the server says.
                Ok(_) => return Content::Other,
                Err(_) => return Content::Nothing,
            },
            () = sleep_until(start + patience) => return Content::Other,
            () = speaks(server), if is_silent => return Content::Other,
        }
    }
}

/// Ready when the server has sent a byte; never, if it ends the connection without one.
async fn speaks(server: &TcpStream) {
    match server.peek(&mut [0]).await {
        Ok(n) if n > 0 => {}
        _ => pending().await,
    }
}

/// `None`: more bytes are needed.
fn classify(first: &[u8]) -> Option<Content> {
    match server_name(first) {
        _ if first.is_empty() => None,
        Hello::Tls { server_name } => Some(Content::Tls(server_name)),
        Hello::Incomplete if first.len() < HELLO_BYTES_MAX => None,
        Hello::Incomplete => Some(Content::Tls(None)),
        Hello::NotTls => match is_request_line(first) {
            Some(true) => Some(Content::Http),
            Some(false) => Some(Content::Other),
            None => None,
        },
    }
}

/// Whether bytes are the beginning of an HTTP/1 request, or of what a lenient server might take for one: that must not
/// pass unread, and gets the answer it deserves. `None`: they may become one.
fn is_request_line(first: &[u8]) -> Option<bool> {
    // Servers ignore empty lines before a request (RFC 9112 §2.2).
    let begin = first.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let Some(begin) = begin.filter(|begin| *begin <= REQUEST_LINE_BYTES_MAX) else {
        return (first.len() > REQUEST_LINE_BYTES_MAX).then_some(true);
    };
    let first = &first[begin..];
    let line_end = first.iter().position(|&byte| byte == b'\n');
    let line = &first[..line_end.unwrap_or(first.len())];
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method.is_empty() || method.len() > 32 || !method.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
    {
        return Some(false);
    }
    match line_end {
        Some(_) => Some(
            line.to_ascii_uppercase()
                .windows(7)
                .any(|seven| seven == b" HTTP/1" || seven == b"\tHTTP/1"),
        ),
        // One that is longer than may be is a request all the same.
        None if line.len() > REQUEST_LINE_BYTES_MAX => {
            Some(target.starts_with(b"/") || target.to_ascii_lowercase().starts_with(b"http"))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, classify};

    #[test]
    fn first_bytes_say_what_a_tunnel_is_for() {
        for (bytes, content) in [
            (&b""[..], None),
            (b"G", None),
            (b"GET / HT", None),
            (b"GET / HTTP/1.1\r\n", Some(Content::Http)),
            (b"GET / HTTP/1.0\nHost", Some(Content::Http)),
            (b"\r", None),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", Some(Content::Http)),
            (b"\nGET / HTTP/1.1\n", Some(Content::Http)),
            (b"GET  / \thttp/1.1 \r\n", Some(Content::Http)),
            (b"GET\t/\tHTTP/1.1\r\n", Some(Content::Http)),
            (b"GET / HTTP/1.9\r\n", Some(Content::Http)),
            (b"\r\n\r\n\0", Some(Content::Other)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Content::Other)),
            (b"NICK someone\r\n", Some(Content::Other)),
            (b"SSH-2.0-x\r\n", Some(Content::Other)),
            (b"\0\0\0\x01", Some(Content::Other)),
            (b"\x16\x03\x01\x02", None),
            (b"\x16\x03\x01\x00\x05\x02", Some(Content::Other)),
        ] {
            assert_eq!(classify(bytes), content, "{bytes:?}");
        }
        assert_eq!(classify(&[b'a'; 40]), Some(Content::Other));
        let long = |start: &[u8], byte: u8| classify(&[start, &vec![byte; 9 << 10]].concat());
        assert_eq!(long(b"GET /", b'a'), Some(Content::Http));
        assert_eq!(long(b"", b'\n'), Some(Content::Http));
        assert_eq!(long(b"say ", b'a'), Some(Content::Other));
    }
}
