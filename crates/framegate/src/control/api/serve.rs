//! Accepting connections of the control door, and ending them.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// After an accept that failed because the process has no more file descriptors, for example.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(limits.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    while let Some(accepted) = next(&listener, &room, &mut connections, &shutdown).await {
        let Ok((permit, tcp)) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let connection = connection(tcp, app.clone(), limits, shutdown.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Whoever takes longer is cut off when the set is dropped.
    let _ = tokio::time::timeout(Duration::from_millis(limits.stop_ms), ended).await;
    Ok(())
}

/// The next connection, when there is room for one; `None`: the shutdown has come.
async fn next(
    listener: &tokio::net::TcpListener,
    room: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Option<io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream)>> {
    while connections.try_join_next().is_some() {}
    let accept = async {
        let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (tcp, _) = listener.accept().await?;
        Ok((permit, tcp))
    };
    tokio::select! {
        accepted = accept => Some(accepted),
        () = shutdown.cancelled() => None,
    }
}

async fn connection(tcp: TcpStream, app: Router, limits: Limits, shutdown: CancellationToken) {
    // Lines of a live stream are wanted at once.
    let _ = tcp.set_nodelay(true);
    let service = TowerToHyperService::new(app);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new());
    server.header_read_timeout(Duration::from_millis(limits.head_ms));
    server.max_buf_size(limits.head_bytes_max.max(8 << 10));
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(tcp), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a control connection broke: {error}");
    }
}
