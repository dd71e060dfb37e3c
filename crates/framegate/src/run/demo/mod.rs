//! `framegate demo`: an echo server, a client and the proxy in one process, a conversation between them, and what the
//! proxy has on record of it.

mod peer;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use wire::deflate::Deflater;
use wire::frame::Opcode;

use super::proxy::Proxy;
use super::{runtime, start_log};
use crate::config::cli::MessagesArgs;
use crate::config::{Log, LogLevel, Mode, Settings};
use crate::control::cli::{DATABASE_NAME, messages};
use crate::control::exit::ExitError;
use crate::flow::{Direction, Flow, Kind, Message, State};
use crate::store::{FlowQuery, Reader, StoreError};
use peer::{Frame, Peer};

/// Holds a conversation through a proxy of its own and shows what was recorded, in `data_dir` or else in a directory
/// that goes away again.
///
/// # Errors
/// [`ExitError::Failed`] if the proxy does not start, the conversation breaks, or the record is not complete.
pub fn demo(data_dir: Option<&Path>) -> Result<(), ExitError> {
    start_log(&Log {
        level: LogLevel::Warn,
        ..Log::default()
    })?;
    let failed = |error: io::Error| ExitError::Failed(format!("cannot create a directory: {error}"));
    let temporary = data_dir.is_none().then(tempfile::tempdir).transpose().map_err(failed)?;
    let data_dir = data_dir
        .or(temporary.as_ref().map(|dir| dir.path()))
        .unwrap_or(Path::new("."));
    let runtime = runtime()?;
    let proxy = Proxy::start(data_dir, settings())?;
    let door = proxy.run_file().modes.first().map(|door| door.addr);
    let held = door
        .ok_or_else(|| io::Error::other("no door is open"))
        .and_then(|door| converse(door).map(|url| (door, url)));
    runtime.block_on(proxy.stop());
    runtime.shutdown_background();
    let (door, url) = held.map_err(|error| ExitError::Failed(format!("the conversation broke: {error}")))?;
    let (flow, recorded) = recorded(&data_dir.join(DATABASE_NAME), &url)
        .map_err(|error| ExitError::Failed(error.to_string()))?
        .ok_or_else(|| ExitError::Failed("the conversation is not on record".to_owned()))?;
    let mut out = io::stdout().lock();
    writeln!(out, "A client spoke with an echo server at {url}")?;
    writeln!(out, "through the proxy at {door}. This is on record:\n")?;
    out.flush()?;
    drop(out);
    let args = MessagesArgs {
        flow: flow.id,
        filter: None,
        json: false,
    };
    messages(data_dir, &args)?;
    check(&flow, &recorded).map_err(|what| ExitError::Failed(format!("the record is not complete: {what}")))?;
    if temporary.is_none() {
        let (id, dir) = (flow.id, data_dir.display());
        writeln!(io::stdout(), "\nSee it again: framegate messages {id} --data-dir {dir}")?;
    }
    Ok(())
}

/// The defaults, on ports that nobody else has.
fn settings() -> Settings {
    let mut settings = Settings::default();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    settings.listen.modes = vec![Mode::Regular { addr }];
    settings.listen.control = addr;
    settings.listen.threads = 1;
    settings
}

const COMPRESSED: &str = "This one was compressed: again and again and again and again and again.";

/// What the client says, each answered before the next.
fn script() -> Vec<Frame> {
    let text = |text: &str| Frame::new(Opcode::Text, text.as_bytes());
    let mut compressed = Frame::new(Opcode::Text, b"");
    if let Some(mut deflater) = Deflater::new(15, true) {
        compressed.is_compressed = true;
        deflater.compress(COMPRESSED.as_bytes(), &mut compressed.payload);
    }
    let close = [&1000_u16.to_be_bytes()[..], b"bye"].concat();
    vec![
        text("Hello, framegate!"),
        text("Grüße, 世界 🌍"),
        Frame::new(Opcode::Binary, &[0x00, 0x01, 0xfe, 0xff]),
        compressed,
        Frame::new(Opcode::Ping, b"are you there?"),
        Frame::new(Opcode::Close, &close),
    ]
}

