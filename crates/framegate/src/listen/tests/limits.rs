//! How many, how long, and the end.

use super::*;

#[test]
fn one_client_too_many_waits_until_another_ends() {
    let proxy = Proxy::with("regular@127.0.0.1:0", 2, |settings| settings.limits.connections_max = 2);
    let page = "GET http://framegate.local/ca.pem HTTP/1.1\r\nHost: framegate.local\r\n\r\n";
    let mut clients: Vec<_> = (0..6).map(|_| proxy.client()).collect();
    for client in &mut clients {
        send(client, page);
    }
    // Whichever are let in first, each that ends makes room for the next.
    for mut client in clients {
        assert!(read_rest(&mut client).starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

/// A client that is let in and stays, and its server.
fn seated(proxy: &Proxy) -> (TcpStream, JoinHandle<Vec<TcpStream>>) {
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        send(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
        stream
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!("GET http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    );
    read_until(&mut client, "\r\n\r\nx");
    (client, server)
}

#[test]
fn a_client_over_the_limit_gets_no_answer_before_there_is_room() {
    let proxy = Proxy::with("regular@127.0.0.1:0", 1, |settings| settings.limits.connections_max = 1);
    let (first, server) = seated(&proxy);
    let mut second = proxy.client();
    send(&mut second, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let early = second.read(&mut [0]).unwrap_err().kind();
    assert!(
        matches!(early, std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        "{early}"
    );
    drop(first);
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(read_rest(&mut second).starts_with("HTTP/1.1 400 "));
    server.join().unwrap();
}

#[test]
fn all_who_wait_are_let_in_when_the_limit_is_raised() {
    let proxy = Proxy::with("regular@127.0.0.1:0", 3, |settings| settings.limits.connections_max = 1);
    let (first, server) = seated(&proxy);
    // So many that there are some at each thread.
    let waiting: Vec<_> = (0..30).map(|_| proxy.client()).collect();
    let mut settings = Settings::clone(&proxy.world.settings.load());
    settings.limits.connections_max = 100;
    proxy.world.settings.store(Arc::new(settings));
    proxy.world.slots.look_again();
    for mut client in waiting {
        send(
            &mut client,
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        );
        read_until(&mut client, "HTTP/1.1 400 ");
    }
    drop(first);
    server.join().unwrap();
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let proxy = Proxy::with("regular@127.0.0.1:0", 1, |settings| settings.limits.handshake_ms = 200);
    let mut silent = proxy.client();
    let mut slow = proxy.client();
    send(&mut slow, "GET http://h/ HTT");
    assert_eq!(read_rest(&mut silent), "");
    assert!(read_rest(&mut slow).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

#[test]
fn threads_share_a_port_and_an_address_is_never_shared_with_others() {
    let proxy = Proxy::with("regular@127.0.0.1:0", 3, |_| {});
    let mode = format!("regular@{}", proxy.addr).parse().unwrap();
    let error = start(&[mode], 3, proxy.world.clone()).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {} for regular@", proxy.addr)),
        "{error}"
    );
    for _ in 0..20 {
        let mut client = proxy.client();
        send(&mut client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(read_rest(&mut client).starts_with("HTTP/1.1 400 "));
    }
}

#[test]
fn stopping_ends_waiting_connections_and_lets_others_finish() {
    let mut proxy = Proxy::regular();
    let (told, is_told) = std::sync::mpsc::channel::<()>();
    let is_told = std::sync::Mutex::new(is_told);
    let (addr, server) = server(2, move |_, mut stream| {
        let head = read_head(&mut stream);
        if head.starts_with("GET /slow ") {
            is_told.lock().unwrap().recv().unwrap();
        }
        send(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
        stream
    });
    let mut idle = proxy.client();
    send(
        &mut idle,
        format!("GET http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    );
    read_until(&mut idle, "\r\n\r\nx");
    let mut busy = proxy.client();
    send(
        &mut busy,
        format!("GET http://{addr}/slow HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    );
    proxy.ended();
    // The second exchange is under way as soon as it is on record.
    while !matches!(proxy.live.blocking_recv().as_deref(), Ok(Live::Flow(_))) {}
    proxy.world.stop_accepting.cancel();
    assert_eq!(read_rest(&mut idle), "");
    told.send(()).unwrap();
    assert!(read_rest(&mut busy).ends_with("\r\n\r\nx"));
    proxy.listening.take().unwrap().join();
    assert!(TcpStream::connect(proxy.addr).is_err());
    server.join().unwrap();
}

#[test]
fn closing_now_ends_an_exchange_as_an_error() {
    let mut proxy = Proxy::regular();
    let (addr, server) = server(1, |_, mut stream| {
        read_head(&mut stream);
        read_rest(&mut stream)
    });
    let mut client = proxy.client();
    send(
        &mut client,
        format!("GET http://{addr}/ HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    );
    while !matches!(proxy.live.blocking_recv().as_deref(), Ok(Live::Flow(_))) {}
    proxy.world.stop_accepting.cancel();
    proxy.world.close_now.cancel();
    proxy.listening.take().unwrap().join();
    assert_eq!(read_rest(&mut client), "");
    assert_eq!(server.join().unwrap()[0], "");
    proxy.failed();
}
