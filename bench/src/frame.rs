//! Frame headers, masks and the echo of a byte stream (RFC 6455, section 5), written for speed.
//!
//! This is the benchmark's own small codec, so that the load and the echo server cost little and share no code with
//! the proxy under test. It does not check what a real endpoint must check; the client side verifies every byte.

/// Opcode of a text message.
pub(crate) const TEXT: u8 = 0x1;
/// Opcode of a binary message.
pub(crate) const BINARY: u8 = 0x2;
/// Opcode of a Close frame.
pub(crate) const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The header bit that permessage-deflate sets on compressed messages (RFC 7692, section 6).
pub(crate) const RSV1: u8 = 0x40;
const FIN: u8 = 0x80;
/// The longest header: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// Appends one whole message as a single frame; `first` holds the opcode and the reserved bits, FIN is added.
pub(crate) fn push_frame(out: &mut Vec<u8>, first: u8, mask: Option<[u8; 4]>, payload: &[u8]) {
    push_header(out, first | FIN, mask, payload.len() as u64);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask);
    }
}

fn push_header(out: &mut Vec<u8>, first: u8, mask: Option<[u8; 4]>, len: u64) {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    out.push(first);
    if len < 126 {
        out.push(mask_bit | len as u8);
    } else if let Ok(short) = u16::try_from(len) {
        out.push(mask_bit | 126);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(mask_bit | 127);
        out.extend_from_slice(&len.to_be_bytes());
    }
    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| &mask[..]));
}

/// XORs `bytes` with the repeated `mask`, eight bytes at a time.
pub(crate) fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Turns one client's masked byte stream into its unmasked echo, whatever the pieces it arrives in.
///
/// Data frames keep their first byte (so a compressed frame is echoed as it is), a Ping becomes a Pong, a Close is
/// answered and ends the stream, a Pong is swallowed. Payloads pass through as they arrive: no frame is held.
#[derive(Default)]
pub(crate) struct Echoer {
    header: [u8; HEADER_BYTES_MAX],
    header_len: usize,
    /// Payload bytes of the current frame that have not arrived yet.
    remaining: u64,
    /// Rotated so that its first byte belongs to the next payload byte.
    mask: [u8; 4],
    swallow: bool,
    closing: bool,
}

/// What a client must not send: the server gives up on the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unmasked;

impl Echoer {
    /// Appends the echo of `input` to `out`.
    pub(crate) fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Unmasked> {
        while !input.is_empty() && !self.closed() {
            if self.remaining == 0 {
                input = self.take_header(input, out)?;
            } else {
                let n = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
                self.pass_payload(&input[..n], out);
                input = &input[n..];
            }
        }
        Ok(())
    }

    /// Whether a Close has been echoed whole: write what is left and hang up.
    pub(crate) fn closed(&self) -> bool {
        self.closing && self.remaining == 0
    }

    fn take_header<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Unmasked> {
        let had = self.header_len;
        let room = HEADER_BYTES_MAX - had;
        let taken = room.min(input.len());
        self.header[had..had + taken].copy_from_slice(&input[..taken]);
        let available = had + taken;
        let needed = if available < 2 { 2 } else { header_len(self.header[1]) };
        if available < needed {
            self.header_len = available;
            return Ok(&input[taken..]);
        }
        self.header_len = 0;
        self.begin_frame(needed, out)?;
        Ok(&input[needed - had..])
    }

    fn begin_frame(&mut self, header_len: usize, out: &mut Vec<u8>) -> Result<(), Unmasked> {
        let [first, second, ..] = self.header;
        if second & 0x80 == 0 {
            return Err(Unmasked);
        }
        let extended = &self.header[2..header_len - 4];
        self.remaining = match extended.len() {
            0 => u64::from(second & 0x7F),
            _ => extended.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
        };
        self.mask.copy_from_slice(&self.header[header_len - 4..header_len]);
        let opcode = first & 0x0F;
        self.swallow = opcode == PONG;
        self.closing = opcode == CLOSE;
        if !self.swallow {
            let first = if opcode == PING { FIN | PONG } else { first };
            push_header(out, first, None, self.remaining);
        }
        Ok(())
    }

    fn pass_payload(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.remaining -= payload.len() as u64;
        if !self.swallow {
            let start = out.len();
            out.extend_from_slice(payload);
            apply_mask(&mut out[start..], self.mask);
        }
        self.mask.rotate_left(payload.len() % 4);
    }
}

/// The length of a header with this second byte.
fn header_len(second: u8) -> usize {
    let extended = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + extended + if second & 0x80 == 0 { 0 } else { 4 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn conversation() -> (Vec<u8>, Vec<u8>) {
        let (mut sent, mut echoed) = (Vec::new(), Vec::new());
        for (i, len) in [0, 1, 5, 125, 126, 1000, 65_535, 65_536, 70_001]
            .into_iter()
            .enumerate()
        {
            let payload: Vec<u8> = (0..len).map(|n| (n * 7 + i) as u8).collect();
            let first = if i % 2 == 0 { TEXT } else { BINARY | RSV1 };
            push_frame(&mut sent, first, Some([i as u8, 2, 3, 0xF0]), &payload);
            push_frame(&mut echoed, first, None, &payload);
            push_frame(&mut sent, PING, Some([9, 8, 7, 6]), b"are you there");
            push_frame(&mut echoed, PONG, None, b"are you there");
            push_frame(&mut sent, PONG, Some([1, 1, 1, 1]), b"unasked");
        }
        (sent, echoed)
    }

    #[test]
    fn the_echo_is_the_same_however_the_bytes_arrive() {
        let (sent, echoed) = conversation();
        for piece in [1, 2, 3, 7, 13, 4096, sent.len()] {
            let (mut echoer, mut out) = (Echoer::default(), Vec::new());
            for chunk in sent.chunks(piece) {
                echoer.feed(chunk, &mut out).unwrap();
            }
            assert!(out == echoed, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_close_is_answered_and_ends_the_echo() {
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        push_frame(&mut sent, CLOSE, Some([1, 2, 3, 4]), &1000u16.to_be_bytes());
        push_frame(&mut expected, CLOSE, None, &1000u16.to_be_bytes());
        push_frame(&mut sent, TEXT, Some([1, 2, 3, 4]), b"too late");
        let (mut echoer, mut out) = (Echoer::default(), Vec::new());
        echoer.feed(&sent, &mut out).unwrap();
        assert!(echoer.closed());
        assert_eq!(out, expected);
    }

    #[test]
    fn an_unmasked_frame_is_refused() {
        let mut sent = Vec::new();
        push_frame(&mut sent, TEXT, None, b"bare");
        // One more byte is needed before a header of this length could be told from a masked one.
        assert_eq!(Echoer::default().feed(&sent, &mut Vec::new()), Err(Unmasked));
    }

    #[test]
    fn a_mask_applied_twice_is_no_mask() {
        let plain: Vec<u8> = (0..=255).collect();
        let mut bytes = plain.clone();
        apply_mask(&mut bytes, [1, 2, 3, 4]);
        assert_eq!(bytes[..5], [1, 1 ^ 2, 2 ^ 3, 3 ^ 4, 4 ^ 1]);
        apply_mask(&mut bytes, [1, 2, 3, 4]);
        assert_eq!(bytes, plain);
    }
}
