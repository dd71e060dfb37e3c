//! What is told when everything listens, and what is refused before.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{Proxy, framegate, wait_for};

#[test]
fn whoever_started_it_learns_where_it_listens() {
    let mut proxy = Proxy::start(&["--mode", "reverse:http://127.0.0.1:9@:0", "--ready-file", "ready.json"]);
    let (regular, reverse, control) = (proxy.addr("regular"), proxy.addr("reverse"), proxy.addr("control"));
    assert_eq!(proxy.lines.len(), 3);
    assert!(regular.ip().is_loopback() && regular.port() != 0);
    let ready_path = proxy.home.path().join("ready.json");
    let ready = std::fs::read_to_string(&ready_path).unwrap();
    assert_eq!(ready, std::fs::read_to_string(proxy.run_file()).unwrap());
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(
        (&ready["pid"], &ready["modes"], &ready["control"]),
        (
            &json!(proxy.child.id()),
            &json!([{"mode": "regular", "addr": regular}, {"mode": "reverse", "addr": reverse}]),
            &json!(control)
        )
    );
    for path in [&ready_path, &proxy.run_file()] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(
        proxy.get("/livez"),
        (200, json!({"status": "live", "pid": ready["pid"]}).to_string())
    );
    assert_eq!(proxy.get("/readyz"), (200, json!({"status": "ready"}).to_string()));
    assert_eq!(proxy.get("/api/v1/flows").0, 401);
    proxy.stop();
    assert!(!ready_path.exists() && !proxy.run_file().exists());
}

#[test]
fn a_data_directory_has_one_proxy() {
    for settings in [&[][..], &["--set", "record.enabled=false"][..]] {
        let mut first = Proxy::start(settings);
        let second = first.run(&[&["run", "--mode", "regular@:0", "--control", ":0"], settings].concat());
        let said = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(1), "{said}");
        let process = format!("another framegate (process {})", first.child.id());
        assert!(said.contains(&process) && said.contains(".framegate"), "{said}");
        assert!(second.stdout.is_empty());
        assert_eq!(first.json(&["flows", "--json"]), Vec::<Value>::new());
        first.stop();
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    for (mode, control, door) in [
        (format!("regular@{addr}"), ":0", "regular@"),
        (
            format!("reverse:http://127.0.0.1:9@{addr}"),
            ":0",
            "reverse:http://127.0.0.1:9@",
        ),
        ("regular@:0".to_owned(), addr.as_str(), "the control door"),
    ] {
        let output = framegate(home.path())
            .args(["run", "--mode", &mode, "--control", control])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap();
        assert!(
            last.contains(door) && last.contains(&addr) && last.contains("in use"),
            "{said}"
        );
        assert!(output.stdout.is_empty());
        assert!(!home.path().join(".framegate/run.json").exists());
    }
}

#[test]
fn a_wrong_configuration_starts_nothing() {
    let home = tempfile::tempdir().unwrap();
    let output = framegate(home.path())
        .args(["run", "--set", "limits.idle_ms=soon"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("limits.idle_ms"));
    assert!(!home.path().join(".framegate").exists());
}

#[test]
fn nobody_has_to_listen_to_its_output() {
    let home = tempfile::tempdir().unwrap();
    let mut command = framegate(home.path());
    command.args([
        "run",
        "--mode",
        "regular@:0",
        "--control",
        ":0",
        "--ready-file",
        "ready.json",
    ]);
    // A warning goes to standard error before anything else happens.
    command.env("WSPROXY_PORT", "1");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    let ready = wait_for("the ready file", || std::fs::read(home.path().join("ready.json")).ok());
    let ready: Value = serde_json::from_slice(&ready).unwrap();
    assert_eq!(ready["pid"], child.id());
    // Tells the log; then another signal is obeyed all the same.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let status = wait_for("the exit", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
