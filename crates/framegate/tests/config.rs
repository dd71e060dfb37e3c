//! The binary's `config` and `doctor` commands, its exit codes and what it says of a wrong configuration.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// framegate with nothing in its environment but a home directory.
fn framegate(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framegate"));
    command
        .env_clear()
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, line: &str) -> Output {
    framegate(home).args(line.split_whitespace()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    out(output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The line of `config show --json` or `doctor --json` about one thing.
fn find<'a>(lines: &'a [Value], name: &str, value: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| line[name] == value)
        .unwrap_or_else(|| panic!("no {value}: {lines:?}"))
}

#[test]
fn check_says_whether_a_file_is_in_order() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("good.toml"), "[limits]\nidle_ms = 1\n").unwrap();
    std::fs::write(home.path().join("bad.toml"), "[limits]\nidle_m = 1\n").unwrap();
    let good = run(home.path(), "config check good.toml");
    assert_eq!((good.status.code(), out(&good).as_str()), (Some(0), "good.toml: ok\n"));
    let bad = run(home.path(), "config check bad.toml");
    assert_eq!(bad.status.code(), Some(2));
    assert_eq!(
        err(&bad),
        "framegate: limits.idle_m (bad.toml:2): no such setting; did you mean limits.idle_ms?\n"
    );
    assert_eq!(out(&bad), "");
    let missing = run(home.path(), "config check missing.toml");
    assert_eq!(missing.status.code(), Some(2));
    assert!(err(&missing).contains("missing.toml"), "{}", err(&missing));
}

#[test]
fn check_names_the_row_and_the_field_of_a_list() {
    let home = tempfile::tempdir().unwrap();
    let good = "[[rewrite]]\nliteral = 'a'\nreplacement = 'b'\n[[plugins]]\npath = 'redact.star'\n";
    std::fs::write(home.path().join("redact.star"), "").unwrap();
    std::fs::write(home.path().join("good.toml"), good).unwrap();
    let output = run(home.path(), "config check good.toml");
    assert_eq!(out(&output), "good.toml: ok\n", "{}", err(&output));
    let bad = format!("{good}[[plugins]]\npath = 'gone.star'\n[[rewrite]]\npatern = 'a'\nreplacement = 'b'\n");
    std::fs::write(home.path().join("bad.toml"), bad).unwrap();
    let output = run(home.path(), "config check bad.toml");
    assert_eq!(output.status.code(), Some(2));
    let told = err(&output);
    assert!(
        told.contains("plugins[2].path (bad.toml:7): found 'gone.star', the file cannot be read"),
        "{told}"
    );
    assert!(
        told.contains("rewrite[2].patern (bad.toml:9): no such field; did you mean pattern?\n"),
        "{told}"
    );
}

#[test]
fn show_has_a_line_for_each_row_and_takes_a_list_from_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let mut command = framegate(home.path());
    command.env("FRAMEGATE_REWRITE", "[{ literal = 'a', replacement = 'b' }]");
    let output = command.args(["config", "show"]).output().unwrap();
    let row = "rewrite = [\n  { id = \"1\", direction = \"both\", literal = \"a\", replacement = \"b\" },\n]";
    let shown = out(&output);
    assert!(shown.contains(&format!("{row}  # FRAMEGATE_REWRITE\n")), "{shown}");
    let output = command.arg("--json").output().unwrap();
    let lines = lines(&output);
    let line = find(&lines, "key", "rewrite");
    assert_eq!(
        (&line["value"][0]["literal"], &line["origin"]),
        (&"a".into(), &"environment".into())
    );
}

#[test]
fn check_is_about_the_file_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("good.toml"), "").unwrap();
    let output = framegate(home.path())
        .args(["config", "check", "good.toml"])
        .env("FRAMEGATE_LIMITS__IDLE_MS", "x")
        .output();
    assert_eq!(output.unwrap().status.code(), Some(0));
}

