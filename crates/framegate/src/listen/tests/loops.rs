//! Doors that lead to doors of the same process.

use super::*;

fn reverse(at: SocketAddr, to: &str) -> String {
    format!("reverse:ws://{to}@{at}")
}

fn requests(host: &str, absolute: &str) -> [String; 2] {
    [
        format!("GET {absolute}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!(
            "GET {absolute}/ HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
    ]
}

/// Sends a request to the first door, which knows that it would come back.
fn comes_round(proxy: &mut Proxy, request: &str) {
    let mut client = proxy.client();
    send(&mut client, request);
    let answer = read_rest(&mut client);
    assert!(answer.starts_with("HTTP/1.1 508 Loop Detected\r\n"), "{answer}");
    assert!(answer.contains("back to this proxy itself"), "{answer}");
    let (error, messages) = proxy.failed();
    assert!(error.contains("come round for ever"), "{error}");
    assert_eq!(fact(&messages[1], "status"), Some("508"));
    // Nothing went round even once.
    assert!(proxy.live.try_recv().is_err());
}

#[test]
fn a_door_that_leads_to_itself_is_a_508() {
    for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
        let at = nobody();
        let to = format!("{host}:{}", at.port());
        let mut proxy = Proxy::with(&reverse(at, &to), 1, |_| {});
        for request in requests("h", "") {
            comes_round(&mut proxy, &request);
        }
    }
}

#[test]
fn doors_that_lead_to_each_other_are_a_508() {
    let (a, b, c) = (nobody(), nobody(), nobody());
    let doors = [
        reverse(a, &format!("{b}/some")),
        reverse(b, &format!("localhost:{}/other", c.port())),
        reverse(c, &a.to_string()),
    ];
    let mut proxy = Proxy::with_doors(&doors, 1, |_| {});
    for request in requests("h", "") {
        comes_round(&mut proxy, &request);
    }
    let d = nobody();
    let mut proxy = Proxy::with_doors(
        &["regular@127.0.0.1:0".to_owned(), reverse(d, &d.to_string())],
        1,
        |_| {},
    );
    for request in requests(&d.to_string(), &format!("http://{d}")) {
        comes_round(&mut proxy, &request);
    }
    comes_round(&mut proxy, &format!("CONNECT {d} HTTP/1.1\r\nHost: {d}\r\n\r\n"));
}

#[test]
fn doors_may_stand_behind_each_other() {
    let (addr, server) = server(2, |_, mut stream| {
        let head = read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n");
        head
    });
    let (a, b) = (nobody(), nobody());
    let doors = [
        "regular@127.0.0.1:0".to_owned(),
        reverse(a, &format!("{b}/a")),
        reverse(b, &format!("{addr}/b")),
    ];
    let mut proxy = Proxy::with_doors(&doors, 2, |_| {});
    let request = format!("GET http://{a}/x HTTP/1.1\r\nHost: {a}\r\nConnection: close\r\n\r\n");
    let mut client = proxy.client();
    send(&mut client, &request);
    assert_eq!(read_rest(&mut client), "HTTP/1.1 204 No Content\r\n\r\n");
    let mut client = proxy.client();
    send(&mut client, format!("CONNECT {a} HTTP/1.1\r\nHost: {a}\r\n\r\n"));
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200 "));
    send(&mut client, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(read_rest(&mut client), "HTTP/1.1 204 No Content\r\n\r\n");
    for head in server.join().unwrap() {
        assert!(head.starts_with("GET /b/a/x HTTP/1.1\r\n"), "{head}");
    }
    for _ in 0..6 {
        assert_eq!(proxy.ended().0.state(), State::Complete);
    }
}
