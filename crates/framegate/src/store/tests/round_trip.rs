//! What was written is what is read.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::flow::{Close, ClosedBy, Flow, Message, Metadata, Payload, Tls, TlsLeg};
use crate::store::FlowQuery;

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        any::<String>().prop_map(Payload::Text),
        Just(Payload::Text("a\0b".to_owned())),
        vec(any::<u8>(), 0..200).prop_map(Payload::Bytes),
        // Long enough for pages of its own.
        (4_000..20_000_usize).prop_map(|n| Payload::Text("ä".repeat(n))),
        (4_000..20_000_usize).prop_map(|n| Payload::Bytes(vec![7; n])),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::UpgradeRequest),
        Just(Kind::UpgradeResponse),
        Just(Kind::Text),
        Just(Kind::Binary),
        Just(Kind::Close),
        Just(Kind::Ping),
        Just(Kind::Pong),
        Just(Kind::Unknown),
        Just(Kind::Request),
        Just(Kind::Response),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Sent),
        Just(Fate::Replaced),
        Just(Fate::Dropped),
        Just(Fate::Blocked),
        Just(Fate::Injected),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..=i64::MAX.cast_unsigned()]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let more = btree_map(any::<String>(), any::<String>(), 0..4);
    let opcode = option::of(prop_oneof![0..16_u8, any::<u8>()]);
    (opcode, any::<[bool; 3]>(), option::of(any::<String>()), more).prop_map(|(opcode, flags, violation, more)| {
        Metadata {
            opcode,
            masked: flags[0],
            compressed: flags[1],
            invalid_utf8: flags[2],
            violation,
            more: more.into_iter().collect(),
        }
    })
}

/// A message; its flow and sequence are set by whoever stores it.
fn message() -> impl Strategy<Value = Message> {
    let what = (kind(), fate(), any::<bool>(), any::<bool>(), any::<i64>());
    let numbers = (option::of(number()), number(), prop_oneof![Just(1), any::<u32>()]);
    let texts = (option::of(any::<String>()), option::of(any::<String>()));
    (what, numbers, texts, payload(), option::of(payload()), metadata()).prop_map(
        |(
            (kind, fate, send, truncated, at),
            (size, wire_bytes, frames),
            (head, decided_by),
            payload,
            original,
            metadata,
        )| {
            Message {
                flow: FlowId(0),
                sequence: 0,
                direction: if send { Direction::Send } else { Direction::Receive },
                at: Timestamp(at),
                kind,
                head,
                size: size.unwrap_or(payload.as_bytes().len() as u64),
                payload,
                wire_bytes,
                frames,
                truncated,
                fate,
                decided_by,
                original,
                metadata,
            }
        },
    )
}

fn leg() -> impl Strategy<Value = TlsLeg> {
    let texts = (any::<String>(), any::<String>());
    (
        texts,
        option::of(any::<String>()),
        option::of(any::<String>()),
        option::of(any::<String>()),
    )
        .prop_map(|((version, cipher), server_name, subject, alpn)| TlsLeg {
            version,
            cipher,
            server_name,
            subject,
            alpn,
        })
}

fn an_opening() -> impl Strategy<Value = Opening> {
    let protocol = prop_oneof![Just(Protocol::WebSocket), Just(Protocol::Http)];
    let flow_type = prop_oneof![
        Just(FlowType::Bidirectional),
        Just(FlowType::Unary),
        Just(FlowType::Tunnel)
    ];
    let words = (any::<String>(), any::<String>(), any::<String>());
    let maybe = (
        option::of(any::<String>()),
        option::of(any::<String>()),
        option::of(any::<String>()),
    );
    let tls = option::of((option::of(leg()), option::of(leg())).prop_map(|(client, server)| Tls { client, server }));
    (protocol, flow_type, any::<i64>(), words, maybe, tls).prop_map(
        |(protocol, flow_type, started_at, (url, mode, client_addr), (subprotocol, extensions, server_addr), tls)| {
            Opening {
                protocol,
                flow_type,
                started_at: Timestamp(started_at),
                url,
                subprotocol,
                extensions,
                mode,
                client_addr,
                server_addr,
                tls,
            }
        },
    )
}

