//! The body that a web application firewall reads: what it can look into, in the type under which it looks.
//!
//! JSON is `application/json`, and nothing else is, because a body that breaks its type is refused unread. JSON goes as
//! JSON, because in a form its escapes hide what they mean. Whatever is left is a form, whose fields every rule looks at.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use wire::frame::Opcode;

use super::form::Form;
use super::grammar::is_json;
use super::{Body, Shared};

/// Printable bytes in a row that are shown beside base64.
const RUN_MIN: usize = 4;

/// Commands of STOMP 1.0 to 1.2.
const STOMP: [&str; 15] = [
    "CONNECT",
    "STOMP",
    "CONNECTED",
    "SEND",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "ACK",
    "NACK",
    "BEGIN",
    "COMMIT",
    "ABORT",
    "DISCONNECT",
    "MESSAGE",
    "RECEIPT",
    "ERROR",
];

/// The body about a whole message.
pub(super) fn body(opcode: Opcode, payload: &Arc<Vec<u8>>) -> Body {
    let text = match opcode {
        Opcode::Text => simdutf8::basic::from_utf8(payload).ok(),
        _ => return binary(payload),
    };
    let json = |from: usize| Body {
        content_type: Some("application/json"),
        bytes: Bytes::from_owner(Shared(Arc::clone(payload))).slice(from..),
        opaque: false,
    };
    match text {
        Some(text) if is_json(text) => json(0),
        Some(text) => match behind_prefix(text) {
            Some(from) => json(from),
            None => stomp(text).unwrap_or_else(|| form(payload)),
        },
        None => form(payload),
    }
}

/// The body about the beginning of a message, which is no JSON any more.
pub(super) fn beginning(opcode: Opcode, payload: &[u8]) -> Body {
    match opcode {
        Opcode::Text => form(payload),
        _ => binary(payload),
    }
}

fn form(payload: &[u8]) -> Body {
    let mut form = Form::default();
    form.add_text(b"payload", payload);
    form.finish()
}

/// Where JSON begins behind what Engine.IO and Socket.IO put before it: the types of their packets, a number of
/// attachments, a namespace, the number of an acknowledgement. A namespace that could say anything is not passed over.
fn behind_prefix(text: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut at = digits(text);
    if at == 0 {
        return None;
    }
    if text[at..].starts_with('-') {
        at += 1;
    }
    if text[at..].starts_with('/') {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(byte);
        let namespace = text[at..].bytes().take_while(plain).count();
        at += namespace;
        text[at..].starts_with(',').then_some(())?;
        at += 1;
    }
    at += digits(&text[at..]);
    is_json(&text[at..]).then_some(at)
}

/// A STOMP frame: its command, headers and body each as a field. `None`: it is none, or something stands behind it.
fn stomp(text: &str) -> Option<Body> {
    let (command, rest) = text.split_once('\n')?;
    let command = command.strip_suffix('\r').unwrap_or(command);
    STOMP.contains(&command).then_some(())?;
    // What comes behind the end of a frame are line feeds; anything else is another frame, or no STOMP.
    let rest = rest.trim_end_matches(['\r', '\n']).strip_suffix('\0')?;
    let mut form = Form::default();
    form.add(b"command", command.as_bytes());
    let mut rest = rest;
    loop {
        let (line, behind) = rest.split_once('\n')?;
        rest = behind;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        form.add_text(name.as_bytes(), value.as_bytes());
    }
    // A NUL within it is either in a body whose length is told or an attempt to hide what is behind it.
    (!rest.contains('\0')).then_some(())?;
    form.add_text(b"body", rest.as_bytes());
    Some(form.finish())
}

