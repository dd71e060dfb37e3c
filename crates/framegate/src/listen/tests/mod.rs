//! Doors driven over real sockets: raw bytes in, raw bytes out, and what went on record.

#![allow(clippy::unwrap_used)]

mod http;
mod limits;
mod links;
mod loops;
mod silence;
mod tls;
mod tunnels;
mod upgrades;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio_util::sync::CancellationToken;

use super::{Listening, Rules, World, start};
use crate::config::Settings;
use crate::control::operations::Event as Live;
use crate::flow::{Flow, Kind, Message, State};
use crate::inspect::{Hooks, Judges};
use crate::record::{Recorder, RecorderConfig};
use crate::tls::{Ca, Tls};

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy with one door, on a port of its own.
struct Proxy {
    addr: SocketAddr,
    world: World,
    live: Receiver<Arc<Live>>,
    listening: Option<Listening>,
    /// The CA's directory.
    _dir: tempfile::TempDir,
}

impl Proxy {
    fn regular() -> Self {
        Self::with("regular@127.0.0.1:0", 1, |_| {})
    }

    fn reverse(server: SocketAddr, path: &str) -> Self {
        Self::with(&format!("reverse:ws://{server}{path}@127.0.0.1:0"), 1, |_| {})
    }

    fn with(mode: &str, threads: usize, adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::with_doors(&[mode.to_owned()], threads, adjust)
    }

    fn with_doors(modes: &[String], threads: usize, adjust: impl FnOnce(&mut Settings)) -> Self {
        let modes: Vec<_> = modes.iter().map(|mode| mode.parse().unwrap()).collect();
        let dir = tempfile::tempdir().unwrap();
        let ca = Arc::new(Ca::load_or_create(dir.path()).unwrap());
        let mut settings = Settings::default();
        settings.limits.close_ms = 1000;
        adjust(&mut settings);
        let tls = Tls::new(&settings, Arc::clone(&ca)).unwrap();
        let settings = Arc::new(settings);
        let (recorder, _) = Recorder::start(RecorderConfig {
            database: dir.path().join("framegate.db"),
            settings: Arc::clone(&settings),
            failed: CancellationToken::new(),
        })
        .unwrap();
        let live = recorder.subscribe();
        let gateway = Rules::new(&settings).unwrap();
        let tls = Arc::new(ArcSwap::from_pointee(tls));
        let world = World {
            judges: Arc::new(ArcSwap::from_pointee(Judges::new(&settings, Arc::default()).unwrap())),
            gateway: Arc::new(ArcSwap::from_pointee(gateway)),
            live: Arc::default(),
            sources: Arc::default(),
            slots: Arc::default(),
            settings: Arc::new(ArcSwap::new(settings)),
            hooks: Arc::new(Hooks::new(Arc::clone(&tls))),
            tls,
            recorder,
            ca,
            stop_accepting: CancellationToken::new(),
            close_now: CancellationToken::new(),
        };
        let listening = start(&modes, threads, world.clone()).unwrap();
        Self {
            addr: listening.doors[0].1,
            world,
            live,
            listening: Some(listening),
            _dir: dir,
        }
    }

    fn client(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The next flow that ends, and its messages.
    fn ended(&mut self) -> (Flow, Vec<Message>) {
        let mut messages = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.live.try_recv() {
                Ok(live) => match &*live {
                    Live::Message(message) => messages.push(message.clone()),
                    Live::Flow(flow) if flow.ending.is_some() => {
                        messages.retain(|message| message.flow == flow.id);
                        return (flow.clone(), messages);
                    }
                    Live::Flow(_) => {}
                },
                Err(TryRecvError::Empty) => {
                    assert!(Instant::now() < deadline, "no flow ended");
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next flow that ends; it must be an error.
    fn failed(&mut self) -> (String, Vec<Message>) {
        let (flow, messages) = self.ended();
        assert_eq!(flow.state(), State::Error);
        (flow.ending.unwrap().error.unwrap(), messages)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.world.stop_accepting.cancel();
        self.world.close_now.cancel();
        if let Some(listening) = self.listening.take() {
            listening.join();
        }
    }
}

/// A server that deals with each connection on a thread, `connections` of them. Joining gives what they returned.
fn server<T: Send + 'static>(
    connections: usize,
    serve: impl Fn(usize, TcpStream) -> T + Send + Sync + 'static,
) -> (SocketAddr, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    let thread = std::thread::spawn(move || {
        let threads: Vec<_> = (0..connections)
            .map(|index| {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(index, stream))
            })
            .collect();
        drop(listener);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    (addr, thread)
}

/// An address on which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Reads up to and with `end`.
fn read_until(stream: &mut impl std::io::Read, end: &str) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end.as_bytes()) {
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&read)),
        }
    }
    String::from_utf8(read).unwrap()
}

fn read_head(stream: &mut impl std::io::Read) -> String {
    read_until(stream, "\r\n\r\n")
}

fn read_bytes(stream: &mut impl std::io::Read, n: usize) -> Vec<u8> {
    let mut read = vec![0; n];
    stream.read_exact(&mut read).unwrap();
    read
}

/// Reads to the end of the stream.
fn read_rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    stream.read_to_end(&mut read).unwrap();
    String::from_utf8(read).unwrap()
}

fn send(stream: &mut impl std::io::Write, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).unwrap();
    stream.flush().unwrap();
}

/// What the record says beside the head.
fn fact<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut facts = message.metadata.more.iter();
    facts.find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn kinds(messages: &[Message]) -> Vec<Kind> {
    messages.iter().map(|message| message.kind).collect()
}
