//! Match and replace.

use serde_json::json;

use crate::peers::{BINARY, RSV1, Stage, TEXT, ended, messages, part};

#[test]
fn rules_replace_in_their_order_and_the_record_has_both() {
    let rules = r#"rewrite=[
        {id="role", direction="send", pattern='"role":"(\w+)"', replacement='"role":"admin","was":"$1"'},
        {direction="receive", literal="secret", replacement=""},
        {when='json.type == "order"', json="items[0].price", replacement="0"},
    ]"#;
    let rules = rules.replace('\n', " ");
    let stage = Stage::new(&[&rules]);
    let (mut client, mut server) = stage.open();
    client.send(
        TEXT,
        br#"{"type":"order","role":"guest","items":[ {"price": 12.50 } ]}"#,
    );
    server.hears(
        TEXT,
        br#"{"type":"order","role":"admin","was":"guest","items":[ {"price": 0 } ]}"#,
    );
    client.send(TEXT, b"the secret stays");
    server.hears(TEXT, b"the secret stays");
    server.send(BINARY, b"\xffa secret\x00");
    client.hears(BINARY, b"\xffa \x00");
    part(client, server);
    ended(&stage.proxy, "1");
    let rows = messages(&stage.proxy, "1");
    assert_eq!(
        json!([rows[0]["fate"], rows[0]["decided_by"], rows[0]["original"]["body"]]),
        json!([
            "replaced",
            "rewrite:role, rewrite:3",
            r#"{"type":"order","role":"guest","items":[ {"price": 12.50 } ]}"#
        ])
    );
    assert_eq!(json!([rows[1]["fate"], rows[1]["decided_by"]]), json!(["sent", null]));
    assert_eq!(
        json!([rows[2]["fate"], rows[2]["decided_by"]]),
        json!(["replaced", "rewrite:2"])
    );
}

#[test]
fn a_changed_message_leaves_the_compressed_stream_readable() {
    let stage = Stage::new(&[r#"rewrite=[{literal="Hello", replacement="HELLO", when="sequence == 2"}]"#]);
    let (mut client, mut server) = stage.open_with("permessage-deflate");
    client.send(TEXT | RSV1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    client.send(TEXT | RSV1, &[0xf2, 0x00, 0x11, 0x00, 0x00]);
    let mut inflate = flate2::Decompress::new(false);
    for expected in ["HELLO", "Hello"] {
        let crate::peers::Heard::Frame(frame) = server.hear() else {
            panic!("no frame")
        };
        assert_eq!(frame.first, TEXT | RSV1);
        let mut small = frame.payload;
        small.extend([0, 0, 0xff, 0xff]);
        let mut plain = Vec::with_capacity(100);
        inflate
            .decompress_vec(&small, &mut plain, flate2::FlushDecompress::Sync)
            .unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), expected);
    }
    part(client, server);
}
