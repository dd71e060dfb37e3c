//! What servers say to an upgrade: a 101 passes as it came and its flaws are noted, other answers pass with their
//! bodies, and what is no answer is a 502.

use std::io::Write;

use super::*;

const PLAIN: &str = "X-Offers: none";
const OFFERS: &str = "Sec-WebSocket-Protocol: chat, talk\r\n\
                      Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, x-own";

/// Name, what the client offers, the answer's lines, and what must be noted.
type Answer = (
    &'static str,
    &'static str,
    &'static [&'static str],
    Option<&'static str>,
);

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10";

const SWITCHES: &[Answer] = &[
    (
        "odd",
        OFFERS,
        &[
            "HTTP/1.1 101",
            "x-first:1",
            "SEC-WEBSOCKET-accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= ",
            "upgrade: WebSocket",
            "CONNECTION: keep-alive, UPGRADE",
            "Set-Cookie: a=b",
            "X-Empty:",
            "Set-Cookie: c=d",
        ],
        None,
    ),
    (
        "one-of-several-lines",
        OFFERS,
        &[SWITCH, "Sec-WebSocket-Protocol: talk", DEFLATE],
        None,
    ),
    (
        "extensions-over-lines",
        OFFERS,
        &[SWITCH, DEFLATE, "sec-websocket-extensions: x-own; q"],
        None,
    ),
    ("8-kib-header", PLAIN, &[SWITCH, "Set-Cookie: {8k}"], None),
    ("content-length", PLAIN, &[SWITCH, "Content-Length: 4"], None),
    ("chunked", PLAIN, &[SWITCH, "Transfer-Encoding: chunked"], None),
    (
        "wrong-accept",
        PLAIN,
        &[
            "HTTP/1.1 101 X",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: nonsense",
        ],
        Some("the Sec-WebSocket-Accept does not answer the key"),
    ),
    (
        "no-accept",
        PLAIN,
        &["HTTP/1.1 101 X", "Upgrade: websocket", "Connection: Upgrade"],
        Some("the 101 has no Sec-WebSocket-Accept"),
    ),
    (
        "two-accepts",
        PLAIN,
        &[SWITCH, ACCEPT],
        Some("the Sec-WebSocket-Accept does not answer the key"),
    ),
    (
        "no-upgrade",
        PLAIN,
        &["HTTP/1.1 101 X", "Connection: Upgrade", ACCEPT],
        Some("the 101 has no Upgrade: websocket"),
    ),
    (
        "no-connection",
        PLAIN,
        &["HTTP/1.1 101 X", "Upgrade: websocket", ACCEPT],
        Some("the 101 has no Connection: Upgrade"),
    ),
    (
        "http-1-0",
        PLAIN,
        &["HTTP/1.0 101 X", "Upgrade: websocket", "Connection: Upgrade", ACCEPT],
        Some("the 101 is of HTTP/1.0"),
    ),
    (
        "extension-of-nobody",
        OFFERS,
        &[SWITCH, "Sec-WebSocket-Extensions: x-other"],
        Some("the extension \"x-other\" was not offered"),
    ),
    (
        "deflate-of-nobody",
        PLAIN,
        &[SWITCH, "Sec-WebSocket-Extensions: permessage-deflate"],
        Some("the extension \"permessage-deflate\" was not offered"),
    ),
    (
        "subprotocol-of-nobody",
        OFFERS,
        &[SWITCH, "Sec-WebSocket-Protocol: Chat"],
        Some("the subprotocol \"Chat\" was not offered"),
    ),
    (
        "two-subprotocols",
        OFFERS,
        &[SWITCH, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: talk"],
        Some("more than one subprotocol was chosen"),
    ),
    (
        "deflate-beyond-the-offer",
        OFFERS,
        &[
            SWITCH,
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9",
        ],
        Some("no offer allows permessage-deflate; client_max_window_bits=9"),
    ),
    (
        "deflate-of-no-such-window",
        OFFERS,
        &[
            SWITCH,
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16",
        ],
        Some("server_max_window_bits"),
    ),
    (
        "deflate-of-unknown-parameter",
        OFFERS,
        &[SWITCH, "Sec-WebSocket-Extensions: permessage-deflate; fast"],
        Some("fast"),
    ),
    ("deflate-twice", OFFERS, &[SWITCH, DEFLATE, DEFLATE], Some("twice")),
    (
        "malformed-extensions",
        OFFERS,
        &[SWITCH, "Sec-WebSocket-Extensions: ;"],
        Some("Sec-WebSocket-Extensions"),
    ),
];

#[test]
fn a_101_reaches_the_client_as_it_came_and_its_flaws_are_on_record() {
    let stage = Stage::new();
    for (name, offer, lines, flaw) in SWITCHES {
        for way in WAYS {
            let (path, about) = (format!("/{name}/{way:?}"), format!("{name}, {way:?}"));
            let mut client = stage.client(way);
            client.write_all(&stage.request(way, &path, &[VALID, offer])).unwrap();
            let mut server = stage.accepted();
            assert_same(&read_head(&mut server), &stage.arrives(&path, &[VALID, offer]), &about);
            // The first frame comes with the head, as one write.
            let answer = head(lines[0], &lines[1..], stage.server);
            server.write_all(&[&answer, SERVER_TEXT].concat()).unwrap();
            assert_same(&read_head(&mut client), &answer, &about);
            assert_eq!(bytes(&mut client, SERVER_TEXT.len()), SERVER_TEXT, "{about}");
            Stage::converse(client, server);

            let (flow, messages) = stage.recorded(&path);
            assert_eq!(
                (&flow["protocol"], &flow["state"]),
                (&"WebSocket".into(), &"complete".into()),
                "{about}"
            );
            assert_same(payload(&messages[1]).as_bytes(), &answer, &about);
            let noted = messages[1]["metadata"]["violation"].as_str();
            match flaw {
                None => assert_eq!(noted, None, "{about}"),
                Some(flaw) => assert!(noted.is_some_and(|noted| noted.contains(flaw)), "{about}: {noted:?}"),
            }
            assert_eq!(messages.len(), 7, "{about}");
        }
    }
}

/// Name, the answer, and whether the server's connection ends with it.
const TURNED_DOWN: &[(&str, &str, bool)] = &[
    ("200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false),
    (
        "200-long",
        "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n{64k}",
        false,
    ),
    (
        "200-to-the-end",
        "HTTP/1.1 200 OK\r\nx-odd:  1 \r\n\r\nto the end",
        true,
    ),
    (
        "302",
        "HTTP/1.1 302 Found\r\nlocation: /there\r\nContent-Length: 0\r\n\r\n",
        false,
    ),
    (
        "401",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nwho\r\n0\r\n\r\n",
        false,
    ),
    (
        "403-that-closes",
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        true,
    ),
    (
        "426",
        "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nContent-Length: 0\r\n\r\n",
        false,
    ),
    ("204", "HTTP/1.1 204 No Content\r\n\r\n", false),
    ("http-1-0", "HTTP/1.0 400 Bad\r\n\r\nold", true),
];

#[test]
fn an_answer_that_is_no_101_reaches_the_client_with_its_body() {
    let stage = Stage::new();
    for (name, answer, ends) in TURNED_DOWN {
        let answer = answer.replace("{64k}", &"k".repeat(64 << 10));
        for way in WAYS {
            let (path, about) = (format!("/{name}/{way:?}"), format!("{name}, {way:?}"));
            let mut client = stage.client(way);
            client.write_all(&stage.request(way, &path, &[VALID, OFFERS])).unwrap();
            let mut server = stage.accepted();
            read_head(&mut server);
            server.write_all(answer.as_bytes()).unwrap();
            if *ends {
                drop(server);
                assert_same(&rest(&mut client), answer.as_bytes(), &about);
                drop(client);
            } else {
                assert_same(&bytes(&mut client, answer.len()), answer.as_bytes(), &about);
                succeed_on_the_same_connections(&stage, way, client, server);
            }
            let (flow, messages) = stage.recorded(&path);
            assert_eq!(
                (&flow["protocol"], &flow["state"]),
                (&"HTTP".into(), &"complete".into()),
                "{about}: {flow}"
            );
            assert_eq!(messages[1]["metadata"]["status"], answer[9..12], "{about}");
        }
    }
}

/// The next try goes the same way, and is granted.
fn succeed_on_the_same_connections(stage: &Stage, way: Way, mut client: TcpStream, mut server: TcpStream) {
    client.write_all(&stage.request(way, "/again", &[VALID])).unwrap();
    assert_same(&read_head(&mut server), &stage.arrives("/again", &[VALID]), "again");
    let switch = head(SWITCH, &[], stage.server);
    server.write_all(&switch).unwrap();
    assert_same(&read_head(&mut client), &switch, "again");
    Stage::converse(client, server);
}

#[test]
fn frames_behind_a_request_that_is_turned_down_reach_nobody() {
    let stage = Stage::new();
    let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    for way in WAYS {
        let mut client = stage.client(way);
        let request = stage.request(way, &format!("/early/{way:?}"), &[VALID]);
        client
            .write_all(&[&request, CLIENT_TEXT, CLIENT_CLOSE].concat())
            .unwrap();
        let mut server = stage.accepted();
        read_head(&mut server);
        server.write_all(refusal).unwrap();
        let seen = rest(&mut client);
        let (first, second) = seen.split_at(refusal.len());
        assert_same(first, refusal, "the server's answer");
        // They are no request either.
        assert!(second.starts_with(b"HTTP/1.1 400 "), "{}", second.escape_ascii());
        assert_eq!(rest(&mut server), b"", "{way:?}");
    }
}

#[test]
fn what_is_no_answer_is_a_502_that_says_why() {
    let stage = Stage::new();
    for (name, answer, says) in [
        (
            "folded",
            "HTTP/1.1 101 X\r\nUpgrade:\r\n websocket\r\nConnection: Upgrade\r\n\r\n",
            "folded",
        ),
        (
            "bare-lf",
            "HTTP/1.1 101 X\nUpgrade: websocket\nConnection: Upgrade\n\n",
            "LF without CR",
        ),
        (
            "control",
            "HTTP/1.1 101 X\r\nUpgrade: websocket\0\r\n\r\n",
            "control character",
        ),
        (
            "space-before-colon",
            "HTTP/1.1 101 X\r\nUpgrade : websocket\r\n\r\n",
            "valid name",
        ),
        ("frames", "\u{1}\u{2}hi\r\n\r\n", "HTTP/1"),
        (
            "cut",
            "HTTP/1.1 101 X\r\nUpgrade: web",
            "in the middle of the response's head",
        ),
        ("nothing", "", "without an answer"),
        (
            "two-lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 2\r\n\r\nhello",
            "more than one Content-Length",
        ),
    ] {
        for way in WAYS {
            let (path, about) = (format!("/{name}/{way:?}"), format!("{name}, {way:?}"));
            let mut client = stage.client(way);
            client.write_all(&stage.request(way, &path, &[VALID])).unwrap();
            let mut server = stage.accepted();
            read_head(&mut server);
            server.write_all(answer.as_bytes()).unwrap();
            drop(server);
            // A tunnel's connection is older than the request, and may have ended of age: another one is tried.
            if (name, way) == ("nothing", Way::Connect) {
                drop(stage.accepted());
            }
            let seen = String::from_utf8(rest(&mut client)).unwrap();
            assert!(seen.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{about}: {seen}");
            assert!(seen.contains("the server") && seen.contains(says), "{about}: {seen}");
            drop(client);
            let (flow, _) = stage.recorded(&path);
            assert_eq!(flow["state"], "error", "{about}");
            assert!(flow["error"].as_str().unwrap().contains(says), "{about}: {flow}");
        }
    }
}
