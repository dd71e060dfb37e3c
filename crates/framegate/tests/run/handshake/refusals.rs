//! Requests that could be understood in two ways, or are no handshake: they are refused, and the server gets no byte.

use std::io::Write;

use super::*;

const VERSION: &str = "Sec-WebSocket-Version";

/// Name; the line of the valid request that is replaced, by its beginning; by which lines; status and reason.
type Refused = (&'static str, &'static str, &'static [&'static str], u16, &'static str);

const REFUSED: &[Refused] = &[
    ("folded", "X:", &["X: a", " b"], 400, "folded"),
    (
        "folded-key",
        "Sec-WebSocket-Key",
        &["Sec-WebSocket-Key:", "\tdGhlIHNhbXBsZSBub25jZQ=="],
        400,
        "folded",
    ),
    ("folded-first", "Host", &[" X: a", "Host: {host}"], 400, "folded"),
    ("space-before-colon", "X:", &["X : a"], 400, "valid name"),
    (
        "two-keys",
        "Sec-WebSocket-Key",
        &[KEY, "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="],
        400,
        "more than one Sec-WebSocket-Key",
    ),
    (
        "one-key-twice",
        "Sec-WebSocket-Key",
        &[KEY, KEY],
        400,
        "more than one Sec-WebSocket-Key",
    ),
    ("no-key", "Sec-WebSocket-Key", &[], 400, "no Sec-WebSocket-Key"),
    (
        "short-key",
        "Sec-WebSocket-Key",
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="],
        400,
        "16 bytes",
    ),
    (
        "two-versions",
        VERSION,
        &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"],
        400,
        "more than one",
    ),
    ("version-8", VERSION, &["Sec-WebSocket-Version: 8"], 426, "not 13"),
    ("no-version", VERSION, &[], 426, "not 13"),
    ("no-host", "Host", &[], 400, "no Host"),
    (
        "two-hosts",
        "Host",
        &["Host: {host}", "Host: {host}"],
        400,
        "more than one Host",
    ),
    ("body", "X:", &["Content-Length: 5"], 400, "no body"),
    ("chunked-body", "X:", &["Transfer-Encoding: chunked"], 400, "no body"),
    (
        "two-lengths",
        "X:",
        &["Content-Length: 0", "Content-Length: 0"],
        400,
        "more than one Content-Length",
    ),
    (
        "length-and-chunked",
        "X:",
        &["Content-Length: 5", "Transfer-Encoding: chunked"],
        400,
        "stand together",
    ),
    ("more-than-64-kib", "X:", &["X: {64k}"], 431, "longer than 65536 bytes"),
    (
        "more-than-128-lines",
        "X:",
        &["{130 lines}"],
        431,
        "more than 128 header lines",
    ),
];

/// The request with that start line, sent on a way of its own; the answer is the proxy's.
fn assert_refused(stage: &Stage, way: Way, request: &[u8], status: u16, says: &str, about: &str) {
    let mut client = stage.client(way);
    // The answer may come before the last byte is written.
    let _ = client.write_all(request);
    let answer = String::from_utf8(rest(&mut client)).unwrap();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{about}: {answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nConnection: close"), "{about}: {head}");
    assert_eq!(
        head.contains("\r\nSec-WebSocket-Version: 13"),
        status == 426,
        "{about}: {head}"
    );
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], status, "{about}");
    assert!(body["detail"].as_str().unwrap().contains(says), "{about}: {body}");
    stage.nothing_reached_the_server(way);
}

#[test]
fn a_flawed_request_is_refused_and_nothing_reaches_the_server() {
    let stage = Stage::new();
    for (name, replaced, by, status, says) in REFUSED {
        let valid: Vec<&str> = VALID.split("\r\n").chain(["X: y"]).collect();
        let at = valid.iter().position(|line| line.starts_with(replaced)).unwrap();
        let lines = [&valid[..at], by, &valid[at + 1..]].concat();
        for way in WAYS {
            let request = stage.request(way, &format!("/{name}"), &lines);
            // What would be a body, or the first frames.
            let request = [&request, &b"hello"[..]].concat();
            assert_refused(&stage, way, &request, *status, says, &format!("{name}, {way:?}"));
        }
    }
}

#[test]
fn a_start_line_that_cannot_upgrade_is_refused() {
    let stage = Stage::new();
    for (from, to, status, says) in [
        (" HTTP/1.1\r\n", " HTTP/1.0\r\n", 400, "needs HTTP/1.1"),
        ("GET ", "POST ", 400, "is GET"),
        (" HTTP/1.1\r\n", " HTTP/1.1\n", 400, "LF without CR"),
    ] {
        for way in WAYS {
            let request = String::from_utf8(stage.request(way, "/start", &[VALID])).unwrap();
            let request = request.replacen(from, to, 1);
            assert_refused(
                &stage,
                way,
                request.as_bytes(),
                status,
                says,
                &format!("{to:?}, {way:?}"),
            );
        }
    }
}
