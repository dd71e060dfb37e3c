//! Frame headers (RFC 6455 §5.2), with every bit that the wire can carry.

/// The most bytes that a frame's header takes: 2, an 8-byte length and a 4-byte masking key.
pub const HEAD_BYTES_MAX: usize = 14;

/// The most payload that a control frame may carry (RFC 6455 §5.5).
pub const CONTROL_BYTES_MAX: u64 = 125;

/// What a frame is (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation,
    /// The first fragment, or all, of a text message.
    Text,
    /// The first fragment, or all, of a binary message.
    Binary,
    /// The end of the conversation.
    Close,
    /// A heartbeat's question.
    Ping,
    /// A heartbeat's answer.
    Pong,
    /// 3-7 and 11-15: without a meaning today.
    Reserved(u8),
}

impl Opcode {
    /// Reads the low four bits of a frame's first byte.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            reserved => Self::Reserved(reserved),
        }
    }

    /// The opcode's number.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
            Self::Reserved(bits) => bits & 0x0f,
        }
    }

    /// Whether it is a control frame's: the high bit of the four is set (RFC 6455 §5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x08 != 0
    }
}

/// The header of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// This is the last fragment of its message.
    pub fin: bool,
    /// The three reserved bits, RSV1 highest: `0b100` is RSV1 alone.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, if the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload that follow; a peer can say more than [`PAYLOAD_BYTES_MAX`].
    pub payload_len: u64,
    /// Bytes of this header on the wire.
    pub head_len: u8,
}

/// The longest payload of a frame: the highest bit of a length must not be set (RFC 6455 §5.2).
pub const PAYLOAD_BYTES_MAX: u64 = u64::MAX >> 1;

/// RSV1 in [`FrameHead::rsv`]: compressed, where permessage-deflate was agreed on (RFC 7692 §6).
pub const RSV1: u8 = 0b100;

impl FrameHead {
    /// A header as this proxy would write it: whole, unreserved, with the shortest length.
    #[must_use]
    pub const fn new(opcode: Opcode, mask: Option<[u8; 4]>, payload_len: u64) -> Self {
        let head_len = minimal_len(payload_len) + if mask.is_some() { 4 } else { 0 };
        Self {
            fin: true,
            rsv: 0,
            opcode,
            mask,
            payload_len,
            head_len,
        }
    }

    /// Reads the header at the start of `input`; `None`: it goes on behind the end of `input`.
    #[inline]
    #[must_use]
    pub fn parse(input: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = input else { return None };
        let (payload_len, len_bytes) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let mask = if second & 0x80 == 0 {
            None
        } else {
            Some(*rest[len_bytes..].first_chunk()?)
        };
        #[allow(clippy::cast_possible_truncation)] // at most 14
        let head_len = (2 + len_bytes + if mask.is_some() { 4 } else { 0 }) as u8;
        Some(Self {
            fin: first & 0x80 != 0,
            rsv: (first >> 4) & 0b111,
            opcode: Opcode::from_bits(*first),
            mask,
            payload_len,
            head_len,
        })
    }

    /// Whether the length took no more bytes than it needs (RFC 6455 §5.2).
    #[must_use]
    pub const fn is_minimal(&self) -> bool {
        let mask_len = if self.mask.is_some() { 4 } else { 0 };
        self.head_len == minimal_len(self.payload_len) + mask_len
    }

    /// Appends the header, with the shortest length, to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        out.push(u8::from(self.fin) << 7 | (self.rsv & 0b111) << 4 | self.opcode.bits());
        if self.payload_len < 126 {
            #[allow(clippy::cast_possible_truncation)] // below 126
            out.push(masked | self.payload_len as u8);
        } else if let Ok(len) = u16::try_from(self.payload_len) {
            out.push(masked | 126);
            out.extend_from_slice(&len.to_be_bytes());
        } else {
            out.push(masked | 127);
            out.extend_from_slice(&self.payload_len.to_be_bytes());
        }
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
    }
}

/// Bytes of the shortest header without a masking key.
const fn minimal_len(payload_len: u64) -> u8 {
    match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_reads_back_as_it_was_written(
            fin: bool, rsv in 0u8..8, opcode in 0u8..16, mask: Option<[u8; 4]>, payload_len: u64, tail: [u8; 3],
        ) {
            let head = FrameHead { fin, rsv, ..FrameHead::new(Opcode::from_bits(opcode), mask, payload_len) };
            let mut bytes = Vec::new();
            head.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), usize::from(head.head_len));
            for cut in 0..bytes.len() {
                prop_assert_eq!(FrameHead::parse(&bytes[..cut]), None);
            }
            bytes.extend_from_slice(&tail);
            prop_assert_eq!(FrameHead::parse(&bytes), Some(head));
            prop_assert!(head.is_minimal());
        }
    }

    #[test]
    fn a_length_in_more_bytes_than_it_needs_is_seen() {
        let head = FrameHead::parse(&[0x81, 126, 0, 5]).expect("complete");
        assert_eq!((head.payload_len, head.head_len, head.is_minimal()), (5, 4, false));
        let head = FrameHead::parse(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]).expect("complete");
        assert_eq!(
            (head.payload_len, head.head_len, head.is_minimal()),
            (0xffff, 10, false)
        );
        let head = FrameHead::parse(&[0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]).expect("complete");
        assert_eq!(head.payload_len, 0xff << 56);
    }
}
