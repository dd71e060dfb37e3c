//! Tests of reading: what we wrote ourselves, and what each of the other writers writes.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{export, import};
use crate::exchange::samples::{Memory, active};
use crate::exchange::{ImportError, Imported};
use crate::flow::Word;
use crate::flow::{Flow, FlowType, Message, Payload, Protocol, State, Timestamp};

fn ours(mut memory: Memory) -> Value {
    let mut out = Vec::new();
    export(&mut memory, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn read(text: &str) -> Result<(Memory, Imported), ImportError> {
    let mut memory = Memory::default();
    let imported = import(&mut text.as_bytes(), &mut memory)?;
    Ok((memory, imported))
}

fn read_entry(entry: Value) -> (Flow, Vec<Message>, Imported) {
    let har = json!({"log": {"version": "1.2", "entries": [entry]}});
    let (memory, imported) = read(&har.to_string()).unwrap();
    let (flow, messages) = memory.0.into_iter().next().unwrap();
    (flow, messages, imported)
}

/// Direction, kind and payload of what followed the handshake.
fn said(messages: &[Message]) -> Vec<(String, Payload)> {
    let after = messages.iter().filter(|message| message.frames > 0);
    after
        .map(|message| {
            (
                format!("{} {}", message.direction.word(), message.kind.word()),
                message.payload.clone(),
            )
        })
        .collect()
}

fn text(text: &str) -> Payload {
    Payload::Text(text.to_owned())
}

#[test]
fn what_goes_out_comes_back() {
    let (memory, imported) = read(&ours(Memory::samples()).to_string()).unwrap();
    assert_eq!(memory, Memory::samples().renumbered());
    assert_eq!(
        imported,
        Imported {
            flows: 2,
            messages: 11,
            warnings: vec![]
        }
    );
}

#[test]
fn an_active_flow_is_told_of_and_a_tunnel_stays_out() {
    let mut tunnel = active();
    tunnel.opening.flow_type = FlowType::Tunnel;
    tunnel.id.0 += 1;
    let (memory, imported) = read(&ours(Memory(vec![(active(), vec![]), (tunnel, vec![])])).to_string()).unwrap();
    assert_eq!(imported.flows, 1);
    assert_eq!(memory.0[0].0.ending, None);
    assert_eq!(imported.warnings.len(), 1);
}

#[test]
fn without_our_sibling_the_conversation_is_still_there() {
    let mut har = ours(Memory::samples());
    for entry in har["log"]["entries"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("_framegate");
    }
    let (memory, imported) = read(&har.to_string()).unwrap();
    let (flow, messages) = &memory.0[0];
    assert_eq!(flow.opening.url, "wss://example.com/chat");
    assert_eq!(
        messages[0].payload,
        Memory::samples().0[0].1[0].payload,
        "the request's head, put together again"
    );
    assert_eq!(
        said(messages),
        [
            ("send text".to_owned(), text("hello, wörld")),
            ("receive binary".to_owned(), Payload::Bytes(vec![0, 0xFF, 0x80])),
            ("send text".to_owned(), text("changed")),
            ("send text".to_owned(), text("a\u{fffd}")),
            ("receive text".to_owned(), text("=1+1")),
        ]
    );
    assert_eq!(messages[2].at, Timestamp(1_769_847_301_250_000));
    let (_, exchange) = &memory.0[1];
    assert_eq!(exchange[0].payload, Payload::Bytes(vec![0xFF, 0]));
    assert_eq!(exchange[1].payload, text("it worked"));
    assert!(imported.warnings.is_empty(), "{imported:?}");
}

#[test]
fn chrome() {
    let (flow, messages, imported) = read_entry(json!({
        "_initiator": {"type": "script"}, "_priority": "High", "_resourceType": "websocket", "cache": {},
        "connection": "12", "pageref": "page_1",
        "request": {
            "method": "GET", "url": "wss://example.com/chat?room=1", "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Host", "value": "example.com"}, {"name": "Upgrade", "value": "websocket"}],
            "queryString": [{"name": "room", "value": "1"}], "cookies": [], "headersSize": 520, "bodySize": 0
        },
        "response": {
            "status": 101, "statusText": "Switching Protocols", "httpVersion": "HTTP/1.1",
            "headers": [
                {"name": "Sec-WebSocket-Protocol", "value": "chat.v1"},
                {"name": "Sec-WebSocket-Extensions", "value": "permessage-deflate"}
            ],
            "cookies": [], "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": 200,
            "bodySize": 0, "_transferSize": 0, "_error": null
        },
        "serverIPAddress": "", "startedDateTime": "2026-01-31T08:15:00.123Z", "time": 4000.5,
        "timings": {"blocked": -1, "dns": -1, "ssl": -1, "connect": -1, "send": 0, "wait": 0, "receive": 0},
        "_webSocketMessages": [
            {"type": "send", "time": 1769847301.25, "opcode": 1, "data": "hello"},
            {"type": "receive", "time": 1769847302.000001, "opcode": 2, "data": "AP+A"},
            {"type": "error", "time": 1769847303.0, "opcode": -1, "data": "net::ERR_FAILED"}
        ]
    }));
    assert_eq!(
        (flow.opening.protocol, flow.state()),
        (Protocol::WebSocket, State::Complete)
    );
    assert_eq!(flow.opening.subprotocol.as_deref(), Some("chat.v1"));
    assert_eq!(flow.opening.extensions.as_deref(), Some("permessage-deflate"));
    assert_eq!(
        messages[0].payload,
        text("GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\r\n")
    );
    assert_eq!(
        said(&messages),
        [
            ("send text".to_owned(), text("hello")),
            ("receive binary".to_owned(), Payload::Bytes(vec![0, 0xFF, 0x80]))
        ]
    );
    assert_eq!(messages[3].at, Timestamp(1_769_847_302_000_001));
    assert_eq!(
        messages.iter().map(|message| message.sequence).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert_eq!((flow.counts.messages_sent, flow.counts.messages_received), (1, 1));
    assert_eq!(
        flow.ending.unwrap().ended_at,
        Timestamp(1_769_847_304_123_500 - 500 + 500)
    );
    assert_eq!(
        imported.warnings,
        [(
            1,
            "elements of `_webSocketMessages` with an unknown `type` were skipped".to_owned()
        )]
    );
}

#[test]
fn playwright() {
    let (flow, messages, _) = read_entry(json!({
        "startedDateTime": "2026-01-31T08:15:00.123Z", "time": -1, "_resourceType": "websocket",
        "request": {
            "method": "GET", "url": "ws://localhost:9000/", "httpVersion": "HTTP/1.1", "cookies": [], "headers": [],
            "queryString": [], "headersSize": -1, "bodySize": -1
        },
        "response": {"status": -1, "statusText": "", "httpVersion": "HTTP/1.1", "headers": [], "content": {}},
        "_webSocketMessages": [{"type": "receive", "time": 1769847301, "opcode": 1, "data": "hello"}]
    }));
    assert_eq!(flow.opening.protocol, Protocol::WebSocket);
    assert_eq!(messages.len(), 2, "there is no response on record");
    assert_eq!(said(&messages), [("receive text".to_owned(), text("hello"))]);
}

#[test]
fn mitmproxy_writes_http_urls_and_others_a_numeric_type() {
    for resource_type in [json!("websocket"), json!(7), Value::Null] {
        let (flow, messages, _) = read_entry(json!({
            "startedDateTime": "2026-01-31T08:15:00.123456+00:00", "time": 12,
            "request": {"method": "GET", "url": "https://example.com/ws", "httpVersion": "HTTP/1.1",
                        "headers": [{"name": "Host", "value": "example.com"}]},
            "response": {"status": 101, "statusText": "Switching Protocols", "httpVersion": "HTTP/1.1",
                         "headers": [], "content": {"size": 0, "text": "", "encoding": "base64"}},
            "serverIPAddress": "192.0.2.1", "_resourceType": resource_type,
            "_webSocketMessages": [{"type": "send", "time": 1769847301.5, "opcode": 1, "data": "hello"}]
        }));
        assert_eq!(flow.opening.protocol, Protocol::WebSocket);
        assert_eq!(flow.opening.url, "wss://example.com/ws");
        assert_eq!(said(&messages), [("send text".to_owned(), text("hello"))]);
    }
}

#[test]
fn control_frames_and_oddities_are_taken_or_counted() {
    let (_, messages, imported) = read_entry(json!({
        "startedDateTime": "yesterday",
        "request": {"url": "ws://a.example/", "headers": [{"name": ":method", "value": "CONNECT"}]},
        "_webSocketMessages": [
            {"type": "send", "time": 1769847301.5, "opcode": 9, "data": "cA=="},
            {"type": "receive", "time": 1769847301.6, "opcode": 10, "data": "not base64"},
            {"type": "receive", "time": "1769847301.7", "opcode": "8", "data": "A+g="},
            {"type": "send", "opcode": 1.0, "data": "no time"},
            {"type": "send", "time": 1769847302, "data": "no opcode"},
            {"type": "send", "time": 1769847302, "opcode": 0, "data": "continuation"},
            {"type": "send", "time": 1769847302, "opcode": 1},
            "no object"
        ]
    }));
    assert_eq!(messages[0].payload, text("GET / HTTP/1.1\r\n\r\n"));
    assert_eq!(
        said(&messages),
        [
            ("send ping".to_owned(), Payload::Bytes(b"p".to_vec())),
            ("receive pong".to_owned(), Payload::Bytes(b"not base64".to_vec())),
            ("receive close".to_owned(), Payload::Bytes(vec![3, 0xE8])),
            ("send text".to_owned(), text("no time")),
            ("send text".to_owned(), text("no opcode")),
        ]
    );
    assert_eq!(messages[4].at, messages[3].at);
    assert_eq!(imported.warnings.len(), 6, "{imported:?}");
}

#[test]
fn a_failed_request_is_an_error_and_a_refused_upgrade_an_exchange() {
    let (flow, messages, _) = read_entry(json!({
        "startedDateTime": "2026-01-31T08:15:00Z", "request": {"method": "GET", "url": "https://example.com/"},
        "response": {"status": 0, "_error": "net::ERR_CONNECTION_REFUSED"}
    }));
    assert_eq!((flow.state(), messages.len()), (State::Error, 1));
    assert_eq!(
        flow.ending.unwrap().error.as_deref(),
        Some("net::ERR_CONNECTION_REFUSED")
    );
    let (flow, messages, _) = read_entry(json!({
        "startedDateTime": "2026-01-31T08:15:00Z", "_resourceType": "websocket",
        "request": {"method": "GET", "url": "wss://example.com/"},
        "response": {"status": 403, "statusText": "Forbidden", "content": {"text": "no", "size": 2}}
    }));
    assert_eq!((flow.opening.protocol, flow.state()), (Protocol::Http, State::Complete));
    assert_eq!(messages[1].payload, text("no"));
}

#[test]
fn an_error_names_the_entry() {
    let good = ours(Memory::samples());
    let broken = |pointer: &str, value: Value| {
        let mut har = good.clone();
        *har.pointer_mut(pointer).unwrap() = value;
        read(&har.to_string()).unwrap_err().to_string()
    };
    for (pointer, value, says) in [
        ("/log/entries/1/request", json!({}), "entry 2: missing field `url`"),
        (
            "/log/entries/1/_framegate/flow/state",
            json!("done"),
            "entry 2: `_framegate.flow`: `state`",
        ),
        (
            "/log/entries/0/_framegate/messages/2/payload_at",
            json!(99),
            "entry 1: `_framegate.messages[2]`: `_webSocketMessages` has no",
        ),
        (
            "/log/entries/0/_webSocketMessages",
            json!([]),
            "entry 1: `_framegate.messages[2]`: `_webSocketMessages` has no",
        ),
        (
            "/log/entries/0/_webSocketMessages/0",
            json!("hello"),
            "entry 1: `_framegate.messages[2]`: `_webSocketMessages` has no element 0",
        ),
        (
            "/log/entries/0/_webSocketMessages/0/data",
            json!([]),
            "entry 1: `_framegate.messages[2]`: invalid type",
        ),
        (
            "/log/entries/0/_framegate/messages",
            json!({}),
            "entry 1: `_framegate.messages`: is not an array",
        ),
        ("/log/entries", json!({}), "the HAR: invalid type: map"),
        ("/log", json!({}), "the HAR: has no `log.entries`"),
    ] {
        let error = broken(pointer, value);
        assert!(error.starts_with(says), "{error}");
    }
    let text = good.to_string();
    let error = read(&text[..text.len() / 2]).unwrap_err().to_string();
    assert!(error.starts_with("entry 1: EOF"), "{error}");
}

#[test]
fn a_sibling_of_another_version_is_left_aside() {
    let mut har = ours(Memory::samples());
    har["log"]["entries"][0]["_framegate"]["version"] = json!(2);
    let (memory, imported) = read(&har.to_string()).unwrap();
    assert_eq!(memory.0[0].0.opening.mode, "import");
    assert_eq!(imported.warnings.len(), 1);
}
