//! A process that may open no further file.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::stage::{Proxy, connect, wait_for};

/// Open files that the process may have.
const FILES: usize = 64;

/// What is said when a client cannot be accepted.
const EXHAUSTED: &str = "no client can be accepted";

/// How long the thread that takes clients has been busy, or ready to be and kept from it by others.
fn busy(proxy: &Proxy) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", proxy.child.id())).unwrap();
    let mut paths = tasks.map(|task| task.unwrap().path());
    let thread = paths
        .find(|path| std::fs::read_to_string(path.join("comm")).unwrap() == "connections-0\n")
        .unwrap();
    let times = std::fs::read_to_string(thread.join("schedstat")).unwrap();
    let times = times.split(' ').take(2).map(|nanos| nanos.parse::<u64>().unwrap());
    Duration::from_nanos(times.sum())
}

fn own_page(mut tcp: TcpStream) -> String {
    write!(
        tcp,
        "GET http://framegate.local/ca.pem HTTP/1.1\r\nHost: framegate.local\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn clients_are_taken_again_when_there_are_files_again() {
    let before = format!("ulimit -Sn {FILES}; ulimit -Hn {FILES}");
    let settings = ["--set", "listen.threads=1", "--set", "limits.handshake_ms=600000"];
    let mut proxy = Proxy::start_behind(&before, &settings);
    let door = proxy.addr("regular");
    let times = |words: &str| proxy.log().matches(words).count();
    for round in 1..=2 {
        let before = times(EXHAUSTED);
        // The system takes them all; the process cannot.
        let clients: Vec<_> = (0..2 * FILES).map(|_| connect(door)).collect();
        wait_for("exhaustion", || (times(EXHAUSTED) > before).then_some(()));
        let start = busy(&proxy);
        std::thread::sleep(Duration::from_secs(1));
        let busy = busy(&proxy) - start;
        assert!(
            busy < Duration::from_millis(500),
            "busy for {busy:?} of a second in which it could do nothing"
        );
        // It was said once, not with each attempt.
        assert_eq!(times(EXHAUSTED), before + 1, "{}", proxy.log());
        drop(clients);
        assert!(own_page(connect(door)).starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(
            times(EXHAUSTED),
            times("clients can be accepted again"),
            "{}",
            proxy.log()
        );
        // Those who waited came in as files became free, and not each of them with a line of its own.
        assert!(times(EXHAUSTED) < round * FILES, "{}", proxy.log());
    }
    proxy.stop();
}
