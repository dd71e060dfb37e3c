//! What the settings let past a hook that is in order, and the command line.

use crate::report::{doctor, framegate_says, good};

#[test]
fn a_policy_that_lets_go_is_named() {
    let hook = good();
    let report = doctor(&hook.url(), &["hook.fail=shadow"]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has("send hook.fail", "warn", "nothing is blocked", "set \"closed\"");
    let report = doctor(&hook.url(), &["hook.fail=open"]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has(
        "send hook.fail",
        "warn",
        "that the hook fails to judge goes on",
        "\"closed\"",
    );
    let report = doctor(&hook.url(), &[]);
    assert!(!report.names().contains(&"send hook.fail".to_owned()), "{}", report.out);
}

#[test]
fn what_goes_on_unread_is_named() {
    let hook = good();
    for (setting, name, seen) in [
        (
            "hook.on_oversize=pass",
            "send hook.on_oversize",
            "more than 131072 bytes go on unjudged",
        ),
        (
            "hook.on_oversize=truncate",
            "send hook.on_oversize",
            "by their beginning alone",
        ),
        ("gateway.binary=pass", "send binary", "binary messages go on unjudged"),
    ] {
        let report = doctor(&hook.url(), &[setting]);
        assert_eq!(report.code, Some(0), "{}", report.out);
        let advice = if setting.contains("binary") {
            "\"close\" takes none"
        } else {
            "\"block\""
        };
        report.has(name, "warn", seen, advice);
    }
}

#[test]
fn without_a_hook_it_says_how_to_give_one() {
    for words in [&["doctor", "waf"][..], &["doctor", "waf", "--json"]] {
        let report = framegate_says(words);
        assert_eq!((report.code, report.out.as_str()), (Some(2), ""));
        assert!(report.err.contains("no hook is configured"), "{}", report.err);
        for way in ["send_hook", "--config", "--hook URL"] {
            assert!(report.err.contains(way), "{}", report.err);
        }
    }
}

#[test]
fn flags_stand_before_and_behind_the_word() {
    let hook = good();
    let url = hook.url();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f.toml");
    let text = format!(
        "[listen]\nmodes = ['gateway@127.0.0.1:0']\n[hook]\ntimeout_ms = 20000\n[[routes]]\nupstream = ['ws://127.0.0.1:1']\n\
         send_hook = '{url}'\n"
    );
    std::fs::write(&file, text).unwrap();
    let config = file.to_str().unwrap();
    for words in [
        &["doctor", "waf", "--config", config, "--set", "hook.body=waf"][..],
        &["doctor", "--config", config, "--set", "hook.body=waf", "waf"],
        &["--config", config, "doctor", "--set", "hook.body=waf", "waf"],
        &[
            "doctor",
            "--hook",
            &url,
            "--set",
            "hook.body=waf",
            "waf",
            "--set",
            "hook.timeout_ms=20000",
        ],
    ] {
        let report = framegate_says(words);
        assert_eq!(report.code, Some(0), "{words:?}: {}{}", report.out, report.err);
        let lines: Vec<&str> = report.out.lines().collect();
        assert_eq!(lines.len(), 7, "{}", report.out);
        assert!(lines[0].starts_with("ok    send hook "), "{}", report.out);
        assert!(
            lines[2].contains("\"<script>alert(1)</script>' OR '1'='1\" as a form: 403, blocked ("),
            "{}",
            report.out
        );
    }
    let report = framegate_says(&["doctor", "waf", "--set", "hook.body=soap"]);
    assert_eq!(report.code, Some(2));
    assert!(report.err.contains("hook.body"), "{}", report.err);
}

#[test]
fn it_changes_nothing() {
    let hook = good();
    let home = tempfile::tempdir().unwrap();
    let words = ["doctor", "waf", "--hook", &hook.url()];
    crate::stage::framegate(home.path()).args(words).output().unwrap();
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
