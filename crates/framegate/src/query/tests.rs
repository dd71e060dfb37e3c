//! What filters mean, what they are refused for, and that both kinds of facts give the same answer.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::flow::{Direction, Fate, FlowType, Kind, Opening, Protocol, Timestamp};
use crate::store::{PayloadRef, Reader, Row, Writer};
use std::borrow::Cow;

fn opening() -> Opening {
    Opening {
        protocol: Protocol::WebSocket,
        flow_type: FlowType::Bidirectional,
        started_at: Timestamp::parse("2026-01-31T08:15:00Z").unwrap(),
        url: "wss://Chat.Example.com.:8443/rooms/7?token=a".into(),
        subprotocol: Some("graphql-transport-ws".into()),
        extensions: None,
        mode: "reverse".into(),
        client_addr: "[2001:db8::7]:50000".into(),
        server_addr: Some("10.1.2.3:443".into()),
        tls: None,
    }
}

const BODY: &str = r#"{"type":"subscribe","id":7,"rate":0.5,"user":{"name":"Zoë","odd key":[1,{"x":null}]},"ok":true}"#;

fn message(body: &[u8]) -> MessageFacts<'_> {
    MessageFacts {
        sequence: 12,
        direction: Direction::Send,
        at: Timestamp::parse("2026-01-31T08:16:00Z").unwrap(),
        kind: Kind::Text,
        opcode: Some(1),
        compressed: true,
        head: None,
        body,
        size: body.len() as u64,
        wire_bytes: 40,
        frames: 3,
        fate: Some(Fate::Sent),
        decided_by: None,
        violation: None,
    }
}

fn answer(filter: &str) -> bool {
    let (opening, filter) = (opening(), Filter::parse(filter, Use::Record).unwrap());
    let flow = FlowFacts::open(Cow::Borrowed(&opening));
    filter.means(&Facts::new(&flow, message(BODY.as_bytes())))
}

#[test]
fn what_is_so_is_meant_and_what_is_not_is_not() {
    for yes in [
        "",
        "true",
        // Facts of the flow.
        r#"host == "chat.example.com" && port == 8443 && scheme == "wss" && path == "/rooms/7""#,
        r#"url.endsWith("token=a")"#,
        r#"subprotocol == 'graphql-transport-ws' && mode != "regular""#,
        r#"client_ip in cidr("2001:db8::/32") && !(client_ip in cidr("10.0.0.0/8"))"#,
        r#"client_ip == "2001:db8::7" && server_addr.startsWith("10.1.")"#,
        r#"extensions == null && !has(extensions) && has(subprotocol)"#,
        r#"started_at < timestamp("2026-01-31T09:15:01+01:00")"#,
        // Facts of the message.
        r#"direction == "send" && kind == "text" && opcode == 1 && frames > 2"#,
        r#"direction != "receive" && kind in ["text", "binary"]"#,
        "compressed && !(!compressed)",
        "size > wire_bytes && size >= 40 && 40 <= size && wire_bytes == 40",
        "sequence in [1, 12, 3] && sequence < 12.5 && sequence > -1",
        r#"time > started_at && fate == "sent" && decided_by == null"#,
        // Texts.
        r#"body.contains("subscribe") && !body.contains("unsubscribe")"#,
        r#"body.matches(r"\bid\W+\d\b") && body.matches("(?i)SUBSCRIBE")"#,
        r#"body.contains("Zo\u00eb") && body.contains('"type"')"#,
        // JSON.
        r#"json.type == "subscribe" && json.id == 7 && json.id < 7.5 && json["rate"] == 0.5"#,
        r#"json.user["odd key"][0] == 1 && json.user["odd key"][1].x == null"#,
        r#"has(json.user["odd key"][1].x) && !has(json.user["odd key"][2]) && json.nothing.at.all == null"#,
        r#"json.ok && json.ok == true && json.user.name.startsWith("Z")"#,
        "!(json.id == \"7\") && json.id != \"7\"",
        // What binds to what.
        "true || false && false",
        "!false && (false || true)",
        "false || false || true",
    ] {
        assert!(answer(yes), "{yes}");
        assert!(yes.is_empty() || !answer(&format!("!({yes})")), "not: {yes}");
    }
    for no in [
        "json",
        "json.user",
        r#"json.id.contains("7")"#,
        "json.type > 3 || json.type < 3",
        "false || true && false",
        "port in []",
    ] {
        assert!(!answer(no), "{no}");
    }
}

