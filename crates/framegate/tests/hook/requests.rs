//! What a hook's requests say.

use std::io::Write;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::peers::{BINARY, End, TEXT, accepted, part};
use crate::scripted::{Asked, Hook, Stage, status};
use crate::stage::{Proxy, wait_for};

/// One message through a hook, and the request about it.
fn one(settings: &[&str], first: u8, payload: &[u8]) -> Asked {
    let hook = Hook::new(|_| status(200));
    let stage = Stage::sending(&hook, settings);
    let (mut client, mut server) = stage.open();
    client.send(first, payload);
    server.hears(first, payload);
    part(client, server);
    hook.asked().remove(0)
}

#[test]
fn a_raw_request_is_the_payload_at_the_path_of_the_handshake() {
    let asked = one(&[], TEXT, b"hello");
    assert_eq!((&asked.method[..], &asked.target[..]), ("POST", "/chat"));
    assert_eq!(asked.body, b"hello");
    assert_eq!(asked.field("content-type"), None);
    assert_eq!(asked.field("x-forwarded-for"), Some("127.0.0.1"));
    assert!(asked.field("host").unwrap().starts_with("127.0.0.1:"));
    for never in ["upgrade", "sec-websocket-key", "connection"] {
        assert_eq!(asked.field(never), None, "{never}");
    }
}

#[test]
fn the_target_may_be_the_urls_own() {
    let asked = one(&["hook.target=url"], TEXT, b"hello");
    assert_eq!(asked.target, "/hook?own=1");
}

#[test]
fn events_say_which_message_it_is() {
    let asked = one(&[], TEXT, b"hello");
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-type", "framegate.message.text"),
        ("ce-source", "/framegate/1"),
        ("ce-flow", "1"),
        ("ce-sequence", "2"),
        ("ce-direction", "send"),
    ] {
        assert_eq!(asked.field(name), Some(value), "{name}");
    }
    assert!(asked.field("ce-id").unwrap().starts_with("1/2/"));
    assert!(asked.field("ce-time").unwrap().ends_with('Z'));
    let asked = one(&["hook.cloud_events=false"], TEXT, b"hello");
    assert!(!asked.head.contains("ce-"), "{}", asked.head);
}

