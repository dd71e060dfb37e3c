//! What a connection of the gateway door is held to.

use crate::peers::{FIN, PING, TEXT, both_are_closed};
use crate::scene::{Server, gateway, open};

#[test]
fn without_a_word_a_message_has_2048_bytes_at_the_most() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let (mut client, mut behind) = open(&proxy, &server, &[]);
    client.send(TEXT, &[b'a'; 2048]);
    behind.hears(TEXT, &[b'a'; 2048]);
    client.send(TEXT, &[b'a'; 2049]);
    both_are_closed(&mut client, &mut behind, 1009);
}

#[test]
fn fragments_do_not_get_past_maxframesize() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let (mut client, mut behind) = open(&proxy, &server, &["x-wsproxy-maxframesize: 10"]);
    client.send(TEXT & !FIN, b"123456");
    client.send(PING, b"");
    client.send(FIN, b"78901");
    behind.hears(PING, b"");
    // Nothing of it had left: it was not whole.
    both_are_closed(&mut client, &mut behind, 1009);
}

#[test]
fn the_limits_of_the_proxy_go_for_the_gateway_as_well() {
    let (proxy, server) = (gateway(&["limits.message_bytes_max=200"]), Server::new());
    let (mut client, mut behind) = open(&proxy, &server, &["x-wsproxy-maxframesize: 100000"]);
    behind.send(TEXT, &[b'a'; 201]);
    both_are_closed(&mut client, &mut behind, 1009);
}

#[test]
fn idletimeout_closes_both_with_1001() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let (mut client, mut behind) = open(&proxy, &server, &["x-wsproxy-idletimeout: 200"]);
    both_are_closed(&mut client, &mut behind, 1001);
}

#[test]
fn validateutf8_closes_both_with_1007() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let (mut client, mut behind) = open(&proxy, &server, &[]);
    client.send(TEXT, b"\xff");
    behind.hears(TEXT, b"\xff");
    let (mut client, mut behind) = open(&proxy, &server, &["x-wsproxy-validateutf8: true"]);
    client.send(TEXT, b"\xff");
    both_are_closed(&mut client, &mut behind, 1007);
}

#[test]
fn what_breaks_the_protocol_ends_the_conversation() {
    let (proxy, server) = (gateway(&[]), Server::new());
    let (mut client, mut behind) = open(&proxy, &server, &[]);
    client.send(0x83, b"a reserved opcode");
    both_are_closed(&mut client, &mut behind, 1002);
}
