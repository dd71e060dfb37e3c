//! Looks for traces of secrets: in every file of a home directory, and in what every command and the API say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::api::ask;
use crate::peers::Stage;
use crate::stage::{framegate, wait_for};

pub(crate) const CARD: &str = "4012888888881881";
pub(crate) const MY_NUMBER: &str = "123456789018";
pub(crate) const EMAIL: &str = "maria.topsecret@example.org";
pub(crate) const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0b3BzZWNyZXQifQ.c2lnbmF0dXJlb2Z0b3BzZWNyZXQ";
pub(crate) const KEY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDTopSecretKeyMaterial";

pub(crate) fn pem() -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n")
}

/// Everything that is secret, in one text.
pub(crate) fn secrets() -> String {
    format!("{EMAIL} has {CARD} and {MY_NUMBER}, {JWT} and {}", pem())
}

/// What is looked for: the secrets, or the first half of one, as somebody may have written them.
fn needles() -> Vec<(String, Vec<u8>)> {
    let mut needles = Vec::new();
    for secret in [CARD, MY_NUMBER, EMAIL, JWT, KEY, "topsecret", "eyJzdWIiOiJ0b3Bz"] {
        let part = &secret[..secret.len().min(8).max(secret.len() / 2)];
        let mut add = |how: &str, bytes: Vec<u8>| needles.push((format!("{part} {how}"), bytes));
        add("plain", part.as_bytes().to_vec());
        add("in UTF-16LE", part.encode_utf16().flat_map(u16::to_le_bytes).collect());
        add("in UTF-16BE", part.encode_utf16().flat_map(u16::to_be_bytes).collect());
        add(
            "in hex",
            part.bytes()
                .flat_map(|byte| format!("{byte:02x}").into_bytes())
                .collect(),
        );
        add(
            "in spaced hex",
            part.bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" ")
                .into_bytes(),
        );
        for skipped in 0..3 {
            // What stands around it changes only the letters at both ends.
            let text = BASE64.encode([&b"___"[..skipped], part.as_bytes()].concat());
            let from = if skipped == 0 { 0 } else { 4 };
            let to = (skipped + part.len()) / 3 * 4;
            add("in base64", text.as_bytes()[from..to].to_vec());
        }
    }
    needles
}

pub(crate) fn has_none(what: &str, bytes: &[u8]) {
    for (name, needle) in needles() {
        let found = bytes
            .windows(needle.len())
            .position(|window| window.eq_ignore_ascii_case(&needle));
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(100)..bytes.len().min(at + 200)];
            panic!("{what} has {name}: {}", String::from_utf8_lossy(around));
        }
    }
}

fn files(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.push(path);
        }
    }
}

/// `tail`, whose lines go to a file in the home directory.
pub(crate) struct Tail(Child);

impl Tail {
    pub(crate) fn begin(stage: &Stage) -> Self {
        let home = stage.proxy.home.path();
        let to = fs::File::create(home.join("tail")).unwrap();
        Self(
            framegate(home)
                .args(["tail", "--json"])
                .stdout(to)
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No file and no command has any of it; `marker` is in every place where it would be.
fn nowhere(stage: &Stage, flows: usize, marker: &str) {
    let mut all = Vec::new();
    files(stage.proxy.home.path(), &mut all);
    for path in all {
        // The settings and programs of the tests have no secrets in them either.
        has_none(&path.display().to_string(), &fs::read(&path).unwrap());
    }
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut add = |words: &[&str]| commands.push(words.iter().map(|word| (*word).to_owned()).collect());
    for flow in 1..=flows {
        add(&["messages", &flow.to_string(), "--json"]);
        add(&["messages", &flow.to_string()]);
    }
    for format in ["har", "jsonl", "csv"] {
        add(&["export", "--format", format]);
    }
    add(&["flows", "--json"]);
    add(&["search", marker, "--json"]);
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let output = stage.proxy.run(&words);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        has_none(&format!("{command:?}"), &output.stdout);
        let has_marker = String::from_utf8_lossy(&output.stdout).contains(marker);
        assert!(
            has_marker || words[0] == "flows" || words[0] == "messages",
            "{command:?}"
        );
    }
    for word in ["topsecret", CARD, MY_NUMBER, "eyJzdWIiOiJ0b3BzZWNyZXQifQ", KEY] {
        assert_eq!(
            stage.proxy.json(&["search", word, "--json"]),
            [Value::Null; 0],
            "{word}"
        );
    }
}

/// While it runs, and when it has stopped.
pub(crate) fn nowhere_at_all(mut stage: Stage, tail: Tail, flows: usize, marker: &str) {
    nowhere(&stage, flows, marker);
    // The index is made a while behind the messages.
    wait_for("the index", || {
        stage.proxy.json(&["search", marker, "--json"]).first().map(|_| ())
    });
    for path in ["flows", "messages?flow=1", "search?words=marker", "held"] {
        has_none(path, ask(&stage, "GET", path, b"").1.to_string().as_bytes());
    }
    drop(tail);
    stage.proxy.stop();
    nowhere(&stage, flows, marker);
}
