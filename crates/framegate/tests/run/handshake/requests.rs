//! Requests that are as odd as a request may be: they reach the server as they were sent.

use std::io::Write;

use super::*;

/// Name, and the header lines of a request that passes.
const ODD_REQUESTS: &[(&str, &[&str])] = &[
    (
        "order-and-case",
        &[
            "x-first: 1",
            "sec-websocket-VERSION: 13",
            "UPGRADE: WebSocket",
            "sec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==",
            "hOsT: {host}",
            "CONNECTION: UPGRADE",
            "X-Last: 2",
        ],
    ),
    (
        "keep-alive-and-upgrade",
        &[
            "Connection: keep-alive, Upgrade",
            "Host: {host}",
            "Upgrade: websocket",
            KEY,
            "Sec-WebSocket-Version: 13",
        ],
    ),
    (
        "tokens-over-lines",
        &[
            "Connection: keep-alive",
            "connection: , upgrade,",
            "Upgrade: h2c, foo/1",
            "Upgrade: websocket",
            "Host: {host}",
            KEY,
            "Sec-WebSocket-Version: 13",
        ],
    ),
    (
        "repeated-lines",
        &[
            VALID,
            "Cookie: a=b",
            "X-Twice: 1",
            "cookie: c=d",
            "x-twice: 2",
            "Cookie: a=b",
        ],
    ),
    (
        "spaces",
        &[
            VALID,
            "X-Empty:",
            "X-Tight:v",
            "X-Wide: \t v \t ",
            "X-Other-Letters: Gr\u{fc}\u{df}e",
            "X-Only-Space:   ",
        ],
    ),
    ("8-kib-header", &[VALID, "Cookie: {8k}", "X-Behind: 1"]),
    ("40-kib-of-headers", &[VALID, "{100 lines}", "X-Behind: 1"]),
    (
        "offers-over-lines",
        &[
            VALID,
            "Sec-WebSocket-Protocol: chat",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            "sec-websocket-protocol: talk , v2",
            "Sec-WebSocket-Extensions: x-own; a=\"b\", permessage-deflate",
        ],
    ),
    (
        "malformed-offer",
        &[VALID, "Sec-WebSocket-Extensions: a;;b=, permessage-deflate"],
    ),
    ("no-body-of-no-length", &[VALID, "Content-Length: 0"]),
    (
        "key-of-random-letters",
        &[
            "Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key:  abcdefghijklmnopqrstuv== ",
            "Sec-WebSocket-Version: 13 ",
        ],
    ),
];

#[test]
fn an_odd_request_reaches_the_server_as_it_was_sent() {
    let stage = Stage::new();
    for (name, lines) in ODD_REQUESTS {
        for way in WAYS {
            let (path, about) = (format!("/{name}/{way:?}?a=%20b;c"), format!("{name}, {way:?}"));
            let request = stage.request(way, &path, lines);
            let mut client = stage.client(way);
            client.write_all(&request).unwrap();
            let mut server = stage.accepted();
            assert_same(&read_head(&mut server), &stage.arrives(&path, lines), &about);
            let answer = head(SWITCH, &[], stage.server);
            server.write_all(&answer).unwrap();
            assert_same(&read_head(&mut client), &answer, &about);
            Stage::converse(client, server);

            // On record is what the client said, not what was made of it.
            let (flow, messages) = stage.recorded(&path);
            assert_eq!(flow["state"], "complete", "{about}: {flow}");
            assert_same(payload(&messages[0]).as_bytes(), &request, &about);
            assert_eq!(messages.len(), 6, "{about}");
        }
    }
}

#[test]
fn frames_in_one_write_with_the_heads_are_not_lost() {
    let stage = Stage::new();
    for way in WAYS {
        let path = format!("/early/{way:?}");
        let mut client = stage.client(way);
        let request = stage.request(way, &path, &[VALID]);
        client
            .write_all(&[&request, CLIENT_TEXT, CLIENT_TEXT, CLIENT_CLOSE].concat())
            .unwrap();
        let mut server = stage.accepted();
        assert_same(&read_head(&mut server), &stage.arrives(&path, &[VALID]), &path);
        let answer = head(SWITCH, &[], stage.server);
        server
            .write_all(&[&answer, SERVER_TEXT, SERVER_TEXT, SERVER_CLOSE].concat())
            .unwrap();
        let expected = [CLIENT_TEXT, CLIENT_TEXT, CLIENT_CLOSE].concat();
        assert_same(&bytes(&mut server, expected.len()), &expected, &path);
        drop(server);
        let expected = [&answer, SERVER_TEXT, SERVER_TEXT, SERVER_CLOSE].concat();
        assert_same(&rest(&mut client), &expected, &path);
        drop(client);
        let (flow, messages) = stage.recorded(&path);
        assert_eq!(flow["state"], "complete", "{flow}");
        assert_eq!((messages.len(), payload(&messages[2]).len()), (8, 2), "{messages:?}");
    }
}
