//! What both kinds of head have in common: the exact bytes, and where in them each header line stands.

use std::fmt;
use std::ops::Range;

use super::{HeadError, Limits, Rewrite, Version};

/// A head's bytes and header lines. [`RequestHead`](super::RequestHead) and [`ResponseHead`](super::ResponseHead)
/// dereference to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    raw: Vec<u8>,
    lines: Vec<Line>,
    version: Version,
}

/// One header line. Its value may be a secret, so [`fmt::Debug`] shows only its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// As it came, case included.
    pub name: &'a str,
    /// As it came, without white space around it.
    pub value: &'a [u8],
}

impl Head {
    /// The head exactly as it came: empty lines before the start line, if any, the start line, the header lines and the
    /// empty line at the end. Its length is what the head took of the input.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The version in the start line.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Every header line, in order, repeated names included.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.lines.iter().map(|line| self.at(line))
    }

    /// The value of the first line of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values of all lines of that name, in any case, in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// The elements of all comma-separated lists under that name, in order, without the empty ones (RFC 9110 §5.6.1).
    /// Commas in quoted strings separate as well: it is for fields that have none.
    pub fn elements<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(trim)
            .filter(|element| !element.is_empty())
    }

    /// Whether one of the [elements](Self::elements) under that name is `token`, in any case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.elements(name)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether the connection may be used again after this message, as far as its head says (RFC 9112 §9.3).
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        !self.has_token("Connection", "close")
            && (self.version == Version::Http11 || self.has_token("Connection", "keep-alive"))
    }

    /// A copy of the head in which some lines can be changed.
    #[must_use]
    pub fn rewrite(&self) -> Rewrite<'_> {
        Rewrite::new(self, None)
    }

    pub(super) fn new(raw: &[u8], headers: &[httparse::Header<'_>], version: Version) -> Self {
        let last_line = raw.len() - b"\r\n".len();
        let starts = headers.iter().map(|header| span(raw, header.name.as_bytes()).start);
        let ends = starts.clone().skip(1).chain([last_line]);
        let lines = headers
            .iter()
            .zip(starts.zip(ends))
            .map(|(header, (start, end))| Line {
                whole: start..end,
                name: span(raw, header.name.as_bytes()),
                value: span(raw, header.value),
            })
            .collect();
        Self {
            raw: raw.to_vec(),
            lines,
            version,
        }
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.raw[range.clone()]).unwrap_or_default()
    }

    fn at(&self, line: &Line) -> Header<'_> {
        Header {
            name: self.text(&line.name),
            value: &self.raw[line.value.clone()],
        }
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({} bytes)", self.name, self.value.len())
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers()).finish()
    }
}

/// Where one header line stands in a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The line with what ends it.
    pub(super) whole: Range<usize>,
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// How many bytes the empty lines before the start line take. A request may have them (RFC 9112 §2.2).
pub(super) fn empty_lines(input: &[u8]) -> usize {
    let mut rest = input;
    while let [b'\r', b'\n', tail @ ..] = rest {
        rest = tail;
    }
    input.len() - rest.len()
}

/// Where the head ends that starts at `start`: behind its empty line. Looks at no more than the limit, so that reading
/// a head byte by byte costs no more than its square, and the head itself is parsed once. A line that ends in bare LF,
/// or is folded, is refused as soon as it shows.
pub(super) fn head_end(input: &[u8], start: usize, limits: &Limits) -> Result<Option<usize>, HeadError> {
    let window = &input[..input.len().min(limits.head_bytes_max)];
    let mut from = start.min(window.len());
    while let Some(at) = window[from..].iter().position(|&byte| byte == b'\n') {
        if !window[from..from + at].ends_with(b"\r") {
            return Err(HeadError::BareLf);
        }
        from += at + 1;
        match &window[from..] {
            [b'\r', b'\n', ..] => return Ok(Some(from + 2)),
            [b' ' | b'\t', ..] => return Err(HeadError::Folded),
            _ => {}
        }
    }
    if input.len() >= limits.head_bytes_max {
        return Err(HeadError::TooLarge {
            limit_bytes: limits.head_bytes_max,
        });
    }
    Ok(None)
}

/// Room for the header lines of a head: as many as are allowed, and no more than it has lines.
pub(super) fn room<'a>(head: &[u8], limits: &Limits) -> Vec<httparse::Header<'a>> {
    let lines = head.iter().filter(|&&byte| byte == b'\n').count();
    vec![httparse::EMPTY_HEADER; lines.min(limits.headers_max)]
}

/// Where `part`, a slice of `whole`, stands in it.
pub(super) fn span(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    if start > whole.len() || part.len() > whole.len() - start {
        return 0..0;
    }
    start..start + part.len()
}

/// Without white space around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A byte of a token (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}
