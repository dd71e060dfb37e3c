//! How long a body is (RFC 9112 §6.3), said so that no recipient can understand it differently.

use super::fields::{is_token_byte, trim};
use super::{Head, HeadError, Version};

/// How the length of a body is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes.
    Length(u64),
    /// In chunks (RFC 9112 §7.1).
    Chunked,
    /// Everything up to the end of the stream. Responses only.
    UntilClose,
}

pub(super) fn of_request(head: &Head) -> Result<Framing, HeadError> {
    match explicit(head)? {
        Some(Explicit::Length(length)) => Ok(Framing::Length(length)),
        Some(Explicit::Chunked) => Ok(Framing::Chunked),
        Some(Explicit::OtherCoding) => Err(HeadError::NotChunked),
        None => Ok(Framing::Empty),
    }
}

pub(super) fn of_response(head: &Head, status: u16, request_method: &str) -> Result<Framing, HeadError> {
    let no_body = request_method == "HEAD"
        || matches!(status, 100..=199 | 204 | 304)
        || (request_method == "CONNECT" && matches!(status, 200..=299));
    if no_body {
        return Ok(Framing::Empty);
    }
    Ok(match explicit(head)? {
        Some(Explicit::Length(length)) => Framing::Length(length),
        Some(Explicit::Chunked) => Framing::Chunked,
        Some(Explicit::OtherCoding) | None => Framing::UntilClose,
    })
}

enum Explicit {
    Length(u64),
    Chunked,
    /// Transfer-Encoding without chunked.
    OtherCoding,
}

fn explicit(head: &Head) -> Result<Option<Explicit>, HeadError> {
    let coding = transfer_encoding(head)?;
    let length = content_length(head)?;
    match (coding, length) {
        (Some(_), Some(_)) => Err(HeadError::TransferEncodingAndContentLength),
        (Some(coding), None) => Ok(Some(coding)),
        (None, length) => Ok(length.map(Explicit::Length)),
    }
}

/// A repeated Content-Length would have to be merged into one before it is passed on (RFC 9110 §8.6); a relay that
/// changes nothing can only refuse it.
fn content_length(head: &Head) -> Result<Option<u64>, HeadError> {
    let mut values = head.values("Content-Length");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(HeadError::RepeatedContentLength);
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::ContentLength);
    }
    let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or(HeadError::ContentLength)
}

fn transfer_encoding(head: &Head) -> Result<Option<Explicit>, HeadError> {
    let mut values = head.values("Transfer-Encoding").peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    if head.version() == Version::Http10 {
        return Err(HeadError::TransferEncodingInHttp10);
    }
    let mut chunked = false;
    for value in values {
        // Parsers disagree about folded lines and quoted commas here, and nobody sends them in earnest.
        if value.iter().any(|byte| matches!(byte, b'"' | b'\r' | b'\n')) {
            return Err(HeadError::TransferEncoding);
        }
        for coding in value.split(|&byte| byte == b',').map(trim) {
            let name = coding.split(|&byte| byte == b';').next().map(trim).unwrap_or_default();
            let is_chunked = name.eq_ignore_ascii_case(b"chunked");
            // Chunked comes last, once and without parameters; an empty element hides from some who is last.
            if chunked || name.is_empty() || !name.iter().copied().all(is_token_byte) {
                return Err(HeadError::TransferEncoding);
            }
            if is_chunked && name.len() != coding.len() {
                return Err(HeadError::TransferEncoding);
            }
            chunked = is_chunked;
        }
    }
    Ok(Some(if chunked {
        Explicit::Chunked
    } else {
        Explicit::OtherCoding
    }))
}
