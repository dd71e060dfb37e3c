//! Heads that two recipients could read differently, or that are none: each is refused, and for what it is.

#![allow(clippy::unwrap_used)]

use super::{HeadError, Limits, RequestHead, ResponseHead};

fn request(input: &str) -> Result<Option<RequestHead>, HeadError> {
    RequestHead::parse(input.as_bytes(), &Limits::default())
}

fn response(input: &str) -> Result<Option<ResponseHead>, HeadError> {
    ResponseHead::parse(input.as_bytes(), &Limits::default())
}

#[test]
fn a_line_ends_in_cr_lf_and_nothing_else() {
    for (lines, error) in [
        ("\n", HeadError::BareLf),
        ("\nA: b\r\n\r\n", HeadError::BareLf),
        ("\r\nA: b\n\r\n", HeadError::BareLf),
        ("\r\nA: b\r\n\n", HeadError::BareLf),
        ("\r\nA: b\r\nC: d\nE: f\r\n\r\n", HeadError::BareLf),
        ("\r\nA: b\n c\r\n\r\n", HeadError::BareLf),
        ("\r\nA: b\rC: d\r\n\r\n", HeadError::HeaderValue),
        ("\r\nA: b\r\r\n\r\n", HeadError::HeaderValue),
    ] {
        assert_eq!(request(&format!("GET / HTTP/1.1{lines}")), Err(error), "{lines:?}");
        assert_eq!(response(&format!("HTTP/1.1 200 OK{lines}")), Err(error), "{lines:?}");
    }
    for (head, error) in [
        ("\nGET / HTTP/1.1\r\n\r\n", HeadError::BareLf),
        ("\r\n\nGET / HTTP/1.1\r\n\r\n", HeadError::BareLf),
        ("GET /\rx HTTP/1.1\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/1.1\rA: b\r\n\r\n", HeadError::NewLine),
    ] {
        assert_eq!(request(head), Err(error), "{head:?}");
    }
    assert_eq!(response("\nHTTP/1.1 200 OK\r\n\r\n"), Err(HeadError::BareLf));
    assert_eq!(response("HTTP/1.1 200 OK\rA: b\r\n\r\n"), Err(HeadError::Status));
}

#[test]
fn a_folded_line_is_refused() {
    for lines in [" A: b\r\n\r\n", "A: b,\r\n\tclose\r\nC: d\r\n\r\n", "A: b\r\n \r\n\r\n"] {
        assert_eq!(
            request(&format!("GET / HTTP/1.1\r\n{lines}")),
            Err(HeadError::Folded),
            "{lines:?}"
        );
        assert_eq!(
            response(&format!("HTTP/1.1 200 OK\r\n{lines}")),
            Err(HeadError::Folded),
            "{lines:?}"
        );
    }
}

#[test]
fn no_control_character_passes_in_a_value_but_the_tab() {
    for byte in (0..0x20_u8).chain([0x7f]).filter(|byte| !b"\t\n".contains(byte)) {
        let lines = [b"A: b", &[byte][..], b"c\r\n\r\n"].concat();
        let parse = |line: &[u8]| [line, &lines].concat();
        let error = Err(HeadError::HeaderValue);
        let limits = Limits::default();
        assert_eq!(
            RequestHead::parse(&parse(b"GET / HTTP/1.1\r\n"), &limits),
            error.map(|()| None),
            "{byte}"
        );
        assert_eq!(
            ResponseHead::parse(&parse(b"HTTP/1.1 200 OK\r\n"), &limits),
            error.map(|()| None),
            "{byte}"
        );
    }
    let head = request("GET / HTTP/1.1\r\nA: b\tc\u{fc}\r\n\r\n").unwrap().unwrap();
    assert_eq!(head.header("A"), Some("b\tc\u{fc}".as_bytes()));
}

#[test]
fn what_is_not_a_head_is_refused() {
    for (input, error) in [
        ("\x16\x03\x01", HeadError::StartLine),
        ("\rG", HeadError::NewLine),
        ("GET\r\n\r\n", HeadError::StartLine),
        ("GET /\r\n\r\n", HeadError::StartLine),
        ("GET  / HTTP/1.1\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/2.0\r\n\r\n", HeadError::Version),
        ("GET / HTTP/1.2\r\n\r\n", HeadError::Version),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1 \r\n\r\n", HeadError::NewLine),
        ("GET\t/ HTTP/1.1\r\n\r\n", HeadError::StartLine),
        ("GET /\0 HTTP/1.1\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/1.1\r\n: b\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nA\t: b\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nA\0: b\r\n\r\n", HeadError::HeaderName),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
            HeadError::HeaderName,
        ),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", HeadError::HeaderValue),
        ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", HeadError::HeaderValue),
    ] {
        assert_eq!(request(input), Err(error), "{input:?}");
    }
    for (input, error) in [
        ("SSH-2.0", HeadError::StartLine),
        ("HTTP/2", HeadError::Version),
        ("HTTP/1.1 20 OK\r\n\r\n", HeadError::Status),
        ("HTTP/1.1 099 No\r\n\r\n", HeadError::Status),
        ("HTTP/1.1 200 O\0K\r\n\r\n", HeadError::Status),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HeadError::HeaderName),
    ] {
        assert_eq!(response(input), Err(error), "{input:?}");
    }
}