#[test]
fn show_tells_where_each_value_came_from() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("f.toml"),
        "[limits]\n\nidle_ms = 1\ndrain_ms = 1\nclose_ms = 1\n",
    )
    .unwrap();
    let mut command = framegate(home.path());
    command
        .env("FRAMEGATE_CONFIG", "f.toml")
        .env("FRAMEGATE_LIMITS__DRAIN_MS", "2");
    command.args(["config", "show", "--json", "--set", "limits.close_ms=3"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let shown = lines(&output);
    for (key, value, origin, place) in [
        ("limits.idle_ms", 1, "file", Value::from("f.toml:3")),
        (
            "limits.drain_ms",
            2,
            "environment",
            Value::from("FRAMEGATE_LIMITS__DRAIN_MS"),
        ),
        ("limits.close_ms", 3, "command line", Value::Null),
        ("limits.handshake_ms", 10_000, "default", Value::Null),
    ] {
        let line = find(&shown, "key", key);
        assert_eq!(
            (&line["value"], &line["origin"], &line["place"]),
            (&value.into(), &origin.into(), &place),
            "{key}"
        );
    }
    let text = command.arg("--json").output().unwrap();
    assert_eq!(text.status.code(), Some(2), "a flag given twice");
    let text = framegate(home.path())
        .args(["config", "show", "--config", "f.toml"])
        .output()
        .unwrap();
    assert!(
        out(&text)
            .lines()
            .any(|line| line.starts_with("limits.idle_ms = 1 ") && line.ends_with("# f.toml:3"))
    );
}

#[test]
fn a_wrong_configuration_names_the_key_and_is_exit_code_2() {
    let home = tempfile::tempdir().unwrap();
    for line in [
        "run --set limits.idle_ms=soon",
        "--set limits.idle_ms=soon",
        "config show --set limits.idle_ms=soon",
        "doctor --set limits.idle_ms=soon",
    ] {
        let output = run(home.path(), line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(
            err(&output).contains("limits.idle_ms (command line): found \"soon\""),
            "{line}: {}",
            err(&output)
        );
    }
    let output = framegate(home.path())
        .arg("run")
        .env("FRAMEGATE_LIMITS__IDEL_MS", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("did you mean limits.idle_ms?"),
        "{}",
        err(&output)
    );
    let output = framegate(home.path())
        .arg("run")
        .env("FRAMEGATE_LOG", "framegate=loud")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("FRAMEGATE_LOG"), "{}", err(&output));
    assert!(
        !home.path().join(".framegate").exists(),
        "a wrong configuration leaves nothing behind"
    );
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_help_is_0() {
    let home = tempfile::tempdir().unwrap();
    for line in [
        "mcp",
        "run --mode socks5@:4000",
        "run --mode nonsense",
        "run --control nowhere",
        "export",
        "export --format pcapng",
        "messages seven",
        "flows --limit many",
        "config",
        "ca",
    ] {
        let output = run(home.path(), line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(!err(&output).is_empty() && out(&output).is_empty(), "{line}");
    }
    for line in ["--help", "--version", "help", "export --help", "help config show"] {
        assert_eq!(run(home.path(), line).status.code(), Some(0), "{line}");
    }
}

#[test]
fn a_reader_who_has_had_enough_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = framegate(home.path());
    let child = child
        .args(["config", "show"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

#[test]
fn the_doctor_finds_nothing_wrong_with_a_new_home() {
    let home = tempfile::tempdir().unwrap();
    let output = run(
        home.path(),
        "doctor --json --set listen.modes=regular@:0 --set listen.control=:0",
    );
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let checks = lines(&output);
    assert_eq!(find(&checks, "check", "data directory")["status"], "ok");
    assert_eq!(find(&checks, "check", "proxy")["seen"], "not running");
    assert!(!home.path().join(".framegate").exists(), "the doctor changes nothing");
}

#[test]
fn the_doctor_fails_for_a_port_that_another_has() {
    let home = tempfile::tempdir().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap();
    let line = format!("doctor --json --set listen.modes=regular@{addr} --set listen.control=:0");
    let output = run(home.path(), &line);
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(1), ""));
    assert_eq!(find(&lines(&output), "check", "port regular")["status"], "fail");

    // The same port is in order if it is the running proxy's: this process stands for it.
    let run_file = format!(
        r#"{{"pid":{},"modes":[{{"mode":"regular","addr":"{addr}"}}],"control":"127.0.0.1:1","token":"t"}}"#,
        std::process::id()
    );
    std::fs::create_dir(home.path().join(".framegate")).unwrap();
    std::fs::write(home.path().join(".framegate/run.json"), run_file).unwrap();
    let output = run(home.path(), &line);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(find(&lines(&output), "check", "port regular")["status"], "ok");
}

#[cfg(unix)]
#[test]
fn the_doctor_looks_at_what_others_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".framegate");
    let ca = dir.join("ca");
    std::fs::create_dir_all(&ca).unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&dir, 0o755);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key_file = ca.join("framegate-ca.key.pem");
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::write(
        ca.join("framegate-ca.cert.pem"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    std::fs::write(dir.join("framegate.db"), "not a database").unwrap();

    let doctor = || {
        let output = run(
            home.path(),
            "doctor --json --set listen.modes=regular@:0 --set listen.control=:0",
        );
        let checks = lines(&output);
        let status = |name: &str| find(&checks, "check", name)["status"].as_str().unwrap().to_owned();
        (
            output.status.code(),
            status("data directory"),
            status("certificate authority"),
            status("database"),
        )
    };
    let found = |code, dir: &str, ca: &str, db: &str| (Some(code), dir.to_owned(), ca.to_owned(), db.to_owned());
    mode(&key_file, 0o644);
    assert_eq!(doctor(), found(1, "warn", "fail", "fail"));
    mode(&dir, 0o700);
    mode(&key_file, 0o600);
    std::fs::remove_file(dir.join("framegate.db")).unwrap();
    drop(framegate::store::Writer::open(&dir.join("framegate.db")).unwrap());
    assert_eq!(doctor(), found(0, "ok", "ok", "ok"));
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    std::fs::write(
        ca.join("framegate-ca.cert.pem"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    assert_eq!(doctor(), found(1, "ok", "fail", "ok"));
}

#[test]
fn the_certificate_is_found_and_copied() {
    let home = tempfile::tempdir().unwrap();
    let path = run(home.path(), "ca path --data-dir d");
    assert_eq!(
        (path.status.code(), out(&path).as_str()),
        (Some(0), "d/ca/framegate-ca.cert.pem\n")
    );
    let there = std::fs::read_to_string(home.path().join("d/ca/framegate-ca.cert.pem")).unwrap();
    assert_eq!(
        run(home.path(), "ca export copy.pem --data-dir d").status.code(),
        Some(0)
    );
    assert_eq!(std::fs::read_to_string(home.path().join("copy.pem")).unwrap(), there);
    assert_eq!(out(&run(home.path(), "ca export - --data-dir d")), there);
    let failed = run(home.path(), "ca export nowhere/copy.pem --data-dir d");
    assert_eq!(failed.status.code(), Some(1));
    assert!(err(&failed).contains("nowhere/copy.pem"), "{}", err(&failed));
}
