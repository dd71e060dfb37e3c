//! Both ends of one relayed WebSocket, played by hand: every byte of every frame is the test's own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use socket2::SockRef;

use crate::stage::{PATIENCE, Proxy, connect, wait_for};

/// FIN and the opcode: the first byte of frames that stand alone.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
/// With these removed, or added, a frame is a fragment, or compressed.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A header with the shortest length, and no payload behind it.
pub(crate) fn head(first: u8, masked: bool, len: u64) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short), _) if short < 126 => bytes.push(mask | short),
        (_, Ok(medium)) => {
            bytes.push(mask | 126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    if masked {
        bytes.extend(KEY);
    }
    bytes
}

/// A Close's payload.
pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Every byte value, again and again, with a stride that no power of two divides.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from((at + at / 251) % 256).unwrap())
        .collect()
}

/// A frame as it arrived, its payload unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) masked: bool,
    pub(crate) payload: Vec<u8>,
}

/// How a stream went on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Frame(Frame),
    Fin,
    Reset,
}

/// One peer. The client masks, the server does not.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) tcp: TcpStream,
    client: bool,
}

impl End {
    pub(crate) fn client(tcp: TcpStream) -> Self {
        Self { tcp, client: true }
    }

    pub(crate) fn server(tcp: TcpStream) -> Self {
        Self { tcp, client: false }
    }

    pub(crate) fn frame(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = head(first, self.client, payload.len() as u64);
        if self.client {
            bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ KEY[at % 4]));
        } else {
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        let bytes = self.frame(first, payload);
        self.tcp.write_all(&bytes).unwrap();
    }

    /// What comes next; a stream may break only between two frames.
    pub(crate) fn hear(&mut self) -> Heard {
        let mut start = [0; 2];
        loop {
            match self.tcp.read(&mut start[..1]) {
                Ok(0) => return Heard::Fin,
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Heard::Reset,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("nothing came: {error}"),
            }
        }
        self.tcp.read_exact(&mut start[1..]).unwrap();
        let len = match start[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.array())),
            127 => u64::from_be_bytes(self.array()),
            short => u64::from(short),
        };
        let masked = start[1] & 0x80 != 0;
        let key: [u8; 4] = if masked { self.array() } else { [0; 4] };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.tcp.read_exact(&mut payload).unwrap();
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[at % 4];
        }
        Heard::Frame(Frame {
            first: start[0],
            masked,
            payload,
        })
    }

    /// The next frame is this one.
    pub(crate) fn hears(&mut self, first: u8, payload: &[u8]) {
        let expected = Heard::Frame(Frame {
            first,
            masked: !self.client,
            payload: payload.to_vec(),
        });
        let heard = self.hear();
        assert!(heard == expected, "{} instead of {}", brief(&heard), brief(&expected));
    }

    /// The next frame is a Close with this code; its reason.
    pub(crate) fn hears_close(&mut self, code: u16) -> String {
        let heard = self.hear();
        let Heard::Frame(Frame { first, masked, payload }) = heard else {
            panic!("{heard:?}")
        };
        assert_eq!(
            (first, masked, payload.get(..2)),
            (CLOSE, !self.client, Some(&code.to_be_bytes()[..]))
        );
        String::from_utf8(payload[2..].to_vec()).unwrap()
    }

    pub(crate) fn shut(&mut self) {
        self.tcp.shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn reset(self) {
        SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Sends bytes from another thread; the peer is usable meanwhile.
    pub(crate) fn send_behind(&self, bytes: Vec<u8>) -> JoinHandle<()> {
        let mut tcp = self.tcp.try_clone().unwrap();
        std::thread::spawn(move || tcp.write_all(&bytes).unwrap())
    }

    /// The next bytes are these.
    pub(crate) fn reads(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        self.tcp.read_exact(&mut bytes).unwrap();
        let differs = bytes.iter().zip(expected).position(|(one, other)| one != other);
        assert_eq!(differs, None, "of {} bytes", expected.len());
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.tcp.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The server's 101, which agrees to these extensions.
    pub(crate) fn agrees(&mut self, extensions: &str) {
        write!(
            self.tcp,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{}\r\n",
            extensions_field(extensions)
        )
        .unwrap();
    }

    pub(crate) fn http_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.array::<1>());
        }
        String::from_utf8(head).unwrap()
    }
}

fn brief(heard: &Heard) -> String {
    let mut text = format!("{heard:?}");
    text.truncate(text.floor_char_boundary(300));
    text
}

/// A proxy with a reverse door, and the server behind it.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    listener: TcpListener,
}

impl Stage {
    /// With these settings (`KEY=VALUE`).
    pub(crate) fn new(settings: &[&str]) -> Self {
        Self::in_home(tempfile::tempdir().unwrap(), settings)
    }

