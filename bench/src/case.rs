//! The five cases, and the bytes that each of them sends.

use std::io::Write as _;

use anyhow::Result;
use clap::ValueEnum;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;

use crate::frame;

/// How many different messages a connection cycles through: a proxy that swaps or repeats messages is found out.
const VARIANTS: usize = 8;

/// What the payload is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Printable ASCII in text messages.
    Text,
    /// Random bytes in binary messages.
    Binary,
    /// JSON in text messages, compressed with permessage-deflate. Both directions are negotiated without context
    /// takeover, so that messages compressed once can be sent again and echoed as they are.
    Deflate,
}

/// One shape of traffic.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Payload bytes of a message, before compression.
    pub(crate) payload_bytes: usize,
    pub(crate) connections: usize,
    /// Messages that each connection keeps under way.
    pub(crate) in_flight: usize,
    /// Measured round trips over all connections: about a second of a bare relay's CPU.
    pub(crate) round_trips: u64,
}

/// The same shapes that the published figures of other proxies have.
pub(crate) const CASES: [Case; 5] = [
    Case {
        name: "125 B text, 64 conns, 1 in flight",
        kind: Kind::Text,
        payload_bytes: 125,
        connections: 64,
        in_flight: 1,
        round_trips: 80_000,
    },
    Case {
        name: "125 B text, 64 conns, 32 in flight",
        kind: Kind::Text,
        payload_bytes: 125,
        connections: 64,
        in_flight: 32,
        round_trips: 1_600_000,
    },
    Case {
        name: "16 KiB binary, 16 conns, 4 in flight",
        kind: Kind::Binary,
        payload_bytes: 16 << 10,
        connections: 16,
        in_flight: 4,
        round_trips: 60_000,
    },
    Case {
        name: "1 MiB binary, 4 conns, 2 in flight",
        kind: Kind::Binary,
        payload_bytes: 1 << 20,
        connections: 4,
        in_flight: 2,
        round_trips: 1_200,
    },
    Case {
        name: "1 KiB deflate, 16 conns, 8 in flight",
        kind: Kind::Deflate,
        payload_bytes: 1 << 10,
        connections: 16,
        in_flight: 8,
        round_trips: 400_000,
    },
];

/// Different messages end to end, sent (or expected) over and over. Positions count bytes from the first lap's start.
pub(crate) struct Ring {
    /// One lap, and as much of the next as may be under way, so that what may be written is one slice.
    bytes: Vec<u8>,
    /// Where each message of a lap begins; the last entry is the length of a lap.
    starts: Vec<u64>,
}

impl Ring {
    fn new(messages: &[Vec<u8>], overlap: usize) -> Self {
        let mut starts = vec![0];
        let mut bytes = Vec::new();
        for message in messages {
            bytes.extend_from_slice(message);
            starts.push(bytes.len() as u64);
        }
        for message in messages.iter().cycle().take(overlap) {
            bytes.extend_from_slice(message);
        }
        Self { bytes, starts }
    }

    /// The position at which message `n` begins.
    pub(crate) fn start(&self, n: u64) -> u64 {
        let lap = n / VARIANTS as u64;
        lap * self.starts[VARIANTS] + self.starts[(n % VARIANTS as u64) as usize]
    }

    /// The bytes from one position to another, or as many of them as lie together.
    pub(crate) fn slice(&self, from: u64, to: u64) -> &[u8] {
        let begin = (from % self.starts[VARIANTS]) as usize;
        let end = begin + (to - from) as usize;
        &self.bytes[begin..end.min(self.bytes.len())]
    }
}

/// What a client sends and what must come back.
pub(crate) struct Traffic {
    pub(crate) sent: Ring,
    pub(crate) echoed: Ring,
}

