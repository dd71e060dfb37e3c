//! Where a body ends, while its bytes are passed on as they come.

use super::Framing;
use super::chunk::{CHUNK_LINE_BYTES_MAX, Chunk, TRAILER_BYTES_MAX};

/// What is wrong with a body. It is the fault of the peer that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk's size is not a hexadecimal number, or its line not as RFC 9112 §7.1 has it.
    #[error("a chunk's size line is malformed")]
    ChunkSize,
    /// A chunk's size does not fit 64 bits.
    #[error("a chunk's size is too large")]
    ChunkSizeOverflow,
    /// Longer than [`CHUNK_LINE_BYTES_MAX`].
    #[error("a chunk's size line is longer than {CHUNK_LINE_BYTES_MAX} bytes")]
    ChunkLineTooLong,
    /// No CR LF after a chunk's data.
    #[error("a chunk is longer than its size says")]
    ChunkEnd,
    /// The trailer section is not made of header lines that end in CR LF.
    #[error("the trailer section is malformed")]
    Trailer,
    /// Longer than [`TRAILER_BYTES_MAX`].
    #[error("the trailer section is longer than {TRAILER_BYTES_MAX} bytes")]
    TrailerTooLong,
    /// The stream ended before the body did.
    #[error("the stream ended in the middle of the body")]
    Truncated,
}

/// Follows one body through a stream of bytes and says where it ends. How the stream is cut into pieces makes no
/// difference.
#[derive(Clone, Debug)]
pub struct BodyReader {
    state: State,
}

impl BodyReader {
    /// A reader for a body of that framing, before its first byte.
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        Self {
            state: match framing {
                Framing::Empty | Framing::Length(0) => State::Done,
                Framing::Length(left) => State::Length { left },
                Framing::Chunked => State::Chunk(Chunk::NEXT),
                Framing::UntilClose => State::UntilClose,
            },
        }
    }

    /// Reads on. Returns how many bytes of `input` belong to the body, chunk framing included: all of them, unless the
    /// body ends before. They are to be passed on as they are. `data` gets the content among them, without chunk
    /// framing, in pieces none of which is empty.
    ///
    /// # Errors
    ///
    /// When the body is malformed; again at every further call. `data` has then got the content up to there.
    pub fn advance(&mut self, input: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<usize, BodyError> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            at += match &mut self.state {
                State::Done => break,
                State::Failed(error) => return Err(*error),
                State::UntilClose => {
                    data(rest);
                    rest.len()
                }
                State::Length { left } => {
                    let n = take(left, rest, data);
                    if *left == 0 {
                        self.state = State::Done;
                    }
                    n
                }
                State::Chunk(chunk) => match chunk.advance(rest, data) {
                    Ok(n) => {
                        if chunk.is_done() {
                            self.state = State::Done;
                        }
                        n
                    }
                    Err(error) => {
                        self.state = State::Failed(error);
                        return Err(error);
                    }
                },
            };
        }
        match self.state {
            State::Failed(error) => Err(error),
            _ => Ok(at),
        }
    }

    /// Whether the body is over. One that lasts until the stream's end is over with [`Self::end_of_stream`].
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Tells the reader that no byte follows.
    ///
    /// # Errors
    ///
    /// When bytes are missing, or when the body was malformed already.
    pub fn end_of_stream(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Failed(error) => Err(error),
            State::Length { .. } | State::Chunk(_) => {
                self.state = State::Failed(BodyError::Truncated);
                Err(BodyError::Truncated)
            }
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    Length { left: u64 },
    Chunk(Chunk),
    UntilClose,
    Done,
    Failed(BodyError),
}

