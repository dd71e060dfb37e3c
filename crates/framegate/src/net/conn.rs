//! A stream to a peer and the bytes that were read from it and not used yet.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::{TlsStream, client};

use super::{Rewind, Stream};

/// Room that is made before a read.
const READ_BYTES: usize = 4 << 10;
/// A buffer that has grown beyond it is not kept between two requests.
const IDLE_BUFFER_BYTES_MAX: usize = 16 << 10;
/// What a lingering close reads at the most before it gives up on the peer.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// Whether the peer has said nothing to us. TLS may have something to say that is for itself, such as session tickets.
fn is_silent(tls: &mut client::TlsStream<Rewind>) -> bool {
    let (rewind, session) = tls.get_mut();
    let socket = SockRef::from(&rewind.tcp);
    loop {
        // What lies there decrypted no socket tells of.
        match session.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
            _ => return false,
        }
        match session.read_tls(&mut &*socket) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// A stream, and what was read ahead from it.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: Stream,
    /// Read from the stream; the next byte to be used is the first.
    pub(crate) buffer: BytesMut,
}

impl Conn {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// Waits until there is at least one byte to use. `Ok(false)`: the peer ended the stream.
    pub(crate) async fn first_byte(&mut self) -> io::Result<bool> {
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BUFFER_BYTES_MAX {
            self.buffer = BytesMut::new();
        }
        Ok(!self.buffer.is_empty() || self.read_more().await? > 0)
    }

    /// Reads once, behind what is in the buffer. 0: the end of the stream.
    pub(crate) async fn read_more(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.buffer).await
    }

    /// Writes all of it, down to the socket.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Whether an idle connection can take a request: nothing unasked for has come, no end of the stream either. It can still
    /// break at any moment.
    pub(crate) fn is_fresh(&mut self) -> bool {
        // The socket is asked itself: the runtime may not have looked at it since something came.
        self.buffer.is_empty()
            && match &mut self.stream {
                Stream::Plain(plain) => {
                    let nothing = SockRef::from(&plain.tcp).peek(&mut [MaybeUninit::uninit()]);
                    nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
                }
                Stream::Tls(tls) => match &mut **tls {
                    TlsStream::Client(tls) => is_silent(tls),
                    TlsStream::Server(_) => false,
                },
            }
    }

    /// Ends the stream so that the peer gets to read what was sent last: it is told that nothing follows, and what it
    /// still sends is read and thrown away for a while. Closing with bytes unread would make the kernel reset the
    /// connection (RFC 9112 §9.6).
    pub(crate) async fn linger(mut self, at_most: Duration) {
        let Self { stream, buffer } = &mut self;
        let drain = async {
            stream.shutdown().await?;
            let mut left = LINGER_BYTES_MAX;
            loop {
                buffer.clear();
                buffer.reserve(READ_BYTES);
                let n = stream.read_buf(buffer).await?;
                left = left.saturating_sub(n);
                if n == 0 || left == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        // Whatever happens here, there is nobody left to tell.
        let _ = timeout(at_most, drain).await;
    }
}
