//! What hooks were asked, and what came of it.

use crate::peers::{BINARY, TEXT, both_are_closed, part};
use crate::scrape::Scrape;
use crate::scripted::{Hook, Stage, status};
use crate::stage::wait_for;

#[test]
fn what_a_hook_says_is_counted_for_its_direction() {
    let hook = Hook::new(|asked| status(if asked.body == b"bad" { 403 } else { 200 }));
    let stage = Stage::sending(&hook, &["hook.cache_entries=100", "listen.threads=1"]);
    let (mut client, mut server) = stage.open();
    for _ in 0..2 {
        client.send(TEXT, b"good");
        server.hears(TEXT, b"good");
    }
    client.send(TEXT, b"bad");
    both_are_closed(&mut client, &mut server, 1008);
    let scrape = Scrape::of(&stage.proxy);
    let send = [(r#"{direction="send"}"#, 2.0)];
    assert_eq!(scrape.some("framegate_hook_requests_total"), send);
    assert_eq!(scrape.some("framegate_hook_seconds_count"), send);
    assert_eq!(
        scrape.some("framegate_hook_verdicts_total"),
        [
            (r#"{direction="send",outcome="blocked"}"#, 1.0),
            (r#"{direction="send",outcome="passed"}"#, 1.0),
        ]
    );
    assert_eq!(
        scrape.some("framegate_hook_cache_hits_total"),
        [(r#"{direction="send"}"#, 1.0)]
    );
    assert_eq!(scrape.some("framegate_inspections_skipped_total"), []);
    let breaker = format!("framegate_hook_breaker_open{{hook=\"http://{}\"}}", hook.addr);
    assert_eq!(scrape.get(&breaker).to_bits(), 0);
}

#[test]
fn a_hook_that_fails_is_counted_by_how_and_seen_to_be_left_alone() {
    let hook = Hook::new(|_| status(500));
    let settings = [
        "hook.fail=open",
        "hook.breaker_failures=2",
        "hook.breaker_ms=60000",
        "hook.in_flight=1",
        "gateway.binary=pass",
    ];
    let stage = Stage::sending(&hook, &settings);
    let (mut client, mut server) = stage.open();
    for _ in 0..3 {
        client.send(TEXT, b"hello");
        server.hears(TEXT, b"hello");
    }
    client.send(BINARY, b"unseen");
    server.hears(BINARY, b"unseen");
    let scrape = Scrape::of(&stage.proxy);
    assert_eq!(
        scrape.some("framegate_hook_failures_total"),
        [
            (r#"{direction="send",kind="breaker"}"#, 1.0),
            (r#"{direction="send",kind="status"}"#, 2.0),
        ]
    );
    assert_eq!(
        scrape.some("framegate_inspections_skipped_total"),
        [
            (r#"{direction="send",reason="binary"}"#, 1.0),
            (r#"{direction="send",reason="open"}"#, 3.0),
        ]
    );
    let open = format!("{{hook=\"http://{}\"}}", hook.addr);
    assert_eq!(scrape.some("framegate_hook_breaker_open"), [(open.as_str(), 1.0)]);
    part(client, server);
}

#[test]
fn what_a_hook_is_not_asked_about_ends_a_conversation_and_in_shadow_goes_on() {
    for (fail, closes) in [("hook.fail=closed", true), ("hook.fail=shadow", false)] {
        let hook = Hook::new(|_| status(403));
        let stage = Stage::sending(&hook, &[fail, "hook.body_bytes_max=1024"]);
        let (mut client, mut server) = stage.open();
        let long = [b'a'; 1025];
        client.send(TEXT, &long);
        if closes {
            both_are_closed(&mut client, &mut server, 1009);
        } else {
            server.hears(TEXT, &long);
            client.send(TEXT, b"short");
            server.hears(TEXT, b"short");
            let blocked = r#"framegate_hook_verdicts_total{direction="send",outcome="blocked"}"#;
            wait_for("the verdict", || {
                (Scrape::of(&stage.proxy).get(blocked) > 0.0).then_some(())
            });
        }
        let scrape = Scrape::of(&stage.proxy);
        let oversize = r#"{direction="send",reason="oversize"}"#;
        let shadow = r#"{direction="send",reason="shadow"}"#;
        let (closed, skipped) = match closes {
            true => (vec![(oversize, 1.0)], vec![]),
            false => (vec![], vec![(oversize, 1.0), (shadow, 1.0)]),
        };
        assert_eq!(scrape.some("framegate_hook_closed_total"), closed, "{fail}");
        assert_eq!(scrape.some("framegate_inspections_skipped_total"), skipped, "{fail}");
    }
}
