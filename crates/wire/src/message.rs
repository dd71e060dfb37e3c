//! What a message is once its frames are put together, and UTF-8 across their borders.

use crate::frame::Opcode;

/// A message that somebody at the proxy wrote: a replacement or an injection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// [`Opcode::Text`] or [`Opcode::Binary`]; of an injection also [`Opcode::Ping`] and [`Opcode::Pong`].
    pub opcode: Opcode,
    /// The payload, plain.
    pub payload: Vec<u8>,
}

/// Validates UTF-8 (RFC 6455 §8.1) that comes in pieces, which may be cut inside a character.
#[derive(Clone, Debug, Default)]
pub struct Utf8 {
    tail: [u8; 4],
    tail_len: u8,
}

/// The bytes are not UTF-8, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

impl Utf8 {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`NotUtf8`] once no continuation can make it UTF-8.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.tail_len > 0 {
            let Some((first, rest)) = piece.split_first() else {
                return Ok(());
            };
            let len = usize::from(self.tail_len) + 1;
            self.tail[len - 1] = *first;
            piece = rest;
            match std::str::from_utf8(&self.tail[..len]) {
                Ok(_) => self.tail_len = 0,
                Err(error) if error.error_len().is_none() && len < 4 => self.tail_len += 1,
                Err(_) => return Err(NotUtf8),
            }
        }
        match simdutf8::compat::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let rest = &piece[error.valid_up_to()..];
                self.tail[..rest.len()].copy_from_slice(rest);
                #[allow(clippy::cast_possible_truncation)] // an unfinished character has at most 3 bytes
                let tail_len = rest.len() as u8;
                self.tail_len = tail_len;
                Ok(())
            }
            Err(_) => Err(NotUtf8),
        }
    }

    /// Ends the text; what comes next begins a new one.
    ///
    /// # Errors
    /// [`NotUtf8`] if it ended inside a character.
    pub fn finish(&mut self) -> Result<(), NotUtf8> {
        if std::mem::take(&mut self.tail_len) == 0 {
            Ok(())
        } else {
            Err(NotUtf8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(bytes: &[u8], size: usize) -> bool {
        let mut utf8 = Utf8::default();
        bytes.chunks(size).all(|piece| utf8.push(piece).is_ok()) && utf8.finish().is_ok()
    }

    proptest! {
        #[test]
        fn pieces_are_valid_when_the_whole_is(
            bytes in prop_oneof![
                any::<Vec<u8>>(),
                any::<String>().prop_map(String::into_bytes),
                prop::collection::vec(prop::sample::select(b"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\xf4\x90".to_vec()), 0..12),
            ],
            size in 1usize..6,
        ) {
            prop_assert_eq!(in_pieces(&bytes, size), std::str::from_utf8(&bytes).is_ok());
        }
    }

    #[test]
    fn a_hopeless_text_fails_before_its_end() {
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.push(b"\xce\xba\xe1"), Ok(()));
        assert_eq!(utf8.push(b"\xed\xa0"), Err(NotUtf8));
    }
}
