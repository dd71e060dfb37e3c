//! A body on its way from one peer to the other, byte for byte, with a look at its content for the record.

use std::io;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use wire::http::{BodyError, BodyReader, Framing};

use super::Lane;

/// Room that is made before a read of a body.
const BODY_READ_BYTES: usize = 64 << 10;

/// What of a body goes on record.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    /// The content, cut at the limit.
    pub(crate) bytes: Vec<u8>,
    /// The content's bytes before it was cut.
    pub(crate) size: u64,
    /// Bytes on the wire, transfer coding included.
    pub(crate) wire_bytes: u64,
    bytes_max: usize,
}

impl Captured {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            ..Self::default()
        }
    }

    fn push(&mut self, content: &[u8]) {
        self.size += content.len() as u64;
        let room = self.bytes_max - self.bytes.len();
        self.bytes.extend_from_slice(&content[..content.len().min(room)]);
    }
}

/// Why a body did not get from one peer to the other.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// The sender's stream broke.
    Read(io::Error),
    /// The sender broke the body's form, or ended its stream too early.
    Form(BodyError),
    /// The recipient does not take it.
    Write(io::Error),
}

/// Passes a body on. `buffer` holds what was read from the sender already; what is left in it afterwards comes behind
/// the body. What cannot be written stops the reading.
pub(crate) async fn pass<R, W>(
    from: &mut R,
    buffer: &mut BytesMut,
    to: &mut W,
    framing: Framing,
    lane: &Lane<'_>,
) -> Result<(), BodyFault>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut reader = BodyReader::new(framing);
    while !reader.is_done() {
        if buffer.is_empty() {
            buffer.reserve(BODY_READ_BYTES);
            let n = match lane.read(from, buffer).await {
                Ok(n) => n,
                // A TLS peer that just hangs up. Where only the end of the stream ends the body, many servers do it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(BodyFault::Read(error)),
            };
            if n == 0 {
                return reader.end_of_stream().map_err(BodyFault::Form);
            }
        }
        let advanced = {
            let mut captured = lane.captured.borrow_mut();
            let n = reader.advance(buffer, &mut |content| captured.push(content));
            captured.wire_bytes += *n.as_ref().unwrap_or(&0) as u64;
            n
        };
        let n = advanced.map_err(BodyFault::Form)?;
        lane.write(to, &buffer[..n]).await.map_err(BodyFault::Write)?;
        buffer.advance(n);
    }
    Ok(())
}
