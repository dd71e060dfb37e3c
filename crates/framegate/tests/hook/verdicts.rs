//! What a hook says, and what becomes of the message.

use serde_json::Value;

use crate::peers::{BINARY, End, TEXT, both_are_closed, ended, messages, part, payload};
use crate::scripted::{Does, Hook, Stage, status};

/// The first row on record.
fn first(stage: &Stage) -> Value {
    ended(&stage.proxy, "1");
    messages(&stage.proxy, "1").remove(0)
}

/// Both are closed, and nothing of the message has left.
fn is_closed(stage: &Stage, mut peers: (End, End), code: u16, reason: &str) -> Value {
    assert_eq!(both_are_closed(&mut peers.0, &mut peers.1, code), reason);
    let row = first(stage);
    assert_eq!(
        (&row["fate"], &row["decided_by"]),
        (&"blocked".into(), &"hook".into()),
        "{row}"
    );
    row
}

#[test]
fn the_statuses_that_let_a_message_go() {
    for code in 200..=204 {
        let hook = Hook::new(move |_| match code {
            204 => Does::Says(b"HTTP/1.1 204 X\r\n\r\n".to_vec()),
            _ => status(code),
        });
        let stage = Stage::sending(&hook, &[]);
        let (mut client, mut server) = stage.open();
        client.send(TEXT, b"hello");
        server.hears(TEXT, b"hello");
        part(client, server);
        let row = first(&stage);
        assert_eq!(row["decided_by"], "hook", "{row}");
        assert_eq!(row["metadata"]["hook_status"], code.to_string(), "{row}");
    }
}

#[test]
fn the_statuses_that_end_the_conversation() {
    for code in [302, 400, 403, 404, 413, 451] {
        let hook = Hook::new(move |_| {
            let page = "the rule 942100 has found an attack";
            let len = page.len();
            let head = format!("HTTP/1.1 {code} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: {len}\r\n\r\n");
            Does::Says((head + page).into_bytes())
        });
        let stage = Stage::sending(&hook, &["hook.fail=open"]);
        let mut peers = stage.open();
        peers.0.send(TEXT, b"hello");
        let row = is_closed(&stage, peers, 1008, "blocked by policy");
        assert_eq!(row["metadata"]["hook_status"], code.to_string(), "{row}");
        assert_eq!(hook.asked().len(), 1, "nobody follows");
    }
}

#[test]
fn what_a_firewall_could_not_read_does_not_go_on_even_if_open() {
    for code in [400, 413] {
        let hook = Hook::new(move |_| status(code));
        let stage = Stage::sending(&hook, &["hook.body=waf", "hook.fail=open"]);
        let mut peers = stage.open();
        peers.0.send(TEXT, b"hello");
        let row = is_closed(&stage, peers, 1008, "could not be inspected");
        assert_eq!(row["metadata"]["hook_failure"], "uninspected", "{row}");
    }
}

