//! What the servers, the relay and the load share of non-blocking sockets: a wait, a round of accepting, one read, one
//! write, what is left over.
//!
//! Readiness is edge-triggered, so no registration ever changes. A read that filled its buffer is repeated; a short
//! one has emptied the socket, and the next bytes raise a new event.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// Size of the one read buffer that a process uses for all its connections.
pub(crate) const READ_BUFFER_BYTES: usize = 256 * 1024;
/// The token of the listener; connections count from zero.
pub(crate) const LISTENER: Token = Token(usize::MAX);

/// What one read brought.
pub(crate) enum Received {
    /// This many bytes.
    Bytes(usize),
    /// Nothing for now.
    Blocked,
    /// End of stream, or a broken connection: nothing more will come.
    Ended,
}

/// One read into `buffer`.
pub(crate) fn read(mut stream: &TcpStream, buffer: &mut [u8]) -> Received {
    loop {
        return match stream.read(buffer) {
            Ok(0) => Received::Ended,
            Ok(n) => Received::Bytes(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Blocked,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Received::Ended,
        };
    }
}

/// Writes what the socket takes and returns how much that was; less than all means that it is full for now.
///
/// # Errors
/// When the connection is broken.
pub(crate) fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// Bytes that a full socket did not take; empty, and without a buffer, nearly always.
#[derive(Default)]
pub(crate) struct LeftOver {
    bytes: Vec<u8>,
    written: usize,
}

impl LeftOver {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keeps what could not be written.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes on; gives the buffer back once all of it has left.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.written += write(stream, &self.bytes[self.written..])?;
        if self.written == self.bytes.len() {
            *self = Self::default();
        }
        Ok(())
    }
}

/// Binds a listener, says where on standard output (`listening ADDR`) and registers it under [`LISTENER`].
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn listen(poll: &Poll, addr: SocketAddr) -> io::Result<TcpListener> {
    let mut listener = TcpListener::bind(addr)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening {}", listener.local_addr()?);
    Ok(listener)
}

/// Waits for events, at most so long; a signal ends the wait early.
///
/// # Errors
/// When epoll fails.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events, most: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, most) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// Takes in everybody who waits: `open` makes what is kept of a connection out of its stream and its place. `who` says
/// whose an error is.
pub(crate) fn accept<T>(
    who: &str,
    listener: &TcpListener,
    places: &mut Places<T>,
    open: impl Fn(TcpStream, usize) -> io::Result<T>,
) {
    // Any error ends the round: either nobody is waiting, or the next arrival wakes us again.
    while let Ok((stream, _)) = listener.accept() {
        match open(stream, places.next()) {
            Ok(connection) => places.put(connection),
            Err(error) => eprintln!("{who}: {error}"),
        }
    }
}

/// Registers a connection for everything, once and for all.
///
/// # Errors
/// When the kernel refuses another registration.
pub(crate) fn register(poll: &Poll, stream: &mut TcpStream, token: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    poll.registry()
        .register(stream, Token(token), Interest::READABLE | Interest::WRITABLE)
}

/// A list whose places are reused, so that a token stays small and stable.
pub(crate) struct Places<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Places<T> {
    pub(crate) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The place that the next [`Places::put`] will fill.
    pub(crate) fn next(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    pub(crate) fn put(&mut self, item: T) {
        match self.free.pop() {
            Some(place) => self.places[place] = Some(item),
            None => self.places.push(Some(item)),
        }
    }

    pub(crate) fn at(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    pub(crate) fn remove(&mut self, place: usize) {
        if self.places.get_mut(place).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_reused_after_its_item_left() {
        let mut places = Places::new();
        places.put("a");
        places.put("b");
        places.remove(0);
        places.remove(0);
        assert!(places.at(0).is_none());
        assert_eq!(places.next(), 0);
        places.put("c");
        assert_eq!(places.next(), 2);
        assert_eq!((places.at(0).copied(), places.at(1).copied()), (Some("c"), Some("b")));
    }
}
