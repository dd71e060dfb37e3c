//! CONNECT without TLS.

use super::*;
use crate::flow::FlowType;

const OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn connect(addr: SocketAddr) -> String {
    format!("CONNECT {addr} HTTP/1.1\r\nHost: {addr}\r\nProxy-Connection: keep-alive\r\n\r\n")
}

#[test]
fn http_in_a_tunnel_is_read_even_if_it_comes_with_the_connect() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        let head = read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        head
    });
    let mut client = proxy.client();
    let request = "GET /x HTTP/1.1\r\nHost: name\r\n\r\n";
    send(&mut client, connect(addr) + request);
    assert_eq!(read_head(&mut client), OPEN);
    assert!(read_until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 OK"));
    drop(client);
    assert_eq!(server.join().unwrap()[0], request);
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.opening.url, format!("http://{addr}/x"));
    assert_eq!(messages.len(), 2);
}

#[test]
fn a_server_may_speak_first() {
    // Nothing but the server's own word ends the wait here.
    let mut proxy = Proxy::with("regular@127.0.0.1:0", 1, |settings| {
        settings.limits.sniff_ms = 3_600_000
    });
    let (addr, server) = server(1, |_, mut stream| {
        send(&mut stream, "220 ready\r\n");
        read_bytes(&mut stream, 4)
    });
    let mut client = proxy.client();
    send(&mut client, connect(addr));
    assert_eq!(read_head(&mut client), OPEN);
    assert_eq!(read_bytes(&mut client, 11), b"220 ready\r\n");
    send(&mut client, "QUIT");
    assert_eq!(server.join().unwrap()[0], b"QUIT");
    drop(client);
    let (flow, _) = proxy.ended();
    assert_eq!(flow.opening.flow_type, FlowType::Tunnel);
    assert_eq!(flow.opening.url, addr.to_string());
}

#[test]
fn what_is_neither_tls_nor_http_is_passed_on_with_all_its_bytes() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        let first = read_bytes(&mut stream, 6);
        send(&mut stream, "pong");
        first
    });
    let mut client = proxy.client();
    send(&mut client, [connect(addr).as_bytes(), &[0, 1, 2]].concat());
    assert_eq!(read_head(&mut client), OPEN);
    send(&mut client, [3, 4, 5]);
    assert_eq!(read_bytes(&mut client, 4), b"pong");
    assert_eq!(server.join().unwrap()[0], [0, 1, 2, 3, 4, 5]);
    drop(client);
    assert_eq!(proxy.ended().0.opening.flow_type, FlowType::Tunnel);
}

#[test]
fn a_tunnel_cannot_be_opened_inside_a_tunnel() {
    let proxy = Proxy::regular();
    let (addr, server) = server(1, |_, stream| stream);
    let mut client = proxy.client();
    send(&mut client, connect(addr) + &connect(addr));
    assert_eq!(read_head(&mut client), OPEN);
    assert!(read_rest(&mut client).starts_with("HTTP/1.1 405 "));
    server.join().unwrap();
}

#[test]
fn a_server_that_never_stops_does_not_outlive_its_tunnel() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let begin = Instant::now();
        while stream.write_all(b"\0on and on").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "the connection is still there");
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let mut client = proxy.client();
    send(&mut client, connect(addr));
    read_head(&mut client);
    read_bytes(&mut client, 10);
    drop(client);
    server.join().unwrap();
    proxy.failed();
}
