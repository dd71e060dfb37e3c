//! What the header fields say, and what a wrong one is answered with.

use crate::peers::{Heard, TEXT, part};
use crate::scene::{Server, ask, gateway, open, problem};
use crate::stage::wait_for;

#[test]
fn a_field_names_the_server_and_the_request_its_path() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let upstream = format!("X-WsProxy-Upstream: {}/ignored?too=1", server.url());
    let mut client = ask(&proxy, "/chat/7?room=a", &[&upstream]);
    let (mut behind, head) = server.accept();
    assert!(head.starts_with("GET /chat/7?room=a HTTP/1.1\r\n"), "{head}");
    behind.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    client.send(TEXT, b"hello");
    behind.hears(TEXT, b"hello");
    behind.send(TEXT, b"you too");
    client.hears(TEXT, b"you too");
    part(client, behind);
    let flow = wait_for("the flow", || {
        let mut flows = proxy.json(&["flows", "--json"]);
        flows.pop().filter(|flow| flow["state"] == "complete")
    });
    assert_eq!(
        (flow["mode"].as_str(), flow["protocol"].as_str()),
        (Some("gateway"), Some("WebSocket"))
    );
    assert_eq!(flow["url"], format!("{}/chat/7?room=a", server.url()));
}

#[test]
fn each_wrong_field_is_a_400_that_names_it_and_nothing_is_dialled() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    for (field, says) in [
        ("x-wsproxy-upstream: ws://other", "more than once"),
        ("x-wsproxy-inboundhook: ws://hook", "neither http nor https"),
        ("x-wsproxy-inboundhook: http://hook:0/", "expected a URL"),
        (
            "x-wsproxy-outboundhook: http://hook..internal/",
            "neither a DNS name nor",
        ),
        ("x-wsproxy-inboundhook-method: A B", "expected a method"),
        ("x-wsproxy-inboundhook-headers: novalue", "header1=val1"),
        ("x-wsproxy-outboundhook:", "expected a URL"),
        ("x-wsproxy-outboundhook-method: ", "expected a method"),
        ("x-wsproxy-outboundhook-headers: a b=c", "field name"),
        (
            "x-wsproxy-outboundhook-headers: Authorization: Bearer abc=",
            "field name",
        ),
        ("x-wsproxy-compress: yes", "true or false"),
        ("x-wsproxy-idletimeout: -1", "whole number of milliseconds"),
        ("x-wsproxy-maxframesize: 2k", "whole number of bytes"),
        ("x-wsproxy-validateutf8: 1", "true or false"),
        ("x-wsproxy-binary: drop", "close, hook or pass"),
        ("x-wsproxy-inboundhooks: http://hook", "x-wsproxy-inboundhook?"),
    ] {
        let (status, problem) = problem(ask(&proxy, "/", &[&upstream, field]));
        let name = field.split(':').next().unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 400, "{field}");
        assert!(detail.contains(name) && detail.contains(says), "{field}: {detail}");
        assert_eq!(problem["type"], "urn:framegate:problem:bad-gateway-field");
    }
    server.was_not_dialled();
}

#[test]
fn an_upstream_that_cannot_be_is_a_400_that_says_what_one_is() {
    let proxy = gateway(&[]);
    for upstream in [
        "ws://h:99999",
        "ws://h:0",
        "ws://..",
        "ws://1.2.3.4.5",
        "http://h",
        "h:80",
        "",
    ] {
        let (status, problem) = problem(ask(&proxy, "/", &[&format!("x-wsproxy-upstream: {upstream}")]));
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 400, "{upstream}");
        assert!(
            detail.contains("x-wsproxy-upstream") && detail.contains("expected a WebSocket endpoint"),
            "{upstream}: {detail}"
        );
    }
}

#[test]
fn where_nothing_says_where_to_go_is_a_400() {
    let proxy = gateway(&[]);
    let (status, problem) = problem(ask(&proxy, "/", &[]));
    assert_eq!(status, 400);
    assert!(
        problem["detail"].as_str().unwrap().contains("x-wsproxy-upstream"),
        "{problem}"
    );
}

#[test]
fn an_upstream_that_is_not_there_is_a_502_and_never_a_101() {
    let proxy = gateway(&[]);
    let gone = Server::new().url();
    let (status, problem) = problem(ask(&proxy, "/", &[&format!("x-wsproxy-upstream: {gone}")]));
    assert_eq!((status, problem["status"].as_u64()), (502, Some(502)));
    let refused = wait_for("the record", || proxy.json(&["flows", "--json"]).pop());
    assert_eq!(refused["state"], "error", "{refused}");
}

#[test]
fn an_upstream_that_says_nothing_is_a_504() {
    let (proxy, server) = (gateway(&["limits.handshake_ms=300"]), Server::new());
    let client = ask(&proxy, "/", &[&format!("x-wsproxy-upstream: {}", server.url())]);
    let silent = server.accept();
    assert_eq!(problem(client).0, 504);
    drop(silent);
}

#[test]
fn what_asks_for_no_websocket_is_a_426() {
    use std::io::{Read, Write};
    let (proxy, server) = (gateway(&[]), Server::new());
    let mut tcp = crate::stage::connect(proxy.addr("gateway"));
    write!(
        tcp,
        "GET / HTTP/1.1\r\nHost: a\r\nx-wsproxy-upstream: {}\r\nConnection: close\r\n\r\n",
        server.url()
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
    server.was_not_dialled();
}

#[test]
fn no_upstream_outlives_its_client_nor_the_reverse() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let (client, mut behind) = open(&proxy, &server, &[]);
    drop(client);
    assert!(!matches!(behind.hear(), Heard::Frame(_)));
    let (mut client, behind) = open(&proxy, &server, &[]);
    drop(behind);
    assert!(!matches!(client.hear(), Heard::Frame(_)));
}

#[test]
fn the_largest_numbers_that_a_field_takes_limit_nothing_and_break_nothing() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let most = [
        "x-wsproxy-idletimeout: 18446744073709551615",
        "x-wsproxy-maxframesize: 18446744073709551615",
    ];
    let (mut client, mut behind) = open(&proxy, &server, &most);
    let long = vec![b'x'; 100_000];
    client.send(TEXT, &long);
    behind.hears(TEXT, &long);
    part(client, behind);
}
