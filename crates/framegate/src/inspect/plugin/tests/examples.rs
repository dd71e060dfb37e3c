//! The files under `examples/plugins` do what their comments say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Hook, Plugin, PluginState};
use super::{Tried, as_text, binary, call, spec, text};
use crate::inspect::{Opinion, Subject};

struct Example {
    plugin: Plugin,
    hook: Hook,
    state: PluginState,
}

impl Example {
    fn new(name: &str, hook: Hook) -> Self {
        Self {
            plugin: Plugin::load(spec(&directory().join(name))).unwrap(),
            hook,
            state: PluginState::default(),
        }
    }

    fn says(&mut self, subject: &Subject) -> Opinion {
        call(&self.plugin, self.hook, subject, &mut self.state).unwrap()
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins")
}

#[test]
fn every_example_is_tested_here_and_there_is_one_for_each_hook() {
    let tested = [
        "require_login.star",
        "add_trace.star",
        "drop_repeats.star",
        "redact_cards.star",
    ];
    let files = fs::read_dir(directory()).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, tested.map(str::to_owned).into());
    for hook in Hook::ALL {
        let has = |name: &&str| Plugin::load(spec(&directory().join(name))).unwrap().has(hook);
        assert_eq!(tested.iter().filter(|name| has(name)).count(), 1, "{hook:?}");
    }
}

#[test]
fn require_login() {
    let closed = Opinion::Close {
        code: 4401,
        reason: "log in first".to_owned(),
    };
    for early in [
        text("hello"),
        text("{}"),
        text(r#"{"type": "login", "token": 1}"#),
        text("[1]"),
        binary(b"\xff"),
    ] {
        let mut example = Example::new("require_login.star", Hook::ReceiveFromClient);
        assert_eq!(example.says(&early), closed, "{early:?}");
    }
    let mut example = Example::new("require_login.star", Hook::ReceiveFromClient);
    for said in [
        text(r#"{"type": "login", "token": "t"}"#),
        text("hello"),
        binary(b"\xff"),
    ] {
        assert_eq!(example.says(&said), Opinion::Pass);
    }
}

#[test]
fn add_trace() {
    let mut example = Example::new("add_trace.star", Hook::BeforeSendToServer);
    let traced = as_text(r#"{"type":"order","trace":"12-7"}"#);
    assert_eq!(example.says(&text(r#"{"type": "order"}"#)), traced);
    for other in [text(r#"{"trace": 1}"#), text("[]"), text("hello"), binary(b"{}")] {
        assert_eq!(example.says(&other), Opinion::Pass, "{other:?}");
    }
}

#[test]
fn drop_repeats() {
    let mut example = Example::new("drop_repeats.star", Hook::ReceiveFromServer);
    assert_eq!(example.says(&text("a")), Opinion::Pass);
    for _ in 2..30 {
        assert_eq!(example.says(&text("a")), Opinion::Drop);
    }
    assert_eq!(example.says(&text("a")), Opinion::Pass, "the thirtieth");
    assert_eq!(example.says(&text("a")), Opinion::Drop);
    assert_eq!(example.says(&binary(b"\xff")), Opinion::Pass);
    assert_eq!(example.says(&binary(b"\xff")), Opinion::Drop);
}

#[test]
fn redact_cards() {
    let mut example = Example::new("redact_cards.star", Hook::BeforeSendToClient);
    let masked = as_text("paid with **** **** **** 1111, then ************1111!");
    assert_eq!(
        example.says(&text("paid with 4111 1111 1111 1111, then 4111111111111111!")),
        masked
    );
    for other in [
        text("order 4111 1111 1111 1112"),
        text("12:00"),
        binary(b"4111 1111 1111 1111"),
    ] {
        assert_eq!(example.says(&other), Opinion::Pass, "{other:?}");
    }
    // However many there are, each is masked.
    let many = "4111 1111 1111 1111 ".repeat(1000);
    assert_eq!(
        example.says(&text(&many)),
        as_text(&"**** **** **** 1111 ".repeat(1000))
    );
}

#[test]
fn the_snippets_of_the_documentation_are_plugins() {
    let page = fs::read_to_string(directory().join("../../docs/plugins.md")).unwrap();
    let snippets: Vec<&str> = page
        .split("```python\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(snippets.len(), 3);
    let mut plugins = snippets.into_iter().map(Tried::new);
    let mut hello = plugins.next().unwrap();
    assert_eq!(hello.ask("ping"), Ok(Opinion::Drop));
    assert_eq!(hello.ask("pong"), Ok(Opinion::Pass));
    assert!(matches!(
        hello.ask("my password"),
        Ok(Opinion::Close { code: 1008, .. })
    ));
    let mut count = plugins.next().unwrap();
    assert_eq!(count.call(Hook::ReceiveFromServer, &text("x")), Ok(Opinion::Pass));
    let mut debug = plugins.next().unwrap();
    assert_eq!(
        debug.call(Hook::ReceiveFromClient, &binary(b"\x00\x05\x09DEBUG")),
        Ok(Opinion::Drop)
    );
    assert_eq!(
        debug.call(Hook::ReceiveFromClient, &binary(b"\x00\x05")),
        Ok(Opinion::Pass)
    );
}
