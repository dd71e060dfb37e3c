//! Live streams, and what else is asked of the running proxy.

use super::*;
use crate::flow::{Direction, Kind, Message};

impl Api {
    /// A live stream, once it has begun: nothing after it is missed.
    fn follow(&self, query: &str) -> BufReader<TcpStream> {
        let mut tcp = self.connect();
        tcp.write_all(format!("GET /api/v1/tail{query} HTTP/1.1\r\n{}\r\n", self.fields()).as_bytes())
            .unwrap();
        let mut answer = BufReader::new(tcp);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert_ne!(answer.read_line(&mut line).unwrap(), 0);
        }
        answer
    }
}

/// The next lines of a live stream.
fn followed(answer: &mut BufReader<TcpStream>, count: usize) -> Vec<Value> {
    let (mut seen, mut line) = (Vec::new(), String::new());
    while seen.len() < count {
        line.clear();
        assert_ne!(answer.read_line(&mut line).unwrap(), 0);
        seen.extend(lines(&line));
    }
    seen
}

#[test]
fn a_live_stream_follows_until_the_proxy_stops() {
    let api = Api::start();
    let mut answer = api.follow("");
    let (flow, messages) = samples::websocket();
    api.events.send(Arc::new(Event::Flow(flow))).unwrap();
    api.events.send(Arc::new(Event::Message(messages[2].clone()))).unwrap();
    let seen = followed(&mut answer, 2);
    assert_eq!(
        (&seen[0]["protocol"], &seen[1]["body"]),
        (&"WebSocket".into(), &"hello, wörld".into())
    );
    api.shutdown.cancel();
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream has its proper end: {rest:?}");
}

#[test]
fn a_live_stream_gives_what_its_filter_means() {
    let api = Api::start();
    let mut answer = api.follow("?filter=direction+%3D%3D+%22send%22+%26%26+kind+%3D%3D+%22text%22");
    let (mut flow, messages) = samples::websocket();
    flow.ending = None;
    let meant = |message: &&Message| message.direction == Direction::Send && message.kind == Kind::Text;
    let expected: Vec<Value> = messages.iter().filter(meant).map(|it| it.sequence.into()).collect();
    assert!(!expected.is_empty() && expected.len() < messages.len());
    api.events.send(Arc::new(Event::Flow(flow))).unwrap();
    for message in messages {
        api.events.send(Arc::new(Event::Message(message))).unwrap();
    }
    let seen: Vec<_> = followed(&mut answer, expected.len())
        .into_iter()
        .map(|message| message["sequence"].clone())
        .collect();
    assert_eq!(seen, expected);
    api.shutdown.cancel();
}

#[test]
fn only_questions_about_the_record_wait_for_it() {
    let api = Api::start();
    for (line, flushes) in [
        ("GET /api/v1/flows", 1),
        ("POST /api/v1/flush", 1),
        ("GET /api/v1/held", 0),
        ("POST /api/v1/release?id=1", 0),
        ("POST /api/v1/inject?flow=1&to=client&text=hello", 0),
    ] {
        api.flushes.store(0, Ordering::Relaxed);
        api.ask(line, &api.fields(), b"");
        assert_eq!(api.flushes.load(Ordering::Relaxed), flushes, "{line}");
    }
}
