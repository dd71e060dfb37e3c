//! How a client may try to get a message past the safety filter that the filter stops. A server that is as lenient as
//! one can be gets none of it.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::compressed::squeezed;
use crate::peers::{BINARY, CLOSE, End, FIN, PING, RSV1, Stage, TEXT, close, ended, messages, part, shake_hands};
use crate::safety::{ATTACK, BLOCK, all_heard};
use crate::stage::Proxy;

pub(crate) const DEFLATE: &str = "permessage-deflate";
const CONTINUED: u8 = 0;
/// Quick where a server leaves a Close without an answer.
pub(crate) const SHORT: &str = "limits.close_ms=500";

/// What a server got behind `before`.
pub(crate) struct Got {
    /// The payloads of data frames.
    data: Vec<Vec<u8>>,
    /// The code of the Close at the end.
    code: Option<u16>,
    /// What is on record of the client's messages.
    rows: Vec<Value>,
}

/// A conversation in which a client says `before`, then what `evil` makes it say, then `after`, and Close 1000.
pub(crate) fn attempt(stage: &Stage, id: usize, extensions: &str, evil: impl FnOnce(&mut End) -> Vec<u8>) -> Got {
    let (mut client, mut server) = stage.open_with(extensions);
    client.send(TEXT, b"before");
    server.hears(TEXT, b"before");
    let evil = evil(&mut client);
    let said = [
        evil,
        client.frame(TEXT, b"after"),
        client.frame(CLOSE, &close(1000, "")),
    ];
    client.tcp.write_all(&said.concat()).unwrap();
    client.shut();
    let heard = all_heard(&mut server);
    let code = heard
        .last()
        .filter(|(first, _)| *first == CLOSE)
        .and_then(|(_, payload)| Some(u16::from_be_bytes(payload.get(..2)?.try_into().unwrap())));
    let data = heard
        .into_iter()
        .filter(|(first, _)| first & 8 == 0)
        .map(|(_, payload)| payload)
        .collect();
    let id = id.to_string();
    ended(&stage.proxy, &id);
    let rows = messages(&stage.proxy, &id);
    let rows = rows.into_iter().filter(|row| row["direction"] == "send").collect();
    Got { data, code, rows }
}

/// It is stopped, and the conversation goes on.
pub(crate) fn is_blocked(name: &str, got: &Got) {
    assert_eq!(got.data, [b"after"], "{name}");
    assert_eq!(got.code, Some(1000), "{name}");
    let blocked: Vec<_> = got.rows.iter().filter(|row| row["fate"] == "blocked").collect();
    assert_eq!(blocked.len(), 1, "{name}: {:?}", got.rows);
    assert_eq!(blocked[0]["metadata"]["safety_blocked"], "true", "{name}");
}

/// The conversation ends with this code before any of it leaves.
pub(crate) fn is_closed(name: &str, got: &Got, code: u16) {
    assert_eq!((&got.data[..], got.code), (&[][..], Some(code)), "{name}");
}

/// A message in fragments of these payloads.
pub(crate) fn fragments(end: &End, first: u8, payloads: &[&[u8]]) -> Vec<Vec<u8>> {
    let last = payloads.len() - 1;
    let frame = |(at, payload): (usize, &&[u8])| {
        let opcode = if at == 0 { first & !FIN } else { CONTINUED };
        let fin = if at == last { FIN } else { 0 };
        end.frame(opcode | fin, payload)
    };
    payloads.iter().enumerate().map(frame).collect()
}

#[test]
fn fragments_and_what_stands_between_them() {
    let stage = Stage::new(&[BLOCK, SHORT]);
    let attack = ATTACK.as_bytes();
    for size in 1..=attack.len() {
        let pieces: Vec<&[u8]> = attack.chunks(size).collect();
        let got = attempt(&stage, size, "", |client| fragments(client, TEXT, &pieces).concat());
        is_blocked(&format!("fragments of {size}"), &got);
    }
    let next = attack.len() + 1;
    let got = attempt(&stage, next, "", |client| {
        let mut pieces: Vec<&[u8]> = vec![b""; 3];
        pieces.extend(attack.chunks(1).flat_map(|byte| [byte, b""]));
        fragments(client, TEXT, &pieces).join(&client.frame(PING, b"between")[..])
    });
    is_blocked("empty fragments and pings", &got);
    let got = attempt(&stage, next + 1, "", |client| {
        fragments(client, TEXT, &[b"DROP TA", b"BLE users"]).join(&client.frame(CLOSE, &close(1000, ""))[..])
    });
    assert_eq!(
        (&got.data[..], got.code),
        (&[][..], Some(1000)),
        "a Close between fragments"
    );
    let got = attempt(&stage, next + 2, "", |client| {
        fragments(client, TEXT, &[b"", &[b' '; 70_000], attack, &[b' '; 70_000]]).concat()
    });
    is_blocked("a long message", &got);
}

