//! A disk without room, and one that may not be written. Both need a file system of their own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tungstenite::Message;

use crate::stage::{Proxy, echo_server, framegate};

/// A small file system in memory where the data directory of `home` is.
struct Disk {
    home: Option<tempfile::TempDir>,
    at: PathBuf,
}

impl Disk {
    /// `None`, and a word about it, where this user may not mount one.
    fn mount(options: &str) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let at = home.path().join(".framegate");
        std::fs::create_dir(&at).unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at)
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self { home: Some(home), at }),
            why => {
                eprintln!("NOT RUN: a file system of its own cannot be mounted here ({why:?})");
                None
            }
        }
    }

    fn start(&mut self, args: &[&str]) -> Proxy {
        let home = self.home.take().unwrap();
        Proxy::start_in(home, &[&["--mode", "regular@:0"], args].concat())
    }

    /// A file that takes room.
    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

#[test]
fn a_full_disk_leaves_the_traffic_alone_and_the_record_goes_on_when_there_is_room() {
    let Some(mut disk) = Disk::mount("size=16m,mode=700") else {
        return;
    };
    let ballast = disk.ballast();
    std::fs::write(&ballast, vec![0; 12 << 20]).unwrap();
    let mut proxy = disk.start(&["--set", "store.full_text=false"]);
    let mut client = proxy.websocket(echo_server());
    let message = Message::text("x".repeat(20_000));
    let mut sent = 0_u64;
    let mut echo = |count: &mut u64| {
        client.send(message.clone()).unwrap();
        assert_eq!(client.read().unwrap(), message);
        *count += 1;
    };
    while !proxy.log().contains("messages pass unrecorded") {
        echo(&mut sent);
        assert!(sent < 10_000, "the disk must be full by now");
    }
    assert!(proxy.log().contains("no space left"), "{}", proxy.log());
    for _ in 0..50 {
        echo(&mut sent);
    }
    std::fs::remove_file(&ballast).unwrap();
    while !proxy.log().contains("the store takes messages again") {
        echo(&mut sent);
        assert!(sent < 1_000_000, "there is room");
    }
    echo(&mut sent);
    client.close(None).unwrap();
    while client.read().is_ok() {}
    drop(client);
    proxy.stop();
    let flow = &proxy.json(&["flows", "--json"])[0];
    assert_eq!(flow["state"], json!("complete"), "{flow}");
    let lost = flow["messages_lost"].as_u64().unwrap();
    let on_record = proxy.json(&["messages", "1", "--json"]).len() as u64;
    // The upgrade's two, each message and its echo, and the Close of each side.
    assert_eq!(on_record + lost, 2 + 2 * sent + 2, "{flow}");
    assert!(lost > 0 && on_record > 10, "{lost} lost, {on_record} on record");
    println!("full at {sent} messages: {on_record} on record, {lost} counted as lost");
}

#[test]
fn a_full_disk_ends_it_if_it_is_told_to() {
    let Some(mut disk) = Disk::mount("size=2m,mode=700") else {
        return;
    };
    let settings = ["--set", "store.on_error=stop", "--set", "limits.drain_ms=1"];
    let mut proxy = disk.start(&settings);
    let mut client = proxy.websocket(echo_server());
    let message = Message::text("x".repeat(50_000));
    while client.send(message.clone()).is_ok() && client.read().is_ok_and(|answer| answer == message) {}
    assert_eq!(proxy.exit_code(), Some(1), "{}", proxy.log());
    assert!(proxy.log().contains("no space left"), "{}", proxy.log());
}

#[test]
fn a_disk_that_may_not_be_written_is_said_at_the_start() {
    let Some(disk) = Disk::mount("size=2m,mode=700,ro") else {
        return;
    };
    let home = disk.home.as_ref().unwrap();
    let output = framegate(home.path())
        .args(["run", "--control", ":0", "--mode", "regular@:0"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(".framegate") && said.contains("Read-only file system"),
        "{said}"
    );
}

#[test]
fn a_directory_that_is_closed_while_it_relays_costs_nothing() {
    // Whoever may write everywhere becomes somebody who may not.
    let before = r#"
        if [ "$(id -u)" = 0 ]; then
            chown -R 65534:65534 .
            exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" run --control :0 --mode regular@:0 "$@"
        fi"#;
    let mut proxy = Proxy::start_behind(before, &[]);
    let mut client = proxy.websocket(echo_server());
    let mut echo = |text: &str| {
        client.send(Message::text(text)).unwrap();
        assert_eq!(client.read().unwrap(), Message::text(text));
    };
    echo("before");
    let data = proxy.home.path().join(".framegate");
    let close = |mode: u32| {
        for file in std::fs::read_dir(&data).unwrap() {
            std::fs::set_permissions(file.unwrap().path(), Permissions::from_mode(mode & 0o666)).unwrap();
        }
        std::fs::set_permissions(&data, Permissions::from_mode(mode)).unwrap();
    };
    close(0o500);
    for n in 0..100 {
        echo(&format!("meanwhile {n}"));
    }
    // Whether it may be written counts when files are opened; those of the record are open.
    assert_eq!(proxy.get("/livez").0, 200);
    client.close(None).unwrap();
    while client.read().is_ok() {}
    drop(client);
    proxy.stop();
    close(0o700);
    let flow = &proxy.json(&["flows", "--json"])[0];
    assert_eq!(
        (&flow["messages_lost"], &flow["messages_sent"]),
        (&json!(0), &json!(102))
    );
    assert_eq!(proxy.json(&["messages", "1", "--json"]).len(), 2 + 2 * 102);
}
