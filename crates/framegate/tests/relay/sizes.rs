//! Messages of all sizes, in frames of all sizes.

use serde_json::{Value, json};

use crate::peers::{BINARY, FIN, PING, Stage, TEXT, ended, messages, part, pattern, payload};

const MIB: usize = 1 << 20;

/// Size, frames, bytes on the wire, and whether it was cut.
fn facts(message: &Value) -> Value {
    json!([
        message["size"],
        message["frames"],
        message["wire_bytes"],
        message["truncated"]
    ])
}

#[test]
fn a_message_of_64_mib_passes_and_the_record_keeps_its_beginning() {
    let stage = Stage::new(&[]);
    let (client, mut server) = stage.open();
    let whole = pattern(8 * MIB);
    let mut sent = Vec::new();
    for first in [BINARY & !FIN, 0, 0, 0, 0, 0, 0, FIN] {
        sent.extend(client.frame(first, &whole));
    }
    let sending = client.send_behind(sent.clone());
    server.reads(&sent);
    sending.join().unwrap();
    part(client, server);
    let flow = ended(&stage.proxy, "1");
    assert_eq!(
        (&flow["state"], &flow["messages_lost"]),
        (&json!("complete"), &json!(0))
    );
    let messages = messages(&stage.proxy, "1");
    assert_eq!(messages.len(), 3);
    assert_eq!(facts(&messages[0]), json!([64 * MIB, 8, 64 * MIB + 8 * 14, true]));
    assert!(payload(&messages[0]) == whole[..MIB]);
}

#[test]
fn a_payload_is_kept_whole_up_to_the_setting() {
    let stage = Stage::new(&[]);
    let (mut client, server) = stage.open();
    let long = pattern(MIB + 1);
    for size in [MIB, MIB + 1] {
        let frame = server.frame(BINARY, &long[..size]);
        let sending = server.send_behind(frame.clone());
        client.reads(&frame);
        sending.join().unwrap();
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let messages = messages(&stage.proxy, "1");
    assert_eq!(facts(&messages[0]), json!([MIB, 1, MIB + 10, false]));
    assert_eq!(facts(&messages[1]), json!([MIB + 1, 1, MIB + 11, true]));
    assert!(messages[..2].iter().all(|message| payload(message) == long[..MIB]));
}

#[test]
fn fragments_are_cut_where_the_setting_says_wherever_they_begin() {
    let stage = Stage::new(&["record.payload_bytes_max=10"]);
    let (mut client, mut server) = stage.open();
    let text = "123456789äöü";
    for split in 0..=text.len() {
        let bytes = text.as_bytes();
        client.send(TEXT & !FIN, &bytes[..split]);
        client.send(FIN, &bytes[split..]);
        server.hears(TEXT & !FIN, &bytes[..split]);
        server.hears(FIN, &bytes[split..]);
        server.send(BINARY, &bytes[..split]);
        client.hears(BINARY, &bytes[..split]);
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let messages = messages(&stage.proxy, "1");
    for (split, pair) in messages.as_chunks::<2>().0.iter().take(text.len() + 1).enumerate() {
        // A character that was cut in two is left out, and is no fault of the sender's.
        assert_eq!(pair[0]["body"], "123456789", "{split}");
        assert_eq!(pair[0]["metadata"]["invalid_utf8"], Value::Null);
        assert_eq!(facts(&pair[0]), json!([15, 2, 15 + 12, true]));
        assert_eq!(payload(&pair[1]), text.as_bytes()[..split.min(10)]);
        assert_eq!(facts(&pair[1]), json!([split, 1, split + 2, split > 10]));
    }
    assert_eq!(messages.len(), 2 * (text.len() + 1) + 2);
}

#[test]
fn ten_thousand_fragments_are_one_message() {
    let stage = Stage::new(&[]);
    let (client, mut server) = stage.open();
    let text = "aé世😀".repeat(1000);
    assert_eq!(text.len(), 10_000);
    let mut sent = Vec::new();
    for (at, byte) in text.as_bytes().iter().enumerate() {
        let first = if at == 0 { TEXT & !FIN } else { 0 };
        sent.extend(client.frame(first, &[*byte]));
        // What stands between fragments is a message of its own.
        if at == 5000 {
            sent.extend(client.frame(PING, b"between"));
        }
    }
    sent.extend(client.frame(FIN, b""));
    let sending = client.send_behind(sent.clone());
    server.reads(&sent);
    sending.join().unwrap();
    part(client, server);
    ended(&stage.proxy, "1");
    let messages = messages(&stage.proxy, "1");
    assert_eq!(
        (&messages[0]["kind"], payload(&messages[0])),
        (&json!("ping"), b"between".to_vec())
    );
    assert_eq!(facts(&messages[1]), json!([10_000, 10_001, 10_000 + 6 * 10_001, false]));
    assert_eq!(messages[1]["body"], text);
    assert_eq!(messages.len(), 4);
}

#[test]
fn nothing_and_every_byte_are_messages() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open();
    let every: Vec<u8> = (0..=255).collect();
    let sent: [&[(u8, &[u8])]; 6] = [
        &[(TEXT, b"")],
        &[(BINARY, b"")],
        &[(TEXT & !FIN, b""), (0, b""), (FIN, b"")],
        &[(BINARY & !FIN, b""), (0, &every), (FIN, b"")],
        &[(BINARY, &every)],
        &[(PING, b"")],
    ];
    for &(first, bytes) in sent.into_iter().flatten() {
        client.send(first, bytes);
        server.hears(first, bytes);
        server.send(first, bytes);
        client.hears(first, bytes);
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let messages = messages(&stage.proxy, "1");
    for (direction, masks) in [("send", 4), ("receive", 0)] {
        let of_it: Vec<_> = messages
            .iter()
            .filter(|message| message["direction"] == direction)
            .collect();
        assert_eq!(of_it.len(), 7);
        for (message, frames) in of_it.into_iter().zip(sent) {
            let whole = frames.iter().map(|frame| frame.1).collect::<Vec<_>>().concat();
            let heads: usize = frames
                .iter()
                .map(|frame| if frame.1.len() > 125 { 4 } else { 2 } + masks)
                .sum();
            assert_eq!(payload(message), whole);
            assert_eq!(
                facts(message),
                json!([whole.len(), frames.len(), whole.len() + heads, false])
            );
        }
    }
}
