//! The same through the HTTP API.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::peers::{PING, Stage, TEXT, part};
use crate::stage::wait_for;

/// Status and body of a request with the token.
pub(crate) fn ask(stage: &Stage, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let addr = stage.proxy.addr("control");
    let run_file: Value = serde_json::from_slice(&std::fs::read(stage.proxy.run_file()).unwrap()).unwrap();
    let mut tcp = TcpStream::connect(addr).unwrap();
    write!(
        tcp,
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        run_file["token"].as_str().unwrap(),
        body.len()
    )
    .unwrap();
    tcp.write_all(body).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = body.lines().find(|line| line.starts_with('{')).unwrap_or("null");
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[test]
fn held_messages_are_listed_and_answered() {
    let stage = Stage::new(&[r#"intercept.rules=[{id="all", opcode="text"}]"#]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"one");
    wait_for("a held message", || {
        let (status, held) = ask(&stage, "GET", "held", b"");
        (status == 200 && held["body"] == "one").then_some(())
    });
    // Percent-encoded UTF-8, as a query has it.
    assert_eq!(
        ask(&stage, "POST", "modify?id=1&text=z%C3%BCrich", b""),
        (200, json!({}))
    );
    server.hears(TEXT, "zürich".as_bytes());
    let (status, problem) = ask(&stage, "POST", "release?id=1", b"");
    assert_eq!(
        (status, &problem["detail"]),
        (
            409,
            &json!("the message 1 is not held any more: it was modified and forwarded")
        )
    );
    assert_eq!(ask(&stage, "POST", "release?id=99", b"").0, 404);
    assert_eq!(ask(&stage, "GET", "release?id=1", b"").0, 405);
    client.send(TEXT, b"two");
    wait_for("a held message", || {
        (ask(&stage, "GET", "held", b"").1["id"] == "2").then_some(())
    });
    for (path, body, status) in [
        ("modify?id=2", "", 400),
        ("modify?id=2&text=a&base64=YQ==", "", 400),
        ("modify?id=2&text=a", "b", 400),
        ("modify?id=2", "from the body", 200),
    ] {
        assert_eq!(ask(&stage, "POST", path, body.as_bytes()).0, status, "{path}");
    }
    server.hears(TEXT, b"from the body");
    part(client, server);
}

#[test]
fn messages_are_injected() {
    let stage = Stage::new(&[]);
    let (mut client, mut server) = stage.open();
    for (path, body) in [
        ("inject?flow=1&to=server&text=one", ""),
        ("inject?flow=1&to=server&kind=text", "two"),
        ("inject?flow=1&to=server&kind=ping&base64=AA==", ""),
    ] {
        assert_eq!(ask(&stage, "POST", path, body.as_bytes()), (200, json!({})));
    }
    server.hears(TEXT, b"one");
    server.hears(TEXT, b"two");
    server.hears(PING, b"\0");
    for path in [
        "inject?flow=1&to=client",
        "inject?flow=1&to=client&kind=close&text=x",
        "inject?flow=1&to=client&text=x&code=1000",
        "inject?flow=1&text=x",
    ] {
        assert_eq!(ask(&stage, "POST", path, b"").0, 400, "{path}");
    }
    assert_eq!(
        ask(&stage, "POST", "inject?flow=1&to=client&kind=close&code=4000", b""),
        (200, json!({}))
    );
    client.hears_close(4000);
    client.shut();
    server.shut();
}
