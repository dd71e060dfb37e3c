//! The safety filter and the redactor: rules that texts are held against.
//!
//! [`InputRules`] say whether a message may pass, [`Redactor`] takes secrets out of what is recorded or forwarded. Both
//! look at a text as it is and with its escapes undone, in linear time. They are only a filter: `docs/safety.md` says
//! what they promise and what they do not. `guard` makes judges of them.

mod rule;
mod input;
mod redact;
mod presets;
mod patterns;
mod unescape;
mod excerpt;
mod guard;

pub(super) use guard::{Guard, Redact};
pub(crate) use input::InputRules;
pub(crate) use redact::Redactor;
pub(crate) use rule::{Action, Found, InputRuleSpec, InputSpec, OutputRuleSpec, RuleError};
pub(super) use unescape::{between_quotes, undo};

#[cfg(test)]
mod tests;