#[test]
fn spellings() {
    let presets = r#"safety.input.presets=["destructive-sql"]"#;
    let stage = Stage::new(&[presets, SHORT]);
    let texts: [&[u8]; 14] = [
        br#"{"q":"\u0044\u0052OP TABLE users"}"#,
        br#"{"q":"{\"q\":\"{\\\"q\\\":\\\"\\u0044ROP TABLE users\\\"}\"}"}"#,
        b"dRoP tAbLe users",
        b"DROP\n\t\r TABLE\x0busers",
        b"DROP/**/TABLE/* x */users",
        b"DROP -- x\nTABLE users",
        br#"42["query","DROP TABLE users"]"#,
        br#"{"q":"DROP\u000aTABLE\nusers",}"#,
        br#"{"q":"DROP TABLE users"#,
        br#"{"q":1,"q":"DROP TABLE users","q":2}"#,
        br#"{"DROP TABLE users":1}"#,
        b"\xff\xfe DROP TABLE users \xc0",
        b"x\0DROP TABLE users\0",
        b"\xef\xbb\xbfDROP TABLE users",
    ];
    for (at, text) in texts.iter().enumerate() {
        let got = attempt(&stage, at + 1, "", |client| client.frame(TEXT, text));
        is_blocked(&String::from_utf8_lossy(text), &got);
    }
}

/// A masked frame of this first byte, with the attack behind a length that is written like this.
fn odd(first: u8, len: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let masked = ATTACK.bytes().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    [&[first], len, &key, &masked.collect::<Vec<u8>>()].concat()
}

#[test]
fn frames_that_a_lenient_server_would_take() {
    let stage = Stage::new(&[BLOCK, SHORT]);
    let len = u8::try_from(ATTACK.len()).unwrap();
    let short: &[u8] = &[0x80 | len];
    let cases: [(&str, Vec<u8>); 12] = [
        ("a length of 16 bits", odd(TEXT, &[0x80 | 126, 0, len])),
        (
            "a length of 64 bits",
            odd(TEXT, &[0x80 | 127, 0, 0, 0, 0, 0, 0, 0, len]),
        ),
        (
            "the length's first bit",
            odd(TEXT, &[0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, len]),
        ),
        ("no mask", [&[TEXT, len], ATTACK.as_bytes()].concat()),
        ("RSV1", odd(TEXT | RSV1, short)),
        ("RSV2", odd(TEXT | 0x20, short)),
        ("RSV3", odd(TEXT | 0x10, short)),
        ("a reserved opcode", odd(FIN | 3, short)),
        ("a reserved control opcode", odd(FIN | 0xb, short)),
        ("a continuation of nothing", odd(FIN, short)),
        ("a fragmented ping", odd(9, short)),
        ("a long ping", [&[PING, 0x80 | 126, 0, 126][..], &[0; 130]].concat()),
    ];
    for (at, (name, bytes)) in cases.into_iter().enumerate() {
        is_closed(name, &attempt(&stage, at + 1, "", |_| bytes), 1002);
    }
}

#[test]
fn messages_inside_of_messages() {
    let stage = Stage::new(&[BLOCK, SHORT]);
    // The second one is a message of its own, or the rest of the first, as its reader likes.
    for (at, inner) in [TEXT, BINARY, TEXT & !FIN].into_iter().enumerate() {
        let got = attempt(&stage, at + 1, "", |client| {
            let frames = [(TEXT & !FIN, &b"DROP TA"[..]), (inner, b"BLE users"), (FIN, b"")];
            frames.map(|(first, payload)| client.frame(first, payload)).concat()
        });
        is_closed("a message inside a message", &got, 1002);
    }
    let got = attempt(&stage, 4, DEFLATE, |client| {
        [
            client.frame(TEXT & !FIN, b"DROP TA"),
            client.frame(FIN | RSV1, b"BLE users"),
        ]
        .concat()
    });
    is_closed("RSV1 on a continuation", &got, 1002);
}

#[test]
fn in_one_packet_with_the_upgrade() {
    let stage = Stage::new(&[BLOCK]);
    let (client, server) = stage.open();
    let early = [client.frame(TEXT, ATTACK.as_bytes()), client.frame(TEXT, b"fine")].concat();
    part(client, server);
    let (_client, mut server, _) = stage.ask("", &early);
    server.agrees("");
    server.hears(TEXT, b"fine");
}

