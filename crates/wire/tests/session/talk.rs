//! What is said in compressed directions, by a sender that is not the engine's, and read again.

use flate2::{Compress, Compression, FlushCompress};
use wire::frame::{FrameHead, HEAD_BYTES_MAX, Opcode, RSV1};
use wire::mask;

use super::dice::Dice;
use super::inflate::Small;

/// A peer that compresses with the window that was agreed on.
pub enum Sender {
    Zlib(Box<Compress>, bool),
    Small(Small),
}

impl Sender {
    pub fn new(dice: &mut Dice, window_bits: u8, takeover: bool) -> Self {
        match window_bits {
            8 => Self::Small(Small::new(takeover)),
            bits => {
                let level = Compression::new(1 + dice.roll(9) as u32);
                let stream = Compress::new_with_window_bits(level, false, bits);
                Self::Zlib(Box::new(stream), takeover)
            }
        }
    }

    pub fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() * 2 + 100);
        match self {
            _ if message.is_empty() => out.push(0),
            Self::Small(small) => small.compress(message, &mut out),
            Self::Zlib(stream, takeover) => {
                if !*takeover {
                    stream.reset();
                }
                stream.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
                assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
                out.truncate(out.len() - 4);
            }
        }
        out
    }
}

/// A payload that repeats what was said before, just now or long ago.
pub fn repeating(dice: &mut Dice, history: &mut Vec<u8>) -> Vec<u8> {
    let most = dice.one_of([0, 40, 300, 300, 300, 300, 1_200, 1_200]);
    let long = if dice.one_in(150) { 40_000 } else { 0 };
    let len = (long + dice.roll(most + 1)) as usize;
    let mut payload = Vec::new();
    while payload.len() < len {
        let piece = 3 + dice.roll(40) as usize;
        if history.len() < piece || dice.one_in(3) {
            let letter = b'a' + dice.roll(26) as u8;
            payload.extend((0..piece).map(|n| letter ^ (n as u8 & dice.roll(8) as u8)));
        } else {
            let reach = history.len() - piece;
            let near = dice.one_of([reach, reach.min(260), reach.min(1_000)]);
            let from = reach - dice.roll(near as u64 + 1) as usize;
            payload.extend_from_slice(&history[from..from + piece]);
        }
    }
    payload.iter_mut().for_each(|byte| *byte &= 0x7f);
    history.extend_from_slice(&payload);
    payload
}

/// One frame of the proxy's own.
pub fn whole(opcode: Opcode, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + HEAD_BYTES_MAX);
    FrameHead::new(opcode, key, payload.len() as u64).encode(&mut bytes);
    mask::unmask_into(&mut bytes, payload, key, 0);
    bytes
}

/// The data messages in what the far end got, all of them whole; `inflate` reads the compressed ones.
pub fn whole_messages(mut bytes: &[u8], mut inflate: impl FnMut(&[u8]) -> Vec<u8>) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    let mut under_way: Option<(u8, bool, Vec<u8>)> = None;
    while let Some(head) = FrameHead::parse(bytes) {
        let end = usize::from(head.head_len) + head.payload_len as usize;
        let mut payload = Vec::new();
        mask::unmask_into(&mut payload, &bytes[usize::from(head.head_len)..end], head.mask, 0);
        bytes = &bytes[end..];
        if head.opcode.is_control() {
            continue;
        }
        let (_, _, whole) = under_way.get_or_insert_with(|| (head.opcode.bits(), head.rsv == RSV1, Vec::new()));
        whole.extend(payload);
        if head.fin
            && let Some((opcode, compressed, whole)) = under_way.take()
        {
            messages.push((opcode, if compressed { inflate(&whole) } else { whole }));
        }
    }
    assert!(bytes.is_empty() && under_way.is_none(), "whole messages");
    messages
}
