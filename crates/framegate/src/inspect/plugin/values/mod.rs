//! The types of Starlark values that plugins meet besides those of the language.

mod message;
mod flow;
mod bytes;
mod answer;
mod receiver;

pub(super) use answer::Answer;
pub(super) use bytes::Bytes;
pub(super) use flow::Flow;
pub(super) use message::Message;
pub(super) use receiver::Receiver;

use starlark::values::ProvidesStaticType;

use super::voice::Voice;

/// What the functions of a plugin need of the plugin that calls them.
#[derive(Clone, Copy, Debug, ProvidesStaticType)]
pub(super) struct Caller<'a> {
    pub(super) id: &'a str,
    pub(super) voice: &'a VoiceOf,
}

/// The voice, as something that the interpreter may hold.
#[derive(Debug, ProvidesStaticType)]
pub(super) struct VoiceOf(pub(super) Voice);
