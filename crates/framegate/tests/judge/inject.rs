//! Messages of one's own, sent into an open WebSocket.

use serde_json::{Value, json};

use crate::peers::{BINARY, CLOSE, FIN, Heard, PING, RSV1, Stage, TEXT, close, ended, messages, part};

fn run(stage: &Stage, args: &[&str]) -> (Option<i32>, String) {
    let output = stage.proxy.run(args);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn inject(stage: &Stage, words: &[&str]) {
    assert_eq!(
        run(stage, &[&["inject", "1"], words].concat()),
        (Some(0), String::new()),
        "{words:?}"
    );
}

#[test]
fn either_peer_gets_it_and_it_is_on_record() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open();
    inject(&stage, &["--to", "server", "--text", "héllo"]);
    server.hears(TEXT, "héllo".as_bytes());
    inject(&stage, &["--to", "client", "--text", ""]);
    client.hears(TEXT, b"");
    inject(&stage, &["--to", "client", "--base64", "/w=="]);
    client.hears(BINARY, b"\xff");
    inject(&stage, &["--to", "server", "--ping"]);
    server.hears(PING, b"");
    client.send(TEXT, b"as ever");
    server.hears(TEXT, b"as ever");
    part(client, server);
    ended(&stage.proxy, "1");
    let rows: Vec<Value> = messages(&stage.proxy, "1")
        .iter()
        .map(|message| {
            json!([
                message["direction"],
                message["kind"],
                message["fate"],
                message["decided_by"]
            ])
        })
        .collect();
    assert_eq!(
        rows[..5],
        [
            json!(["send", "text", "injected", "inject"]),
            json!(["receive", "text", "injected", "inject"]),
            json!(["receive", "binary", "injected", "inject"]),
            json!(["send", "ping", "injected", "inject"]),
            json!(["send", "text", "sent", null]),
        ]
    );
}

#[test]
fn a_message_of_the_peer_is_not_broken_up() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open();
    let frame = client.frame(TEXT & !FIN, b"first half, ");
    let (one, other) = frame.split_at(8);
    std::io::Write::write_all(&mut client.tcp, one).unwrap();
    server.reads(one);
    // The command answers when the message is taken, which is before it can leave.
    inject(&stage, &["--to", "server", "--text", "own"]);
    std::io::Write::write_all(&mut client.tcp, other).unwrap();
    server.reads(other);
    inject(&stage, &["--to", "server", "--ping"]);
    server.hears(PING, b"");
    client.send(FIN, b"second half");
    server.hears(FIN, b"second half");
    server.hears(TEXT, b"own");
    part(client, server);
}

#[test]
fn a_message_that_its_sender_does_not_end_holds_up_only_so_many() {
    let stage = Stage::new(&["limits.held_messages_max=2"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT & !FIN, b"for ever ");
    server.hears(TEXT & !FIN, b"for ever ");
    for text in ["one", "two"] {
        inject(&stage, &["--to", "server", "--text", text]);
    }
    let (code, said) = run(&stage, &["inject", "1", "--to", "server", "--text", "three"]);
    assert!(
        code == Some(1) && said.contains("limits.held_messages_max"),
        "{code:?} {said}"
    );
    inject(&stage, &["--to", "client", "--text", "the other way"]);
    client.hears(TEXT, b"the other way");
    client.send(FIN, b"and ever");
    server.hears(FIN, b"and ever");
    server.hears(TEXT, b"one");
    server.hears(TEXT, b"two");
    inject(&stage, &["--to", "server", "--text", "three"]);
    server.hears(TEXT, b"three");
    part(client, server);
}

#[test]
fn it_goes_uncompressed_where_messages_are_compressed() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open_with("permessage-deflate");
    // "Hello" (RFC 7692 §7.2.3.1), and again with the window of the first.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    client.send(TEXT | RSV1, &hello);
    server.hears(TEXT | RSV1, &hello);
    inject(&stage, &["--to", "server", "--text", "plain"]);
    server.hears(TEXT, b"plain");
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    client.send(TEXT | RSV1, &again);
    server.hears(TEXT | RSV1, &again);
    part(client, server);
    ended(&stage.proxy, "1");
    let bodies: Vec<Value> = messages(&stage.proxy, "1").iter().map(|m| m["body"].clone()).collect();
    assert_eq!(bodies[..3], ["Hello", "plain", "Hello"]);
}

#[test]
fn a_close_goes_to_one_peer_and_its_answer_to_the_other() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open();
    inject(&stage, &["--to", "client", "--close", "4001", "--reason", "a test"]);
    client.hears(CLOSE, &close(4001, "a test"));
    client.send(CLOSE, &close(4001, ""));
    server.hears(CLOSE, &close(4001, ""));
    server.send(CLOSE, &close(4001, ""));
    server.shut();
    client.shut();
    assert_eq!((client.hear(), server.hear()), (Heard::Fin, Heard::Fin));
    let flow = ended(&stage.proxy, "1");
    assert_eq!(flow["close"], json!({"by": "proxy", "code": 4001, "reason": "a test"}));
}

#[test]
fn what_cannot_be_done_is_said() {
    let rule = r#"safety.input.rules=[{id="no-drop", pattern="(?i)drop table"}]"#;
    let stage = Stage::new(&[rule, "limits.message_bytes_max=1000"]);
    let (client, server) = stage.open();
    let long = "x".repeat(1001);
    for (words, code, says) in [
        (&["9", "--to", "server", "--text", "x"][..], 3, "the flow 9 is not open"),
        (
            &["1", "--to", "server", "--close", "1006"],
            2,
            "`code` is none that a peer may send",
        ),
        (&["1", "--to", "server", "--text", &long], 1, "limits.message_bytes_max"),
        (
            &["1", "--to", "server", "--text", "DROP TABLE x"],
            1,
            "the safety rule no-drop blocks",
        ),
        (&["1", "--to", "nobody", "--text", "x"], 2, "nobody"),
        (&["1", "--to", "server"], 2, "required"),
        (
            &["1", "--to", "server", "--ping", "--text", "x"],
            2,
            "cannot be used with",
        ),
    ] {
        let (exit, said) = run(&stage, &[&["inject"], words].concat());
        assert!(exit == Some(code) && said.contains(says), "{words:?}: {exit:?} {said}");
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let (exit, said) = run(&stage, &["inject", "1", "--to", "server", "--text", "x"]);
    assert!(
        exit == Some(3) && said.contains("the flow 1 is not open"),
        "{exit:?} {said}"
    );
}
