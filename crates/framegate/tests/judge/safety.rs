//! The safety filter between real peers: what a rule stops, what is on record of it, and that nobody at the proxy can
//! say for a client what it may not say itself.

use serde_json::{Value, json};

use crate::api::ask;
use crate::peers::{BINARY, CLOSE, End, Heard, PING, Stage, TEXT, both_are_closed, close, ended, messages, part};
use crate::stage::wait_for;

/// Blocks two words in a row, in any case.
pub(crate) const BLOCK: &str = r"safety.input.rules=[{id='no-drop', pattern='(?i)drop\s+table'}]";
pub(crate) const ATTACK: &str = "DROP TABLE users";

/// All that a server gets: first bytes and payloads of the frames. It answers a Close and ends its stream behind it.
pub(crate) fn all_heard(server: &mut End) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let Heard::Frame(frame) = server.hear() {
        if frame.first == CLOSE {
            server.send(CLOSE, &frame.payload);
            server.shut();
        }
        all.push((frame.first, frame.payload));
    }
    all
}

/// A message on record: kind, fate, who decided, and what is said of the rule.
fn judged(message: &Value) -> Value {
    let metadata = &message["metadata"];
    json!([
        message["kind"],
        message["body"],
        message["fate"],
        message["decided_by"],
        metadata["safety_rule_id"],
        metadata["safety_matched_on"],
    ])
}

fn rows(stage: &Stage) -> Vec<Value> {
    ended(&stage.proxy, "1");
    messages(&stage.proxy, "1")
}

