//! HAR 1.2, with the messages of a WebSocket as Chrome writes them.
//!
//! The entry of a WebSocket is its handshake, with `_resourceType` "websocket" and `_webSocketMessages`: an array of
//! `{type, time, opcode, data}`, data messages only, text as text and binary as base64. What HAR has no place for
//! (control frames, fates, the Close, TLS) is in a sibling of our own, `_framegate`, from which an import restores the
//! flow exactly. Tunnels are left out. Body bytes are as they were on the wire: a compressed body stays compressed.

mod entry;
mod export;
mod head;
mod import;
mod plain;

pub use export::export;
pub use import::import;

/// The `version` of the `_framegate` sibling.
const OURS_VERSION: u64 = 1;

#[cfg(test)]
mod flavours;
