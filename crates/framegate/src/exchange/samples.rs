//! Flows for tests: one of each shape, with every oddity that an exchange format must carry.

use super::{ExportError, Intake, IntakeError, Source};
use crate::flow::{
    Close, ClosedBy, Counts, Direction, Ending, Fate, Flow, FlowId, FlowType, Kind, Message, Metadata, Opening,
    Payload, Protocol, State, Timestamp, Tls, TlsLeg,
};

/// 2026-01-31T08:15:00Z.
const START: i64 = 1_769_847_300_000_000;

/// Flows in memory, as an export's source and an import's goal.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Memory(pub(crate) Vec<(Flow, Vec<Message>)>);

impl Memory {
    pub(crate) fn samples() -> Self {
        Self(vec![websocket(), http()])
    }

    /// The same flows, numbered from 1, as an import numbers them.
    pub(crate) fn renumbered(mut self) -> Self {
        for (at, (flow, messages)) in self.0.iter_mut().enumerate() {
            flow.id = FlowId(u32::try_from(at).unwrap_or(0) + 1);
            messages.iter_mut().for_each(|message| message.flow = flow.id);
        }
        self
    }
}

/// One flow and two messages a page, so that tests see the seams.
impl Source for Memory {
    fn flows(&mut self, after: Option<FlowId>) -> Result<Vec<Flow>, ExportError> {
        let flows = self
            .0
            .iter()
            .map(|(flow, _)| flow)
            .filter(|flow| after.is_none_or(|after| flow.id > after));
        Ok(flows.take(1).cloned().collect())
    }

    fn messages(&mut self, flow: FlowId, after: Option<u32>) -> Result<Vec<Message>, ExportError> {
        let of_flow = self
            .0
            .iter()
            .filter(|(found, _)| found.id == flow)
            .flat_map(|(_, messages)| messages);
        let rest = of_flow.filter(|message| after.is_none_or(|after| message.sequence > after));
        Ok(rest.take(2).cloned().collect())
    }
}

impl Intake for Memory {
    fn flow(&mut self, mut flow: Flow, mut messages: Vec<Message>) -> Result<(), IntakeError> {
        flow.id = FlowId(u32::try_from(self.0.len()).unwrap_or(0) + 1);
        messages.iter_mut().for_each(|message| message.flow = flow.id);
        self.0.push((flow, messages));
        Ok(())
    }
}

pub(crate) fn active() -> Flow {
    Flow {
        id: FlowId(7),
        opening: Opening {
            protocol: Protocol::WebSocket,
            flow_type: FlowType::Bidirectional,
            started_at: Timestamp(START + 1),
            url: "ws://example.com/chat?room=1".to_owned(),
            subprotocol: None,
            extensions: None,
            mode: "regular".to_owned(),
            client_addr: "127.0.0.1:50000".to_owned(),
            server_addr: None,
            tls: None,
        },
        counts: Counts::default(),
        ending: None,
    }
}

pub(crate) fn websocket() -> (Flow, Vec<Message>) {
    let mut flow = active();
    flow.id = FlowId(8);
    flow.opening.url = "wss://example.com/chat".to_owned();
    flow.opening.subprotocol = Some("chat.v1".to_owned());
    flow.opening.extensions = Some("permessage-deflate".to_owned());
    flow.opening.server_addr = Some("192.0.2.1:443".to_owned());
    let server = TlsLeg {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
        server_name: Some("example.com".to_owned()),
        subject: Some("CN=example.com".to_owned()),
        alpn: Some("http/1.1".to_owned()),
    };
    flow.opening.tls = Some(Tls {
        client: None,
        server: Some(server),
    });
    flow.counts = Counts {
        messages_sent: 4,
        messages_received: 3,
        bytes_sent: 57,
        bytes_received: 31,
        messages_lost: 0,
    };
    flow.ending = Some(Ending {
        ended_at: Timestamp(START + 9_000_000),
        state: State::Complete,
        error: None,
        close: Some(Close {
            by: ClosedBy::Client,
            code: Some(1000),
            reason: "bye".to_owned(),
        }),
    });
    (flow, conversation())
}

