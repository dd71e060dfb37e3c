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

use super::form::{Form, undone};
use super::grammar::is_json;
use super::{Body, Shared};

const JSON: &str = "application/json";

/// Printable bytes in a row that are shown beside base64. Any data has shorter ones by chance, which rules take for attacks.
const RUN_MIN: usize = 8;

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

/// The body about a whole message. Its opcode says little: many servers read JSON and STOMP from binary messages too.
pub(super) fn body(opcode: Opcode, payload: &Arc<Vec<u8>>) -> Body {
    let Ok(text) = simdutf8::basic::from_utf8(payload) else {
        return beginning(opcode, payload);
    };
    if is_json(text) {
        return json(Bytes::from_owner(Shared(Arc::clone(payload))));
    }
    let plain = |byte: u8| byte >= b' ' || is_space(byte);
    behind_prefix(text)
        .or_else(|| stomp(text))
        .unwrap_or_else(|| match opcode {
            Opcode::Binary if !payload.iter().copied().all(plain) => binary(payload),
            _ => form(payload),
        })
}

/// The body about the beginning of a message, which is no JSON any more.
pub(super) fn beginning(opcode: Opcode, payload: &[u8]) -> Body {
    match opcode {
        Opcode::Text => form(payload),
        _ => binary(payload),
    }
}

fn json(bytes: Bytes) -> Body {
    Body {
        content_type: Some(JSON),
        bytes,
        opaque: false,
    }
}

fn form(payload: &[u8]) -> Body {
    let mut form = Form::default();
    form.add_text(b"payload", payload);
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

/// A STOMP frame: its command, headers and body each for itself, as rules take two lines in one for an attack. `None`: it is
/// none, or something stands behind it.
fn stomp(text: &str) -> Option<Body> {
    // Line feeds stand between frames; anything else behind the end is another frame, or no STOMP.
    let ends = ['\r', '\n'];
    let (command, mut rest) = text.trim_start_matches(ends).split_once('\n')?;
    let command = command.strip_suffix('\r').unwrap_or(command);
    STOMP.contains(&command).then_some(())?;
    rest = rest.trim_end_matches(ends).strip_suffix('\0')?;
    let mut headers = Vec::new();
    loop {
        let (line, behind) = rest.split_once('\n')?;
        rest = behind;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            break;
        }
        headers.push(line.split_once(':')?);
    }
    // A NUL within it is either in a body whose length is told or an attempt to hide what is behind it.
    (!rest.contains('\0')).then_some(())?;
    if is_json(rest) {
        return Some(stomp_json(command, &headers, rest));
    }
    let mut form = Form::default();
    form.add(b"command", command.as_bytes());
    for (name, value) in headers {
        form.add_text(name.as_bytes(), value.as_bytes());
    }
    form.add_text(b"body", rest.as_bytes());
    Some(form.finish())
}

/// A STOMP frame with JSON in it, which stays JSON. Its headers are strings beside it.
fn stomp_json(command: &str, headers: &[(&str, &str)], body: &str) -> Body {
    let mut frame = vec![Value::from(command)];
    for (name, value) in headers {
        let line = format!("{name}:{value}");
        let plain = undone(line.as_bytes());
        frame.push(line.into());
        frame.extend(plain.map(|plain| String::from_utf8_lossy(&plain).into()));
    }
    json(format!(r#"{{"frame":{},"body":{body}}}"#, Value::from(frame)).into())
}

/// Base64 in one field, and what of it is printable in another. The base64 is that for URLs (RFC 4648 §5): in `/` and `+`
/// rules see paths and sums.
fn binary(payload: &[u8]) -> Body {
    let mut form = Form::default();
    form.add(b"payload", BASE64.encode(payload).as_bytes());
    // White space is printable: it must not cut an attack into pieces too short to be shown.
    let printable = |byte: &u8| (b' '..0x7f).contains(byte) || is_space(*byte);
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

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::frame::Opcode;

    use super::body;

    const JSON: Option<&str> = Some(super::JSON);
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
        assert_eq!((content_type, &form[..]), (FORM, "payload=%5B%22%FF%22%5D"));
    }

    #[test]
    fn stomp_goes_in_its_parts() {
        assert_eq!(
            text("SEND\r\ndestination:/q\r\n\r\nhello\0\n"),
            (FORM, "command=SEND&destination=%2Fq&body=hello".to_owned())
        );
        let (_, form) = text("\nSEND\na:b\n\nx\\u003c\0");
        assert!(form.ends_with("&body_unescaped=x%3C"), "{form}");
    }

    #[test]
    fn json_in_stomp_stays_json() {
        let message = "SEND\r\ndestination:/q\nn:\"\n\n {\"q\":\"\\u003c\"}\0\r\n";
        let json = r#"{"frame":["SEND","destination:/q","n:\""],"body": {"q":"\u003c"}}"#;
        assert_eq!(text(message), (JSON, json.to_owned()));
        assert_eq!(
            shown(Opcode::Binary, message.as_bytes()),
            (JSON, json.to_owned(), false)
        );
        assert_eq!(
            text("SEND\nd:\\u003cb>\n\n{}\0"),
            (JSON, r#"{"frame":["SEND","d:\\u003cb>","d:<b>"],"body":{}}"#.to_owned()),
            "escapes in headers are undone beside them, as in a form"
        );
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
        let (content_type, form, opaque) = shown(Opcode::Binary, b"\0shorter\x01<script>\xff\xfe");
        assert_eq!(content_type, FORM);
        assert_eq!(form, "payload=AHNob3J0ZXIBPHNjcmlwdD7__g&text=%3Cscript%3E");
        assert!(!opaque);
        assert_eq!(
            shown(Opcode::Binary, b"\0abc"),
            (FORM, "payload=AGFiYw".to_owned(), true)
        );
    }

    #[test]
    fn white_space_cuts_no_run() {
        let (_, form, _) = shown(Opcode::Binary, b"\0x'\nor\t'1'\r='1");
        assert!(form.ends_with("&text=x%27%0Aor%09%271%27%0D%3D%271"), "{form}");
    }

    #[test]
    fn binary_that_is_a_text_goes_as_one() {
        assert_eq!(
            shown(Opcode::Binary, "\u{e9}\t1".as_bytes()),
            (FORM, "payload=%C3%A9%091".to_owned(), false)
        );
    }
}
