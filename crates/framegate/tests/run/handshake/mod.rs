//! Opening handshakes as tables: what one peer writes and what reaches the other, byte for byte, through each door.

mod answers;
mod refusals;
mod requests;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use crate::stage::{PATIENCE, Proxy, connect, wait_for};

/// The key of RFC 6455 §1.3, and its answer.
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The header lines of a request that has no more than it must.
const VALID: &str = "Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
/// Likewise a 101, with its status line.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Masked: the text "hi" and a Close with 1000.
const CLIENT_TEXT: &[u8] = b"\x81\x82\x01\x02\x03\x04\x69\x6b";
const CLIENT_CLOSE: &[u8] = b"\x88\x82\x01\x02\x03\x04\x02\xea";
const SERVER_TEXT: &[u8] = b"\x81\x02ho";
const SERVER_CLOSE: &[u8] = b"\x88\x02\x03\xe8";

/// How a client comes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By a reverse door, which it takes for the server.
    Reverse,
    /// By a request in absolute-form at the regular door.
    Absolute,
    /// In a tunnel that CONNECT at the regular door opens.
    Connect,
}

const WAYS: [Way; 3] = [Way::Reverse, Way::Absolute, Way::Connect];

/// A proxy with both doors, and a server whose every byte is the test's own.
struct Stage {
    proxy: Proxy,
    listener: TcpListener,
    server: SocketAddr,
}

impl Stage {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        // A connection that only ends when that time is over ends too late for these tests.
        let proxy = Proxy::start(&[
            "--mode",
            &format!("reverse:http://{server}@:0"),
            "--set",
            "limits.close_ms=60000",
        ]);
        Self {
            proxy,
            listener,
            server,
        }
    }

    fn client(&self, way: Way) -> TcpStream {
        match way {
            Way::Reverse => connect(self.proxy.addr("reverse")),
            Way::Absolute => connect(self.proxy.addr("regular")),
            Way::Connect => self.proxy.tunnel(self.server),
        }
    }

    /// The next connection to the server.
    fn accepted(&self) -> TcpStream {
        let stream = wait_for("a connection to the server", || match self.listener.accept() {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        });
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Fails if the server was sent anything at all, or still has a connection, now that the client has its answer.
    fn nothing_reached_the_server(&self, way: Way) {
        if way == Way::Connect {
            assert_eq!(rest(&mut self.accepted()), b"");
        }
        let next = self.listener.accept();
        assert!(
            next.is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
            "it was dialled"
        );
    }

    /// The request line and the header lines that the client sends; `{host}` stands for the server as it knows it.
    fn request(&self, way: Way, path: &str, lines: &[&str]) -> Vec<u8> {
        let (prefix, host) = match way {
            Way::Reverse => (String::new(), self.proxy.addr("reverse")),
            Way::Absolute => (format!("http://{}", self.server), self.server),
            Way::Connect => (String::new(), self.server),
        };
        head(&format!("GET {prefix}{path} HTTP/1.1"), lines, host)
    }

    /// What of it must reach the server: the target in origin-form and the server's own name, all else as it was sent.
    fn arrives(&self, path: &str, lines: &[&str]) -> Vec<u8> {
        head(&format!("GET {path} HTTP/1.1"), lines, self.server)
    }

    /// Both peers send a frame and a Close, and each gets what the other has sent.
    fn converse(mut client: TcpStream, mut server: TcpStream) {
        for (said, heard) in [(CLIENT_TEXT, SERVER_TEXT), (CLIENT_CLOSE, SERVER_CLOSE)] {
            client.write_all(said).unwrap();
            assert_eq!(bytes(&mut server, said.len()), said);
            server.write_all(heard).unwrap();
            assert_eq!(bytes(&mut client, heard.len()), heard);
        }
        drop(server);
        assert_eq!(rest(&mut client), b"");
    }

    /// The one flow of that path, once it has ended, and its messages.
    fn recorded(&self, path: &str) -> (Value, Vec<Value>) {
        let flow = wait_for(path, || {
            let mut flows = self.proxy.json(&["flows", "--json", "--limit", "1000"]);
            flows.retain(|flow| flow["url"].as_str().unwrap().ends_with(path) && flow["state"] != "active");
            assert!(flows.len() < 2, "{flows:?}");
            flows.pop()
        });
        let messages = self
            .proxy
            .json(&["messages", flow["flow_id"].as_str().unwrap(), "--json"]);
        (flow, messages)
    }
}

/// A head of such lines. In them stand `{host}` for `host`, `{8k}` and `{64k}` for so many bytes, `{100 lines}` and
/// `{130 lines}` for so many further lines.
fn head(start: &str, lines: &[&str], host: SocketAddr) -> Vec<u8> {
    let further = |count: usize| vec![format!("X-Further: {}", "f".repeat(400)); count].join("\r\n");
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let lines = lines
        .replace("{host}", &host.to_string())
        .replace("{8k}", &"k".repeat(8 << 10))
        .replace("{64k}", &"k".repeat(64 << 10))
        .replace("{100 lines}", &further(100))
        .replace("{130 lines}", &further(130));
    format!("{start}\r\n{lines}\r\n").into_bytes()
}

/// Everything up to and with the empty line.
fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let so_far = head.len();
        head.resize(so_far + 1, 0);
        if let Err(error) = stream.read_exact(&mut head[so_far..]) {
            panic!("{error} after {:?}", String::from_utf8_lossy(&head[..so_far]));
        }
    }
    head
}

fn bytes(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut read = vec![0; count];
    stream.read_exact(&mut read).unwrap();
    read
}

/// Everything up to the end of the stream.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    stream.read_to_end(&mut read).unwrap();
    read
}

/// Compares as text, so that a failure can be read.
#[track_caller]
fn assert_same(seen: &[u8], expected: &[u8], about: &str) {
    let (seen, expected) = (seen.escape_ascii(), expected.escape_ascii());
    assert_eq!(seen.to_string(), expected.to_string(), "{about}");
}

/// The body of a message on record.
fn payload(message: &Value) -> &str {
    message["body"].as_str().unwrap()
}
