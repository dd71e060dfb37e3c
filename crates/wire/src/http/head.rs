//! Request and response heads, parsed once they are complete.

use std::fmt;
use std::ops::{Deref, Range};

use super::fields::{empty_lines, head_end, is_token_byte, room, span};
use super::{Framing, Head, HeadError, Limits, Rewrite, Version, framing};

/// The head of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    head: Head,
    method: Range<usize>,
    target: Range<usize>,
}

impl RequestHead {
    /// Parses the head at the start of `input`, which may hold more. `None`: it is not complete yet; call again with
    /// the same bytes and more.
    ///
    /// # Errors
    ///
    /// When the head is not valid or beyond a limit, as soon as that shows; more bytes do not change it.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Option<Self>, HeadError> {
        let start = empty_lines(input);
        // Something else than HTTP is refused at its first byte, not at the end of a head that never comes.
        match &input[start..] {
            [] | [b'\r'] => {}
            [b'\r', ..] => return Err(HeadError::NewLine),
            [first, ..] if !is_token_byte(*first) => return Err(HeadError::StartLine),
            _ => {}
        }
        let Some(end) = head_end(input, start, limits)? else {
            return Ok(None);
        };
        let raw = &input[..end];
        let mut headers = room(raw, limits);
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(raw).map_err(|error| HeadError::of(error, limits))?;
        let (httparse::Status::Complete(length), Some(method), Some(target)) = (parsed, request.method, request.path)
        else {
            return Err(HeadError::StartLine);
        };
        if length != end {
            return Err(HeadError::StartLine);
        }
        Ok(Some(Self {
            method: span(raw, method.as_bytes()),
            target: span(raw, target.as_bytes()),
            head: Head::new(raw, request.headers, version(request.version)),
        }))
    }

    /// The method, case as it came.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.text(&self.method)
    }

    /// The request target as it came: origin-form, absolute-form, authority-form or `*` (RFC 9112 §3.2).
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.text(&self.target)
    }

    /// How long the body is.
    ///
    /// # Errors
    ///
    /// When the head says it in two ways, or in a way that another recipient could understand differently.
    pub fn framing(&self) -> Result<Framing, HeadError> {
        framing::of_request(&self.head)
    }

    /// A copy of the head in which the target and some lines can be changed.
    #[must_use]
    pub fn rewrite(&self) -> Rewrite<'_> {
        Rewrite::new(&self.head, Some(self.target.clone()))
    }
}

impl Deref for RequestHead {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl fmt::Debug for RequestHead {
    /// Without the target's query and the headers' values: both may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target().split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("RequestHead")
            .field("method", &self.method())
            .field("path", &path)
            .field("headers", &self.head)
            .finish()
    }
}

/// The head of a response.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseHead {
    head: Head,
    status: u16,
    reason: Range<usize>,
}

impl ResponseHead {
    /// Parses the head at the start of `input`, which may hold more. `None`: it is not complete yet; call again with
    /// the same bytes and more.
    ///
    /// # Errors
    ///
    /// When the head is not valid or beyond a limit, as soon as that shows; more bytes do not change it.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Option<Self>, HeadError> {
        let start = empty_lines(input);
        match &input[start..] {
            [b'\r'] => {}
            [b'\r', ..] => return Err(HeadError::NewLine),
            line => starts_like_status_line(line)?,
        }
        let Some(end) = head_end(input, start, limits)? else {
            return Ok(None);
        };
        let raw = &input[..end];
        let mut headers = room(raw, limits);
        let mut response = httparse::Response::new(&mut headers);
        let parsed = httparse::ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(true)
            .parse_response(&mut response, raw)
            .map_err(|error| HeadError::of(error, limits))?;
        let (httparse::Status::Complete(length), Some(status)) = (parsed, response.code) else {
            return Err(HeadError::StartLine);
        };
        if length != end || status < 100 {
            return Err(HeadError::Status);
        }
        Ok(Some(Self {
            reason: reason(raw, start),
            status,
            head: Head::new(raw, response.headers, version(response.version)),
        }))
    }

    /// The status, 100 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase. Empty when there is none, or when it is not UTF-8.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.head.text(&self.reason)
    }

    /// How long the body is in answer to a request of that method. `CONNECT` answered with 2xx gives
    /// [`Framing::Empty`]: what follows is the tunnel's.
    ///
    /// # Errors
    ///
    /// When the head says it in two ways, or in a way that another recipient could understand differently.
    pub fn framing(&self, request_method: &str) -> Result<Framing, HeadError> {
        framing::of_response(&self.head, self.status, request_method)
    }
}

impl Deref for ResponseHead {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl fmt::Debug for ResponseHead {
    /// Without the headers' values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("headers", &self.head)
            .finish()
    }
}

fn version(minor: Option<u8>) -> Version {
    match minor {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    }
}

fn starts_like_status_line(line: &[u8]) -> Result<(), HeadError> {
    const NAME: &[u8] = b"HTTP/";
    const MAJOR: &[u8] = b"HTTP/1.";
    let agrees = |with: &[u8]| line.iter().zip(with).all(|(a, b)| a == b);
    if !agrees(NAME) {
        return Err(HeadError::StartLine);
    }
    if !agrees(MAJOR) {
        return Err(HeadError::Version);
    }
    Ok(())
}

/// Where the reason stands in a status line that has been found valid: behind `HTTP/1.x NNN `.
fn reason(raw: &[u8], start: usize) -> Range<usize> {
    let from = start + b"HTTP/1.1 200 ".len();
    let end = raw[start..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(raw.len(), |at| start + at);
    let end = if raw[start..end].ends_with(b"\r") { end - 1 } else { end };
    from.min(end)..end
}
