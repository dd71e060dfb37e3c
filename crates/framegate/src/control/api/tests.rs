//! Tests of the API over real sockets: its guards, its answers, its end.
#![allow(clippy::unwrap_used)]

mod live;
mod metrics;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{Limits, Serving, start};
use crate::config::Settings;
use crate::control::client::Client;
use crate::control::operations::{Context, Event, OperationError, Recording, Running, find};
use crate::control::run_file::{Door, RunFile};
use crate::exchange::samples;
use crate::flow::{Flow, FlowId, Message, Timestamp};
use crate::inspect::{Hooks, Judges};
use crate::secret::Secret;
use crate::store::Writer;
use crate::tls::{Ca, Tls};

/// A recorder that has nothing to flush, and counts how often it is asked to.
struct Recorder {
    flushes: Arc<AtomicUsize>,
    writer: Arc<Mutex<Writer>>,
    events: broadcast::Sender<Arc<Event>>,
}

impl Recording for Recorder {
    fn flush(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    fn queued(&self) -> Option<(usize, usize)> {
        Some((7, 1 << 20))
    }

    fn import(&self, flow: Flow, messages: Vec<Message>) -> Result<FlowId, String> {
        self.writer
            .lock()
            .unwrap()
            .import_flow(&flow, &messages)
            .map_err(|error| error.to_string())
    }
}

/// A control door over a record with the samples in it: flow 1 is a WebSocket, flow 2 an HTTP exchange.
struct Api {
    dir: tempfile::TempDir,
    serving: Option<Serving>,
    token: Secret,
    flushes: Arc<AtomicUsize>,
    events: broadcast::Sender<Arc<Event>>,
    draining: CancellationToken,
    store_failed: CancellationToken,
    settings: Arc<ArcSwap<Settings>>,
    shutdown: CancellationToken,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.serving.take().unwrap().join();
    }
}

impl Api {
    fn start() -> Self {
        Self::with(Limits {
            stop_ms: 5_000,
            ..Limits::default()
        })
    }

    fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("framegate.db");
        let mut writer = Writer::open(&database).unwrap();
        for (flow, messages) in [samples::websocket(), samples::http()] {
            writer.import_flow(&flow, &messages).unwrap();
        }
        let (events, _) = broadcast::channel(16);
        let (draining, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let judges = Judges::new(&Settings::default(), Arc::default()).unwrap();
        let flushes = Arc::<AtomicUsize>::default();
        let (settings, store_failed) = (Arc::<ArcSwap<Settings>>::default(), CancellationToken::new());
        let ca_dir = tempfile::tempdir().unwrap();
        let ca = Arc::new(Ca::load_or_create(ca_dir.path()).unwrap());
        let tls = Tls::new(&Settings::default(), ca).unwrap();
        let running = Running {
            settings: Arc::clone(&settings),
            store_failed: store_failed.clone(),
            judges: Arc::new(ArcSwap::from_pointee(judges)),
            hooks: Arc::new(Hooks::new(Arc::new(ArcSwap::from_pointee(tls)))),
            live: Arc::default(),
            recording: Box::new(Recorder {
                flushes: Arc::clone(&flushes),
                writer: Arc::new(Mutex::new(writer)),
                events: events.clone(),
            }),
            started_at: Timestamp(0),
            doors: vec![Door {
                mode: "regular".to_owned(),
                addr: "127.0.0.1:8080".parse().unwrap(),
            }],
            draining: draining.clone(),
            stopping: shutdown.clone(),
        };
        let token = Secret::generate().unwrap();
        let context = Context::of_running(database, running);
        let serving = start(listener, context, token.clone(), limits, shutdown.clone()).unwrap();
        Self {
            dir,
            serving: Some(serving),
            token,
            flushes,
            events,
            draining,
            store_failed,
            settings,
            shutdown,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.serving.as_ref().unwrap().addr()
    }

    fn connect(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.addr()).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        tcp
    }

    /// Sends a request with these header fields and `Connection: close`; returns status, head and body.
    fn ask(&self, line: &str, fields: &str, body: &[u8]) -> (u16, String, String) {
        let mut tcp = self.connect();
        let head = format!(
            "{line} HTTP/1.1\r\n{fields}Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        tcp.write_all(head.as_bytes()).unwrap();
        tcp.write_all(body).unwrap();
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            head.to_lowercase(),
            body.to_owned(),
        )
    }

