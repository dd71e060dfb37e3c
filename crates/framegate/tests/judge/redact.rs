//! What must not go on record is nowhere: not in a file of the data directory, the log, the index, an export, or what
//! any command and the API say, while the proxy runs and afterwards. The client gets all of it.

use std::fs;
use std::io::Write;

use flate2::{Compress, Compression, FlushCompress};
use serde_json::{Value, json};

use crate::api::ask;
use crate::peers::{BINARY, End, FIN, RSV1, Stage, TEXT, ended, messages, part};
use crate::stage::wait_for;
use crate::traces::{CARD, EMAIL, JWT, KEY, MY_NUMBER, Tail, has_none, nowhere_at_all, pem, secrets};

const PRESETS: &str =
    r#"safety.output.presets=["credit-card","email","phone","japan-my-number","api-key","jwt","private-key"]"#;

pub(crate) fn settings<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [
        &[
            PRESETS,
            "record.payload_bytes_max=400",
            "log.level=trace",
            "limits.close_ms=500",
        ],
        more,
    ]
    .concat()
}

/// Has the server say it, and the client get just that.
pub(crate) fn passes(client: &mut End, server: &mut End, first: u8, payload: &[u8]) {
    server.send(first, payload);
    let frame = server.frame(first, payload);
    client.reads(&frame);
}

/// What a server may say that has secrets in it, each behind a marker.
fn texts() -> Vec<Vec<u8>> {
    let all = secrets();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}", format!("{KEY}\n").repeat(400));
    let mut texts = vec![
        format!("marker {all}").into_bytes(),
        json!({"marker": all, "n": 4_012_888_888_881_881_u64})
            .to_string()
            .into_bytes(),
        json!({"marker": json!({"inside": all}).to_string()})
            .to_string()
            .into_bytes(),
        br#"{"marker":"maria.top\u0073ecret\u0040example.org","card":"\u0034012888888881881"}"#.to_vec(),
        format!("42[\"marker\",\"{EMAIL}\",{CARD}]").into_bytes(),
        [b"\xff marker ", all.as_bytes(), b" \xfe"].concat(),
        format!("marker {key}").into_bytes(),
    ];
    // The cut is at each place of a secret.
    for secret in [CARD, MY_NUMBER, EMAIL, JWT, &pem()] {
        for at in [1, secret.len() / 2, secret.len() - 1] {
            texts.push(format!("marker {:x<pad$} {secret} end", "", pad = 392 - at).into_bytes());
        }
    }
    texts.push(format!("marker {} {key}", "x ".repeat(190)).into_bytes());
    texts
}

pub(crate) fn squeeze(deflate: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut small = Vec::with_capacity(text.len() + 64);
    deflate.compress_vec(text, &mut small, FlushCompress::Sync).unwrap();
    small.truncate(small.len() - 4);
    small
}

/// Says all of it in one frame each, in fragments, compressed, and leaves in the middle of a message.
fn converse(stage: &Stage) -> usize {
    let (mut client, mut server) = stage.open();
    for text in texts() {
        passes(&mut client, &mut server, TEXT, &text);
    }
    let mut frames = server.frame(TEXT & !FIN, b"marker in fragments: ");
    for piece in secrets().as_bytes().chunks(7) {
        frames.extend(server.frame(0, piece));
    }
    frames.extend(server.frame(FIN, b"."));
    server.tcp.write_all(&frames).unwrap();
    client.reads(&frames);
    part(client, server);
    let (mut client, mut server) = stage.open_with("permessage-deflate");
    let mut deflate = Compress::new(Compression::new(6), false);
    for text in texts() {
        let small = squeeze(&mut deflate, &text);
        passes(&mut client, &mut server, TEXT | RSV1, &small);
    }
    // The end comes in the middle of a message.
    let small = squeeze(&mut deflate, secrets().as_bytes());
    server.send(TEXT & !FIN | RSV1, &small);
    server.shut();
    drop(client);
    for flow in ["1", "2"] {
        ended(&stage.proxy, flow);
    }
    2
}

