//! Peers that do not behave: that never read, read or send a byte at a time, stop inside a frame, half-close, or reset.
//! Each may stall its own direction and nothing else: not the other direction, not another connection, not the memory.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::peers::{BINARY, End, Heard, Stage, TEXT, close, ended, messages, part, pattern};
use crate::pressure::{GROWTH_KB_MAX, memory_kb, send_until_held_back};
use crate::stage::wait_for;

/// What somebody tries to push through.
const FLOOD: usize = 64 << 20;

/// Another connection through the same proxy, which says something and is answered, again and again.
struct Bystander {
    rounds: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Bystander {
    fn start(stage: &Stage) -> Self {
        let (mut client, mut server) = stage.open();
        let (rounds, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stopped) = (Arc::clone(&rounds), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let text = format!("round {}", counter.load(Ordering::Relaxed));
                client.send(TEXT, text.as_bytes());
                server.hears(TEXT, text.as_bytes());
                server.send(TEXT, text.as_bytes());
                client.hears(TEXT, text.as_bytes());
                counter.fetch_add(1, Ordering::Relaxed);
            }
            part(client, server);
        });
        Self { rounds, stop, thread }
    }

    /// It goes on from here.
    fn goes_on(&self) {
        let before = self.rounds.load(Ordering::Relaxed);
        wait_for("the other connection to go on", || {
            assert!(!self.thread.is_finished(), "the other connection broke");
            (self.rounds.load(Ordering::Relaxed) > before + 20).then_some(())
        });
    }

    fn part(self) {
        self.goes_on();
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn in_turn(ends: (End, End), client_first: bool) -> (End, End) {
    if client_first { ends } else { (ends.1, ends.0) }
}

const fn name(is_client: bool) -> &'static str {
    if is_client { "client" } else { "server" }
}

/// State, error, and who closed with which code.
fn outcome(flow: &Value) -> Value {
    json!([
        flow["state"],
        flow["error"],
        flow["close"]["by"],
        flow["close"]["code"],
        flow["messages_lost"]
    ])
}

/// What is on record of a flow is what it has counted.
fn counts_hold(flow: &Value, messages: &[Value]) {
    for (direction, count) in [("send", "messages_sent"), ("receive", "messages_received")] {
        let of_it = messages.iter().filter(|message| message["direction"] == direction);
        assert_eq!(of_it.count() as u64, flow[count].as_u64().unwrap(), "{count}");
    }
}

/// All until the stream's end, however it ends.
fn drain(end: &mut End) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while let Ok(n) = end.tcp.read(&mut piece)
        && n > 0
    {
        bytes.extend_from_slice(&piece[..n]);
    }
    bytes
}

/// Neither reads: the one that floods is held back, and the time of silence ends it although nothing can be delivered.
fn never_reads(client_floods: bool, half_closes: bool) {
    let stage = Stage::new(&[
        "limits.idle_ms=3000",
        "limits.close_ms=300",
        "record.payload_bytes_max=100",
    ]);
    let (mut one, mut other) = in_turn(stage.open(), client_floods);
    let bystander = Bystander::start(&stage);
    bystander.goes_on();
    let before = memory_kb(&stage, "VmRSS:");
    if half_closes {
        other.shut();
        assert_eq!(one.hear(), Heard::Fin);
    }
    let frame = one.frame(BINARY, &pattern(100_000));
    let sent = send_until_held_back(&mut one, &frame);
    assert!(sent < FLOOD, "{sent} bytes were taken for somebody who does not read");
    bystander.goes_on();
    if !half_closes {
        other.send(TEXT, b"I am not listening");
        one.hears(TEXT, b"I am not listening");
    }
    let grown = memory_kb(&stage, "VmHWM:").saturating_sub(before);
    assert!(grown < GROWTH_KB_MAX, "{grown} KB more, with {sent} bytes on their way");
    let flow = ended(&stage.proxy, "1");
    println!("sent {sent} grown {grown} KB {flow}");
    drain(&mut one);
    let heard = drain(&mut other);
    println!("heard {}", heard.len());
    let messages = messages(&stage.proxy, "1");
    println!("{} {}", messages.len(), messages.last().unwrap());
    bystander.part();
}

#[test]
fn a_server_that_never_reads_is_timed_out() {
    never_reads(true, false);
}

#[test]
fn a_client_that_never_reads_is_timed_out() {
    never_reads(false, false);
}

#[test]
fn a_server_that_half_closes_and_never_reads_is_timed_out() {
    never_reads(true, true);
}

#[test]
fn a_client_that_half_closes_and_never_reads_is_timed_out() {
    never_reads(false, true);
}
