//! One direction of a flow on the recorder's side: payloads put together and inflated, and what becomes of those that
//! cannot be read. Knows nothing of rows.

use std::borrow::Cow;

use wire::deflate::{Caps, InflateError, Inflated, Inflater};
use wire::error::Rule;

/// What is under way in one direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// The data message under way, as far as it is kept.
    data: Inflated,
    /// The control frame under way.
    control: Vec<u8>,
    inflater: Option<Inflater>,
    /// Its sender begins each message with an empty window.
    no_takeover: bool,
    /// Inflating failed inside the message under way: what it had inflated to before stays, and the rest is let go.
    broke: Option<InflateError>,
    /// Under context takeover, why no compressed message can be read from the next one on.
    unread: Option<Unread>,
}

/// Why the window that a message refers to is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    /// A message before it does not inflate.
    Corrupt,
    /// A message before it inflates so far that the inflater was given up.
    Bomb,
    /// A message before it was not handed to the recorder.
    Shed,
    /// The inflater was handed over.
    HandedOver,
}

/// A data message as it goes on record.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) bytes: Vec<u8>,
    /// Bytes of the whole payload, as far as that is known.
    pub(super) size: u64,
    /// `bytes` are not all.
    pub(super) truncated: bool,
    /// `bytes` are compressed still.
    pub(super) raw: bool,
    /// What is wrong with it.
    pub(super) flag: Option<Cow<'static, str>>,
}

impl Half {
    /// Says that messages may come compressed, and whether each with a window of its own.
    pub(super) fn deflate(&mut self, no_takeover: bool) {
        self.no_takeover = no_takeover;
    }

    /// Whether nothing has come yet of the message, or control frame, under way.
    pub(super) fn is_empty(&self, control: bool) -> bool {
        if control {
            self.control.is_empty()
        } else {
            self.data.bytes.is_empty() && self.data.size == 0
        }
    }

    /// The next bytes of what is under way.
    pub(super) fn add(&mut self, control: bool, compressed: bool, bytes: &[u8], caps: &Caps) {
        if control {
            let room = caps.keep_bytes_max.saturating_sub(self.control.len());
            self.control.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else if !compressed || self.unread.is_some() {
            let room = caps.keep_bytes_max.saturating_sub(self.data.bytes.len());
            self.data.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.data.size += bytes.len() as u64;
        } else if self.broke.is_none() {
            let inflater = self
                .inflater
                .get_or_insert_with(|| Inflater::new(!self.no_takeover).reading_on());
            self.broke = inflater.push(bytes, caps, &mut self.data).err();
        }
    }

    /// Ends the control frame under way.
    pub(super) fn finish_control(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.control)
    }

    /// Ends the data message under way, which had so many bytes of payload on the wire.
    pub(super) fn finish(&mut self, compressed: bool, payload_bytes: u64, caps: &Caps) -> Assembled {
        if compressed && self.unread.is_none() && self.broke.is_none() {
            self.broke = self
                .inflater
                .as_mut()
                .and_then(|inflater| inflater.finish(caps, &mut self.data).err());
        }
        let Inflated { bytes, size, .. } = std::mem::take(&mut self.data);
        let raw = compressed && self.unread.is_some();
        let broke = self.broke.take();
        let flag = if raw {
            self.unread.map(|why| why.words().into())
        } else if let Some(error) = broke {
            Some(Rule::from(error).words().into())
        } else if compressed && size > caps.message_bytes_max {
            Some(Rule::MessageTooBig.words().into())
        } else {
            None
        };
        if let Some(error) = broke {
            self.give_up(match error {
                InflateError::Corrupt => Unread::Corrupt,
                InflateError::TooBig | InflateError::Ratio => Unread::Bomb,
            });
        }
        let size = if compressed && !raw && broke.is_none() {
            size
        } else {
            size.max(payload_bytes)
        };
        Assembled {
            truncated: broke.is_some() || (bytes.len() as u64) < size,
            bytes,
            size,
            raw,
            flag,
        }
    }

    /// The inflater, if it has read every message so far. Should compressed messages come here all the same, a new one
    /// would take them for corrupt.
    pub(super) fn take_inflater(&mut self) -> Option<Inflater> {
        let inflater = self.inflater.take().filter(|_| self.unread.is_none());
        if inflater.is_some() {
            self.give_up(Unread::HandedOver);
        }
        inflater
    }

    /// What was under way was not handed over to its end, or something before it was not: data, control frames or
    /// both. `compressed`: a compressed message was among it.
    pub(super) fn lost(&mut self, data: bool, control: bool, compressed: bool) {
        if control {
            self.control = Vec::new();
        }
        if data {
            self.data = Inflated::default();
            self.broke = None;
        }
        if compressed {
            self.give_up(Unread::Shed);
        }
    }

    /// The inflater has not seen all of a message. Without context takeover the next one stands for itself.
    fn give_up(&mut self, why: Unread) {
        self.inflater = None;
        if !self.no_takeover {
            self.unread.get_or_insert(why);
        }
    }
}

impl Unread {
    const fn words(self) -> &'static str {
        match self {
            Self::Corrupt => Rule::CorruptDeflate.words(),
            Self::Bomb => "not inflated: a message before it inflates beyond the ratio limit",
            Self::Shed => "not inflated: a message before it is not on record",
            Self::HandedOver => "not inflated: others have read the messages before it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_behind_a_handed_over_inflater_is_not_called_corrupt() {
        let caps = Caps {
            message_bytes_max: 1 << 20,
            ratio_max: 1000,
            keep_bytes_max: 1 << 20,
        };
        let mut half = Half::default();
        // "Hello", then "Hello" again in the same window (RFC 7692 §7.2.3.2).
        half.add(false, true, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &caps);
        assert_eq!(half.finish(true, 7, &caps).bytes, b"Hello");
        assert!(half.take_inflater().is_some());
        let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
        half.add(false, true, &second, &caps);
        let found = half.finish(true, 5, &caps);
        assert_eq!(
            (&*found.bytes, found.raw, found.flag.as_deref()),
            (&second[..], true, Some(Unread::HandedOver.words()))
        );
    }
}
