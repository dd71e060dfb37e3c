//! Ordinary exchanges.

use super::*;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn a_request_keeps_its_headers_and_loses_what_was_for_the_proxy() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        let head = read_head(&mut stream);
        send(&mut stream, HELLO);
        head
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!(
            "GET http://{addr}/a%20b?q=1 HTTP/1.1\r\nhOsT: {addr}\r\nX-b:1\r\nProxy-Connection: keep-alive\r\n\
             x-A:  2 \r\nProxy-Authorization: Basic eA==\r\nX-b: 3\r\nConnection: close\r\n\r\n"
        ),
    );
    assert_eq!(read_rest(&mut client), HELLO);
    assert_eq!(
        server.join().unwrap()[0],
        format!("GET /a%20b?q=1 HTTP/1.1\r\nhOsT: {addr}\r\nX-b:1\r\nx-A:  2 \r\nX-b: 3\r\nConnection: close\r\n\r\n")
    );
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.state(), State::Complete);
    assert_eq!(flow.opening.url, format!("http://{addr}/a%20b?q=1"));
    assert_eq!(flow.opening.mode, "regular");
    assert_eq!(flow.opening.server_addr, Some(addr.to_string()));
    assert_eq!(kinds(&messages), [Kind::Request, Kind::Response]);
    assert_eq!(fact(&messages[0], "method"), Some("GET"));
    assert_eq!(fact(&messages[1], "status"), Some("200"));
    assert_eq!(messages[1].payload.as_bytes(), b"hello");
    assert!(messages[0].head.as_ref().unwrap().starts_with("GET http://"));
}

#[test]
fn a_reverse_door_adds_its_path_and_names_its_server() {
    let (addr, server) = server(1, |_, mut stream| {
        let head = read_head(&mut stream);
        send(&mut stream, HELLO);
        head
    });
    let mut proxy = Proxy::reverse(addr, "/base");
    let mut client = proxy.client();
    send(
        &mut client,
        "GET /x?y HTTP/1.0\r\nAccept: a\r\nhost: elsewhere\r\nOrigin: http://elsewhere\r\n\r\n",
    );
    assert_eq!(read_rest(&mut client), HELLO);
    assert_eq!(
        server.join().unwrap()[0],
        format!("GET /base/x?y HTTP/1.0\r\nAccept: a\r\nhost: {addr}\r\nOrigin: http://elsewhere\r\n\r\n")
    );
    assert_eq!(proxy.ended().0.opening.url, format!("http://{addr}/base/x?y"));
}

#[test]
fn pipelined_requests_are_answered_in_order_over_one_connection() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        for n in 0..3 {
            let head = read_head(&mut stream);
            assert!(head.starts_with(&format!("GET /{n} ")), "{head}");
            send(&mut stream, format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}"));
        }
        stream
    });
    let mut client = proxy.client();
    let requests: String = (0..3)
        .map(|n| {
            let close = if n == 2 { "Connection: close\r\n" } else { "" };
            format!("GET http://{addr}/{n} HTTP/1.1\r\nHost: {addr}\r\n{close}\r\n")
        })
        .collect();
    send(&mut client, requests);
    let answers = read_rest(&mut client);
    let bodies: Vec<_> = answers.split("\r\n\r\n").skip(1).map(|part| &part[..1]).collect();
    assert_eq!(bodies, ["0", "1", "2"]);
    server.join().unwrap();
    for _ in 0..3 {
        assert_eq!(proxy.ended().0.state(), State::Complete);
    }
}

#[test]
fn a_chunked_upload_passes_byte_for_byte_and_is_recorded_without_chunks() {
    const BODY: &str = "5;ext=1\r\nhello\r\n006\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n";
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        let head = read_head(&mut stream);
        let body = read_bytes(&mut stream, BODY.len());
        send(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n");
        (head, body)
    });
    let mut client = proxy.client();
    let head = format!("POST http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nTransfer-Encoding: chunked\r\n\r\n");
    send(&mut client, head);
    for byte in BODY.as_bytes() {
        send(&mut client, [*byte]);
    }
    assert_eq!(read_head(&mut client), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(server.join().unwrap()[0].1, BODY.as_bytes());
    let (_, messages) = proxy.ended();
    assert_eq!(messages[0].payload.as_bytes(), b"hello world");
    assert_eq!(messages[0].size, 11);
}

