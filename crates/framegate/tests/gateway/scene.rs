//! A gateway door, servers behind it, and requests as the proxy in front makes them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use crate::peers::End;
use crate::stage::{PATIENCE, Proxy, connect};

/// A proxy with a gateway door.
pub(crate) fn gateway(settings: &[&str]) -> Proxy {
    let sets: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let args = [&["--mode", "gateway@:0"], &sets[..]].concat();
    Proxy::start_in(tempfile::tempdir().unwrap(), &args)
}

/// A server that the test plays, and that nobody has dialled yet.
pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// As a header field or a route names it.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.addr())
    }

    /// The next connection, and the head of its request.
    pub(crate) fn accept(&self) -> (End, String) {
        let tcp = self.0.accept().unwrap().0;
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut end = End::server(tcp);
        let head = end.http_head();
        (end, head)
    }

    /// Whether somebody waits to be accepted.
    pub(crate) fn has_been_dialled(&self) -> bool {
        let mut listener = [rustix::event::PollFd::new(&self.0, rustix::event::PollFlags::IN)];
        let none = rustix::event::Timespec::default();
        rustix::event::poll(&mut listener, Some(&none)).unwrap() > 0
    }

    pub(crate) fn was_not_dialled(&self) {
        assert!(!self.has_been_dialled());
    }
}

/// The request for a WebSocket at that path, with more fields, and what is sent right behind it.
pub(crate) fn request(path: &str, fields: &[&str], behind: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: app.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    [head.as_bytes(), behind].concat()
}

/// Asks the gateway door.
pub(crate) fn ask(proxy: &Proxy, path: &str, fields: &[&str]) -> End {
    let mut client = End::client(connect(proxy.addr("gateway")));
    client.tcp.write_all(&request(path, fields, b"")).unwrap();
    client
}

/// Asks the gateway door with that `Host`.
pub(crate) fn ask_as(proxy: &Proxy, host: &str) -> End {
    let mut client = End::client(connect(proxy.addr("gateway")));
    let request = String::from_utf8(request("/", &[], b"")).unwrap();
    let request = request.replacen("app.example", host, 1);
    client.tcp.write_all(request.as_bytes()).unwrap();
    client
}

/// A WebSocket to that server, which a header field names, with more fields; the client's end and the server's.
pub(crate) fn open(proxy: &Proxy, server: &Server, fields: &[&str]) -> (End, End) {
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    let mut client = ask(proxy, "/chat", &[&[upstream.as_str()], fields].concat());
    let (mut behind, _) = server.accept();
    behind.agrees("");
    let answer = client.http_head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (client, behind)
}

/// Status and problem of an answer after which the connection ends.
pub(crate) fn problem(mut client: End) -> (u16, Value) {
    let mut answer = String::new();
    client.tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/problem+json"), "{head}");
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}