    pub(crate) fn in_home(home: tempfile::TempDir, settings: &[&str]) -> Self {
        let args: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        Self::in_home_with(home, &args)
    }

    /// With these flags.
    pub(crate) fn in_home_with(home: tempfile::TempDir, more: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mode = format!("reverse:http://{}@:0", listener.local_addr().unwrap());
        let args = [&["--mode", &mode], more].concat();
        let proxy = Proxy::start_in(home, &args);
        Self { proxy, listener }
    }

    /// A new WebSocket: the client's end and the server's.
    pub(crate) fn open(&self) -> (End, End) {
        self.open_with("")
    }

    /// A new WebSocket for which the client offers, and the server agrees to, these extensions.
    pub(crate) fn open_with(&self, extensions: &str) -> (End, End) {
        let addr = self.proxy.addr("reverse");
        let client = End::client(connect(addr));
        shake_hands(client, &self.listener, extensions)
    }

    /// A request for a WebSocket that offers these extensions, with `early` in the same packet; the client's end, the
    /// server's, and the head that it got.
    pub(crate) fn ask(&self, offers: &str, early: &[u8]) -> (End, End, String) {
        let client = End::client(connect(self.proxy.addr("reverse")));
        ask(client, &self.listener, offers, early)
    }
}

/// The handshake, by the example of RFC 6455 §1.3.
pub(crate) fn shake_hands(client: End, listener: &TcpListener, extensions: &str) -> (End, End) {
    let (mut client, mut server, request) = ask(client, listener, extensions, b"");
    assert!(request.contains("dGhlIHNhbXBsZSBub25jZQ=="), "{request}");
    server.agrees(extensions);
    let answer = client.http_head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (client, server)
}

fn ask(mut client: End, listener: &TcpListener, offers: &str, early: &[u8]) -> (End, End, String) {
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
        listener.local_addr().unwrap(),
        extensions_field(offers)
    );
    client.tcp.write_all(&[request.as_bytes(), early].concat()).unwrap();
    let mut server = accepted(listener);
    let request = server.http_head();
    (client, server, request)
}

fn extensions_field(extensions: &str) -> String {
    match extensions {
        "" => String::new(),
        some => format!("Sec-WebSocket-Extensions: {some}\r\n"),
    }
}

/// The server's end of a connection whose handshake is still to come.
pub(crate) fn accepted(listener: &TcpListener) -> End {
    let tcp = listener.accept().unwrap().0;
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    End::server(tcp)
}

/// Both say Close 1000, and both streams end.
pub(crate) fn part(mut client: End, mut server: End) {
    client.send(CLOSE, &close(1000, ""));
    server.hears(CLOSE, &close(1000, ""));
    server.send(CLOSE, &close(1000, ""));
    server.shut();
    client.hears(CLOSE, &close(1000, ""));
    assert_eq!(client.hear(), Heard::Fin);
    client.shut();
    assert_eq!(server.hear(), Heard::Fin);
}

/// Both peers get a Close with this code, answer it, and see the end; nothing else comes before. Gives back its reason.
pub(crate) fn both_are_closed(client: &mut End, server: &mut End, code: u16) -> String {
    let reason = client.hears_close(code);
    assert_eq!(server.hears_close(code), reason);
    for peer in [&mut *client, &mut *server] {
        peer.send(CLOSE, &close(code, ""));
    }
    for peer in [client, server] {
        assert_eq!(peer.hear(), Heard::Fin);
    }
    reason
}

/// The flow `id` once it has ended.
pub(crate) fn ended(proxy: &Proxy, id: &str) -> Value {
    wait_for("the end of the flow", || {
        let flows = proxy.json(&["flows", "--json"]);
        let flow = flows.into_iter().find(|flow| flow["flow_id"] == id)?;
        (flow["state"] != "active").then_some(flow)
    })
}

/// What is on record of a flow behind the upgrade, in order and without a gap.
pub(crate) fn messages(proxy: &Proxy, id: &str) -> Vec<Value> {
    let mut messages = proxy.json(&["messages", id, "--json"]);
    let sequences: Vec<_> = messages
        .iter()
        .map(|message| message["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, (0..messages.len() as u64).collect::<Vec<_>>());
    messages.drain(..2);
    messages
}

pub(crate) fn payload(message: &Value) -> Vec<u8> {
    match &message["body"] {
        Value::String(text) => text.clone().into_bytes(),
        _ => BASE64.decode(message["raw_bytes"].as_str().unwrap()).unwrap(),
    }
}

/// Lets this process have so many open files: both ends of each connection are some of them.
pub(crate) fn may_open(files: u64) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let enough = limit.maximum.is_none_or(|maximum| maximum >= files);
    assert!(
        enough,
        "this test needs {files} open files, the system allows {limit:?}"
    );
}
