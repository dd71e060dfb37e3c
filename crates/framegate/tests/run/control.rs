//! Who may ask at the control door: the token that stays, and the names that it answers to.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::stage::{Proxy, framegate};

const TOKEN: &str = "one-that-stays-0123456789/abcdefghij=";

/// The status of a GET that shows this token under this name.
fn status(proxy: &Proxy, path: &str, token: &str, host: &str) -> u16 {
    let mut tcp = TcpStream::connect(proxy.addr("control")).unwrap();
    write!(
        tcp,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer[9..12].parse().unwrap()
}

fn write_token(home: &Path, text: &str, mode: u32) {
    let path = home.join("token");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_token_of_a_file_is_the_same_with_each_start_and_nothing_shows_it() {
    let mut home = tempfile::tempdir().unwrap();
    write_token(home.path(), &format!("{TOKEN}\n"), 0o600);
    for _ in 0..2 {
        let args = ["--mode", "regular@:0", "--set", "control.token_file=token"];
        let mut proxy = Proxy::start_in(home, &[&args[..], &["--set", "log.level=trace"]].concat());
        for path in ["/metrics", "/api/v1/flows"] {
            assert_eq!(status(&proxy, path, TOKEN, "localhost"), 200);
            assert_eq!(status(&proxy, path, &TOKEN[1..], "localhost"), 401);
        }
        // Commands find it where they always do.
        let run_file: Value = serde_json::from_slice(&std::fs::read(proxy.run_file()).unwrap()).unwrap();
        assert_eq!(run_file["token"], TOKEN);
        assert_eq!(proxy.json(&["intercept", "list", "--json"]), Vec::<Value>::new());
        let shown = proxy.run(&["config", "show", "--set", "control.token_file=token"]);
        let shown = String::from_utf8([shown.stdout, shown.stderr].concat()).unwrap();
        assert!(shown.contains("token_file") && !shown.contains(TOKEN), "{shown}");
        proxy.signal(Signal::HUP);
        proxy.wait_for_log("the configuration was reloaded");
        proxy.stop();
        assert!(!proxy.log().contains(TOKEN));
        home = std::mem::replace(&mut proxy.home, tempfile::tempdir().unwrap());
    }
}

#[test]
fn a_file_that_others_may_read_or_that_has_no_token_starts_nothing() {
    let home = tempfile::tempdir().unwrap();
    for (text, mode, why) in [
        (TOKEN, 0o644, "others than its owner"),
        ("short-and-secret", 0o600, "16 characters"),
        ("", 0o600, "0 characters"),
        ("one with blanks in it, and long enough", 0o600, "not visible"),
    ] {
        write_token(home.path(), text, mode);
        for command in [
            &["config", "show"][..],
            &["run", "--mode", "regular@:0", "--control", ":0"],
        ] {
            let args = [command, &["--set", "control.token_file=token"]].concat();
            let output = framegate(home.path()).args(args).output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(
                said.contains("control.token_file") && said.contains("\"token\"") && said.contains(why),
                "{said}"
            );
            assert!(text.is_empty() || !said.contains(text), "{said}");
        }
        assert!(!home.path().join(".framegate").exists());
    }
}

#[test]
fn the_door_answers_to_the_names_that_it_is_given_and_to_no_other() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("f.toml");
    std::fs::write(&file, "").unwrap();
    let proxy = Proxy::start_in(home, &["--config", "f.toml", "--mode", "regular@:0"]);
    let port = proxy.addr("control").port();
    let asked = |host: &str| status(&proxy, "/livez", "", &format!("{host}:{port}"));
    assert_eq!((asked("localhost"), asked("framegate.internal")), (200, 403));
    std::fs::write(&file, "[control]\nhosts = [\"Framegate.internal\"]\n").unwrap();
    proxy.signal(Signal::HUP);
    proxy.wait_for_log("the configuration was reloaded");
    for host in ["framegate.internal", "FRAMEGATE.internal.", "localhost", "127.0.0.1"] {
        assert_eq!(asked(host), 200, "{host}");
    }
    for host in ["internal", "a.framegate.internal", "framegate.internal.evil.example"] {
        assert_eq!(asked(host), 403, "{host}");
    }
    let addr = proxy.addr("control");
    assert_eq!(
        status(&proxy, "/metrics", "", &format!("framegate.internal:{port}")),
        401
    );
    let strangers = format!("http://evil.example:{port}/livez");
    assert_eq!(status(&proxy, &strangers, "", &addr.to_string()), 403);
    let shown = |host: &str| {
        let set = format!("control.hosts=[\"{host}\"]");
        let output = proxy.run(&["config", "show", "--set", &set]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(shown("framegate.internal").0, Some(0));
    for wrong in [
        "*",
        "*.internal",
        "10.0.0.0/8",
        "192.0.2.7",
        "framegate.internal:81",
        "",
    ] {
        let (code, said) = shown(wrong);
        assert!(code == Some(2) && said.contains("control.hosts"), "{wrong}: {said}");
    }
}
