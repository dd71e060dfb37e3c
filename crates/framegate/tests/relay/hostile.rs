//! Peers that are slow, stuck or after the proxy's memory: they harm nobody but themselves.

use std::io::{Read, Write};

use serde_json::json;
use wire::deflate::Deflater;

use crate::limits::{in_turn, is_closed_by_the_proxy};
use crate::peers::both_are_closed;
use crate::peers::{BINARY, End, FIN, Heard, RSV1, Stage, TEXT, ended, messages, part, pattern};
use crate::pressure::{GROWTH_KB_MAX, memory_kb, send_until_held_back};

/// The two of an honest conversation.
struct Neighbours(End, End);

impl Neighbours {
    fn talk(&mut self) {
        let Self(client, server) = self;
        client.send(TEXT, b"do you notice anything?");
        server.hears(TEXT, b"do you notice anything?");
        server.send(TEXT, b"no");
        client.hears(TEXT, b"no");
    }
}

#[test]
fn who_stalls_in_a_frame_or_sends_and_reads_byte_by_byte_is_waited_for_alone() {
    let stage = Stage::new(&[]);
    let mut neighbours = {
        let (client, server) = stage.open();
        Neighbours(client, server)
    };
    for (id, client_is_slow) in [("2", true), ("3", false)] {
        let (mut client, mut server) = stage.open();
        let (one, other) = in_turn(&mut client, &mut server, client_is_slow);
        let frame = one.frame(BINARY, &pattern(300));
        for byte in &frame {
            one.tcp.write_all(&[*byte]).unwrap();
        }
        other.reads(&frame);
        neighbours.talk();
        let (start, rest) = frame.split_at(150);
        one.tcp.write_all(start).unwrap();
        // What came is passed on, though the frame is not whole: nothing waits for the rest of it.
        other.reads(start);
        neighbours.talk();
        // Its own direction stands still; the other one does not.
        other.send(TEXT, b"are you still there?");
        one.hears(TEXT, b"are you still there?");
        one.tcp.write_all(rest).unwrap();
        other.reads(rest);
        let long = other.frame(BINARY, &pattern(3_000));
        let sending = other.send_behind(long.clone());
        for byte in long {
            let mut read = [0];
            one.tcp.read_exact(&mut read).unwrap();
            assert_eq!(read[0], byte);
        }
        sending.join().unwrap();
        neighbours.talk();
        part(client, server);
        ended(&stage.proxy, id);
        let messages = messages(&stage.proxy, id);
        let sizes: Vec<_> = messages
            .iter()
            .map(|message| message["size"].as_u64().unwrap())
            .collect();
        assert_eq!(sizes, [300, 20, 300, 3_000, 2, 2]);
    }
}

#[test]
fn who_neither_reads_nor_speaks_is_let_go_after_the_idle_time_with_the_other_one() {
    let stage = Stage::new(&["limits.idle_ms=4000", "limits.close_ms=100"]);
    for (id, client_is_gone) in [("1", true), ("2", false)] {
        let before = memory_kb(&stage, "VmRSS:");
        let (mut client, mut server) = stage.open();
        let (_gone, floods) = in_turn(&mut client, &mut server, client_is_gone);
        // Nobody takes a byte of it any more, and nobody says anything: the one has vanished, the other is stuck.
        let frame = floods.frame(BINARY, &pattern(100_000));
        let sent = send_until_held_back(floods, &frame);
        let flow = ended(&stage.proxy, id);
        assert_eq!(json!([flow["state"], flow["error"]]), json!(["error", "idle timeout"]));
        assert_eq!(flow["close"]["by"], "proxy");
        let grown = memory_kb(&stage, "VmHWM:").saturating_sub(before);
        assert!(grown < GROWTH_KB_MAX, "{grown} KB more, with {sent} bytes on their way");
    }
}

