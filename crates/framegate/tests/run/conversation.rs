//! A conversation through the binary, and what the commands show of it.

use serde_json::{Value, json};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::stage::{Proxy, connect, echo_server, framegate, upgrade};

fn converse(mut client: WebSocket<std::net::TcpStream>) {
    for message in [
        Message::text("Grüße"),
        Message::binary(vec![0, 255]),
        Message::Ping("are you there?".into()),
    ] {
        client.send(message.clone()).unwrap();
        let answer = client.read().unwrap();
        match message {
            Message::Ping(payload) => assert_eq!(answer, Message::Pong(payload)),
            message => assert_eq!(answer, message),
        }
    }
    client
        .close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: "bye".into(),
        }))
        .unwrap();
    while client.read().is_ok() {}
}

/// Direction, kind, and body or raw bytes of each message behind the upgrade.
fn heard(messages: &[Value]) -> Vec<(&str, &str, &Value)> {
    messages[2..]
        .iter()
        .map(|message| {
            let payload = if message["body"].is_null() { "raw_bytes" } else { "body" };
            (
                message["direction"].as_str().unwrap(),
                message["kind"].as_str().unwrap(),
                &message[payload],
            )
        })
        .collect()
}

#[test]
fn what_was_said_at_any_door_is_on_record() {
    let server = echo_server();
    let mut proxy = Proxy::start(&["--mode", &format!("reverse:http://{server}@:0")]);
    converse(proxy.websocket(server));
    converse(upgrade(connect(proxy.addr("reverse")), proxy.addr("reverse")));
    // Of the running proxy first, then of the record that it left.
    for round in 0..2 {
        let flows = proxy.json(&["flows", "--json"]);
        let brief = |flow: &Value| json!([flow["mode"], flow["url"], flow["state"], flow["close"]["reason"]]);
        let url = format!("ws://{server}/chat");
        assert_eq!(
            flows.iter().map(brief).collect::<Vec<_>>(),
            [
                json!(["regular", url, "complete", "bye"]),
                json!(["reverse", url, "complete", "bye"])
            ]
        );
        for flow in &flows {
            let messages = proxy.json(&["messages", flow["flow_id"].as_str().unwrap(), "--json"]);
            let (text, binary, ping) = (json!("Grüße"), json!("AP8="), json!("YXJlIHlvdSB0aGVyZT8="));
            let close = json!("A+hieWU=");
            let expected = [
                ("send", "text", &text),
                ("receive", "text", &text),
                ("send", "binary", &binary),
                ("receive", "binary", &binary),
                ("send", "ping", &ping),
                ("receive", "pong", &ping),
                ("send", "close", &close),
                ("receive", "close", &close),
            ];
            assert_eq!(heard(&messages), expected);
            assert_eq!(messages[0]["kind"], "upgrade_request");
        }
        if round == 0 {
            proxy.stop();
        }
    }
}

#[test]
fn with_recording_off_messages_pass_and_none_is_kept() {
    let mut proxy = Proxy::start(&["--set", "record.enabled=false"]);
    converse(proxy.websocket(echo_server()));
    assert_eq!(proxy.json(&["flows", "--json"]), Vec::<Value>::new());
    proxy.stop();
    assert!(!proxy.home.path().join(".framegate/framegate.db").exists());
}

#[test]
fn the_demo_shows_a_recorded_conversation() {
    let home = tempfile::tempdir().unwrap();
    let output = framegate(home.path()).arg("demo").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{shown}");
    for words in [
        "upgrade_request",
        "世界",
        "00 01 fe ff",
        "was compressed",
        "pong",
        "1000 bye",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "it left something behind"
    );

    for id in ["1", "2"] {
        let output = framegate(home.path())
            .args(["demo", "--data-dir", "kept"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let messages = framegate(home.path())
            .args(["messages", id, "--json", "--data-dir", "kept"])
            .output()
            .unwrap();
        assert_eq!(text(&messages.stdout).lines().count(), 14);
    }
}