#[test]
fn without_a_message_the_answer_is_given_only_where_it_does_not_depend_on_one() {
    let opening = opening();
    let flow = FlowFacts::open(Cow::Borrowed(&opening));
    for (filter, expected) in [
        (r#"mode == "reverse""#, Some(true)),
        (r#"mode == "regular""#, Some(false)),
        (r#"state == "active""#, Some(true)),
        ("compressed", None),
        ("!compressed", None),
        ("json.id == 7", None),
        ("has(body)", None),
        (r#"mode == "regular" && compressed"#, Some(false)),
        (r#"compressed && mode == "regular""#, Some(false)),
        (r#"mode == "reverse" && compressed"#, None),
        (r#"mode == "reverse" || compressed"#, Some(true)),
        (r#"compressed || mode == "reverse""#, Some(true)),
        (r#"compressed || mode == "regular""#, None),
        (r#"!(compressed && mode == "regular")"#, Some(true)),
    ] {
        assert_eq!(
            Filter::parse(filter, Use::Record).unwrap().means_flow(&flow),
            expected,
            "{filter}"
        );
    }
}

#[test]
fn a_body_may_be_any_bytes() {
    let opening = opening();
    let flow = FlowFacts::open(Cow::Borrowed(&opening));
    let body = b"\xff\xfe\x00needle\xff";
    for (filter, expected) in [
        (r#"body.contains("needle")"#, true),
        (r#"body.matches(r"(?-u)\xfe\x00needle")"#, true),
        (r#"body.matches(r"(?s-u)^.{3}needle.$")"#, true),
        ("has(json)", false),
        ("json == null", true),
    ] {
        let filter_read = Filter::parse(filter, Use::Rule).unwrap();
        assert_eq!(
            filter_read.means(&Facts::new(&flow, message(body))),
            expected,
            "{filter}"
        );
    }
}

#[test]
fn an_error_says_what_is_wrong_and_where() {
    for (filter, column, says) in [
        (
            "hots == \"a\"",
            1,
            "there is no field `hots`; there are: url, scheme, host",
        ),
        ("size = 3", 6, "did you mean ==?"),
        ("compressed & true", 12, "did you mean &&?"),
        ("url ~ \"x\"", 5, "did you mean .matches(…)?"),
        ("size + 1 > 3", 6, "no arithmetic"),
        ("size == \"3\"", 9, "this is a text, and the other side is a number"),
        ("time > \"2026-01-31T08:15:00Z\"", 8, "a time is timestamp("),
        ("time > timestamp(\"yesterday\")", 18, "is no time such as"),
        ("size", 1, "this is a number: compare it with something"),
        (
            "kind == \"txt\"",
            9,
            "\"txt\" is never there; it is one of: upgrade_request",
        ),
        ("\"sent\" in [fate]", 12, "as they stand"),
        ("direction in [\"send\", \"back\"]", 23, "it is one of: send, receive"),
        ("host < \"a\"", 1, "only numbers and times"),
        ("body.matches(\"(\")", 14, "is no regex: unclosed group"),
        ("body.size() > 3", 6, "there is no `size(…)`; there are: contains"),
        ("size.contains(\"3\")", 1, "this is a number, and no text"),
        ("host.name == \"a\"", 1, "`host` is a text, and has nothing inside"),
        ("json[-1] == 2", 6, "a key in quotes, or a place from 0 on"),
        (
            "client_ip in cidr(\"10.0.0.0/33\")",
            19,
            "neither an address nor a network",
        ),
        ("(compressed", 12, "a bracket needs a `)` here"),
        ("compressed)", 11, "closes nothing"),
        ("compressed and true", 12, "joined with && and ||"),
        ("compressed true", 12, "join filters"),
        ("compressed &&", 14, "something is still to come"),
        ("\"ö\" == host && hots", 16, "there is no field `hots`"),
        ("host == \"a", 9, "no closing quote"),
        ("host == \"\\d\"", 10, "this is no escape"),
        ("size > 10m", 8, "10m is no number"),
        ("size > 1e999", 8, "too large"),
        ("has(1)", 5, "has takes a field"),
    ] {
        let error = Filter::parse(filter, Use::Record).expect_err(filter);
        assert_eq!(error.column, column, "{filter}: {error}");
        assert!(error.what.contains(says), "{filter}: {error}");
    }
    let deep = "(".repeat(100_000);
    for (filter, says) in [
        (deep[..1_000].to_owned(), "inside each other"),
        ("!".repeat(1_000), "inside each other"),
        (deep, "at most 65536 bytes"),
        (format!("body.matches(r\"{}\")", r"\w{1000}".repeat(50)), "is no regex"),
    ] {
        let error = Filter::parse(&filter, Use::Record).unwrap_err();
        assert!(error.what.contains(says), "{error}");
    }
    let long = vec!["compressed"; 4_000].join(" || ");
    assert!(answer(&long), "many alternatives are no depth");
}

#[test]
fn a_rule_cannot_ask_for_what_is_decided_by_it() {
    for later in [
        "state == \"active\"",
        "fate == \"sent\"",
        "has(decided_by)",
        "has(violation)",
    ] {
        assert!(Filter::parse(later, Use::Record).is_ok(), "{later}");
        let error = Filter::parse(later, Use::Rule).unwrap_err();
        assert!(error.what.contains("not known before a message is judged"), "{error}");
    }
}

/// Questions that any two messages may answer differently.
const QUESTIONS: [&str; 14] = [
    "compressed",
    "size > 3",
    "frames == 2",
    "wire_bytes >= size",
    "direction == \"send\"",
    "kind == \"binary\"",
    "opcode in [1, 9]",
    "sequence < 3",
    "time > started_at",
    "body.contains(\"a\")",
    "body.matches(r\"^[ab]+$\")",
    "has(json)",
    "json == null || json.a > 1",
    "json.a == \"b\" || has(json.b)",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// The same facts, under way and read from a database.
    #[test]
    fn a_message_has_the_same_answer_before_and_after_it_was_stored(
        bodies in prop::collection::vec(prop_oneof![
            "[ab]{0,5}".prop_map(String::into_bytes),
            any::<Vec<u8>>(),
            prop::sample::select(vec![r#"{"a":2}"#, r#"{"a":"b"}"#, r#"{"b":null}"#, "null", "7"])
                .prop_map(|text| text.as_bytes().to_vec()),
        ], 1..6),
        odd: bool, frames in 1..3_u32,
        picked in prop::collection::vec((0..QUESTIONS.len(), any::<bool>()), 1..5), any_of: bool,
    ) {
        let joint = if any_of { " || " } else { " && " };
        let negated = |(at, not): &(usize, bool)| format!("{}({})", if *not { "!" } else { "" }, QUESTIONS[*at]);
        let text = picked.iter().map(negated).collect::<Vec<_>>().join(joint);
        let filter = Filter::parse(&text, Use::Rule).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("framegate.db");
        let mut writer = Writer::open(&path).unwrap();
        let (id, opening) = (writer.next_flow_id(), opening());
        writer.open_flow(id, &opening).unwrap();
        let under_way = FlowFacts::open(Cow::Borrowed(&opening));
        let mut answers = Vec::new();
        for (sequence, body) in (0..).zip(&bodies) {
            let text = std::str::from_utf8(body).ok();
            let facts = MessageFacts {
                sequence,
                direction: if odd { Direction::Send } else { Direction::Receive },
                kind: if text.is_some() { Kind::Text } else { Kind::Binary },
                compressed: odd,
                frames,
                ..message(body)
            };
            answers.push(filter.means(&Facts::new(&under_way, facts)));
            let row = Row {
                flow: id,
                sequence,
                direction: facts.direction,
                at: facts.at,
                kind: facts.kind,
                head: None,
                payload: text.map_or(PayloadRef::Bytes(body), PayloadRef::Text),
                size: facts.size,
                wire_bytes: facts.wire_bytes,
                frames: facts.frames,
                truncated: false,
                fate: Fate::Sent,
                decided_by: None,
                original: None,
                opcode: facts.opcode,
                masked: true,
                compressed: facts.compressed,
                invalid_utf8: false,
                violation: None,
                more: &[],
            };
            prop_assert!(writer.message(&row).unwrap());
        }
        writer.commit().unwrap();
        let reader = Reader::open(&path).unwrap();
        let flow = reader.flow(id).unwrap().unwrap();
        let stored = reader.messages(id, 0, usize::MAX).unwrap();
        let stored: Vec<_> = stored.iter().map(|message| filter.means(&Facts::new(&(&flow).into(), message.into()))).collect();
        prop_assert_eq!(stored, answers, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", pieces in prop::collection::vec(
        prop::sample::select(vec!["json", "body", ".", "(", ")", "[", "]", "\"a\"", "r'", "\\", "&&", "||", "!", "==", "<",
            " in ", "-", "1", "1.5", "has", "cidr", "timestamp", "contains", "matches", "null", "true", "size", "kind", "ö", ","]),
        0..12,
    )) {
        let opening = opening();
        let flow = FlowFacts::open(Cow::Borrowed(&opening));
        for text in [text, pieces.concat()] {
            match Filter::parse(&text, Use::Record) {
                Ok(filter) => {
                    let with = filter.means(&Facts::new(&flow, message(BODY.as_bytes())));
                    let without = filter.means_flow(&flow);
                    prop_assert!(without.is_none_or(|without| without == with), "{}", text);
                }
                Err(error) => prop_assert!(error.column <= text.chars().count() + 1),
            }
        }
    }
}
