//! Hooks that say something else, more, or sooner than they should: no answer may count for another message.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use crate::peers::{TEXT, both_are_closed};
use crate::scripted::{Does, Hook, Stage, read_head, status};

const YES: &[u8] = b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n";
const NO: &[u8] = b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n";

/// One connection for all questions, one after another.
const ONE: [&str; 3] = ["hook.in_flight=1", "hook.pool_size=1", "listen.threads=1"];

/// Answers that are too long, however they are read: what is behind them would let the next message go.
fn excessive() -> Vec<Vec<u8>> {
    let head = |fields: &str| format!("HTTP/1.1 200 X\r\n{fields}\r\n\r\n").into_bytes();
    vec![
        [YES, YES].concat(),
        [YES, YES, YES].concat(),
        [YES, b"\r\n"].concat(),
        [YES, b"HTTP/1.1 200"].concat(),
        [&head("Content-Length: 2"), &b"ok"[..], YES].concat(),
        [&head("Transfer-Encoding: chunked"), &b"2\r\nok\r\n0\r\n\r\n"[..], YES].concat(),
        // None of these has a body.
        [b"HTTP/1.1 204 X\r\nContent-Length: 38\r\n\r\n", YES].concat(),
        [b"HTTP/1.1 100 X\r\n\r\n", YES, YES].concat(),
    ]
}

#[test]
fn what_comes_behind_an_answer_is_no_answer_to_the_next_message() {
    let answers = excessive();
    let count = answers.len();
    let hook = Hook::new(move |asked| {
        let at = std::str::from_utf8(&asked.body).unwrap().parse::<usize>();
        at.map_or(status(403), |at| Does::Says(answers[at].clone()))
    });
    let stage = Stage::sending(&hook, &ONE);
    for at in 0..count {
        for at_once in [true, false] {
            let (mut client, mut server) = stage.open();
            let good = at.to_string().into_bytes();
            let before = hook.connections();
            if at_once {
                let both = [client.frame(TEXT, &good), client.frame(TEXT, b"attack")].concat();
                client.tcp.write_all(&both).unwrap();
                server.hears(TEXT, &good);
            } else {
                client.send(TEXT, &good);
                server.hears(TEXT, &good);
                client.send(TEXT, b"attack");
            }
            let reason = both_are_closed(&mut client, &mut server, 1008);
            assert_eq!(reason, "blocked by policy", "{at}, {at_once}");
            let own = hook.connections() - before;
            assert_eq!(own, 1 + usize::from(before == 0), "{at}, {at_once}: it is used again");
        }
    }
    assert_eq!(hook.asked().len(), 4 * count);
}

/// Whoever reads the length finds one answer where whoever reads chunks finds two, and the reverse.
#[test]
fn an_answer_of_two_lengths_is_none() {
    let two =
        |fields: &str, rest: &[u8]| [format!("HTTP/1.1 200 X\r\n{fields}\r\n\r\n").as_bytes(), rest, YES].concat();
    let length = format!("Content-Length: {}\r\nTransfer-Encoding: chunked", 5 + YES.len());
    for answer in [
        two(&length, b"0\r\n\r\n"),
        two("Transfer-Encoding: chunked\r\nContent-Length: 0", b"0\r\n\r\n"),
        two("Content-Length: 0\r\nContent-Length: 38", b""),
    ] {
        let hook = Hook::new(move |_| Does::Says(answer.clone()));
        let stage = Stage::sending(&hook, &ONE);
        let (mut client, mut server) = stage.open();
        client.send(TEXT, b"attack");
        let reason = both_are_closed(&mut client, &mut server, 1008);
        assert_eq!(reason, "could not be inspected");
        assert_eq!(hook.asked().len(), 1);
    }
}

#[test]
fn what_a_hook_says_unasked_is_no_answer_to_the_next_message() {
    let connections = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&connections);
    let url = talking(move |tcp| {
        kept.lock().unwrap().push(tcp.try_clone().unwrap());
        let mut input = BufReader::new(tcp.try_clone().unwrap());
        while let Some(asked) = crate::scripted::read(&mut input)? {
            let answer = if asked.body == b"attack" { NO } else { YES };
            tcp.write_all(answer)?;
        }
        Ok(())
    });
    let stage = Stage::new(Some(&url), None, &[&ONE[..], &["hook.timeout_ms=10000"]].concat());
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"good");
    server.hears(TEXT, b"good");
    let idle = connections.lock().unwrap().pop().unwrap();
    (&idle).write_all(YES).unwrap();
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
    assert_eq!(
        connections.lock().unwrap().len(),
        1,
        "it was asked on a connection of its own"
    );
}

/// A hook whose connections talk so, each on a thread of its own; its URL.
fn talking(talk: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let (talk, mut tcp) = (Arc::clone(&talk), tcp.unwrap());
            // The proxy may go at any time.
            std::thread::spawn(move || talk(&mut tcp));
        }
    });
    url
}

#[test]
fn an_answer_that_cannot_be_read_in_one_way_is_none() {
    let answers: [&[u8]; 9] = [
        b"HTTP/1.1 200 X\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 X\r\nContent-Length: 0, 5\r\n\r\nhello",
        b"HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 X\r\nContent-Length: 0x5\r\n\r\nhello",
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"HTTP/1.0 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 X\r\nx-framegate-action : drop\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/9.1 200 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n",
    ];
    let hook = Hook::new(move |asked| {
        let at: usize = std::str::from_utf8(&asked.body).unwrap().parse().unwrap();
        Does::Says(answers[at].to_vec())
    });
    let stage = Stage::sending(&hook, &[]);
    for at in 0..answers.len() {
        let (mut client, mut server) = stage.open();
        client.send(TEXT, at.to_string().as_bytes());
        let reason = both_are_closed(&mut client, &mut server, 1008);
        assert_eq!(reason, "could not be inspected", "{at}");
    }
}

#[test]
fn an_answer_before_the_body_has_been_read_counts_for_that_message_alone() {
    const LONG: usize = 8 << 20;
    let settings = [
        "gateway.message_bytes_max=16777216",
        "hook.body_bytes_max=16777216",
        "hook.timeout_ms=10000",
        "hook.fail=open",
    ];
    let settings = [&ONE[..], &settings].concat();
    let (answered, is_answered) = channel();
    let url = talking(move |tcp| {
        let mut input = BufReader::new(tcp.try_clone()?);
        while let Some(mut asked) = read_head(&mut input)? {
            let long = asked.body.len() == LONG;
            if long {
                tcp.write_all(YES)?;
                answered.send(()).unwrap();
            }
            std::io::Read::read_exact(&mut input, &mut asked.body)?;
            if !long {
                tcp.write_all(NO)?;
            }
        }
        Ok(())
    });
    let stage = Stage::new(Some(&url), None, &settings);
    let (client, mut server) = stage.open();
    let long = vec![b'a'; LONG];
    let all = [client.frame(TEXT, &long), client.frame(TEXT, b"attack")].concat();
    let sending = client.send_behind(all);
    is_answered.recv().unwrap();
    server.hears(TEXT, &long);
    sending.join().unwrap();
    let mut client = client;
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");

    // One that stops a message at its sight, and does not care for the rest.
    let url = talking(|tcp| {
        read_head(&mut BufReader::new(tcp.try_clone()?))?;
        tcp.write_all(NO)
    });
    let stage = Stage::new(Some(&url), None, &settings);
    let (mut client, mut server) = stage.open();
    let sending = client.send_behind(client.frame(TEXT, &long));
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
    sending.join().unwrap();
}
