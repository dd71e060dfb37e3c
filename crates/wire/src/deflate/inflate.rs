//! Inflating one direction's messages, in the order in which they were sent.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;

/// What a message may inflate to at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of one inflated message.
    pub message_bytes_max: u64,
    /// Inflated to compressed bytes of one message, held once it has inflated to more than [`Caps::RATIO_FROM`].
    pub ratio_max: u32,
    /// Bytes of one inflated message that are kept; further ones are counted and let go.
    pub keep_bytes_max: usize,
}

impl Caps {
    /// Small messages may compress as well as they like: 64 KiB hurt nobody.
    pub const RATIO_FROM: u64 = 64 << 10;
}

/// Why a message was not inflated to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// The bytes are not deflate, or refer to a history that was never sent.
    Corrupt,
    /// Beyond [`Caps::message_bytes_max`].
    TooBig,
    /// Beyond [`Caps::ratio_max`].
    Ratio,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "corrupt deflate data",
            Self::TooBig => "inflates beyond the message limit",
            Self::Ratio => "inflates beyond the ratio limit",
        })
    }
}

impl std::error::Error for InflateError {}

/// One message as far as it is inflated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inflated {
    /// The first [`Caps::keep_bytes_max`] bytes.
    pub bytes: Vec<u8>,
    /// How many bytes it inflated to.
    pub size: u64,
    /// How many compressed bytes went in.
    compressed: u64,
}

/// The inflating end of one direction.
///
/// It must see every compressed message of its direction from the first on: under context takeover (RFC 7692 §7.1.1)
/// a message refers to the ones before it. An error is final for the same reason, and [`Inflater::reading_on`] is for
/// whoever would rather lose the rest of a long message than all that come after it.
#[derive(Debug)]
pub struct Inflater {
    /// Made with the first message and, without context takeover, freed after each: it is some 48 KB.
    stream: Option<Box<Decompress>>,
    window_bits: u8,
    takeover: bool,
    reads_on: bool,
    failed: Option<InflateError>,
}

impl Inflater {
    /// An inflater for a direction whose sender keeps to these window bits (8 to 15) and to `takeover`.
    #[must_use]
    pub const fn new(window_bits: u8, takeover: bool) -> Self {
        // A larger window inflates whatever a smaller one compressed; the library begins at 9.
        let window_bits = if window_bits < 9 || window_bits > 15 {
            9
        } else {
            window_bits
        };
        Self {
            stream: None,
            window_bits,
            takeover,
            reads_on: false,
            failed: None,
        }
    }

    /// The same inflater, for whoever keeps what has passed and guards nobody from it. Of a message beyond
    /// [`Caps::message_bytes_max`] it keeps as much as that, inflates the rest without keeping it, and so can read what
    /// comes after it; [`Inflated::size`] tells that it was longer. [`Caps::ratio_max`] is held from there on only:
    /// what it protects is the time that the rest takes.
    #[must_use]
    pub const fn reading_on(mut self) -> Self {
        self.reads_on = true;
        self
    }

