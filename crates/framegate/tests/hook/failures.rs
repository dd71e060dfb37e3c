//! Hooks that do not answer, or not as HTTP has it.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::peers::{PING, TEXT, both_are_closed, ended, messages, part};
use crate::scripted::{Does, Hook, Stage, status};

/// The word for a failure, and what a hook does that has failed so.
type Way = (&'static str, fn() -> Does);

fn ways() -> Vec<Way> {
    vec![
        ("timeout", || Does::Hangs),
        ("status", || status(500)),
        ("status", || status(503)),
        ("status", || status(429)),
        ("protocol", || {
            Does::Ends(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf".to_vec())
        }),
        ("protocol", || Does::Ends(b"SSH-2.0-OpenSSH\r\n".to_vec())),
        ("protocol", || Does::Ends(b"HTTP/1.1 20".to_vec())),
        ("timeout", || {
            Does::Says(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\ndrip".to_vec())
        }),
        ("protocol", || {
            Does::Says(b"HTTP/1.1 200 X\r\nx-framegate-action: forward\r\nContent-Length: 0\r\n\r\n".to_vec())
        }),
        ("connect", || Does::Ends(Vec::new())),
    ]
}

/// Each of these ways for a message of its own, its number.
fn failing(ways: &[Way], settings: &[&str]) -> (Hook, Stage) {
    let does: Vec<_> = ways.iter().map(|(_, does)| *does).collect();
    let hook = Hook::new(move |asked| {
        let at: usize = std::str::from_utf8(&asked.body).unwrap().parse().unwrap();
        does[at]()
    });
    let stage = Stage::sending(&hook, &[settings, &["hook.breaker_failures=0"]].concat());
    (hook, stage)
}

#[test]
fn a_failure_closes_or_lets_go_as_the_settings_say() {
    // Some say nothing before the time is over; of the others no busy machine is to say so.
    let (late, soon): (Vec<_>, Vec<_>) = ways()
        .into_iter()
        .partition(|(word, _)| ["timeout", "connect"].contains(word));
    for (ways, time) in [(late, "hook.timeout_ms=500"), (soon, "hook.timeout_ms=10000")] {
        for (policy, closes) in [("hook.fail=closed", true), ("hook.fail=open", false)] {
            let (_hook, stage) = failing(&ways, &[time, policy]);
            let mut pairs: Vec<_> = ways.iter().map(|_| stage.open()).collect();
            for (at, (client, _)) in pairs.iter_mut().enumerate() {
                client.send(TEXT, at.to_string().as_bytes());
            }
            for (at, ((mut client, mut server), (word, _))) in pairs.into_iter().zip(&ways).enumerate() {
                if closes {
                    let reason = both_are_closed(&mut client, &mut server, 1008);
                    assert_eq!(reason, "could not be inspected", "{word} {at}");
                } else {
                    server.hears(TEXT, at.to_string().as_bytes());
                    part(client, server);
                }
                let flow = (at + 1).to_string();
                ended(&stage.proxy, &flow);
                let row = messages(&stage.proxy, &flow).remove(0);
                assert_eq!(row["metadata"]["hook_failure"], *word, "{at}: {row}");
                let skipped = if closes { Value::Null } else { "open".into() };
                assert_eq!(row["metadata"]["hook_skipped"], skipped, "{at}: {row}");
            }
        }
    }
}

#[test]
fn each_direction_has_its_own_policy() {
    let hook = Hook::new(|_| status(500));
    let stage = Stage::new(Some(&hook.url()), Some(&hook.url()), &["hook.fail_receive=open"]);
    let (mut client, mut server) = stage.open();
    server.send(TEXT, b"down");
    client.hears(TEXT, b"down");
    client.send(TEXT, b"up");
    both_are_closed(&mut client, &mut server, 1008);
}

#[test]
fn a_huge_answer_is_not_read_to_its_end() {
    let hook = Hook::new(|asked| {
        let status = if asked.body == b"good" { 200 } else { 403 };
        let mut answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 100000000\r\n\r\n").into_bytes();
        answer.resize(answer.len() + (256 << 10), b'x');
        Does::Says(answer)
    });
    let stage = Stage::sending(&hook, &[]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"good");
    server.hears(TEXT, b"good");
    client.send(TEXT, b"bad");
    both_are_closed(&mut client, &mut server, 1008);
}

#[test]
fn a_breaker_leaves_a_hook_alone_that_fails_again_and_again() {
    let well = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&well);
    let hook = Hook::new(move |_| {
        if now.load(Ordering::SeqCst) {
            status(200)
        } else {
            status(500)
        }
    });
    let settings = [
        "hook.fail=open",
        "hook.breaker_failures=3",
        "hook.breaker_ms=300",
        "hook.in_flight=1",
    ];
    let stage = Stage::sending(&hook, &settings);
    let (mut client, mut server) = stage.open();
    for at in 0..20 {
        client.send(TEXT, format!("{at}").as_bytes());
        server.hears(TEXT, format!("{at}").as_bytes());
    }
    assert!(hook.asked().len() < 20, "it was always asked");
    stage.proxy.wait_for_log("is not asked for 300 ms");
    well.store(true, Ordering::SeqCst);
    crate::stage::wait_for("the probe", || {
        client.send(TEXT, b"again");
        server.hears(TEXT, b"again");
        stage.proxy.log().contains("is back").then_some(())
    });
    part(client, server);
}

#[test]
fn messages_that_wait_for_a_connection_do_not_ask_a_hook_that_is_left_alone_by_then() {
    let hook = Hook::new(|_| status(500));
    let settings = [
        "hook.fail=open",
        "hook.breaker_failures=1",
        "hook.breaker_ms=86400000",
        "hook.pool_size=1",
        "listen.threads=1",
    ];
    let stage = Stage::sending(&hook, &settings);
    let (mut client, mut server) = stage.open();
    let frames: Vec<u8> = (0..50).flat_map(|at| client.frame(TEXT, &[b'0' + at])).collect();
    client.tcp.write_all(&frames).unwrap();
    for at in 0..50 {
        server.hears(TEXT, &[b'0' + at]);
    }
    assert_eq!(hook.asked().len(), 1);
    part(client, server);
}

#[test]
fn a_hook_that_is_started_again_loses_no_message_and_lets_none_pass_unseen() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let hook = Hook::new(move |_| {
        // Cut in the middle of all that is under way, again and again.
        if count.fetch_add(1, Ordering::SeqCst) % 50 == 49 {
            return Does::Ends(Vec::new());
        }
        status(200)
    });
    let stage = Stage::sending(&hook, &["limits.held_messages_max=100"]);
    let (client, mut server) = stage.open();
    let frames: Vec<u8> = (0..1000)
        .flat_map(|at| client.frame(TEXT, format!("{at}").as_bytes()))
        .collect();
    let sending = client.send_behind(frames);
    for at in 0..1000 {
        server.hears(TEXT, format!("{at}").as_bytes());
        if at % 200 == 100 {
            hook.cut_all();
        }
    }
    sending.join().unwrap();
    for at in 0..1000 {
        let body = format!("{at}").into_bytes();
        assert!(hook.asked().iter().any(|asked| asked.body == body), "{at} was not seen");
    }
    part(client, server);
}

#[test]
fn a_hook_that_is_not_there_yet_is_waited_for() {
    // The port is taken, but nobody listens there.
    let kept = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    kept.set_reuse_address(true).unwrap();
    kept.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = kept.local_addr().unwrap().as_socket().unwrap();
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &["hook.timeout_ms=60000"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"early");
    client.send(PING, b"sent behind it");
    server.hears(PING, b"sent behind it");
    let hook = Hook::at(TcpListener::bind(addr).unwrap(), |_| status(200));
    server.hears(TEXT, b"early");
    assert_eq!(hook.asked().len(), 1);
}
