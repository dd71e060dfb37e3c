//! Who may open a WebSocket: how many of one source, and from which pages; and clients that say they are others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use crate::peers::Stage;
use crate::stage::{PATIENCE, Proxy, connect, wait_for};

const ROUTE: &str = "routes=[{upstream=['ws://127.0.0.1:1']}]";

/// What the door says to a request for a WebSocket with these fields: its status, its head and its problem. Nobody is
/// behind the door: 502 means that it would have dialled.
fn asks(addr: SocketAddr, fields: &str) -> (u16, String, Value) {
    let mut tcp = connect(addr);
    write!(
        tcp,
        "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), serde_json::from_str(body).unwrap())
}

fn gateway(settings: &[&str]) -> Proxy {
    let sets = [&[ROUTE], settings].concat();
    let args: Vec<&str> = sets.iter().flat_map(|setting| ["--set", setting]).collect();
    Proxy::start_in(
        tempfile::tempdir().unwrap(),
        &[&["--mode", "gateway@:0"], &args[..]].concat(),
    )
}

fn statuses(proxy: &Proxy, fields: &[&str]) -> Vec<u16> {
    let addr = proxy.addr("gateway");
    fields.iter().map(|fields| asks(addr, fields).0).collect()
}

#[test]
fn one_source_too_many_gets_429_until_another_ends() {
    let stage = Stage::new(&["limits.source_connections_max=2"]);
    let first = stage.open();
    let _second = stage.open();
    let (status, head, problem) = asks(stage.proxy.addr("reverse"), "");
    assert_eq!(
        (status, problem["type"].as_str()),
        (429, Some("urn:framegate:problem:too-many-connections"))
    );
    assert!(head.contains("\r\nRetry-After: "), "{head}");
    let flow = wait_for("the refusal", || {
        let flows = stage.proxy.json(&["flows", "--json"]);
        flows.into_iter().find(|flow| flow["state"] == "error")
    });
    assert!(
        flow["error"].as_str().unwrap().contains("source_connections_max"),
        "{flow}"
    );
    let (client, server) = first;
    crate::peers::part(client, server);
    crate::peers::ended(&stage.proxy, "1");
    // The connection's place is free a moment after its flow has ended.
    wait_for("a free place", || {
        let mut tcp = TcpStream::connect(stage.proxy.addr("reverse")).unwrap();
        write!(
            tcp,
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        // Whoever is let in waits for a server that says nothing.
        tcp.set_read_timeout(Some(PATIENCE / 100)).unwrap();
        tcp.read(&mut [0; 12]).is_err().then_some(())
    });
}

#[test]
fn new_websockets_a_minute_are_counted_though_they_end() {
    let proxy = gateway(&["limits.source_connections_per_minute_max=2"]);
    assert_eq!(statuses(&proxy, &["", "", ""]), [502, 502, 429]);
}

#[test]
fn behind_a_trusted_proxy_the_last_hop_that_is_not_trusted_is_the_source() {
    let proxy = gateway(&[
        "limits.source_connections_per_minute_max=1",
        "gateway.trusted_proxies=['127.0.0.0/8', '10.0.0.0/8']",
    ]);
    let hops = [
        ("X-Forwarded-For: 192.0.2.1\r\n", 502),
        ("X-Forwarded-For: 192.0.2.1\r\n", 429),
        // What a client has put before it does not count, nor do trusted proxies behind it.
        ("X-Forwarded-For: 198.51.100.7, 192.0.2.1\r\n", 429),
        ("X-Forwarded-For: 192.0.2.1, 10.1.2.3\r\n", 429),
        (
            "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.1.2.3, 127.0.0.1\r\n",
            429,
        ),
        ("X-Forwarded-For: 192.0.2.1:4711\r\n", 429),
        ("X-Forwarded-For: ::ffff:192.0.2.1\r\n", 429),
        ("X-Forwarded-For: 192.0.2.2\r\n", 502),
        ("X-Forwarded-For: [2001:db8::1]:80\r\n", 502),
        ("X-Forwarded-For: 2001:db8::ffff:2\r\n", 429),
        ("X-Forwarded-For: 2001:db8:0:1::1\r\n", 502),
        // Nobody knows who that is: it counts for the proxy that says so.
        ("X-Forwarded-For: unknown\r\n", 502),
        ("X-Forwarded-For: nobody\r\n", 429),
        ("", 429),
    ];
    for (fields, status) in hops {
        assert_eq!(statuses(&proxy, &[fields]), [status], "{fields}");
    }
}

#[test]
fn who_is_not_trusted_is_whoever_its_connection_comes_from() {
    for settings in [
        &["gateway.trusted_proxies=['192.0.2.0/24']"][..],
        &["gateway.secret_header=x-secret: s"],
    ] {
        let proxy = gateway(&[&["limits.source_connections_per_minute_max=1"], settings].concat());
        let spoofed = ["X-Forwarded-For: 192.0.2.77\r\n", "X-Forwarded-For: 192.0.2.78\r\n"];
        assert_eq!(statuses(&proxy, &spoofed), [502, 429], "{settings:?}");
    }
}

#[test]
fn only_pages_that_are_meant_open_a_websocket() {
    let proxy =
        gateway(&["upgrade.origins_allow=['https://app.example', 'https://*.wide.example', 'http://dev:3000']"]);
    for (fields, status) in [
        ("Origin: https://app.example\r\n", 502),
        ("origin: HTTPS://APP.example:443\r\n", 502),
        ("Origin: https://a.b.wide.example\r\n", 502),
        ("Origin: http://dev:3000\r\n", 502),
        ("Origin: http://dev\r\n", 403),
        ("Origin: https://wide.example\r\n", 403),
        ("Origin: https://app.example.evil.test\r\n", 403),
        ("Origin: https://app.example@evil.test\r\n", 403),
        ("Origin: https://app.example.\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin:\r\n", 403),
        ("Origin: https://app.example, https://evil.test\r\n", 403),
        ("Origin: https://app.example\r\nOrigin: https://evil.test\r\n", 403),
        ("Origin: https://app.example\r\nOrigin: https://app.example\r\n", 403),
        ("", 403),
    ] {
        let (answered, _, problem) = asks(proxy.addr("gateway"), fields);
        assert_eq!(answered, status, "{fields}");
        if status == 403 {
            assert_eq!(problem["type"], "urn:framegate:problem:forbidden-origin");
        }
    }
    let flow = wait_for("a refusal", || {
        let flows = proxy.json(&["flows", "--json"]);
        let refused = |flow: &Value| flow["error"].as_str().is_some_and(|error| error.contains("evil.test"));
        flows.into_iter().find(refused)
    });
    assert_eq!(flow["server_addr"], Value::Null, "nothing was dialled");
}

#[test]
fn a_route_has_origins_of_its_own_and_a_client_may_have_none() {
    let routes = "routes=[\
        {path='/chat', upstream=['ws://127.0.0.1:1'], origins=['https://chat.example']},\
        {upstream=['ws://127.0.0.1:1']}]";
    let proxy = gateway(&[
        routes,
        "upgrade.origins_allow=https://app.example",
        "upgrade.origin_required=false",
    ]);
    let fields = [
        "Origin: https://chat.example\r\n",
        "Origin: https://app.example\r\n",
        "",
    ];
    assert_eq!(statuses(&proxy, &fields), [502, 403, 502]);
}

#[test]
fn the_reverse_door_asks_for_the_origin_too() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let mode = format!("reverse:http://{}@:0", nobody.local_addr().unwrap());
    let home = tempfile::tempdir().unwrap();
    let proxy = Proxy::start_in(
        home,
        &["--mode", &mode, "--set", "upgrade.origins_allow=https://app.example"],
    );
    let (status, ..) = asks(proxy.addr("reverse"), "Origin: https://evil.test\r\n");
    assert_eq!(status, 403);
    nobody.set_nonblocking(true).unwrap();
    assert!(nobody.accept().is_err(), "nothing was dialled");
}
