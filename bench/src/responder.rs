//! The hook that a proxy asks: an HTTP/1.1 server on one thread that answers every request with 200 and nothing else,
//! at once or after a while.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use crate::socket::{self, LISTENER, LeftOver, Places, READ_BUFFER_BYTES, Received};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Serves until the process is ended; each request is answered `delay` after it was whole.
///
/// # Errors
/// When the listener cannot be opened or epoll fails.
pub(crate) fn run(listen: SocketAddr, delay: Duration) -> Result<()> {
    let mut poll = Poll::new()?;
    let listener = socket::listen(&poll, listen)?;
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut connections = Places::new();
    // All wait equally long, so they come due in the order in which they came.
    let mut due: VecDeque<(Instant, usize)> = VecDeque::new();
    loop {
        let most = due.front().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        socket::wait(&mut poll, &mut events, most)?;
        for event in &events {
            let Token(token) = event.token();
            if event.token() == LISTENER {
                socket::accept("hook", &listener, &mut connections, |stream, place| {
                    Connection::open(&poll, stream, place)
                });
                continue;
            }
            let Some(connection) = connections.at(token) else {
                continue;
            };
            match connection.ready(event, &mut buffer) {
                None => connections.remove(token),
                Some(asked) if delay.is_zero() => {
                    if !connection.answer(asked) {
                        connections.remove(token);
                    }
                }
                Some(asked) => due.extend((0..asked).map(|_| (Instant::now() + delay, token))),
            }
        }
        while due.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let Some((_, token)) = due.pop_front() else { break };
            if let Some(connection) = connections.at(token)
                && !connection.answer(1)
            {
                connections.remove(token);
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    requests: Requests,
    left_over: LeftOver,
}

impl Connection {
    fn open(poll: &Poll, mut stream: TcpStream, place: usize) -> io::Result<Self> {
        socket::register(poll, &mut stream, place)?;
        Ok(Self {
            stream,
            requests: Requests::default(),
            left_over: LeftOver::default(),
        })
    }

    /// Acts on one event: how many requests became whole; `None` when the connection is done.
    fn ready(&mut self, event: &Event, buffer: &mut [u8]) -> Option<usize> {
        if event.is_writable() && !self.left_over.is_empty() {
            self.left_over.flush(&self.stream).ok()?;
        }
        let mut asked = 0;
        while event.is_readable() {
            match socket::read(&self.stream, buffer) {
                Received::Bytes(n) => {
                    asked += self.requests.feed(&buffer[..n])?;
                    if n < buffer.len() && !event.is_read_closed() {
                        break;
                    }
                }
                Received::Blocked => break,
                Received::Ended => return None,
            }
        }
        Some(asked)
    }

    /// False when the connection is done.
    fn answer(&mut self, times: usize) -> bool {
        for _ in 0..times {
            if !self.left_over.is_empty() {
                self.left_over.keep(ANSWER);
                continue;
            }
            match socket::write(&self.stream, ANSWER) {
                Ok(written) if written < ANSWER.len() => self.left_over.keep(&ANSWER[written..]),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Finds the ends of requests: a head, and a body of the length that it says.
#[derive(Default)]
struct Requests {
    head: Vec<u8>,
    body_left: usize,
}

impl Requests {
    /// How many requests end in these bytes; `None`: it is not known where one ends.
    fn feed(&mut self, mut bytes: &[u8]) -> Option<usize> {
        let mut whole = 0;
        while !bytes.is_empty() {
            if self.body_left == 0 {
                let from = self.head.len().saturating_sub(3);
                self.head.extend_from_slice(bytes);
                let end = self.head[from..].windows(4).position(|four| four == b"\r\n\r\n");
                let Some(end) = end.map(|at| from + at + 4) else { break };
                let behind = self.head.len() - end;
                self.body_left = content_length(&self.head[..end])?;
                self.head.clear();
                bytes = &bytes[bytes.len() - behind..];
                if self.body_left > 0 {
                    continue;
                }
            } else {
                let take = self.body_left.min(bytes.len());
                self.body_left -= take;
                bytes = &bytes[take..];
                if self.body_left > 0 {
                    break;
                }
            }
            whole += 1;
        }
        Some(whole)
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    match lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        Some((_, length)) => length.trim().parse().ok(),
        None if head.to_ascii_lowercase().contains("\r\ntransfer-encoding:") => None,
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::Requests;

    #[test]
    fn requests_are_counted_however_they_are_cut() {
        let bytes = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length:1\r\n\r\nx";
        for size in 1..bytes.len() {
            let mut requests = Requests::default();
            let whole = bytes
                .chunks(size)
                .map(|piece| requests.feed(piece))
                .sum::<Option<usize>>();
            assert_eq!(whole, Some(3), "{size}");
        }
    }

    #[test]
    fn a_body_without_a_length_has_no_known_end() {
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(Requests::default().feed(chunked), None);
    }
}
