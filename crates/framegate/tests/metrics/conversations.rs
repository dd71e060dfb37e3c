//! Known conversations, and the numbers that they leave.

use std::io::{Read, Write};

use crate::peers::{BINARY, CLOSE, PING, Stage, TEXT, both_are_closed, close, part};
use crate::scrape::Scrape;
use crate::stage::{connect, wait_for};

/// A scrape once this sample has that value.
fn once(stage: &Stage, sample: &str, value: f64) -> Scrape {
    wait_for(sample, || {
        let scrape = Scrape::of(&stage.proxy);
        (scrape.get(sample) == value).then_some(scrape)
    })
}

fn a_conversation_is_counted(settings: &[&str]) {
    let stage = Stage::new(settings);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    // Whoever has heard it finds it counted.
    let scrape = Scrape::of(&stage.proxy);
    assert_eq!(
        scrape.some("framegate_messages_total"),
        [(r#"{direction="send",kind="text",fate="sent"}"#, 1.0)]
    );
    assert_eq!(scrape.get(r#"framegate_websockets_open{mode="reverse"}"#), 1.0);
    assert_eq!(scrape.get(r#"framegate_connections_open{mode="reverse"}"#), 1.0);
    // In one read, and a fragmented one with a Ping inside.
    let many: Vec<u8> = (0..1000).flat_map(|_| client.frame(BINARY, b"1234567890")).collect();
    client.tcp.write_all(&many).unwrap();
    for _ in 0..1000 {
        server.hears(BINARY, b"1234567890");
    }
    server.send(0x01, b"ab");
    server.send(PING, b"p");
    server.send(0x80, b"cde");
    for _ in 0..3 {
        // The Ping goes first where messages are held until they are whole.
        client.hear();
    }
    part(client, server);
    after_the_conversation(&once(&stage, r#"framegate_connections_open{mode="reverse"}"#, 0.0));
}

fn after_the_conversation(scrape: &Scrape) {
    assert_eq!(
        scrape.some("framegate_messages_total"),
        [
            (r#"{direction="receive",kind="control",fate="sent"}"#, 2.0),
            (r#"{direction="receive",kind="text",fate="sent"}"#, 1.0),
            (r#"{direction="send",kind="binary",fate="sent"}"#, 1000.0),
            (r#"{direction="send",kind="control",fate="sent"}"#, 1.0),
            (r#"{direction="send",kind="text",fate="sent"}"#, 1.0),
        ]
    );
    assert_eq!(
        scrape.some("framegate_message_payload_bytes_total"),
        [
            (r#"{direction="receive",kind="control"}"#, 3.0),
            (r#"{direction="receive",kind="text"}"#, 5.0),
            (r#"{direction="send",kind="binary"}"#, 10_000.0),
            (r#"{direction="send",kind="control"}"#, 2.0),
            (r#"{direction="send",kind="text"}"#, 5.0),
        ]
    );
    assert_eq!(
        scrape.some("framegate_message_wire_bytes_total"),
        [
            (r#"{direction="receive",kind="control"}"#, 7.0),
            (r#"{direction="receive",kind="text"}"#, 9.0),
            (r#"{direction="send",kind="binary"}"#, 16_000.0),
            (r#"{direction="send",kind="control"}"#, 8.0),
            (r#"{direction="send",kind="text"}"#, 11.0),
        ]
    );
    assert_eq!(
        scrape.some("framegate_conversations_ended_total"),
        [(r#"{cause="client_close"}"#, 1.0)]
    );
    assert_eq!(scrape.some("framegate_websockets_open"), []);
    assert_eq!(
        scrape.some("framegate_websockets_total"),
        [(r#"{mode="reverse"}"#, 1.0)]
    );
    assert_eq!(
        scrape.some("framegate_connections_total"),
        [(r#"{mode="reverse"}"#, 1.0)]
    );
    assert_eq!(scrape.get("framegate_upgrade_seconds_count"), 1.0);
}

#[test]
fn a_conversation_is_counted_on_record_or_not_and_whether_messages_are_held_or_not() {
    let unrecorded = "record.enabled=false";
    for settings in [&[][..], &[unrecorded], &[unrecorded, "wire.violations=\"close\""]] {
        a_conversation_is_counted(settings);
    }
}

fn what_judges_do_is_counted(record: &str) {
    let stage = Stage::new(&[
        record,
        r#"safety.input.rules=[{id="bad", pattern="bad"}]"#,
        r#"rewrite=[{literal="one", replacement="two"}]"#,
    ]);
    let (mut client, mut server) = stage.open();
    // All in one packet: what is blocked among what is not.
    let all: Vec<u8> = [&b"bad"[..], b"one", b"bad", b"good"]
        .iter()
        .flat_map(|text| client.frame(TEXT, text))
        .collect();
    client.tcp.write_all(&all).unwrap();
    server.hears(TEXT, b"two");
    server.hears(TEXT, b"good");
    let scrape = Scrape::of(&stage.proxy);
    assert_eq!(
        scrape.some("framegate_messages_total"),
        [
            (r#"{direction="send",kind="text",fate="blocked"}"#, 2.0),
            (r#"{direction="send",kind="text",fate="replaced"}"#, 1.0),
            (r#"{direction="send",kind="text",fate="sent"}"#, 1.0),
        ]
    );
    assert_eq!(
        scrape.some("framegate_judge_decisions_total"),
        [
            (r#"{judge="rewrite",outcome="replaced"}"#, 1.0),
            (r#"{judge="safety",outcome="dropped"}"#, 2.0),
        ]
    );
    part(client, server);
}

#[test]
fn what_a_rule_stops_and_what_it_would_stop_is_counted_by_rule_once_for_each_message() {
    let stage = Stage::new(&[
        r#"safety.input.presets=["path-traversal"]"#,
        "safety.input.action=log_only",
        "safety.input.bytes_max=200",
        r#"safety.input.rules=[{id="bad", pattern="bad"}, {id="worse", pattern="worse", action="block"}]"#,
        // What was logged is looked at again.
        r#"rewrite=[{literal="one", replacement="two"}]"#,
    ]);
    let (mut client, mut server) = stage.open();
    let long = [b'x'; 201];
    for text in [
        &b"bad"[..],
        b"bad one",
        b"../../etc/passwd bad",
        b"bad and worse",
        &long,
        b"good",
    ] {
        client.send(TEXT, text);
    }
    for text in [&b"bad"[..], b"bad two", b"../../etc/passwd bad", &long, b"good"] {
        server.hears(TEXT, text);
    }
    assert_eq!(
        Scrape::of(&stage.proxy).some("framegate_safety_matches_total"),
        [
            (r#"{rule="bad",action="log_only"}"#, 2.0),
            (r#"{rule="path-traversal/parent",action="log_only"}"#, 1.0),
            (r#"{rule="too-long",action="log_only"}"#, 1.0),
            (r#"{rule="worse",action="block"}"#, 1.0),
        ]
    );
    part(client, server);
}

#[test]
fn what_judges_do_is_counted_on_record_or_not() {
    for record in ["record.enabled=true", "record.enabled=false"] {
        what_judges_do_is_counted(record);
    }
}

#[test]
fn what_is_held_is_seen_and_what_is_injected_is_counted() {
    let stage = Stage::new(&[r#"intercept.rules=[{id="all", when="direction == \"send\""}]"#]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"wait");
    let scrape = once(&stage, "framegate_held_messages", 1.0);
    assert_eq!(scrape.get("framegate_held_bytes"), 4.0);
    assert_eq!(
        scrape.some("framegate_messages_total"),
        [],
        "nothing has become of it yet"
    );
    assert!(stage.proxy.run(&["intercept", "drop", "1"]).status.success());
    once(&stage, "framegate_held_messages", 0.0);
    let inject = ["inject", "1", "--to", "server", "--text", "hi"];
    assert!(stage.proxy.run(&inject).status.success());
    server.hears(TEXT, b"hi");
    let scrape = Scrape::of(&stage.proxy);
    assert_eq!(
        scrape.some("framegate_messages_total"),
        [
            (r#"{direction="send",kind="text",fate="dropped"}"#, 1.0),
            (r#"{direction="send",kind="text",fate="injected"}"#, 1.0),
        ]
    );
    assert_eq!(
        scrape.some("framegate_judge_decisions_total"),
        [(r#"{judge="intercept",outcome="dropped"}"#, 1.0)]
    );
    client.reset();
    once(
        &stage,
        r#"framegate_conversations_ended_total{cause="client_broken"}"#,
        1.0,
    );
}

#[test]
fn whose_fault_an_end_was_is_counted() {
    let stage = Stage::new(&["limits.frame_bytes_max=200", r#"wire.violations="close""#]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, &[b'a'; 201]);
    both_are_closed(&mut client, &mut server, 1009);
    let (mut client, mut server) = stage.open();
    client.send(0x83, b"");
    both_are_closed(&mut client, &mut server, 1002);
    let (mut client, mut server) = stage.open();
    server.send(CLOSE, &close(1000, ""));
    client.hears_close(1000);
    client.send(CLOSE, &close(1000, ""));
    client.shut();
    server.hears_close(1000);
    server.shut();
    let scrape = once(&stage, r#"framegate_connections_open{mode="reverse"}"#, 0.0);
    assert_eq!(
        scrape.some("framegate_conversations_ended_total"),
        [
            (r#"{cause="limit"}"#, 1.0),
            (r#"{cause="server_close"}"#, 1.0),
            (r#"{cause="violation"}"#, 1.0),
        ]
    );
}

#[test]
fn refused_upgrades_are_counted_by_who_refused_them() {
    let stage = Stage::new(&["record.enabled=false"]);
    // The proxy refuses a key that is none. What asks for no WebSocket is refused as well, and is no upgrade.
    let fields = "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n";
    for more in ["Upgrade: websocket\r\n", "Content-Length: x\r\n"] {
        let mut tcp = connect(stage.proxy.addr("reverse"));
        write!(tcp, "GET / HTTP/1.1\r\nHost: x\r\n{more}{fields}\r\n").unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let (mut client, mut server, _) = stage.ask("", b"");
    server
        .tcp
        .write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert!(client.http_head().starts_with("HTTP/1.1 503 "));
    let scrape = Scrape::of(&stage.proxy);
    assert_eq!(
        scrape.some("framegate_upgrades_refused_total"),
        [
            (r#"{by="proxy",status="4xx"}"#, 1.0),
            (r#"{by="server",status="5xx"}"#, 1.0),
        ]
    );
    assert_eq!(scrape.some("framegate_websockets_total"), []);
}
