//! The echo server behind the proxy under test: one thread, epoll, every batch of frames answered by one write.

use std::io;
use std::net::SocketAddr;

use anyhow::Result;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use crate::frame::Echoer;
use crate::handshake::{self, Request};
use crate::socket::{self, LISTENER, LeftOver, Places, READ_BUFFER_BYTES, Received};

/// Serves until the process is ended.
///
/// # Errors
/// When the listener cannot be opened or epoll fails.
pub(crate) fn run(listen: SocketAddr) -> Result<()> {
    let mut poll = Poll::new()?;
    let listener = socket::listen(&poll, listen)?;
    let mut events = Events::with_capacity(1024);
    let mut buffers = Buffers {
        read: vec![0; READ_BUFFER_BYTES],
        echo: Vec::with_capacity(2 * READ_BUFFER_BYTES),
    };
    let mut connections = Places::new();
    loop {
        socket::wait(&mut poll, &mut events, None)?;
        for event in &events {
            let Token(token) = event.token();
            if event.token() == LISTENER {
                socket::accept("echo", &listener, &mut connections, |stream, place| {
                    Connection::open(&poll, stream, place)
                });
            } else if let Some(connection) = connections.at(token)
                && !connection.ready(event, &mut buffers)
            {
                connections.remove(token);
            }
        }
    }
}

/// Shared by all connections.
struct Buffers {
    read: Vec<u8>,
    echo: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// The request so far; `None` once it is answered.
    request: Option<Vec<u8>>,
    echoer: Echoer,
    left_over: LeftOver,
}

impl Connection {
    fn open(poll: &Poll, mut stream: TcpStream, place: usize) -> io::Result<Self> {
        socket::register(poll, &mut stream, place)?;
        Ok(Self {
            stream,
            request: Some(Vec::new()),
            echoer: Echoer::default(),
            left_over: LeftOver::default(),
        })
    }

    /// Acts on one event; false when the connection is done.
    fn ready(&mut self, event: &Event, buffers: &mut Buffers) -> bool {
        let mut resumed = false;
        if event.is_writable() && !self.left_over.is_empty() {
            if self.left_over.flush(&self.stream).is_err() {
                return false;
            }
            resumed = self.left_over.is_empty();
        }
        let to_the_end = resumed || event.is_read_closed();
        while self.left_over.is_empty() && (event.is_readable() || resumed) {
            if self.echoer.closed() {
                return false;
            }
            match socket::read(&self.stream, &mut buffers.read) {
                Received::Bytes(n) => {
                    if !self.answer(n, buffers) {
                        return false;
                    }
                    if n < buffers.read.len() && !to_the_end {
                        return !(self.echoer.closed() && self.left_over.is_empty());
                    }
                }
                Received::Blocked => break,
                Received::Ended => return false,
            }
        }
        true
    }

    /// Answers the first `n` bytes of the read buffer; false when the connection is done.
    fn answer(&mut self, n: usize, buffers: &mut Buffers) -> bool {
        buffers.echo.clear();
        let fed = match self.request.take() {
            None => self.echoer.feed(&buffers.read[..n], &mut buffers.echo),
            Some(mut request) => {
                request.extend_from_slice(&buffers.read[..n]);
                match handshake::answer(&request) {
                    Request::Refused => return false,
                    Request::Partial => {
                        self.request = Some(request);
                        return true;
                    }
                    Request::Accepted { answer, head_len } => {
                        buffers.echo.extend_from_slice(answer.as_bytes());
                        self.echoer.feed(&request[head_len..], &mut buffers.echo)
                    }
                }
            }
        };
        let Ok(written) = socket::write(&self.stream, &buffers.echo) else {
            return false;
        };
        if written < buffers.echo.len() {
            self.left_over.keep(&buffers.echo[written..]);
        }
        fed.is_ok()
    }
}
