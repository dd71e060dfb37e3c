//! Listening sockets, and taking clients from them within `limits.connections_max`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::ListenError;
use super::connection::{Door, Thread, connection};
use crate::config::Mode;
use crate::telemetry::{self, Entered};

/// How many clients may wait to be accepted, per listener.
const BACKLOG: i32 = 4096;
/// How long accepting pauses when the system has no more file descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A door with a listening socket for each thread.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) mode: Mode,
    pub(super) addr: SocketAddr,
    pub(super) listeners: Vec<TcpListener>,
}

/// Binds all doors, or none.
pub(super) fn bind(modes: &[Mode], threads: usize) -> Result<Vec<Bound>, ListenError> {
    modes
        .iter()
        .map(|mode| {
            bind_door(mode.addr(), threads)
                .map(|(addr, listeners)| Bound {
                    mode: mode.clone(),
                    addr,
                    listeners,
                })
                .map_err(|source| ListenError::Bind {
                    mode: Box::new(mode.clone()),
                    source,
                })
        })
        .collect()
}

fn bind_door(addr: SocketAddr, threads: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    if addr.port() != 0 {
        // With SO_REUSEPORT the address of another process of the same user could be bound as well, and the two would
        // share its clients. Without it the system says that the address is taken.
        drop(bind_socket(addr, false)?);
    }
    let first = bind_socket(addr, threads > 1)?;
    let addr = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(bind_socket(addr, true)?);
    }
    Ok((addr, listeners))
}

fn bind_socket(addr: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the process before this one may still be in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How many clients are connected, over all threads.
#[derive(Debug, Default)]
pub struct Slots {
    taken: AtomicUsize,
    freed: Notify,
}

/// One client's place under the limit; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    /// It is counted among those that are open.
    _open: Entered,
}

impl Slots {
    /// Waits until fewer than the limit of the moment are taken, and takes one.
    async fn take(self: &Arc<Self>, limit: impl Fn() -> usize, door: telemetry::Door) -> Slot {
        loop {
            // What is freed from here on is not missed. All who wait look again: who finds none waits on.
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            let max = limit();
            let free = |taken| (taken < max).then_some(taken + 1);
            if self
                .taken
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, free)
                .is_ok()
            {
                let counts = telemetry::counts();
                counts.connections.one(door);
                return Slot {
                    slots: Arc::clone(self),
                    _open: counts.connections_open.enter(door),
                };
            }
            freed.await;
        }
    }

    /// Has those who wait look at the limit again.
    pub fn look_again(&self) {
        self.freed.notify_waiters();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.fetch_sub(1, Ordering::AcqRel);
        self.slots.look_again();
    }
}

/// Takes clients until [`World::stop_accepting`](super::World::stop_accepting) is cancelled.
pub(super) async fn accept(
    listener: tokio::net::TcpListener,
    door: Rc<Door>,
    thread: Rc<Thread>,
    connections: TaskTracker,
) {
    let stop = thread.world.stop_accepting.clone();
    let mut is_exhausted = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (tcp, client_addr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_client(&error) => continue,
            Err(error) => {
                if !is_exhausted {
                    tracing::error!(%error, door = %door.addr, "no client can be accepted; trying again");
                }
                is_exhausted = true;
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        if is_exhausted {
            tracing::info!(door = %door.addr, "clients can be accepted again");
            is_exhausted = false;
        }
        let limit = || thread.world.settings.load().limits.connections_max;
        // The client that is one too many waits here, those behind it in the system's queue.
        let slot = tokio::select! {
            slot = thread.world.slots.take(limit, door.counted) => slot,
            () = stop.cancelled() => return,
        };
        let (door, thread) = (Rc::clone(&door), Rc::clone(&thread));
        connections.spawn_local(connection(tcp, client_addr, door, thread, slot));
    }
}

/// The client has gone already, or a firewall refuses it: nothing that a pause would help against.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::TimedOut
    )
}
