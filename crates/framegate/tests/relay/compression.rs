//! permessage-deflate: relayed as it is, recorded as what it means.

use serde_json::{Value, json};
use wire::deflate::Deflater;

use crate::peers::{BINARY, End, FIN, PING, RSV1, Stage, TEXT, ended, messages, part, payload};

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn deflated(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
    let mut small = Vec::new();
    deflater.compress(message, &mut small);
    small
}

/// Three times the text compressed in one frame, in three, and another one as it is; each arrives as it was sent.
fn say_all(one: &mut End, other: &mut End, (bits, takeover): (u8, bool), text: &str) {
    let mut deflater = Deflater::new(bits, takeover).unwrap();
    for _ in 0..3 {
        let small = deflated(&mut deflater, text.as_bytes());
        let again = deflated(&mut deflater, text.as_bytes());
        let (start, rest) = again.split_at(again.len() / 3);
        let (middle, end) = rest.split_at(rest.len() / 2);
        // What stands between fragments is not compressed, and not every message has to be.
        let frames: [(u8, &[u8]); 6] = [
            (TEXT | RSV1, &small),
            ((TEXT | RSV1) & !FIN, start),
            (PING, b"between"),
            (0, middle),
            (FIN, end),
            (TEXT, b"plain"),
        ];
        for (first, bytes) in frames {
            one.send(first, bytes);
            other.hears(first, bytes);
        }
    }
}

#[test]
fn whatever_was_agreed_on_it_passes_as_it_is_and_is_recorded_inflated() {
    let stage = Stage::new(&[]);
    // Window bits and context takeover of the client, then of the server.
    let agreements = [
        ("", (15, true), (15, true)),
        (
            "; server_no_context_takeover; client_no_context_takeover",
            (15, false),
            (15, false),
        ),
        (
            "; server_max_window_bits=10; client_max_window_bits=9",
            (9, true),
            (10, true),
        ),
        (
            "; client_no_context_takeover; server_max_window_bits=9",
            (15, false),
            (9, true),
        ),
    ];
    // Longer than the small windows, and full of what came before.
    let long: String = (0..2000).map(|at| format!("{} über {at}; ", at % 7)).collect();
    for (at, (more, of_client, of_server)) in agreements.into_iter().enumerate() {
        let id = (at + 1).to_string();
        let (mut client, mut server) = stage.open_with(&format!("permessage-deflate{more}"));
        say_all(&mut client, &mut server, of_client, &long);
        say_all(&mut server, &mut client, of_server, &long);
        part(client, server);
        assert_eq!(
            ended(&stage.proxy, &id)["extensions"],
            format!("permessage-deflate{more}")
        );
        let messages = messages(&stage.proxy, &id);
        let texts: Vec<_> = messages.iter().filter(|message| message["kind"] == "text").collect();
        assert_eq!(texts.len(), 18);
        for triple in texts.as_chunks::<3>().0 {
            for (message, (text, compressed, frames)) in
                triple
                    .iter()
                    .zip([(&*long, "true", 1), (&long, "true", 3), ("plain", "false", 1)])
            {
                let facts = json!([
                    message["metadata"]["compressed"],
                    message["size"],
                    message["frames"],
                    message["metadata"]["violation"]
                ]);
                assert_eq!(facts, json!([compressed, text.len(), frames, null]), "{more}");
                assert!(message["body"] == text, "{more}");
            }
        }
    }
}

#[test]
fn what_the_rfc_shows_is_read_as_it_says() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open_with("permessage-deflate");
    // RFC 7692 §7.2.3: alone, with what was before, in a stored block, with BFINAL, in two blocks; and nothing.
    let shown: [(&[u8], &str); 6] = [
        (&HELLO, "Hello"),
        (&[0xf2, 0x00, 0x11, 0x00, 0x00], "Hello"),
        (
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            "Hello",
        ),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello"),
        (
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
            "Hello",
        ),
        (&[0x00], ""),
    ];
    for (bytes, _) in shown {
        client.send(TEXT | RSV1, bytes);
        server.hears(TEXT | RSV1, bytes);
        server.send(TEXT | RSV1, bytes);
        client.hears(TEXT | RSV1, bytes);
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let messages = messages(&stage.proxy, "1");
    for direction in ["send", "receive"] {
        let of_it = messages.iter().filter(|message| message["direction"] == direction);
        let texts: Vec<_> = of_it.filter(|message| message["kind"] == "text").collect();
        assert_eq!(texts.len(), shown.len());
        for (message, (bytes, text)) in texts.into_iter().zip(shown) {
            assert_eq!(
                json!([message["body"], message["metadata"]["violation"]]),
                json!([text, null]),
                "{bytes:02x?}"
            );
        }
    }
}

#[test]
fn what_does_not_inflate_passes_and_is_flagged_and_so_is_what_refers_to_it() {
    let stage = Stage::new(&[]);
    let broken = "compressed message does not inflate";
    for (id, more, behind) in [
        ("1", "", json!([null, broken])),
        ("2", "; client_no_context_takeover", json!(["Hello", null])),
    ] {
        let (mut client, mut server) = stage.open_with(&format!("permessage-deflate{more}"));
        // A block of the type that there is none of (RFC 1951 §3.2.3).
        let sent: [(u8, &[u8]); 4] = [
            (TEXT | RSV1, &HELLO),
            (BINARY | RSV1, &[0xff; 20]),
            (TEXT, b"plain"),
            (TEXT | RSV1, &HELLO),
        ];
        for (first, bytes) in sent {
            client.send(first, bytes);
            server.hears(first, bytes);
        }
        // The other direction has a window of its own.
        server.send(TEXT | RSV1, &HELLO);
        client.hears(TEXT | RSV1, &HELLO);
        part(client, server);
        assert_eq!(ended(&stage.proxy, id)["state"], "complete");
        let messages = messages(&stage.proxy, id);
        let heard = |at: usize| -> Value { json!([messages[at]["body"], messages[at]["metadata"]["violation"]]) };
        assert_eq!(heard(0), json!(["Hello", null]));
        assert_eq!(heard(1), json!([null, broken]));
        assert_eq!(heard(2), json!(["plain", null]));
        assert_eq!(heard(3)[1], behind[1], "{more}");
        if behind[1].is_null() {
            assert_eq!(heard(3), behind);
        }
        assert_eq!(heard(4), json!(["Hello", null]));
    }
}

#[test]
fn a_message_of_one_byte_over_and_over_is_recorded_whole() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open_with("permessage-deflate");
    let long = vec![b'a'; 1 << 20];
    let small = deflated(&mut Deflater::new(15, true).unwrap(), &long);
    assert!(
        small.len() * 500 < long.len(),
        "far beyond the ratio that a judge would be protected from"
    );
    client.send(TEXT | RSV1, &small);
    server.hears(TEXT | RSV1, &small);
    part(client, server);
    ended(&stage.proxy, "1");
    let message = &messages(&stage.proxy, "1")[0];
    assert_eq!(
        json!([message["size"], message["truncated"], message["metadata"]["violation"]]),
        json!([1 << 20, false, null])
    );
    assert!(payload(message) == long);
}
