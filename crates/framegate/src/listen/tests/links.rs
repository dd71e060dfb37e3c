//! The connection to the server: kept, renewed, missing.

use super::*;

fn get(addr: SocketAddr, path: &str) -> String {
    format!("GET http://{addr}{path} HTTP/1.1\r\nHost: {addr}\r\n\r\n")
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_kept_connection_that_the_server_ended_is_replaced() {
    // It reads the second request and ends without an answer: only trying again helps.
    let (addr, server) = server(2, |index, mut stream| {
        read_head(&mut stream);
        send(&mut stream, ok(&index.to_string()));
        if index == 0 {
            read_head(&mut stream);
        }
    });
    let mut proxy = Proxy::regular();
    let mut client = proxy.client();
    for n in 0..2 {
        send(&mut client, get(addr, "/"));
        read_head(&mut client);
        assert_eq!(read_bytes(&mut client, 1), n.to_string().as_bytes());
        let (flow, messages) = proxy.ended();
        assert_eq!(flow.state(), State::Complete);
        assert_eq!(messages.len(), 2);
    }
    server.join().unwrap();
}

#[test]
fn a_request_with_a_body_is_never_sent_twice() {
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, ok("0"));
        read_head(&mut stream);
    });
    let mut proxy = Proxy::regular();
    let mut client = proxy.client();
    send(&mut client, get(addr, "/"));
    read_until(&mut client, "\r\n\r\n0");
    send(
        &mut client,
        format!("POST http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 1\r\n\r\nx"),
    );
    assert!(read_rest(&mut client).starts_with("HTTP/1.1 502 "));
    server.join().unwrap();
    proxy.ended();
    let (error, messages) = proxy.failed();
    assert!(error.contains("without an answer"), "{error}");
    assert_eq!(fact(&messages[1], "status"), Some("502"));
    assert_eq!(fact(&messages[1], "by"), Some("proxy"));
}

#[test]
fn another_host_gets_another_connection() {
    let answer = |_, mut stream: TcpStream| {
        let head = read_head(&mut stream);
        send(&mut stream, ok("x"));
        head
    };
    let (one, first) = server(1, answer);
    let (two, second) = server(1, answer);
    let proxy = Proxy::regular();
    let mut client = proxy.client();
    for addr in [one, two] {
        send(&mut client, get(addr, "/p"));
        read_until(&mut client, "\r\n\r\nx");
    }
    assert!(first.join().unwrap()[0].contains(&one.to_string()));
    assert!(second.join().unwrap()[0].contains(&two.to_string()));
}

#[test]
fn a_server_that_cannot_be_reached_is_a_502_that_says_so() {
    let mut proxy = Proxy::regular();
    let addr = nobody();
    for (request, says) in [
        (get(addr, "/"), "refuses the connection"),
        (
            format!("CONNECT {addr} HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
            "refuses the connection",
        ),
        (
            "GET http://no-such-host.invalid/ HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            "cannot be found",
        ),
    ] {
        let mut client = proxy.client();
        send(&mut client, &request);
        let answer = read_rest(&mut client);
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
        assert!(answer.contains(says), "{answer}");
        let (error, messages) = proxy.failed();
        assert!(error.contains(says), "{error}");
        assert_eq!(kinds(&messages), [Kind::Request, Kind::Response]);
    }
}

#[test]
fn a_server_that_talks_nonsense_is_a_502() {
    let mut proxy = Proxy::regular();
    for (answer, says) in [
        ("SSH-2.0-x\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nConte", "in the middle of the response's head"),
        ("H", "in the middle of the response's head"),
        ("HTTP/1.1 103 Hints\r\n\r\n", "in the middle of the response's head"),
        (
            "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
            "malformed: a line ends in LF",
        ),
        (
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "malformed: a header line is folded",
        ),
        (
            "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
            "malformed: a header value holds a control",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "stand together",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "more than one Content-Length",
        ),
        ("", "without an answer"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
            "without being asked",
        ),
    ] {
        let (addr, server) = server(1, move |_, mut stream| {
            let head = read_head(&mut stream);
            send(&mut stream, answer);
            head
        });
        let mut client = proxy.client();
        let upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n";
        send(
            &mut client,
            format!("GET http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n{upgrade}\r\n"),
        );
        let answer = read_rest(&mut client);
        assert!(
            answer.contains("HTTP/1.1 502 ") && answer.contains("the server"),
            "{answer}"
        );
        let (error, _) = proxy.failed();
        assert!(error.contains(says), "{error}");
        let head = server.join().unwrap().remove(0);
        assert!(!head.contains("h2c") && !head.contains("HTTP2"), "{head}");
    }
}

#[test]
fn a_body_that_breaks_off_is_an_error_on_record_and_for_the_client() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    let mut client = proxy.client();
    send(&mut client, get(addr, "/"));
    assert!(read_rest(&mut client).ends_with("\r\n\r\nhalf"));
    server.join().unwrap();
    let (error, messages) = proxy.failed();
    assert!(error.contains("middle of the body"), "{error}");
    assert_eq!(messages[1].payload.as_bytes(), b"half");
    assert_eq!(fact(&messages[1], "incomplete"), Some("true"));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_is_an_error() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        assert_eq!(read_rest(&mut stream), "ab");
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!("POST http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 3\r\n\r\nab"),
    );
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (error, _) = proxy.failed();
    assert!(error.contains("the client"), "{error}");
    server.join().unwrap();
}
