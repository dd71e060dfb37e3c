//! What the safety filter and the redactor match, what they leave alone, and how one might try to get around them.
#![allow(clippy::unwrap_used)]

mod presets;
mod benign;
mod evasion;
mod input;
mod redact;
mod redact_json;
mod reference;
mod cost;

use std::borrow::Cow;
use std::sync::LazyLock;

use super::*;
use crate::flow::{Direction, FlowType, Kind, Opening, Protocol, Timestamp};
use crate::query::{FlowFacts, MessageFacts};

fn flow() -> FlowFacts<'static> {
    FlowFacts::open(Cow::Owned(Opening {
        protocol: Protocol::WebSocket,
        flow_type: FlowType::Bidirectional,
        started_at: Timestamp::parse("2026-01-31T08:15:00Z").unwrap(),
        url: "wss://chat.example.com/rooms/7".into(),
        subprotocol: None,
        extensions: None,
        mode: "reverse".into(),
        client_addr: "127.0.0.1:50000".into(),
        server_addr: None,
        tls: None,
    }))
}

fn message(body: &[u8]) -> MessageFacts<'_> {
    MessageFacts {
        sequence: 2,
        direction: Direction::Send,
        at: Timestamp::parse("2026-01-31T08:16:00Z").unwrap(),
        kind: Kind::Text,
        opcode: Some(1),
        compressed: false,
        head: None,
        body,
        size: body.len() as u64,
        wire_bytes: body.len() as u64,
        frames: 1,
        fate: None,
        decided_by: None,
        violation: None,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn rules(presets: &[&str], rules: &[(&str, &str)]) -> InputRules {
    InputRules::new(&InputSpec {
        presets: names(presets),
        action: Action::Block,
        rules: rules
            .iter()
            .map(|(id, pattern)| InputRuleSpec {
                id: (*id).to_owned(),
                pattern: Some((*pattern).to_owned()),
                ..InputRuleSpec::default()
            })
            .collect(),
    })
    .unwrap()
}

fn check(rules: &InputRules, body: impl AsRef<[u8]>) -> Option<Found> {
    rules.check(&flow(), message(body.as_ref()))
}

/// All presets of the safety filter.
static ALL: LazyLock<InputRules> = LazyLock::new(|| {
    let names: Vec<&str> = super::presets::PRESETS.iter().map(|preset| preset.name).collect();
    rules(&names, &[])
});

/// All presets of the redactor.
static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(&names(&super::redact::PRESETS), &[]).unwrap());
