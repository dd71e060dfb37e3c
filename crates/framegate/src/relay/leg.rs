//! One stream of a relayed connection: what could not be written yet, and how it ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::net::Stream;

/// The stream to one peer.
#[derive(Debug)]
pub(super) struct Leg {
    stream: Stream,
    /// What was read and the session did not take yet; at first, what had come behind the head.
    pub(super) unread: Bytes,
    /// Bytes that the peer did not take yet.
    pending: Vec<u8>,
    /// How many of them it has taken.
    taken: usize,
    /// The stream has taken bytes that it may not have sent on (TLS records).
    unflushed: bool,
    /// Nothing more will be written: shut down when all is out.
    finish: bool,
    shut: bool,
    /// The peer takes nothing any more; what is for it is let go.
    deaf: bool,
    /// The peer's own stream has ended.
    pub(super) ended: bool,
}

impl Leg {
    pub(super) fn new(side: super::Leg) -> Self {
        Self {
            stream: side.stream,
            unread: side.early,
            pending: Vec::new(),
            taken: 0,
            unflushed: false,
            finish: false,
            shut: false,
            deaf: false,
            ended: false,
        }
    }

    /// Reads what there is, at most as much as fits into `buf`.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        Pin::new(&mut self.stream)
            .poll_read(cx, &mut buf)
            .map_ok(|()| buf.filled().len())
    }

    /// Writes at once what the peer takes, and keeps the rest.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) {
        if self.deaf || self.finish {
            return;
        }
        if self.pending.is_empty() {
            while !bytes.is_empty() {
                match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                    Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return self.is_deaf(),
                    Poll::Ready(Ok(n)) => bytes = &bytes[n..],
                    Poll::Pending => break,
                }
            }
            self.unflushed = matches!(self.stream, Stream::Tls(_));
        }
        self.pending.extend_from_slice(bytes);
    }

    /// Nothing more will be written.
    pub(super) const fn finish(&mut self) {
        self.finish = true;
    }

    /// Moves on what waits. Ready: the peer has all of it, and of a finished leg also the end.
    pub(super) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.taken < self.pending.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.pending[self.taken..]) {
                Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => self.is_deaf(),
                Poll::Ready(Ok(n)) => {
                    self.taken += n;
                    self.unflushed = matches!(self.stream, Stream::Tls(_));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        if !self.pending.is_empty() {
            // An idle connection keeps no buffer.
            (self.pending, self.taken) = (Vec::new(), 0);
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => self.is_deaf(),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.finish && !self.shut {
            if !self.deaf && Pin::new(&mut self.stream).poll_shutdown(cx).is_pending() {
                return Poll::Pending;
            }
            self.shut = true;
        }
        Poll::Ready(())
    }

    /// The peer has all that was for it, and the end.
    pub(super) const fn is_shut(&self) -> bool {
        self.shut
    }

    /// The peer's stream has ended, and it takes nothing either: it is gone altogether.
    pub(super) const fn is_gone(&self) -> bool {
        self.deaf && self.ended
    }

    /// The far end has vanished: what waits may still go, then the connection is reset.
    pub(super) fn abort(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_out(cx);
        // A connection that is gone already cannot be reset, and need not be.
        let _ = self.stream.tcp().set_zero_linger();
        (self.finish, self.shut, self.deaf) = (true, true, true);
    }

    fn is_deaf(&mut self) {
        self.deaf = true;
        self.unflushed = false;
        (self.pending, self.taken) = (Vec::new(), 0);
    }
}
