//! The judges: whoever may look at a whole, inflated message and say what becomes of it.
//!
//! This room returns verdicts and never touches the wire: [`relay`](crate::relay) asks it about each message that the
//! session holds, and tells the session what it said. Control frames never reach a judge.
//!
//! A message sees its judges in this order, which [`Judges::chain`] is the only place to make:
//!
//! 1. **safety**: what a rule blocks nobody else sees;
//! 2. **schemas**: what has not the form that one asks for nobody else sees either;
//! 3. **plugins**, in the order of their list: `on_receive_from_client`, `on_receive_from_server`;
//! 4. **rewrite**: match and replace, in the order of its list;
//! 5. **intercept**: held for a person, who sees what the rules before have made of it;
//! 6. **plugins**: `on_before_send_to_server`, `on_before_send_to_client`;
//! 7. **webhook**: an HTTP endpoint, about what is left of the message by then;
//! 8. **safety** and **schemas** again, if anybody has changed the message: nobody may say for a client what it may not
//!    say itself;
//! 9. **redaction** of what goes to the client, if it is asked for.
//!
//! Reading order: `judge` (what a judge is) · `chain` (the messages of one connection on their way) · `judges` (who
//! judges, from the settings) · the judges: `safety`, `schema`, `plugin`, `rewrite`, `intercept`, `webhook`.

mod judge;
mod chain;
mod judges;
mod safety;
mod plugin;
mod schema;
mod rewrite;
mod intercept;
mod webhook;
#[cfg(test)]
mod samples;

pub(crate) use chain::Chain;
pub use intercept::{AnswerError, Desk, HeldMessage, Reply};
pub(crate) use judge::{Opinion, Subject};
pub use judges::{Judges, JudgesError};
pub use plugin::PluginCounts;
pub(crate) use safety::Redactor;
pub use webhook::Hooks;
pub(crate) use webhook::{AnswerLimits, Handshake, Hooked, probe};
