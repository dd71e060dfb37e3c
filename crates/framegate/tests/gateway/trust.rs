//! Who may say where a connection goes.

use crate::scene::{Server, ask, gateway, open, problem};

/// Nobody at all, or somebody else.
const OTHERS: &str = "gateway.trusted_proxies=192.0.2.0/24";

#[test]
fn fields_from_elsewhere_are_a_403_and_nothing_is_dialled() {
    let (proxy, server) = (gateway(&[OTHERS]), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    for fields in [
        &[upstream.as_str()][..],
        &["X-WSPROXY-COMPRESS: true"],
        &["x-wsproxy-no-such-thing: 1"],
        &[&upstream, "X-Forwarded-For: 192.0.2.7"],
    ] {
        let (status, problem) = problem(ask(&proxy, "/", fields));
        assert_eq!(status, 403, "{fields:?}");
        assert_eq!(problem["type"], "urn:framegate:problem:not-trusted");
    }
    server.was_not_dialled();
}

#[test]
fn a_route_needs_no_trust_but_takes_no_field_from_elsewhere() {
    let server = Server::new();
    let route = format!("routes=[{{ upstream = ['{}'] }}]", server.url());
    let proxy = gateway(&[OTHERS, &route]);
    let (status, _) = problem(ask(&proxy, "/", &["x-wsproxy-maxframesize: 99999999"]));
    assert_eq!(status, 403);
    server.was_not_dialled();
    let mut client = ask(&proxy, "/", &[]);
    server.accept().0.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn a_secret_is_shown_once_and_exactly_and_does_not_travel_on() {
    let (proxy, server) = (gateway(&["gateway.secret_header=X-Front: open sesame"]), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    for fields in [
        &[upstream.as_str()][..],
        &[&upstream, "X-Front: open sesam"],
        &[&upstream, "X-Front: open sesame", "x-front: open sesame"],
    ] {
        assert_eq!(problem(ask(&proxy, "/", fields)).0, 403, "{fields:?}");
    }
    server.was_not_dialled();
    let mut client = ask(&proxy, "/", &[&upstream, "x-front: open sesame"]);
    let (mut behind, head) = server.accept();
    assert!(!head.to_ascii_lowercase().contains("x-front"), "{head}");
    behind.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    let shown = proxy.run(&["config", "show", "--set", "gateway.secret_header=X-Front: open sesame"]);
    let shown = String::from_utf8([shown.stdout, shown.stderr].concat()).unwrap();
    assert!(!shown.contains("sesame"), "{shown}");
    assert!(!proxy.log().contains("sesame"));
}

#[test]
fn only_allowed_upstreams_are_dialled_by_name_and_by_address() {
    let server = Server::new();
    let port = server.addr().port();
    let proxy = gateway(&["gateway.upstream_allow=chat.example,*.internal.example"]);
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "evil.test",
        "169.254.169.254",
    ] {
        let (status, problem) = problem(ask(&proxy, "/", &[&format!("x-wsproxy-upstream: ws://{host}:{port}")]));
        assert_eq!(
            (status, problem["type"].as_str()),
            (403, Some("urn:framegate:problem:forbidden-host")),
            "{host}"
        );
    }
    drop(proxy);
    // A name below a star that leads to a private address was not meant; one that is listed was.
    let proxy = gateway(&["gateway.upstream_allow=*"]);
    let named = format!("x-wsproxy-upstream: ws://localhost:{port}");
    assert_eq!(problem(ask(&proxy, "/", &[&named])).0, 403);
    server.was_not_dialled();
    let proxy = gateway(&["gateway.upstream_allow=127.0.0.0/8,::1"]);
    open(&proxy, &server, &[]);
}

#[test]
fn hooks_that_are_not_allowed_are_refused() {
    let (proxy, server) = (gateway(&["gateway.hook_allow=10.1.2.3"]), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    for name in ["inboundhook", "outboundhook"] {
        let hook = format!("x-wsproxy-{name}: http://127.0.0.1:9/");
        let (status, problem) = problem(ask(&proxy, "/", &[&upstream, &hook]));
        assert_eq!(status, 403);
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
    server.was_not_dialled();
}