#[test]
fn where_nobody_judges() {
    let stage = Stage::new(&settings(&[]));
    let tail = Tail::begin(&stage);
    let flows = converse(&stage);
    let rows = messages(&stage.proxy, "1");
    assert_eq!(
        rows[0]["metadata"]["redacted"],
        "email, credit-card, japan-my-number, jwt, private-key"
    );
    for row in rows.iter().filter(|row| row["kind"] == "text") {
        assert_ne!(row["metadata"]["redacted"], Value::Null, "{row}");
    }
    nowhere_at_all(stage, tail, flows, "marker");
}

#[test]
fn where_messages_are_judged() {
    let stage = Stage::new(&settings(&[
        "intercept.rules=[{id=\"none\", payload=\"no such text\"}]",
    ]));
    let tail = Tail::begin(&stage);
    let flows = converse(&stage);
    nowhere_at_all(stage, tail, flows, "marker");
}

#[test]
fn what_judges_hold_change_drop_and_fail_at() {
    let script = r#"
def on_receive_from_server(message):
    if message.text == None:
        return None
    if "DROP" in message.text:
        return drop()
    if "FAIL" in message.text:
        fail(message.text)
    if "LOOKUP" in message.text:
        return {}[message.text]
    if "BYTES" in message.text:
        return message.bytes
    if "NEW" in message.text:
        return bytes([0])
"#;
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("mine.star"), script).unwrap();
    let stage = Stage::in_home(
        home,
        &settings(&[
            "plugins=[{path=\"mine.star\"}]",
            r#"rewrite=[{literal="REWRITE", replacement="rewritten"}, {literal="GONE maria.topsecret", replacement="x"}]"#,
            r#"intercept.rules=[{id="hold", payload="HOLD"}]"#,
        ]),
    );
    let tail = Tail::begin(&stage);
    let (mut client, mut server) = stage.open();
    let all = secrets();
    let said = |word: &str| format!("marker {word} {all}");
    for word in ["DROP", "FAIL", "LOOKUP", "BYTES", "NEW", "REWRITE", "GONE", "HOLD"] {
        server.send(TEXT, said(word).as_bytes());
    }
    for word in ["FAIL", "LOOKUP"] {
        client.hears(TEXT, said(word).as_bytes());
    }
    client.hears(BINARY, said("BYTES").as_bytes());
    client.hears(BINARY, &[0]);
    client.hears(TEXT, said("rewritten").as_bytes());
    client.hears(TEXT, said("GONE").replace("GONE maria.topsecret", "x").as_bytes());
    wait_for("a held message", || {
        (ask(&stage, "GET", "held", b"").1["id"] == "1").then_some(())
    });
    for args in [&["intercept", "list"][..], &["intercept", "list", "--json"]] {
        let output = stage.proxy.run(args);
        has_none(&format!("{args:?}"), &output.stdout);
        assert!(String::from_utf8(output.stdout).unwrap().contains("[redacted:email]"));
    }
    has_none("the API", ask(&stage, "GET", "held", b"").1.to_string().as_bytes());
    assert_eq!(ask(&stage, "POST", "release?id=1", b"").0, 200);
    client.hears(TEXT, said("HOLD").as_bytes());
    part(client, server);
    ended(&stage.proxy, "1");
    let rows = messages(&stage.proxy, "1");
    let failed = rows[1]["metadata"]["plugin_failed"].as_str().unwrap();
    assert!(failed.starts_with("mine: line 8, column"), "{failed}");
    nowhere_at_all(stage, tail, 1, "marker");
}

