//! The store fails, the record grows too large, it has no index.

use serde_json::json;

use crate::peers::{BINARY, Stage, TEXT, ended, messages, part, pattern, payload};
use crate::stage::wait_for;

#[cfg(target_os = "linux")]
#[test]
fn while_the_store_fails_all_is_relayed_and_counted_and_then_stored_again() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    use crate::peers::{End, shake_hands};
    use crate::stage::Proxy;

    // Files may have no more than some 400 KB, until the limit is lifted.
    let proxy = Proxy::start_behind("trap '' XFSZ; ulimit -S -f 800", &[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = End::client(proxy.tunnel(listener.local_addr().unwrap()));
    let (mut client, mut server) = shake_hands(client, &listener, "");
    let text = "x".repeat(50_000);
    let mut passed = 0;
    let mut pass_until = |words: &str| {
        wait_for(words, || {
            for _ in 0..5 {
                client.send(TEXT, text.as_bytes());
                server.hears(TEXT, text.as_bytes());
                passed += 1;
            }
            proxy.log().contains(words).then_some(())
        });
    };
    pass_until("the store failed");
    let lifted = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(Some(Pid::from_child(&proxy.child)), Resource::Fsize, lifted).unwrap();
    pass_until("the store takes messages again");
    part(client, server);
    let flow = ended(&proxy, "1");
    assert_eq!(
        json!([flow["state"], flow["messages_sent"]]),
        json!(["complete", passed + 1])
    );
    let lost = flow["messages_lost"].as_u64().unwrap();
    assert!(lost > 0);
    let recorded = proxy.json(&["messages", "1", "--json"]);
    let of_websocket = recorded
        .iter()
        .filter(|message| message["metadata"]["opcode"].is_string())
        .count() as u64;
    let heads = recorded.len() as u64 - of_websocket;
    // What was lost may have been a head of the upgrade.
    assert_eq!(heads + of_websocket + lost, 2 + passed + 2);
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
}

#[test]
fn beyond_the_size_that_is_set_what_ended_first_is_deleted() {
    let mut stage = Stage::new(&[]);
    let long = pattern(1 << 20);
    for id in ["1", "2", "3"] {
        let (mut client, mut server) = stage.open();
        for _ in 0..2 {
            let sending = client.send_behind(client.frame(BINARY, &long));
            server.hears(BINARY, &long);
            sending.join().unwrap();
        }
        let words = format!("conversation{id}");
        client.send(TEXT, words.as_bytes());
        server.hears(TEXT, words.as_bytes());
        part(client, server);
        ended(&stage.proxy, id);
    }
    stage.proxy.stop();
    let home = std::mem::replace(&mut stage.proxy.home, tempfile::tempdir().unwrap());
    // Room for one of them, not for two.
    let again = Stage::in_home(home, &["store.bytes_max=3000000"]);
    let left = wait_for("the old flows to go", || {
        let flows = again.proxy.json(&["flows", "--json"]);
        (flows.len() < 2).then_some(flows)
    });
    assert_eq!((left.len(), &left[0]["flow_id"]), (1, &json!("3")));
    let messages = messages(&again.proxy, "3");
    assert_eq!(messages.len(), 5);
    assert!(messages[..2].iter().all(|message| payload(message) == long));
    // Searching finds what is left, and nothing of what is gone.
    for (id, hits) in [("1", 0), ("3", 1)] {
        let words = format!("conversation{id}");
        assert_eq!(again.proxy.json(&["search", &words, "--json"]).len(), hits, "{words}");
    }
}

#[test]
fn without_the_index_a_search_reads_the_messages_themselves() {
    let mut stage = Stage::new(&["store.full_text=false"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"a needle in a haystack");
    server.hears(TEXT, b"a needle in a haystack");
    part(client, server);
    ended(&stage.proxy, "1");
    let hits = |stage: &Stage| stage.proxy.json(&["search", "needle", "--json"]).len();
    assert_eq!(hits(&stage), 1);
    // Switched on again, the index gets what it has missed.
    stage.proxy.stop();
    let home = std::mem::replace(&mut stage.proxy.home, tempfile::tempdir().unwrap());
    assert_eq!(hits(&Stage::in_home(home, &[])), 1);
}
