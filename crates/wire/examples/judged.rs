//! What a message costs in the core: a read of 32 messages of 125 bytes, each with its verdict, again and again; with
//! the argument `open`, at cut-through.
//!
//! Its steps are counted, not timed:
//! `valgrind --tool=callgrind --toggle-collect='*judged_read*' target/debug/examples/judged`. The lines that it prints say
//! in how many outputs the messages left.

use std::sync::Arc;

use wire::frame::{FrameHead, Opcode};
use wire::session::{Agreed, Config, Gate, Output, Session, Verdict};
use wire::{Peer, mask};

const READS: usize = 200;
const MESSAGES: usize = 32;

fn main() {
    let config = Config {
        close_on_violation: false,
        validate_utf8: false,
        frame_bytes_max: 1 << 20,
        message_bytes_max: 1 << 20,
        inflate_ratio_max: 200,
        held_max: 1024,
        held_bytes_max: 1 << 20,
        idle_ms: 0,
        close_ms: 5_000,
        record_bytes_max: Some(1 << 16),
        mask_key: || [1, 2, 3, 4],
    };
    let gate = match std::env::args().nth(1) {
        Some(_) => Gate::Open,
        None => Gate::Judge,
    };
    for peer in [Peer::Client, Peer::Server] {
        let mut session = Session::new(Arc::new(config.clone()), Agreed::default(), 2, 0);
        let mut out = Vec::new();
        session.set_gate(peer.sends(), gate, &mut out);
        let key = (peer == Peer::Client).then_some([9, 8, 7, 6]);
        let mut read = Vec::new();
        for _ in 0..MESSAGES {
            FrameHead::new(Opcode::Text, key, 125).encode(&mut read);
            mask::unmask_into(&mut read, &[b'a'; 125], key, 0);
        }
        let mut tickets = Vec::new();
        let mut sends = 0;
        for _ in 0..READS {
            sends += judged_read(&mut session, peer, &read, &mut tickets, &mut out);
        }
        let messages = READS * MESSAGES;
        print(&format!("{peer}: {messages} messages in {sends} outputs"));
    }
}

#[inline(never)]
fn judged_read(
    session: &mut Session,
    from: Peer,
    read: &[u8],
    tickets: &mut Vec<wire::session::Ticket>,
    out: &mut Vec<Output>,
) -> usize {
    let _ = session.receive(from, read, 0, out);
    tickets.extend(out.drain(..).filter_map(|output| match output {
        Output::Inspect(inspect) => Some(inspect.ticket),
        _ => None,
    }));
    for ticket in tickets.drain(..) {
        let _ = session.verdict(ticket, Verdict::Pass, 0, out);
    }
    out.drain(..)
        .filter(|output| matches!(output, Output::Send { .. }))
        .count()
}

#[allow(
    clippy::disallowed_macros,
    reason = "a measurement says what it did; the engine prints nothing"
)]
fn print(line: &str) {
    println!("{line}");
}
