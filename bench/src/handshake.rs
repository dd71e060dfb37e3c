//! Both ends of the opening handshake (RFC 6455, section 4), as much of it as loopback peers need.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The key of the RFC's own example (section 1.3), and the accept value that belongs to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Both directions without context takeover: a message compressed once may then be sent any number of times.
const DEFLATE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const HEAD_BYTES_MAX: usize = 8192;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a WebSocket connection and returns it, still blocking, right after the 101.
///
/// # Errors
/// When the peer refuses, answers something else than a handshake, or does not take the extension asked for.
pub(crate) fn connect(addr: SocketAddr, deflate: bool) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&addr, HANDSHAKE_TIMEOUT).with_context(|| format!("connect {addr}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    let extensions = if deflate {
        format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n")
    } else {
        String::new()
    };
    write!(
        stream,
        "GET /echo HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    )?;
    let head = read_head(&mut stream).with_context(|| format!("handshake with {addr}"))?;
    let status = head.lines().next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101") {
        bail!("{addr} answered {status:?} to the handshake");
    }
    if header(&head, "sec-websocket-accept") != Some(ACCEPT) {
        bail!("{addr} sent a wrong Sec-WebSocket-Accept");
    }
    if deflate && !header(&head, "sec-websocket-extensions").is_some_and(|value| value.contains("permessage-deflate")) {
        bail!("declines deflate");
    }
    stream.set_read_timeout(None)?;
    Ok(stream)
}

/// Reads up to the empty line, byte for byte at its end so that nothing after it is taken.
fn read_head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::with_capacity(512);
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            bail!("no end of the head within {HEAD_BYTES_MAX} bytes");
        }
        if stream.read(&mut byte)? == 0 {
            bail!("closed in the middle of the handshake");
        }
        head.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// What the server makes of the bytes it has so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The head is not whole yet.
    Partial,
    /// Not a WebSocket upgrade, or a head without end.
    Refused,
    /// The answer to send; the bytes after `head_len` belong to the frames.
    Accepted { answer: String, head_len: usize },
}

/// Answers a client's upgrade request.
pub(crate) fn answer(bytes: &[u8]) -> Request {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_BYTES_MAX {
            Request::Refused
        } else {
            Request::Partial
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end + 2]);
    let Some(key) = header(&head, "sec-websocket-key") else {
        return Request::Refused;
    };
    let offers_deflate =
        header(&head, "sec-websocket-extensions").is_some_and(|value| value.contains("permessage-deflate"));
    let extensions = if offers_deflate {
        format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n")
    } else {
        String::new()
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{extensions}\r\n",
        accept(key)
    );
    Request::Accepted {
        answer,
        head_len: end + 4,
    }
}

fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

/// The first value of a header, by its lower-case name.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_the_one_of_the_rfc() {
        assert_eq!(accept(KEY), ACCEPT);
    }

    #[test]
    fn a_request_is_answered_once_it_is_whole() {
        let request = format!("GET / HTTP/1.1\r\nsec-websocket-KEY: {KEY}\r\n\r\nrest");
        assert_eq!(answer(&request.as_bytes()[..40]), Request::Partial);
        let Request::Accepted { answer, head_len } = answer(request.as_bytes()) else {
            panic!("not accepted")
        };
        assert_eq!(&request[head_len..], "rest");
        assert!(answer.contains(ACCEPT) && !answer.contains("Extensions"));
    }

    #[test]
    fn deflate_is_taken_only_when_offered() {
        let request =
            format!("GET / HTTP/1.1\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Extensions: {DEFLATE}\r\n\r\n");
        let Request::Accepted { answer, .. } = answer(request.as_bytes()) else {
            panic!("not accepted")
        };
        assert!(answer.contains(DEFLATE));
    }

    #[test]
    fn a_request_without_a_key_is_refused() {
        assert_eq!(answer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Request::Refused);
    }
}
