//! Inflating one direction's messages, in the order in which they were sent.

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::TAIL;

/// What a message may inflate to at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of one inflated message.
    pub message_bytes_max: u64,
    /// Inflated to compressed bytes of one message, held once it has inflated to more than [`Caps::RATIO_FROM`]: at
    /// each [`Caps::RATIO_STEP`] of compressed bytes and at its end.
    pub ratio_max: u32,
    /// Bytes of one inflated message that are kept; further ones are counted and let go.
    pub keep_bytes_max: usize,
}

impl Caps {
    /// Small messages may compress as well as they like: 64 KiB hurt nobody.
    pub const RATIO_FROM: u64 = 64 << 10;

    /// What deflates well may be followed by what does not: the ratio is held against so many compressed bytes at a
    /// time. The steps are counted from the message's beginning, however it is cut into pieces.
    pub const RATIO_STEP: u64 = 16 << 10;
}

/// Why a message was not inflated to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// The bytes are not deflate, refer to a history that was never sent, or end inside a block.
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
///
/// In what pieces a message comes makes no difference: not to what is inflated, not to the error, and not to how far it
/// was inflated before that.
pub struct Inflater {
    /// Made with the first message and, without context takeover, freed after each: it is some 48 KB.
    stream: Option<Box<Inflate>>,
    takeover: bool,
    reads_on: bool,
    /// The last block of a deflate stream is over, and nothing came behind it.
    ended: bool,
    failed: Option<InflateError>,
}

