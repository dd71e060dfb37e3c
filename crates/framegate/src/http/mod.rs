//! Ordinary HTTP/1.1 on both legs: reading heads, dialling servers, passing bodies on while they are recorded.
//!
//! Reading order, the way a request travels: `serve` (the requests of one client, one after another) ·
//! `Door` (where does this request go) · `Links` (the connection to the server) · `exchange` (request there,
//! response back) · `answer` (the response) · `body` (pieces on their way) · `lane` (does anything move) · `record` (what
//! goes on record of them). A request for a WebSocket leaves for `upgrade`. Nothing in here knows a door by name.

mod answer;
mod body;
mod context;
mod dial;
mod exchange;
mod lane;
mod links;
mod loops;
mod origin;
mod problem;
mod record;
mod request;
mod route;
mod serve;

pub(crate) use answer::{AnswerFault, Stall, final_head, pass_response};
pub(crate) use body::Captured;
pub(crate) use context::{Context, OwnDoor};
pub(crate) use dial::dial;
pub(crate) use lane::{Lane, Pulse, left};
pub(crate) use links::{Link, Links};
pub(crate) use origin::{Origin, parse_authority};
pub(crate) use problem::Problem;
pub(crate) use record::{Exchanged, failed, opening, whole};
pub(crate) use route::{Door, Onward, PROXY_FIELDS, Route};
pub(crate) use serve::{Connect, Next, Step, refuse, serve};
