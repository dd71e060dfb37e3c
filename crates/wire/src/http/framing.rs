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
        // Parsers disagree about quoted commas here, and nobody sends them in earnest.
        if value.contains(&b'"') {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Limits, RequestHead, ResponseHead};
    use super::*;

    fn request(version: &str, lines: &[&str]) -> Result<Framing, HeadError> {
        let head = format!("POST / HTTP/{version}\r\n{}\r\n\r\n", lines.join("\r\n"));
        let head = RequestHead::parse(head.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap();
        head.framing()
    }

    fn response(method: &str, status: u16, lines: &[&str]) -> Result<Framing, HeadError> {
        let head = format!("HTTP/1.1 {status} X\r\nA: b\r\n{}\r\n\r\n", lines.join("\r\n"));
        let head = ResponseHead::parse(head.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap();
        head.framing(method)
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        for (lines, framing) in [
            (&["A: b"][..], Framing::Empty),
            (&["content-length: 0"], Framing::Length(0)),
            (&["Content-Length:  0017 "], Framing::Length(17)),
            (&["Content-Length: 18446744073709551615"], Framing::Length(u64::MAX)),
            (&["Transfer-Encoding: chunked"], Framing::Chunked),
            (&["transfer-encoding: gzip;q=1 , CHUNKED"], Framing::Chunked),
            (
                &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
                Framing::Chunked,
            ),
        ] {
            assert_eq!(request("1.1", lines), Ok(framing), "{lines:?}");
        }
    }

    #[test]
    fn a_request_that_two_recipients_could_read_differently_is_refused() {
        for (lines, error) in [
            (
                &["Content-Length: 5", "Transfer-Encoding: chunked"][..],
                HeadError::TransferEncodingAndContentLength,
            ),
            (
                &["Content-Length: 5", "Content-Length: 6"],
                HeadError::RepeatedContentLength,
            ),
            (
                &["Content-Length: 5", "content-length: 5"],
                HeadError::RepeatedContentLength,
            ),
            (&["Content-Length: 5, 5"], HeadError::ContentLength),
            (&["Content-Length: +5"], HeadError::ContentLength),
            (&["Content-Length: -5"], HeadError::ContentLength),
            (&["Content-Length: 0x5"], HeadError::ContentLength),
            (&["Content-Length: 5 5"], HeadError::ContentLength),
            (&["Content-Length:"], HeadError::ContentLength),
            (&["Content-Length: 18446744073709551616"], HeadError::ContentLength),
            (&["Transfer-Encoding: gzip"], HeadError::NotChunked),
            (&["Transfer-Encoding: identity"], HeadError::NotChunked),
            (&["Transfer-Encoding: xchunked"], HeadError::NotChunked),
            (&["Transfer-Encoding: chunked, gzip"], HeadError::TransferEncoding),
            (
                &["Transfer-Encoding: chunked", "Transfer-Encoding: gzip"],
                HeadError::TransferEncoding,
            ),
            (&["Transfer-Encoding: chunked, chunked"], HeadError::TransferEncoding),
            (&["Transfer-Encoding: chunked;a=b"], HeadError::TransferEncoding),
            (&["Transfer-Encoding: chunked,"], HeadError::TransferEncoding),
            (
                &["Transfer-Encoding: gzip;a=\", chunked\""],
                HeadError::TransferEncoding,
            ),
            (&["Transfer-Encoding:"], HeadError::TransferEncoding),
            (&["Transfer-Encoding: chunked chunked"], HeadError::TransferEncoding),
        ] {
            assert_eq!(request("1.1", lines), Err(error), "{lines:?}");
        }
        assert_eq!(
            request("1.0", &["Transfer-Encoding: chunked"]),
            Err(HeadError::TransferEncodingInHttp10)
        );
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_say() {
        for (method, status) in [
            ("HEAD", 200),
            ("GET", 100),
            ("GET", 101),
            ("GET", 204),
            ("GET", 304),
            ("CONNECT", 200),
        ] {
            let lines = ["Content-Length: 5", "Transfer-Encoding: chunked"];
            assert_eq!(
                response(method, status, &lines),
                Ok(Framing::Empty),
                "{method} {status}"
            );
        }
    }

    #[test]
    fn other_responses_say_it_or_last_until_the_end() {
        for (lines, framing) in [
            (&[][..], Ok(Framing::UntilClose)),
            (&["Content-Length: 7"], Ok(Framing::Length(7))),
            (&["Transfer-Encoding: chunked"], Ok(Framing::Chunked)),
            (&["Transfer-Encoding: gzip"], Ok(Framing::UntilClose)),
            (
                &["Transfer-Encoding: gzip", "Content-Length: 5"],
                Err(HeadError::TransferEncodingAndContentLength),
            ),
            (
                &["Content-Length: 5", "Content-Length: 6"],
                Err(HeadError::RepeatedContentLength),
            ),
            (
                &["Transfer-Encoding: chunked", "Content-Length: 5"],
                Err(HeadError::TransferEncodingAndContentLength),
            ),
        ] {
            assert_eq!(response("GET", 200, lines), framing, "{lines:?}");
        }
        assert_eq!(response("CONNECT", 407, &["Content-Length: 7"]), Ok(Framing::Length(7)));
    }
}