#[test]
fn a_hook_may_put_another_message_in_the_place_or_drop_it() {
    let hook = Hook::new(|asked| {
        match &asked.body[..] {
        b"secret" => Does::Says(
            b"HTTP/1.1 200 X\r\nX-Framegate-Action: replace\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\nxxx\r\n3\r\nyyy\r\n0\r\n\r\n"
                .to_vec(),
        ),
        b"bytes" => Does::Says(
            b"HTTP/1.1 200 X\r\nx-framegate-action: replace\r\nx-framegate-opcode: binary\r\nContent-Length: 2\r\n\r\n\0\xff"
                .to_vec(),
        ),
        b"gone" => Does::Says(b"HTTP/1.1 200 X\r\nx-framegate-action: drop\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => status(200),
    }
    });
    let stage = Stage::sending(&hook, &[]);
    let (mut client, mut server) = stage.open();
    for text in ["secret", "gone", "bytes", "end"] {
        client.send(TEXT, text.as_bytes());
    }
    server.hears(TEXT, b"xxxyyy");
    server.hears(BINARY, b"\0\xff");
    server.hears(TEXT, b"end");
    part(client, server);
    ended(&stage.proxy, "1");
    let rows = messages(&stage.proxy, "1");
    let fates: Vec<_> = rows
        .iter()
        .map(|row| row["fate"].as_str().unwrap_or_default())
        .collect();
    assert!(fates.contains(&"dropped"), "{fates:?}");
}

#[test]
fn a_replacement_that_nobody_can_send_is_none_of_the_message_either() {
    let hook = Hook::new(|_| {
        let mut answer = b"HTTP/1.1 200 X\r\nx-framegate-action: replace\r\nContent-Length: 3000\r\n\r\n".to_vec();
        answer.resize(answer.len() + 3000, b'x');
        Does::Says(answer)
    });
    let stage = Stage::sending(&hook, &[]);
    let mut peers = stage.open();
    peers.0.send(TEXT, b"hello");
    let row = is_closed(&stage, peers, 1008, "could not be inspected");
    assert_eq!(row["metadata"]["hook_failure"], "protocol", "{row}");
}

#[test]
fn binary_messages_close_are_asked_about_or_pass() {
    let hook = Hook::new(|_| status(200));
    let stage = Stage::sending(&hook, &[]);
    let mut peers = stage.open();
    peers.0.send(BINARY, b"\0\x01");
    is_closed(&stage, peers, 1003, "binary messages are not taken here");
    assert!(hook.asked().is_empty());

    for (policy, asked) in [("hook", 1), ("pass", 0)] {
        let hook = Hook::new(|_| status(200));
        let stage = Stage::sending(&hook, &[&format!("gateway.binary={policy}")]);
        let (mut client, mut server) = stage.open();
        client.send(BINARY, b"\0\x01");
        server.hears(BINARY, b"\0\x01");
        part(client, server);
        assert_eq!(hook.asked().len(), asked, "{policy}");
        let row = first(&stage);
        assert_eq!(row["metadata"]["hook_skipped"] == "binary", policy == "pass", "{row}");
    }
}

#[test]
fn what_is_too_long_is_closed_asked_about_in_part_or_passes() {
    let long = vec![b'x'; 1500];
    let small = "hook.body_bytes_max=1024";
    let hook = Hook::new(|_| status(200));
    let stage = Stage::sending(&hook, &[small]);
    let mut peers = stage.open();
    peers.0.send(TEXT, &long);
    is_closed(&stage, peers, 1009, "too long to be inspected");
    assert!(hook.asked().is_empty());

    for (policy, fact, seen) in [("truncate", "hook_truncated", 1), ("pass", "hook_skipped", 0)] {
        let hook = Hook::new(|_| status(200));
        let stage = Stage::sending(&hook, &[small, &format!("hook.on_oversize={policy}")]);
        let (mut client, mut server) = stage.open();
        client.send(TEXT, &long);
        server.hears(TEXT, &long);
        part(client, server);
        let asked = hook.asked();
        assert_eq!(asked.len(), seen, "{policy}");
        assert!(asked.iter().all(|asked| asked.body == long[..1024]), "{policy}");
        let row = first(&stage);
        assert!(row["metadata"][fact].is_string(), "{row}");
        assert_eq!(payload(&row), long);
    }
}

#[test]
fn in_shadow_nothing_is_stopped() {
    let hook = Hook::new(|asked| {
        if asked.body == b"hang" {
            Does::Hangs
        } else {
            status(403)
        }
    });
    let stage = Stage::sending(&hook, &["hook.fail=shadow"]);
    let (mut client, mut server) = stage.open();
    for text in [&b"hang"[..], b"attack"] {
        client.send(TEXT, text);
        server.hears(TEXT, text);
    }
    stage.proxy.wait_for_log("would not have let a message go");
    part(client, server);
    assert_eq!(first(&stage)["metadata"]["hook_shadow"], "asked");
}

#[test]
fn verdicts_are_kept_only_where_that_is_asked_for() {
    for (entries, expected) in [(0, 3), (10, 2)] {
        let hook = Hook::new(|_| status(200));
        let stage = Stage::sending(&hook, &[&format!("hook.cache_entries={entries}"), "hook.in_flight=1"]);
        let (mut client, mut server) = stage.open();
        for text in ["same", "same", "other"] {
            client.send(TEXT, text.as_bytes());
            server.hears(TEXT, text.as_bytes());
        }
        part(client, server);
        assert_eq!(hook.asked().len(), expected, "{entries} kept");
    }
}

/// A hook may know the direction from its request, so what it says of one says nothing of the other.
#[test]
fn a_verdict_is_not_kept_for_the_other_direction() {
    let hook = Hook::new(|asked| {
        status(match asked.field("ce-direction") {
            Some("send") => 200,
            _ => 403,
        })
    });
    let (url, settings) = (hook.url(), ["hook.cache_entries=10", "hook.timeout_ms=10000"]);
    let stage = Stage::new(Some(&url), Some(&url), &settings);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"same");
    server.hears(TEXT, b"same");
    server.send(TEXT, b"same");
    both_are_closed(&mut client, &mut server, 1008);
    assert_eq!(hook.asked().len(), 2);
}

#[test]
fn a_route_of_a_reverse_door_has_hooks_too() {
    let hook = Hook::new(|asked| status(if asked.body == b"bad" { 403 } else { 200 }));
    let route = format!("routes=[{{path=\"/\", send_hook=\"{}\"}}]", hook.url());
    let stage = crate::peers::Stage::new(&[&route, "hook.timeout_ms=10000"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    client.send(TEXT, b"bad");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
    assert_eq!(hook.asked().len(), 2);
}