    fn fields(&self) -> String {
        format!(
            "Host: {}\r\nAuthorization: Bearer {}\r\n",
            self.addr(),
            self.token.reveal()
        )
    }

    /// Asks as a command does.
    fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path}"), &self.fields(), b"")
    }

    fn publish(&self) {
        let run_file = RunFile {
            pid: std::process::id(),
            modes: vec![],
            control: self.addr(),
            token: self.token.clone(),
        };
        std::mem::forget(run_file.publish(&RunFile::path(self.dir.path())).unwrap());
    }
}

/// The JSON lines of a chunked body.
fn lines(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
        .collect()
}

#[test]
fn without_the_token_nothing_is_told_or_done() {
    let api = Api::start();
    let host = format!("Host: {}\r\n", api.addr());
    let right = api.token.reveal();
    for authorization in [
        String::new(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: Bearer {}x\r\n", &right[1..]),
        format!("Authorization: Bearer {}\r\n", &right[1..]),
        format!("Authorization: Basic {right}\r\n"),
        format!("Authorization: {right}\r\n"),
        format!("Authorization: Bearer {right}\r\nAuthorization: Bearer x\r\n"),
        format!("Cookie: token={right}\r\n"),
    ] {
        for line in [
            "GET /api/v1",
            "GET /api/v1/flows",
            "POST /api/v1/import",
            "GET /api/v1/none",
            "GET /api",
        ] {
            let (status, head, body) = api.ask(line, &format!("{host}{authorization}"), b"");
            assert_eq!(status, 401, "{line} with {authorization:?}");
            assert!(
                head.contains("www-authenticate: bearer") && head.contains("application/problem+json"),
                "{head}"
            );
            assert!(!body.contains("example.com"));
        }
    }
    let (status, ..) = api.ask(&format!("GET /api/v1/flows?token={right}"), &host, b"");
    assert_eq!(status, 401);
    assert_eq!(api.get("/api/v1/flows").0, 200, "the token itself is good");
}

#[test]
fn a_page_of_another_site_gets_nothing_even_with_the_token() {
    let api = Api::start();
    let token = format!("Authorization: Bearer {}\r\n", api.token.reveal());
    let addr = api.addr();
    let port = addr.port();
    for fields in [
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1.evil.example:{port}\r\n"),
        format!("Host: {addr}\r\nOrigin: http://evil.example\r\n"),
        format!("Host: {addr}\r\nOrigin: null\r\n"),
        format!("Host: {addr}\r\nOrigin: https://{addr}\r\n"),
        format!("Host: {addr}\r\nOrigin: http://127.0.0.1:1\r\n"),
        format!("Host: {addr}\r\nOrigin: http://{addr}.evil.example\r\n"),
        format!("Host: localhost:{port}\r\nOrigin: http://{addr}\r\n"),
        format!("Host: {addr}\r\nSec-Fetch-Site: cross-site\r\n"),
        format!("Host: {addr}\r\nSec-Fetch-Site: same-site\r\n"),
    ] {
        for line in [
            "GET /api/v1/flows",
            "POST /api/v1/import",
            "GET /livez",
            "GET /readyz",
            "GET /",
        ] {
            let (status, _, body) = api.ask(line, &format!("{fields}{token}"), b"");
            assert_eq!(status, 403, "{line} with {fields:?}");
            assert!(!body.contains("example.com"));
        }
    }
    let (status, ..) = api.ask("GET /livez", "", b"");
    assert_eq!(status, 400, "no Host");
    let (status, ..) = api.ask("GET /livez", &format!("Host: {addr}\r\nHost: evil.example\r\n"), b"");
    assert_eq!(status, 400, "two Hosts");
    let (status, ..) = api.ask(
        &format!("GET http://evil.example:{port}/livez"),
        &format!("Host: {addr}\r\n"),
        b"",
    );
    assert_eq!(status, 403, "an absolute target goes before Host");
    let preflight = format!("Host: {addr}\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n");
    let (status, head, _) = api.ask("OPTIONS /api/v1/import", &preflight, b"");
    assert!(status == 403 && !head.contains("access-control"), "{head}");
}

#[test]
fn the_door_itself_is_no_stranger() {
    let api = Api::start();
    let token = format!("Authorization: Bearer {}\r\n", api.token.reveal());
    let (addr, port) = (api.addr(), api.addr().port());
    for fields in [
        format!("Host: {addr}\r\nOrigin: http://{addr}\r\nSec-Fetch-Site: same-origin\r\n"),
        format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"),
        format!("Host: [::1]:{port}\r\nSec-Fetch-Site: none\r\n"),
    ] {
        let (status, head, _) = api.ask("GET /api/v1/flows", &format!("{fields}{token}"), b"");
        assert_eq!(status, 200, "{fields:?}");
        for always in [
            "cache-control: no-store",
            "nosniff",
            "x-frame-options: deny",
            "cross-origin-resource-policy",
        ] {
            assert!(head.contains(always), "{head}");
        }
    }
}

#[test]
fn health_asks_for_no_token() {
    let api = Api::start();
    let host = format!("Host: {}\r\n", api.addr());
    let (status, _, body) = api.ask("GET /livez", &host, b"");
    assert_eq!(
        (status, body),
        (200, format!(r#"{{"status":"live","pid":{}}}"#, std::process::id()))
    );
    assert_eq!(api.ask("GET /readyz", &host, b"").0, 200);
    api.draining.cancel();
    let (status, _, body) = api.ask("GET /readyz", &host, b"");
    assert!(status == 503 && body.contains(r#""status":"draining""#), "{body}");
    assert_eq!(api.ask("GET /livez", &host, b"").0, 200, "who drains is alive");
    api.store_failed.cancel();
    let (status, _, body) = api.ask("GET /readyz", &host, b"");
    assert!(
        status == 503 && body.contains(r#""status":"store_failed""#),
        "the reason of the draining: {body}"
    );
}

#[test]
fn each_operation_answers_in_its_form() {
    let api = Api::start();
    let (status, head, body) = api.get("/api/v1/flows");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/x-ndjson"), "{head}");
    let flows = lines(&body);
    assert_eq!(
        (&flows[0]["flow_id"], &flows[1]["flow_id"]),
        (&"1".into(), &"2".into()),
        "the oldest first"
    );
    assert_eq!(
        lines(&api.get("/api/v1/flows?limit=1").2)[0]["flow_id"],
        "2",
        "the newest"
    );
    assert_eq!(lines(&api.get("/api/v1/flows?limit=0").2).len(), 2);
    assert_eq!(
        serde_json::from_str::<Value>(&api.get("/api/v1/flow?flow=1").2).unwrap(),
        flows[0]
    );
    let messages = lines(&api.get("/api/v1/messages?flow=1").2);
    assert_eq!(messages.len(), 9);
    assert_eq!(messages[2]["body"], "hello, wörld");
    let some = lines(&api.get("/api/v1/messages?flow=1&after=4&limit=2").2);
    assert_eq!(
        (some.len(), &some[0]["sequence"], &some[1]["sequence"]),
        (2, &5.into(), &6.into())
    );
    let hits = lines(&api.get("/api/v1/search?words=hello").2);
    assert_eq!((hits.len(), &hits[0]["sequence"]), (1, &2.into()));
    assert!(hits[0]["snippet"].as_str().unwrap().contains("hello"));
    let state: Value = serde_json::from_str(&api.get("/api/v1/status").2).unwrap();
    assert_eq!(
        (&state["running"], &state["modes"][0]["mode"]),
        (&true.into(), &"regular".into())
    );
    let (_, head, body) = api.get("/api/v1/export?format=csv");
    assert!(
        head.contains("content-type: text/csv") && body.contains("flow_id,url"),
        "{head}"
    );
    let list: Value = serde_json::from_str(&api.get("/api/v1").2).unwrap();
    assert_eq!(
        list["operations"].as_array().unwrap().len(),
        crate::control::operations::ALL.len()
    );
    assert_eq!(list["operations"][1]["params"][1]["name"], "limit");
}

#[test]
fn an_error_is_a_problem() {
    let api = Api::start();
    for (path, status, says) in [
        ("/api/v1/messages?flow=99", 404, "there is no flow 99"),
        ("/api/v1/flow?flow=99", 404, "there is no flow 99"),
        ("/api/v1/messages", 400, "`flow` is missing"),
        ("/api/v1/flows?filter=url", 400, "the filter, column 1: this is a text"),
        ("/api/v1/flows?limit=%ff", 400, ""),
        ("/api/v1/nothing", 404, "there is no operation"),
        ("/api/v2", 404, "/api/v1 lists"),
        ("/favicon.ico", 404, "/api/v1 lists"),
        ("/api/v1/import", 405, "asked with POST"),
    ] {
        let (found, head, body) = api.get(path);
        assert_eq!(found, status, "{path}: {body}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{body}");
    }
    let (status, head, _) = api.ask("DELETE /api/v1/flows", &api.fields(), b"");
    assert!(status == 405 && head.contains("allow: get"), "{head}");
}

#[test]
fn a_file_is_imported_whole_or_not_at_all() {
    let api = Api::with(Limits {
        upload_bytes_max: 100_000,
        stop_ms: 5_000,
        ..Limits::default()
    });
    let (_, _, har) = api.get("/api/v1/export?format=har");
    // Chunked: the JSON is between the sizes of its chunks.
    let har: String = har.split("\r\n").filter(|part| part.len() > 8).collect();
    let (status, _, body) = api.ask("POST /api/v1/import", &api.fields(), har.as_bytes());
    assert_eq!(
        (status, body.as_str()),
        (200, r#"{"flows":2,"messages":11,"warnings":[]}"#)
    );
    let flows = lines(&api.get("/api/v1/flows").2);
    assert_eq!((flows.len(), &flows[2]["url"]), (4, &"wss://example.com/chat".into()));
    let broken = &har[..har.len() - 10];
    let (status, _, body) = api.ask("POST /api/v1/import", &api.fields(), broken.as_bytes());
    assert_eq!(status, 422, "{body}");
    let (status, ..) = api.ask("POST /api/v1/import", &api.fields(), b"not a recording");
    assert_eq!(status, 422);
    let (status, _, body) = api.ask("POST /api/v1/import", &api.fields(), &[b' '; 100_001]);
    assert_eq!(status, 413, "{body}");
    assert_eq!(lines(&api.get("/api/v1/flows").2).len(), 4);
    let left: Vec<_> = std::fs::read_dir(api.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| name.to_string_lossy().starts_with("framegate.db")),
        "{left:?}"
    );
}

#[test]
fn a_command_finds_the_running_proxy_and_sees_through_a_stale_file() {
    let api = Api::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let find_in = |dir: &Path| runtime.block_on(Client::find(dir));
    assert!(find_in(api.dir.path()).is_none(), "there is no file");
    api.publish();
    let client = find_in(api.dir.path()).unwrap();
    let error = runtime
        .block_on(client.ask(find("messages").unwrap(), &[("flow", "99")], None))
        .unwrap_err();
    assert_eq!(
        error,
        OperationError::NotFound("there is no flow 99 on record".to_owned())
    );
    let mut pieces = runtime
        .block_on(client.ask(find("search").unwrap(), &[("words", "\"wörld\" &=")], None))
        .unwrap();
    let first = runtime.block_on(pieces.next()).unwrap().unwrap();
    assert_eq!(lines(std::str::from_utf8(&first).unwrap())[0]["body"], "hello, wörld");
    let upload = api.dir.path().join("upload.jsonl");
    crate::exchange::jsonl::export(
        &mut samples::Memory::samples(),
        &mut std::fs::File::create(&upload).unwrap(),
    )
    .unwrap();
    let upload = std::fs::File::open(upload).unwrap();
    let mut pieces = runtime
        .block_on(client.ask(find("import").unwrap(), &[], Some(upload)))
        .unwrap();
    let said = runtime.block_on(pieces.next()).unwrap().unwrap();
    assert_eq!(said, r#"{"flows":2,"messages":11,"warnings":[]}"#);
    let run_file = RunFile::read(api.dir.path()).unwrap();
    let published = RunFile {
        pid: run_file.pid ^ 1,
        ..run_file.clone()
    }
    .publish(&RunFile::path(api.dir.path()));
    assert!(find_in(api.dir.path()).is_none(), "another process listens there");
    drop(published);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _published = RunFile {
        control: free,
        ..run_file
    }
    .publish(&RunFile::path(api.dir.path()));
    assert!(find_in(api.dir.path()).is_none(), "nobody listens there");
}
