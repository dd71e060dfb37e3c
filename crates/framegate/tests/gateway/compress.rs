//! Each leg compressed or not, whatever the other is.

use wire::deflate::{Caps, Deflater, Inflated, Inflater};

use crate::peers::{End, FIN, Heard, PING, RSV1, TEXT, both_are_closed, part};
use crate::scene::{Server, ask, gateway};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
const COMPRESS: &str = "x-wsproxy-compress: true";

/// A WebSocket for which the server agrees to these extensions: both ends, and what each was told of extensions.
fn open(settings: &[&str], fields: &[&str], agrees: &str) -> (crate::stage::Proxy, End, End, [Option<String>; 2]) {
    let (proxy, server) = (gateway(settings), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    let mut client = ask(&proxy, "/", &[&[upstream.as_str()], fields].concat());
    let (mut behind, asked) = server.accept();
    behind.agrees(agrees);
    let answer = client.http_head();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (proxy, client, behind, [extensions(&answer), extensions(&asked)])
}

fn extensions(head: &str) -> Option<String> {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    line.map(str::to_owned)
}

fn text(len: usize) -> Vec<u8> {
    b"the same words again and again "
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}

fn inflate(inflater: &mut Inflater, small: &[u8]) -> Vec<u8> {
    let caps = Caps {
        message_bytes_max: 1 << 20,
        ratio_max: u32::MAX,
        keep_bytes_max: usize::MAX,
    };
    let mut out = Inflated::default();
    inflater.push(small, &caps, &mut out).unwrap();
    inflater.finish(&caps, &mut out).unwrap();
    out.bytes
}

/// The client speaks permessage-deflate, the server plain: text goes both ways, and stays what it is.
fn talks_compressed_to_the_client(client: &mut End, behind: &mut End) {
    let (mut deflater, mut inflater) = (Deflater::new(15, true).unwrap(), Inflater::new(true));
    for len in [0, 5, 300, 2000] {
        let message = text(len);
        let mut small = Vec::new();
        deflater.compress(&message, &mut small);
        let (start, end) = small.split_at(small.len() / 2);
        client.send((TEXT | RSV1) & !FIN, start);
        client.send(PING, b"between");
        client.send(FIN, end);
        behind.hears(PING, b"between");
        behind.hears(TEXT, &message);
        behind.send(TEXT, &message);
        let Heard::Frame(frame) = client.hear() else {
            panic!("no frame")
        };
        let got = match frame.first {
            TEXT => frame.payload,
            first => {
                assert_eq!(first, TEXT | RSV1);
                assert!(frame.payload.len() < len);
                inflate(&mut inflater, &frame.payload)
            }
        };
        assert_eq!(got, message);
    }
}

#[test]
fn without_a_word_nothing_is_compressed_and_nothing_is_offered() {
    let (_proxy, mut client, mut behind, told) = open(&[], &[OFFER], "");
    assert_eq!(told, [None, None]);
    client.send(TEXT | RSV1, b"x");
    both_are_closed(&mut client, &mut behind, 1002);
}

#[test]
fn the_clients_leg_alone_is_compressed() {
    let (_proxy, mut client, mut behind, told) = open(&[], &[OFFER, COMPRESS], "");
    assert_eq!(told, [Some("permessage-deflate".to_owned()), None]);
    talks_compressed_to_the_client(&mut client, &mut behind);
    part(client, behind);
}

#[test]
fn a_client_that_offers_nothing_gets_nothing() {
    let (_proxy, client, behind, told) = open(&[], &[COMPRESS], "");
    assert_eq!(told, [None, None]);
    part(client, behind);
}

#[test]
fn the_servers_leg_alone_is_compressed() {
    let settings = ["gateway.compress_upstream=true"];
    let (_proxy, mut client, mut behind, told) = open(&settings, &[], "permessage-deflate");
    assert!(told[1].as_ref().unwrap().starts_with("permessage-deflate"), "{told:?}");
    assert_eq!(told[0], None);
    let message = text(500);
    client.send(TEXT, &message);
    let Heard::Frame(frame) = behind.hear() else {
        panic!("no frame")
    };
    assert_eq!((frame.first, frame.masked), (TEXT | RSV1, true));
    assert_eq!(inflate(&mut Inflater::new(true), &frame.payload), message);
    let mut small = Vec::new();
    Deflater::new(15, true).unwrap().compress(&message, &mut small);
    behind.send(TEXT | RSV1, &small);
    client.hears(TEXT, &message);
    part(client, behind);
}

#[test]
fn where_both_legs_agree_bytes_pass_as_they_come() {
    let settings = ["gateway.compress_upstream=true"];
    let agreed = "permessage-deflate; client_max_window_bits=10";
    let (_proxy, mut client, mut behind, told) = open(&settings, &[OFFER, COMPRESS], agreed);
    assert_eq!(told[0].as_deref(), Some(agreed));
    let mut small = Vec::new();
    Deflater::new(10, true).unwrap().compress(&text(500), &mut small);
    client.send((TEXT | RSV1) & !FIN, &small[..3]);
    client.send(FIN, &small[3..]);
    behind.hears((TEXT | RSV1) & !FIN, &small[..3]);
    behind.hears(FIN, &small[3..]);
    part(client, behind);
}

#[test]
fn a_server_that_declines_does_not_take_it_from_the_client() {
    let settings = ["gateway.compress_upstream=true"];
    let (_proxy, mut client, mut behind, told) = open(&settings, &[OFFER, COMPRESS], "");
    assert_eq!(told[0].as_deref(), Some("permessage-deflate"));
    assert!(told[1].is_some());
    talks_compressed_to_the_client(&mut client, &mut behind);
    part(client, behind);
}

#[test]
fn a_server_that_agrees_to_what_it_was_not_offered_is_a_502() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let upstream = format!("x-wsproxy-upstream: {}", server.url());
    let client = ask(&proxy, "/", &[&upstream, OFFER]);
    let (mut behind, _) = server.accept();
    behind.agrees("permessage-deflate");
    let (status, problem) = crate::scene::problem(client);
    assert_eq!(
        (status, problem["type"].as_str()),
        (502, Some("urn:framegate:problem:unreadable-extension"))
    );
}

#[test]
fn a_bomb_on_the_compressed_leg_does_not_reach_the_plain_one() {
    let (_proxy, mut client, mut behind, _) = open(&[], &[OFFER, COMPRESS], "");
    let mut small = Vec::new();
    Deflater::new(15, true).unwrap().compress(&vec![0; 1 << 20], &mut small);
    assert!(small.len() < 2048);
    client.send(TEXT | RSV1, &small);
    both_are_closed(&mut client, &mut behind, 1009);
}
