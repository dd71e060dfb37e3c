//! permessage-deflate on arbitrary bytes: what was compressed inflates to itself, what was not does no harm, and what
//! inflates is what another decoder makes of it.

use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use wire::deflate::{Caps, Deflater, InflateError, Inflated, Inflater};

use crate::script::Script;

/// What is behind each compressed message (RFC 7692 §7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// More than this is not inflated here, so that no input takes long.
const BYTES_MAX: u64 = 4 << 20;

/// Compresses the input's messages and inflates them; inflates the input itself.
///
/// # Panics
/// When an invariant does not hold.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let kind = script.byte();
    let (bits, takeover) = (8 + kind % 8, kind & 8 != 0);
    let piece = 1 + usize::from(script.byte());
    if kind & 0x80 == 0 {
        round_trip(&mut script, bits, takeover, piece);
    } else {
        hostile(script, takeover, piece);
    }
}

fn caps(message_bytes_max: u64, ratio_max: u32, keep_bytes_max: usize) -> Caps {
    Caps {
        message_bytes_max,
        ratio_max,
        keep_bytes_max,
    }
}

fn unlimited() -> Caps {
    caps(BYTES_MAX, u32::MAX, usize::MAX)
}

/// Messages come through compression as they were, in one window or in a window each.
fn round_trip(script: &mut Script<'_>, bits: u8, takeover: bool, piece: usize) {
    let Some(mut deflater) = Deflater::new(bits, takeover) else {
        assert_eq!(bits, 8, "only the smallest window cannot be written");
        return;
    };
    let mut inflater = Inflater::new(takeover);
    let mut other = Other::default();
    for _ in 0..20 {
        if script.is_over() {
            break;
        }
        let message = script.payload();
        let mut small = Vec::new();
        deflater.compress(&message, &mut small);
        let (result, out) = inflate(&mut inflater, &small, piece, &unlimited());
        assert_eq!(result, Ok(()));
        assert!(
            out.bytes == message && out.size == message.len() as u64,
            "it inflates to itself"
        );
        if !takeover {
            other = Other::default();
        }
        assert!(
            other.inflate(&small).as_deref() == Some(&message),
            "another decoder reads it too"
        );
    }
}

/// Messages of the input's own bytes: no harm, no more than may be, and the same in any pieces.
fn hostile(mut script: Script<'_>, takeover: bool, piece: usize) {
    let limits = [
        unlimited(),
        caps(script.one_of([0, 100, 70_000, 1 << 20]), u32::MAX, usize::MAX),
        caps(BYTES_MAX, script.one_of([0, 1, 10, 200]), usize::MAX),
        caps(BYTES_MAX, u32::MAX, script.one_of([0, 1, 1_000, 100_000])),
    ];
    let count = 1 + script.byte() % 4;
    let mut messages = Vec::new();
    for _ in 1..count {
        let len = usize::from(script.byte());
        messages.push(script.take(len));
    }
    messages.push(script.rest());
    for caps in &limits {
        let mut whole = Inflater::new(takeover);
        let mut pieces = Inflater::new(takeover);
        for message in &messages {
            let first = inflate(&mut whole, message, message.len(), caps);
            let second = inflate(&mut pieces, message, piece, caps);
            bounded(&first, message, caps);
            bounded(&second, message, caps);
            assert_eq!(first.0, second.0, "the same verdict in any pieces");
            assert!(
                first.1.bytes == second.1.bytes && first.1.size == second.1.size,
                "and the same content"
            );
            if first.0.is_err() {
                break;
            }
        }
    }
    compare(&messages, takeover);
}

type Outcome = (Result<(), InflateError>, Inflated);

fn inflate(inflater: &mut Inflater, message: &[u8], piece: usize, caps: &Caps) -> Outcome {
    let mut out = Inflated::default();
    let mut parts = message.chunks(piece.max(1));
    let mut result = parts.try_for_each(|part| inflater.push(part, caps, &mut out));
    if result.is_ok() {
        result = inflater.finish(caps, &mut out);
    }
    if let Err(error) = result {
        let size = out.size;
        assert_eq!(inflater.push(b"\x00", caps, &mut out), Err(error), "an error is final");
        assert_eq!(out.size, size, "and nothing comes behind it");
    }
    (result, out)
}

