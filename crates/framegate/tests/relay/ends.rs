//! How conversations end: what each peer sees of the other's end, and what the record says of it.

use serde_json::json;

use crate::peers::{BINARY, CLOSE, End, Heard, Stage, TEXT, close, ended, messages, payload};

fn in_turn(ends: (End, End), client_first: bool) -> (End, End) {
    if client_first { ends } else { (ends.1, ends.0) }
}

#[test]
fn a_close_of_either_side_reaches_the_other_as_it_is() {
    let stage = Stage::new(&[]);
    for (id, by) in [("1", "client"), ("2", "server")] {
        let (mut one, mut other) = in_turn(stage.open(), by == "client");
        let (asked, answered) = (close(4001, "genug für heute"), close(4002, ""));
        one.send(CLOSE, &asked);
        other.hears(CLOSE, &asked);
        // Whoever has not said Close may still send.
        other.send(TEXT, b"one more thing");
        one.hears(TEXT, b"one more thing");
        other.send(CLOSE, &answered);
        one.hears(CLOSE, &answered);
        one.shut();
        assert_eq!(other.hear(), Heard::Fin);
        other.shut();
        assert_eq!(one.hear(), Heard::Fin);
        let flow = ended(&stage.proxy, id);
        assert_eq!(
            json!([flow["state"], flow["error"], flow["close"]]),
            json!(["complete", null, {"by": by, "code": 4001, "reason": "genug für heute"}])
        );
        let messages = messages(&stage.proxy, id);
        let heard: Vec<_> = messages
            .iter()
            .map(|message| (message["kind"].as_str().unwrap(), payload(message)))
            .collect();
        assert_eq!(
            heard,
            [
                ("close", asked),
                ("text", b"one more thing".to_vec()),
                ("close", answered)
            ]
        );
    }
}

#[test]
fn a_stream_that_ends_in_one_direction_goes_on_in_the_other() {
    let stage = Stage::new(&[]);
    for (id, by) in [("1", "client"), ("2", "server")] {
        let (mut one, mut other) = in_turn(stage.open(), by == "client");
        one.send(TEXT, b"all that I have to say");
        one.shut();
        other.hears(TEXT, b"all that I have to say");
        assert_eq!(other.hear(), Heard::Fin);
        let long = vec![7; 1 << 20];
        let sending = other.send_behind(other.frame(BINARY, &long));
        one.hears(BINARY, &long);
        sending.join().unwrap();
        other.shut();
        assert_eq!(one.hear(), Heard::Fin);
        let flow = ended(&stage.proxy, id);
        assert_eq!(
            json!([flow["state"], flow["error"], flow["close"]]),
            json!(["error", format!("{by} ended the stream without a Close"), null])
        );
        assert_eq!(messages(&stage.proxy, id).len(), 2);
    }
}

#[test]
fn a_reset_of_either_side_reaches_the_other_as_one() {
    let stage = Stage::new(&[]);
    for (id, by) in [("1", "client"), ("2", "server")] {
        let (mut one, mut other) = in_turn(stage.open(), by == "client");
        one.send(TEXT, b"before");
        other.hears(TEXT, b"before");
        one.reset();
        assert_eq!(other.hear(), Heard::Reset);
        let flow = ended(&stage.proxy, id);
        assert_eq!(
            json!([flow["state"], flow["error"], flow["close"]]),
            json!(["error", format!("{by} reset the connection"), null])
        );
        assert_eq!(messages(&stage.proxy, id)[0]["body"], "before");
    }
}

