//! A hook behind a real HTTP server, in TLS and in HTTP/2.

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

/// The status, by the version that was spoken, the one that was meant, and the body.
pub(crate) type Says = fn(Version, Version, &[u8]) -> u16;

async fn judge(request: Request<Incoming>, version: Version, says: Says) -> Result<Response<Full<Bytes>>, Infallible> {
    let spoken = request.version();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let status = says(spoken, version, &body);
    Ok(Response::builder().status(status).body(Full::default()).unwrap())
}

/// A hook that speaks that version, in TLS if it has a certificate; where it is, and how many connections it has had.
pub(crate) fn hook(version: Version, tls: Option<Arc<ServerConfig>>, says: Says) -> (SocketAddr, Arc<AtomicUsize>) {
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
                    let service = service_fn(move |request| judge(request, version, says));
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

/// A certificate for that host, in a file as well, and what a server needs to show it.
pub(crate) fn certificate(dir: &tempfile::TempDir, host: &str, protocol: &[u8]) -> (String, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
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
