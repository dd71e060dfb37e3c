//! STOMP frames (1.0 to 1.2), each taken apart into its command, its headers and its body: rules take a NUL, and two lines
//! in one value, for an attack. Several frames may come in one message, and in the arrays of strings that SockJS has.

use serde_json::Value;

use super::Body;
use super::form::Form;
use super::grammar::is_json;
use super::reading::{strings, undone};
use super::waf::json;

const COMMANDS: [&str; 15] = [
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

/// What may stand between two frames.
const ENDS: [char; 2] = ['\r', '\n'];

struct Frame<'a> {
    command: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

/// The body about a text of frames. `None`: it is no such text, or something else is in it.
pub(super) fn body(text: &str) -> Option<Body> {
    match &frames(text)?[..] {
        [one] if is_json(one.body) => Some(json(one.object().into())),
        [one] => Some(one.form()),
        many => Some(json(array(many.iter().map(Frame::object)).into())),
    }
}

/// The body about the beginning of one frame.
pub(super) fn beginning(text: &str) -> Option<Body> {
    Some(Frame::new(text.trim_start_matches(ENDS))?.form())
}

/// The body about an array of strings, as SockJS has it (`a` before it: the server's), of which one at least is of frames.
/// As it is, its NULs would be blocked.
pub(super) fn in_sockjs(text: &str) -> Option<Body> {
    let text = text.strip_prefix('a').unwrap_or(text);
    memchr::memmem::find(text.as_bytes(), br"\u0000")?;
    let messages: Vec<String> = serde_json::from_str(text).ok()?;
    let mut any = false;
    let shown = messages.iter().map(|message| match frames(message) {
        Some(frames) => {
            any = true;
            array(frames.iter().map(Frame::object))
        }
        None => string(message.as_bytes()),
    });
    let shown = array(shown);
    any.then(|| json(shown.into()))
}

/// All frames of a text, which has nothing else. How long a body is, is not asked: with a NUL in it, what is behind would
/// have to be a frame, and is looked at as one.
fn frames(text: &str) -> Option<Vec<Frame<'_>>> {
    let mut rest = text.trim_start_matches(ENDS);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (frame, behind) = rest.split_once('\0')?;
        frames.push(Frame::new(frame)?);
        rest = behind.trim_start_matches(ENDS);
    }
    (!frames.is_empty()).then_some(frames)
}

impl<'a> Frame<'a> {
    /// Of a text without the NUL at its end.
    fn new(text: &'a str) -> Option<Self> {
        let line = |text: &'a str| {
            let (line, rest) = text.split_once('\n')?;
            Some((line.strip_suffix('\r').unwrap_or(line), rest))
        };
        let (command, mut rest) = line(text)?;
        COMMANDS.contains(&command).then_some(())?;
        let mut headers = Vec::new();
        loop {
            let (header, behind) = line(rest)?;
            rest = behind;
            if header.is_empty() {
                break;
            }
            headers.push(header.split_once(':')?);
        }
        (!rest.contains('\0')).then_some(Self {
            command,
            headers,
            body: rest,
        })
    }

    fn form(&self) -> Body {
        let mut form = Form::default();
        form.add(b"command", self.command.as_bytes());
        for (name, value) in &self.headers {
            form.add(name.as_bytes(), value.as_bytes())
                .add_others("header", value.as_bytes());
            if let Some(decoded) = decoded(value) {
                form.add(b"header_decoded", decoded.as_bytes());
            }
        }
        form.add_text("body", self.body.as_bytes());
        form.finish()
    }

    /// As JSON: a string for all that is one to its reader, in arrays, as names may come twice. The body stays JSON if it is.
    fn object(&self) -> String {
        let headers = array(self.headers.iter().map(|(name, value)| {
            let all = std::iter::once(string(name.as_bytes())).chain(texts(value));
            array(all.chain(decoded(value).map(|decoded| string(decoded.as_bytes()))))
        }));
        let command = self.command;
        let body = if is_json(self.body) {
            self.body.to_owned()
        } else {
            array(texts(self.body))
        };
        format!(r#"{{"command":"{command}","headers":{headers},"body":{body}}}"#)
    }
}

/// A text, and what else may be read in it, each as a string of JSON.
fn texts(text: &str) -> impl Iterator<Item = String> {
    let bytes = text.as_bytes();
    let others = undone(bytes).into_iter().chain(strings(bytes));
    std::iter::once(string(bytes)).chain(others.map(|other| string(&other)))
}

fn string(text: &[u8]) -> String {
    Value::from(String::from_utf8_lossy(text)).to_string()
}

/// A header as its reader has it (STOMP 1.2, "Value Encoding"). `None`: it has none of the escapes that only STOMP has.
fn decoded(text: &str) -> Option<String> {
    memchr::memmem::find(text.as_bytes(), br"\c")?;
    let mut decoded = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            decoded.push(char);
            continue;
        }
        match chars.next() {
            Some('c') => decoded.push(':'),
            Some('n') => decoded.push('\n'),
            Some('r') => decoded.push('\r'),
            other => decoded.extend(other),
        }
    }
    Some(decoded)
}

fn array(items: impl Iterator<Item = String>) -> String {
    let mut array = String::from("[");
    for item in items {
        if array.len() > 1 {
            array.push(',');
        }
        array.push_str(&item);
    }
    array + "]"
}

