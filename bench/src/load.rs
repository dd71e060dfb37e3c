//! The load: N connections, K messages under way on each, a fixed number of round trips, every echo verified.
//!
//! It compares the bytes that come back with the bytes that must come back: one frame per message, nothing added,
//! lost, swapped or re-framed. All connections share one thread, one read buffer and the same prepared messages.

use std::io::{self, BufRead as _};
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Poll, Token};
use serde::{Deserialize, Serialize};

use crate::case::{Kind, Traffic};
use crate::socket::{self, READ_BUFFER_BYTES, Received};
use crate::{frame, handshake};

/// A run without any progress for this long has failed.
const STALL: Duration = Duration::from_secs(10);
/// How long to wait for the peers' Close once everything is done.
const FAREWELL: Duration = Duration::from_secs(2);

/// What to send, and how much of it.
pub(crate) struct Load {
    pub(crate) target: SocketAddr,
    pub(crate) kind: Kind,
    pub(crate) payload_bytes: usize,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    /// Over all connections; rounded up to the same number on each.
    pub(crate) round_trips: u64,
    /// Unmeasured round trips before them.
    pub(crate) warm_up: u64,
    /// The whole run fails after this time.
    pub(crate) time_max: Duration,
    /// Say `ready` after the warm-up and begin only when a line comes in on standard input.
    pub(crate) hold: bool,
}

/// What the run came to, as one JSON line on standard output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) round_trips: u64,
    /// Including the warm-up.
    pub(crate) round_trips_in_all: u64,
    pub(crate) seconds: f64,
}

/// Runs the load to its end and prints the [`Outcome`].
///
/// # Errors
/// When a connection is refused, ends early or stalls, or an echo is not what was sent.
pub(crate) fn run(load: &Load) -> Result<()> {
    anyhow::ensure!(
        load.connections > 0 && load.in_flight > 0,
        "connections and messages in flight start at 1"
    );
    let deadline = Instant::now() + load.time_max;
    let mut fleet = Fleet::open(load)?;
    let per_connection = |count: u64| count.div_ceil(load.connections as u64);
    fleet
        .run_until(per_connection(load.warm_up), deadline)
        .context("warm-up")?;
    if load.hold {
        println!("ready");
        io::stdin().lock().read_line(&mut String::new())?;
    }
    let begun = Instant::now();
    let goal = per_connection(load.warm_up) + per_connection(load.round_trips);
    fleet.run_until(goal, deadline)?;
    let outcome = Outcome {
        round_trips: per_connection(load.round_trips) * load.connections as u64,
        round_trips_in_all: goal * load.connections as u64,
        seconds: begun.elapsed().as_secs_f64(),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    fleet.close();
    Ok(())
}

struct Connection {
    stream: TcpStream,
    /// Bytes written so far.
    sent: u64,
    /// Bytes read, and verified, so far.
    received: u64,
    /// Echoes complete so far.
    echoed: u64,
}

struct Fleet {
    poll: Poll,
    events: Events,
    traffic: Traffic,
    in_flight: u64,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

impl Fleet {
    fn open(load: &Load) -> Result<Self> {
        let poll = Poll::new()?;
        let traffic = Traffic::new(load.kind, load.payload_bytes, load.in_flight)?;
        let mut connections = Vec::with_capacity(load.connections);
        for token in 0..load.connections {
            let stream = handshake::connect(load.target, load.kind == Kind::Deflate)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            socket::register(&poll, &mut stream, token)?;
            connections.push(Connection {
                stream,
                sent: 0,
                received: 0,
                echoed: 0,
            });
        }
        let events = Events::with_capacity(1024);
        let buffer = vec![0; READ_BUFFER_BYTES];
        Ok(Self {
            poll,
            events,
            traffic,
            in_flight: load.in_flight as u64,
            connections,
            buffer,
        })
    }

    /// Runs until every connection has had `goal` echoes, counted from its beginning.
    fn run_until(&mut self, goal: u64, deadline: Instant) -> Result<()> {
        let Self {
            poll,
            events,
            traffic,
            in_flight,
            connections,
            buffer,
        } = self;
        let mut unfinished = 0;
        for (index, connection) in connections.iter_mut().enumerate() {
            if connection.echoed < goal {
                unfinished += 1;
                connection
                    .write(traffic, *in_flight, goal)
                    .with_context(|| format!("connection {index}"))?;
            }
        }
        while unfinished > 0 {
            match poll.poll(events, Some(STALL)) {
                Ok(()) if events.is_empty() => bail!(
                    "no progress for {} s: {unfinished} connections unfinished",
                    STALL.as_secs()
                ),
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            if Instant::now() > deadline {
                bail!("the time allowed is over: {unfinished} connections unfinished");
            }
            for event in events.iter() {
                let Token(index) = event.token();
                let connection = &mut connections[index];
                if connection.echoed == goal {
                    continue;
                }
                if event.is_readable() {
                    connection
                        .read(traffic, buffer, event.is_read_closed())
                        .with_context(|| format!("connection {index}"))?;
                }
                connection
                    .write(traffic, *in_flight, goal)
                    .with_context(|| format!("connection {index}"))?;
                unfinished -= usize::from(connection.echoed == goal);
            }
        }
        Ok(())
    }

    /// Says goodbye the way a client should, so that a recorder sees flows that ended well. What goes wrong here has
    /// no bearing on the measurement.
    fn close(self) {
        let mut goodbye = Vec::new();
        frame::push_frame(&mut goodbye, frame::CLOSE, Some([1, 2, 3, 4]), &1000u16.to_be_bytes());
        for connection in &self.connections {
            let _ = socket::write(&connection.stream, &goodbye);
        }
        let deadline = Instant::now() + FAREWELL;
        for connection in self.connections {
            let stream = BlockingStream::from(connection.stream);
            let left = deadline
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_read_timeout(Some(left));
            let _ = io::copy(&mut &stream, &mut io::sink());
        }
    }
}

impl Connection {
    /// Writes all that may be under way, in one go.
    fn write(&mut self, traffic: &Traffic, in_flight: u64, goal: u64) -> Result<()> {
        let allowed = traffic.sent.start(goal.min(self.echoed + in_flight));
        if self.sent < allowed {
            self.sent += socket::write(&self.stream, traffic.sent.slice(self.sent, allowed))? as u64;
        }
        Ok(())
    }

    /// Reads once (again while the buffer was filled, or to find the end) and verifies what came.
    fn read(&mut self, traffic: &Traffic, buffer: &mut [u8], to_the_end: bool) -> Result<()> {
        loop {
            let n = match socket::read(&self.stream, buffer) {
                Received::Bytes(n) => n,
                Received::Blocked => return Ok(()),
                Received::Ended => bail!("ended after {} echoes", self.echoed),
            };
            self.verify(traffic, &buffer[..n])?;
            if n < buffer.len() && !to_the_end {
                return Ok(());
            }
        }
    }

    fn verify(&mut self, traffic: &Traffic, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let expected = traffic.echoed.slice(self.received, self.received + bytes.len() as u64);
            let (now, later) = bytes.split_at(expected.len());
            if now != expected {
                bail!("echo {} is not what was sent", self.echoed);
            }
            self.received += now.len() as u64;
            bytes = later;
        }
        while self.received >= traffic.echoed.start(self.echoed + 1) {
            self.echoed += 1;
        }
        Ok(())
    }
}