    /// Inflates the next piece of the message under way into `out`.
    ///
    /// # Errors
    /// [`InflateError`]; `out` has what came before the error, and every later call gives the same error.
    pub fn push(&mut self, piece: &[u8], caps: &Caps, out: &mut Inflated) -> Result<(), InflateError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        out.compressed += piece.len() as u64;
        let result = self.run(piece, caps, out);
        self.failed = result.err();
        result
    }

    /// Ends the message under way.
    ///
    /// # Errors
    /// As [`Inflater::push`].
    pub fn finish(&mut self, caps: &Caps, out: &mut Inflated) -> Result<(), InflateError> {
        self.push(&TAIL, caps, out)?;
        if !self.takeover {
            self.stream = None;
        }
        Ok(())
    }

    fn run(&mut self, mut piece: &[u8], caps: &Caps, out: &mut Inflated) -> Result<(), InflateError> {
        let bits = self.window_bits;
        let keep_max = if self.reads_on {
            let message_max = usize::try_from(caps.message_bytes_max).unwrap_or(usize::MAX);
            caps.keep_bytes_max.min(message_max)
        } else {
            caps.keep_bytes_max
        };
        let stream = self
            .stream
            .get_or_insert_with(|| Box::new(Decompress::new_with_window_bits(false, bits)));
        // Only what is to be kept grows the message; the rest is inflated into one block again and again.
        let mut spill = Vec::new();
        loop {
            // The room is measured by itself, not by what a vector has to spare: that may be as much as it holds, and
            // the caps are looked at only when it is full.
            let keeping = out.bytes.len() < keep_max;
            let room = if keeping {
                let step = (piece.len() * 4).clamp(256, 1 << 16).min(keep_max - out.bytes.len());
                let from = out.bytes.len();
                out.bytes.resize(from + step, 0);
                &mut out.bytes[from..]
            } else {
                spill.resize(1 << 14, 0);
                &mut spill[..]
            };
            let space = room.len();
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            let result = stream.decompress(piece, room, FlushDecompress::Sync);
            let produced = stream.total_out() - before_out;
            let written = usize::try_from(produced).unwrap_or(usize::MAX);
            if keeping {
                out.bytes.truncate((out.bytes.len() - space).saturating_add(written));
            }
            let status = result.map_err(|_| InflateError::Corrupt)?;
            let full = written == space;
            piece = piece
                .get(usize::try_from(stream.total_in() - before_in).unwrap_or(usize::MAX)..)
                .unwrap_or(&[]);
            out.size += produced;
            held(out, caps, self.reads_on)?;
            match status {
                // The last block of a deflate stream: a new one begins behind it (RFC 7692 §7.2.3.5).
                Status::StreamEnd => {
                    stream.reset(false);
                    if piece.is_empty() {
                        return Ok(());
                    }
                }
                Status::Ok | Status::BufError if piece.is_empty() && !full => return Ok(()),
                Status::BufError if produced == 0 && !full => return Err(InflateError::Corrupt),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

/// Holds what has been inflated against the caps.
fn held(out: &Inflated, caps: &Caps, reads_on: bool) -> Result<(), InflateError> {
    let too_big = out.size > caps.message_bytes_max;
    if too_big && !reads_on {
        return Err(InflateError::TooBig);
    }
    let fair = out.compressed.saturating_mul(u64::from(caps.ratio_max));
    let unfair = out.size > Caps::RATIO_FROM && out.size > fair;
    if unfair && (too_big || !reads_on) {
        Err(InflateError::Ratio)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Deflater;
    use super::*;
    use proptest::prelude::*;

    const CAPS: Caps = Caps {
        message_bytes_max: 1 << 20,
        ratio_max: 200,
        keep_bytes_max: usize::MAX,
    };

    fn inflate(inflater: &mut Inflater, message: &[u8], piece: usize) -> Result<Vec<u8>, InflateError> {
        let mut out = Inflated::default();
        for piece in message.chunks(piece.max(1)) {
            inflater.push(piece, &CAPS, &mut out)?;
        }
        inflater.finish(&CAPS, &mut out)?;
        assert_eq!(out.size, out.bytes.len() as u64);
        Ok(out.bytes)
    }

    proptest! {
        #[test]
        fn what_was_deflated_inflates_in_any_pieces(
            messages in prop::collection::vec(prop_oneof![any::<Vec<u8>>(), "[ab]{0,400}".prop_map(String::into_bytes)], 1..8),
            bits in 9u8..=15, takeover: bool, piece in 1usize..40,
        ) {
            let mut deflater = Deflater::new(bits, takeover).expect("9 to 15");
            let mut inflater = Inflater::new(bits, takeover);
            for message in &messages {
                let mut small = Vec::new();
                deflater.compress(message, &mut small);
                prop_assert_eq!(&inflate(&mut inflater, &small, piece).expect("inflates"), message);
            }
        }

        #[test]
        fn any_bytes_do_no_harm(messages: Vec<Vec<u8>>, piece in 1usize..40) {
            let mut inflater = Inflater::new(15, true);
            for message in &messages {
                let _ = inflate(&mut inflater, message, piece);
            }
        }
    }

    #[test]
    fn the_examples_of_the_rfc_inflate() {
        // RFC 7692 §7.2.3.1 to §7.2.3.5: one block, a shared window, a stored block, BFINAL set, two blocks.
        let mut inflater = Inflater::new(15, true);
        let one = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let shared = [0xf2, 0x00, 0x11, 0x00, 0x00];
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two = [
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ];
        for (name, message) in [
            ("one", &one[..]),
            ("shared", &shared),
            ("stored", &stored),
            ("last", &last),
            ("two", &two),
        ] {
            for piece in [1, 3, 100] {
                let mut inflater = Inflater::new(15, true);
                if name == "shared" {
                    assert_eq!(inflate(&mut inflater, &one, piece).as_deref(), Ok(&b"Hello"[..]));
                }
                assert_eq!(
                    inflate(&mut inflater, message, piece).as_deref(),
                    Ok(&b"Hello"[..]),
                    "{name}"
                );
            }
        }
        assert_eq!(inflate(&mut inflater, &[0x00], 1).as_deref(), Ok(&b""[..]), "empty");
        assert_eq!(
            inflate(&mut inflater, &[], 1).as_deref(),
            Ok(&b""[..]),
            "nothing at all"
        );
    }

    #[test]
    fn a_bomb_is_stopped_by_ratio_and_by_size() {
        let mut bomb = Vec::new();
        Deflater::new(15, true)
            .expect("15")
            .compress(&vec![0; 8 << 20], &mut bomb);
        let caps = Caps {
            message_bytes_max: u64::MAX,
            ..CAPS
        };
        let mut out = Inflated::default();
        assert_eq!(
            Inflater::new(15, true).push(&bomb, &caps, &mut out),
            Err(InflateError::Ratio)
        );
        assert!(
            out.bytes.len() < bomb.len() * 200 + (1 << 17),
            "stops soon behind the limit"
        );
        let caps = Caps {
            ratio_max: u32::MAX,
            ..CAPS
        };
        let mut inflater = Inflater::new(15, true);
        assert_eq!(
            inflater.push(&bomb, &caps, &mut Inflated::default()),
            Err(InflateError::TooBig)
        );
        assert_eq!(
            inflater.push(b"", &caps, &mut Inflated::default()),
            Err(InflateError::TooBig),
            "for good"
        );
    }

    #[test]
    fn what_is_not_kept_is_counted_and_still_feeds_the_window() {
        let message: Vec<u8> = (0..60_000u32).flat_map(|i| (i % 251).to_le_bytes()).collect();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut deflater = Deflater::new(15, true).expect("15");
        deflater.compress(&message, &mut first);
        deflater.compress(&message, &mut second);
        let caps = Caps {
            keep_bytes_max: 100,
            ratio_max: u32::MAX,
            ..CAPS
        };
        let mut inflater = Inflater::new(15, true);
        for small in [first, second] {
            let mut out = Inflated::default();
            inflater.push(&small, &caps, &mut out).expect("inflates");
            inflater.finish(&caps, &mut out).expect("ends");
            assert_eq!(
                (out.bytes.as_slice(), out.size),
                (&message[..100], message.len() as u64)
            );
        }
    }

    /// Bytes that deflate well, and within the ratio of [`CAPS`].
    fn numbers(count: u32) -> Vec<u8> {
        (0..count)
            .flat_map(|n| format!("{},", n % 1000 * 7).into_bytes())
            .collect()
    }

    #[test]
    fn reading_on_a_long_message_is_cut_at_its_limit_and_the_next_one_can_be_read() {
        let caps = Caps {
            message_bytes_max: 100_000,
            ..CAPS
        };
        let messages = [numbers(50_000), numbers(1000), numbers(50_000)];
        for piece in [7, 1000, usize::MAX] {
            let mut deflater = Deflater::new(15, true).expect("15");
            let mut inflater = Inflater::new(15, true).reading_on();
            for message in &messages {
                let (mut small, mut out) = (Vec::new(), Inflated::default());
                deflater.compress(message, &mut small);
                for piece in small.chunks(piece) {
                    inflater.push(piece, &caps, &mut out).expect("its ratio is fair");
                }
                inflater.finish(&caps, &mut out).expect("ends");
                assert_eq!(out.size, message.len() as u64);
                assert!(out.bytes == message[..message.len().min(100_000)]);
            }
        }
    }

    #[test]
    fn reading_on_the_ratio_is_held_beyond_the_size_and_soon() {
        let zeros = vec![0; 8 << 20];
        let mut bomb = Vec::new();
        Deflater::new(15, true).expect("15").compress(&zeros, &mut bomb);
        for (message_bytes_max, result) in [
            (8 << 20, Ok(())),
            (4 << 20, Err(InflateError::Ratio)),
            (1 << 10, Err(InflateError::Ratio)),
        ] {
            let caps = Caps {
                message_bytes_max,
                ..CAPS
            };
            let mut inflater = Inflater::new(15, true).reading_on();
            let mut out = Inflated::default();
            assert_eq!(inflater.push(&bomb, &caps, &mut out), result);
            let soon = message_bytes_max.max(bomb.len() as u64 * 200) + (1 << 17);
            assert!(out.size <= soon, "{} of {soon}", out.size);
            assert_eq!(out.bytes.len() as u64, message_bytes_max.min(out.size));
        }
        let caps = Caps {
            message_bytes_max: 1 << 10,
            ..CAPS
        };
        let mut small = Vec::new();
        Deflater::new(15, true)
            .expect("15")
            .compress(&zeros[..Caps::RATIO_FROM as usize], &mut small);
        let mut out = Inflated::default();
        let mut inflater = Inflater::new(15, true).reading_on();
        assert_eq!(
            inflater.push(&small, &caps, &mut out),
            Ok(()),
            "the first 64 KiB are free"
        );
        assert_eq!(out.size, Caps::RATIO_FROM);
    }
}
