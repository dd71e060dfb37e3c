//! Hooks in TLS, and in HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::peers::{TEXT, both_are_closed, part};
use crate::scripted::Stage;

/// Answers 403 to `attack`, 418 to a request that is not in that version, and 200 to all else.
async fn judge(request: Request<Incoming>, version: Version) -> Result<Response<Full<Bytes>>, Infallible> {
    let spoken = request.version();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let status = match &body[..] {
        _ if spoken != version => 418,
        b"attack" => 403,
        _ => 200,
    };
    Ok(Response::builder().status(status).body(Full::default()).unwrap())
}

/// A hook that speaks that version, in TLS if it has a certificate; where it is, and how many connections it has had.
fn hook(version: Version, tls: Option<Arc<ServerConfig>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let tls = tls.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| judge(request, version));
                    // The proxy may go at any time.
                    let _ = match (tls, version) {
                        (None, Version::HTTP_2) => {
                            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                            builder.serve_connection(TokioIo::new(tcp), service).await
                        }
                        (Some(tls), Version::HTTP_2) => {
                            let Ok(tls) = TlsAcceptor::from(tls).accept(tcp).await else {
                                return;
                            };
                            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                            builder.serve_connection(TokioIo::new(tls), service).await
                        }
                        (Some(tls), _) => {
                            let Ok(tls) = TlsAcceptor::from(tls).accept(tcp).await else {
                                return;
                            };
                            let builder = hyper::server::conn::http1::Builder::new();
                            builder.serve_connection(TokioIo::new(tls), service).await
                        }
                        (None, _) => {
                            let builder = hyper::server::conn::http1::Builder::new();
                            builder.serve_connection(TokioIo::new(tcp), service).await
                        }
                    };
                });
            }
        });
    });
    (addr, connections)
}

/// Sixteen at once and one that is stopped.
fn judges(stage: &Stage) {
    let (mut client, mut server) = stage.open();
    let frames: Vec<u8> = (0..100u32)
        .flat_map(|at| client.frame(TEXT, at.to_string().as_bytes()))
        .collect();
    let sending = client.send_behind(frames);
    for at in 0..100u32 {
        server.hears(TEXT, at.to_string().as_bytes());
    }
    sending.join().unwrap();
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
}

#[test]
fn http_2_without_tls_has_one_connection_for_all() {
    let (addr, connections) = hook(Version::HTTP_2, None);
    let settings = ["hook.http=\"2\"", "hook.timeout_ms=10000", "listen.threads=1"];
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &settings);
    judges(&stage);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_shared_connection_that_has_fallen_silent_is_left_by_all() {
    // It takes connections and says nothing on the first, as a machine that is gone does.
    let front = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = front.local_addr().unwrap();
    let (behind, _) = hook(Version::HTTP_2, None);
    std::thread::spawn(move || {
        let _silent = front.accept().unwrap();
        for tcp in front.incoming() {
            let (mut client, mut server) = (tcp.unwrap(), std::net::TcpStream::connect(behind).unwrap());
            let (mut back, mut forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
            std::thread::spawn(move || std::io::copy(&mut forth, &mut back));
        }
    });
    let settings = [
        "hook.http=\"2\"",
        "hook.timeout_ms=1000",
        "listen.threads=1",
        "hook.fail=open",
    ];
    let stage = Stage::new(Some(&format!("http://{addr}/")), None, &settings);
    let (mut client, mut server) = stage.open();
    for text in [&b"skipped"[..], b"judged"] {
        client.send(TEXT, text);
        server.hears(TEXT, text);
    }
    client.send(TEXT, b"attack");
    assert_eq!(both_are_closed(&mut client, &mut server, 1008), "blocked by policy");
}

/// A certificate for 127.0.0.1, in a file as well, and what a server needs to show it.
fn certificate(dir: &tempfile::TempDir, protocol: &[u8]) -> (String, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    (path.display().to_string(), Arc::new(config))
}

#[test]
fn in_tls_the_handshake_says_which_http_it_is() {
    for (protocol, version) in [(&b"h2"[..], Version::HTTP_2), (b"http/1.1", Version::HTTP_11)] {
        let dir = tempfile::tempdir().unwrap();
        let (file, config) = certificate(&dir, protocol);
        let (addr, connections) = hook(version, Some(config));
        let trusted = format!("tls.upstream_ca={file}");
        let settings = [&trusted[..], "hook.timeout_ms=10000", "listen.threads=1"];
        let stage = Stage::new(Some(&format!("https://{addr}/")), None, &settings);
        judges(&stage);
        let connections = connections.load(Ordering::SeqCst);
        assert!(
            connections <= if version == Version::HTTP_2 { 1 } else { 16 },
            "{connections}"
        );
    }
}

#[test]
fn a_hook_whose_certificate_does_not_hold_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (_, config) = certificate(&dir, b"h2");
    let (addr, _) = hook(Version::HTTP_2, Some(config));
    let stage = Stage::new(
        Some(&format!("https://{addr}/")),
        None,
        &["hook.timeout_ms=10000", "hook.fail=open"],
    );
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"hello");
    server.hears(TEXT, b"hello");
    part(client, server);
    crate::peers::ended(&stage.proxy, "1");
    let row = crate::peers::messages(&stage.proxy, "1").remove(0);
    assert_eq!(row["metadata"]["hook_failure"], "tls", "{row}");
}
