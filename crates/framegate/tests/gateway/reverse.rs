//! Routes at a reverse door: WebSockets that match are the route's, and whatever else is the door's server's.

use std::io::Write;

use crate::peers::{End, TEXT, both_are_closed};
use crate::scene::{Server, request};
use crate::stage::{Proxy, connect};

fn reverse(server: &Server, settings: &[&str]) -> Proxy {
    let mode = format!("reverse:http://{}/site@:0", server.addr());
    let sets = settings.iter().flat_map(|setting| ["--set", setting]);
    let args: Vec<&str> = ["--mode", &mode].into_iter().chain(sets).collect();
    Proxy::start_in(tempfile::tempdir().unwrap(), &args)
}

fn ask(proxy: &Proxy, path: &str, fields: &[&str]) -> End {
    let mut client = End::client(connect(proxy.addr("reverse")));
    client.tcp.write_all(&request(path, fields, b"")).unwrap();
    client
}

/// The head that the server gets, and the WebSocket's ends.
fn opened(proxy: &Proxy, server: &Server, path: &str, fields: &[&str]) -> (String, End, End) {
    let mut client = ask(proxy, path, fields);
    let (mut behind, head) = server.accept();
    behind.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    (head, client, behind)
}

#[test]
fn what_a_route_matches_goes_where_it_says_or_to_the_doors_server() {
    let (own, other) = (Server::new(), Server::new());
    let routes = format!(
        "routes=[{{ path = '/chat', message_bytes_max = 200 }}, {{ path = '/other', upstream = ['{}'] }}]",
        other.url()
    );
    let proxy = reverse(&own, &[&routes]);
    let (head, mut client, mut server) = opened(&proxy, &own, "/chat/a?b", &[]);
    assert!(head.starts_with("GET /site/chat/a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nHost: {}\r\n", own.addr())), "{head}");
    client.send(TEXT, &[b'x'; 201]);
    assert_eq!(both_are_closed(&mut client, &mut server, 1009), "frame over the limit");

    let (head, ..) = opened(&proxy, &other, "/%6fther?b", &[]);
    assert!(head.starts_with("GET /%6fther?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nHost: app.example\r\n"), "{head}");

    let (_, mut client, mut server) = opened(&proxy, &own, "/chats", &[]);
    client.send(TEXT, &[b'x'; 3000]);
    server.hears(TEXT, &[b'x'; 3000]);
}

#[test]
fn only_websockets_are_a_routes() {
    let (own, other) = (Server::new(), Server::new());
    let proxy = reverse(&own, &[&format!("routes=[{{ upstream = ['{}'] }}]", other.url())]);
    let mut client = connect(proxy.addr("reverse"));
    client.write_all(b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(own.accept().1.starts_with("GET /site/page HTTP/1.1\r\n"));
    other.was_not_dialled();
}

#[test]
fn without_routes_no_path_is_refused() {
    let own = Server::new();
    let (head, ..) = opened(&reverse(&own, &[]), &own, "/a/../chat", &[]);
    assert!(head.starts_with("GET /site/a/../chat HTTP/1.1\r\n"), "{head}");
}

#[test]
fn with_routes_one_that_leads_up_again_is() {
    let own = Server::new();
    let proxy = reverse(&own, &["routes=[{ path = '/chat' }]"]);
    assert_eq!(crate::scene::problem(ask(&proxy, "/a/../chat", &[])).0, 400);
    own.was_not_dialled();
}

#[test]
fn a_source_is_whom_the_proxy_in_front_names_and_its_secret_stays_here() {
    let own = Server::new();
    let proxy = reverse(
        &own,
        &["gateway.secret_header=X-Secret: s", "limits.source_connections_max=1"],
    );
    let of = |client: &str| format!("X-Forwarded-For: {client}");
    let (head, _one, _) = opened(&proxy, &own, "/", &["X-Secret: s", &of("203.0.113.1")]);
    assert!(!head.to_ascii_lowercase().contains("x-secret"), "{head}");
    let (_, _other, _) = opened(&proxy, &own, "/", &["X-Secret: s", &of("203.0.113.2")]);
    assert_eq!(
        crate::scene::problem(ask(&proxy, "/", &["X-Secret: s", &of("203.0.113.1")])).0,
        429
    );
    // Whoever does not show the secret is believed nothing.
    let (_, _own_word, _) = opened(&proxy, &own, "/", &[&of("203.0.113.3")]);
    assert_eq!(crate::scene::problem(ask(&proxy, "/", &[&of("203.0.113.4")])).0, 429);
}
