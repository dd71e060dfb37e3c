//! One exchange while it is under way: whether anything moves in it, and whether its client is still there.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use super::{Captured, Context};

/// What a client sends while it waits for an answer is read so far ahead. In bytes.
const READ_AHEAD_BYTES_MAX: usize = 64 << 10;
/// Room that is made before such a read.
const READ_AHEAD_BYTES: usize = 4 << 10;

/// When a byte of an exchange moved last, whichever way.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// `limits.http_idle_ms`; `None`: for ever.
    idle: Option<Duration>,
    last: Cell<Instant>,
}

impl Pulse {
    pub(crate) fn new(context: &Context) -> Self {
        let idle_ms = context.settings.limits.http_idle_ms;
        Self {
            idle: (idle_ms > 0).then(|| Duration::from_millis(idle_ms)),
            last: Cell::new(Instant::now()),
        }
    }

    /// Ready when nothing has moved for too long.
    pub(crate) async fn stops(&self) {
        let Some(idle) = self.idle else { return pending().await };
        loop {
            let due = self.last.get() + idle;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }

    fn beat(&self) {
        self.last.set(Instant::now());
    }
}

/// One direction of an exchange: what is recorded of its body, and what it waits for.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    pub(crate) captured: RefCell<Captured>,
    is_writing: Cell<bool>,
    pulse: &'a Pulse,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(context: &Context, pulse: &'a Pulse) -> Self {
        Self {
            captured: RefCell::new(Captured::new(context.capture_max())),
            is_writing: Cell::new(false),
            pulse,
        }
    }

    /// Whether it is the recipient that is waited for, not the sender.
    pub(crate) fn is_writing(&self) -> bool {
        self.is_writing.get()
    }

    /// Reads once, behind what is in the buffer. 0: the end of the stream.
    pub(crate) async fn read<R: AsyncRead + Unpin>(&self, from: &mut R, buffer: &mut BytesMut) -> io::Result<usize> {
        let n = from.read_buf(buffer).await?;
        self.pulse.beat();
        Ok(n)
    }

    /// Writes all of it, down to the socket.
    pub(crate) async fn write<W: AsyncWrite + Unpin>(&self, to: &mut W, mut bytes: &[u8]) -> io::Result<()> {
        self.is_writing.set(true);
        while !bytes.is_empty() {
            let n = to.write(bytes).await?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[n..];
            self.pulse.beat();
        }
        to.flush().await?;
        self.is_writing.set(false);
        Ok(())
    }
}

/// Ready when the client has left, for whatever reason, while it was due an answer. What it sends meanwhile, such as its
/// next requests, is read ahead.
///
/// The end of its stream alone does not say whether it left or just has nothing more to ask (RFC 9112 §9.6). Right
/// behind the request, within `limits.half_close_ms`, it is taken for the latter.
pub(crate) async fn left<R: AsyncRead + Unpin>(context: &Context, client: &mut R, buffer: &mut BytesMut) {
    let half_close = Duration::from_millis(context.settings.limits.half_close_ms);
    let start = Instant::now();
    while buffer.len() < READ_AHEAD_BYTES_MAX {
        buffer.reserve(READ_AHEAD_BYTES);
        match client.read_buf(buffer).await {
            Ok(n) if n > 0 => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return,
            _ if start.elapsed() >= half_close => return,
            _ => break,
        }
    }
    pending().await
}
