//! What is not on record, though it should be.

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::peers::{End, TEXT, ended, part, shake_hands};
use crate::scrape::Scrape;
use crate::stage::{Proxy, wait_for};

#[test]
fn what_a_failing_store_loses_is_counted_as_its_flow_counts_it() {
    // Files may have no more than some 400 KB, until the limit is lifted.
    let proxy = Proxy::start_behind("trap '' XFSZ; ulimit -S -f 800", &[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = End::client(proxy.tunnel(listener.local_addr().unwrap()));
    let (mut client, mut server) = shake_hands(client, &listener, "");
    let text = "x".repeat(50_000);
    let mut pass_until = |what: &str, done: &dyn Fn() -> bool| {
        wait_for(what, || {
            client.send(TEXT, text.as_bytes());
            server.hears(TEXT, text.as_bytes());
            done().then_some(())
        });
    };
    pass_until("a failure", &|| {
        Scrape::of(&proxy).get("framegate_store_errors_total") > 0.0
    });
    let lifted = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(Some(Pid::from_child(&proxy.child)), Resource::Fsize, lifted).unwrap();
    let words = "the store takes messages again";
    pass_until(words, &|| proxy.log().contains(words));
    part(client, server);
    let lost = ended(&proxy, "1")["messages_lost"].as_f64().unwrap();
    let scrape = Scrape::of(&proxy);
    assert!(lost > 0.0);
    assert_eq!(
        scrape.some("framegate_record_messages_lost_total"),
        [(r#"{reason="store"}"#, lost)]
    );
    assert!(scrape.get("framegate_store_bytes") > 0.0);
}
