//! The chunked transfer coding (RFC 9112 §7.1), byte by byte: strict about line ends, as laxness there is what request
//! smuggling lives on.

use super::body::{BodyError, take};
use super::fields::is_token_byte;

/// A chunk's line (size and extensions) may not be longer, without its CR LF. In bytes.
pub const CHUNK_LINE_BYTES_MAX: usize = 4 << 10;
/// The trailer section of a chunked body may not be longer. In bytes.
pub const TRAILER_BYTES_MAX: usize = 64 << 10;

/// Where in a chunked body the next byte stands (RFC 9112 §7.1).
#[derive(Clone, Debug)]
pub(super) enum Chunk {
    /// In the size's digits.
    Size {
        size: u64,
        line: usize,
    },
    /// In white space after the digits.
    SizeSpace {
        size: u64,
        line: usize,
    },
    /// In extensions, which are passed over.
    Extension {
        size: u64,
        line: usize,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the start of a trailer line or of the empty line at the end.
    TrailerStart {
        total: usize,
    },
    TrailerName {
        total: usize,
    },
    TrailerValue {
        total: usize,
    },
    TrailerLf {
        total: usize,
    },
    EndLf,
    Done,
}

impl Chunk {
    /// In front of a chunk.
    pub(super) const NEXT: Self = Self::Size { size: 0, line: 0 };

    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes one byte of framing, or as much content as there is.
    pub(super) fn advance(&mut self, rest: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<usize, BodyError> {
        if let Self::Data { left } = self {
            let n = take(left, rest, data);
            if *left == 0 {
                *self = Self::DataCr;
            }
            return Ok(n);
        }
        let Some(&byte) = rest.first() else { return Ok(0) };
        *self = self.after(byte)?;
        Ok(1)
    }

    fn after(&self, byte: u8) -> Result<Self, BodyError> {
        match *self {
            Self::Size { size, line } => after_size(size, line, byte),
            Self::SizeSpace { size, line } => match byte {
                b' ' | b'\t' => Ok(Self::SizeSpace {
                    size,
                    line: longer(line)?,
                }),
                b';' => Ok(Self::Extension {
                    size,
                    line: longer(line)?,
                }),
                b'\r' => Ok(Self::SizeLf { size }),
                _ => Err(BodyError::ChunkSize),
            },
            Self::Extension { size, line } => match byte {
                b'\r' => Ok(Self::SizeLf { size }),
                b'\t' | b' '..=0x7e | 0x80.. => Ok(Self::Extension {
                    size,
                    line: longer(line)?,
                }),
                _ => Err(BodyError::ChunkSize),
            },
            Self::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => Ok(Self::TrailerStart { total: 0 }),
                (b'\n', left) => Ok(Self::Data { left }),
                _ => Err(BodyError::ChunkSize),
            },
            Self::DataCr if byte == b'\r' => Ok(Self::DataLf),
            Self::DataLf if byte == b'\n' => Ok(Self::NEXT),
            Self::Data { .. } | Self::DataCr | Self::DataLf | Self::Done => Err(BodyError::ChunkEnd),
            Self::TrailerStart { total } => match byte {
                b'\r' => Ok(Self::EndLf),
                _ if is_token_byte(byte) => Ok(Self::TrailerName { total: more(total)? }),
                _ => Err(BodyError::Trailer),
            },
            Self::TrailerName { total } => match byte {
                b':' => Ok(Self::TrailerValue { total: more(total)? }),
                _ if is_token_byte(byte) => Ok(Self::TrailerName { total: more(total)? }),
                _ => Err(BodyError::Trailer),
            },
            Self::TrailerValue { total } => match byte {
                b'\r' => Ok(Self::TrailerLf { total: more(total)? }),
                b'\t' | b' '..=0x7e | 0x80.. => Ok(Self::TrailerValue { total: more(total)? }),
                _ => Err(BodyError::Trailer),
            },
            Self::TrailerLf { total } if byte == b'\n' => Ok(Self::TrailerStart { total: more(total)? }),
            Self::EndLf if byte == b'\n' => Ok(Self::Done),
            Self::TrailerLf { .. } | Self::EndLf => Err(BodyError::Trailer),
        }
    }
}

fn after_size(size: u64, line: usize, byte: u8) -> Result<Chunk, BodyError> {
    let Some(digit) = char::from(byte).to_digit(16) else {
        return match byte {
            _ if line == 0 => Err(BodyError::ChunkSize),
            b' ' | b'\t' => Ok(Chunk::SizeSpace {
                size,
                line: longer(line)?,
            }),
            b';' => Ok(Chunk::Extension {
                size,
                line: longer(line)?,
            }),
            b'\r' => Ok(Chunk::SizeLf { size }),
            _ => Err(BodyError::ChunkSize),
        };
    };
    let line = longer(line)?;
    let size = size.checked_mul(16).ok_or(BodyError::ChunkSizeOverflow)? | u64::from(digit);
    Ok(Chunk::Size { size, line })
}

fn longer(line: usize) -> Result<usize, BodyError> {
    if line == CHUNK_LINE_BYTES_MAX {
        return Err(BodyError::ChunkLineTooLong);
    }
    Ok(line + 1)
}

fn more(total: usize) -> Result<usize, BodyError> {
    if total == TRAILER_BYTES_MAX {
        return Err(BodyError::TrailerTooLong);
    }
    Ok(total + 1)
}