#[test]
fn what_a_rule_stops_is_on_record_and_reaches_nobody() {
    let rules = r#"safety.input.rules=[
        {id="pattern", pattern='(?i)forbidden'},
        {id="condition", when='json.type == "admin"'},
        {id="both", pattern="secret", when='json.type == "order"'},
        {id="noted", pattern="noted", action="log_only"},
    ]"#
    .replace('\n', " ");
    let stage = Stage::new(&[r#"safety.input.presets=["destructive-sql"]"#, &rules]);
    let (mut client, mut server) = stage.open();
    let texts = [
        "Forbidden word",
        r#"{"type":"admin"}"#,
        r#"{"type":"order","a":"secret"}"#,
        r#"{"type":"other","a":"secret"}"#,
        "noted",
        "noted, and forbidden",
        "drop table users",
        "last",
    ];
    for text in texts {
        client.send(TEXT, text.as_bytes());
    }
    for at in [3, 4, 7] {
        server.hears(TEXT, texts[at].as_bytes());
    }
    // Neither of these is looked at here.
    client.send(BINARY, b"forbidden");
    server.hears(BINARY, b"forbidden");
    server.send(TEXT, b"forbidden");
    client.hears(TEXT, b"forbidden");
    part(client, server);
    let rows = rows(&stage);
    let stopped =
        |at: usize, rule: &str, on: &str| json!(["text", texts[at], "blocked", format!("safety:{rule}"), rule, on]);
    let passed = |at: usize| json!(["text", texts[at], "sent", null, null, null]);
    let expected = [
        stopped(0, "pattern", "Forbidden"),
        stopped(1, "condition", r#"json.type == "admin""#),
        stopped(2, "both", "secret"),
        passed(3),
        json!(["text", "noted", "sent", null, "noted", "noted"]),
        stopped(5, "pattern", "forbidden"),
        stopped(6, "destructive-sql/drop", "drop table u"),
        passed(7),
    ];
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(judged(row), *expected);
    }
    assert_eq!(rows[0]["metadata"]["safety_blocked"], "true");
    let logged = &rows[4]["metadata"];
    assert_eq!(
        json!([logged["safety_logged"], logged["safety_blocked"]]),
        json!(["true", null])
    );
    assert_eq!(rows[5]["metadata"]["safety_logged"], Value::Null);
}

#[test]
fn a_blocked_message_ends_the_conversation_where_that_is_wanted() {
    let stage = Stage::new(&[BLOCK, "safety.input.close=true"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"before");
    client.send(TEXT, ATTACK.as_bytes());
    client.send(TEXT, b"behind");
    server.hears(TEXT, b"before");
    assert_eq!(
        both_are_closed(&mut client, &mut server, 1008),
        "blocked by a safety rule"
    );
    let rows = rows(&stage);
    let facts = |row: &Value| json!([row["body"], row["fate"], row["decided_by"]]);
    assert_eq!(facts(&rows[1]), json!([ATTACK, "blocked", "safety:no-drop"]));
    assert_eq!(facts(&rows[2]), json!(["behind", "dropped", null]));
}

#[test]
fn binary_messages_and_those_of_the_server_are_looked_at_where_that_is_wanted() {
    let stage = Stage::new(&[BLOCK, "safety.input.binary=true", "safety.input.receive=true"]);
    let (mut client, mut server) = stage.open();
    client.send(BINARY, b"\xff\x00drop\ttable\xfe");
    server.send(TEXT, ATTACK.as_bytes());
    server.send(BINARY, ATTACK.as_bytes());
    client.send(TEXT, b"fine");
    server.send(TEXT, b"fine");
    server.hears(TEXT, b"fine");
    client.hears(TEXT, b"fine");
    part(client, server);
    let blocked = rows(&stage).iter().filter(|row| row["fate"] == "blocked").count();
    assert_eq!(blocked, 3);
}

#[test]
fn what_is_made_of_a_message_is_looked_at_again() {
    let script = "def on_before_send_to_server(message):\n    \
                  return \"drop table b\" if message.text == \"plugin\" else None\n";
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("mine.star"), script).unwrap();
    let stage = Stage::in_home(
        home,
        &[
            BLOCK,
            "plugins=[{path=\"mine.star\"}]",
            r#"rewrite=[{id="r", literal="rewrite", replacement="drop table a"}]"#,
            r#"intercept.rules=[{id="h", payload="hold"}]"#,
        ],
    );
    let (mut client, mut server) = stage.open();
    for text in ["rewrite", "plugin", "hold"] {
        client.send(TEXT, text.as_bytes());
    }
    wait_for("a held message", || {
        (ask(&stage, "GET", "held", b"").1["id"] == "1").then_some(())
    });
    assert_eq!(ask(&stage, "POST", "modify?id=1", b"drop table c").0, 200);
    client.send(TEXT, b"fine");
    server.hears(TEXT, b"fine");
    part(client, server);
    let rows = rows(&stage);
    for (row, came, by, on) in [
        (&rows[0], "rewrite", "rewrite:r, safety:no-drop", "drop table"),
        (&rows[1], "plugin", "plugin:mine, safety:no-drop", "drop table"),
        (&rows[2], "hold", "intercept, safety:no-drop", "drop table"),
    ] {
        assert_eq!(judged(row), json!(["text", came, "blocked", by, "no-drop", on]));
    }
}

#[test]
fn nobody_at_the_proxy_may_inject_what_a_client_may_not_say() {
    let stage = Stage::new(&[BLOCK, "safety.input.binary=true"]);
    let (mut client, mut server) = stage.open();
    for kind in ["text", "binary"] {
        let path = format!("inject?flow=1&to=server&kind={kind}");
        let (status, problem) = ask(&stage, "POST", &path, br#"{"q":"\u0044rop table users"}"#);
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains("no-drop"),
            "{problem}"
        );
    }
    // The filter looks at what goes to the server.
    assert_eq!(
        ask(&stage, "POST", "inject?flow=1&to=client&kind=text", ATTACK.as_bytes()).0,
        200
    );
    client.hears(TEXT, ATTACK.as_bytes());
    client.send(TEXT, b"fine");
    server.hears(TEXT, b"fine");
    part(client, server);
}

#[test]
fn control_frames_are_not_looked_at() {
    let stage = Stage::new(&[BLOCK]);
    let (mut client, mut server) = stage.open();
    client.send(PING, ATTACK.as_bytes());
    server.hears(PING, ATTACK.as_bytes());
    client.send(CLOSE, &close(1000, ATTACK));
    client.shut();
    assert_eq!(all_heard(&mut server), [(CLOSE, close(1000, ATTACK))]);
}

#[test]
fn what_is_too_long_to_be_read_does_not_pass() {
    let rule = r#"safety.input.rules=[{id="no-drop", pattern="(?i)drop table"}]"#;
    let bytes_max = "safety.input.bytes_max=1000";
    let (fits, long) = ("x".repeat(1000), "x".repeat(1001));
    for (action, passes) in [("block", false), ("log_only", true)] {
        let action = format!("safety.input.action={action}");
        let stage = Stage::new(&[rule, bytes_max, &action]);
        let (mut client, mut server) = stage.open();
        client.send(TEXT, fits.as_bytes());
        server.hears(TEXT, fits.as_bytes());
        client.send(TEXT, long.as_bytes());
        // What is not looked at has no length that is too much.
        server.send(TEXT, long.as_bytes());
        client.hears(TEXT, long.as_bytes());
        if passes {
            server.hears(TEXT, long.as_bytes());
        }
        part(client, server);
        ended(&stage.proxy, "1");
        let rows = messages(&stage.proxy, "1");
        let row = rows
            .iter()
            .find(|row| row["direction"] == "send" && row["size"] == 1001)
            .unwrap();
        assert_eq!(row["fate"], if passes { "sent" } else { "blocked" });
        assert_eq!(row["metadata"]["safety_rule_id"], "too-long");
    }
    let redacted = ["safety.output.presets=email", "safety.output.bytes_max=1000"];
    for (apply_to, passes) in [("record", true), ("forward", false), ("both", false)] {
        let apply_to = format!("safety.output.apply_to={apply_to}");
        let stage = Stage::new(&[redacted[0], redacted[1], &apply_to]);
        let (mut client, mut server) = stage.open();
        server.send(TEXT, long.as_bytes());
        server.send(BINARY, long.as_bytes());
        if passes {
            client.hears(TEXT, long.as_bytes());
        }
        client.hears(BINARY, long.as_bytes());
        part(client, server);
        ended(&stage.proxy, "1");
        let rows = messages(&stage.proxy, "1");
        let row = rows.iter().find(|row| row["kind"] == "text").unwrap();
        assert_eq!(row["fate"], if passes { "sent" } else { "blocked" });
    }
}
