//! A thousand connections that ask hooks all at once.

use std::time::Duration;

use hyper::Version;

use crate::order::scattered;
use crate::peers::{End, TEXT, both_are_closed, may_open, part};
use crate::scrape::Scrape;
use crate::scripted::Stage;
use crate::served::serve;
use crate::stage::wait_for;

const CONNECTIONS: usize = 1000;
const ATTACKS: usize = CONNECTIONS / 10;
/// In each direction, before a tenth of the connections end with an attack and the others go on with one more.
const MESSAGES: usize = 3;
const POOL: usize = 40;
const THREADS: usize = 2;

/// Half of them with a message of the client's, half with one of the server's.
fn attacks(at: usize) -> bool {
    at.is_multiple_of(10)
}

fn judge(body: &[u8]) -> (Duration, u16) {
    let mixed = body.iter().fold(0, |mixed, byte| scattered(mixed ^ u64::from(*byte)));
    let status = if body.starts_with(b"attack") { 403 } else { 200 };
    (Duration::from_micros(mixed % 3000), status)
}

fn said(by: &str, at: usize, nth: usize) -> Vec<u8> {
    format!("{by} {at} {nth}").into_bytes()
}

fn all_get_their_own_verdicts(version: Version, settings: &[&str]) -> usize {
    may_open(3 * CONNECTIONS as u64);
    let (addr, connections) = serve(version, None, judge);
    let url = format!("http://{addr}/");
    let (pool, threads) = (format!("hook.pool_size={POOL}"), format!("listen.threads={THREADS}"));
    let own = [&pool, &threads, "hook.timeout_ms=60000", "record.enabled=false"];
    let stage = Stage::new(Some(&url), Some(&url), &[&own, settings].concat());
    let mut pairs: Vec<_> = (0..CONNECTIONS).map(|_| stage.open()).collect();
    for nth in 0..MESSAGES {
        each(&mut pairs, |at, client, server| {
            client.send(TEXT, &said("client", at, nth));
            server.send(TEXT, &said("server", at, nth));
        });
    }
    each(&mut pairs, |at, client, server| {
        for nth in 0..MESSAGES {
            server.hears(TEXT, &said("client", at, nth));
            client.hears(TEXT, &said("server", at, nth));
        }
    });
    each(&mut pairs, |at, client, server| {
        if !attacks(at) {
            client.send(TEXT, &said("client", at, MESSAGES));
            server.send(TEXT, &said("server", at, MESSAGES));
        } else if at.is_multiple_of(20) {
            client.send(TEXT, &said("attack", at, 0));
        } else {
            server.send(TEXT, &said("attack", at, 0));
        }
    });
    for (at, (mut client, mut server)) in pairs.into_iter().enumerate() {
        if attacks(at) {
            let reason = both_are_closed(&mut client, &mut server, 1008);
            assert_eq!(reason, "blocked by policy");
        } else {
            server.hears(TEXT, &said("client", at, MESSAGES));
            client.hears(TEXT, &said("server", at, MESSAGES));
            part(client, server);
        }
    }
    adds_up(&stage);
    connections.most()
}

fn each(pairs: &mut [(End, End)], does: impl Fn(usize, &mut End, &mut End)) {
    for (at, (client, server)) in pairs.iter_mut().enumerate() {
        does(at, client, server);
    }
}

/// Each message was asked about once and has its verdict, and nobody is left.
fn adds_up(stage: &Stage) {
    let scrape = wait_for("the last end", || {
        let scrape = Scrape::of(&stage.proxy);
        scrape.some("framegate_connections_open").is_empty().then_some(scrape)
    });
    assert_eq!(scrape.some("framegate_websockets_open"), []);
    for direction in ["send", "receive"] {
        let attacks = ATTACKS / 2;
        let passed = CONNECTIONS * MESSAGES + CONNECTIONS - ATTACKS;
        let get = |name: &str, more: &str| scrape.get(&format!("{name}{{direction=\"{direction}\"{more}}}"));
        let verdicts = |outcome: &str| get("framegate_hook_verdicts_total", &format!(",outcome=\"{outcome}\""));
        assert_eq!(get("framegate_hook_requests_total", ""), (passed + attacks) as f64);
        assert_eq!(get("framegate_hook_seconds_count", ""), (passed + attacks) as f64);
        assert_eq!(
            (verdicts("passed"), verdicts("blocked")),
            (passed as f64, attacks as f64)
        );
    }
    for name in ["failures", "retries", "closed"] {
        assert_eq!(scrape.some(&format!("framegate_hook_{name}_total")), [], "{name}");
    }
    assert_eq!(scrape.some("framegate_inspections_skipped_total"), []);
}

#[test]
fn in_http_1_1_they_wait_for_the_connections_of_the_pool() {
    let most = all_get_their_own_verdicts(Version::HTTP_11, &[]);
    assert_eq!(most, POOL);
}

#[test]
fn in_http_2_each_thread_has_one_connection_for_all() {
    let most = all_get_their_own_verdicts(Version::HTTP_2, &["hook.http=\"2\""]);
    assert_eq!(most, THREADS);
}
