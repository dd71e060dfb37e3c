//! Clients that send numbered messages as fast as they come back.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use tungstenite::{Message, WebSocket};

/// What one client has heard.
pub(super) struct Client {
    /// Stands in each of its messages, before a `#` and their number.
    pub(super) name: String,
    /// When each echo came.
    heard: Vec<Instant>,
    /// The code of the Close that ended it.
    pub(super) close: Option<u16>,
}

impl Client {
    pub(super) fn echoes(&self) -> usize {
        self.heard.len()
    }

    /// How many echoes had come at `moment`.
    pub(super) fn before(&self, moment: Instant) -> usize {
        self.heard.partition_point(|heard| *heard <= moment)
    }
}

/// Clients, each on a thread of its own, until they are stopped or their connections end.
pub(super) struct Load {
    clients: Vec<Arc<Mutex<Client>>>,
    threads: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Load {
    pub(super) fn start(clients: usize, connect: impl Fn(usize) -> (String, WebSocket<TcpStream>)) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut load = Self {
            clients: Vec::new(),
            threads: Vec::new(),
            over,
        };
        for n in 0..clients {
            let (name, socket) = connect(n);
            let client = Arc::new(Mutex::new(Client {
                name,
                heard: Vec::new(),
                close: None,
            }));
            load.clients.push(client.clone());
            let over = load.over.clone();
            load.threads
                .push(std::thread::spawn(move || talk(socket, &client, &over)));
        }
        load
    }

    pub(super) fn clients(&self) -> impl Iterator<Item = MutexGuard<'_, Client>> {
        self.clients.iter().map(|client| client.lock().unwrap())
    }

    /// Ends those whose connections have not ended.
    pub(super) fn stop(self) -> Vec<Client> {
        self.over.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until all connections have ended.
    pub(super) fn join(self) -> Vec<Client> {
        for thread in self.threads {
            thread.join().unwrap();
        }
        let clients = self.clients.into_iter();
        clients
            .map(|client| Arc::into_inner(client).unwrap().into_inner().unwrap())
            .collect()
    }
}

fn talk(mut socket: WebSocket<TcpStream>, client: &Mutex<Client>, over: &AtomicBool) {
    let name = client.lock().unwrap().name.clone();
    for number in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let message = Message::text(format!("{name}#{number}"));
        // After a Close has come only reading is of use.
        let _ = socket.send(message.clone());
        match socket.read() {
            Ok(Message::Close(close)) => {
                client.lock().unwrap().close = close.map(|close| close.code.into());
                while socket.read().is_ok() {}
                return;
            }
            Ok(echo) => {
                assert_eq!(echo, message);
                client.lock().unwrap().heard.push(Instant::now());
            }
            Err(_) => return,
        }
    }
}
