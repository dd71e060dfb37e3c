//! What is beyond a limit, or against the rules: who is told, what passes, and what is on record.

use std::io::Write;

use serde_json::json;

use crate::peers::{
    BINARY, CLOSE, End, FIN, Heard, PING, RSV1, Stage, TEXT, both_are_closed, close, ended, head, messages, part,
    payload,
};
use crate::stage::Proxy;

/// The flow is an error of the proxy's making, with the Close that it sent.
pub(crate) fn is_closed_by_the_proxy(proxy: &Proxy, id: &str, error: &str, code: u16, reason: &str) {
    let flow = ended(proxy, id);
    assert_eq!(
        json!([flow["state"], flow["error"], flow["close"]]),
        json!(["error", error, {"by": "proxy", "code": code, "reason": reason}])
    );
}

/// Client and server by turns, each in a WebSocket of its own: who breaks the rule, and the other.
pub(crate) fn in_turn<'a>(client: &'a mut End, server: &'a mut End, client_breaks: bool) -> (&'a mut End, &'a mut End) {
    if client_breaks {
        (client, server)
    } else {
        (server, client)
    }
}

#[test]
fn of_a_frame_over_the_limit_not_one_byte_passes() {
    let stage = Stage::new(&["limits.frame_bytes_max=1000"]);
    let mut id = 0;
    let over = "frame over the limit";
    let cases = [
        (1001, 1009, over),
        (65_536, 1009, over),
        ((1 << 63) - 1, 1009, over),
        // No length at all: the highest bit must not be set.
        (1 << 63, 1002, "payload length of 64 bits"),
        (u64::MAX, 1002, "payload length of 64 bits"),
    ];
    for (len, code, words) in cases {
        for client_breaks in [true, false] {
            id += 1;
            let (mut client, mut server) = stage.open();
            let (one, other) = in_turn(&mut client, &mut server, client_breaks);
            one.send(BINARY, &[7; 1000]);
            other.hears(BINARY, &[7; 1000]);
            let header = head(BINARY, client_breaks, len);
            one.tcp.write_all(&header[..1]).unwrap();
            one.tcp.write_all(&header[1..]).unwrap();
            if len == 1001 {
                one.tcp.write_all(&[0; 1001]).unwrap();
            }
            let reason = if len == 1001 {
                both_are_closed(&mut client, &mut server, 1009)
            } else {
                // Whoever is inside a frame can only go away.
                let reason = one.hears_close(code);
                assert_eq!(other.hears_close(code), reason);
                one.shut();
                other.send(CLOSE, &close(code, ""));
                assert_eq!((one.hear(), other.hear()), (Heard::Fin, Heard::Fin));
                other.shut();
                reason
            };
            let name = if client_breaks { "client" } else { "server" };
            is_closed_by_the_proxy(
                &stage.proxy,
                &id.to_string(),
                &format!("{name}: {words}"),
                code,
                &reason,
            );
            let messages = messages(&stage.proxy, &id.to_string());
            let flagged = messages
                .iter()
                .find(|message| message["kind"] == "binary" && message["size"] != 1000)
                .unwrap();
            assert_eq!(
                json!([flagged["metadata"]["violation"], flagged["fate"], flagged["raw_bytes"]]),
                json!([words, "dropped", ""])
            );
        }
    }
}

#[test]
fn of_a_fragmented_message_the_fragment_over_the_limit_does_not_pass() {
    let stage = Stage::new(&["limits.message_bytes_max=1000"]);
    for (id, client_breaks) in [("1", true), ("2", false)] {
        let (mut client, mut server) = stage.open();
        let (one, other) = in_turn(&mut client, &mut server, client_breaks);
        for (first, len) in [(BINARY, 1000), (BINARY & !FIN, 600), (0, 400)] {
            one.send(first, &vec![7; len]);
            other.hears(first, &vec![7; len]);
        }
        one.send(FIN, b"x");
        let reason = both_are_closed(&mut client, &mut server, 1009);
        let name = if client_breaks { "client" } else { "server" };
        is_closed_by_the_proxy(
            &stage.proxy,
            id,
            &format!("{name}: message over the limit"),
            1009,
            &reason,
        );
        let messages = messages(&stage.proxy, id);
        let cut = &messages
            .iter()
            .filter(|message| message["kind"] == "binary")
            .nth(1)
            .unwrap();
        assert_eq!(cut["metadata"]["violation"], "message over the limit");
        assert_eq!(payload(cut), vec![7; 1000]);
        assert_eq!(
            json!([cut["frames"], cut["size"], cut["truncated"]]),
            json!([3, 1001, true])
        );
    }
}

/// First byte, payload, close code, words. Each is wrong when it is all that a peer has said.
const VIOLATIONS: [(u8, &[u8], u16, &str); 8] = [
    (BINARY | 0x20, b"x", 1002, "reserved bit set"),
    (TEXT | RSV1, b"x", 1002, "reserved bit set"),
    (0x83, b"x", 1002, "reserved opcode"),
    (0x8b, b"x", 1002, "reserved opcode"),
    (PING & !FIN, b"x", 1002, "fragmented control frame"),
    (PING, &[b'x'; 126], 1002, "control frame over 125 bytes"),
    (FIN, b"x", 1002, "continuation of no message"),
    (CLOSE, &[3, 0xe8, 0xff], 1007, "close reason not UTF-8"),
];

#[test]
fn with_violations_closed_both_peers_hear_why() {
    let stage = Stage::new(&["wire.violations=close", "wire.validate_utf8=true"]);
    let text: (u8, &[u8], u16, &str) = (TEXT, b"a\xff", 1007, "text not UTF-8");
    let mut id = 0;
    for (first, bytes, code, words) in VIOLATIONS.into_iter().chain([text]) {
        for client_breaks in [true, false] {
            id += 1;
            let (mut client, mut server) = stage.open();
            let (one, other) = in_turn(&mut client, &mut server, client_breaks);
            one.send(TEXT, b"before");
            other.hears(TEXT, b"before");
            one.send(first, bytes);
            let reason = both_are_closed(&mut client, &mut server, code);
            let name = if client_breaks { "client" } else { "server" };
            is_closed_by_the_proxy(
                &stage.proxy,
                &id.to_string(),
                &format!("{name}: {words}"),
                code,
                &reason,
            );
        }
    }
}

#[test]
fn with_violations_relayed_they_pass_and_are_flagged() {
    let stage = Stage::new(&["wire.violations=relay"]);
    let mut id = 0;
    for (first, bytes, _, words) in VIOLATIONS {
        if first == CLOSE {
            continue;
        }
        for client_breaks in [true, false] {
            id += 1;
            let (mut client, mut server) = stage.open();
            let (one, other) = in_turn(&mut client, &mut server, client_breaks);
            one.send(first, bytes);
            other.hears(first, bytes);
            part(client, server);
            assert_eq!(ended(&stage.proxy, &id.to_string())["state"], "complete");
            let messages = messages(&stage.proxy, &id.to_string());
            let flagged = &messages[0];
            assert_eq!(flagged["metadata"]["violation"], words, "{flagged}");
            assert_eq!(
                json!([flagged["fate"], flagged["metadata"]["opcode"]]),
                json!(["sent", (first & 0xf).to_string()])
            );
            assert_eq!(payload(flagged), bytes);
        }
    }
}
