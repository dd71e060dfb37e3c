//! Many connections at once.

use serde_json::json;

use crate::peers::{Stage, TEXT, ended, part};

const CONNECTIONS: usize = 200;
const MESSAGES: usize = 50;

#[test]
fn what_two_hundred_say_at_once_is_each_on_its_own_record_in_order() {
    let stage = Stage::new(&[]);
    let mut pairs: Vec<_> = (0..CONNECTIONS).map(|_| stage.open()).collect();
    let said = |at: usize, nth: usize| format!("{nth} of connection {at}").into_bytes();
    for nth in 0..MESSAGES {
        for (at, (client, server)) in pairs.iter_mut().enumerate() {
            client.send(TEXT, &said(at, nth));
            server.send(TEXT, &said(at, nth));
        }
        for (at, (client, server)) in pairs.iter_mut().enumerate() {
            server.hears(TEXT, &said(at, nth));
            client.hears(TEXT, &said(at, nth));
        }
    }
    for (client, server) in pairs {
        part(client, server);
    }
    for id in [1, CONNECTIONS] {
        ended(&stage.proxy, &id.to_string());
    }
    let lines = stage.proxy.json(&["export", "--format", "jsonl"]);
    let (flows, messages): (Vec<_>, Vec<_>) = lines[1..].iter().partition(|line| line["state"].is_string());
    assert_eq!(flows.len(), CONNECTIONS);
    for (at, flow) in flows.into_iter().enumerate() {
        let counts = json!([
            flow["state"],
            flow["messages_sent"],
            flow["messages_received"],
            flow["messages_lost"]
        ]);
        assert_eq!(counts, json!(["complete", MESSAGES + 1, MESSAGES + 1, 0]));
        let of_it: Vec<_> = messages
            .iter()
            .filter(|message| message["flow_id"] == flow["flow_id"])
            .collect();
        assert_eq!(of_it.len(), 2 + 2 * MESSAGES + 2);
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
            assert_eq!(bodies, (0..MESSAGES).map(|nth| said(at, nth)).collect::<Vec<_>>());
        }
    }
}
