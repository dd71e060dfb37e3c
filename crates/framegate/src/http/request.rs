//! The head of a client's next request.

use bytes::Buf as _;
use wire::http::{HeadError, Limits, RequestHead};

use crate::net::Conn;

/// How waiting for a head ended otherwise than with one.
#[derive(Debug)]
pub(crate) enum NoHead {
    /// The peer ended the stream, or it broke; `true`: in the middle of a head.
    Ended(bool),
    /// The head is not valid.
    Malformed(HeadError),
}

impl Conn {
    /// Reads a request's head and takes it out of the buffer.
    pub(crate) async fn request_head(&mut self, limits: &Limits) -> Result<RequestHead, NoHead> {
        loop {
            // Empty lines before a request are not part of it (RFC 9112 §2.2).
            while self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
            }
            match RequestHead::parse(&self.buffer, limits) {
                Ok(Some(head)) => {
                    self.buffer.advance(head.raw().len());
                    return Ok(head);
                }
                Ok(None) => {}
                Err(error) => return Err(NoHead::Malformed(error)),
            }
            match self.read_more().await {
                Ok(0) | Err(_) => return Err(NoHead::Ended(!self.buffer.is_empty())),
                Ok(_) => {}
            }
        }
    }
}
