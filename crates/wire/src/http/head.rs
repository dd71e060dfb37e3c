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
    /// the same bytes and more. Until the end is there a call only looks for it, within
    /// [`Limits::head_bytes_max`].
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
            [b'\n', ..] => return Err(HeadError::BareLf),
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
    /// the same bytes and more. Until the end is there a call only looks for it, within
    /// [`Limits::head_bytes_max`].
    ///
    /// # Errors
    ///
    /// When the head is not valid or beyond a limit, as soon as that shows; more bytes do not change it.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Option<Self>, HeadError> {
        let start = empty_lines(input);
        match &input[start..] {
            [b'\r'] => {}
            [b'\r', ..] => return Err(HeadError::NewLine),
            [b'\n', ..] => return Err(HeadError::BareLf),
            line => starts_like_status_line(line)?,
        }
        let Some(end) = head_end(input, start, limits)? else {
            return Ok(None);
        };
        let raw = &input[..end];
        let mut headers = room(raw, limits);
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(raw).map_err(|error| HeadError::of(error, limits))?;
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
        .position(|&byte| byte == b'\r')
        .map_or(raw.len(), |at| start + at);
    from.min(end)..end
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(input: &str) -> Result<Option<RequestHead>, HeadError> {
        RequestHead::parse(input.as_bytes(), &Limits::default())
    }

    fn response(input: &str) -> Result<Option<ResponseHead>, HeadError> {
        ResponseHead::parse(input.as_bytes(), &Limits::default())
    }

    fn lines(head: &Head) -> Vec<String> {
        let line = |header: super::super::Header<'_>| {
            format!("{}={}", header.name, std::str::from_utf8(header.value).unwrap())
        };
        head.headers().map(line).collect()
    }

    #[test]
    fn a_request_keeps_its_bytes_order_case_and_repeated_lines() {
        let input = "GET /a?b=c HTTP/1.1\r\nhOsT:x\r\nA:  1 \t\r\nB:\r\na: 2\r\n\r\nbody";
        let head = request(input).unwrap().unwrap();
        assert_eq!(head.raw(), &input.as_bytes()[..input.len() - 4]);
        assert_eq!(
            (head.method(), head.target(), head.version()),
            ("GET", "/a?b=c", Version::Http11)
        );
        assert_eq!(lines(&head), ["hOsT=x", "A=1", "B=", "a=2"]);
        assert_eq!(head.header("HOST"), Some(&b"x"[..]));
        assert_eq!(head.values("a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(head.header("C"), None);
    }

    #[test]
    fn a_response_has_status_and_reason() {
        let with = |line: &str| response(&format!("{line}\r\nA: b\r\n\r\n")).unwrap().unwrap();
        let head = with("HTTP/1.1 101 Switching Protocols");
        assert_eq!((head.status(), head.reason()), (101, "Switching Protocols"));
        assert_eq!(with("HTTP/1.0 204").reason(), "");
        assert_eq!(with("HTTP/1.0 204 ").reason(), "");
        assert_eq!(with("HTTP/1.1 200 très bien").reason(), "très bien");
        assert_eq!(with("HTTP/1.0 204").version(), Version::Http10);
    }

    #[test]
    fn every_prefix_of_a_head_is_incomplete_and_no_error() {
        let input = "\r\n\r\nPOST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
        for cut in 0..input.len() {
            assert_eq!(request(&input[..cut]), Ok(None), "after {cut} bytes");
        }
        assert!(request(input).unwrap().is_some());
        let input = "\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        for cut in 0..input.len() {
            assert_eq!(response(&input[..cut]), Ok(None), "after {cut} bytes");
        }
        assert!(response(input).unwrap().is_some());
    }

    #[test]
    fn empty_lines_before_a_head_are_part_of_it() {
        let input = "\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let head = request(input).unwrap().unwrap();
        assert_eq!(
            (head.raw(), head.method(), head.target()),
            (input.as_bytes(), "GET", "/")
        );
        let head = response("\r\nHTTP/1.1 200 Fine\r\n\r\n").unwrap().unwrap();
        assert_eq!(head.reason(), "Fine");
    }

    #[test]
    fn limits_hold_to_the_byte_and_line() {
        let input = b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\nbody";
        let end = input.len() - 4;
        let parse = |upto: usize, head_bytes_max, headers_max| {
            let limits = Limits {
                head_bytes_max,
                headers_max,
            };
            RequestHead::parse(&input[..upto], &limits).map(|head| head.is_some())
        };
        assert_eq!(parse(input.len(), end, 2), Ok(true));
        let too_large = |limit_bytes| Err(HeadError::TooLarge { limit_bytes });
        assert_eq!(parse(input.len(), end - 1, 2), too_large(end - 1));
        assert_eq!(parse(19, 20, 2), Ok(false));
        assert_eq!(parse(20, 20, 2), too_large(20));
        assert_eq!(parse(end, end, 1), Err(HeadError::TooManyHeaders { limit: 1 }));
        assert_eq!(HeadError::TooManyHeaders { limit: 1 }.status(), 431);
    }

    #[test]
    fn a_value_of_eight_kibibytes_is_nothing_special() {
        let value = "v".repeat(8 << 10);
        let head = request(&format!("GET / HTTP/1.1\r\nX-Big: {value}\r\n\r\n"))
            .unwrap()
            .unwrap();
        assert_eq!(head.header("x-big"), Some(value.as_bytes()));
    }

    #[test]
    fn tokens_are_found_in_any_case_over_lists_and_lines() {
        let head = request("GET / HTTP/1.1\r\nConnection: a ,, B\r\nConnection:\tUPgrade\r\n\r\n");
        let head = head.unwrap().unwrap();
        for (token, found) in [
            ("A", true),
            ("b", true),
            ("upgrade", true),
            ("a ,, B", false),
            ("", false),
        ] {
            assert_eq!(head.has_token("connection", token), found, "{token:?}");
        }
    }

    #[test]
    fn a_connection_is_kept_alive_as_the_version_has_it() {
        for (version, connection, kept) in [
            ("1.1", "x", true),
            ("1.1", "x, Close", false),
            ("1.0", "x", false),
            ("1.0", "Keep-Alive", true),
            ("1.0", "keep-alive, close", false),
        ] {
            let head = request(&format!("GET / HTTP/{version}\r\nConnection: {connection}\r\n\r\n"));
            assert_eq!(head.unwrap().unwrap().keep_alive(), kept, "{version} {connection}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let head = request("GET /a?token=hush HTTP/1.1\r\nCookie: hush\r\n\r\n")
            .unwrap()
            .unwrap();
        let text = format!(
            "{head:?} {:?} {:?}",
            head.rewrite().target("/hush"),
            head.headers().next()
        );
        assert!(text.contains("Cookie") && !text.contains("hush"), "{text}");
    }

    /// Bytes from which heads are made, so that arbitrary input gets further than the first byte.
    fn headish() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(&b"GET / HTTP/1.1\r\n"[..]),
            Just(&b"HTTP/1.1 200 OK\r\n"[..]),
            Just(&b"HTTP/1.0 "[..]),
            Just(&b"A: b\r\n"[..]),
            Just(&b"Content-Length: 5"[..]),
            Just(&b"Transfer-Encoding:"[..]),
            Just(&b" chunked"[..]),
            Just(&b"\r\n"[..]),
            Just(&b"\n"[..]),
            Just(&b"\r"[..]),
            Just(&b" "[..]),
            Just(&b","[..]),
            Just(&b"\xff\x00"[..]),
            Just(&b"\xc3\xa9"[..]),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_head_an_error_or_nothing(input in prop_oneof![headish(), any::<Vec<u8>>()]) {
            let limits = Limits { head_bytes_max: 150, headers_max: 4 };
            if let Ok(Some(head)) = RequestHead::parse(&input, &limits) {
                prop_assert_eq!(head.raw(), &input[..head.raw().len()]);
                prop_assert_eq!(head.rewrite().finish(), head.raw());
                let _ = (head.framing(), head.keep_alive(), format!("{head:?}"));
            }
            if let Ok(Some(head)) = ResponseHead::parse(&input, &limits) {
                prop_assert_eq!(head.raw(), &input[..head.raw().len()]);
                prop_assert_eq!(head.rewrite().finish(), head.raw());
                let _ = (head.framing("GET"), head.keep_alive(), head.reason(), format!("{head:?}"));
            }
        }

        /// What was said of a prefix holds for the whole: a complete head stays the same, an error an error.
        #[test]
        fn more_bytes_do_not_change_the_outcome(input in headish(), more in headish()) {
            let limits = Limits { head_bytes_max: 150, headers_max: 4 };
            let whole = [input.clone(), more].concat();
            match RequestHead::parse(&input, &limits) {
                Ok(None) => {}
                Ok(head) => prop_assert_eq!(RequestHead::parse(&whole, &limits), Ok(head)),
                Err(_) => prop_assert!(RequestHead::parse(&whole, &limits).is_err()),
            }
            match ResponseHead::parse(&input, &limits) {
                Ok(None) => {}
                Ok(head) => prop_assert_eq!(ResponseHead::parse(&whole, &limits), Ok(head)),
                Err(_) => prop_assert!(ResponseHead::parse(&whole, &limits).is_err()),
            }
        }
    }
}
