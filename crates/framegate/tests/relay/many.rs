//! Many connections at once.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::peers::{End, Stage, TEXT, ended, may_open, part};

/// That connection's `nth` message.
fn said(at: usize, nth: usize) -> Vec<u8> {
    format!("{nth} of connection {at}").into_bytes()
}

/// Everyone says so many messages to the other one, all of them before anybody listens again.
fn talk(pairs: &mut [(End, End)], messages: usize) {
    for nth in 0..messages {
        for (at, (client, server)) in pairs.iter_mut().enumerate() {
            client.send(TEXT, &said(at, nth));
            server.send(TEXT, &said(at, nth));
        }
        for (at, (client, server)) in pairs.iter_mut().enumerate() {
            server.hears(TEXT, &said(at, nth));
            client.hears(TEXT, &said(at, nth));
        }
    }
}

/// Ends them all, and holds the record against what they said.
fn all_is_on_record(stage: &Stage, pairs: Vec<(End, End)>, messages: usize) {
    let connections = pairs.len();
    for (client, server) in pairs {
        part(client, server);
    }
    for id in [1, connections] {
        ended(&stage.proxy, &id.to_string());
    }
    let lines = stage.proxy.json(&["export", "--format", "jsonl"]);
    let (flows, rest): (Vec<_>, Vec<_>) = lines[1..].iter().partition(|line| line["state"].is_string());
    assert_eq!(flows.len(), connections);
    let mut of_flows: HashMap<&str, Vec<&Value>> = HashMap::new();
    for message in rest {
        let flow = message["flow_id"].as_str().unwrap();
        of_flows.entry(flow).or_default().push(message);
    }
    for (at, flow) in flows.into_iter().enumerate() {
        let counts = json!([
            flow["state"],
            flow["messages_sent"],
            flow["messages_received"],
            flow["messages_lost"]
        ]);
        assert_eq!(counts, json!(["complete", messages + 1, messages + 1, 0]));
        let of_it = &of_flows[flow["flow_id"].as_str().unwrap()];
        assert_eq!(of_it.len(), 2 + 2 * messages + 2);
        for (sequence, message) in of_it.iter().enumerate() {
            assert_eq!(message["sequence"], sequence);
        }
        for direction in ["send", "receive"] {
            let texts = of_it
                .iter()
                .filter(|message| message["kind"] == "text" && message["direction"] == direction);
            let bodies: Vec<_> = texts
                .map(|message| message["body"].as_str().unwrap().as_bytes().to_vec())
                .collect();
            // Connections were opened one after the other, so ids are in their order.
            assert_eq!(bodies, (0..messages).map(|nth| said(at, nth)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn what_two_hundred_say_at_once_is_each_on_its_own_record_in_order() {
    const MESSAGES: usize = 50;
    let stage = Stage::new(&[]);
    let mut pairs: Vec<_> = (0..200).map(|_| stage.open()).collect();
    talk(&mut pairs, MESSAGES);
    all_is_on_record(&stage, pairs, MESSAGES);
}

#[test]
#[cfg(target_os = "linux")] // it looks into /proc
fn five_thousand_at_once_take_a_bounded_memory_and_are_all_on_record() {
    use crate::pressure::memory_kb;

    const CONNECTIONS: usize = 5_000;
    const MESSAGES: usize = 3;
    /// With the record on, and the flow's facts held for it.
    const KB_PER_CONNECTION_MAX: u64 = 16;
    may_open(2 * CONNECTIONS as u64 + 1_000);
    let stage = Stage::new(&[]);
    let before = memory_kb(&stage, "VmRSS:");
    let mut pairs: Vec<_> = (0..CONNECTIONS).map(|_| stage.open()).collect();
    talk(&mut pairs, MESSAGES);
    let grown = memory_kb(&stage, "VmHWM:").saturating_sub(before);
    println!("{grown} KB more");
    assert!(
        grown < KB_PER_CONNECTION_MAX * CONNECTIONS as u64,
        "{grown} KB more for {CONNECTIONS} connections"
    );
    all_is_on_record(&stage, pairs, MESSAGES);
}
