//! Where connections go that no header field sends anywhere.

use crate::scene::{Server, ask, ask_as, gateway, problem};

/// Which of the servers the request at `path` with these fields reaches.
fn reaches(proxy: &crate::stage::Proxy, servers: &[&Server], path: &str, fields: &[&str]) -> usize {
    let mut client = ask(proxy, path, fields);
    let reached = crate::stage::wait_for("a dial", || servers.iter().position(|server| server.has_been_dialled()));
    let (mut behind, _) = servers[reached].accept();
    behind.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    reached
}

#[test]
fn the_first_route_that_matches_in_everything_is_taken() {
    let servers = [Server::new(), Server::new(), Server::new(), Server::new()];
    let url = |at: usize| servers[at].url();
    let routes = format!(
        "routes=[{{ path = '/chat', subprotocol = 'v2', upstream = ['{}'] }}, {{ path = '/chat/', upstream = ['{}'] }}, \
         {{ host = '*.example', path = '/', upstream = ['{}'] }}, {{ upstream = ['{}'] }}]",
        url(0),
        url(1),
        url(2),
        url(3)
    );
    let proxy = gateway(&[&routes]);
    let servers: Vec<&Server> = servers.iter().collect();
    let reaches = |path: &str, fields: &[&str]| reaches(&proxy, &servers, path, fields);
    assert_eq!(reaches("/chat", &["Sec-WebSocket-Protocol: v1, v2"]), 0);
    assert_eq!(reaches("/chat/a?b", &["Sec-WebSocket-Protocol: v1"]), 1);
    assert_eq!(reaches("/chat?a=/", &[]), 1);
    assert_eq!(reaches("/chats", &[]), 2);
    assert_eq!(reaches("http://other.test/x", &[]), 2);
}

#[test]
fn a_path_takes_its_route_however_it_is_written() {
    let servers = [Server::new(), Server::new()];
    let routes = format!(
        "routes=[{{ path = '/chat', upstream = ['{}'] }}, {{ upstream = ['{}'] }}]",
        servers[0].url(),
        servers[1].url()
    );
    let proxy = gateway(&[&routes]);
    let all: Vec<&Server> = servers.iter().collect();
    for path in [
        "/chat",
        "//chat",
        "/%63hat",
        "/%63%68%61%74/a",
        "/chat;a=b/c",
        "/;x/chat",
        "/chat%2fa",
        "/%5cchat",
    ] {
        assert_eq!(reaches(&proxy, &all, path, &[]), 0, "{path}");
    }
    for path in [
        "/open/../chat",
        "/open/%2e%2E/chat",
        "/open/..;x/chat",
        "/./chat",
        "/open/..%2fchat",
        "/open%5c..%5cchat",
    ] {
        assert_eq!(problem(ask(&proxy, path, &[])).0, 400, "{path}");
    }
    assert_eq!(reaches(&proxy, &all, "/open/...?a=/../b", &[]), 1);
}

#[test]
fn a_route_takes_its_path_however_it_is_written_itself() {
    let servers = [Server::new(), Server::new()];
    for path in ["/team%20chat", "//team%20chat/", "/te%61m%20chat;v=1", "/\\team%20chat"] {
        let routes = format!(
            "routes=[{{ path = '{path}', upstream = ['{}'] }}, {{ upstream = ['{}'] }}]",
            servers[0].url(),
            servers[1].url()
        );
        let proxy = gateway(&[&routes]);
        let all: Vec<&Server> = servers.iter().collect();
        assert_eq!(reaches(&proxy, &all, "/team%20chat", &[]), 0, "{path}");
        assert_eq!(reaches(&proxy, &all, "/team", &[]), 1, "{path}");
    }
}

#[test]
fn a_host_that_nobody_can_read_leads_past_no_route() {
    let server = Server::new();
    let route = |host: &str| {
        format!(
            "routes=[{{ {host} upstream = ['{0}'] }}, {{ upstream = ['{0}'] }}]",
            server.url()
        )
    };
    let proxy = gateway(&[&route("host = 'app.example',")]);
    for host in ["app.example:99999", "app.example/", "a b", ""] {
        let (status, problem) = problem(ask_as(&proxy, host));
        assert_eq!(status, 400, "{host}");
        assert!(problem["detail"].as_str().unwrap().contains("Host"), "{problem}");
    }
    server.was_not_dialled();
    // Where no route goes by it, it is the server's to read.
    let proxy = gateway(&[&route("")]);
    let _client = ask_as(&proxy, "app.example:99999");
    assert!(server.accept().1.contains("\r\nHost: app.example:99999\r\n"));
}

#[test]
fn without_routes_a_path_goes_on_as_it_came() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    for path in ["/open/../chat", "/open/%2e%2E/chat;a=b", "//chat?a=/../b", "/%"] {
        let _client = ask(&proxy, path, &[&upstream]);
        crate::stage::wait_for(path, || server.has_been_dialled().then_some(()));
        let (_, head) = server.accept();
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{head}");
    }
}

#[test]
fn upstreams_are_taken_in_turn_and_one_that_is_gone_is_passed_over() {
    let servers = [Server::new(), Server::new()];
    let gone = Server::new().url();
    let routes = format!(
        "routes=[{{ upstream = ['{}', '{gone}', '{}'] }}]",
        servers[0].url(),
        servers[1].url()
    );
    let proxy = gateway(&[&routes]);
    let servers: Vec<&Server> = servers.iter().collect();
    let reached: Vec<usize> = (0..6).map(|_| reaches(&proxy, &servers, "/", &[])).collect();
    assert_eq!(reached, [0, 1, 1, 0, 1, 1]);
}

#[test]
fn where_all_upstreams_are_gone_is_a_502() {
    let (one, other) = (Server::new().url(), Server::new().url());
    let proxy = gateway(&[&format!("routes=[{{ upstream = ['{one}', '{other}'] }}]")]);
    assert_eq!(problem(ask(&proxy, "/", &[])).0, 502);
}

#[test]
fn a_reload_has_other_routes() {
    let servers = [Server::new(), Server::new()];
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("framegate.toml");
    let write =
        |at: usize| std::fs::write(&file, format!("[[routes]]\nupstream = ['{}']\n", servers[at].url())).unwrap();
    write(0);
    let config = file.to_str().unwrap().to_owned();
    let proxy = crate::stage::Proxy::start_in(home, &["--mode", "gateway@:0", "--config", &config]);
    let all: Vec<&Server> = servers.iter().collect();
    assert_eq!(reaches(&proxy, &all, "/", &[]), 0);
    write(1);
    proxy.signal(rustix::process::Signal::HUP);
    proxy.wait_for_log("the configuration was reloaded");
    assert_eq!(reaches(&proxy, &all, "/", &[]), 1);
    std::fs::write(&file, "[[routes]]\nupstream = ['nowhere']\n").unwrap();
    proxy.signal(rustix::process::Signal::HUP);
    proxy.wait_for_log("was not reloaded");
    assert_eq!(reaches(&proxy, &all, "/", &[]), 1);
}