#[test]
fn what_had_come_of_a_message_is_on_record_when_its_stream_ends() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open();
    let frame = client.frame(TEXT, b"never to be finished");
    client.send_behind(frame[..frame.len() - 9].to_vec()).join().unwrap();
    client.shut();
    server.reads(&frame[..17]);
    assert_eq!(server.hear(), Heard::Fin);
    server.shut();
    assert_eq!(client.hear(), Heard::Fin);
    ended(&stage.proxy, "1");
    let message = &messages(&stage.proxy, "1")[0];
    assert_eq!(
        json!([
            message["body"],
            message["size"],
            message["wire_bytes"],
            message["metadata"]["violation"]
        ]),
        json!(["never to be", 11, 17, "message unfinished"])
    );
}

#[test]
fn two_that_are_silent_are_closed_with_1001() {
    let stage = Stage::new(&["limits.idle_ms=50"]);
    let (mut client, mut server) = stage.open();
    let reason = client.hears_close(1001);
    assert_eq!(server.hears_close(1001), reason);
    for peer in [&mut client, &mut server] {
        peer.send(CLOSE, &close(1001, ""));
        assert_eq!(peer.hear(), Heard::Fin);
        peer.shut();
    }
    let flow = ended(&stage.proxy, "1");
    assert_eq!(
        json!([flow["state"], flow["error"], flow["close"]]),
        json!(["error", "idle timeout", {"by": "proxy", "code": 1001, "reason": reason}])
    );
}

#[test]
fn a_peer_that_never_answers_a_close_is_not_waited_for() {
    let stage = Stage::new(&["limits.close_ms=50"]);
    for (id, by) in [("1", "client"), ("2", "server")] {
        let (mut one, mut other) = in_turn(stage.open(), by == "client");
        one.send(CLOSE, &close(1000, "bye"));
        other.hears(CLOSE, &close(1000, "bye"));
        assert_eq!((one.hear(), other.hear()), (Heard::Fin, Heard::Fin));
        let flow = ended(&stage.proxy, id);
        assert_eq!(json!([flow["state"], flow["close"]["by"]]), json!(["complete", by]));
    }
}

/// A peer whose machine is gone says nothing, not even an end: TCP must ask. Linux tells which sockets it asks for.
#[cfg(target_os = "linux")]
#[test]
fn both_connections_are_asked_whether_anybody_is_still_there() {
    let asked = |port: u16, of: usize| {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{port:04X}");
        table.lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let (established, keepalive) = (words[3] == "01", words[5].starts_with("02:"));
            words[of].ends_with(&port) && established && keepalive
        })
    };
    let [local, remote] = [1, 2];
    for (settings, wanted) in [(&[][..], true), (&["limits.tcp_keepalive_ms=0"], false)] {
        let stage = Stage::new(settings);
        let (client, server) = stage.open();
        assert_eq!(asked(stage.proxy.addr("reverse").port(), local), wanted, "the client");
        assert_eq!(
            asked(server.tcp.local_addr().unwrap().port(), remote),
            wanted,
            "the server"
        );
        drop((client, server));
    }
}

/// From now on nothing that is sent to this peer arrives: no byte, and no word of it back.
#[cfg(target_os = "linux")]
fn vanishes(end: &crate::peers::End) {
    /// The packet filter's instruction that takes so many bytes of a packet: none.
    const RETURN: u16 = 0x06;
    let nothing = socket2::SockFilter::new(RETURN, 0, 0, 0);
    socket2::SockRef::from(&end.tcp).attach_filter(&[nothing]).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_vanishes_without_a_trace_is_missed() {
    let stage = Stage::new(&["limits.tcp_keepalive_ms=1000"]);
    for (id, by) in [("1", "client"), ("2", "server")] {
        let (mut one, mut other) = in_turn(stage.open(), by == "client");
        one.send(TEXT, b"the last that was heard of me");
        other.hears(TEXT, b"the last that was heard of me");
        vanishes(&one);
        assert_eq!(other.hear(), Heard::Reset);
        let flow = ended(&stage.proxy, id);
        let error = format!("{by} is gone: it does not answer any more");
        assert_eq!(
            json!([flow["state"], flow["error"], flow["close"]]),
            json!(["error", error, null])
        );
    }
}