impl Traffic {
    /// Makes the messages, masks them and compresses them, once for all connections.
    ///
    /// # Errors
    /// When the compressor fails.
    pub(crate) fn new(kind: Kind, payload_bytes: usize, in_flight: usize) -> Result<Self> {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let (mut sent, mut echoed) = (Vec::new(), Vec::new());
        for _ in 0..VARIANTS {
            let (first, payload) = match kind {
                Kind::Text => (frame::TEXT, text(payload_bytes, &mut random)),
                Kind::Binary => (frame::BINARY, (0..payload_bytes).map(|_| random.next() as u8).collect()),
                Kind::Deflate => (frame::TEXT | frame::RSV1, deflate(&json(payload_bytes, &mut random))?),
            };
            let mut message = Vec::new();
            frame::push_frame(
                &mut message,
                first,
                Some((random.next() as u32).to_ne_bytes()),
                &payload,
            );
            sent.push(message);
            let mut message = Vec::new();
            frame::push_frame(&mut message, first, None, &payload);
            echoed.push(message);
        }
        Ok(Self {
            sent: Ring::new(&sent, in_flight),
            echoed: Ring::new(&echoed, 0),
        })
    }
}

/// xorshift64*: the same messages in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 24
    }
}

fn text(len: usize, random: &mut Random) -> Vec<u8> {
    (0..len).map(|_| b' ' + (random.next() % 95) as u8).collect()
}

/// Readings of a made-up sensor, padded with spaces to the length: about a third of its size when compressed.
fn json(len: usize, random: &mut Random) -> Vec<u8> {
    let mut out = b"[".to_vec();
    loop {
        let (id, value) = (random.next() % 100_000, random.next() % 10_000);
        let reading = format!("{{\"sensor\":\"hall-{id}\",\"unit\":\"lux\",\"value\":{value}}},");
        if out.len() + reading.len() > len.saturating_sub(3) {
            break;
        }
        out.extend_from_slice(reading.as_bytes());
    }
    out.extend_from_slice(b"{}");
    out.resize(len.saturating_sub(1).max(out.len()), b' ');
    out.push(b']');
    out
}

/// Compresses one message from an empty window and cuts the empty block off its end (RFC 7692, section 7.2.1).
fn deflate(payload: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(payload)?;
    encoder.flush()?;
    let mut compressed = encoder.get_ref().clone();
    anyhow::ensure!(
        compressed.ends_with(&[0, 0, 0xFF, 0xFF]),
        "the compressor's flush did not end in an empty block"
    );
    compressed.truncate(compressed.len() - 4);
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use super::*;

    #[test]
    fn positions_run_on_over_the_end_of_a_lap() {
        let messages: Vec<Vec<u8>> = (0..VARIANTS).map(|n| vec![n as u8; n + 1]).collect();
        let ring = Ring::new(&messages, 2);
        assert_eq!(ring.start(8), 36);
        assert_eq!(ring.start(10), 39);
        assert_eq!(
            ring.slice(ring.start(7), ring.start(10)),
            [7, 7, 7, 7, 7, 7, 7, 7, 0, 1, 1]
        );
        assert_eq!(ring.slice(ring.start(16), ring.start(17)), [0]);
    }

    #[test]
    fn the_echo_of_what_is_sent_is_what_is_expected() {
        for kind in [Kind::Text, Kind::Binary, Kind::Deflate] {
            let traffic = Traffic::new(kind, 1024, 4).unwrap();
            let mut echo = Vec::new();
            let lap = VARIANTS as u64;
            frame::Echoer::default()
                .feed(traffic.sent.slice(0, traffic.sent.start(lap)), &mut echo)
                .unwrap();
            assert!(echo == traffic.echoed.slice(0, traffic.echoed.start(lap)), "{kind:?}");
        }
    }

    #[test]
    fn a_compressed_message_inflates_to_its_payload() {
        let payload = json(1024, &mut Random(1));
        assert_eq!(payload.len(), 1024);
        assert!(serde_json::from_slice::<serde_json::Value>(&payload).is_ok());
        let mut compressed = deflate(&payload).unwrap();
        assert!(compressed.len() < 600, "{}", compressed.len());
        compressed.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
        let mut inflated = vec![0; payload.len()];
        flate2::read::DeflateDecoder::new(&compressed[..])
            .read_exact(&mut inflated)
            .unwrap();
        assert!(inflated == payload);
    }
}
