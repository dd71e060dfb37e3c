//! JSON Schema between real peers: what has not the form does not pass, however it is sent, and its values are nowhere.

use std::io::Write as _;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::peers::{BINARY, End, FIN, Stage, TEXT, accepted, both_are_closed, ended, messages, part};
use crate::stage::{Proxy, connect};

const FORM: &str = r#"{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}"#;

fn stage(schema: &str, more: &[&str]) -> Stage {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("form.json"), FORM).unwrap();
    let schema = format!("schemas=[{{id='form', path='form.json', {schema}}}]");
    Stage::in_home(home, &[&[schema.as_str()], more].concat())
}

fn judged(row: &Value) -> Value {
    let metadata = &row["metadata"];
    json!([
        row["fate"],
        row["decided_by"],
        metadata["schema_error"],
        metadata["schema_at"]
    ])
}

#[test]
fn what_has_not_the_form_is_on_record_and_reaches_nobody() {
    let stage = stage("when='path == \"/chat\"'", &[]);
    let (mut client, mut server) = stage.open();
    for text in [r#"{"a":"x"}"#, "hello", r#"{"a":1,"a":"x"}"#] {
        client.send(TEXT, text.as_bytes());
    }
    client.send(BINARY, br#"{"a":1}"#);
    // In fragments, the first of which would have the form.
    client.send(TEXT & !FIN, br#"{"a":1}"#);
    client.send(FIN, b" {}");
    client.send(TEXT, br#"{"a":1}"#);
    server.hears(TEXT, br#"{"a":1}"#);
    // The other direction is none of its business.
    server.send(TEXT, b"hello");
    client.hears(TEXT, b"hello");
    part(client, server);
    ended(&stage.proxy, "1");
    let rows = messages(&stage.proxy, "1");
    let blocked = |error: &str, at: Value| json!(["blocked", "schema:form", error, at]);
    let seen: Vec<Value> = rows
        .iter()
        .filter(|row| row["direction"] == "send")
        .take(6)
        .map(judged)
        .collect();
    assert_eq!(
        seen,
        [
            blocked("/properties/a/type", json!("/a")),
            blocked("no JSON", Value::Null),
            blocked("a key twice", Value::Null),
            blocked("binary", Value::Null),
            blocked("no JSON", Value::Null),
            json!(["sent", null, null, null]),
        ]
    );
}

#[test]
fn a_schema_may_close_or_only_say_so_and_let_binary_pass() {
    let close = stage("action='close'", &[]);
    let (mut client, mut server) = close.open();
    client.send(TEXT, b"{}");
    assert_eq!(
        both_are_closed(&mut client, &mut server, 1008),
        "not as its schema wants it"
    );
    let only = stage("action='log_only', direction='both'", &[]);
    let (mut client, mut server) = only.open();
    client.send(TEXT, b"{}");
    server.hears(TEXT, b"{}");
    server.send(BINARY, b"x");
    client.hears(BINARY, b"x");
    part(client, server);
    ended(&only.proxy, "1");
    let rows = messages(&only.proxy, "1");
    let logged = rows.iter().filter(|row| row["metadata"]["schema_logged"] == "true");
    assert_eq!(logged.count(), 2);
    let pass = stage("binary='pass'", &[]);
    let (mut client, mut server) = pass.open();
    client.send(BINARY, b"x");
    server.hears(BINARY, b"x");
}

#[test]
fn nobody_makes_of_a_message_what_its_schema_does_not_want() {
    let rewrite = "rewrite=[{id='r', literal='1', replacement='\"x\"'}]";
    let stage = stage("direction='send'", &[rewrite]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, br#"{"a":1}"#);
    client.send(TEXT, br#"{"a":2}"#);
    server.hears(TEXT, br#"{"a":2}"#);
    part(client, server);
    ended(&stage.proxy, "1");
    let row = &messages(&stage.proxy, "1")[0];
    assert_eq!(
        judged(row),
        json!(["blocked", "rewrite:r, schema:form", "/properties/a/type", "/a"])
    );
}

#[test]
fn a_file_that_has_changed_is_read_again_and_one_that_is_wrong_changes_nothing() {
    let stage = stage("direction='send'", &[]);
    let path = stage.proxy.home.path().join("form.json");
    std::fs::write(&path, "{\"type\": 7}").unwrap();
    stage.proxy.signal(Signal::HUP);
    stage.proxy.wait_for_log("nothing changed");
    assert!(
        stage.proxy.log().contains("schemas[1]: form.json: it is no schema"),
        "{}",
        stage.proxy.log()
    );
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"[]");
    client.send(TEXT, br#"{"a":1}"#);
    server.hears(TEXT, br#"{"a":1}"#);
    std::fs::write(&path, "{\"type\": \"array\"}").unwrap();
    stage.proxy.signal(Signal::HUP);
    stage.proxy.wait_for_log("the configuration was reloaded");
    client.send(TEXT, br#"{"a":1}"#);
    client.send(TEXT, b"[]");
    server.hears(TEXT, b"[]");
    part(client, server);
}

#[test]
fn a_schema_of_a_route_is_for_its_websockets_however_their_path_is_written() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("form.json"), FORM).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mode = format!("reverse:http://{}@:0", listener.local_addr().unwrap());
    let args = [
        "--mode",
        &mode,
        "--set",
        "schemas=[{id='form', path='form.json', route='chat', action='close'}]",
        "--set",
        "routes=[{id='chat', path='/chat'}]",
    ];
    let proxy = Proxy::start_in(home, &args);
    let open = |path: &str| {
        let mut client = End::client(connect(proxy.addr("reverse")));
        write!(
            client.tcp,
            "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut server = accepted(&listener);
        server.http_head();
        server.agrees("");
        assert!(client.http_head().starts_with("HTTP/1.1 101 "));
        client.send(TEXT, b"{}");
        (client, server)
    };
    for path in ["/chat", "/%63hat", "//chat;a/b"] {
        let (mut client, mut server) = open(path);
        assert_eq!(
            both_are_closed(&mut client, &mut server, 1008),
            "not as its schema wants it",
            "{path}"
        );
    }
    let (client, mut server) = open("/chats");
    server.hears(TEXT, b"{}");
    part(client, server);
}

#[test]
fn a_schema_of_a_route_that_is_not_there_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("form.json"), FORM).unwrap();
    std::fs::write(
        home.path().join("f.toml"),
        "[[schemas]]\nid = 'a'\npath = 'form.json'\nroute = 'chat'\n[[routes]]\nid = 'chats'\n",
    )
    .unwrap();
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_framegate"))
        .args(["config", "check", "f.toml"])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(2));
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(said.contains("schemas[1].route (f.toml"), "{said}");
}