#[test]
fn in_a_tunnel_behind_what_a_lenient_server_skips() {
    let mut proxy = Proxy::start(&["--set", BLOCK]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    for skipped in ["", "\r\n", "\r\n\r\n"] {
        let mut tcp = proxy.tunnel(addr);
        tcp.write_all(skipped.as_bytes()).unwrap();
        let (mut client, mut server) = shake_hands(End::client(tcp), &listener, "");
        client.send(TEXT, ATTACK.as_bytes());
        client.send(TEXT, b"fine");
        server.hears(TEXT, b"fine");
        part(client, server);
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    for refused in [
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET\t/\tHTTP/1.1\r\n\r\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        &long,
    ] {
        let mut client = End::client(proxy.tunnel(addr));
        let (mut server, _) = listener.accept().unwrap();
        client.tcp.write_all(refused.as_bytes()).unwrap();
        let answer = client.http_head();
        let is_refusal = ["HTTP/1.1 4", "HTTP/1.1 5"]
            .iter()
            .any(|status| answer.starts_with(status));
        assert!(is_refusal, "{refused}: {answer}");
        client.shut();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    }
    proxy.stop();
}

#[test]
fn extensions_that_cannot_be_read_are_neither_offered_nor_taken() {
    let stage = Stage::new(&[BLOCK]);
    let (mut client, mut server, request) = stage.ask(
        "x-secret, permessage-deflate; client_max_window_bits, x-other; a=b",
        b"",
    );
    let offers = request
        .lines()
        .find(|line| line.starts_with("Sec-WebSocket-Extensions"));
    assert_eq!(
        offers,
        Some("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    );
    server.agrees("x-secret");
    assert!(client.http_head().starts_with("HTTP/1.1 502 "));
    let (mut client, mut server, request) = stage.ask("x-secret; a=\"", b"");
    assert!(!request.contains("Extensions"), "{request}");
    server.agrees("permessage-deflate, permessage-deflate");
    assert!(client.http_head().starts_with("HTTP/1.1 502 "));
    // Nobody has offered it: whoever agrees to it reads what is compressed.
    let (mut client, mut server, _) = stage.ask("", b"");
    server.agrees(DEFLATE);
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    client.send(TEXT | RSV1, &squeezed(15, &[ATTACK])[0]);
    client.send(TEXT, b"fine");
    server.hears(TEXT, b"fine");
    part(client, server);
}

#[test]
fn the_last_thing_before_the_end_of_the_stream() {
    let stage = Stage::new(&[BLOCK, SHORT]);
    for reset in [false, true] {
        for cut in [0, 1, ATTACK.len()] {
            let (mut client, mut server) = stage.open();
            client.send(TEXT, b"before");
            server.hears(TEXT, b"before");
            let frame = client.frame(TEXT, ATTACK.as_bytes());
            client.tcp.write_all(&frame[..frame.len() - cut]).unwrap();
            if reset {
                client.reset();
            } else {
                client.shut();
            }
            assert_eq!(all_heard(&mut server), [], "{reset} {cut}");
        }
    }
}

#[test]
fn beyond_the_limits() {
    let stage = Stage::new(&[
        BLOCK,
        SHORT,
        "limits.message_bytes_max=2000",
        "limits.frame_bytes_max=1000",
    ]);
    let spaces = [b' '; 990];
    let got = attempt(&stage, 1, "", |client| {
        fragments(client, TEXT, &[ATTACK.as_bytes(), &spaces, &spaces, &spaces]).concat()
    });
    is_closed("a message", &got, 1009);
    let got = attempt(&stage, 2, "", |client| {
        client.frame(TEXT, &[ATTACK.as_bytes(), &spaces].concat())
    });
    is_closed("a frame", &got, 1009);
    let long = format!("{ATTACK}{}", " ".repeat(2000));
    let got = attempt(&stage, 3, DEFLATE, |client| {
        client.frame(TEXT | RSV1, &squeezed(15, &[&long])[0])
    });
    is_closed("inflated", &got, 1009);
}

#[test]
fn where_violations_are_passed_on_what_may_be_read_in_two_ways_passes() {
    let stage = Stage::new(&[BLOCK, SHORT, "wire.violations=relay"]);
    stage
        .proxy
        .wait_for_log("wire.violations is relay, but a rule of safety.input or schemas blocks");
    // Whatever the frame: what stands in it is looked at.
    let mut id = 0;
    let len = u8::try_from(ATTACK.len()).unwrap();
    for first in [TEXT | RSV1, TEXT | 0x20, FIN | 3, FIN, TEXT] {
        id += 1;
        let got = attempt(&stage, id, "", |_| {
            [&[first, 0x80 | 126, 0, len, 0, 0, 0, 0], ATTACK.as_bytes()].concat()
        });
        is_blocked(&format!("{first:#x}"), &got);
    }
    // What a server makes of several frames, or of bits that were not agreed on, nobody here can know.
    let got = attempt(&stage, id + 1, "", |client| {
        let frames = [(TEXT & !FIN, &b"DROP TA"[..]), (TEXT & !FIN, b"BLE users"), (FIN, b"")];
        frames.map(|(first, payload)| client.frame(first, payload)).concat()
    });
    assert_eq!(got.data.concat(), [ATTACK.as_bytes(), b"after"].concat());
    let small = &squeezed(15, &[ATTACK])[0];
    let got = attempt(&stage, id + 2, "", |client| client.frame(TEXT | RSV1, small));
    assert_eq!(got.data, [&small[..], b"after"]);
}
