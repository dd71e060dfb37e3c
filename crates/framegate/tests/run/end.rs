//! How it ends: drained, at once, or because the store failed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;
use serde_json::json;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::stage::{PATIENCE, Proxy, echo_server, wait_for};

#[test]
fn connections_may_end_by_themselves_while_it_drains() {
    let server = echo_server();
    let mut proxy = Proxy::start(&["--set", "limits.drain_ms=600000"]);
    let mut client = proxy.websocket(server);
    client.send(Message::text("before")).unwrap();
    assert_eq!(client.read().unwrap(), Message::text("before"));
    proxy.signal(Signal::TERM);
    proxy.wait_until_draining();
    assert_eq!(proxy.get("/livez").0, 200);
    wait_for("the door to close", || {
        TcpStream::connect(proxy.addr("regular")).is_err().then_some(())
    });
    client.send(Message::text("meanwhile")).unwrap();
    assert_eq!(client.read().unwrap(), Message::text("meanwhile"));
    client.close(None).unwrap();
    while client.read().is_ok() {}
    drop(client);
    assert_eq!(proxy.exit_code(), Some(0), "{}", proxy.log());
    let flow = &proxy.json(&["flows", "--json"])[0];
    assert_eq!(
        (&flow["state"], &flow["close"]["by"]),
        (&json!("complete"), &json!("client"))
    );
}

#[test]
fn what_is_open_after_the_drain_time_is_closed_with_1001() {
    for signal in [Signal::TERM, Signal::INT] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut proxy = Proxy::start(&["--set", "limits.drain_ms=1"]);
        let addr = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let tcp = listener.accept().unwrap().0;
            tcp.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut socket = tungstenite::accept(tcp).unwrap();
            let close = socket.read().unwrap();
            while socket.read().is_ok() {}
            close
        });
        let mut client = proxy.websocket(addr);
        proxy.signal(signal);
        let to_client = client.read().unwrap();
        while client.read().is_ok() {}
        drop(client);
        for close in [to_client, server.join().unwrap()] {
            let Message::Close(Some(close)) = close else {
                panic!("{close:?}")
            };
            assert_eq!(close.code, CloseCode::Away);
        }
        assert_eq!(proxy.exit_code(), Some(0), "{}", proxy.log());
        assert!(!proxy.run_file().exists());
        let flow = &proxy.json(&["flows", "--json"])[0];
        assert_eq!(
            (&flow["state"], &flow["close"]["by"], &flow["close"]["code"]),
            (&json!("error"), &json!("proxy"), &json!(1001)),
            "{flow}"
        );
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut proxy = Proxy::start(&["--set", "limits.drain_ms=600000"]);
        let mut client = proxy.tunnel(listener.local_addr().unwrap());
        client.write_all(b"something that is not HTTP\n").unwrap();
        let mut server = listener.accept().unwrap().0;
        server.read_exact(&mut [0; 27]).unwrap();
        proxy.signal(Signal::TERM);
        proxy.wait_until_draining();
        proxy.signal(Signal::HUP);
        proxy.signal(signal);
        assert_eq!(proxy.exit_code(), Some(code), "{}", proxy.log());
        assert!(!proxy.run_file().exists());
    }
}

#[test]
fn a_store_that_fails_ends_it_if_it_is_told_to() {
    // Files may have no more than some 100 KB; what is more than that is an error to write.
    let before = "trap '' XFSZ; ulimit -f 800";
    let settings = ["--set", "store.on_error=stop", "--set", "limits.drain_ms=1"];
    let mut proxy = Proxy::start_behind(before, &settings);
    let mut client = proxy.websocket(echo_server());
    let message = Message::text("x".repeat(50_000));
    while client.send(message.clone()).is_ok() && client.read().is_ok_and(|answer| answer == message) {}
    assert_eq!(proxy.exit_code(), Some(1), "{}", proxy.log());
    let log = proxy.log();
    assert!(log.lines().last().unwrap().contains("store.on_error"), "{log}");
    assert!(!proxy.run_file().exists());
}