#[test]
fn what_the_safety_filter_stops() {
    let stage = Stage::new(&settings(&[
        r#"safety.input.presets=["secrets"]"#,
        "safety.input.receive=true",
        "safety.input.binary=true",
        r#"safety.input.rules=[{id="mail", pattern='\w+\.topsecret@'}, {id="card", pattern='4\d{15}', action="log_only"}]"#,
    ]));
    let tail = Tail::begin(&stage);
    let (mut client, mut server) = stage.open();
    server.send(TEXT, format!("marker {}", secrets()).as_bytes());
    server.send(TEXT, format!("marker {EMAIL}").as_bytes());
    server.send(TEXT, format!("marker {CARD}").as_bytes());
    client.hears(TEXT, format!("marker {CARD}").as_bytes());
    part(client, server);
    ended(&stage.proxy, "1");
    let rows = messages(&stage.proxy, "1");
    let fates: Vec<_> = rows[..3]
        .iter()
        .map(|row| json!([row["fate"], row["metadata"]["safety_matched_on"]]))
        .collect();
    assert_eq!(
        fates,
        [
            json!(["blocked", "[redacted]"]),
            json!(["blocked", "[redacted]"]),
            json!(["sent", "[redacted]"])
        ]
    );
    nowhere_at_all(stage, tail, 1, "marker");
}

#[test]
fn each_of_client_and_record_gets_what_it_should() {
    let came = format!("{EMAIL} pays");
    let redacted = "[redacted:email] pays";
    for (apply_to, arrives, body, original) in [
        ("record", &came[..], redacted, Value::Null),
        ("forward", redacted, redacted, json!({"body": came, "raw_bytes": null})),
        ("both", redacted, redacted, json!({"body": redacted, "raw_bytes": null})),
    ] {
        let stage = Stage::new(&[PRESETS, &format!("safety.output.apply_to={apply_to}")]);
        let (mut client, mut server) = stage.open();
        server.send(TEXT, came.as_bytes());
        client.hears(TEXT, arrives.as_bytes());
        server.send(TEXT, b"nothing of note");
        client.hears(TEXT, b"nothing of note");
        // Neither what a client says nor what is binary is redacted.
        client.send(TEXT, came.as_bytes());
        server.hears(TEXT, came.as_bytes());
        passes(&mut client, &mut server, BINARY, came.as_bytes());
        part(client, server);
        ended(&stage.proxy, "1");
        let rows = messages(&stage.proxy, "1");
        let changed = apply_to != "record";
        let fate = if changed {
            json!(["replaced", "safety:email"])
        } else {
            json!(["sent", null])
        };
        assert_eq!(json!([rows[0]["fate"], rows[0]["decided_by"]]), fate, "{apply_to}");
        assert_eq!(
            (&rows[0]["body"], &rows[0]["original"]),
            (&json!(body), &original),
            "{apply_to}"
        );
        assert_eq!(
            (&rows[1]["fate"], &rows[1]["body"]),
            (&json!("sent"), &json!("nothing of note"))
        );
        assert_eq!(rows[2]["body"], came);
    }
}

#[test]
fn a_cut_text_says_that_it_is_cut() {
    let stage = Stage::new(&[PRESETS, "record.payload_bytes_max=100"]);
    let (mut client, mut server) = stage.open();
    let key = pem();
    for text in [
        format!("{key} short"),
        format!("{} {key} and more", "x".repeat(50)),
        format!("{key} {}", "x".repeat(200)),
    ] {
        passes(&mut client, &mut server, TEXT, text.as_bytes());
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let rows = messages(&stage.proxy, "1");
    let kept: Vec<_> = rows[..3]
        .iter()
        .map(|row| json!([row["body"], row["truncated"]]))
        .collect();
    let spaces = "x".repeat(50);
    assert_eq!(kept[1], json!([format!("{spaces} [redacted:private-key]"), true]));
    assert_eq!(kept[2][1], true);
    // Inside a character.
    let (mut client, mut server) = stage.open();
    for pad in ["", ".", ".."] {
        let text = format!("{pad}{EMAIL} {}", "日本".repeat(50));
        passes(&mut client, &mut server, TEXT, text.as_bytes());
    }
    part(client, server);
    ended(&stage.proxy, "2");
    for row in &messages(&stage.proxy, "2")[..3] {
        assert!(
            row["body"]
                .as_str()
                .is_some_and(|body| body.contains("[redacted:email] 日本")),
            "{row}"
        );
        assert_eq!(row["truncated"], true);
    }
}