/// What has to be on record of the script behind the upgrade, both directions in turns.
fn expected() -> Vec<(Direction, Kind, Vec<u8>)> {
    let mut expected = Vec::new();
    for Frame {
        opcode,
        is_compressed,
        payload,
    } in script()
    {
        let (said, answered) = match opcode {
            Opcode::Binary => (Kind::Binary, Kind::Binary),
            Opcode::Ping => (Kind::Ping, Kind::Pong),
            Opcode::Close => (Kind::Close, Kind::Close),
            _ => (Kind::Text, Kind::Text),
        };
        let payload = if is_compressed { COMPRESSED.into() } else { payload };
        expected.push((Direction::Send, said, payload.clone()));
        expected.push((Direction::Receive, answered, payload));
    }
    expected
}

/// Returns the server's URL.
fn converse(proxy: SocketAddr) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let server = listener.local_addr()?;
    let serving = std::thread::Builder::new()
        .name("demo-server".to_owned())
        .spawn(move || Peer::server(listener.accept()?.0)?.echo())?;
    let mut client = Peer::client(proxy, &server.to_string())?;
    for frame in script() {
        client.send(&frame)?;
        let answer = client.receive()?;
        let opcode = match frame.opcode {
            Opcode::Ping => Opcode::Pong,
            opcode => opcode,
        };
        if answer != (Frame { opcode, ..frame }) {
            return Err(io::Error::other("the answer is not what was sent"));
        }
    }
    drop(client);
    serving
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the echo server panicked")))?;
    Ok(format!("ws://{server}/demo"))
}

/// The newest flow, if it is the one with `url`, and its messages.
fn recorded(database: &Path, url: &str) -> Result<Option<(Flow, Vec<Message>)>, StoreError> {
    let reader = Reader::open(database)?;
    let newest = FlowQuery {
        limit: 1,
        ..FlowQuery::default()
    };
    let found = reader.flows(&newest)?.pop().filter(|flow| flow.opening.url == url);
    found
        .map(|flow| Ok((flow.clone(), reader.messages(flow.id, 0, usize::MAX)?)))
        .transpose()
}

/// Says what is missing.
fn check(flow: &Flow, messages: &[Message]) -> Result<(), String> {
    if flow.state() != State::Complete {
        let error = flow.ending.as_ref().and_then(|ending| ending.error.as_deref());
        return Err(format!(
            "the flow did not end as it should ({})",
            error.unwrap_or("no reason given")
        ));
    }
    let kinds: Vec<Kind> = messages.iter().take(2).map(|message| message.kind).collect();
    if kinds != [Kind::UpgradeRequest, Kind::UpgradeResponse] {
        return Err("the upgrade is missing".to_owned());
    }
    let expected = expected();
    let seen: Vec<_> = messages
        .iter()
        .skip(2)
        .map(|message| (message.direction, message.kind, message.payload.as_bytes().to_vec()))
        .collect();
    match expected.iter().zip(&seen).position(|(expected, seen)| expected != seen) {
        Some(at) => Err(format!("message {} is another one", at + 2)),
        None if seen.len() != expected.len() => Err(format!(
            "{} messages were sent and {} recorded",
            expected.len(),
            seen.len()
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::exchange::samples;

    /// Over a plain connection: what the two ends of the demo do without the proxy.
    #[test]
    fn the_two_ends_understand_each_other() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || Peer::server(listener.accept()?.0)?.echo());
        let mut client = Peer::client(addr, "example.com").unwrap();
        for frame in script() {
            client.send(&frame).unwrap();
            let answer = client.receive().unwrap();
            assert_eq!(
                (answer.is_compressed, &answer.payload),
                (frame.is_compressed, &frame.payload)
            );
        }
        serving.join().unwrap().unwrap();
    }

    #[test]
    fn a_record_with_a_gap_is_not_complete() {
        let (mut flow, messages) = samples::websocket();
        assert!(check(&flow, &[]).unwrap_err().contains("upgrade"));
        assert!(
            check(&flow, &messages)
                .unwrap_err()
                .contains("message 2 is another one")
        );
        let mut whole = messages[..2].to_vec();
        for (direction, kind, payload) in expected() {
            whole.push(Message {
                direction,
                kind,
                payload: crate::flow::Payload::Bytes(payload),
                ..messages[2].clone()
            });
        }
        assert_eq!(check(&flow, &whole), Ok(()));
        whole.pop();
        assert!(
            check(&flow, &whole)
                .unwrap_err()
                .contains("12 messages were sent and 11")
        );
        flow.ending = None;
        assert!(check(&flow, &whole).unwrap_err().contains("did not end"));
    }
}