/// Nothing goes further beyond a limit than a byte.
fn bounded((result, out): &Outcome, message: &[u8], caps: &Caps) {
    let kept = (caps.keep_bytes_max as u64).min(out.size);
    assert_eq!(out.bytes.len() as u64, kept, "what is to be kept is kept");
    let fair = |compressed: u64| {
        compressed
            .saturating_mul(u64::from(caps.ratio_max))
            .max(Caps::RATIO_FROM)
    };
    let len = message.len() as u64;
    let steps = fair(len.next_multiple_of(Caps::RATIO_STEP));
    match result {
        Ok(()) => assert!(
            out.size <= caps.message_bytes_max.min(fair(len)),
            "it is within the limits"
        ),
        Err(InflateError::Corrupt) => assert!(out.size <= caps.message_bytes_max.min(steps), "as far as it goes"),
        Err(InflateError::TooBig) => assert_eq!(out.size, caps.message_bytes_max + 1, "it stops behind the limit"),
        Err(InflateError::Ratio) => {
            // It may have been unfair at an earlier step than the last.
            let least = if len > Caps::RATIO_STEP {
                fair(Caps::RATIO_STEP)
            } else {
                fair(len)
            };
            assert!(
                out.size > least && out.size <= steps.saturating_add(1),
                "it stops behind the limit"
            );
        }
    }
}

/// Another decoder inflates the same to the same, and refuses what is refused.
fn compare(messages: &[&[u8]], takeover: bool) {
    let mut inflater = Inflater::new(takeover);
    let mut other = Other::default();
    for message in messages {
        if !takeover {
            other = Other::default();
        }
        let (result, out) = inflate(&mut inflater, message, message.len(), &unlimited());
        let theirs = other.inflate(message);
        match (result, theirs) {
            (Ok(()), Some(theirs)) => {
                assert!(theirs == out.bytes, "two decoders, one content");
                assert!(other.is_between_blocks(), "it is complete");
            }
            // The other one may look further ahead: then no continuation of it inflates.
            (Ok(()), None) => {
                let (later, _) = inflate(&mut inflater, &[0; 2_000], 2_000, &unlimited());
                assert_eq!(
                    later,
                    Err(InflateError::Corrupt),
                    "inflated what another decoder refuses"
                );
                return;
            }
            (Err(InflateError::Corrupt), Some(_)) => {
                assert!(!other.is_between_blocks(), "refused what another decoder inflates");
            }
            (Err(_), _) => {}
        }
        if result.is_err() {
            return;
        }
    }
}

/// An independent decoder, with the largest window.
#[derive(Clone)]
struct Other {
    state: Box<DecompressorOxide>,
    /// All that was inflated since the window was empty.
    out: Vec<u8>,
    at: usize,
    /// The last block of a stream is over, and nothing came behind it.
    ended: bool,
}

impl Default for Other {
    fn default() -> Self {
        Self {
            state: Box::default(),
            out: vec![0; 1 << 15],
            at: 0,
            ended: false,
        }
    }
}

impl Other {
    /// Inflates one message; `None`: it is no deflate, or has too much in it.
    fn inflate(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        if !message.is_empty() {
            self.add(message, &mut content)?;
            if !self.ended {
                self.add(&TAIL, &mut content)?;
            }
        }
        Some(content)
    }

    fn add(&mut self, mut rest: &[u8], content: &mut Vec<u8>) -> Option<()> {
        use miniz_oxide::inflate::TINFLStatus as Status;
        loop {
            if std::mem::take(&mut self.ended) {
                *self = Self::default();
            }
            let (status, read, written) = decompress(
                &mut self.state,
                rest,
                &mut self.out,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT | NON_WRAPPING,
            );
            rest = &rest[read..];
            content.extend_from_slice(&self.out[self.at..self.at + written]);
            self.at += written;
            self.ended = status == Status::Done;
            match status {
                Status::HasMoreOutput if self.out.len() as u64 > 3 * BYTES_MAX => return None,
                Status::HasMoreOutput => self.out.resize(self.out.len() * 2, 0),
                Status::Done | Status::NeedsMoreInput if rest.is_empty() => return Some(()),
                Status::Done => {}
                _ => return None,
            }
        }
    }

    /// Whether an empty last block is one here.
    fn is_between_blocks(&self) -> bool {
        let mut this = self.clone();
        let mut content = Vec::new();
        self.ended
            || this.add(&[0x01, 0x00, 0x00, 0xff, 0xff], &mut content).is_some() && this.ended && content.is_empty()
    }
}

/// The output is one buffer from the beginning on.
const NON_WRAPPING: u32 = miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