/// Hands out what of `rest` is content, `left` at the most.
pub(super) fn take(left: &mut u64, rest: &[u8], data: &mut dyn FnMut(&[u8])) -> usize {
    let n = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
    data(&rest[..n]);
    *left -= n as u64;
    n
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes taken, content, and how it ended, with the stream cut at the given places.
    fn read(framing: Framing, input: &[u8], mut cuts: Vec<usize>) -> (usize, Vec<u8>, Result<bool, BodyError>) {
        cuts.retain(|&cut| cut < input.len());
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let mut reader = BodyReader::new(framing);
        let (mut taken, mut content) = (0, Vec::new());
        for piece in cuts.windows(2) {
            let piece = &input[piece[0]..piece[1]];
            match reader.advance(piece, &mut |data| {
                assert!(!data.is_empty());
                content.extend_from_slice(data);
            }) {
                // Of a piece with a flaw in it nothing is to be passed on: how much that is depends on the cuts.
                Err(error) => {
                    assert_eq!(reader.advance(b"x", &mut |_| unreachable!()), Err(error));
                    assert_eq!(reader.end_of_stream(), Err(error));
                    return (0, content, Err(error));
                }
                Ok(n) => {
                    assert!(n == piece.len() || reader.is_done());
                    taken += n;
                }
            }
        }
        (taken, content, Ok(reader.is_done()))
    }

    fn chunked(input: &str) -> (usize, String, Result<bool, BodyError>) {
        let (taken, content, end) = read(Framing::Chunked, input.as_bytes(), vec![]);
        (taken, String::from_utf8(content).unwrap(), end)
    }

    #[test]
    fn nothing_behind_the_body_is_taken() {
        for (framing, input, taken, content) in [
            (Framing::Empty, "next", 0, ""),
            (Framing::Length(0), "next", 0, ""),
            (Framing::Length(3), "abcnext", 3, "abc"),
            (Framing::Chunked, "3\r\nabc\r\n0\r\n\r\nnext", 13, "abc"),
        ] {
            let expected = (taken, content.as_bytes().to_vec(), Ok(true));
            assert_eq!(read(framing, input.as_bytes(), vec![]), expected, "{framing:?}");
        }
    }

    #[test]
    fn chunks_may_have_extensions_trailers_and_padding() {
        let input = "00A;x=\"y;z\" ; q\r\n0123456789\r\n1 \r\nZ\r\n000\r\nA: b\r\nC:\r\n\r\n";
        assert_eq!(chunked(input), (input.len(), "0123456789Z".into(), Ok(true)));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for (input, error) in [
            ("\r\n", BodyError::ChunkSize),
            (";x\r\n", BodyError::ChunkSize),
            ("0x5\r\n", BodyError::ChunkSize),
            ("+5\r\n", BodyError::ChunkSize),
            (" 5\r\n", BodyError::ChunkSize),
            ("5\n", BodyError::ChunkSize),
            ("5\rX", BodyError::ChunkSize),
            ("5 5\r\n", BodyError::ChunkSize),
            ("5;a\nb\r\n", BodyError::ChunkSize),
            ("5;a\0\r\n", BodyError::ChunkSize),
            ("5;a\n", BodyError::ChunkSize),
            ("5;a\rb\r\n", BodyError::ChunkSize),
            ("5;a=\"\n\"\r\n", BodyError::ChunkSize),
            ("5 \n", BodyError::ChunkSize),
            ("0\n\r\n", BodyError::ChunkSize),
            ("10000000000000000\r\n", BodyError::ChunkSizeOverflow),
            ("1\r\nabc", BodyError::ChunkEnd),
            ("1\r\na\n", BodyError::ChunkEnd),
            ("1\r\na\rb", BodyError::ChunkEnd),
            ("0\r\n\n", BodyError::Trailer),
            ("0\r\n\rX", BodyError::Trailer),
            ("0\r\n: b\r\n", BodyError::Trailer),
            ("0\r\nA\r\n", BodyError::Trailer),
            ("0\r\nA: b\nC: d\r\n", BodyError::Trailer),
            ("0\r\nA: b\r\n\n", BodyError::Trailer),
            ("0\r\nA : b\r\n", BodyError::Trailer),
            ("0\r\nA: b\0\r\n", BodyError::Trailer),
            ("0\r\nA: b\rC", BodyError::Trailer),
            ("0\r\nA: b\r\n folded\r\n", BodyError::Trailer),
        ] {
            assert_eq!(chunked(input).2, Err(error), "{input:?}");
        }
        assert_eq!(chunked("FFFFFFFFFFFFFFFF\r\nab"), (20, "ab".into(), Ok(false)));
    }

    #[test]
    fn lines_and_trailers_have_limits() {
        let fits = format!("1;{}\r\nx\r\n", "a".repeat(CHUNK_LINE_BYTES_MAX - 2));
        assert_eq!(chunked(&fits).2, Ok(false));
        let over = format!("1;{}", "a".repeat(CHUNK_LINE_BYTES_MAX - 1));
        assert_eq!(chunked(&over).2, Err(BodyError::ChunkLineTooLong));
        let over = "0".repeat(CHUNK_LINE_BYTES_MAX + 1);
        assert_eq!(chunked(&over).2, Err(BodyError::ChunkLineTooLong));
        let fits = format!("0\r\n{}\r\n", "A:b\r\n".repeat(TRAILER_BYTES_MAX / 5));
        assert_eq!(chunked(&fits).2, Ok(true));
        let over = format!("0\r\n{}", "A:b\r\n".repeat(TRAILER_BYTES_MAX / 5 + 1));
        assert_eq!(chunked(&over).2, Err(BodyError::TrailerTooLong));
    }

    #[test]
    fn the_end_of_the_stream_ends_or_truncates_the_body() {
        for (framing, input, end) in [
            (Framing::Empty, "", Ok(())),
            (Framing::UntilClose, "abc", Ok(())),
            (Framing::Length(3), "abc", Ok(())),
            (Framing::Length(4), "abc", Err(BodyError::Truncated)),
            (Framing::Chunked, "3\r\nabc\r\n0\r\n\r", Err(BodyError::Truncated)),
            (Framing::Chunked, "3\r\nabc\r\n0\r\n\r\n", Ok(())),
        ] {
            let mut reader = BodyReader::new(framing);
            assert_eq!(reader.advance(input.as_bytes(), &mut |_| {}), Ok(input.len()));
            assert_eq!(reader.end_of_stream(), end, "{framing:?} {input:?}");
            assert_eq!(reader.is_done(), end.is_ok());
        }
    }

    fn any_framing() -> impl Strategy<Value = Framing> {
        prop_oneof![
            Just(Framing::Empty),
            (0..60u64).prop_map(Framing::Length),
            Just(Framing::Chunked),
            Just(Framing::UntilClose),
        ]
    }

    fn any_input() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            "[0-9a-fA-F]{0,3}".prop_map(String::into_bytes),
            Just(b"\r\n".to_vec()),
            Just(b"3\r\nabc\r\n".to_vec()),
            Just(b"0\r\n".to_vec()),
            Just(b";x=\"y\"".to_vec()),
            Just(b"A: b\r\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_makes_no_difference(
            framing in any_framing(),
            input in any_input(),
            cuts in prop::collection::vec(0..80usize, 0..8),
        ) {
            let whole = read(framing, &input, vec![]);
            prop_assert_eq!(&read(framing, &input, cuts), &whole);
            prop_assert_eq!(&read(framing, &input, (0..input.len()).collect()), &whole);
        }

        #[test]
        fn what_was_put_in_chunks_comes_out(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6),
            trailer in prop::option::of("[A-Za-z]{1,9}: [ -~]{0,9}"),
            behind in any::<Vec<u8>>(),
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend_from_slice(format!("{:x};e\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\n");
            input.extend(trailer.iter().flat_map(|line| format!("{line}\r\n").into_bytes()));
            input.extend_from_slice(b"\r\n");
            let length = input.len();
            input.extend_from_slice(&behind);
            prop_assert_eq!(read(Framing::Chunked, &input, vec![]), (length, chunks.concat(), Ok(true)));
        }
    }
}
