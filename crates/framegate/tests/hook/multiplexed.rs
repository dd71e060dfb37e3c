//! Hooks in TLS, and in HTTP/2.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Version;

use crate::peers::{TEXT, both_are_closed, part};
use crate::scrape::Scrape;
use crate::scripted::{Hook, Stage, status};
use crate::served::{certificate, serve, serve_at};
use crate::stage::wait_for;

/// Answers 403 to `attack`.
fn stops_attacks(body: &[u8]) -> (Duration, u16) {
    (Duration::ZERO, if body == b"attack" { 403 } else { 200 })
}

/// Sixteen at once and one that is stopped.
fn judges(stage: &Stage) {
    let (mut client, mut server) = stage.open();
    let frames: Vec<u8> = (0..100u32)
        .flat_map(|at| client.frame(TEXT, at.to_string().as_bytes()))
        .collect();
    let sending = client.send_behind(frames);
    for at in 0..100u32 {
        server.hears(TEXT, at.to_string().as_bytes());
    }
    sending.join().unwrap();
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
}

#[test]
fn http_2_without_tls_has_one_connection_for_all() {
    let (addr, connections) = serve(Version::HTTP_2, None, stops_attacks);
    let settings = ["hook.http=\"2\"", "hook.timeout_ms=10000", "listen.threads=1"];
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &settings);
    judges(&stage);
    assert_eq!(connections.all(), 1);
}

/// Stands before a hook, and passes on what is said on its connections but for the first `silent` ones, as a machine does
/// that is gone.
struct Front {
    addr: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Front {
    fn new(hook: SocketAddr, silent: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let open = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&open);
        std::thread::spawn(move || {
            let _silent: Vec<_> = listener.incoming().take(silent).collect();
            for tcp in listener.incoming() {
                let (mut client, mut server) = (tcp.unwrap(), TcpStream::connect(hook).unwrap());
                kept.lock().unwrap().push(client.try_clone().unwrap());
                let (mut back, mut forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut client, &mut server));
                std::thread::spawn(move || std::io::copy(&mut forth, &mut back));
            }
        });
        Self { addr, open }
    }

    fn stage(&self, settings: &[&str]) -> Stage {
        let own = ["hook.http=\"2\"", "listen.threads=1"];
        Stage::new(
            Some(&format!("http://{}/", self.addr)),
            None,
            &[&own, settings].concat(),
        )
    }

    /// Ends every connection that there is.
    fn cut_all(&self) {
        for tcp in self.open.lock().unwrap().drain(..) {
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_shared_connection_that_has_fallen_silent_is_left_by_all() {
    let (hook, _) = serve(Version::HTTP_2, None, stops_attacks);
    let front = Front::new(hook, 1);
    let stage = front.stage(&["hook.timeout_ms=1000", "hook.fail=open"]);
    let (mut client, mut server) = stage.open();
    for text in [&b"skipped"[..], b"judged"] {
        client.send(TEXT, text);
        server.hears(TEXT, text);
    }
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
}

#[test]
fn a_shared_connection_that_ends_again_and_again_loses_no_message() {
    let (hook, connections) = serve(Version::HTTP_2, None, stops_attacks);
    let front = Front::new(hook, 0);
    let stage = front.stage(&["hook.timeout_ms=60000", "limits.held_messages_max=100"]);
    let (mut client, mut server) = stage.open();
    let frames = (0..1000u32).flat_map(|at| client.frame(TEXT, at.to_string().as_bytes()));
    let sending = client.send_behind(frames.collect());
    for at in 0..1000u32 {
        server.hears(TEXT, at.to_string().as_bytes());
        if at % 200 == 100 {
            front.cut_all();
        }
    }
    sending.join().unwrap();
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
    assert!(connections.all() > 3, "{}", connections.all());
}

#[test]
fn a_hook_that_breaks_off_every_question_is_not_flooded_with_it() {
    let (addr, _) = serve(Version::HTTP_2, None, |_| (Duration::ZERO, 0));
    let settings = ["hook.http=\"2\"", "hook.timeout_ms=500", "hook.fail=open"];
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &settings);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    let retries = Scrape::of(&stage.proxy).get("framegate_hook_retries_total{direction=\"send\"}");
    // With the pauses there is time for some ten.
    assert!((1.0..20.0).contains(&retries), "{retries}");
    part(client, server);
}

#[test]
fn in_tls_the_handshake_says_which_http_it_is() {
    for (protocol, version) in [(&b"h2"[..], Version::HTTP_2), (b"http/1.1", Version::HTTP_11)] {
        let dir = tempfile::tempdir().unwrap();
        let (file, config) = certificate(&dir, "127.0.0.1", protocol);
        let (addr, connections) = serve(version, Some(config), stops_attacks);
        let trusted = format!("tls.upstream_ca={file}");
        let settings = [&trusted[..], "hook.timeout_ms=10000", "listen.threads=1"];
        let stage = Stage::new(Some(&format!("https://{addr}/")), None, &settings);
        judges(&stage);
        let connections = connections.all();
        assert!(
            connections <= if version == Version::HTTP_2 { 1 } else { 16 },
            "{connections}"
        );
    }
}

#[test]
fn a_hook_whose_certificate_does_not_hold_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (_, config) = certificate(&dir, "127.0.0.1", b"h2");
    let (addr, _) = serve(Version::HTTP_2, Some(config), stops_attacks);
    let stage = Stage::new(
        Some(&format!("https://{addr}/")),
        None,
        &["hook.timeout_ms=10000", "hook.fail=open"],
    );
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    part(client, server);
    crate::peers::ended(&stage.proxy, "1");
    let row = crate::peers::messages(&stage.proxy, "1").remove(0);
    assert_eq!(row["metadata"]["hook_failure"], "tls", "{row}");
}

