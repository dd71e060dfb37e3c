//! A flow and its messages, for the tests of this room.

use std::borrow::Cow;

use wire::frame::Opcode;
use wire::session::Facts;

use super::judge::JudgedFlow;
use crate::flow::{Direction, FlowId, FlowType, Opening, Protocol, Timestamp};
use crate::query::FlowFacts;

/// A flow in which a message's place is taken by no more than so many bytes.
pub(super) fn flow(message_bytes_max: u64) -> JudgedFlow {
    let opening = Opening {
        protocol: Protocol::WebSocket,
        flow_type: FlowType::Bidirectional,
        started_at: Timestamp(0),
        url: "ws://example.com/".to_owned(),
        subprotocol: None,
        extensions: None,
        mode: "regular".to_owned(),
        client_addr: "127.0.0.1:1".to_owned(),
        server_addr: None,
        tls: None,
    };
    JudgedFlow {
        id: FlowId(1),
        facts: FlowFacts::open(Cow::Owned(opening)),
        message_bytes_max,
    }
}

/// A text with a payload of so many bytes, as it came.
pub(super) fn text(direction: Direction, payload_bytes: u64) -> Facts {
    Facts {
        direction,
        sequence: 2,
        opcode: Opcode::Text,
        compressed: false,
        masked: true,
        frames: 1,
        wire_bytes: 0,
        payload_bytes,
        violation: None,
    }
}
