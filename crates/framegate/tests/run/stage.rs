//! What the tests are played with: the binary, an echo server, clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tungstenite::WebSocket;

/// Long enough for anything that happens at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// framegate in a home directory, with nothing else in its environment.
pub(crate) fn framegate(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framegate"));
    alone(&mut command, home);
    command
}

fn alone(command: &mut Command, home: &Path) {
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .current_dir(home)
        .stdin(Stdio::null());
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: it did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `framegate run` on free ports, in a home directory of its own.
pub(crate) struct Proxy {
    pub(crate) home: tempfile::TempDir,
    /// What it printed when it was ready.
    pub(crate) lines: Vec<String>,
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Proxy {
    /// Starts with a regular door.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_in(
            tempfile::tempdir().unwrap(),
            &[&["--mode", "regular@:0"], args].concat(),
        )
    }

    pub(crate) fn start_in(home: tempfile::TempDir, args: &[&str]) -> Self {
        let mut command = framegate(home.path());
        command.args(["run", "--control", ":0"]).args(args);
        Self::spawn(home, command)
    }

    /// As `start`, from a shell that has run `before`.
    pub(crate) fn start_behind(before: &str, args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        alone(&mut command, home.path());
        let script = format!("{before}; exec \"$0\" run --control :0 --mode regular@:0 \"$@\"");
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_framegate")])
            .args(args);
        Self::spawn(home, command)
    }

    fn spawn(home: tempfile::TempDir, mut command: Command) -> Self {
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        while !lines
            .last()
            .is_some_and(|line: &String| line.starts_with("listening control "))
        {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let log = std::fs::read_to_string(home.path().join("log")).unwrap();
                panic!("it ended before it was ready: {log}");
            }
            lines.push(line.trim_end().to_owned());
        }
        Self {
            home,
            lines,
            child,
            stdout,
        }
    }

    /// The address of the line that begins with `listening NAME `.
    pub(crate) fn addr(&self, name: &str) -> SocketAddr {
        let start = format!("listening {name} ");
        let addr = self.lines.iter().find_map(|line| line.strip_prefix(&start));
        addr.unwrap().parse().unwrap()
    }

    pub(crate) fn run_file(&self) -> PathBuf {
        self.home.path().join(".framegate/run.json")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    pub(crate) fn wait_for_log(&self, words: &str) {
        wait_for(words, || self.log().contains(words).then_some(()));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Its exit code, once it has ended; it has said nothing more on standard output.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status = wait_for("the exit", || self.child.try_wait().unwrap());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        status.code()
    }

    /// SIGTERM, to the end.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.exit_code(), Some(0), "{}", self.log());
    }

    /// Status and body of a GET at the control door.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let addr = self.addr("control");
        let mut tcp = TcpStream::connect(addr).unwrap();
        write!(tcp, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    pub(crate) fn wait_until_draining(&self) {
        wait_for("draining", || (self.get("/readyz").0 == 503).then_some(()));
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        framegate(self.home.path()).args(args).output().unwrap()
    }

    /// The JSON lines that a command prints.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A connection to `server` through CONNECT at the regular door.
    pub(crate) fn tunnel(&self, server: SocketAddr) -> TcpStream {
        let mut tcp = connect(self.addr("regular"));
        write!(tcp, "CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        tcp
    }

    /// A WebSocket to `server` through a tunnel.
    pub(crate) fn websocket(&self, server: SocketAddr) -> WebSocket<TcpStream> {
        upgrade(self.tunnel(server), server)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(addr).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

pub(crate) fn upgrade(tcp: TcpStream, host: SocketAddr) -> WebSocket<TcpStream> {
    tungstenite::client(format!("ws://{host}/chat"), tcp).unwrap().0
}

/// A server that sends every message back, each connection on a thread of its own. It goes away with the test.
pub(crate) fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            std::thread::spawn(move || {
                let mut socket = tungstenite::accept(tcp.unwrap()).unwrap();
                // Pings and Closes are answered while reading.
                while let Ok(message) = socket.read() {
                    if message.is_text() || message.is_binary() {
                        let _ = socket.send(message);
                    } else {
                        let _ = socket.flush();
                    }
                }
            });
        }
    });
    addr
}