fn conversation() -> Vec<Message> {
    let request = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   X-Two: a\r\nX-Two: b\r\n\r\n";
    let response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let mut hello = frame(2, 1_250_000, Kind::Text, Payload::Text("hello, wörld".to_owned()));
    hello.metadata.compressed = true;
    let mut binary = frame(3, 2_000_000, Kind::Binary, Payload::Bytes(vec![0, 0xFF, 0x80]));
    binary.frames = 2;
    let mut replaced = frame(5, 4_000_000, Kind::Text, Payload::Text("changed".to_owned()));
    replaced.fate = Fate::Replaced;
    replaced.decided_by = Some("rule 1".to_owned());
    replaced.original = Some(Payload::Text("as it came".to_owned()));
    let mut invalid = frame(6, 5_000_000, Kind::Text, Payload::Bytes(vec![b'a', 0xFF]));
    invalid.metadata.invalid_utf8 = true;
    invalid.metadata.violation = Some("text is not UTF-8".to_owned());
    let mut cut = frame(7, 6_000_000, Kind::Text, Payload::Text("=1+1".to_owned()));
    cut.direction = Direction::Receive;
    cut.metadata.masked = false;
    cut.truncated = true;
    cut.size = 4000;
    let close = frame(8, 7_000_000, Kind::Close, Payload::Bytes(b"\x03\xe8bye".to_vec()));
    vec![
        upgrade(0, Kind::UpgradeRequest, request, ("method", "GET")),
        upgrade(1, Kind::UpgradeResponse, response, ("status", "101")),
        hello,
        binary,
        frame(4, 3_000_000, Kind::Ping, Payload::Bytes(b"p".to_vec())),
        replaced,
        invalid,
        cut,
        close,
    ]
}

pub(crate) fn http() -> (Flow, Vec<Message>) {
    let mut flow = active();
    flow.id = FlowId(9);
    flow.opening.protocol = Protocol::Http;
    flow.opening.flow_type = FlowType::Unary;
    flow.opening.url = "http://example.com/form?a=1&b=x%20y".to_owned();
    flow.opening.server_addr = Some("[2001:db8::1]:80".to_owned());
    flow.counts = Counts {
        messages_sent: 1,
        messages_received: 1,
        bytes_sent: 2,
        bytes_received: 9,
        messages_lost: 0,
    };
    let ending = Ending {
        ended_at: Timestamp(START + 500_001),
        state: State::Complete,
        error: None,
        close: None,
    };
    flow.ending = Some(ending);
    let head = "POST /form?a=1&b=x%20y HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/octet-stream\r\n\
                Content-Length: 2\r\n\r\n";
    let mut request = upgrade(0, Kind::Request, head, ("method", "POST"));
    request.payload = Payload::Bytes(vec![0xFF, 0]);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 9\r\n\r\n";
    let mut response = upgrade(1, Kind::Response, head, ("status", "200"));
    response.payload = Payload::Text("it worked".to_owned());
    for message in [&mut request, &mut response] {
        message.flow = flow.id;
        message.size = message.payload.as_bytes().len() as u64;
        message.wire_bytes += message.size;
    }
    request.head = Some("POST /form?a=1&b=x%20y HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n".to_owned());
    response.head = Some(head.to_owned());
    (flow, vec![request, response])
}

fn upgrade(sequence: u32, kind: Kind, head: &str, fact: (&str, &str)) -> Message {
    let mut message = frame(sequence, 1, kind, Payload::Text(head.to_owned()));
    message.direction = if sequence == 0 {
        Direction::Send
    } else {
        Direction::Receive
    };
    message.at = Timestamp(START + 1 + i64::from(sequence) * 100_000);
    message.wire_bytes = message.size;
    message.frames = 0;
    message.metadata = Metadata {
        more: vec![(fact.0.to_owned(), fact.1.to_owned())],
        ..Metadata::default()
    };
    message
}

/// A frame; binary and ping come from the server, all else from the client.
fn frame(sequence: u32, after: i64, kind: Kind, payload: Payload) -> Message {
    let received = matches!(kind, Kind::Ping | Kind::Binary);
    let opcode = match kind {
        Kind::Text => Some(1),
        Kind::Binary => Some(2),
        Kind::Close => Some(8),
        Kind::Ping => Some(9),
        _ => None,
    };
    let size = payload.as_bytes().len() as u64;
    Message {
        flow: FlowId(8),
        sequence,
        direction: if received { Direction::Receive } else { Direction::Send },
        at: Timestamp(START + after),
        kind,
        head: None,
        payload,
        size,
        wire_bytes: size + if received { 2 } else { 6 },
        frames: 1,
        truncated: false,
        fate: Fate::Sent,
        decided_by: None,
        original: None,
        metadata: Metadata {
            opcode,
            masked: !received,
            ..Metadata::default()
        },
    }
}
