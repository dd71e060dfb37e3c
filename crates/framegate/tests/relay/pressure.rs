//! A peer that does not read: the other one is held back, the proxy's memory stays small, and nothing is lost.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use serde_json::json;

use crate::peers::{BINARY, End, Stage, TEXT, ended, messages, part, pattern};

/// What the proxy's memory may grow by while a peer does not read.
pub(crate) const GROWTH_KB_MAX: u64 = 32 << 10;

/// What the sockets' own buffers may take, with room to spare: far more than what the proxy may grow by.
const IN_FLIGHT_MAX: usize = 256 << 20;

/// A line of /proc/PID/status, in KB.
pub(crate) fn memory_kb(stage: &Stage, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stage.proxy.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// Sends the frame again and again until nobody takes any more of it; how many bytes were taken.
pub(crate) fn send_until_held_back(from: &mut End, frame: &[u8]) -> usize {
    from.tcp.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    loop {
        match from.tcp.write(&frame[sent % frame.len()..]) {
            Ok(taken) => sent += taken,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(sent < IN_FLIGHT_MAX, "nobody holds it back");
    }
    from.tcp.set_write_timeout(None).unwrap();
    sent
}

#[test]
fn whoever_does_not_read_holds_back_the_other_and_loses_nothing() {
    for client_floods in [true, false] {
        let stage = Stage::new(&["record.payload_bytes_max=100"]);
        let before = memory_kb(&stage, "VmRSS:");
        let (mut client, mut server) = stage.open();
        let (one, other) = if client_floods {
            (&mut client, &mut server)
        } else {
            (&mut server, &mut client)
        };
        let frame = one.frame(BINARY, &pattern(100_000));
        let sent = send_until_held_back(one, &frame);
        other.send(TEXT, b"I am not listening");
        one.hears(TEXT, b"I am not listening");
        let grown = memory_kb(&stage, "VmHWM:").saturating_sub(before);
        assert!(grown < GROWTH_KB_MAX, "{grown} KB more, with {sent} bytes on their way");

        // To the end of the frame under way, and some more of them.
        let frames = sent / frame.len() + 10;
        let rest = frame.repeat(10)[sent % frame.len()..].to_vec();
        let sending = one.send_behind(rest);
        for _ in 0..frames {
            other.reads(&frame);
        }
        sending.join().unwrap();
        part(client, server);
        assert_eq!(ended(&stage.proxy, "1")["messages_lost"], 0);
        let messages = messages(&stage.proxy, "1");
        let of_it: Vec<_> = messages.iter().filter(|message| message["kind"] == "binary").collect();
        assert_eq!(of_it.len(), frames);
        for message in of_it {
            assert_eq!(
                json!([message["size"], message["wire_bytes"], message["frames"]]),
                json!([100_000, frame.len(), 1])
            );
        }
    }
}
