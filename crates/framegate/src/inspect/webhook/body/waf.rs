//! The body that a web application firewall reads: what it can look into, in the type under which it looks.
//!
//! JSON is `application/json`, and nothing else is, because a body that breaks its type is refused unread. JSON goes as
//! JSON, because in a form its escapes hide what they mean. Whatever is left is a form, whose fields every rule looks at.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use serde_json::Value;
use wire::frame::Opcode;

use super::form::Form;
use super::grammar::is_json;
use super::{Body, Shared, stomp};

const JSON: &str = "application/json";

/// So many printable bytes of ASCII a run has that is shown beside base64. Any data has shorter ones by chance, and letters
/// of other scripts, which rules take for attacks.
const RUN_MIN: usize = 8;

/// A space in ISO 8859-1, and to databases.
const NO_BREAK_SPACE: u8 = 0xa0;

/// The body about a whole message. Its opcode says little: many servers read JSON and STOMP from binary messages too.
pub(super) fn body(opcode: Opcode, payload: &Arc<Vec<u8>>) -> Body {
    let Ok(text) = simdutf8::basic::from_utf8(payload) else {
        return other(opcode, payload);
    };
    if let Some(body) = stomp::in_sockjs(text) {
        return body;
    }
    if is_json(text) {
        return json(Bytes::from_owner(Shared(Arc::clone(payload))));
    }
    behind_prefix(text)
        .or_else(|| stomp::body(text))
        .unwrap_or_else(|| other(opcode, payload))
}

/// The body about the beginning of a message, which is no JSON any more.
pub(super) fn beginning(opcode: Opcode, payload: &[u8]) -> Body {
    let text = payload.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    // A character may be cut in two.
    let stomp = (text.len() + 4 > payload.len()).then(|| stomp::beginning(text));
    stomp.flatten().unwrap_or_else(|| other(opcode, payload))
}

/// The body about what has no shape of its own.
fn other(opcode: Opcode, payload: &[u8]) -> Body {
    match opcode {
        Opcode::Text => form(payload),
        _ => binary(payload),
    }
}

pub(super) fn json(bytes: Bytes) -> Body {
    Body {
        content_type: Some(JSON),
        bytes,
        opaque: false,
    }
}

fn form(payload: &[u8]) -> Body {
    let mut form = Form::default();
    form.add_text("payload", payload);
    form.finish()
}

