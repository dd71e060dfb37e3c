//! Plugins, each example among them, between real peers.

use std::path::Path;

use serde_json::{Value, json};

use crate::api::ask;
use crate::peers::{BINARY, Heard, RSV1, Stage, TEXT, both_are_closed, ended, messages, part};
use crate::stage::wait_for;

/// A plugin's setting, for a file in `examples/plugins/`.
fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/plugins")
        .join(name);
    format!("plugins=[{{path={path:?}}}]")
}

/// A proxy with one plugin of this text, and what else its setting says.
fn scripted(script: &str, more: &str) -> Stage {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("mine.star"), script).unwrap();
    Stage::in_home(home, &[&format!("plugins=[{{path=\"mine.star\"{more}}}]")])
}

fn rows(stage: &Stage) -> Vec<Value> {
    ended(&stage.proxy, "1");
    messages(&stage.proxy, "1")
}

#[test]
fn each_hook_has_an_example_that_does_what_it_says() {
    let stage = Stage::new(&[&example("add_trace.star")]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, br#"{"type": "order"}"#);
    server.hears(TEXT, br#"{"type":"order","trace":"1-2"}"#);
    part(client, server);
    assert_eq!(rows(&stage)[0]["decided_by"], "plugin:add_trace");

    let stage = Stage::new(&[&example("drop_repeats.star")]);
    let (mut client, mut server) = stage.open();
    for word in ["a", "a", "b", "b", "a"] {
        server.send(TEXT, word.as_bytes());
    }
    for word in ["a", "b", "a"] {
        client.hears(TEXT, word.as_bytes());
    }
    part(client, server);
    assert_eq!(rows(&stage)[1]["fate"], "dropped");

    let stage = Stage::new(&[&example("redact_cards.star")]);
    let (mut client, mut server) = stage.open();
    server.send(TEXT, b"pay with 4111 1111 1111 1111 or 4111 1111 1111 1112");
    client.hears(TEXT, b"pay with **** **** **** 1111 or 4111 1111 1111 1112");
    part(client, server);

    let stage = Stage::new(&[&example("require_login.star")]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, br#"{"type":"login","token":"t"}"#);
    server.hears(TEXT, br#"{"type":"login","token":"t"}"#);
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    part(client, server);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hello");
    assert_eq!(both_are_closed(&mut client, &mut server, 4401), "log in first");
}

#[test]
fn both_stages_of_both_directions_are_called_in_order() {
    let script = r#"
def on_receive_from_client(message):
    return message.text + " 1"
def on_before_send_to_server(message):
    return message.text + " 2"
def on_receive_from_server(message):
    return bytes([1]) + message.bytes
def on_before_send_to_client(message):
    return message.bytes + bytes([2])
"#;
    let stage = scripted(script, "");
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"from the client");
    server.hears(TEXT, b"from the client 1 2");
    server.send(BINARY, b"\xff");
    client.hears(BINARY, b"\x01\xff\x02");
    part(client, server);
    let rows = rows(&stage);
    assert_eq!(
        json!([rows[0]["decided_by"], rows[0]["original"]["body"]]),
        json!(["plugin:mine, plugin:mine", "from the client"])
    );
}

#[test]
fn a_failing_plugin_is_skipped_or_ends_the_flow_and_is_counted() {
    let script = "def on_receive_from_client(message):\n    return fail(\"no\") if message.text == \"\" else None\n";
    let stage = scripted(script, "");
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"");
    server.hears(TEXT, b"");
    client.send(TEXT, b"fine");
    server.hears(TEXT, b"fine");
    part(client, server);
    let rows = rows(&stage);
    assert!(
        rows[0]["metadata"]["plugin_failed"]
            .as_str()
            .unwrap()
            .starts_with("mine: "),
        "{}",
        rows[0]
    );
    assert_eq!(rows[1]["metadata"]["plugin_failed"], Value::Null);
    let plugins = &ask(&stage, "GET", "status", b"").1["plugins"];
    assert_eq!(
        *plugins,
        json!([{"id": "mine", "calls": 2, "failures": 1, "replaced": 0, "dropped": 0, "closed": 0}])
    );

    let stage = scripted(
        "def on_receive_from_client(message):\n    fail(\"no\")\n",
        ", on_error=\"close\"",
    );
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"x");
    assert_eq!(both_are_closed(&mut client, &mut server, 1011), "a plugin failed");
}

#[test]
fn what_a_plugin_makes_too_long_is_discarded() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("mine.star"),
        "def on_receive_from_client(message):\n    return message.text * 3\n",
    )
    .unwrap();
    let stage = Stage::in_home(
        home,
        &["plugins=[{path=\"mine.star\"}]", "limits.message_bytes_max=1000"],
    );
    let (mut client, mut server) = stage.open();
    let text = "x".repeat(400);
    client.send(TEXT, text.as_bytes());
    server.hears(TEXT, text.as_bytes());
    part(client, server);
    let row = &rows(&stage)[0];
    assert_eq!(json!([row["fate"], row["decided_by"]]), json!(["sent", null]));
    assert!(
        row["metadata"]["replacement_discarded"]
            .as_str()
            .unwrap()
            .contains("1200 bytes"),
        "{row}"
    );
}

#[test]
fn a_file_that_changes_is_read_again_and_a_bad_one_is_not_taken() {
    let stage = scripted("def on_receive_from_client(message):\n    return \"one\"\n", "");
    let path = stage.proxy.home.path().join("mine.star");
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"x");
    server.hears(TEXT, b"one");
    let both = "def on_receive_from_client(message):\n    return \"two\"\n\ndef on_receive_from_server(message):\n    return \"three\"\n";
    std::fs::write(&path, both).unwrap();
    stage.proxy.wait_for_log("the plugin mine was loaded again");
    client.send(TEXT, b"x");
    server.hears(TEXT, b"two");
    // A hook that was not there when the connection opened.
    wait_for("the new hook", || {
        server.send(TEXT, b"x");
        matches!(client.hear(), Heard::Frame(frame) if frame.payload == b"three").then_some(())
    });
    std::fs::write(&path, "def on_receive_from_client(message)\n").unwrap();
    stage.proxy.wait_for_log("the plugin mine stays as it was");
    client.send(TEXT, b"x");
    server.hears(TEXT, b"two");
    part(client, server);
}

#[test]
fn a_plugin_sees_what_was_compressed_and_in_fragments_as_one_text() {
    let stage = scripted(
        "def on_receive_from_client(message):\n    return drop() if message.text == \"Hello\" else None\n",
        "",
    );
    let (mut client, mut server) = stage.open_with("permessage-deflate");
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    client.send(RSV1 | 1, &hello[..3]);
    client.send(0x89, b"between");
    server.hears(0x89, b"between");
    client.send(0x80, &hello[3..]);
    client.send(TEXT, b"after");
    server.hears(TEXT, b"after");
    part(client, server);
    assert_eq!(rows(&stage)[1]["fate"], "dropped");
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("mine.star"),
        "def on_recieve_from_client(message):\n    return None\n",
    )
    .unwrap();
    let output = crate::stage::framegate(home.path())
        .args(["run", "--control", ":0", "--set", "plugins=[{path=\"mine.star\"}]"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("plugins[1]") && said.contains("on_receive_from_client"),
        "{said}"
    );
}
