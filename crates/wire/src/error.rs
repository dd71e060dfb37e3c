//! What a peer did wrong, and what the close code for it is.

use std::fmt;

use crate::Peer;
use crate::deflate::InflateError;

/// A rule that a peer broke, or a limit that it went beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A reserved bit was set that no extension gave a meaning (RFC 6455 §5.2; RFC 7692 §6 for RSV1).
    ReservedBits,
    /// An opcode of 3-7 or 11-15 (RFC 6455 §5.2).
    ReservedOpcode,
    /// A frame of the client was not masked (RFC 6455 §5.1).
    Unmasked,
    /// A frame of the server was masked (RFC 6455 §5.1).
    Masked,
    /// A control frame without FIN (RFC 6455 §5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes of payload (RFC 6455 §5.5).
    LongControl,
    /// A continuation frame, but no message to continue (RFC 6455 §5.4).
    OrphanContinuation,
    /// A new message before the last fragment of the one under way (RFC 6455 §5.4).
    InterruptedMessage,
    /// A payload length in more bytes than it needs (RFC 6455 §5.2).
    NonMinimalLength,
    /// A payload length with its highest bit set (RFC 6455 §5.2).
    LengthBit,
    /// A frame behind a Close (RFC 6455 §5.5.1).
    FrameAfterClose,
    /// A Close with a payload of one byte (RFC 6455 §5.5.1).
    ShortClose,
    /// A Close with a status code that must not be sent (RFC 6455 §7.4).
    CloseCode,
    /// A Close whose reason is not UTF-8 (RFC 6455 §5.5.1).
    CloseReasonUtf8,
    /// A text message that is not UTF-8 (RFC 6455 §8.1).
    InvalidUtf8,
    /// A compressed message that does not inflate (RFC 7692 §7.2.2).
    CorruptDeflate,
    /// The connection ended inside a message.
    Unfinished,
    /// A frame whose payload is beyond the frame limit.
    FrameTooBig,
    /// A message whose assembled or inflated payload is beyond the message limit.
    MessageTooBig,
    /// A message that inflates to more times its size than the ratio limit allows.
    InflateRatio,
    /// More messages a second than its sender may send.
    MessageRate,
    /// More bytes a second than its sender may send.
    ByteRate,
    /// More messages than its sender may send in one connection.
    MessageCount,
    /// More messages a second than its sender may send in all of its connections.
    SourceMessageRate,
    /// More bytes a second than its sender may send in all of its connections.
    SourceByteRate,
}

impl Rule {
    /// The status code of the Close that answers it (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 | Self::CloseReasonUtf8 | Self::CorruptDeflate => 1007,
            Self::FrameTooBig | Self::MessageTooBig | Self::InflateRatio => 1009,
            Self::MessageRate
            | Self::ByteRate
            | Self::MessageCount
            | Self::SourceMessageRate
            | Self::SourceByteRate => 1008,
            _ => 1002,
        }
    }

    /// Whether it guards the proxy rather than the protocol: a limit is held even where violations are relayed. A
    /// length that can be no length is beyond all of them.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::LengthBit
                | Self::FrameTooBig
                | Self::MessageTooBig
                | Self::InflateRatio
                | Self::MessageRate
                | Self::ByteRate
                | Self::MessageCount
                | Self::SourceMessageRate
                | Self::SourceByteRate
        )
    }

    /// The rule in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bit set",
            Self::ReservedOpcode => "reserved opcode",
            Self::Unmasked => "client frame not masked",
            Self::Masked => "server frame masked",
            Self::FragmentedControl => "fragmented control frame",
            Self::LongControl => "control frame over 125 bytes",
            Self::OrphanContinuation => "continuation of no message",
            Self::InterruptedMessage => "new message inside a fragmented one",
            Self::NonMinimalLength => "payload length not minimal",
            Self::LengthBit => "payload length of 64 bits",
            Self::FrameAfterClose => "frame after Close",
            Self::ShortClose => "Close payload of one byte",
            Self::CloseCode => "close code not allowed",
            Self::CloseReasonUtf8 => "close reason not UTF-8",
            Self::InvalidUtf8 => "text not UTF-8",
            Self::CorruptDeflate => "compressed message does not inflate",
            Self::Unfinished => "message unfinished",
            Self::FrameTooBig => "frame over the limit",
            Self::MessageTooBig => "message over the limit",
            Self::InflateRatio => "inflates beyond the ratio limit",
            Self::MessageRate => "messages a second over the limit",
            Self::ByteRate => "bytes a second over the limit",
            Self::MessageCount => "messages over the limit",
            Self::SourceMessageRate => "messages a second of the source over the limit",
            Self::SourceByteRate => "bytes a second of the source over the limit",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl From<InflateError> for Rule {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Corrupt => Self::CorruptDeflate,
            InflateError::TooBig => Self::MessageTooBig,
            InflateError::Ratio => Self::InflateRatio,
        }
    }
}

/// A rule broken, and whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The peer that broke it.
    pub by: Peer,
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.by, self.rule)
    }
}

impl std::error::Error for Violation {}
