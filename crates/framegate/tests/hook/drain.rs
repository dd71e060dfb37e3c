//! Messages that are with their hook while the proxy stops, or reads its settings again.

use std::net::TcpListener;
use std::path::Path;

use rustix::process::Signal;

use crate::peers::{BINARY, End, TEXT, both_are_closed, ended, messages, part, shake_hands};
use crate::scrape::Scrape;
use crate::scripted::{Barrier, Does, Hook, Stage, status};
use crate::stage::{Proxy, connect, wait_for};

/// A hook that stops attacks, and says nothing before the barrier is open.
fn held(barrier: &Barrier) -> Hook {
    let barrier = barrier.clone();
    Hook::new(move |asked| {
        barrier.pass();
        status(if asked.body == b"attack" { 403 } else { 200 })
    })
}

#[test]
fn what_waits_for_its_verdict_when_the_drain_begins_gets_it() {
    let barrier = Barrier::default();
    let hook = held(&barrier);
    let settings = ["limits.drain_ms=600000", "hook.timeout_ms=60000"];
    let mut stage = Stage::new(Some(&hook.url()), Some(&hook.url()), &settings);
    let (mut good, mut bad) = (stage.open(), stage.open());
    for text in ["one", "two", "three"] {
        good.0.send(TEXT, text.as_bytes());
        good.1.send(TEXT, text.as_bytes());
    }
    bad.0.send(TEXT, b"attack");
    hook.wait_for_questions(7);
    stage.proxy.signal(Signal::TERM);
    stage.proxy.wait_until_draining();
    barrier.open();
    for text in ["one", "two", "three"] {
        good.1.hears(TEXT, text.as_bytes());
        good.0.hears(TEXT, text.as_bytes());
    }
    assert_eq!(both_are_closed(&mut bad.0, &mut bad.1, 1008), "blocked by policy");
    // Until its end a conversation is judged.
    good.0.send(TEXT, b"meanwhile");
    good.1.hears(TEXT, b"meanwhile");
    good.1.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut good.0, &mut good.1, 1008), "blocked by policy");
    assert_eq!(stage.proxy.exit_code(), Some(0), "{}", stage.proxy.log());
}

#[test]
fn a_hook_that_hangs_does_not_hold_up_the_end() {
    for fail in ["closed", "open", "shadow"] {
        let hook = Hook::new(|_| Does::Hangs);
        let fail_setting = format!("hook.fail={fail}");
        let settings = ["limits.drain_ms=1", "hook.timeout_ms=86400000", &fail_setting];
        let mut stage = Stage::new(Some(&hook.url()), None, &settings);
        let (mut client, mut server) = stage.open();
        client.send(TEXT, b"unjudged");
        hook.wait_for_questions(1);
        if fail == "shadow" {
            server.hears(TEXT, b"unjudged");
        }
        stage.proxy.signal(Signal::TERM);
        // Nothing else comes before it.
        both_are_closed(&mut client, &mut server, 1001);
        assert_eq!(stage.proxy.exit_code(), Some(0), "{}", stage.proxy.log());
        ended(&stage.proxy, "1");
        let row = messages(&stage.proxy, "1").remove(0);
        let fate = if fail == "shadow" { "sent" } else { "dropped" };
        assert_eq!(row["fate"], fate, "{fail}: {row}");
    }
}

/// A proxy whose settings are in a file, so that they can change.
struct Changing {
    proxy: Proxy,
    listener: TcpListener,
}

impl Changing {
    fn new(hook: &Hook, more: &str) -> Self {
        let (home, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        write(home.path(), &listener, hook, more);
        let proxy = Proxy::start_in(home, &["--config", "f.toml", "--mode", "gateway@:0"]);
        Self { proxy, listener }
    }

    fn change(&self, hook: &Hook, more: &str) {
        write(self.proxy.home.path(), &self.listener, hook, more);
        self.proxy.signal(Signal::HUP);
        self.proxy.wait_for_log("the configuration was reloaded");
    }

    fn open(&self) -> (End, End) {
        let client = End::client(connect(self.proxy.addr("gateway")));
        shake_hands(client, &self.listener, "")
    }
}

fn write(home: &Path, listener: &TcpListener, hook: &Hook, more: &str) {
    let (upstream, url) = (listener.local_addr().unwrap(), hook.url());
    let route = format!("[[routes]]\nupstream = [\"ws://{upstream}\"]\nsend_hook = \"{url}\"\n");
    let settings = format!("{route}[hook]\ntimeout_ms = 60000\n{more}\n");
    std::fs::write(home.join("f.toml"), settings).unwrap();
}

#[test]
fn another_hook_of_a_route_is_asked_about_connections_that_begin_then() {
    let barrier = Barrier::default();
    let (before, after) = (held(&barrier), Hook::new(|_| status(200)));
    let stage = Changing::new(&before, "");
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"early");
    before.wait_for_questions(1);
    stage.change(&after, "");
    client.send(TEXT, b"late");
    before.wait_for_questions(2);
    barrier.open();
    for text in [&b"early"[..], b"late"] {
        server.hears(TEXT, text);
    }
    let (mut new_client, mut new_server) = stage.open();
    new_client.send(TEXT, b"attack");
    new_server.hears(TEXT, b"attack");
    part(new_client, new_server);
    client.send(TEXT, b"attack");
    both_are_closed(&mut client, &mut server, 1008);
    assert_eq!((before.asked().len(), after.asked().len()), (3, 1));
}

#[test]
fn other_settings_of_hooks_go_for_the_next_message_which_waits_for_its_turn() {
    // What is not let go any more: by the hook's failure, and without a question.
    for (opcode, next, code) in [(TEXT, &b"next"[..], 1008), (BINARY, b"\0\x01", 1003)] {
        let barrier = Barrier::default();
        let held = barrier.clone();
        let hook = Hook::new(move |asked| {
            if asked.body == b"pending" {
                held.pass();
            }
            status(500)
        });
        let stage = Changing::new(&hook, "fail = \"open\"");
        let (mut client, mut server) = stage.open();
        client.send(TEXT, b"pending");
        hook.wait_for_questions(1);
        stage.change(&hook, "fail = \"closed\"");
        client.send(opcode, next);
        wait_for("its end", || {
            let scrape = Scrape::of(&stage.proxy);
            let ends = ["framegate_hook_failures_total", "framegate_hook_closed_total"];
            ends.iter().any(|name| !scrape.some(name).is_empty()).then_some(())
        });
        barrier.open();
        server.hears(TEXT, b"pending");
        both_are_closed(&mut client, &mut server, code);
    }
}

#[test]
fn what_was_judged_in_another_body_is_judged_again() {
    let hook = Hook::new(|asked| status(if asked.body == b"attack" { 200 } else { 403 }));
    let kept = |body: &str| format!("cache_entries = 10\nbody = \"{body}\"\n[listen]\nthreads = 1");
    let stage = Changing::new(&hook, &kept("raw"));
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"attack");
    server.hears(TEXT, b"attack");
    stage.change(&hook, &kept("waf"));
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"attack");
    both_are_closed(&mut client, &mut server, 1008);
    assert_eq!(hook.asked().len(), 2);
}
