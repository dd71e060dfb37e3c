//! The two peers of a script: what they say, well or badly, and what of it is not on its way yet.

use wire::Peer;
use wire::deflate::Deflater;
use wire::frame::{FrameHead, Opcode, RSV1};
use wire::mask;
use wire::session::Agreed;

use super::stage;
use crate::script::Script;

/// Both peers.
pub(super) struct Cast {
    deflaters: [Option<Deflater>; 2],
    /// What each has said, as far as it is not on its way.
    pending: [Vec<u8>; 2],
}

impl Cast {
    pub(super) fn new(agreed: &Agreed) -> Self {
        let deflater = |bits, no_takeover: bool| Deflater::new(bits, !no_takeover);
        let client = agreed.client;
        let server = agreed.server;
        Self {
            deflaters: [
                client.and_then(|params| deflater(params.client_max_window_bits, params.client_no_context_takeover)),
                server.and_then(|params| deflater(params.server_max_window_bits, params.server_no_context_takeover)),
            ],
            pending: Default::default(),
        }
    }

    /// One frame, with every bit as the script has it.
    pub(super) fn frame(&mut self, peer: Peer, script: &mut Script<'_>) {
        let (first, flags) = (script.byte(), script.byte());
        let payload = script.payload();
        let masked = (peer == Peer::Client) != (flags & 0xf0 == 0xf0);
        let key = masked.then_some(stage::KEY);
        let claimed = match flags & 0x0f {
            0x0f => u64::from_be_bytes([script.byte(); 8]),
            _ => payload.len() as u64,
        };
        let head = FrameHead {
            fin: first & 0x80 != 0,
            rsv: (first >> 4) & 7,
            ..FrameHead::new(Opcode::from_bits(first), key, claimed)
        };
        let out = &mut self.pending[peer.index()];
        if flags & 0x0f == 0x0e {
            // A length in more bytes than it needs.
            out.extend([first, 127 | if masked { 0x80 } else { 0 }]);
            out.extend(claimed.to_be_bytes());
            out.extend(key.into_iter().flatten());
        } else {
            head.encode(out);
        }
        mask::unmask_into(out, &payload, key, 0);
    }

    /// A message without a flaw: compressed or not, in fragments, with pings between them.
    pub(super) fn message(&mut self, peer: Peer, script: &mut Script<'_>) {
        let (flags, size) = (script.byte(), usize::from(script.byte()));
        let mut payload = script.payload();
        let mut rsv = 0;
        if let Some(deflater) = &mut self.deflaters[peer.index()]
            && flags & 2 == 0
        {
            let mut small = Vec::new();
            deflater.compress(&payload, &mut small);
            payload = small;
            rsv = RSV1;
        }
        let mut opcode = 1 + (flags & 1);
        let size = if size == 0 { payload.len() } else { size };
        let size = size.max(payload.len() / 50);
        let count = payload.len().div_ceil(size.max(1)).max(1);
        let out = &mut self.pending[peer.index()];
        for part in 0..count {
            let end = (part * size + size).min(payload.len());
            out.extend(stage::frame(
                peer,
                part + 1 == count,
                rsv,
                opcode,
                &payload[part * size..end],
            ));
            (opcode, rsv) = (0, 0);
            if flags & 4 != 0 && part + 1 < count {
                out.extend(stage::frame(peer, true, 0, 9, b"beat"));
            }
        }
    }

    pub(super) fn close(&mut self, peer: Peer, script: &mut Script<'_>) {
        let code = script.one_of([1000_u16, 1001, 4000, 1005]);
        self.pending[peer.index()].extend(stage::frame(peer, true, 0, 8, &code.to_be_bytes()));
    }

    pub(super) fn raw(&mut self, peer: Peer, script: &mut Script<'_>) {
        self.pending[peer.index()].extend(script.payload());
    }

    /// What goes on its way now: all but the last bytes, and no more than there is room for.
    pub(super) fn leave(&mut self, peer: Peer, back: usize, room: usize) -> Vec<u8> {
        let pending = &mut self.pending[peer.index()];
        let len = pending.len().saturating_sub(back).min(room);
        pending.drain(..len).collect()
    }
}
