//! Ends that nobody chose, under load: killed, told to end, no room, no right to write.

mod disk;
mod load;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{Proxy, echo_server, wait_for};
use load::Load;

const ROUNDS: u32 = 20;
const FLUSH: Duration = Duration::from_millis(20);

/// How long after `store.flush_ms` the recorder of a busy machine may come to a commit.
const MARGIN: Duration = Duration::from_secs(1);

/// A flow as an export has it, with its messages.
struct Exported {
    flow: Value,
    messages: Vec<Value>,
}

impl Exported {
    /// All flows of the record that `proxy` has left.
    fn all(proxy: &Proxy) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in proxy.json(&["export", "--format", "jsonl", "-o", "-"]) {
            if !line["flow_type"].is_null() {
                all.push(Self {
                    flow: line,
                    messages: Vec::new(),
                });
            } else if !line["sequence"].is_null() {
                let of = all.last_mut().unwrap();
                assert_eq!(line["flow_id"], of.flow["flow_id"]);
                of.messages.push(line);
            }
        }
        all
    }

    /// Fails unless the sequences are without a hole and the counts are those of the messages.
    fn assert_whole(&self) {
        let sequences = self
            .messages
            .iter()
            .map(|message| message["sequence"].as_u64().unwrap());
        assert!(sequences.eq(0..self.messages.len() as u64), "a hole: {}", self.flow);
        for (direction, count) in [("send", "messages_sent"), ("receive", "messages_received")] {
            let on_record = self.messages[2..].iter().filter(|it| it["direction"] == direction);
            assert_eq!(json!(on_record.count()), self.flow[count], "{}", self.flow);
        }
        assert_eq!(self.flow["messages_lost"], 0);
    }

    /// Whose flow it is, and how many of its messages came back, each behind the one before.
    fn echoes(&self) -> (String, usize) {
        let received: Vec<_> = self.messages[2..]
            .iter()
            .filter(|message| message["direction"] == "receive" && message["kind"] == "text")
            .map(|message| message["body"].as_str().unwrap())
            .collect();
        let (client, _) = received[0].split_once('#').unwrap();
        for (number, body) in received.iter().enumerate() {
            assert_eq!(*body, format!("{client}#{number}"));
        }
        (client.to_owned(), received.len())
    }
}

#[test]
fn a_kill_under_load_costs_what_was_not_flushed_and_nothing_else() {
    let server = echo_server();
    let mut home = Some(tempfile::tempdir().unwrap());
    let flush = format!("store.flush_ms={}", FLUSH.as_millis());
    let args = ["--mode", "regular@:0", "--set", &flush];
    // By client: how many echoes were old enough to be on record, and how many there were.
    let mut heard: HashMap<String, (usize, usize)> = HashMap::new();
    for round in 0..ROUNDS {
        let mut proxy = Proxy::start_in(home.take().unwrap(), &args);
        let load = Load::start(2, |n| (format!("{round}.{n}"), proxy.websocket(server)));
        wait_for("echoes that are old enough", || {
            let old = Instant::now().checked_sub(FLUSH + MARGIN)?;
            load.clients().all(|client| client.before(old) >= 10).then_some(())
        });
        let killed = Instant::now();
        proxy.signal(Signal::KILL);
        proxy.child.wait().unwrap();
        for client in load.stop() {
            let counts = (client.before(killed - FLUSH - MARGIN), client.before(Instant::now()));
            heard.insert(client.name, counts);
        }
        home = Some(std::mem::replace(&mut proxy.home, tempfile::tempdir().unwrap()));
    }

    // One more start ends what the last kill left.
    let mut proxy = Proxy::start_in(home.take().unwrap(), &args);
    proxy.stop();
    let flows = Exported::all(&proxy);
    assert_eq!(flows.len(), heard.len());
    let mut worst = 0;
    for exported in flows {
        exported.assert_whole();
        let flow = &exported.flow;
        assert_eq!(flow["state"], "error");
        assert!(flow["error"].as_str().unwrap().starts_with("interrupted"), "{flow}");
        let (client, on_record) = exported.echoes();
        let (old, all) = heard[&client];
        assert!(
            on_record >= old,
            "{client}: {on_record} on record, {old} must be, {all} came"
        );
        worst = worst.max(all.saturating_sub(on_record));
    }
    println!("{ROUNDS} kills: at the most {worst} echoes of a client were not on record yet");
}

#[test]
fn told_to_end_under_load_it_drains_and_has_everything_on_record() {
    let server = echo_server();
    let mut proxy = Proxy::start(&["--set", "limits.drain_ms=300"]);
    let load = Load::start(32, |n| (format!("{n}"), proxy.websocket(server)));
    wait_for("echoes", || {
        load.clients().all(|client| client.echoes() >= 20).then_some(())
    });
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.exit_code(), Some(0), "{}", proxy.log());
    let clients = load.join();
    assert!(clients.iter().all(|client| client.close == Some(1001)));
    let heard: HashMap<_, _> = clients.into_iter().map(|it| (it.name.clone(), it.echoes())).collect();
    let flows = Exported::all(&proxy);
    assert_eq!(flows.len(), 32);
    for exported in flows {
        exported.assert_whole();
        let flow = &exported.flow;
        assert_eq!(
            (&flow["close"]["by"], &flow["close"]["code"]),
            (&json!("proxy"), &json!(1001))
        );
        let (client, on_record) = exported.echoes();
        assert!(
            on_record >= heard[&client],
            "{client}: {on_record} of {}",
            heard[&client]
        );
    }
}
