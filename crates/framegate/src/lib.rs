//! framegate: a WebSocket inspecting proxy.
//!
//! It stands between WebSocket clients and servers, sees every message, records it, and may judge, hold, change, drop
//! or inject messages, while whatever nobody changed leaves byte for byte as it came.
//!
//! The modules stand in the order in which bytes flow; `ARCHITECTURE.md` has the picture.

pub mod config;
pub mod net;
pub mod secret;
mod network;
pub mod listen;
pub mod tls;
pub mod http;
pub mod limit;
pub mod upgrade;
pub mod inspect;
pub mod relay;
pub mod flow;
pub mod record;
pub mod store;
pub mod query;
pub mod exchange;
pub mod control;
pub mod telemetry;
pub mod run;
