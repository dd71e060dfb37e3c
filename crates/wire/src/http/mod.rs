//! Heads and bodies of HTTP/1.1 messages, for a relay: what came is kept byte for byte, and what the bytes mean is said
//! beside it.
//!
//! Reading order: [`Head`], [`RequestHead`] and [`ResponseHead`] (one parsed head) · [`Framing`] (how long the body is)
//! · [`BodyReader`] (where the body ends) · [`Rewrite`] (a head with a few lines changed). No I/O, no connection
//! handling, no content codings: a body is told apart from what follows it, not decoded.
//!
//! Strictness: whatever could make two recipients see two different messages is refused (RFC 9112 §11.2). A relay that
//! changes nothing cannot repair it for the next one. So a line ends in CR LF and nothing else (§2.2 lets a recipient
//! take bare LF, but the one behind it may not), no line is folded onto the next (obs-fold, §5.2), and there is no white
//! space between a field's name and its colon (§5.1).

mod error;
mod fields;
mod head;
mod framing;
mod body;
mod chunk;
mod rewrite;
#[cfg(test)]
mod strictness;

pub use body::{BodyError, BodyReader};
pub use chunk::{CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX};
pub use error::HeadError;
pub(crate) use fields::is_token_byte;
pub use fields::{Head, Header};
pub use framing::Framing;
pub use head::{RequestHead, ResponseHead};
pub use rewrite::Rewrite;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes from the start line (and empty lines before it) to the empty line that ends the head.
    pub head_bytes_max: usize,
    /// Header lines.
    pub headers_max: usize,
}

impl Default for Limits {
    /// 64 KiB, 128 header lines.
    fn default() -> Self {
        Self {
            head_bytes_max: 64 << 10,
            headers_max: 128,
        }
    }
}

/// The version of a message (RFC 9112 §2.3). Others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        })
    }
}