#[test]
fn a_hundred_thousand_fragments_are_one_message() {
    const FRAGMENTS: usize = 100_000;
    let stage = Stage::new(&[]);
    let before = memory_kb(&stage, "VmRSS:");
    for (id, client_sends) in [("1", true), ("2", false)] {
        let (mut client, mut server) = stage.open();
        let (one, other) = in_turn(&mut client, &mut server, client_sends);
        let text: Vec<u8> = (0..FRAGMENTS).map(|at| b'a' + (at % 26) as u8).collect();
        let mut sent = Vec::new();
        for (at, byte) in text.iter().enumerate() {
            let opcode = if at == 0 { TEXT & !FIN } else { 0 };
            let fin = if at + 1 == FRAGMENTS { FIN } else { 0 };
            sent.extend(one.frame(opcode | fin, &[*byte]));
        }
        let sending = one.send_behind(sent.clone());
        other.reads(&sent);
        sending.join().unwrap();
        part(client, server);
        ended(&stage.proxy, id);
        let message = &messages(&stage.proxy, id)[0];
        assert_eq!(
            json!([message["frames"], message["size"], message["wire_bytes"]]),
            json!([FRAGMENTS, FRAGMENTS, sent.len()])
        );
        assert_eq!(message["body"].as_str().unwrap().as_bytes(), text);
    }
    // One read of such fragments is twenty thousand things to do, in a list that grows by doubling.
    let grown = memory_kb(&stage, "VmHWM:").saturating_sub(before);
    assert!(grown < 2 * GROWTH_KB_MAX, "{grown} KB more");
}

/// So many zeroes, compressed into one message.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut small = Vec::new();
    Deflater::new(15, false).unwrap().compress(&vec![0; bytes], &mut small);
    small
}

#[test]
fn a_bomb_closes_both_before_a_byte_of_it_passes_or_is_cut_on_record() {
    for (limits, words) in [
        ("limits.message_bytes_max=1000000", "message over the limit"),
        ("limits.inflate_ratio_max=100", "inflates beyond the ratio limit"),
    ] {
        let small = bomb(32 << 20);
        let closing = Stage::new(&[limits, "wire.violations=close"]);
        let relaying = Stage::new(&[limits, "record.payload_bytes_max=1000"]);
        for (id, client_throws) in [("1", true), ("2", false)] {
            let before = memory_kb(&closing, "VmRSS:");
            let (mut client, mut server) = closing.open_with("permessage-deflate");
            let (one, _) = in_turn(&mut client, &mut server, client_throws);
            one.send(BINARY | RSV1, &small);
            let reason = both_are_closed(&mut client, &mut server, 1009);
            let by = if client_throws { "client" } else { "server" };
            is_closed_by_the_proxy(&closing.proxy, id, &format!("{by}: {words}"), 1009, &reason);
            let grown = memory_kb(&closing, "VmHWM:").saturating_sub(before);
            assert!(grown < GROWTH_KB_MAX, "{grown} KB more for {words}");

            let before = memory_kb(&relaying, "VmRSS:");
            let (mut client, mut server) = relaying.open_with("permessage-deflate");
            let (one, other) = in_turn(&mut client, &mut server, client_throws);
            one.send(BINARY | RSV1, &small);
            other.hears(BINARY | RSV1, &small);
            part(client, server);
            ended(&relaying.proxy, id);
            let message = &messages(&relaying.proxy, id)[0];
            assert_eq!(message["truncated"], true, "{words}");
            let grown = memory_kb(&relaying, "VmHWM:").saturating_sub(before);
            assert!(grown < GROWTH_KB_MAX, "{grown} KB more for {words}, relayed");
        }
    }
}

#[test]
fn a_declared_length_costs_no_memory() {
    // The highest that may be set.
    let stage = Stage::new(&[
        "limits.frame_bytes_max=1099511627776",
        "limits.message_bytes_max=1099511627776",
    ]);
    let before = memory_kb(&stage, "VmRSS:");
    let (mut client, mut server) = stage.open();
    let announced = crate::peers::head(BINARY, true, 1 << 40);
    client.tcp.write_all(&announced).unwrap();
    client.tcp.write_all(b"and so on").unwrap();
    server.reads(&announced);
    server.reads(b"and so on");
    client.shut();
    assert_eq!(server.hear(), Heard::Fin);
    let grown = memory_kb(&stage, "VmHWM:").saturating_sub(before);
    assert!(grown < GROWTH_KB_MAX / 4, "{grown} KB more");
}
