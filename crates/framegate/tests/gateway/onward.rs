//! What of a request travels on to the server.

use crate::scene::{Server, ask, gateway};

fn passed_on(settings: &[&str], fields: &[&str]) -> String {
    let (proxy, server) = (gateway(settings), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    let mut client = ask(&proxy, "/", &[&[upstream.as_str()], fields].concat());
    let (mut behind, head) = server.accept();
    behind.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    head
}

#[test]
fn fields_of_the_gateway_and_of_this_hop_stay_here_and_all_others_travel_on() {
    let head = passed_on(
        &[],
        &[
            "User-Agent: an/agent",
            "X-WsProxy-Binary: pass",
            "Cookie: a=b",
            "Connection: x-mine, keep-alive, Sec-WebSocket-Key, Host",
            "X-Mine: 1",
            "Keep-Alive: timeout=5",
            "Proxy-Authorization: hush",
            "TE: trailers",
            "Authorization: Bearer b",
            "x-Odd:  Case",
        ],
    );
    for there in [
        "Host: app.example",
        "User-Agent: an/agent",
        "Cookie: a=b",
        "Authorization: Bearer b",
        "x-Odd:  Case",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        assert!(head.contains(&format!("\r\n{there}\r\n")), "{there}: {head}");
    }
    let lower = head.to_ascii_lowercase();
    for gone in [
        "x-wsproxy",
        "\r\nx-mine:",
        "\r\nkeep-alive:",
        "proxy-authorization",
        "\r\nte:",
    ] {
        assert!(!lower.contains(gone), "{gone}: {head}");
    }
    assert!(!lower.contains("x-forwarded-for"), "{head}");
}

#[test]
fn a_trusted_proxys_word_on_the_client_is_added_to() {
    let head = passed_on(
        &["gateway.forwarded=true"],
        &["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"],
    );
    assert!(
        head.contains("\r\nX-Forwarded-For: 203.0.113.7, 127.0.0.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nX-Forwarded-Proto: https\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-Host: app.example\r\n"), "{head}");
}

#[test]
fn nor_is_the_word_of_one_who_does_not_show_the_secret() {
    let server = Server::new();
    let route = format!("routes=[{{ upstream = ['{}'] }}]", server.url());
    let proxy = gateway(&["gateway.forwarded=true", "gateway.secret_header=X-Front: s", &route]);
    let said = [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: other",
    ];
    let head = |fields: &[&str]| {
        let _client = ask(&proxy, "/", fields);
        server.accept().1
    };
    let shown = head(&[&said[..], &["X-Front: s"]].concat());
    assert!(
        shown.contains("\r\nX-Forwarded-For: 203.0.113.7, 127.0.0.1\r\n"),
        "{shown}"
    );
    assert!(shown.contains("\r\nX-Forwarded-Host: other\r\n"), "{shown}");
    let not = head(&said);
    for field in ["For: 127.0.0.1", "Proto: http", "Host: app.example"] {
        assert!(not.contains(&format!("\r\nX-Forwarded-{field}\r\n")), "{not}");
    }
}

#[test]
fn a_strangers_word_on_itself_is_not() {
    let server = Server::new();
    let route = format!("routes=[{{ upstream = ['{}'] }}]", server.url());
    let proxy = gateway(&["gateway.forwarded=true", "gateway.trusted_proxies=192.0.2.1", &route]);
    let fields = [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
    ];
    let _client = ask(&proxy, "/", &fields);
    let (_, head) = server.accept();
    assert!(head.contains("\r\nX-Forwarded-For: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-Proto: http\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-Host: app.example\r\n"), "{head}");
}