#[test]
fn a_shared_connection_is_made_as_soon_as_the_hook_is_back() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = [
        "hook.http=\"2\"",
        "hook.timeout_ms=20000",
        "hook.pool_size=1",
        "hook.in_flight=16",
        "listen.threads=1",
    ];
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &settings);
    let (mut client, mut server) = stage.open();
    for at in 0..16u8 {
        client.send(TEXT, &[b'a' + at]);
    }
    // All want a connection, and there is none to be had.
    let asked = "framegate_hook_requests_total{direction=\"send\"}";
    wait_for("the questions", || {
        (Scrape::of(&stage.proxy).get(asked) == 16.0).then_some(())
    });
    let (_, connections) = serve_at(TcpListener::bind(addr).unwrap(), Version::HTTP_2, None, stops_attacks);
    for at in 0..16u8 {
        server.hears(TEXT, &[b'a' + at]);
    }
    assert_eq!(connections.all(), 1);
    part(client, server);
}

#[test]
fn a_question_has_its_time_when_it_has_a_connection_also_where_tls_says_that_each_has_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = certificate(&dir, "127.0.0.1", b"http/1.1");
    // The hook's own slowness, not the test's waiting: all of them together take twice the time that one has.
    let (addr, connections) = serve(Version::HTTP_11, Some(config), |_| (Duration::from_millis(300), 200));
    let settings = [
        &format!("tls.upstream_ca={file}")[..],
        "hook.timeout_ms=2000",
        "hook.pool_size=1",
        "hook.in_flight=16",
        "listen.threads=1",
    ];
    let stage = Stage::new(Some(&format!("https://{addr}/")), None, &settings);
    let (mut client, mut server) = stage.open();
    for at in 0..13u8 {
        client.send(TEXT, &[b'a' + at]);
    }
    for at in 0..13u8 {
        server.hears(TEXT, &[b'a' + at]);
    }
    assert_eq!(connections.most(), 1);
    part(client, server);
}

#[test]
fn a_shared_connection_that_nobody_uses_makes_room_for_another_hook() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = certificate(&dir, "127.0.0.1", b"h2");
    let (addr, _) = serve(Version::HTTP_2, Some(config), |_| {
        ASKED.store(true, Ordering::SeqCst);
        // It is under way still when the other hook is wanted.
        (Duration::from_millis(200), 200)
    });
    let other = Hook::new(|_| status(200));
    let settings = [
        &format!("tls.upstream_ca={file}")[..],
        "hook.timeout_ms=10000",
        "hook.pool_size=1",
        "listen.threads=1",
    ];
    let stage = Stage::new(Some(&other.url()), Some(&format!("https://{addr}/")), &settings);
    let (mut client, mut server) = stage.open();
    server.send(TEXT, b"down");
    wait_for("the question", || ASKED.load(Ordering::SeqCst).then_some(()));
    client.send(TEXT, b"up");
    server.hears(TEXT, b"up");
    client.hears(TEXT, b"down");
    part(client, server);
}

#[test]
fn a_shared_connection_that_always_has_questions_makes_room_too() {
    const MESSAGES: usize = 400;
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = certificate(&dir, "127.0.0.1", b"h2");
    let (addr, _) = serve(Version::HTTP_2, Some(config), |body| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        // Its own slowness: never do all end together that are under way.
        (Duration::from_millis(10 + 3 * u64::from(body[0] % 7)), 200)
    });
    let other = Hook::new(|_| status(200));
    let settings = [
        &format!("tls.upstream_ca={file}")[..],
        "hook.timeout_ms=10000",
        "hook.pool_size=1",
        "hook.in_flight=4",
        "listen.threads=1",
    ];
    let stage = Stage::new(Some(&format!("https://{addr}/")), Some(&other.url()), &settings);
    let (mut client, mut server) = stage.open();
    let text = |at: usize| [b'a' + u8::try_from(at % 26).unwrap()];
    let frames: Vec<u8> = (0..MESSAGES).flat_map(|at| client.frame(TEXT, &text(at))).collect();
    let sending = client.send_behind(frames);
    wait_for("questions", || (ASKED.load(Ordering::SeqCst) > 10).then_some(()));
    server.send(TEXT, b"down");
    client.hears(TEXT, b"down");
    assert!(
        ASKED.load(Ordering::SeqCst) < MESSAGES,
        "it had to wait for all of the others"
    );
    for at in 0..MESSAGES {
        server.hears(TEXT, &text(at));
    }
    sending.join().unwrap();
    part(client, server);
}
