//! Other judges for a WebSocket that is open already.

use flate2::{Compress, Compression, FlushCompress};
use rustix::process::Signal;
use serde_json::json;

use crate::peers::{CLOSE, End, FIN, Heard, RSV1, Stage, TEXT, close, ended, messages, part};
use crate::stage::wait_for;

const CHANGE: &str = "[[rewrite]]\nid = \"x\"\nliteral = \"cat\"\nreplacement = \"dog\"\n";
const HOLD: &str = "[[intercept.rules]]\nid = \"all\"\nopcode = \"text\"\n";

/// A proxy whose file of settings is `framegate.toml` in its home, and empty.
fn stage() -> Stage {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("framegate.toml"), "").unwrap();
    Stage::in_home_with(home, &["--config", "framegate.toml"])
}

fn settings(stage: &Stage, toml: &str) {
    std::fs::write(stage.proxy.home.path().join("framegate.toml"), toml).unwrap();
    let before = stage.proxy.log().matches("the configuration was reloaded").count();
    stage.proxy.signal(Signal::HUP);
    wait_for("the reload", || {
        (stage.proxy.log().matches("the configuration was reloaded").count() > before).then_some(())
    });
}

/// A sender that keeps its window from message to message.
struct Sender(Compress);

impl Sender {
    fn new() -> Self {
        Self(Compress::new(Compression::new(6), false))
    }

    fn squeeze(&mut self, text: &str) -> Vec<u8> {
        let mut small = Vec::with_capacity(text.len() + 64);
        self.0
            .compress_vec(text.as_bytes(), &mut small, FlushCompress::Sync)
            .unwrap();
        small.truncate(small.len() - 4);
        small
    }
}

fn reads(end: &mut End, inflate: &mut flate2::Decompress) -> String {
    let Heard::Frame(frame) = end.hear() else {
        panic!("no frame")
    };
    assert_eq!(frame.first, TEXT | RSV1);
    let small = [frame.payload, vec![0, 0, 0xff, 0xff]].concat();
    let mut plain = Vec::with_capacity(4096);
    inflate
        .decompress_vec(&small, &mut plain, flate2::FlushDecompress::Sync)
        .unwrap();
    String::from_utf8(plain).unwrap()
}

#[test]
fn from_the_next_message_on_the_new_ones_judge() {
    let stage = stage();
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"cat");
    server.hears(TEXT, b"cat");
    // In the middle of a message nothing changes for it.
    client.send(TEXT & !FIN, b"cat, ");
    server.hears(TEXT & !FIN, b"cat, ");
    settings(&stage, CHANGE);
    client.send(FIN, b"cat");
    server.hears(FIN, b"cat");
    client.send(TEXT, b"cat");
    server.hears(TEXT, b"dog");
    settings(&stage, HOLD);
    client.send(TEXT, b"held");
    wait_for("a held message", || {
        (stage.proxy.json(&["intercept", "list", "--json"]).len() == 1).then_some(())
    });
    // Who has it still answers for it.
    settings(&stage, CHANGE);
    client.send(TEXT, b"cat behind");
    assert_eq!(stage.proxy.run(&["intercept", "release", "1"]).status.code(), Some(0));
    server.hears(TEXT, b"held");
    server.hears(TEXT, b"dog behind");
    settings(&stage, "");
    client.send(TEXT, b"cat");
    server.hears(TEXT, b"cat");
    part(client, server);
    ended(&stage.proxy, "1");
    let decided: Vec<_> = messages(&stage.proxy, "1")
        .iter()
        .map(|message| message["decided_by"].clone())
        .collect();
    assert_eq!(
        decided[..6],
        [
            json!(null),
            json!(null),
            json!("rewrite:x"),
            json!("intercept"),
            json!("rewrite:x"),
            json!(null)
        ]
    );
}

#[test]
fn judges_that_come_during_the_upgrade_judge_from_the_first_message_on() {
    let stage = stage();
    let (mut client, mut server, _) = stage.ask("", b"");
    settings(&stage, CHANGE);
    server.agrees("");
    client.http_head();
    client.send(TEXT, b"cat");
    server.hears(TEXT, b"dog");
    part(client, server);
}

