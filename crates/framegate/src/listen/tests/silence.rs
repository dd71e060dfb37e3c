//! Exchanges in which nothing moves any more, and clients that do not wait for the end.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver as Told, channel};

use super::*;

const SLOW: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn get(addr: SocketAddr, fields: &str) -> String {
    format!("GET http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n{fields}\r\n")
}

fn post(addr: SocketAddr, fields: &str) -> String {
    format!("POST http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n{fields}\r\n")
}

fn impatient(http_idle_ms: u64) -> Proxy {
    Proxy::with("regular@127.0.0.1:0", 1, |settings| {
        settings.limits.http_idle_ms = http_idle_ms;
    })
}

fn half_close(half_close_ms: u64) -> Proxy {
    Proxy::with("regular@127.0.0.1:0", 1, |settings| {
        settings.limits.half_close_ms = half_close_ms;
    })
}

/// A server that says `first` to a request, tells the test of it, and waits for the end of the connection. It gives back
/// what came behind the request's head.
fn silent_server(first: &'static str) -> (SocketAddr, JoinHandle<Vec<String>>, Told<()>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let (addr, thread) = server(1, move |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, first);
        let _ = tell.lock().unwrap().send(());
        read_rest(&mut stream)
    });
    (addr, thread, told)
}

#[test]
fn a_server_that_never_answers_is_a_504() {
    let mut proxy = impatient(300);
    for (request, rest) in [
        (get as fn(SocketAddr, &str) -> String, ""),
        (|addr, _| post(addr, "Content-Length: 3\r\n") + "abc", "abc"),
        // The body is not the client's to send yet.
        (
            |addr, _| post(addr, "Content-Length: 3\r\nExpect: 100-continue\r\n"),
            "",
        ),
    ] {
        let (addr, server, _) = silent_server("");
        let mut client = proxy.client();
        send(&mut client, request(addr, ""));
        let answer = read_rest(&mut client);
        assert!(answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{answer}");
        let says = format!("the server {addr} sent nothing for 300 ms");
        assert!(answer.contains(&says), "{answer}");
        assert_eq!(server.join().unwrap()[0], rest);
        let (error, messages) = proxy.failed();
        assert_eq!(error, says);
        assert_eq!(fact(&messages[1], "by"), Some("proxy"));
    }
}

#[test]
fn an_answer_that_stops_in_the_middle_ends_with_its_connection() {
    let mut proxy = impatient(300);
    for (fields, first) in [
        ("", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        ("", "HTTP/1.1 200 OK\r\n\r\nhalf"),
        (UPGRADE, "HTTP/1.1 401 No\r\nContent-Length: 10\r\n\r\nhalf"),
    ] {
        let (addr, server, _) = silent_server(first);
        let mut client = proxy.client();
        send(&mut client, get(addr, fields));
        assert_eq!(read_rest(&mut client), first);
        assert_eq!(server.join().unwrap()[0], "");
        let (error, messages) = proxy.failed();
        assert!(error.ends_with("sent nothing for 300 ms"), "{error}");
        assert_eq!(messages[1].payload.as_bytes(), b"half");
        assert_eq!(fact(&messages[1], "incomplete"), Some("true"));
    }
}

#[test]
fn a_head_that_stops_in_the_middle_is_a_504_too() {
    let mut proxy = impatient(300);
    let (addr, server, _) = silent_server("HTTP/1.1 200 OK\r\nConte");
    let mut client = proxy.client();
    send(&mut client, get(addr, ""));
    assert!(read_rest(&mut client).starts_with("HTTP/1.1 504 "));
    server.join().unwrap();
    proxy.failed();
}

#[test]
fn a_request_that_stops_in_the_middle_is_a_408() {
    let mut proxy = impatient(300);
    let (addr, server, _) = silent_server("");
    let mut client = proxy.client();
    send(&mut client, post(addr, "Content-Length: 3\r\n") + "ab");
    let answer = read_rest(&mut client);
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!(server.join().unwrap()[0], "ab");
    let (error, messages) = proxy.failed();
    assert_eq!(error, "the client sent no more of its request for 300 ms");
    assert_eq!(fact(&messages[0], "incomplete"), Some("true"));
}

#[test]
fn a_client_that_takes_nothing_any_more_is_not_waited_for() {
    let mut proxy = impatient(300);
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 200 OK\r\n\r\n");
        // More than all buffers on the way hold.
        while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
    });
    let mut client = proxy.client();
    send(&mut client, get(addr, ""));
    server.join().unwrap();
    let (error, _) = proxy.failed();
    assert_eq!(error, "the client took no more of the response for 300 ms");
}

