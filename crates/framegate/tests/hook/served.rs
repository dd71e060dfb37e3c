//! A hook on another implementation of HTTP, in either version, that takes its time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How it judges a payload: so long it takes, and the status; 0: none, it breaks off.
pub(crate) type Judges = fn(&[u8]) -> (Duration, u16);

/// The connections that it has had.
#[derive(Default)]
pub(crate) struct Connections {
    all: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Connections {
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::SeqCst)
    }

    /// The greatest number at once.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Served {
    version: Version,
    tls: Option<Arc<ServerConfig>>,
    judges: Judges,
    connections: Arc<Connections>,
}

/// A hook that speaks that version, in TLS if it has a certificate. A request in another one gets 418.
pub(crate) fn serve(
    version: Version,
    tls: Option<Arc<ServerConfig>>,
    judges: Judges,
) -> (SocketAddr, Arc<Connections>) {
    serve_at(
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        version,
        tls,
        judges,
    )
}

/// The same, there.
pub(crate) fn serve_at(
    listener: std::net::TcpListener,
    version: Version,
    tls: Option<Arc<ServerConfig>>,
    judges: Judges,
) -> (SocketAddr, Arc<Connections>) {
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let served = Served {
        version,
        tls,
        judges,
        connections: Arc::default(),
    };
    let connections = Arc::clone(&served.connections);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tokio::spawn(served.clone().connection(tcp));
            }
        });
    });
    (addr, connections)
}

impl Served {
    async fn connection(self, tcp: TcpStream) {
        let connections = Arc::clone(&self.connections);
        connections.all.fetch_add(1, Ordering::SeqCst);
        let open = connections.open.fetch_add(1, Ordering::SeqCst) + 1;
        connections.most.fetch_max(open, Ordering::SeqCst);
        tcp.set_nodelay(true).unwrap();
        match &self.tls {
            None => self.speak(TokioIo::new(tcp)).await,
            Some(tls) => {
                if let Ok(tls) = TlsAcceptor::from(Arc::clone(tls)).accept(tcp).await {
                    self.speak(TokioIo::new(tls)).await;
                }
            }
        }
        connections.open.fetch_sub(1, Ordering::SeqCst);
    }

    async fn speak(&self, io: impl Read + Write + Unpin + Send + 'static) {
        let service = service_fn(|request| answer(request, self.version, self.judges));
        // The proxy may go at any time.
        let _ = match self.version {
            Version::HTTP_2 => {
                let builder = http2::Builder::new(TokioExecutor::new());
                builder.serve_connection(io, service).await
            }
            _ => http1::Builder::new().serve_connection(io, service).await,
        };
    }
}

async fn answer(request: Request<Incoming>, version: Version, judges: Judges) -> io::Result<Response<Full<Bytes>>> {
    let spoken = request.version();
    let body = request.into_body().collect().await;
    // It may have gone while it asked.
    let (takes, status) = body.map_or((Duration::ZERO, 400), |body| judges(&body.to_bytes()));
    // The hook's own slowness, not the test's waiting.
    tokio::time::sleep(takes).await;
    if status == 0 {
        return Err(io::Error::other("nothing to say"));
    }
    let status = if spoken == version { status } else { 418 };
    Ok(Response::builder().status(status).body(Full::default()).unwrap())
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
