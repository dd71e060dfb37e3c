//! What the doctor says, and hooks for it to look at.

use std::process::Command;

use serde_json::Value;

use crate::scripted::{Asked, Does, Hook, status};
use crate::stage::framegate;

/// What it has said.
pub(crate) struct Report {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Has it look, with those words behind `framegate`.
pub(crate) fn framegate_says(words: &[&str]) -> Report {
    let home = tempfile::tempdir().unwrap();
    report(framegate(home.path()).args(words))
}

/// What that command says.
pub(crate) fn report(command: &mut Command) -> Report {
    let output = command.output().unwrap();
    Report {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Has it look at that hook, by these settings. `hook.body` is `waf`, unless they say otherwise, and a busy machine is no
/// finding.
pub(crate) fn doctor(url: &str, settings: &[&str]) -> Report {
    let mut words = vec!["doctor", "waf", "--json", "--hook", url];
    for setting in [&["hook.body=waf", "hook.timeout_ms=20000"], settings].concat() {
        words.extend(["--set", setting]);
    }
    framegate_says(&words)
}

impl Report {
    pub(crate) fn checks(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}: {}", self.err));
        self.out.lines().map(read).collect()
    }

    /// The names of its checks.
    pub(crate) fn names(&self) -> Vec<String> {
        let checks = self.checks();
        checks
            .iter()
            .map(|check| check["check"].as_str().unwrap().to_owned())
            .collect()
    }

    /// That the check of that name has that status and these words in what was seen and in the advice.
    #[track_caller]
    pub(crate) fn has(&self, name: &str, status: &str, seen: &str, advice: &str) {
        let checks = self.checks();
        let check = checks.iter().find(|check| check["check"] == name);
        let check = check.unwrap_or_else(|| panic!("no {name}: {}{}", self.out, self.err));
        assert_eq!(check["status"], status, "{check}");
        assert!(check["seen"].as_str().unwrap().contains(seen), "{check}");
        match check["advice"].as_str() {
            None => assert_eq!(advice, "", "{check}"),
            Some(text) => assert!(!advice.is_empty() && text.contains(advice), "{check}"),
        }
    }
}

/// Whether a question is about one of the doctor's attacks.
pub(crate) fn is_attack(asked: &Asked) -> bool {
    let body = String::from_utf8_lossy(&asked.body);
    body.contains("script") || body.contains("\\u006fr")
}

pub(crate) fn is_json(asked: &Asked) -> bool {
    asked.field("content-type") == Some("application/json")
}

/// A hook that answers attacks and all else with these.
pub(crate) fn firewall(harmless: fn() -> Does, attack: fn() -> Does) -> Hook {
    Hook::new(move |asked| if is_attack(asked) { attack() } else { harmless() })
}

/// One whose rules block.
pub(crate) fn good() -> Hook {
    firewall(|| status(200), || status(403))
}

/// An answer with that head, behind the status line, and that body.
pub(crate) fn answer(status: u16, head: &str, body: &str) -> Does {
    let len = body.len();
    Does::Says(format!("HTTP/1.1 {status} X\r\n{head}Content-Length: {len}\r\n\r\n{body}").into_bytes())
}
