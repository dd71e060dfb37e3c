//! How much a peer may say: rates so low that nothing fills up while a test runs, and peers that try to get around them.

use std::io::Write;

use serde_json::json;

use crate::limits::{in_turn, is_closed_by_the_proxy};
use crate::peers::{BINARY, CLOSE, End, FIN, Heard, PING, Stage, TEXT, both_are_closed, close, ended, messages, part};

const MESSAGES: &str = "limits.messages_per_second_max=5";
const OVER: &str = "messages a second over the limit";

/// The frames that come before the Close, which has this code; both peers then say goodbye.
fn heard_before_the_close(one: &mut End, other: &mut End, code: u16) -> (usize, String) {
    let mut frames = 0;
    let reason = loop {
        match other.hear() {
            Heard::Frame(frame) if frame.first == CLOSE => {
                assert_eq!(frame.payload[..2], code.to_be_bytes());
                break String::from_utf8(frame.payload[2..].to_vec()).unwrap();
            }
            Heard::Frame(_) => frames += 1,
            end => panic!("{end:?}"),
        }
    };
    assert_eq!(one.hears_close(code), reason);
    for peer in [&mut *one, &mut *other] {
        peer.send(CLOSE, &close(code, ""));
    }
    assert_eq!((one.hear(), other.hear()), (Heard::Fin, Heard::Fin));
    (frames, reason)
}

#[test]
fn of_a_thousand_messages_in_one_write_five_pass() {
    // Cut-through, whole messages, and messages that are judged.
    let gates: [&[&str]; 3] = [
        &[MESSAGES],
        &[MESSAGES, "wire.violations=close"],
        &[MESSAGES, "safety.input.presets=xss", "safety.input.receive=true"],
    ];
    for settings in gates {
        let stage = Stage::new(settings);
        for (id, client_breaks, name) in [("1", true, "client"), ("2", false, "server")] {
            let (mut client, mut server) = stage.open();
            let (one, other) = in_turn(&mut client, &mut server, client_breaks);
            let bytes = one.frame(TEXT, b"x").repeat(1000);
            one.tcp.write_all(&bytes).unwrap();
            let (frames, reason) = heard_before_the_close(one, other, 1008);
            assert!(frames <= 5, "{frames} passed");
            if !settings.contains(&"safety.input.presets=xss") {
                assert_eq!(frames, 5);
            }
            assert_eq!(reason, OVER);
            is_closed_by_the_proxy(&stage.proxy, id, &format!("{name}: {OVER}"), 1008, OVER);
            let rows = messages(&stage.proxy, id);
            let beyond = rows.iter().find(|row| row["metadata"]["violation"] == OVER).unwrap();
            assert_eq!(beyond["fate"], "dropped");
        }
    }
}

#[test]
fn a_flood_of_pings_is_a_flood() {
    let stage = Stage::new(&[MESSAGES]);
    let (mut client, mut server) = stage.open();
    let bytes = client.frame(PING, b"").repeat(1000);
    client.tcp.write_all(&bytes).unwrap();
    assert_eq!(
        heard_before_the_close(&mut client, &mut server, 1008),
        (5, OVER.to_owned())
    );
}

#[test]
fn fragments_are_no_way_around_a_rate() {
    let stage = Stage::new(&["limits.bytes_per_second_max=1000"]);
    let (mut client, mut server) = stage.open();
    // One message without an end, of nothing but empty fragments: six bytes each.
    let begins = client.frame(BINARY & !FIN, b"");
    let goes_on = client.frame(0, b"").repeat(10_000);
    client.tcp.write_all(&[begins, goes_on].concat()).unwrap();
    let (frames, reason) = heard_before_the_close(&mut client, &mut server, 1008);
    assert_eq!((frames, reason.as_str()), (166, "bytes a second over the limit"));
}

#[test]
fn a_frame_that_comes_slowly_has_passed_its_limit_or_not_when_it_begins() {
    let stage = Stage::new(&["limits.bytes_per_second_max=1000"]);
    let (mut client, mut server) = stage.open();
    let long = client.frame(BINARY, &[7; 1001]);
    client.tcp.write_all(&long[..10]).unwrap();
    assert_eq!(server.hears_close(1008), "bytes a second over the limit");
    assert_eq!(client.hears_close(1008), "bytes a second over the limit");
}

#[test]
fn who_keeps_to_the_limits_notices_nothing() {
    let stage = Stage::new(&[
        "limits.messages_per_second_max=1000",
        "limits.bytes_per_second_max=1000000",
        "limits.messages_max=1000",
        "limits.source_messages_per_second_max=1000",
        "limits.source_bytes_per_second_max=1000000",
        "limits.source_connections_max=10",
        "limits.source_connections_per_minute_max=10",
        "limits.lifetime_ms=3600000",
    ]);
    let (mut client, mut server) = stage.open();
    for _ in 0..100 {
        client.send(TEXT, b"x");
        server.hears(TEXT, b"x");
        server.send(BINARY, b"y");
        client.hears(BINARY, b"y");
    }
    part(client, server);
    assert_eq!(ended(&stage.proxy, "1")["state"], "complete");
}

#[test]
fn a_peer_that_has_said_all_it_may_in_one_connection_may_say_goodbye() {
    let stage = Stage::new(&["limits.messages_max=3"]);
    let (mut client, mut server) = stage.open();
    for _ in 0..3 {
        client.send(TEXT, b"x");
        server.hears(TEXT, b"x");
    }
    part(client, server);
    assert_eq!(ended(&stage.proxy, "1")["state"], "complete");
    let (mut client, mut server) = stage.open();
    server.tcp.write_all(&server.frame(TEXT, b"x").repeat(4)).unwrap();
    let (frames, reason) = heard_before_the_close(&mut server, &mut client, 1008);
    assert_eq!((frames, reason.as_str()), (3, "messages over the limit"));
}

#[test]
fn a_connection_ends_when_its_lifetime_is_over_whatever_is_said() {
    let stage = Stage::new(&["limits.lifetime_ms=1"]);
    let (mut client, mut server) = stage.open();
    assert_eq!(both_are_closed(&mut client, &mut server, 1001), "lifetime over");
    let flow = ended(&stage.proxy, "1");
    assert_eq!(
        json!([flow["state"], flow["error"], flow["close"]["by"]]),
        json!(["error", "lifetime over", "proxy"])
    );
}

#[test]
fn many_connections_of_one_source_share_what_it_may_say() {
    let stage = Stage::new(&["limits.source_messages_per_second_max=5", "listen.threads=2"]);
    let mut pairs: Vec<_> = (0..6).map(|_| stage.open()).collect();
    // What the server says is not the source's.
    for (client, server) in &mut pairs {
        server.send(TEXT, b"welcome");
        client.hears(TEXT, b"welcome");
    }
    // One write with all the rest first: then nobody has anything left, until time has passed.
    let (client, server) = &mut pairs[0];
    client.tcp.write_all(&client.frame(TEXT, b"x").repeat(6)).unwrap();
    let over = "messages a second of the source over the limit";
    assert_eq!(heard_before_the_close(client, server, 1008), (5, over.to_owned()));
    for (client, server) in &mut pairs[1..] {
        client.tcp.write_all(&client.frame(TEXT, b"x").repeat(1000)).unwrap();
        let (frames, reason) = heard_before_the_close(client, server, 1008);
        assert!(frames < 6, "{frames} passed");
        assert_eq!(reason, over);
    }
}
