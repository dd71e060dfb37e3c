//! Upgrades to WebSocket.

use super::*;
use crate::flow::Protocol;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nX-Odd:  y\r\nConnection: upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
                      Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

fn fields(addr: SocketAddr) -> String {
    format!(
        "Host: {addr}\r\nX-First: 1\r\nUpgrade: websocket\r\nconnection: keep-alive, Upgrade\r\n\
         sec-websocket-KEY: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, talk\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nX-Last: 2\r\n\r\n"
    )
}

fn absolute(addr: SocketAddr) -> String {
    format!("GET ws://{addr}/chat?a HTTP/1.1\r\n{}", fields(addr))
}

#[test]
fn an_upgrade_passes_as_it_came_and_early_bytes_are_not_lost() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        let head = read_head(&mut stream);
        send(&mut stream, format!("{SWITCH}early from the server"));
        let early = read_bytes(&mut stream, 21);
        send(&mut stream, "late");
        (head, early)
    });
    let mut client = proxy.client();
    send(&mut client, format!("{}early from the client", absolute(addr)));
    assert_eq!(read_head(&mut client), SWITCH);
    assert_eq!(read_bytes(&mut client, 21), b"early from the server");
    assert_eq!(read_bytes(&mut client, 4), b"late");
    drop(client);
    let (head, early) = server.join().unwrap().remove(0);
    assert_eq!(head, format!("GET /chat?a HTTP/1.1\r\n{}", fields(addr)));
    assert_eq!(early, b"early from the client");

    let (flow, messages) = proxy.ended();
    assert_eq!(flow.opening.protocol, Protocol::WebSocket);
    assert_eq!(flow.opening.url, format!("ws://{addr}/chat?a"));
    assert_eq!(flow.opening.subprotocol.as_deref(), Some("chat"));
    assert_eq!(flow.opening.extensions.as_deref(), Some("permessage-deflate"));
    assert_eq!(kinds(&messages[..2]), [Kind::UpgradeRequest, Kind::UpgradeResponse]);
    assert_eq!(messages[0].sequence, 0);
    assert_eq!(messages[1].metadata.violation, None);
}

#[test]
fn a_flawed_101_is_passed_on_and_noted() {
    let flawed = "HTTP/1.1 101 Hm\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n\r\n";
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, move |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, flawed);
    });
    let mut client = proxy.client();
    send(&mut client, absolute(addr));
    assert_eq!(read_head(&mut client), flawed);
    server.join().unwrap();
    drop(client);
    let (_, messages) = proxy.ended();
    let violation = messages[1].metadata.violation.as_deref().unwrap();
    assert!(violation.contains("does not answer the key; "), "{violation}");
    assert!(violation.contains("server_max_window_bits"), "{violation}");
}

#[test]
fn a_refused_upgrade_is_an_exchange_and_the_connection_lives_on() {
    let mut proxy = Proxy::regular();
    let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 6\r\n\r\nno way";
    let (addr, server) = server(1, move |_, mut stream| {
        for _ in 0..2 {
            read_head(&mut stream);
            send(&mut stream, "HTTP/1.1 103 Early Hints\r\n\r\n");
            send(&mut stream, refusal);
        }
    });
    let mut client = proxy.client();
    for _ in 0..2 {
        send(&mut client, absolute(addr));
        assert_eq!(read_head(&mut client), "HTTP/1.1 103 Early Hints\r\n\r\n");
        assert_eq!(read_until(&mut client, "no way"), refusal);
        let (flow, messages) = proxy.ended();
        assert_eq!(flow.opening.protocol, Protocol::Http);
        assert_eq!(flow.state(), State::Complete);
        assert_eq!(kinds(&messages), [Kind::Request, Kind::Response]);
        assert_eq!(fact(&messages[1], "status"), Some("401"));
        assert_eq!(messages[1].payload.as_bytes(), b"no way");
    }
    server.join().unwrap();
}

#[test]
fn a_bad_upgrade_is_refused_without_a_dial() {
    let addr = nobody();
    let mut proxy = Proxy::reverse(addr, "");
    for (from, to, status, says) in [
        ("Version: 13", "Version: 8", "426 Upgrade Required", "not 13"),
        (KEY, "short", "400 Bad Request", "base64 of 16 bytes"),
        ("GET ", "POST ", "400 Bad Request", "GET"),
    ] {
        let mut client = proxy.client();
        send(
            &mut client,
            format!("GET / HTTP/1.1\r\n{}", fields(addr)).replace(from, to),
        );
        let answer = read_rest(&mut client);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert_eq!(
            answer.contains("\r\nSec-WebSocket-Version: 13\r\n"),
            status.starts_with("426"),
            "{answer}"
        );
        let (error, messages) = proxy.failed();
        assert!(error.contains(says), "{error}");
        assert_eq!(kinds(&messages), [Kind::Request, Kind::Response]);
    }
}

#[test]
fn an_upgrade_that_is_not_answered_in_time_is_a_504() {
    let mut proxy = Proxy::with("regular@127.0.0.1:0", 1, |settings| settings.limits.handshake_ms = 300);
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        read_rest(&mut stream)
    });
    let mut client = proxy.client();
    send(&mut client, absolute(addr));
    assert!(read_rest(&mut client).starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
    // The server's connection does not outlive the request.
    assert_eq!(server.join().unwrap()[0], "");
    assert!(proxy.failed().0.contains("within 300 ms"));
}

#[test]
fn an_upgrade_to_nobody_is_a_502() {
    let addr = nobody();
    let mut proxy = Proxy::reverse(addr, "/x");
    let mut client = proxy.client();
    send(&mut client, format!("GET /y HTTP/1.1\r\n{}", fields(addr)));
    assert!(read_rest(&mut client).starts_with("HTTP/1.1 502 "));
    let (flow, _) = proxy.ended();
    assert_eq!(flow.opening.url, format!("ws://{addr}/x/y"));
    assert_eq!(flow.opening.server_addr, None);
    assert_eq!(flow.opening.mode, "reverse");
}

#[test]
fn a_server_that_never_stops_does_not_outlive_its_client() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, SWITCH);
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        // The proxy has seen the end of the client's stream before it finds that the client takes nothing either.
        assert_eq!(read_rest(&mut stream), "");
        let begin = Instant::now();
        // An unmasked text frame, again and again, until nobody takes it.
        while stream.write_all(b"\x81\x02on").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "the connection is still there");
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let mut client = proxy.client();
    send(&mut client, absolute(addr));
    read_head(&mut client);
    client.shutdown(std::net::Shutdown::Write).unwrap();
    read_bytes(&mut client, 4);
    drop(client);
    server.join().unwrap();
    proxy.failed();
}