/// JSON behind what Engine.IO and Socket.IO put before it: the types of their packets, a number of attachments, a namespace,
/// the number of an acknowledgement. What stands before it is the sender's to choose, and stands beside it as a string.
fn behind_prefix(text: &str) -> Option<Body> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut at = digits(text);
    if at == 0 {
        return None;
    }
    if text[at..].starts_with('-') {
        at += 1;
    }
    if text[at..].starts_with('/') {
        at += text[at..].find(',')? + 1;
    }
    at += digits(&text[at..]);
    let (prefix, payload) = text.split_at(at);
    is_json(payload).then(|| json(format!(r#"{{"prefix":{},"payload":{payload}}}"#, Value::from(prefix)).into()))
}

/// What of it is printable in fields of its own, beside the whole: as it is where a firewall takes it, in base64 elsewhere.
/// The base64 is that for URLs (RFC 4648 §5): in `/` and `+` rules see paths and sums.
fn binary(payload: &[u8]) -> Body {
    let mut form = Form::default();
    // A NUL is an attack to rules, and so are bytes at random.
    let is_text = simdutf8::basic::from_utf8(payload).is_ok() && !payload.contains(&0);
    if is_text {
        form.add_text("payload", payload);
    } else {
        form.add(b"payload", BASE64.encode(payload).as_bytes());
    }
    let runs = runs(payload);
    for run in runs.iter().filter(|run| !is_text || run.len() < payload.len()) {
        form.add_text("run", run);
    }
    if runs.len() > 1 && !is_text {
        form.add_text("text", &runs.join(&b' '));
    }
    Body {
        opaque: !is_text && runs.is_empty(),
        ..form.finish()
    }
}

/// Runs of printable characters. Letters of any script are, and so is all that somebody takes for a space: it must not cut
/// an attack into pieces too short to be shown.
fn runs(payload: &[u8]) -> Vec<&[u8]> {
    let mut runs = Vec::new();
    let (mut start, mut at) = (0, 0);
    for chunk in payload.utf8_chunks() {
        for (offset, _) in chunk.valid().char_indices().filter(|(_, char)| !is_printable(*char)) {
            runs.push(&payload[start..at + offset]);
            start = at + offset + 1;
        }
        at += chunk.valid().len() + chunk.invalid().len();
        if !matches!(chunk.invalid(), [] | [NO_BREAK_SPACE]) {
            runs.push(&payload[start..at - chunk.invalid().len()]);
            start = at;
        }
    }
    runs.push(&payload[start..]);
    runs.retain(|run| run.iter().filter(|byte| byte.is_ascii()).count() >= RUN_MIN);
    runs
}

fn is_printable(char: char) -> bool {
    !char.is_ascii_control() || matches!(char, '\t'..='\r')
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use wire::frame::Opcode;

    use super::body;

    pub(in super::super) const JSON: Option<&str> = Some(super::JSON);
    pub(in super::super) const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    pub(in super::super) fn shown(opcode: Opcode, payload: &[u8]) -> (Option<&'static str>, String, bool) {
        let body = body(opcode, &Arc::new(payload.to_vec()));
        let bytes = String::from_utf8(body.bytes.to_vec()).expect("it is a text");
        (body.content_type, bytes, body.opaque)
    }

    pub(in super::super) fn text(payload: &str) -> (Option<&'static str>, String) {
        let (content_type, bytes, _) = shown(Opcode::Text, payload.as_bytes());
        (content_type, bytes)
    }

    #[test]
    fn json_goes_as_it_is() {
        let deep = format!("{}{}", "[".repeat(600), "]".repeat(600));
        let long = format!("[0{}]", ",1".repeat(2000));
        for json in [
            r#"{"a":"\u003cscript\u003e"}"#,
            "[1]",
            r#""x""#,
            " {} ",
            "2",
            &deep,
            &long,
        ] {
            assert_eq!(text(json), (JSON, json.to_owned()));
            assert_eq!(
                shown(Opcode::Binary, json.as_bytes()),
                (JSON, json.to_owned(), false),
                "many servers read it all the same"
            );
        }
    }

    #[test]
    fn json_behind_digits_and_a_namespace_goes_with_them_beside_it() {
        for (prefix, payload) in [
            ("42", r#"["ev",{"a":1}]"#),
            ("42/chat,7", r#"["ev"]"#),
            ("451-", r#"["file",{"_placeholder":true}]"#),
            ("40/admin,", r#"{"token":"x"}"#),
            ("0", r#"{"sid":"x"}"#),
            ("42/../../etc/passwd,", r#"["\u003c"]"#),
            ("42/<script>,", "[]"),
        ] {
            let json = format!(r#"{{"prefix":"{prefix}","payload":{payload}}}"#);
            let message = [prefix, payload].concat();
            assert_eq!(text(&message), (JSON, json.clone()));
            assert_eq!(shown(Opcode::Binary, message.as_bytes()), (JSON, json, false));
        }
    }

    #[test]
    fn a_namespace_stays_a_string() {
        let message = "42/\",\"payload\":1,\"x\":\",[]";
        assert_eq!(text(message).0, FORM, "what stands behind its comma is no JSON");
        let message = "42/\"}\\\u{1},[]";
        assert_eq!(
            text(message),
            (JSON, r#"{"prefix":"42/\"}\\\u0001,","payload":[]}"#.to_owned())
        );
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
        assert_eq!(
            (content_type, &form[..]),
            (FORM, "payload=%5B%22%FF%22%5D&payload_string=%FF")
        );
    }

    #[test]
    fn binary_goes_in_base64_with_its_printable_runs_beside_it() {
        let (content_type, form, opaque) = shown(Opcode::Binary, b"\0shorter\x01<script>\xff\xfe");
        assert_eq!(content_type, FORM);
        assert_eq!(form, "payload=AHNob3J0ZXIBPHNjcmlwdD7__g&run=%3Cscript%3E");
        assert!(!opaque);
        assert_eq!(
            shown(Opcode::Binary, b"\0abc"),
            (FORM, "payload=AGFiYw".to_owned(), true)
        );
    }

    #[test]
    fn neither_spaces_nor_letters_cut_a_run() {
        for (payload, run) in [
            (&b"\0x'\nor\t'1'\r='1"[..], "x%27%0Aor%09%271%27%0D%3D%271"),
            (b"\0x'\x0bor\x0c'1'='1", "x%27%0Bor%0C%271%27%3D%271"),
            (b"\0x'\xa0or\xa0'1'='1", "x%27%A0or%A0%271%27%3D%271"),
            (
                "\0x'\u{a0}or\u{a0}'1'='1".as_bytes(),
                "x%27%C2%A0or%C2%A0%271%27%3D%271",
            ),
            ("\0é' oré 1=é1".as_bytes(), "%C3%A9%27%20or%C3%A9%201%3D%C3%A91"),
        ] {
            let (_, form, _) = shown(Opcode::Binary, payload);
            assert_eq!(form.split('&').nth(1), Some(&format!("run={run}")[..]), "{form}");
        }
    }

    #[test]
    fn each_run_begins_where_its_reader_has_it_begin() {
        let (_, form, opaque) = shown(Opcode::Binary, b"\0\x08somebody\0\x081 or 1=1\xff");
        assert_eq!(
            form.split_once('&').map(|(_, rest)| rest),
            Some("run=somebody&run=1%20or%201%3D1&text=somebody%201%20or%201%3D1")
        );
        assert!(!opaque);
    }

    #[test]
    fn binary_that_is_a_text_goes_as_one() {
        let shown = |payload: &str| shown(Opcode::Binary, payload.as_bytes());
        assert_eq!(shown("\u{e9}\t1"), (FORM, "payload=%C3%A9%091".to_owned(), false));
        assert_eq!(
            shown("\u{8}1 or 1=1"),
            (FORM, "payload=%081%20or%201%3D1&run=1%20or%201%3D1".to_owned(), false)
        );
        assert_eq!(shown("\u{1}\u{2}"), (FORM, "payload=%01%02".to_owned(), false));
    }

    #[test]
    fn the_strings_of_what_is_nearly_json_stand_alone() {
        for nearly in [
            r#"{"a":"1 or \u0031=1","b":NaN}"#,
            "\u{feff}{\"a\":\"1 or 1=1\"}",
            "{\"b\":\"x\ty\",\"a\":\"1 or 1=1\"}",
            "{\"a\":\"1 or 1=1\"}\u{1e}",
            "{\"b\":1}\n{\"a\":\"1 or 1=1\"}",
            r#"a["1 or 1=1"]"#,
            "\u{1}\u{10}{\"a\":\"1 or 1=1\"}",
            "\0\u{10}{\"a\":\"1 or 1=1\"}",
        ] {
            for opcode in [Opcode::Text, Opcode::Binary] {
                let (_, form, _) = shown(opcode, nearly.as_bytes());
                assert!(
                    form.split('&').any(|field| field.ends_with("_string=1%20or%201%3D1")),
                    "{form}"
                );
            }
        }
    }
}
