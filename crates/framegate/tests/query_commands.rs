//! The query commands, by the real binary, on a record that a file was imported into. No proxy runs.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A data directory with one conversation on record, which is flow 1.
struct Recorded(tempfile::TempDir);

impl Recorded {
    fn new() -> Self {
        let recorded = Self(tempfile::tempdir().unwrap());
        let har = json!({"log": {"version": "1.2", "entries": [{
            "startedDateTime": "2026-01-31T08:15:00.000Z", "time": 3000, "_resourceType": "websocket",
            "request": {"method": "GET", "url": "wss://example.com/chat", "httpVersion": "HTTP/1.1",
                        "headers": [{"name": "Host", "value": "example.com"}]},
            "response": {"status": 101, "statusText": "Switching Protocols", "httpVersion": "HTTP/1.1", "headers": []},
            "_webSocketMessages": [
                {"type": "send", "time": 1769847301.5, "opcode": 1, "data": "needle \u{1b}[2J in a haystack"},
                {"type": "receive", "time": 1769847302.5, "opcode": 2, "data": "AP+A"},
                {"type": "error", "time": 1769847303.0, "opcode": -1, "data": "lost"}
            ]
        }]}});
        let file = recorded.path("in.har");
        std::fs::write(&file, har.to_string()).unwrap();
        let output = recorded.run(&["import", &file]);
        assert_eq!(stdout(&output), "imported 1 flows, 4 messages\n", "{}", stderr(&output));
        assert!(stderr(&output).contains("1 times: elements of `_webSocketMessages` with an unknown `type`"));
        recorded
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&self.0.path().join("data"), args)
    }

    /// The JSON lines that a command prints.
    fn lines(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        stdout(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn run(data_dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framegate"));
    command
        .args(args)
        .arg("--data-dir")
        .arg(data_dir)
        .env_remove("FRAMEGATE_CONFIG");
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn json_has_the_objects() {
    let recorded = Recorded::new();
    let flows = recorded.lines(&["flows", "--json"]);
    assert_eq!(flows.len(), 1);
    assert_eq!(
        (
            &flows[0]["flow_id"],
            &flows[0]["protocol"],
            &flows[0]["url"],
            &flows[0]["messages_sent"]
        ),
        (
            &json!("1"),
            &json!("WebSocket"),
            &json!("wss://example.com/chat"),
            &json!(1)
        )
    );
    let messages = recorded.lines(&["messages", "1", "--json"]);
    let kinds: Vec<&Value> = messages.iter().map(|message| &message["kind"]).collect();
    assert_eq!(kinds, ["upgrade_request", "upgrade_response", "text", "binary"]);
    assert_eq!(messages[2]["body"], "needle \u{1b}[2J in a haystack");
    assert_eq!(messages[3]["raw_bytes"], "AP+A");
    let hits = recorded.lines(&["search", "haystack needle", "--json"]);
    assert_eq!((hits.len(), &hits[0]["sequence"]), (1, &json!(2)));
    assert_eq!(recorded.lines(&["search", "absent", "--json"]), Vec::<Value>::new());
}

#[test]
fn people_get_tables_that_cannot_drive_their_terminal() {
    let recorded = Recorded::new();
    assert!(stdout(&recorded.run(&["flows"])).contains("wss://example.com/chat"));
    for args in [&["messages", "1"][..], &["search", "needle"][..]] {
        let text = stdout(&recorded.run(args));
        assert!(text.contains("in a haystack") && !text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let recorded = Recorded::new();
    let malformed = recorded.path("malformed.jsonl");
    std::fs::write(
        &malformed,
        "{\"format\":\"framegate-jsonl\",\"version\":1}\n{\"flow_id\":\"1\"\n",
    )
    .unwrap();
    for (args, code, says) in [
        (&["messages", "7"][..], 3, "there is no flow 7"),
        (&["flows", "url ~ chat"][..], 2, "column 5: `~` means nothing here"),
        (&["search", "  "][..], 2, "`words`: is empty"),
        (&["tail"][..], 1, "no proxy runs"),
        (&["import", "absent.har"][..], 3, "absent.har"),
        (&["import", &malformed][..], 1, "line 2: "),
        (&["import", "."][..], 1, "not a regular file"),
        (
            &["export", "--format", "csv", "--output", "/nowhere/at/all.csv"][..],
            1,
            "/nowhere/at/all.csv",
        ),
    ] {
        let output = recorded.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn without_a_record_there_is_nothing_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    for args in [&["flows", "--json"][..], &["flows"][..], &["search", "x", "--json"][..]] {
        let output = run(&data_dir, args);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    }
    assert_eq!(run(&data_dir, &["messages", "1"]).status.code(), Some(3));
    let output = run(&data_dir, &["export", "--format", "jsonl"]);
    assert_eq!(stdout(&output), "{\"format\":\"framegate-jsonl\",\"version\":1}\n");
    assert!(!data_dir.exists());
}

#[test]
fn an_export_is_imported_again() {
    let recorded = Recorded::new();
    for format in ["har", "jsonl"] {
        let other = Recorded(tempfile::tempdir().unwrap());
        let file = other.path("out");
        std::fs::write(&file, "what was there before").unwrap();
        let output = recorded.run(&["export", "--format", format, "--output", &file]);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(0), ""),
            "{}",
            stderr(&output)
        );
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            stdout(&recorded.run(&["export", "--format", format]))
        );
        assert_eq!(stdout(&other.run(&["import", &file])), "imported 1 flows, 4 messages\n");
        assert_eq!(other.lines(&["flows", "--json"]), recorded.lines(&["flows", "--json"]));
        assert_eq!(
            other.lines(&["messages", "1", "--json"]),
            recorded.lines(&["messages", "1", "--json"])
        );
    }
}

#[test]
fn whoever_has_read_enough_hears_no_complaint() {
    let recorded = Recorded::new();
    let mut file = std::fs::File::create(recorded.path("many.jsonl")).unwrap();
    let flow = &stdout(&recorded.run(&["export", "--format", "jsonl"]));
    let (_, flow) = flow.split_once('\n').unwrap();
    (0..100).for_each(|_| file.write_all(flow.as_bytes()).unwrap());
    assert_eq!(
        recorded.run(&["import", &recorded.path("many.jsonl")]).status.code(),
        Some(0)
    );
    for args in [
        &["flows", "--json"][..],
        &["flows", "--limit", "0"][..],
        &["export", "--format", "har"][..],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framegate"));
        command.args(args).arg("--data-dir").arg(recorded.0.path().join("data"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn a_filter_means_the_same_to_every_command() {
    let recorded = Recorded::new();
    for (filter, flows, sequences) in [
        ("", 1, &[0, 1, 2, 3][..]),
        (r#"host == "example.com""#, 1, &[0, 1, 2, 3]),
        (r#"host == "elsewhere.com""#, 0, &[]),
        (r#"kind == "text" && body.contains("haystack")"#, 1, &[2]),
        (r#"direction == "receive" && opcode == 2"#, 1, &[3]),
        (r#"body.contains("nowhere")"#, 0, &[]),
    ] {
        let found: Vec<_> = recorded
            .lines(&["messages", "1", filter, "--json"])
            .iter()
            .map(|message| message["sequence"].as_u64().unwrap())
            .collect();
        assert_eq!(found, sequences, "{filter}");
        assert_eq!(recorded.lines(&["flows", filter, "--json"]).len(), flows, "{filter}");
        let hits = recorded.lines(&["search", "needle", filter, "--json"]).len();
        assert_eq!(hits, usize::from(sequences.contains(&2)), "{filter}");
        // The flow is exported whole, or not at all.
        let exported = recorded.lines(&["export", "--format", "jsonl", filter]);
        assert_eq!(exported.len(), 1 + flows * 5, "{filter}");
    }
}
