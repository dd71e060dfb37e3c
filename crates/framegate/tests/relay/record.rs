//! More than can be stored: what passes, what is kept, and what is counted instead.

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::peers::{End, Stage, TEXT, ended, part};
use crate::stage::PATIENCE;

const BURST: usize = 2000;

/// Keeps the recorder from storing anything for as long as it lives (at the most as long as the store is patient).
fn stall(home: &Path) -> Connection {
    let database = Connection::open(home.join(".framegate/framegate.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    database
}

fn nth(at: usize) -> Vec<u8> {
    format!("{at:>1000}").into_bytes()
}

fn burst(client: &End) -> std::thread::JoinHandle<()> {
    let bytes: Vec<_> = (0..BURST).map(|at| client.frame(TEXT, &nth(at))).collect();
    client.send_behind(bytes.concat())
}

/// The texts on record, each at its own place in the conversation.
fn texts(stage: &Stage) -> Vec<Value> {
    let mut messages = stage.proxy.json(&["messages", "1", "--json"]);
    messages.retain(|message| message["kind"] == "text");
    for message in &messages {
        let at = usize::try_from(message["sequence"].as_u64().unwrap() - 2).unwrap();
        assert_eq!(message["body"].as_str().unwrap().as_bytes(), nth(at));
    }
    messages
}

#[test]
fn told_to_shed_it_relays_all_and_counts_what_it_cannot_keep() {
    let stage = Stage::new(&["record.on_full=shed", "record.queue_bytes_max=1024"]);
    let (client, mut server) = stage.open();
    let stalled = stall(stage.proxy.home.path());
    let sending = burst(&client);
    for at in 0..BURST {
        server.hears(TEXT, &nth(at));
    }
    sending.join().unwrap();
    drop(stalled);
    part(client, server);
    let flow = ended(&stage.proxy, "1");
    assert_eq!(
        json!([flow["state"], flow["messages_sent"]]),
        json!(["complete", BURST + 1])
    );
    let lost = usize::try_from(flow["messages_lost"].as_u64().unwrap()).unwrap();
    assert!(lost > 0, "more than a batch came while nothing could be stored");
    let recorded = stage.proxy.json(&["messages", "1", "--json"]).len();
    // The heads of the upgrade and both Closes are messages as well.
    assert_eq!(recorded + lost, 2 + BURST + 2);
    assert!(texts(&stage).len() >= BURST - lost);
}

#[test]
fn told_to_wait_it_loses_nothing() {
    let stage = Stage::new(&["record.on_full=slow", "record.queue_bytes_max=1024"]);
    let (client, mut server) = stage.open();
    let stalled = stall(stage.proxy.home.path());
    let sending = burst(&client);
    server.hears(TEXT, &nth(0));
    drop(stalled);
    for at in 1..BURST {
        server.hears(TEXT, &nth(at));
    }
    sending.join().unwrap();
    part(client, server);
    let flow = ended(&stage.proxy, "1");
    assert_eq!(
        json!([flow["state"], flow["messages_sent"], flow["messages_lost"]]),
        json!(["complete", BURST + 1, 0])
    );
    assert_eq!(texts(&stage).len(), BURST);
}
