//! Everything that is counted. An entry is a sentence that says what, the name under which it is told, and its field;
//! a name of a counter is told with `_total` behind it. `docs/metrics.md` has a line for each.

use wire::session::Sort;

use super::cells::{Counter, Histogram, Metric, Open};
use super::hook_labels::{HookClosed, HookFailure, HookSkipped, HookVerdict};
use super::labels::{By, Class, Door, EndedBy, JudgeKind, LostBy, Outcome};
use crate::flow::{Direction, Fate};
use crate::limit::Limit;

/// Makes the struct, its beginning, and its encoding.
macro_rules! counts {
    ($($(#[doc = $help:literal])+ $name:literal => $field:ident: $kind:ty;)+) => {
        /// The counts of one thread.
        #[derive(Debug)]
        pub(crate) struct Counts {
            $($(#[doc = $help])+ pub(crate) $field: $kind,)+
        }

        impl Counts {
            pub(super) fn new() -> Self {
                Self { $($field: Metric::new(),)+ }
            }

            /// Writes the sums over all threads.
            pub(super) fn encode(
                all: &[&'static Self],
                encoder: &mut prometheus_client::encoding::DescriptorEncoder<'_>,
            ) -> std::fmt::Result {
                $({
                    let each: Vec<&$kind> = all.iter().map(|counts| &counts.$field).collect();
                    Metric::encode(&each, $name, super::render::help(concat!($($help),+)), encoder)?;
                })+
                Ok(())
            }
        }
    };
}

counts! {
    /// Connections that clients have opened.
    "framegate_connections" => connections: Counter<Door>;
    /// Connections of clients that are open.
    "framegate_connections_open" => connections_open: Open<Door>;
    /// WebSockets that were agreed on.
    "framegate_websockets" => websockets: Counter<Door>;
    /// WebSockets that are open.
    "framegate_websockets_open" => websockets_open: Open<Door>;
    /// Requests for a WebSocket that were not answered with 101.
    "framegate_upgrades_refused" => upgrades_refused: Counter<(By, Class)>;
    /// Seconds from the request for a WebSocket to the server's 101.
    "framegate_upgrade_seconds" => upgrade_seconds: Histogram<()>;
    /// Conversations over a WebSocket that have ended.
    "framegate_conversations_ended" => conversations_ended: Counter<EndedBy>;
    /// Messages whose fate is decided.
    "framegate_messages" => messages: Counter<(Direction, Sort, Fate)>;
    /// Payload bytes of messages on the wire, as they came.
    "framegate_message_payload_bytes" => payload_bytes: Counter<(Direction, Sort)>;
    /// Bytes of messages on the wire with their headers, as they came.
    "framegate_message_wire_bytes" => wire_bytes: Counter<(Direction, Sort)>;
    /// Decisions of judges about messages.
    "framegate_judge_decisions" => judge_decisions: Counter<(JudgeKind, Outcome)>;
    /// Requests to hooks about messages, each counted once however often it was made.
    "framegate_hook_requests" => hook_requests: Counter<Direction>;
    /// Verdicts that hooks gave when they were asked.
    "framegate_hook_verdicts" => hook_verdicts: Counter<(Direction, HookVerdict)>;
    /// Messages of which their hook could not say anything.
    "framegate_hook_failures" => hook_failures: Counter<(Direction, HookFailure)>;
    /// Messages that went on without a hook's verdict on all of what they say.
    "framegate_inspections_skipped" => inspections_skipped: Counter<(Direction, HookSkipped)>;
    /// Messages that ended their conversation because their hook could not be asked about them.
    "framegate_hook_closed" => hook_closed: Counter<(Direction, HookClosed)>;
    /// Messages whose verdict was known from one before.
    "framegate_hook_cache_hits" => hook_cache_hits: Counter<Direction>;
    /// Requests to hooks that were made again, because nothing was said to the one before.
    "framegate_hook_retries" => hook_retries: Counter<Direction>;
    /// Seconds from a question to what came of it.
    "framegate_hook_seconds" => hook_seconds: Histogram<Direction>;
    /// Times that a connection or a source went beyond a limit, or was not let in for its origin.
    "framegate_limits_exceeded" => limits_exceeded: Counter<Limit>;
    /// Messages that are not on record, though they should be.
    "framegate_record_messages_lost" => messages_lost: Counter<LostBy>;
    /// Failures of the store.
    "framegate_store_errors" => store_errors: Counter<()>;
}
