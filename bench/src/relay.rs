//! The bare relay: what moving the bytes costs, and nothing else. The yardstick of every ratio.
//!
//! One thread, epoll, one 256 KiB buffer for all connections; it parses nothing, not even HTTP. Each readiness costs
//! one read and one write. A direction whose receiver is full is not read until the receiver takes more.

use std::io;
use std::net::{Shutdown, SocketAddr};

use anyhow::Result;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use crate::socket::{self, LISTENER, LeftOver, Places, READ_BUFFER_BYTES, Received};

/// Relays every connection to `listen` on to `target`, until the process is ended.
///
/// # Errors
/// When the listener cannot be opened or epoll fails.
pub(crate) fn run(listen: SocketAddr, target: SocketAddr) -> Result<()> {
    let mut poll = Poll::new()?;
    let listener = socket::listen(&poll, listen)?;
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut pairs = Places::new();
    loop {
        socket::wait(&mut poll, &mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                socket::accept("relay", &listener, &mut pairs, |client, place| {
                    Pair::open(&poll, client, target, place)
                });
                continue;
            }
            let Token(token) = event.token();
            let place = token / 2;
            if let Some(pair) = pairs.at(place)
                && !pair.ready(token % 2, event, &mut buffer)
            {
                pairs.remove(place);
            }
        }
    }
}

struct Side {
    stream: TcpStream,
    /// Bytes for this side that its socket did not take yet.
    left_over: LeftOver,
    ended: bool,
}

/// Both legs of one connection: the client's first, then the server's.
struct Pair {
    sides: [Side; 2],
}

impl Pair {
    fn open(poll: &Poll, client: TcpStream, target: SocketAddr, place: usize) -> io::Result<Self> {
        let mut sides = [client, TcpStream::connect(target)?].map(|stream| Side {
            stream,
            left_over: LeftOver::default(),
            ended: false,
        });
        for (leg, side) in sides.iter_mut().enumerate() {
            socket::register(poll, &mut side.stream, place * 2 + leg)?;
        }
        Ok(Self { sides })
    }

    /// Acts on one event of a leg; false when the pair is done.
    fn ready(&mut self, leg: usize, event: &Event, buffer: &mut [u8]) -> bool {
        let other = 1 - leg;
        if event.is_writable() && !self.sides[leg].left_over.is_empty() {
            let Side { stream, left_over, .. } = &mut self.sides[leg];
            if left_over.flush(stream).is_err() {
                return false;
            }
            // The edges that came while the other side was not read are gone: read it to the end.
            if left_over.is_empty() && !self.pump(other, true, buffer) {
                return false;
            }
        }
        !event.is_readable() || self.pump(leg, event.is_read_closed(), buffer)
    }

    /// Moves bytes from one leg to the other; false when the pair is done.
    fn pump(&mut self, from: usize, to_the_end: bool, buffer: &mut [u8]) -> bool {
        let (client, server) = self.sides.split_at_mut(1);
        let (source, sink) = if from == 0 {
            (&mut client[0], &mut server[0])
        } else {
            (&mut server[0], &mut client[0])
        };
        while sink.left_over.is_empty() && !source.ended {
            match socket::read(&source.stream, buffer) {
                Received::Bytes(n) => {
                    let Ok(written) = socket::write(&sink.stream, &buffer[..n]) else {
                        return false;
                    };
                    if written < n {
                        sink.left_over.keep(&buffer[written..n]);
                    }
                    if n < buffer.len() && !to_the_end {
                        return true;
                    }
                }
                Received::Blocked => return true,
                Received::Ended => {
                    source.ended = true;
                    // A sink that is gone already has nothing left to be told.
                    let _ = sink.stream.shutdown(Shutdown::Write);
                }
            }
        }
        !(source.ended && sink.ended)
    }
}