#[test]
fn interim_responses_reach_a_client_that_waits_for_them() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(
            &mut stream,
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
        );
        let body = read_bytes(&mut stream, 3);
        send(&mut stream, HELLO);
        body
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!("PUT http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
    );
    assert_eq!(read_head(&mut client), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert_eq!(read_head(&mut client), "HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut client, "abc");
    assert_eq!(read_until(&mut client, "hello"), HELLO);
    assert_eq!(server.join().unwrap()[0], b"abc");
    assert_eq!(proxy.ended().1.len(), 2);
}

#[test]
fn a_server_that_refuses_a_body_is_heard_before_the_body_is_sent() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
        stream
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!("PUT http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
    );
    assert_eq!(read_rest(&mut client), "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
    server.join().unwrap();
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.state(), State::Complete);
    assert_eq!(fact(&messages[0], "incomplete"), Some("true"));
}

#[test]
fn a_response_streams_while_the_request_is_still_coming() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
        for _ in 0..4 {
            let byte = read_bytes(&mut stream, 1);
            send(&mut stream, byte);
        }
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!("POST http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 4\r\n\r\n"),
    );
    read_head(&mut client);
    for byte in *b"ping" {
        send(&mut client, [byte]);
        assert_eq!(read_bytes(&mut client, 1), [byte]);
    }
    server.join().unwrap();
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.state(), State::Complete);
    assert_eq!(messages[1].payload.as_bytes(), b"ping");
}

#[test]
fn a_long_body_is_cut_in_the_record_and_only_there() {
    const SIZE: usize = 3 << 20;
    let mut proxy = Proxy::with("regular@127.0.0.1:0", 1, |settings| {
        settings.record.payload_bytes_max = 1000
    });
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        let body = read_bytes(&mut stream, SIZE);
        send(&mut stream, "HTTP/1.0 200 OK\r\n\r\n");
        send(&mut stream, &body);
    });
    let mut client = proxy.client();
    let body: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
    send(
        &mut client,
        format!("POST http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {SIZE}\r\n\r\n"),
    );
    send(&mut client, &body);
    assert_eq!(read_head(&mut client), "HTTP/1.0 200 OK\r\n\r\n");
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert!(received == body, "the body is not the one that was sent");
    server.join().unwrap();
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.state(), State::Complete);
    for message in &messages {
        assert_eq!(message.payload.as_bytes(), &body[..1000]);
        assert_eq!(message.size, SIZE as u64);
    }
}

