//! Plugins as their authors write them, and as their enemies would.

#![allow(clippy::unwrap_used)]

mod hooks;
mod values;
mod state;
mod hostile;
mod load;
mod reload;
mod examples;
mod cost;

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use wire::frame::Opcode;
use wire::session::Facts;

use super::{CallError, Hook, OnError, Plugin, PluginSpec, PluginState};
use crate::flow::{Direction, FlowId, FlowType, Opening, Protocol, Timestamp};
use crate::inspect::{Opinion, Subject};
use crate::query::FlowFacts;

/// A plugin in a file of its own, and the state that it has of one flow.
struct Tried {
    plugin: Plugin,
    state: PluginState,
    _dir: TempDir,
}

impl Tried {
    fn new(source: &str) -> Self {
        Self::within(source, |_| {})
    }

    fn within(source: &str, limits: impl FnOnce(&mut PluginSpec)) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("plugin.star");
        fs::write(&path, source).unwrap();
        let mut spec = spec(&path);
        limits(&mut spec);
        Self {
            plugin: Plugin::load(spec).unwrap_or_else(|error| panic!("{error}")),
            state: PluginState::default(),
            _dir: dir,
        }
    }

    fn call(&mut self, hook: Hook, subject: &Subject) -> Result<Opinion, CallError> {
        call(&self.plugin, hook, subject, &mut self.state)
    }

    /// What `on_receive_from_client` says of this text.
    fn ask(&mut self, said: &str) -> Result<Opinion, CallError> {
        self.call(Hook::ReceiveFromClient, &text(said))
    }
}

/// What a plugin's hook says whose body is this, indented already.
fn ask(body: &str, said: &str) -> Result<Opinion, CallError> {
    Tried::new(&hook(body)).ask(said)
}

/// The text that a hook with this body puts in a message's place.
fn replaced(body: &str, said: &str) -> String {
    match ask(body, said) {
        Ok(Opinion::Replace { opcode, payload }) => {
            assert_eq!(opcode, Opcode::Text, "{body}");
            String::from_utf8(payload).unwrap()
        }
        other => panic!("{body}: {other:?}"),
    }
}

fn hook(body: &str) -> String {
    format!("def on_receive_from_client(message):\n{body}\n")
}

fn call(plugin: &Plugin, hook: Hook, subject: &Subject, state: &mut PluginState) -> Result<Opinion, CallError> {
    let opening = opening();
    plugin.call(
        hook,
        &FlowFacts::open(Cow::Borrowed(&opening)),
        FlowId(12),
        subject,
        state,
    )
}

fn spec(path: &Path) -> PluginSpec {
    PluginSpec {
        id: "tried".to_owned(),
        path: path.to_owned(),
        on_error: OnError::Skip,
        // Generous: tests assert no durations, and a slow machine must not make them fail.
        time_ms: 60_000,
        ticks_max: 1_000_000,
        memory_bytes: 16 << 20,
        state_bytes: 4096,
        discreet: false,
    }
}

fn opening() -> Opening {
    Opening {
        protocol: Protocol::WebSocket,
        flow_type: FlowType::Bidirectional,
        started_at: Timestamp(1_769_846_400_000_000),
        url: "wss://Chat.Example.com./rooms/7?token=x".to_owned(),
        subprotocol: Some("chat.v2".to_owned()),
        extensions: None,
        mode: "regular".to_owned(),
        client_addr: "[2001:db8::7]:50123".to_owned(),
        server_addr: None,
        tls: None,
    }
}

fn text(said: &str) -> Subject {
    subject(Opcode::Text, said.as_bytes())
}

fn binary(content: &[u8]) -> Subject {
    subject(Opcode::Binary, content)
}

fn subject(opcode: Opcode, payload: &[u8]) -> Subject {
    Subject {
        ticket: wire::session::Ticket(0),
        changed: false,
        facts: Facts {
            direction: Direction::Send,
            sequence: 7,
            opcode,
            compressed: true,
            masked: true,
            frames: 1,
            wire_bytes: 100,
            payload_bytes: 90,
            violation: None,
        },
        at: Timestamp(1_769_846_401_000_000),
        opcode,
        payload: Arc::new(payload.to_vec()),
    }
}

fn as_text(said: &str) -> Opinion {
    Opinion::Replace {
        opcode: Opcode::Text,
        payload: said.into(),
    }
}

fn as_binary(content: &[u8]) -> Opinion {
    Opinion::Replace {
        opcode: Opcode::Binary,
        payload: content.to_vec(),
    }
}