#[test]
fn events_have_names_of_their_own_where_nothing_is_recorded() {
    let ids: Vec<_> = (0..2)
        .map(|_| {
            one(&["record.enabled=false"], TEXT, b"hello")
                .field("ce-id")
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_signature_can_be_verified() {
    let secret = [7u8; 32];
    let key = format!("hook.signing_key=whsec_{}", BASE64.encode(secret));
    let asked = one(&[&key], TEXT, b"hello");
    let field = |name| asked.field(name).unwrap().to_owned();
    let signed = [field("webhook-id"), field("webhook-timestamp"), "hello".to_owned()].join(".");
    let signature = field("webhook-signature");
    let signature = BASE64.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
}

#[test]
fn the_other_bodies_have_their_type() {
    let asked = one(&["hook.body=waf"], TEXT, br#"{"a":"\u003c"}"#);
    assert_eq!(asked.field("content-type"), Some("application/json"));
    assert_eq!(asked.body, br#"{"a":"\u003c"}"#);
    let asked = one(&["hook.body=waf"], TEXT, b"a b");
    assert_eq!(asked.field("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.body, b"payload=a%20b");
    let asked = one(&["hook.body=json", "gateway.binary=hook"], BINARY, b"\0");
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!((&body["raw_bytes"], &body["flow_id"]), (&"AA==".into(), &"1".into()));
}

/// The handshake of a client with these fields, through a gateway door without a route.
fn gateway(proxy: &Proxy, listener: &std::net::TcpListener, fields: &str) -> (End, End, String) {
    gateway_at(proxy, listener, "/a%20b?c=d", fields)
}

/// The same at another path.
fn gateway_at(proxy: &Proxy, listener: &std::net::TcpListener, path: &str, fields: &str) -> (End, End, String) {
    let mut client = crate::peers::End::client(crate::stage::connect(proxy.addr("gateway")));
    write!(
        client.tcp,
        "GET {path} HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         x-wsproxy-upstream: ws://{}\r\n{fields}\r\n",
        listener.local_addr().unwrap()
    )
    .unwrap();
    let mut server = accepted(listener);
    let head = server.http_head();
    server.agrees("");
    assert!(client.http_head().starts_with("HTTP/1.1 101 "));
    (client, server, head)
}

fn door(settings: &[&str]) -> (Proxy, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut args = vec!["--mode", "gateway@:0", "--set", "hook.timeout_ms=10000"];
    args.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    (Proxy::start_in(tempfile::tempdir().unwrap(), &args), listener)
}

#[test]
fn what_the_proxy_in_front_says_is_for_nobody_else() {
    let hook = Hook::new(|_| status(200));
    let settings = [
        "gateway.secret_header=X-Secret: hunter2",
        r#"hook.handshake_headers=["User-Agent", "Cookie", "X-Secret", "X-Wsproxy-Inboundhook", "Sec-WebSocket-Key"]"#,
    ];
    let (proxy, listener) = door(&settings);
    let fields = format!(
        "x-wsproxy-inboundhook: http://{}/\r\nx-wsproxy-inboundhook-method: PUT\r\n\
         x-wsproxy-inboundhook-headers: x-key=a%2Cb,user-agent=mine,content-length=7,x-wsproxy-a=b\r\n\
         X-Secret: hunter2\r\nCookie: a=b\r\nUser-Agent: theirs\r\nX-Forwarded-For: 192.0.2.7\r\n",
        hook.addr
    );
    let (mut client, mut server, head) = gateway(&proxy, &listener, &fields);
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    let asked = hook.asked().remove(0);
    for head in [&head, &asked.head] {
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("x-wsproxy") && !head.contains("hunter2"), "{head}");
    }
    assert_eq!((&asked.method[..], &asked.target[..]), ("PUT", "/a%20b?c=d"));
    assert_eq!(asked.body, b"hello");
    for (name, value) in [
        ("host", "shop.example"),
        ("x-key", "a,b"),
        ("user-agent", "mine"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "192.0.2.7, 127.0.0.1"),
    ] {
        assert_eq!(asked.field(name), Some(value), "{name}");
    }
    assert_eq!(asked.head.to_ascii_lowercase().matches("user-agent").count(), 1);
}

#[test]
fn a_hook_whose_name_leads_where_it_may_not_is_not_asked() {
    let hook = Hook::new(|_| status(200));
    let (proxy, listener) = door(&[r#"gateway.hook_allow=["*"]"#]);
    let fields = format!("x-wsproxy-inboundhook: http://localhost:{}/\r\n", hook.addr.port());
    let (mut client, mut server, _) = gateway(&proxy, &listener, &fields);
    client.send(TEXT, b"hello");
    crate::peers::both_are_closed(&mut client, &mut server, 1008);
    wait_for("the log", || {
        proxy.log().contains("gateway.hook_allow does not allow").then_some(())
    });
    assert_eq!(hook.connections(), 0);
}

#[test]
fn a_hook_that_one_may_not_ask_is_there_for_who_may() {
    let hook = Hook::new(|_| status(200));
    let route = format!(
        "routes=[{{ path = '/routed', send_hook = 'http://localhost:{}/' }}]",
        hook.addr.port()
    );
    let settings = [
        r#"gateway.hook_allow=["*"]"#,
        "hook.breaker_failures=1",
        "hook.breaker_ms=86400000",
        &route,
    ];
    let (proxy, listener) = door(&settings);
    let fields = format!("x-wsproxy-inboundhook: http://localhost:{}/\r\n", hook.addr.port());
    let (mut client, mut server, _) = gateway(&proxy, &listener, &fields);
    client.send(TEXT, b"hello");
    crate::peers::both_are_closed(&mut client, &mut server, 1008);
    let (mut client, mut server, _) = gateway_at(&proxy, &listener, "/routed", "");
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    assert_eq!(hook.asked().len(), 1);
}

#[test]
fn a_door_of_the_proxy_is_no_hook() {
    let (proxy, listener) = door(&[]);
    let fields = format!("x-wsproxy-inboundhook: http://{}/\r\n", proxy.addr("gateway"));
    let (mut client, mut server, _) = gateway(&proxy, &listener, &fields);
    client.send(TEXT, b"hello");
    crate::peers::both_are_closed(&mut client, &mut server, 1008);
    assert!(proxy.log().contains("a door of this proxy itself"), "{}", proxy.log());
}
