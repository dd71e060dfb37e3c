//! Many messages at once: their order, and the connections that their questions take.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::peers::{BINARY, PING, TEXT, both_are_closed, part};
use crate::scripted::{Barrier, Hook, Stage, status};

const MESSAGES: u64 = 1000;

/// A number that looks like chance, the same in every run.
pub(crate) fn scattered(number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)) >> 7
}

#[test]
fn messages_leave_in_their_order_whichever_verdict_comes_first() {
    let hook = Hook::new(|asked| {
        let number: u64 = String::from_utf8_lossy(&asked.body).parse().unwrap();
        // The hook's own slowness, not the test's waiting.
        std::thread::sleep(Duration::from_micros(scattered(number) % 3000));
        status(200)
    });
    let settings = [
        "hook.in_flight=16",
        "hook.timeout_ms=20000",
        "limits.held_messages_max=200",
    ];
    let stage = Stage::new(Some(&hook.url()), Some(&hook.url()), &settings);
    let (mut client, mut server) = stage.open();
    let text = |at: u64| at.to_string().into_bytes();
    let up: Vec<u8> = (0..MESSAGES).flat_map(|at| client.frame(TEXT, &text(at))).collect();
    let down: Vec<u8> = (0..MESSAGES).flat_map(|at| server.frame(TEXT, &text(at))).collect();
    let sending = [client.send_behind(up), server.send_behind(down)];
    for at in 0..MESSAGES {
        server.hears(TEXT, &text(at));
        client.hears(TEXT, &text(at));
    }
    sending.into_iter().for_each(|sending| sending.join().unwrap());
    assert_eq!(hook.asked().len() as u64, 2 * MESSAGES);
    assert!(hook.most.load(Ordering::SeqCst) > 4, "one waits for the other");
    assert!(hook.most.load(Ordering::SeqCst) <= 33, "more are under way than may be");
    part(client, server);
}

#[test]
fn connections_are_used_again() {
    let hook = Hook::new(|_| status(200));
    let stage = Stage::sending(&hook, &[]);
    let (mut client, mut server) = stage.open();
    for _ in 0..100 {
        client.send(TEXT, b"hello");
        server.hears(TEXT, b"hello");
    }
    assert_eq!(hook.asked().len(), 100);
    assert!(hook.connections() <= 2, "{} connections", hook.connections());
    part(client, server);
}

#[test]
fn there_are_never_more_connections_than_the_pool_has() {
    let hook = Hook::new(|_| {
        std::thread::sleep(Duration::from_millis(2));
        status(200)
    });
    let settings = [
        "hook.pool_size=3",
        "listen.threads=1",
        "hook.in_flight=50",
        "limits.held_messages_max=200",
    ];
    let stage = Stage::sending(&hook, &settings);
    let (client, mut server) = stage.open();
    let frames: Vec<u8> = (0..100).flat_map(|at| client.frame(TEXT, &[b'a' + at % 26])).collect();
    let sending = client.send_behind(frames);
    for at in 0..100 {
        server.hears(TEXT, &[b'a' + at % 26]);
    }
    sending.join().unwrap();
    assert_eq!(hook.most.load(Ordering::SeqCst), 3);
    assert_eq!(hook.connections(), 3);
    part(client, server);
}

#[test]
fn a_direction_whose_hook_hangs_does_not_hold_the_other() {
    let hook = Hook::new(|_| crate::scripted::Does::Hangs);
    let stage = Stage::sending(&hook, &[]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"held");
    hook.wait_for_questions(1);
    for _ in 0..50 {
        server.send(TEXT, b"free");
        client.hears(TEXT, b"free");
    }
    client.send(PING, b"alive");
    server.send(PING, b"alive");
    client.hears(PING, b"alive");
}

#[test]
fn one_that_ends_the_conversation_unasked_lets_those_before_it_leave_first() {
    let long = vec![b'a'; 1500];
    let enders: [(u8, &[u8], u16); 4] = [
        (BINARY, b"\0\x01", 1003),
        (TEXT, &long, 1009),
        (TEXT, b"attack", 1008),
        // It is not even the hook that ends it.
        (TEXT, b"drop table", 1008),
    ];
    let barrier = Barrier::default();
    let held = barrier.clone();
    let hook = Hook::new(move |asked| {
        if asked.body.starts_with(b"first") {
            held.pass();
        }
        status(if asked.body == b"attack" { 403 } else { 200 })
    });
    let settings = [
        "hook.body_bytes_max=1024",
        "hook.cache_entries=100",
        "hook.cache_ms=600000",
        "listen.threads=1",
        "safety.input.rules=[{id='drop', pattern='drop table'}]",
        "safety.input.close=true",
    ];
    let stage = Stage::sending(&hook, &settings);
    // That verdict is kept.
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"attack");
    both_are_closed(&mut client, &mut server, 1008);
    let mut pairs = Vec::new();
    for (opcode, ender, code) in enders {
        let (mut client, mut server) = stage.open();
        client.send(TEXT, format!("first {code}").as_bytes());
        client.send(opcode, ender);
        client.send(TEXT, b"behind it");
        client.send(PING, b"all has been seen");
        server.hears(PING, b"all has been seen");
        pairs.push((client, server, code));
    }
    hook.wait_for_questions(1 + enders.len());
    barrier.open();
    for (mut client, mut server, code) in pairs {
        server.hears(TEXT, format!("first {code}").as_bytes());
        both_are_closed(&mut client, &mut server, code);
    }
    assert_eq!(hook.asked().len(), 1 + enders.len(), "what is behind it is asked about");
}

#[test]
fn what_waits_for_its_question_is_held_to_the_same_and_ends_the_conversation_in_its_turn() {
    let barrier = Barrier::default();
    let held = barrier.clone();
    let hook = Hook::new(move |_| {
        held.pass();
        status(200)
    });
    let settings = [
        "hook.in_flight=1",
        "hook.body_bytes_max=1024",
        "hook.on_oversize=truncate",
        "gateway.binary=pass",
        "safety.input.rules=[{id='drop', pattern='drop table'}]",
        "safety.input.close=true",
    ];
    let stage = Stage::sending(&hook, &settings);
    let (mut client, mut server) = stage.open();
    let long = vec![b'a'; 1500];
    for (opcode, payload) in [
        (TEXT, &b"first"[..]),
        (TEXT, &long),
        (BINARY, b"\0"),
        (TEXT, b"drop table"),
        (TEXT, b"behind it"),
    ] {
        client.send(opcode, payload);
    }
    client.send(PING, b"all has been seen");
    server.hears(PING, b"all has been seen");
    assert_eq!(hook.asked().len(), 1);
    barrier.open();
    server.hears(TEXT, b"first");
    server.hears(TEXT, &long);
    server.hears(BINARY, b"\0");
    both_are_closed(&mut client, &mut server, 1008);
    let asked: Vec<usize> = hook.asked().iter().map(|asked| asked.body.len()).collect();
    assert_eq!(
        asked,
        [5, 1024],
        "what ends the conversation, and what is behind it, is nobody's question"
    );
    crate::stage::wait_for("the record", || {
        let rows = stage.proxy.json(&["messages", "1", "--json"]);
        let facts = |row: &serde_json::Value, name: &str| row["metadata"][name].as_str().map(str::to_owned);
        let told = |name: &str, value: &str| {
            rows.iter()
                .filter(|row| facts(row, name).as_deref() == Some(value))
                .count()
        };
        (told("hook_truncated", "true") == 1 && told("hook_skipped", "binary") == 1).then_some(())
    });
}