fn ending() -> impl Strategy<Value = Ending> {
    let by = prop_oneof![Just(ClosedBy::Client), Just(ClosedBy::Server), Just(ClosedBy::Proxy)];
    let close =
        (by, option::of(any::<u16>()), any::<String>()).prop_map(|(by, code, reason)| Close { by, code, reason });
    let state = prop_oneof![Just(State::Complete), Just(State::Error)];
    (any::<i64>(), state, option::of(any::<String>()), option::of(close)).prop_map(|(ended_at, state, error, close)| {
        Ending {
            ended_at: Timestamp(ended_at),
            state,
            error,
            close,
        }
    })
}

fn counts() -> impl Strategy<Value = Counts> {
    [number(), number(), number(), number(), number()].prop_map(|[sent, received, bytes_sent, bytes_received, lost]| {
        Counts {
            messages_sent: sent,
            messages_received: received,
            bytes_sent,
            bytes_received,
            messages_lost: lost,
        }
    })
}

fn conversation() -> impl Strategy<Value = (Flow, Vec<Message>)> {
    let flow = (an_opening(), counts(), ending()).prop_map(|(opening, counts, ending)| Flow {
        id: FlowId(0),
        opening,
        counts,
        ending: Some(ending),
    });
    (flow, vec(message(), 0..12))
}

