//! Messages that are held: listed, released, modified, dropped, and let go when nobody answers or a peer leaves.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::peers::{BINARY, CLOSE, FIN, Heard, PING, Stage, TEXT, close, ended, messages, part};
use crate::stage::wait_for;

/// Holds texts with `hold` in them, either way.
const HOLD: &str = r#"intercept.rules=[{id="word", payload="hold"}]"#;

/// The messages that are held, once there are so many.
fn held(stage: &Stage, count: usize) -> Vec<Value> {
    wait_for("held messages", || {
        let held = stage.proxy.json(&["intercept", "list", "--json"]);
        (held.len() == count).then_some(held)
    })
}

/// Runs a command; its exit code and what it said on standard error.
fn run(stage: &Stage, args: &[&str]) -> (Option<i32>, String) {
    let output = stage.proxy.run(args);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn done(stage: &Stage, args: &[&str]) {
    assert_eq!(run(stage, args), (Some(0), String::new()), "{args:?}");
}

/// What the record says became of each message.
fn fates(stage: &Stage, id: &str) -> Vec<Value> {
    messages(&stage.proxy, id)
        .iter()
        .map(|message| json!([message["kind"], message["body"], message["fate"], message["decided_by"]]))
        .collect()
}

#[test]
fn a_held_message_is_listed_with_all_that_is_known_of_it() {
    let stage = Stage::new(&[HOLD]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hold me");
    server.send(BINARY, b"\xffhold");
    let held = held(&stage, 2);
    let url = format!("ws://{}/chat", server.tcp.local_addr().unwrap());
    for (one, opcode, direction, body, raw_bytes) in [
        (&held[0], "Text", "client_to_server", json!("hold me"), Value::Null),
        (
            &held[1],
            "Binary",
            "server_to_client",
            Value::Null,
            json!(BASE64.encode(b"\xffhold")),
        ),
    ] {
        let expected = json!({
            "id": one["id"], "phase": "websocket_frame", "opcode": opcode, "direction": direction, "flow_id": "1",
            "upgrade_url": url, "sequence": one["sequence"], "body": body, "raw_bytes": raw_bytes,
            "held_since": one["held_since"], "matched_rules": ["word"],
        });
        assert_eq!(*one, expected);
        assert!(one["held_since"].as_str().unwrap().ends_with('Z'));
    }
    let table = stage.proxy.run(&["intercept", "list"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("hold me") && table.contains("ff 68 6f 6c 64"), "{table}");
    for one in &held {
        done(&stage, &["intercept", "release", one["id"].as_str().unwrap()]);
    }
    server.hears(TEXT, b"hold me");
    client.hears(BINARY, b"\xffhold");
    part(client, server);
}

#[test]
fn release_modify_and_drop_do_what_they_say_and_are_on_record() {
    let stage = Stage::new(&[HOLD]);
    let (mut client, mut server) = stage.open();
    std::fs::write(stage.proxy.home.path().join("payload"), "from a file").unwrap();
    let ways: [(&[&str], Option<&str>); 6] = [
        (&["release"], Some("hold")),
        (&["modify", "--text", "--other"], Some("--other")),
        (&["modify", "--text", ""], Some("")),
        (&["modify", "--base64", "YmFzZTY0"], Some("base64")),
        (&["modify", "--file", "payload"], Some("from a file")),
        (&["drop"], None),
    ];
    for (at, (words, arrives)) in ways.iter().enumerate() {
        client.send(TEXT, b"hold");
        let id = held(&stage, 1)[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(id, (at + 1).to_string());
        let args: Vec<&str> = [&["intercept", words[0], &id], &words[1..]].concat();
        done(&stage, &args);
        if let Some(arrives) = arrives {
            server.hears(TEXT, arrives.as_bytes());
        }
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let changed = |body: &str| json!(["text", body, "replaced", "intercept"]);
    assert_eq!(
        fates(&stage, "1")[..6],
        [
            json!(["text", "hold", "sent", "intercept"]),
            changed("--other"),
            changed(""),
            changed("base64"),
            changed("from a file"),
            json!(["text", "hold", "dropped", "intercept"]),
        ]
    );
    let originals: Vec<Value> = messages(&stage.proxy, "1")[1..5]
        .iter()
        .map(|message| message["original"].clone())
        .collect();
    assert_eq!(originals, vec![json!({"body": "hold", "raw_bytes": null}); 4]);
}

#[test]
fn what_is_held_stops_its_own_direction_and_nothing_else() {
    let stage = Stage::new(&[HOLD]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hold");
    client.send(TEXT, b"behind it");
    client.send(PING, b"passes");
    server.hears(PING, b"passes");
    server.send(TEXT, b"the other way");
    client.hears(TEXT, b"the other way");
    held(&stage, 1);
    // In fragments, between which a Ping may come.
    client.send(TEXT & !FIN, b"in two ");
    client.send(PING, b"between");
    server.hears(PING, b"between");
    client.send(FIN, b"parts");
    done(&stage, &["intercept", "release", "1"]);
    server.hears(TEXT, b"hold");
    server.hears(TEXT, b"behind it");
    server.hears(TEXT & !FIN, b"in two ");
    server.hears(FIN, b"parts");
    part(client, server);
}

#[test]
fn several_may_be_held_and_are_answered_in_any_order() {
    let stage = Stage::new(&[HOLD]);
    let (mut client, mut server) = stage.open();
    for word in ["hold 1", "free", "hold 2", "hold 3"] {
        client.send(TEXT, word.as_bytes());
    }
    held(&stage, 3);
    done(&stage, &["intercept", "modify", "3", "--text", "changed"]);
    done(&stage, &["intercept", "drop", "2"]);
    assert_eq!(held(&stage, 1)[0]["body"], "hold 1");
    done(&stage, &["intercept", "release", "1"]);
    for word in ["hold 1", "free", "changed"] {
        server.hears(TEXT, word.as_bytes());
    }
    part(client, server);
}

#[test]
fn the_second_answer_to_one_message_is_told_what_the_first_was() {
    let stage = Stage::new(&[HOLD]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hold");
    held(&stage, 1);
    done(&stage, &["intercept", "release", "1"]);
    let (code, said) = run(&stage, &["intercept", "drop", "1"]);
    assert_eq!(
        (code, said.trim_end()),
        (
            Some(1),
            "framegate: the message 1 is not held any more: it was released"
        )
    );
    let (code, said) = run(&stage, &["intercept", "release", "7"]);
    assert_eq!((code, said.trim_end()), (Some(3), "framegate: no message is held as 7"));
    server.hears(TEXT, b"hold");
    part(client, server);
}

#[test]
fn what_cannot_be_sent_is_refused_and_the_message_is_held_on() {
    let stage = Stage::new(&[HOLD, "limits.message_bytes_max=1000"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hold");
    held(&stage, 1);
    let long = "x".repeat(1001);
    for (words, says) in [
        (["--base64", "/w=="], "a text message must be UTF-8"),
        (["--base64", "*"], "`base64`"),
        (["--text", &long], "1001 bytes are more than limits.message_bytes_max"),
    ] {
        let (code, said) = run(&stage, &[&["intercept", "modify", "1"], &words[..]].concat());
        assert!(code == Some(2) && said.contains(says), "{code:?} {said}");
    }
    let (code, said) = run(&stage, &["intercept", "modify", "1", "--file", "nowhere"]);
    assert!(code == Some(3) && said.contains("nowhere"), "{code:?} {said}");
    done(&stage, &["intercept", "release", "1"]);
    server.hears(TEXT, b"hold");
    part(client, server);
}

#[test]
fn nobody_waits_for_ever() {
    for (policy, passes) in [("release", true), ("drop", false)] {
        let policy = format!("intercept.on_timeout={policy}");
        let stage = Stage::new(&[HOLD, "intercept.hold_ms=50", &policy]);
        let (mut client, mut server) = stage.open();
        client.send(TEXT, b"hold");
        client.send(TEXT, b"free");
        if passes {
            server.hears(TEXT, b"hold");
        }
        server.hears(TEXT, b"free");
        let (code, said) = run(&stage, &["intercept", "release", "1"]);
        assert!(
            code == Some(1) && said.contains("nobody answered within"),
            "{code:?} {said}"
        );
        part(client, server);
        ended(&stage.proxy, "1");
        let fate = if passes { "sent" } else { "dropped" };
        assert_eq!(
            fates(&stage, "1")[0],
            json!(["text", "hold", fate, "intercept:timeout"])
        );
    }
}

#[test]
fn beyond_the_limits_nothing_is_held() {
    for (limit, policy, passes) in [
        ("intercept.held_max=1", "release", true),
        ("intercept.held_bytes_max=1024", "drop", false),
    ] {
        let policy = format!("intercept.on_full={policy}");
        let stage = Stage::new(&[HOLD, limit, &policy]);
        let (mut client, mut server) = stage.open();
        let first = [b"hold".to_vec(), vec![b'1'; 1000]].concat();
        let second = [b"hold".to_vec(), vec![b'2'; 1000]].concat();
        client.send(TEXT, &first);
        client.send(TEXT, &second);
        client.send(TEXT, b"free");
        // It passes what is held, and so tells that all of it has come.
        client.send(PING, b"");
        server.hears(PING, b"");
        held(&stage, 1);
        done(&stage, &["intercept", "release", "1"]);
        server.hears(TEXT, &first);
        if passes {
            server.hears(TEXT, &second);
        }
        server.hears(TEXT, b"free");
        part(client, server);
        ended(&stage.proxy, "1");
        let fate = if passes { "sent" } else { "dropped" };
        assert_eq!(fates(&stage, "1")[1][2], fate);
        assert_eq!(fates(&stage, "1")[1][3], "intercept:full");
    }
}

#[test]
fn what_comes_behind_a_held_message_in_one_packet_waits_outside() {
    for (limit, most) in [("limits.held_messages_max=3", 3), ("limits.held_bytes_max=1024", 5)] {
        let stage = Stage::new(&[HOLD, limit]);
        let (mut client, mut server) = stage.open();
        let text = |n: usize| format!("hold {n} {}", "x".repeat(200));
        let mut all: Vec<u8> = (1..=20).flat_map(|n| client.frame(TEXT, text(n).as_bytes())).collect();
        all.extend(client.frame(PING, b"behind"));
        all.extend(client.frame(CLOSE, &close(1000, "")));
        std::io::Write::write_all(&mut client.tcp, &all).unwrap();
        for n in 1..=20 {
            let held = held(&stage, most.min(21 - n));
            assert_eq!(held[0]["id"], n.to_string());
            done(&stage, &["intercept", "release", &n.to_string()]);
            server.hears(TEXT, text(n).as_bytes());
            if n == 21 - most {
                // Now there is room for all the rest.
                server.hears(PING, b"behind");
            }
        }
        server.hears(CLOSE, &close(1000, ""));
        server.send(CLOSE, &close(1000, ""));
        client.hears(CLOSE, &close(1000, ""));
        ended(&stage.proxy, "1");
        assert_eq!(fates(&stage, "1")[19], json!(["text", text(20), "sent", "intercept"]));
    }
}

#[test]
fn a_peer_that_leaves_ends_the_hold() {
    for client_leaves in [true, false] {
        for reset in [true, false] {
            let stage = Stage::new(&[HOLD]);
            let (mut client, server) = stage.open();
            client.send(TEXT, b"hold");
            held(&stage, 1);
            let (leaves, mut stays) = if client_leaves {
                (client, server)
            } else {
                (server, client)
            };
            if reset {
                leaves.reset();
            } else {
                drop(leaves);
            }
            // A reset throws away what was on its way; an end in order does not.
            if client_leaves && !reset {
                stays.hears(TEXT, b"hold");
            }
            assert!(matches!(stays.hear(), Heard::Fin | Heard::Reset));
            drop(stays);
            held(&stage, 0);
            assert_eq!(ended(&stage.proxy, "1")["state"], "error");
            let (code, said) = run(&stage, &["intercept", "release", "1"]);
            assert!(
                code == Some(1) && said.contains("is not held any more"),
                "{code:?} {said}"
            );
        }
    }
}

#[test]
fn a_close_waits_behind_what_is_held_and_a_close_of_the_receiver_does_not() {
    let stage = Stage::new(&[HOLD]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hold");
    client.send(CLOSE, &close(1000, ""));
    held(&stage, 1);
    done(&stage, &["intercept", "release", "1"]);
    server.hears(TEXT, b"hold");
    server.hears(CLOSE, &close(1000, ""));
    server.send(CLOSE, &close(1000, ""));
    client.hears(CLOSE, &close(1000, ""));

    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hold");
    held(&stage, 1);
    server.send(CLOSE, &close(1001, "going"));
    client.hears(CLOSE, &close(1001, "going"));
    held(&stage, 0);
    client.send(CLOSE, &close(1001, ""));
    server.hears(TEXT, b"hold");
    server.hears(CLOSE, &close(1001, ""));
}

#[test]
fn a_proxy_that_stops_lets_go_of_what_is_held() {
    let mut stage = Stage::new(&[HOLD, "limits.drain_ms=0", "limits.close_ms=500"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hold");
    held(&stage, 1);
    stage.proxy.signal(rustix::process::Signal::TERM);
    client.hears_close(1001);
    server.hears_close(1001);
    drop((client, server));
    assert_eq!(stage.proxy.exit_code(), Some(0));
    assert_eq!(fates(&stage, "1")[0], json!(["text", "hold", "dropped", null]));
}

#[test]
fn a_rule_means_what_all_of_its_parts_mean() {
    let rule = r#"intercept.rules=[{id="r", when='json.n > 1 && path == "/chat"', direction="client_to_server", opcode="text", url="/chat$", payload="x"}]"#;
    let stage = Stage::new(&[rule]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, br#"{"n":1,"a":"x"}"#);
    client.send(BINARY, br#"{"n":2,"a":"x"}"#);
    client.send(TEXT, br#"{"n":2}"#);
    for (first, payload) in [
        (TEXT, &br#"{"n":1,"a":"x"}"#[..]),
        (BINARY, br#"{"n":2,"a":"x"}"#),
        (TEXT, br#"{"n":2}"#),
    ] {
        server.hears(first, payload);
    }
    server.send(TEXT, br#"{"n":2,"a":"x"}"#);
    client.hears(TEXT, br#"{"n":2,"a":"x"}"#);
    client.send(TEXT, br#"{"n":2,"a":"x"}"#);
    held(&stage, 1);
    done(&stage, &["intercept", "drop", "1"]);
    part(client, server);
}
