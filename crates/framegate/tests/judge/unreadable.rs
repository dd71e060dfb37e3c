//! Redaction of what breaks the protocol, ends too early or cannot be read: it is no way onto the record either.

use std::io::Write;

use flate2::{Compress, Compression};
use serde_json::json;

use crate::peers::{BINARY, CLOSE, FIN, PING, RSV1, Stage, TEXT, close, ended, messages, part};
use crate::redact::{passes, settings, squeeze};
use crate::traces::{CARD, EMAIL, Tail, nowhere_at_all, secrets};

#[test]
fn what_breaks_the_protocol_or_cannot_be_inflated() {
    let stage = Stage::new(&settings(&[
        "limits.message_bytes_max=100000",
        "limits.inflate_ratio_max=2",
    ]));
    let tail = Tail::begin(&stage);
    let (mut client, mut server) = stage.open();
    passes(&mut client, &mut server, TEXT, b"marker");
    for first in [FIN, FIN | 3, FIN | 0xb, TEXT | 0x20, TEXT & !FIN, TEXT] {
        let all = secrets();
        let payload = if first & 8 == 0 {
            all.as_bytes()
        } else {
            CARD.as_bytes()
        };
        passes(&mut client, &mut server, first, payload);
    }
    passes(&mut client, &mut server, PING, EMAIL.as_bytes());
    server.send(CLOSE, &close(4000, &format!("{EMAIL} is out")));
    server.shut();
    client.hears(CLOSE, &close(4000, &format!("{EMAIL} is out")));
    client.send(CLOSE, &close(4000, ""));
    client.shut();
    assert_eq!(ended(&stage.proxy, "1")["close"]["reason"], "[redacted:email] is out");
    for (flow, bomb) in [("2", true), ("3", false)] {
        let (mut client, mut server) = stage.open_with("permessage-deflate");
        let mut deflate = Compress::new(Compression::new(6), false);
        let all = secrets();
        let mut first = squeeze(&mut deflate, format!("marker {all}").as_bytes());
        if bomb {
            passes(&mut client, &mut server, TEXT | RSV1, &first);
            first = squeeze(&mut deflate, &vec![b'x'; 1 << 20]);
        } else {
            let last = first.len() - 1;
            first[last] ^= 0xff;
        }
        passes(&mut client, &mut server, TEXT | RSV1, &first);
        // Stored: what is compressed has the secret as it is.
        let len = u16::try_from(all.len()).unwrap();
        let stored = [
            &[0][..],
            &len.to_le_bytes(),
            &(!len).to_le_bytes(),
            all.as_bytes(),
            &[0],
        ]
        .concat();
        for first in [TEXT | RSV1, FIN | RSV1 | 3] {
            passes(&mut client, &mut server, first, &stored);
        }
        part(client, server);
        ended(&stage.proxy, flow);
    }
    nowhere_at_all(stage, tail, 3, "marker");
}

#[test]
fn what_ends_a_judged_conversation() {
    let stage = Stage::new(&settings(&[
        "intercept.rules=[{id=\"none\", payload=\"no such text\"}]",
        "limits.message_bytes_max=100000",
        "limits.inflate_ratio_max=2",
        "wire.violations=close",
        "wire.validate_utf8=true",
    ]));
    let tail = Tail::begin(&stage);
    let all = format!("marker {}", secrets());
    let len = u16::try_from(all.len()).unwrap();
    let stored = [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), all.as_bytes()].concat();
    let mut deflate = Compress::new(Compression::new(6), false);
    let bomb = squeeze(&mut deflate, &[all.as_bytes(), &[b'x'; 90_000]].concat());
    let cases = [
        (
            1009,
            vec![(TEXT & !FIN, all.clone().into_bytes()), (FIN, vec![b'x'; 100_000])],
        ),
        (
            1002,
            vec![(TEXT & !FIN, all.clone().into_bytes()), (TEXT, b"x".to_vec())],
        ),
        (
            1002,
            vec![(TEXT & !FIN, all.clone().into_bytes()), (FIN | 0x20, b"x".to_vec())],
        ),
        (1007, vec![(TEXT, [all.as_bytes(), b"\xff"].concat())]),
        (1007, vec![(TEXT | RSV1, [&stored[..], &[6, 6]].concat())]),
        (1009, vec![(TEXT | RSV1, bomb)]),
    ];
    let flows = cases.len();
    for (at, (code, frames)) in cases.into_iter().enumerate() {
        let (mut client, mut server) = stage.open_with("permessage-deflate");
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(first, payload)| server.frame(*first, payload))
            .collect();
        server.tcp.write_all(&bytes).unwrap();
        client.hears_close(code);
        drop((client, server));
        let id = (at + 1).to_string();
        ended(&stage.proxy, &id);
        let rows = messages(&stage.proxy, &id);
        assert!(rows.iter().any(|row| row["metadata"]["redacted"].is_string()), "{id}");
    }
    nowhere_at_all(stage, tail, flows, "marker");
}

#[test]
fn what_an_unknown_extension_hides() {
    let stage = Stage::new(&settings(&[]));
    let tail = Tail::begin(&stage);
    let (client, mut server) = stage.open();
    let mut client = client;
    passes(&mut client, &mut server, TEXT, b"marker");
    part(client, server);
    let (mut client, mut server, _) = stage.ask("x-secret", b"");
    server.agrees("x-secret");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    // Every byte is another one, by a way of which the peers know.
    let hidden: Vec<u8> = secrets().bytes().map(|byte| byte ^ 0x80).collect();
    for first in [TEXT | 0x20, BINARY | 0x20] {
        passes(&mut client, &mut server, first, &hidden);
    }
    part(client, server);
    ended(&stage.proxy, "2");
    for row in &messages(&stage.proxy, "2")[..2] {
        assert_eq!(json!([row["raw_bytes"], row["truncated"]]), json!(["", true]), "{row}");
        assert_eq!(row["size"], hidden.len());
    }
    nowhere_at_all(stage, tail, 2, "marker");
}

#[test]
fn what_lies_where_inflating_ends() {
    let stage = Stage::new(&settings(&[
        "limits.message_bytes_max=20000",
        "record.payload_bytes_max=30000",
    ]));
    let tail = Tail::begin(&stage);
    let (mut client, mut server) = stage.open_with("permessage-deflate");
    let mut deflate = Compress::new(Compression::new(6), false);
    for at in 1..CARD.len() {
        let text = format!("marker {:.<pad$} {CARD} end", "", pad = 19_992 - at);
        let small = squeeze(&mut deflate, text.as_bytes());
        passes(&mut client, &mut server, TEXT | RSV1, &small);
    }
    part(client, server);
    ended(&stage.proxy, "1");
    nowhere_at_all(stage, tail, 1, "marker");
}