/// The messages as they must be on record: numbered, with the id of their flow.
fn numbered(id: FlowId, messages: &[Message]) -> Vec<Message> {
    let mut messages = messages.to_vec();
    for (sequence, message) in (0..).zip(&mut messages) {
        message.flow = id;
        message.sequence = sequence;
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_what_is_read(conversations in vec(conversation(), 1..4)) {
        let place = Place::new();
        let mut writer = place.writer();
        let mut expected = Vec::new();
        for (flow, messages) in &conversations {
            let id = writer.next_flow_id();
            let messages = numbered(id, messages);
            writer.open_flow(id, &flow.opening).unwrap();
            for message in &messages {
                prop_assert!(writer.message(&message.into()).unwrap());
            }
            prop_assert!(writer.end_flow(id, &flow.counts, flow.ending.as_ref().unwrap()).unwrap());
            expected.push((Flow { id, ..flow.clone() }, messages));
        }
        writer.commit().unwrap();
        index_all(&mut writer);
        let reader = place.reader();
        for (flow, messages) in &expected {
            prop_assert_eq!(reader.flow(flow.id).unwrap(), Some(flow.clone()));
            prop_assert_eq!(&reader.messages(flow.id, 0, usize::MAX).unwrap(), messages);
        }
        let flows: Vec<Flow> = expected.into_iter().rev().map(|(flow, _)| flow).collect();
        prop_assert_eq!(reader.flows(&FlowQuery::default()).unwrap(), flows);
    }

    #[test]
    fn an_import_is_the_same_flow_under_a_new_id((flow, messages) in conversation()) {
        let place = Place::new();
        let mut writer = place.writer();
        open(&mut writer);
        let original = Flow { id: FlowId(1), ..flow };
        let messages = numbered(FlowId(1), &messages);
        let id = writer.import_flow(&original, &messages).unwrap();
        prop_assert_eq!(id, FlowId(2));
        let reader = place.reader();
        prop_assert_eq!(reader.flow(id).unwrap(), Some(Flow { id, ..original }));
        prop_assert_eq!(reader.messages(id, 0, usize::MAX).unwrap(), numbered(id, &messages));
    }
}

#[test]
fn pages_of_messages_follow_one_another() {
    let place = Place::new();
    let mut writer = place.writer();
    let first = super::conversation(&mut writer, &["x"; 25], 1);
    let second = super::conversation(&mut writer, &["y"; 3], 2);
    let reader = place.reader();
    let (mut from, mut sizes, mut seen) = (0, Vec::new(), Vec::new());
    loop {
        let page = reader.messages(first, from, 10).unwrap();
        let Some(last) = page.last() else { break };
        from = last.sequence + 1;
        sizes.push(page.len());
        seen.extend(page.iter().map(|message| message.sequence));
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(seen, (2..27).collect::<Vec<_>>());
    assert_eq!(reader.messages(second, 0, 100).unwrap().len(), 3);
    assert_eq!(reader.message(first, 26).unwrap().unwrap().sequence, 26);
    assert_eq!(reader.message(first, 1).unwrap(), None);
    assert_eq!(reader.messages(FlowId(99), 0, 10).unwrap(), []);
    assert_eq!(reader.flow(FlowId(99)).unwrap(), None);
}

#[test]
fn a_page_of_long_messages_ends_early() {
    let place = Place::new();
    let mut writer = place.writer();
    let long = "x".repeat(3 << 20);
    let id = super::conversation(&mut writer, &[long.as_str(); 7], 1);
    let reader = place.reader();
    let mut pages = Vec::new();
    let mut from = 0;
    while let page = reader.messages(id, from, 100).unwrap()
        && let Some(last) = page.last()
    {
        from = last.sequence + 1;
        pages.push(page.len());
    }
    assert_eq!(pages, [3, 3, 1]);
}

#[test]
fn flows_come_in_either_order_and_in_pages() {
    let place = Place::new();
    let mut writer = place.writer();
    for n in 0..5 {
        super::conversation(&mut writer, &[], n);
    }
    let reader = place.reader();
    let ids = |query: &FlowQuery| -> Vec<u32> { reader.flows(query).unwrap().iter().map(|flow| flow.id.0).collect() };
    let newest = FlowQuery {
        limit: 2,
        ..FlowQuery::default()
    };
    assert_eq!(ids(&newest), [5, 4]);
    assert_eq!(
        ids(&FlowQuery {
            after: Some(FlowId(4)),
            ..newest
        }),
        [3, 2]
    );
    let oldest = FlowQuery {
        newest_first: false,
        ..newest
    };
    assert_eq!(ids(&oldest), [1, 2]);
    assert_eq!(
        ids(&FlowQuery {
            after: Some(FlowId(4)),
            ..oldest
        }),
        [5]
    );
}

#[test]
fn progress_shows_while_a_flow_is_active() {
    let place = Place::new();
    let mut writer = place.writer();
    let id = open(&mut writer);
    let so_far = Counts {
        messages_sent: 3,
        bytes_received: 12,
        ..Counts::default()
    };
    assert!(writer.progress(id, &so_far).unwrap());
    writer.commit().unwrap();
    let flow = place.reader().flow(id).unwrap().unwrap();
    assert_eq!((flow.state(), flow.counts), (State::Active, so_far));
    assert!(!writer.progress(FlowId(7), &so_far).unwrap());
}

#[test]
fn a_message_of_no_known_flow_is_not_written() {
    let place = Place::new();
    let mut writer = place.writer();
    assert!(!writer.message(&text(FlowId(3), 2, "lost")).unwrap());
    writer.commit().unwrap();
    assert_eq!(rows(&writer, "blocks"), 0);
}

#[test]
fn an_import_without_an_ending_is_interrupted_at_its_last_message() {
    let place = Place::new();
    let mut writer = place.writer();
    let source = super::conversation(&mut writer, &["a", "b"], 1);
    let messages = place.reader().messages(source, 0, 10).unwrap();
    let flow = Flow {
        ending: None,
        ..place.reader().flow(source).unwrap().unwrap()
    };
    let id = writer.import_flow(&flow, messages).unwrap();
    let ending = place.reader().flow(id).unwrap().unwrap().ending.unwrap();
    assert_eq!((ending.state, ending.ended_at), (State::Error, Timestamp(10_003)));
    assert!(ending.error.unwrap().starts_with("interrupted"));
}

#[test]
fn a_bad_import_leaves_nothing_and_keeps_what_was_written_before() {
    let place = Place::new();
    let mut writer = place.writer();
    let source = super::conversation(&mut writer, &["a"], 1);
    let flow = place.reader().flow(source).unwrap().unwrap();
    let message = place.reader().messages(source, 0, 1).unwrap().remove(0);
    let live = open(&mut writer);
    writer.import_flow(&flow, [&message, &message]).unwrap_err();
    assert!(matches!(
        writer.import_flow_as(live, &flow, [&message]),
        Err(crate::store::StoreError::Duplicate(id)) if id == live
    ));
    assert!(writer.message(&text(live, 2, "goes on")).unwrap());
    writer.commit().unwrap();
    let reader = place.reader();
    assert_eq!(reader.flows(&FlowQuery::default()).unwrap().len(), 2);
    assert_eq!(reader.messages(live, 0, 10).unwrap().len(), 1);
}