/// Base64 in one field, and what of it is printable in another.
fn binary(payload: &[u8]) -> Body {
    let mut form = Form::default();
    form.add(b"payload", BASE64.encode(payload).as_bytes());
    let printable = |byte: &u8| (b' '..0x7f).contains(byte);
    let runs: Vec<&[u8]> = payload
        .split(|byte| !printable(byte))
        .filter(|run| run.len() >= RUN_MIN)
        .collect();
    if !runs.is_empty() {
        form.add_text(b"text", &runs.join(&b' '));
    }
    Body {
        opaque: runs.is_empty() && !payload.is_empty(),
        ..form.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::frame::Opcode;

    use super::body;

    const JSON: Option<&str> = Some("application/json");
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    fn shown(opcode: Opcode, payload: &[u8]) -> (Option<&'static str>, String, bool) {
        let body = body(opcode, &Arc::new(payload.to_vec()));
        let bytes = String::from_utf8(body.bytes.to_vec()).expect("it is a text");
        (body.content_type, bytes, body.opaque)
    }

    fn text(payload: &str) -> (Option<&'static str>, String) {
        let (content_type, bytes, _) = shown(Opcode::Text, payload.as_bytes());
        (content_type, bytes)
    }

    #[test]
    fn json_goes_as_it_is() {
        for json in [r#"{"a":"\u003cscript\u003e"}"#, "[1]", r#""x""#, " {} "] {
            assert_eq!(text(json), (JSON, json.to_owned()));
        }
    }

    #[test]
    fn json_behind_digits_and_a_namespace_goes_without_them() {
        for (payload, json) in [
            (r#"42["ev",{"a":1}]"#, r#"["ev",{"a":1}]"#),
            (r#"42/chat,7["ev"]"#, r#"["ev"]"#),
            (
                r#"451-["file",{"_placeholder":true}]"#,
                r#"["file",{"_placeholder":true}]"#,
            ),
            (r#"40/admin,{"token":"x"}"#, r#"{"token":"x"}"#),
            (r#"0{"sid":"x"}"#, r#"{"sid":"x"}"#),
        ] {
            assert_eq!(text(payload), (JSON, json.to_owned()), "{payload}");
        }
    }

    #[test]
    fn a_namespace_that_could_say_anything_is_not_passed_over() {
        let (content_type, form) = text(r#"42/<script>,["ev"]"#);
        assert_eq!(content_type, FORM);
        assert!(form.contains("%3Cscript%3E"), "{form}");
    }

    #[test]
    fn what_is_no_json_is_a_form_whose_escapes_are_undone_beside_it() {
        assert_eq!(
            text("a b&c=\u{e9}+"),
            (FORM, "payload=a%20b%26c%3D%C3%A9%2B".to_owned())
        );
        assert_eq!(text(""), (FORM, "payload=".to_owned()));
        let (content_type, form) = text(r#"x["\u003cscript"]"#);
        assert_eq!(content_type, FORM);
        assert!(form.contains("&payload_unescaped=x%5B%22%3Cscript%22%5D"), "{form}");
        for no_json in ["\u{feff}{}", "[NaN]", "{}\n{}", "{'a':1}", "{\"a\":1,}"] {
            assert_eq!(text(no_json).0, FORM, "{no_json}");
        }
        let (content_type, form, _) = shown(Opcode::Text, b"[\"\xff\"]");
        assert_eq!((content_type, &form[..]), (FORM, "payload=%5B%22%FF%22%5D"));
    }

    #[test]
    fn stomp_goes_in_its_parts() {
        assert_eq!(
            text("SEND\r\ndestination:/q\r\n\r\nhello\0\n"),
            (FORM, "command=SEND&destination=%2Fq&body=hello".to_owned())
        );
        let (_, form) = text("SEND\na:b\n\n{\"q\":\"\\u003c\"}\0");
        assert!(form.ends_with("&body_unescaped=%7B%22q%22%3A%22%3C%22%7D"), "{form}");
    }

    #[test]
    fn what_only_looks_like_stomp_hides_nothing() {
        for payload in [
            "SEND\na:b\n\nhello\0<script>",
            "SEND\na:b\n\nhello\0<script>\0",
            "SEND\n<script>\n\nhello\0",
            "EVIL\n\n<script>\0",
            "SEND\na:<script>",
        ] {
            let (_, form) = text(payload);
            assert!(
                form.starts_with("payload=") && form.contains("%3Cscript%3E") || form.contains("hello"),
                "{form}"
            );
            assert_eq!(form.contains("script"), payload.contains("script"), "{form}");
        }
    }

    #[test]
    fn binary_goes_in_base64_with_its_printable_runs_beside_it() {
        let (content_type, form, opaque) = shown(Opcode::Binary, b"\0abc\x01<script>\xff\xfe");
        assert_eq!(content_type, FORM);
        assert_eq!(form, "payload=AGFiYwE8c2NyaXB0Pv%2F%2B&text=%3Cscript%3E");
        assert!(!opaque);
        assert_eq!(
            shown(Opcode::Binary, b"\0abc"),
            (FORM, "payload=AGFiYw%3D%3D".to_owned(), true)
        );
    }
}
