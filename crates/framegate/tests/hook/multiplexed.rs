//! Hooks in TLS, and in HTTP/2.

use std::sync::atomic::Ordering;

use hyper::Version;

use crate::peers::{TEXT, both_are_closed, part};
use crate::scripted::Stage;
use crate::served::{certificate, hook};

/// Answers 403 to `attack`, 418 to a request that is not in that version, and 200 to all else.
fn says(spoken: Version, version: Version, body: &[u8]) -> u16 {
    match body {
        _ if spoken != version => 418,
        b"attack" => 403,
        _ => 200,
    }
}

/// Sixteen at once and one that is stopped.
fn judges(stage: &Stage) {
    let (mut client, mut server) = stage.open();
    let frames: Vec<u8> = (0..100u32)
        .flat_map(|at| client.frame(TEXT, at.to_string().as_bytes()))
        .collect();
    let sending = client.send_behind(frames);
    for at in 0..100u32 {
        server.hears(TEXT, at.to_string().as_bytes());
    }
    sending.join().unwrap();
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
}

#[test]
fn http_2_without_tls_has_one_connection_for_all() {
    let (addr, connections) = hook(Version::HTTP_2, None, says);
    let settings = ["hook.http=\"2\"", "hook.timeout_ms=10000", "listen.threads=1"];
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &settings);
    judges(&stage);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_shared_connection_that_has_fallen_silent_is_left_by_all() {
    // It takes connections and says nothing on the first, as a machine that is gone does.
    let front = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = front.local_addr().unwrap();
    let (behind, _) = hook(Version::HTTP_2, None, says);
    std::thread::spawn(move || {
        let _silent = front.accept().unwrap();
        for tcp in front.incoming() {
            let (mut client, mut server) = (tcp.unwrap(), std::net::TcpStream::connect(behind).unwrap());
            let (mut back, mut forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
            std::thread::spawn(move || std::io::copy(&mut forth, &mut back));
        }
    });
    let settings = [
        "hook.http=\"2\"",
        "hook.timeout_ms=1000",
        "listen.threads=1",
        "hook.fail=open",
    ];
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &settings);
    let (mut client, mut server) = stage.open();
    for text in [&b"skipped"[..], b"judged"] {
        client.send(TEXT, text);
        server.hears(TEXT, text);
    }
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
}

#[test]
fn in_tls_the_handshake_says_which_http_it_is() {
    for (protocol, version) in [(&b"h2"[..], Version::HTTP_2), (b"http/1.1", Version::HTTP_11)] {
        let dir = tempfile::tempdir().unwrap();
        let (file, config) = certificate(&dir, "127.0.0.1", protocol);
        let (addr, connections) = hook(version, Some(config), says);
        let trusted = format!("tls.upstream_ca={file}");
        let settings = [&trusted[..], "hook.timeout_ms=10000", "listen.threads=1"];
        let stage = Stage::new(Some(&format!("https://{addr}/")), None, &settings);
        judges(&stage);
        let connections = connections.load(Ordering::SeqCst);
        assert!(
            connections <= if version == Version::HTTP_2 { 1 } else { 16 },
            "{connections}"
        );
    }
}

#[test]
fn a_hook_whose_certificate_does_not_hold_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (_, config) = certificate(&dir, "127.0.0.1", b"h2");
    let (addr, _) = hook(Version::HTTP_2, Some(config), says);
    let stage = Stage::new(
        Some(&format!("https://{addr}/")),
        None,
        &["hook.timeout_ms=10000", "hook.fail=open"],
    );
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    part(client, server);
    crate::peers::ended(&stage.proxy, "1");
    let row = crate::peers::messages(&stage.proxy, "1").remove(0);
    assert_eq!(row["metadata"]["hook_failure"], "tls", "{row}");
}
