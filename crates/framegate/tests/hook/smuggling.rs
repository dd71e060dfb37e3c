//! How a client may try to get a message past its hook.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress};

use crate::peers::{CLOSE, End, FIN, PING, RSV1, TEXT, accepted, both_are_closed, close};
use crate::scripted::{Hook, Stage, status};

const ATTACK: &[u8] = b"' OR 1=1 --";

fn hook() -> Hook {
    Hook::new(|asked| if asked.body == ATTACK { status(403) } else { status(200) })
}

/// Both are closed, and the server has got nothing of what `evil` makes the client say but pings.
fn is_stopped(extensions: &str, evil: impl FnOnce(&End) -> Vec<u8>) {
    let hook = hook();
    let stage = Stage::sending(&hook, &["gateway.compress=true", "gateway.compress_upstream=true"]);
    let (mut client, mut server) = stage.open_with(extensions);
    let evil = evil(&client);
    client.tcp.write_all(&evil).unwrap();
    assert_eq!(client.hears_close(1008), "blocked by policy");
    loop {
        match server.hear() {
            crate::peers::Heard::Frame(frame) if frame.first == PING => {}
            crate::peers::Heard::Frame(frame) => {
                assert_eq!((frame.first, &frame.payload[..2]), (CLOSE, &close(1008, "")[..]));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(hook.asked().iter().any(|asked| asked.body == ATTACK));
}

fn fragments(client: &End, size: usize) -> Vec<Vec<u8>> {
    let last = ATTACK.len().div_ceil(size) - 1;
    let frame = |(at, piece): (usize, &[u8])| {
        let opcode = if at == 0 { TEXT & !FIN } else { 0 };
        client.frame(opcode | if at == last { FIN } else { 0 }, piece)
    };
    ATTACK.chunks(size).enumerate().map(frame).collect()
}

#[test]
fn fragments_and_pings_between_them() {
    is_stopped("", |client| client.frame(TEXT, ATTACK));
    for size in 1..ATTACK.len() {
        is_stopped("", |client| fragments(client, size).join(&client.frame(PING, b"x")[..]));
    }
}

#[test]
fn compression() {
    is_stopped("permessage-deflate", |client| {
        let mut small = Vec::with_capacity(100);
        let mut compress = Compress::new(Compression::new(6), false);
        compress.compress_vec(ATTACK, &mut small, FlushCompress::Sync).unwrap();
        small.truncate(small.len() - 4);
        client.frame(TEXT | RSV1, &small)
    });
}

#[test]
fn many_harmless_ones_before_it() {
    is_stopped("", |client| {
        client
            .frame(PING, b"x")
            .repeat(5)
            .into_iter()
            .chain(client.frame(TEXT, ATTACK))
            .collect()
    });
    let hook = hook();
    let stage = Stage::sending(&hook, &[]);
    let (mut client, mut server) = stage.open();
    let before = (0..50).flat_map(|at| client.frame(TEXT, format!("{at}").as_bytes()));
    let all: Vec<u8> = before
        .chain(client.frame(TEXT, ATTACK))
        .chain(client.frame(TEXT, b"behind"))
        .collect();
    client.tcp.write_all(&all).unwrap();
    for at in 0..50 {
        server.hears(TEXT, format!("{at}").as_bytes());
    }
    both_are_closed(&mut client, &mut server, 1008);
}

#[test]
fn right_behind_the_request_for_the_upgrade() {
    let hook = hook();
    let stage = Stage::sending(&hook, &[]);
    let mut client = stage.client();
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        stage.listener.local_addr().unwrap()
    );
    let early = client.frame(TEXT, ATTACK);
    client.tcp.write_all(&[request.as_bytes(), &early].concat()).unwrap();
    let mut server = accepted(&stage.listener);
    server.http_head();
    server.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    both_are_closed(&mut client, &mut server, 1008);
}

#[test]
fn an_extension_that_nobody_here_can_read_is_not_offered() {
    let hook = hook();
    let stage = Stage::sending(&hook, &[]);
    let mut client = stage.client();
    let host = stage.listener.local_addr().unwrap();
    write!(
        client.tcp,
        "GET /chat HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: x-secret, permessage-deflate\r\n\r\n"
    )
    .unwrap();
    let mut server = accepted(&stage.listener);
    assert!(!server.http_head().contains("x-secret"));
    server.agrees("x-secret");
    assert!(client.http_head().starts_with("HTTP/1.1 502 "));
}

#[test]
fn other_settings_keep_the_hooks_of_open_connections() {
    let hook = hook();
    let stage = Stage::sending(&hook, &[]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"before");
    server.hears(TEXT, b"before");
    stage.proxy.signal(rustix::process::Signal::HUP);
    stage.proxy.wait_for_log("the configuration was reloaded");
    client.send(TEXT, ATTACK);
    both_are_closed(&mut client, &mut server, 1008);
}