impl Inflater {
    /// An inflater for a direction whose sender keeps its window from message to message (`takeover`) or not.
    ///
    /// Its window is the largest, 15 bits, which inflates whatever a smaller one compressed: a sender that refers back
    /// farther than its window bits (RFC 7692 §7.1.2) allow is read all the same, in whatever pieces it comes.
    #[must_use]
    pub const fn new(takeover: bool) -> Self {
        Self {
            stream: None,
            takeover,
            reads_on: false,
            ended: false,
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

    /// The same inflater, for whoever must see all of a message and takes none beyond the caps.
    pub(crate) const fn guarding(mut self) -> Self {
        self.reads_on = false;
        self
    }

    /// Something did not inflate, and so nothing will any more.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Inflates the next piece of the message under way into `out`.
    ///
    /// # Errors
    /// [`InflateError`]; `out` has what came before the error, and of what is beyond a limit the first byte. Every later
    /// call gives the same error.
    pub fn push(&mut self, mut piece: &[u8], caps: &Caps, out: &mut Inflated) -> Result<(), InflateError> {
        while !piece.is_empty() {
            let step = Caps::RATIO_STEP - out.compressed % Caps::RATIO_STEP;
            let (now, later) = piece.split_at(usize::try_from(step).unwrap_or(usize::MAX).min(piece.len()));
            out.compressed += now.len() as u64;
            self.attempt(|this| this.run(now, InflateFlush::SyncFlush, caps, out))?;
            piece = later;
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Ends the message under way.
    ///
    /// A message of no bytes is empty. So is what is behind the last block of a deflate stream that ends with the
    /// message: its sender left out the byte of RFC 7692 §7.2.3.5, and no other message can be meant.
    ///
    /// # Errors
    /// As [`Inflater::push`]; [`InflateError::Corrupt`] for a message that ends inside a block (RFC 7692 §7.2.2).
    pub fn finish(&mut self, caps: &Caps, out: &mut Inflated) -> Result<(), InflateError> {
        self.attempt(|this| {
            if out.compressed > 0 && !this.ended {
                this.run(&TAIL_AND_MORE, InflateFlush::Block, caps, out)?;
            }
            let most = this.most(caps, out.compressed);
            if out.size > most {
                return Err(this.beyond(caps, out));
            }
            if !this.takeover {
                this.stream = None;
                this.ended = false;
            }
            Ok(())
        })
    }

    /// Does it unless something has failed before.
    fn attempt(&mut self, act: impl FnOnce(&mut Self) -> Result<(), InflateError>) -> Result<(), InflateError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = act(self);
        self.failed = result.err();
        result
    }

    /// Inflates all of `piece`; where it stops at the ends of blocks, all but the last byte, or it is corrupt.
    fn run(
        &mut self,
        mut piece: &[u8],
        flush: InflateFlush,
        caps: &Caps,
        out: &mut Inflated,
    ) -> Result<(), InflateError> {
        let keep_max = self.keep_max(caps);
        let most = self.most(caps, out.compressed.next_multiple_of(Caps::RATIO_STEP));
        let blocks = flush == InflateFlush::Block;
        let stream = self
            .stream
            .get_or_insert_with(|| Box::new(Inflate::new(false, WINDOW_BITS)));
        // Only what is to be kept grows the message; the rest is inflated into one block again and again.
        let mut spill = Vec::new();
        loop {
            if self.ended {
                // Behind the last block of a deflate stream a new one begins (RFC 7692 §7.2.3.5).
                stream.reset(false);
                self.ended = false;
            }
            // The room is measured by itself, not by what a vector has to spare: that may be as much as it holds, and
            // the caps are looked at only when it is full. One byte beyond them is enough.
            let spare = usize::try_from(most.saturating_add(1).saturating_sub(out.size)).unwrap_or(usize::MAX);
            let keeping = out.bytes.len() < keep_max;
            let room = if keeping {
                let step = (piece.len() * 4).clamp(256, 1 << 16).min(keep_max - out.bytes.len());
                let from = out.bytes.len();
                out.bytes.resize(from + step.min(spare), 0);
                &mut out.bytes[from..]
            } else {
                spill.resize(1 << 14, 0);
                &mut spill[..spare.min(1 << 14)]
            };
            let space = room.len();
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            let result = stream.decompress(piece, room, flush);
            let produced = stream.total_out() - before_out;
            let written = usize::try_from(produced).unwrap_or(usize::MAX);
            if keeping {
                out.bytes.truncate((out.bytes.len() - space).saturating_add(written));
            }
            piece = piece
                .get(usize::try_from(stream.total_in() - before_in).unwrap_or(usize::MAX)..)
                .unwrap_or(&[]);
            out.size += produced;
            // What was inflated before an error came first.
            if out.size > most {
                return Err(self.beyond(caps, out));
            }
            let status = result.map_err(|_| InflateError::Corrupt)?;
            let full = written == space;
            self.ended = status == Status::StreamEnd;
            match status {
                _ if blocks && piece.len() == 1 && !full => return Ok(()),
                _ if piece.is_empty() && (self.ended || !full) => {
                    return if blocks { Err(InflateError::Corrupt) } else { Ok(()) };
                }
                Status::BufError if produced == 0 && !full => return Err(InflateError::Corrupt),
                _ => {}
            }
        }
    }

    fn keep_max(&self, caps: &Caps) -> usize {
        if self.reads_on {
            let message_max = usize::try_from(caps.message_bytes_max).unwrap_or(usize::MAX);
            caps.keep_bytes_max.min(message_max)
        } else {
            caps.keep_bytes_max
        }
    }

    /// What so many compressed bytes may inflate to at the most.
    fn most(&self, caps: &Caps, compressed: u64) -> u64 {
        let fair = fair(caps, compressed);
        if self.reads_on {
            caps.message_bytes_max.max(fair)
        } else {
            caps.message_bytes_max.min(fair)
        }
    }

    /// Which of the caps is met first.
    const fn beyond(&self, caps: &Caps, out: &Inflated) -> InflateError {
        if !self.reads_on && out.size > caps.message_bytes_max {
            InflateError::TooBig
        } else {
            InflateError::Ratio
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("takeover", &self.takeover)
            .field("reads_on", &self.reads_on)
            .field("ended", &self.ended)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// The window of every inflater.
const WINDOW_BITS: u8 = 15;

/// The tail and one byte more, at which inflating stops if all blocks are over.
const TAIL_AND_MORE: [u8; 5] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0];

/// What so many compressed bytes may inflate to by [`Caps::ratio_max`].
fn fair(caps: &Caps, compressed: u64) -> u64 {
    compressed
        .saturating_mul(u64::from(caps.ratio_max))
        .max(Caps::RATIO_FROM)
}

#[cfg(test)]
mod tests;