#[cfg(test)]
mod tests {
    use super::super::waf;
    use super::super::waf::tests::{FORM, JSON, shown, text};
    use wire::frame::Opcode;

    #[test]
    fn a_frame_goes_in_its_parts() {
        assert_eq!(
            text("SEND\r\ndestination:/q\r\n\r\nhello\0\n"),
            (FORM, "command=SEND&destination=%2Fq&body=hello".to_owned())
        );
        let (_, form) = text("\nSEND\na:b\n\nx\\u003c\0");
        assert!(form.ends_with("&body_unescaped=x%3C"), "{form}");
        let (_, form) = text("SEND\na:b\n\n[NaN,\"1 or 1=1\"]\0");
        assert!(form.ends_with("&body_string=1%20or%201%3D1"), "{form}");
    }

    #[test]
    fn json_in_it_stays_json() {
        let message = "SEND\r\ndestination:/q\nn:\"\n\n {\"q\":\"\\u003c\"}\0\r\n";
        let json = r#"{"command":"SEND","headers":[["destination","/q"],["n","\""]],"body": {"q":"\u003c"}}"#;
        assert_eq!(text(message), (JSON, json.to_owned()));
        assert_eq!(
            shown(Opcode::Binary, message.as_bytes()),
            (JSON, json.to_owned(), false)
        );
        assert_eq!(
            text("SEND\nd:\\u003cb>\n\n{}\0"),
            (
                JSON,
                r#"{"command":"SEND","headers":[["d","\\u003cb>","<b>"]],"body":{}}"#.to_owned()
            ),
            "escapes in headers are undone beside them, as in a form"
        );
    }

    #[test]
    fn its_own_escapes_are_undone() {
        let header = r"url:http\c//10.0.0.1\n\\c";
        let (_, form) = text(&format!("SEND\n{header}\n\n\0"));
        assert!(form.contains("&header_decoded=http%3A%2F%2F10.0.0.1%0A%5Cc&"), "{form}");
        let (_, json) = text(&format!("SEND\n{header}\n\n[]\0"));
        assert!(json.contains(r#","http://10.0.0.1\n\\c"]]"#), "{json}");
    }

    #[test]
    fn no_name_makes_a_body_long() {
        let (name, strings) = ("<".repeat(1000), "a\"".repeat(1000));
        let (_, form) = text(&format!("SEND\n{name}:{strings}\n\n\0"));
        assert!(
            form.contains("&header_string=a&") && form.len() < 30_000,
            "{}",
            form.len()
        );
        let (_, json) = text(&format!("SEND\n{name}:{strings}\n\n{{}}\0"));
        assert!(json.len() < 10_000, "{}", json.len());
    }

    #[test]
    fn many_frames_go_together() {
        assert_eq!(
            text("SEND\na:b\n\nhello\0\nSEND\na:b\n\n{}\0DISCONNECT\n\n\0\n"),
            (
                JSON,
                concat!(
                    r#"[{"command":"SEND","headers":[["a","b"]],"body":["hello"]},{"command":"SEND","headers":[["a","b"]],"body":{}},"#,
                    r#"{"command":"DISCONNECT","headers":[],"body":[""]}]"#
                )
                .to_owned()
            )
        );
    }

    #[test]
    fn frames_in_sockjs_are_found() {
        for array in [
            r#"["x","SEND\na:b\n\n{\"q\":1}\u0000"]"#,
            r#"a["x","SEND\na:b\n\n{\"q\":1}\u0000"]"#,
        ] {
            assert_eq!(
                text(array),
                (
                    JSON,
                    r#"["x",[{"command":"SEND","headers":[["a","b"]],"body":{"q":1}}]]"#.to_owned()
                )
            );
        }
        for other in [
            r#"["a\u0000"]"#,
            r#"["SEND\na:b\n\n"]"#,
            r#"{"a":"SEND\n\n\u0000"}"#,
            r#"[1,"SEND\n\n\u0000"]"#,
        ] {
            assert_eq!(text(other), (JSON, other.to_owned()));
        }
    }

    #[test]
    fn the_beginning_of_a_frame_is_a_frame() {
        for (opcode, payload) in [
            (Opcode::Text, &b"SEND\na:b\n\nhello"[..]),
            (Opcode::Binary, b"SEND\na:b\n\nhello\xe2\x82"),
        ] {
            let body = waf::beginning(opcode, payload);
            assert_eq!(
                (body.content_type, &body.bytes[..]),
                (FORM, &b"command=SEND&a=b&body=hello"[..])
            );
        }
        let body = waf::beginning(Opcode::Text, b"SEND\na:b");
        assert_eq!(&body.bytes[..], b"payload=SEND%0Aa%3Ab");
    }

    #[test]
    fn what_only_looks_like_one_hides_nothing() {
        for payload in [
            "SEND\na:b\n\nhello\0<script>",
            "SEND\na:b\n\nhello\0<script>\0",
            "SEND\n<script>\n\nhello\0",
            "EVIL\n\n<script>\0",
            "SEND\na:<script>",
        ] {
            let (_, form) = text(payload);
            assert!(form.starts_with("payload=") && form.contains("%3Cscript%3E"), "{form}");
        }
    }
}
