//! Compressing what the proxy itself writes into a compressed direction.

use flate2::{Compress, Compression, FlushCompress};

use super::TAIL;

/// The compressing end of one direction, from an empty window on.
///
/// Beginning with an empty window is always right: the receiver's has whatever came before, and nothing refers to it.
#[derive(Debug)]
pub struct Deflater {
    /// Some 250-380 KB: made with the first message, and freed after each without context takeover.
    stream: Option<Box<Compress>>,
    window_bits: u8,
    takeover: bool,
}

impl Deflater {
    /// A fast level: what the proxy compresses is a message that somebody changed, on the relay's path.
    const LEVEL: u32 = 3;

    /// A deflater for a receiver with these window bits. `None` below 9: no deflate library writes an 8-bit window,
    /// and a message may always be sent uncompressed instead (RFC 7692 §6).
    #[must_use]
    pub const fn new(window_bits: u8, takeover: bool) -> Option<Self> {
        match window_bits {
            9..=15 => Some(Self {
                stream: None,
                window_bits,
                takeover,
            }),
            _ => None,
        }
    }

    /// Compresses one message, and appends it to `out` as it travels: without the tail (RFC 7692 §7.2.1).
    pub fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) {
        if message.is_empty() {
            // An empty stored block, less the tail: a second flush in a row writes nothing (RFC 7692 §7.2.3.6).
            out.push(0x00);
            return;
        }
        let bits = self.window_bits;
        let stream = self.stream.get_or_insert_with(|| {
            Box::new(Compress::new_with_window_bits(
                Compression::new(Self::LEVEL),
                false,
                bits,
            ))
        });
        let mut rest = message;
        loop {
            out.reserve(rest.len() / 2 + 64);
            let before = stream.total_in();
            // Deflating what is in memory into memory cannot fail; were it to, the receiver would say so.
            let _ = stream.compress_vec(rest, out, FlushCompress::Sync);
            rest = rest
                .get(usize::try_from(stream.total_in() - before).unwrap_or(usize::MAX)..)
                .unwrap_or(&[]);
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if !self.takeover {
            self.stream = None;
        }
    }
}