#[test]
fn new_judges_hold_nothing_for_a_peer_that_has_said_close() {
    let stage = stage();
    let (mut client, mut server) = stage.open();
    server.send(CLOSE, &close(1000, ""));
    client.hears(CLOSE, &close(1000, ""));
    settings(&stage, HOLD);
    client.send(TEXT, b"late");
    server.hears(TEXT, b"late");
}

#[test]
fn what_is_redacted_changes_too() {
    const REDACT: &str = "[safety.output]\napply_to = \"record\"\n\
                          [[safety.output.rules]]\nid = \"pin\"\npattern = \"[0-9]{4}\"\n";
    let stage = stage();
    let (mut client, mut server) = stage.open();
    for (toml, number) in [("", 1111), (REDACT, 2222), ("", 3333)] {
        settings(&stage, toml);
        server.send(TEXT, number.to_string().as_bytes());
        client.hears(TEXT, number.to_string().as_bytes());
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let said: Vec<_> = messages(&stage.proxy, "1")[..3]
        .iter()
        .map(|message| message["body"].clone())
        .collect();
    assert_eq!(json!([said[0], said[2]]), json!(["1111", "3333"]));
    assert!(!said[1].as_str().unwrap().contains("2222"), "{said:?}");
}

#[test]
fn what_cannot_be_read_passes_but_nobody_here_may_say_what_a_rule_blocks() {
    const BLOCK: &str = "[[safety.input.rules]]\nid = \"no-cat\"\npattern = \"cat\"\n";
    let stage = stage();
    let (mut client, mut server, _) = stage.ask("x-secret", b"");
    server.agrees("x-secret");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    settings(&stage, BLOCK);
    client.send(TEXT | 0x20, b"cat");
    server.hears(TEXT | 0x20, b"cat");
    stage.proxy.wait_for_log("uses an extension that cannot be read");
    let inject = |text| stage.proxy.run(&["inject", "1", "--to", "server", "--text", text]);
    let refused = inject("cat");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("no-cat"));
    assert_eq!(inject("dog").status.code(), Some(0));
    server.hears(TEXT, b"dog");
    part(client, server);
}

#[test]
fn what_was_compressed_before_can_be_read_on() {
    for recorded in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let enabled = format!("[record]\nenabled = {recorded}\n");
        std::fs::write(home.path().join("framegate.toml"), &enabled).unwrap();
        let stage = Stage::in_home_with(home, &["--config", "framegate.toml"]);
        let (mut client, mut server) = stage.open_with("permessage-deflate");
        let (mut sender, mut inflate) = (Sender::new(), flate2::Decompress::new(false));
        let said =
            |n: u32| format!("the cat number {n} and all the words that every message has in common with the others");
        for n in 0..20 {
            client.send(TEXT | RSV1, &sender.squeeze(&said(n)));
            assert_eq!(reads(&mut server, &mut inflate), said(n));
        }
        settings(&stage, &format!("{enabled}{CHANGE}"));
        for n in 20..40 {
            client.send(TEXT | RSV1, &sender.squeeze(&said(n)));
            // Nobody has read what came before where nothing is recorded: then nobody can read on, and all goes on as
            // it did.
            let expected = if recorded {
                said(n).replace("cat", "dog")
            } else {
                said(n)
            };
            assert_eq!(reads(&mut server, &mut inflate), expected);
        }
        if !recorded {
            stage.proxy.wait_for_log("nobody has read its compressed messages");
            continue;
        }
        settings(&stage, &enabled);
        client.send(TEXT | RSV1, &sender.squeeze(&said(40)));
        assert_eq!(reads(&mut server, &mut inflate), said(40));
        part(client, server);
        ended(&stage.proxy, "1");
        let rows = messages(&stage.proxy, "1");
        for (n, row) in (0..=40).zip(&rows) {
            let changed = (20..40).contains(&n);
            let came = if changed {
                &row["original"]["body"]
            } else {
                &row["body"]
            };
            assert_eq!(*came, said(n));
        }
    }
}
