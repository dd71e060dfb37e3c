//! A hook that answers as a test wants, and a gateway door before it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::peers::{End, shake_hands};
use crate::stage::{Proxy, connect, wait_for};

/// A request as the hook got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// A field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1);
        let mut named = fields.filter_map(|line| line.split_once(": "));
        named.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// What the hook does.
pub(crate) enum Does {
    /// Says this and waits for the next request.
    Says(Vec<u8>),
    /// Says this and ends the connection.
    Ends(Vec<u8>),
    /// Nothing, while the connection lasts.
    Hangs,
}

/// An answer with that status and no body.
pub(crate) fn status(status: u16) -> Does {
    Does::Says(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

type Script = dyn Fn(&Asked) -> Does + Send + Sync;

pub(crate) struct Hook {
    pub(crate) addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// The greatest number of connections at once.
    pub(crate) most: Arc<AtomicUsize>,
}

impl Hook {
    pub(crate) fn new(script: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub(crate) fn at(listener: TcpListener, script: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Self {
        let hook = Self {
            addr: listener.local_addr().unwrap(),
            asked: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
            most: Arc::default(),
        };
        let script: Arc<Script> = Arc::new(script);
        let (asked, connections) = (Arc::clone(&hook.asked), Arc::clone(&hook.connections));
        let (open, most) = (Arc::clone(&hook.open), Arc::clone(&hook.most));
        std::thread::spawn(move || {
            let now = Arc::new(AtomicUsize::new(0));
            for tcp in listener.incoming() {
                let tcp = tcp.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                open.lock().unwrap().push(tcp.try_clone().unwrap());
                let (script, asked, now) = (Arc::clone(&script), Arc::clone(&asked), Arc::clone(&now));
                std::thread::spawn(move || {
                    // The proxy may go at any time.
                    let _ = serve(tcp, &*script, &asked);
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        hook
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?own=1", self.addr)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn wait_for_questions(&self, number: usize) {
        wait_for("questions", || (self.asked().len() >= number).then_some(()));
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends every connection that there is, as a hook that is started again does.
    pub(crate) fn cut_all(&self) {
        for tcp in self.open.lock().unwrap().drain(..) {
            let _ = tcp.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Holds whoever comes, until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Barrier(Arc<(Mutex<bool>, Condvar)>);

impl Barrier {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(closed, |open| !*open).unwrap());
    }
}

fn serve(tcp: TcpStream, script: &Script, all: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut out = tcp.try_clone()?;
    let mut input = BufReader::new(tcp);
    while let Some(asked) = read(&mut input)? {
        all.lock().unwrap().push(asked.clone());
        match script(&asked) {
            Does::Says(bytes) => out.write_all(&bytes)?,
            Does::Ends(bytes) => {
                out.write_all(&bytes)?;
                return out.shutdown(std::net::Shutdown::Both);
            }
            Does::Hangs => {
                let mut rest = Vec::new();
                input.read_to_end(&mut rest)?;
            }
        }
    }
    Ok(())
}

/// The next request.
pub(crate) fn read(input: &mut impl BufRead) -> std::io::Result<Option<Asked>> {
    let Some(mut asked) = read_head(input)? else {
        return Ok(None);
    };
    input.read_exact(&mut asked.body)?;
    Ok(Some(asked))
}

/// The next request without its body, which has as much room as it needs.
pub(crate) fn read_head(input: &mut impl BufRead) -> std::io::Result<Option<Asked>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let mut words = head.split(' ');
    let mut word = || words.next().unwrap().to_owned();
    let mut asked = Asked {
        method: word(),
        target: word(),
        body: Vec::new(),
        head,
    };
    let len = asked.field("content-length").map_or(0, |len| len.parse().unwrap());
    asked.body.resize(len, 0);
    Ok(Some(asked))
}

/// A proxy with a gateway door, a route to a server, and hooks for what goes there and what comes back.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) listener: TcpListener,
}

impl Stage {
    pub(crate) fn new(send: Option<&str>, receive: Option<&str>, settings: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hook = |name: &str, url: Option<&str>| url.map_or(String::new(), |url| format!(", {name}=\"{url}\""));
        let route = format!(
            "routes=[{{upstream=[\"ws://{}\"]{}{}}}]",
            listener.local_addr().unwrap(),
            hook("send_hook", send),
            hook("receive_hook", receive)
        );
        let mut args = vec!["--mode", "gateway@:0", "--set", &route, "--set", "limits.close_ms=500"];
        args.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let proxy = Proxy::start_in(tempfile::tempdir().unwrap(), &args);
        Self { proxy, listener }
    }

    /// A hook for what the client says.
    pub(crate) fn sending(hook: &Hook, settings: &[&str]) -> Self {
        // A machine that is busy is not what these tests are about.
        let patient = [&["hook.timeout_ms=10000"], settings].concat();
        Self::new(Some(&hook.url()), None, &patient)
    }

    pub(crate) fn client(&self) -> End {
        End::client(connect(self.proxy.addr("gateway")))
    }

    pub(crate) fn open(&self) -> (End, End) {
        self.open_with("")
    }

    pub(crate) fn open_with(&self, extensions: &str) -> (End, End) {
        shake_hands(self.client(), &self.listener, extensions)
    }
}
