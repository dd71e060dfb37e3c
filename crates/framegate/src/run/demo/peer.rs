//! The two ends of the demo's conversation: as little WebSocket as a client and an echo server need that send whole,
//! small messages.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wire::frame::{FrameHead, Opcode, RSV1};
use wire::http::{Head, HeadError, Limits, RequestHead, ResponseHead};
use wire::{mask, upgrade};

/// For each answer; everything is on this machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// No message of the demo is longer.
const PAYLOAD_BYTES_MAX: u64 = 4096;

/// A message, in one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) is_compressed: bool,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) fn new(opcode: Opcode, payload: &[u8]) -> Self {
        Self {
            opcode,
            is_compressed: false,
            payload: payload.to_vec(),
        }
    }
}

/// One end of a WebSocket with permessage-deflate (RFC 7692). It passes compressed payloads on as they are.
#[derive(Debug)]
pub(super) struct Peer {
    tcp: TcpStream,
    unread: Vec<u8>,
    is_client: bool,
}

impl Peer {
    /// Connects to the server `host` through the proxy, which is asked in absolute form (RFC 9112 §3.2.2).
    pub(super) fn client(proxy: SocketAddr, host: &str) -> io::Result<Self> {
        let mut peer = Self::new(TcpStream::connect(proxy)?, true)?;
        let key = STANDARD.encode(random::<16>()?);
        let request = format!(
            "GET http://{host}/demo HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        );
        peer.tcp.write_all(request.as_bytes())?;
        let response = peer.head(|input| ResponseHead::parse(input, &Limits::default()))?;
        let accepted = response.header("Sec-WebSocket-Accept") == Some(upgrade::accept(&key).as_bytes());
        let negotiated = upgrade::negotiated(&response).map_err(io::Error::other)?;
        if response.status() != 101 || !accepted || negotiated.deflate.is_none() {
            let what = format!(
                "the upgrade was answered with {} {}",
                response.status(),
                response.reason()
            );
            return Err(io::Error::other(what));
        }
        Ok(peer)
    }

    /// Answers the upgrade of whoever has connected.
    pub(super) fn server(tcp: TcpStream) -> io::Result<Self> {
        let mut peer = Self::new(tcp, false)?;
        let request = peer.head(|input| RequestHead::parse(input, &Limits::default()))?;
        let upgrade::Request::WebSocket(asked) = upgrade::Request::of(&request) else {
            return Err(io::Error::other("the request is not for a WebSocket"));
        };
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            upgrade::accept(&asked.key)
        );
        peer.tcp.write_all(response.as_bytes())?;
        Ok(peer)
    }

    /// Sends everything back, pings as pongs, up to the Close.
    pub(super) fn echo(mut self) -> io::Result<()> {
        loop {
            let mut frame = self.receive()?;
            if frame.opcode == Opcode::Ping {
                frame.opcode = Opcode::Pong;
            }
            self.send(&frame)?;
            if frame.opcode == Opcode::Close {
                return Ok(());
            }
        }
    }

    pub(super) fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let key = if self.is_client { Some(random::<4>()?) } else { None };
        let head = FrameHead {
            rsv: if frame.is_compressed { RSV1 } else { 0 },
            ..FrameHead::new(frame.opcode, key, frame.payload.len() as u64)
        };
        let mut bytes = Vec::new();
        head.encode(&mut bytes);
        mask::unmask_into(&mut bytes, &frame.payload, key, 0);
        self.tcp.write_all(&bytes)
    }

    pub(super) fn receive(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(head) = FrameHead::parse(&self.unread) {
                if head.payload_len > PAYLOAD_BYTES_MAX || !head.fin {
                    return Err(io::Error::other("a frame that nobody sent"));
                }
                let from = usize::from(head.head_len);
                let to = from + usize::try_from(head.payload_len).map_err(io::Error::other)?;
                if let Some(masked) = self.unread.get(from..to) {
                    let mut payload = Vec::new();
                    mask::unmask_into(&mut payload, masked, head.mask, 0);
                    self.unread.drain(..to);
                    return Ok(Frame {
                        opcode: head.opcode,
                        is_compressed: head.rsv == RSV1,
                        payload,
                    });
                }
            }
            self.read()?;
        }
    }

    fn new(tcp: TcpStream, is_client: bool) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            tcp,
            unread: Vec::new(),
            is_client,
        })
    }

    /// Reads up to the end of a head. What follows it stays unread.
    fn head<T: Deref<Target = Head>>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<Option<T>, HeadError>,
    ) -> io::Result<T> {
        loop {
            if let Some(head) = parse(&self.unread).map_err(io::Error::other)? {
                self.unread.drain(..head.raw().len());
                return Ok(head);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        match self.tcp.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.unread.extend_from_slice(&bytes[..count]);
                Ok(())
            }
        }
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