#[test]
fn an_answer_may_go_on_for_longer_than_nothing_may_move() {
    const LIMIT_MS: u64 = 1500;
    let mut proxy = impatient(LIMIT_MS);
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 200 OK\r\n\r\n");
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(LIMIT_MS / 5));
            send(&mut stream, ": still here\n\n");
        }
    });
    let mut client = proxy.client();
    send(&mut client, get(addr, ""));
    assert!(read_rest(&mut client).ends_with(&": still here\n\n".repeat(8)));
    server.join().unwrap();
    assert_eq!(proxy.ended().0.state(), State::Complete);
}

#[test]
fn a_client_that_leaves_takes_the_servers_connection_with_it() {
    let mut proxy = half_close(0);
    for (fields, first, messages_max) in [
        ("", "", 1),
        ("", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 2),
        (UPGRADE, "", 1),
        (UPGRADE, "HTTP/1.1 401 No\r\nContent-Length: 10\r\n\r\nhalf", 2),
    ] {
        let (addr, server, told) = silent_server(first);
        let mut client = proxy.client();
        send(&mut client, get(addr, fields));
        told.recv().unwrap();
        if !first.is_empty() {
            read_until(&mut client, "half");
        }
        drop(client);
        assert_eq!(server.join().unwrap()[0], "");
        let (error, messages) = proxy.failed();
        assert_eq!(error, "the client left before it had the whole response");
        assert_eq!(messages.len(), messages_max);
        assert_eq!(fact(&messages[0], "incomplete"), None);
    }
}

#[test]
fn a_client_that_breaks_off_has_left_however_soon() {
    let mut proxy = half_close(3_600_000);
    let (addr, server, told) = silent_server("");
    let mut client = proxy.client();
    send(&mut client, get(addr, ""));
    told.recv().unwrap();
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    assert_eq!(server.join().unwrap()[0], "");
    assert!(proxy.failed().0.starts_with("the client left"));
}

#[test]
fn a_client_that_only_has_no_more_to_ask_gets_its_answers() {
    let mut proxy = half_close(3_600_000);
    let (tell, told) = channel::<()>();
    let told = Mutex::new(told);
    let (addr, server) = server(1, move |_, mut stream| {
        for _ in 0..2 {
            read_head(&mut stream);
            told.lock().unwrap().recv().unwrap();
            // The end of the client's stream has long come when this does.
            std::thread::sleep(Duration::from_millis(100));
            send(&mut stream, SLOW);
        }
    });
    let mut client = proxy.client();
    send(&mut client, get(addr, "").repeat(2));
    client.shutdown(Shutdown::Write).unwrap();
    tell.send(()).unwrap();
    tell.send(()).unwrap();
    assert_eq!(read_rest(&mut client), SLOW.repeat(2));
    server.join().unwrap();
    for _ in 0..2 {
        assert_eq!(proxy.ended().0.state(), State::Complete);
    }
}

#[test]
fn what_a_client_asks_while_it_waits_is_neither_lost_nor_its_leaving() {
    let proxy = half_close(0);
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let (asked, is_asked) = channel::<()>();
    let is_asked = Mutex::new(is_asked);
    let (addr, server) = server(1, move |_, mut stream| {
        read_head(&mut stream);
        tell.lock().unwrap().send(()).unwrap();
        is_asked.lock().unwrap().recv().unwrap();
        send(&mut stream, SLOW);
        let head = read_head(&mut stream);
        let body = read_bytes(&mut stream, 100_000);
        send(&mut stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        (head, body)
    });
    let mut client = proxy.client();
    send(&mut client, get(addr, ""));
    told.recv().unwrap();
    let body: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    send(&mut client, post(addr, "Content-Length: 100000\r\n"));
    send(&mut client, &body);
    asked.send(()).unwrap();
    assert_eq!(read_until(&mut client, "slow"), SLOW);
    assert!(read_rest(&mut client).starts_with("HTTP/1.1 204 "));
    let (head, received) = server.join().unwrap().remove(0);
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert!(received == body, "the body is not the one that was sent");
}