#[test]
fn a_response_to_head_has_no_body_whatever_it_says() {
    let proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n");
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!("HEAD http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    );
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
    send(
        &mut client,
        format!("GET http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    );
    assert!(read_head(&mut client).starts_with("HTTP/1.1 304"));
    server.join().unwrap();
}

#[test]
fn a_head_that_is_cut_off_or_none_is_a_400_and_on_record() {
    let mut proxy = Proxy::regular();
    for (bytes, says) in [
        (
            "GET http://h/ HTTP/1.1\r\nHo",
            "the client's connection ended in the middle of a request's head",
        ),
        ("G", "the client's connection ended in the middle of a request's head"),
        (
            "GET http://h/ HTTP/1.1\nHost: h\r\n\r\n",
            "the client's request is malformed: a line ends in LF without CR",
        ),
        (
            "GET http://h/ HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n",
            "the client's request is malformed: a header value holds a control character",
        ),
        (
            "GET http://h/ HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            "the client's request is malformed: a header line is folded onto the next one",
        ),
        (
            "GET http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\n",
            "the client's request is malformed: a header line does not start with a valid name and a colon",
        ),
    ] {
        let mut client = proxy.client();
        send(&mut client, bytes);
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = read_rest(&mut client);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains(says), "{answer}");
        let (error, messages) = proxy.failed();
        assert_eq!(error, says);
        assert_eq!(messages[0].head.as_deref(), Some(bytes));
        assert_eq!(fact(&messages[0], "incomplete"), Some("true"));
        assert_eq!(fact(&messages[1], "status"), Some("400"));
    }
    let mut nothing = proxy.client();
    nothing.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_rest(&mut nothing), "");
}

#[test]
fn a_body_with_two_readings_is_refused_before_the_server_gets_more_of_it() {
    let mut proxy = Proxy::regular();
    for body in ["5;a\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "0\r\nA: b\n\r\n"] {
        let (addr, server) = server(1, |_, mut stream| {
            read_head(&mut stream);
            read_rest(&mut stream)
        });
        let mut client = proxy.client();
        let head = format!("POST http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\nTransfer-Encoding: chunked\r\n\r\n");
        send(&mut client, head + body);
        let answer = read_rest(&mut client);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("the client's request body is malformed"), "{answer}");
        assert_eq!(server.join().unwrap()[0], "");
        proxy.failed();
    }
}

/// Requests that no server gets, the status that answers them, and a word of the reason.
fn hopeless(own: SocketAddr) -> Vec<(String, u16, &'static str)> {
    vec![
        (
            "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_owned(),
            400,
            "this is a proxy",
        ),
        ("GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 400, "not a URL"),
        (
            "GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            400,
            "not a URL",
        ),
        (
            "GET http://h/ HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n".to_owned(),
            400,
            "more than one Host",
        ),
        ("GET http://h/ HTTP/1.1\r\n\r\n".to_owned(), 400, "no Host"),
        (
            "POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            400,
            "malformed",
        ),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), 505, "version"),
        ("\x01\x02\x03\x04".to_owned(), 400, "malformed"),
        (
            format!("GET http://h/ HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(70_000)),
            431,
            "longer than",
        ),
        (
            format!("GET http://{own}/ HTTP/1.1\r\nHost: h\r\n\r\n"),
            508,
            "back to this proxy itself",
        ),
        (
            format!("CONNECT {own} HTTP/1.1\r\nHost: h\r\n\r\n"),
            508,
            "back to this proxy itself",
        ),
        (
            "CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            400,
            "a host and a port",
        ),
        (
            "GET http://framegate.local/none HTTP/1.1\r\nHost: framegate.local\r\n\r\n".to_owned(),
            404,
            "no page",
        ),
        (
            "POST http://framegate.local/ HTTP/1.1\r\nHost: framegate.local\r\n\r\n".to_owned(),
            405,
            "only be read",
        ),
    ]
}

#[test]
fn a_request_that_cannot_go_anywhere_is_told_why() {
    let proxy = Proxy::regular();
    for (request, status, says) in hopeless(proxy.addr) {
        let mut client = proxy.client();
        // The answer may come before the last byte is written.
        let _ = client.write_all(request.as_bytes());
        let head = read_head(&mut client);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:.60}: {head}"
        );
        assert!(
            head.contains("application/problem+json") && head.contains("Connection: close"),
            "{head}"
        );
        let body: serde_json::Value = serde_json::from_str(&read_rest(&mut client)).unwrap();
        assert_eq!(body["status"], status);
        assert!(body["detail"].as_str().unwrap().contains(says), "{body}");
    }
}

#[test]
fn the_proxys_own_page_is_served_to_its_clients() {
    let proxy = Proxy::regular();
    for request in [
        "GET http://framegate.local/ca.pem HTTP/1.1\r\nHost: framegate.local\r\n\r\n",
        "GET /ca.pem HTTP/1.1\r\nHost: framegate.local\r\n\r\n",
    ] {
        let mut client = proxy.client();
        send(&mut client, request);
        assert!(read_head(&mut client).starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(read_rest(&mut client).contains("BEGIN CERTIFICATE"));
    }
}
