//! Bodies, each against what its reader wants.

use std::sync::Arc;

use wire::frame::Opcode;

use super::{About, Body};
use crate::config::HookBody;
use crate::flow::Direction;

fn about(opcode: Opcode, payload: &Arc<Vec<u8>>) -> About<'_> {
    About {
        flow: 7,
        sequence: 3,
        direction: Direction::Receive,
        opcode,
        payload,
    }
}

#[test]
fn raw_is_the_payload_where_it_lies() {
    let payload = Arc::new(b"a\0b".to_vec());
    let body = Body::new(HookBody::Raw, &about(Opcode::Binary, &payload));
    assert_eq!((body.content_type, &body.bytes[..]), (None, &b"a\0b"[..]));
    assert_eq!(body.bytes.as_ptr(), payload.as_ptr());
}

#[test]
fn the_envelope_says_what_is_known() {
    let shown = |opcode, payload: &[u8]| {
        let payload = Arc::new(payload.to_vec());
        let body = Body::new(HookBody::Json, &about(opcode, &payload));
        assert_eq!(body.content_type, Some("application/json"));
        String::from_utf8(body.bytes.to_vec()).expect("JSON is UTF-8")
    };
    let start = r#"{"flow_id":"7","sequence":3,"direction":"receive","#;
    assert_eq!(
        shown(Opcode::Text, b"a\"b"),
        format!(r#"{start}"opcode":"text","body":"a\"b"}}"#)
    );
    assert_eq!(
        shown(Opcode::Binary, b"a"),
        format!(r#"{start}"opcode":"binary","raw_bytes":"YQ=="}}"#)
    );
    assert_eq!(
        shown(Opcode::Text, b"\xff"),
        format!(r#"{start}"opcode":"text","raw_bytes":"/w=="}}"#)
    );
}

#[test]
fn a_body_is_as_long_as_it_may_be_or_none() {
    for shape in [HookBody::Raw, HookBody::Json, HookBody::Waf] {
        let payload = Arc::new(b"a \"b\"".to_vec());
        let about = about(Opcode::Text, &payload);
        let len = Body::new(shape, &about).bytes.len();
        assert!(Body::within(shape, &about, len).is_some() && Body::within(shape, &about, len - 1).is_none());
    }
}

#[test]
fn a_beginning_fits_and_wastes_little() {
    for shape in [HookBody::Raw, HookBody::Json, HookBody::Waf] {
        for byte in [b'a', b' ', b'\\', b'"', 0xff, 0, b'['] {
            for opcode in [Opcode::Text, Opcode::Binary] {
                let payload = Arc::new(vec![byte; 5000]);
                let body = Body::truncated(shape, &about(opcode, &payload), 1024);
                let size = body.bytes.len();
                assert!((600..=1024).contains(&size), "{shape:?} {byte} {opcode:?}: {size}");
            }
        }
    }
}
