//! The threads that carry connections: each with its own runtime and its own listeners, sharing nothing on the way of a
//! message.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio_util::task::TaskTracker;

use super::accept::{Bound, accept};
use super::connection::{Door, Thread};
use super::{ListenError, World};

/// Of address space: memory is what of it is used.
const STACK_BYTES: usize = 8 << 20;

/// So many tasks may run before the sockets are looked at again: a turn of the loop serves all that were ready together, and
/// what they send leaves close together.
const EVENT_INTERVAL: u32 = 256;

/// The running threads.
#[derive(Debug)]
pub(super) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits for all of them.
    pub(super) fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                tracing::error!("a thread for connections ended by a panic");
            }
        }
    }
}

/// Starts the threads, the first listener of each door on the first, and so on.
pub(super) fn start(mut doors: Vec<Bound>, threads: usize, world: World) -> Result<Threads, ListenError> {
    let mut running = Threads(Vec::with_capacity(threads));
    for index in 0..threads {
        let mine: Vec<_> = doors
            .iter_mut()
            .filter_map(|door| Some((door.mode.clone(), door.addr, door.listeners.pop()?)))
            .collect();
        let (started, is_started) = mpsc::channel();
        let thread_world = world.clone();
        let thread = std::thread::Builder::new()
            .name(format!("connections-{index}"))
            // Plugins compare what they have by recursion.
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .event_interval(EVENT_INTERVAL)
                    .build_local(LocalOptions::default());
                match runtime {
                    Ok(runtime) => {
                        let _ = started.send(Ok(()));
                        run(&runtime, mine, thread_world);
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            })
            .map_err(ListenError::Thread)
            .and_then(|thread| match is_started.recv() {
                Ok(Ok(())) => Ok(thread),
                Ok(Err(error)) => Err(ListenError::Thread(error)),
                Err(_) => Err(ListenError::Thread(io::Error::other("it ended by a panic"))),
            });
        match thread {
            Ok(thread) => running.0.push(thread),
            Err(error) => {
                world.stop_accepting.cancel();
                world.close_now.cancel();
                running.join();
                return Err(error);
            }
        }
    }
    Ok(running)
}

/// A thread's whole life.
fn run(runtime: &LocalRuntime, doors: Vec<(crate::config::Mode, std::net::SocketAddr, TcpListener)>, world: World) {
    runtime.block_on(async {
        let connections = TaskTracker::new();
        let thread = Rc::new(Thread {
            tap: world.recorder.tap(),
            world,
        });
        let own_doors: Rc<[_]> = doors.iter().map(|(mode, addr, _)| Door::own(mode, *addr)).collect();
        let accepting = TaskTracker::new();
        for (mode, addr, listener) in doors {
            let door = Rc::new(Door::new(&mode, addr, Rc::clone(&own_doors), &thread.world));
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    let (thread, connections) = (Rc::clone(&thread), connections.clone());
                    accepting.spawn_local(async move { accept(listener, door, thread, connections).await });
                }
                Err(error) => tracing::error!(%mode, %addr, %error, "the door cannot be watched on this thread"),
            }
        }
        accepting.close();
        accepting.wait().await;
        connections.close();
        connections.wait().await;
    });
}
