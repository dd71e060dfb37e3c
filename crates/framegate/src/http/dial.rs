//! Reaching a server: its name, its addresses, a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::loops::leads_back;
use super::{Context, Origin, Problem};
use crate::net;

/// Connects to the server, trying its addresses in turn. All of it takes `limits.handshake_ms` at the most.
///
/// # Errors
///
/// 502 if there is no such host or none of its addresses takes a connection, 504 if that takes too long, 403 if it may not be reached
/// at one of its addresses, 508 if an
/// address leads back to the door, 503 if the system gives no socket.
pub(crate) async fn dial(context: &Context, origin: &Origin) -> Result<(TcpStream, SocketAddr), Problem> {
    let deadline = Instant::now() + context.handshake();
    let left = || deadline.saturating_duration_since(Instant::now());
    let addresses = match timeout(left(), resolve(origin)).await {
        Ok(addresses) => addresses?,
        Err(_) => {
            return Err(Problem::too_slow(format!(
                "looking up the host {:?} took too long",
                origin.host
            )));
        }
    };
    if let Some(reach) = &origin.reach
        && let Some(addr) = addresses.iter().find(|addr| !reach.admits(&origin.host, addr.ip()))
    {
        // One of several is enough: a name that leads outside and inside is no mistake.
        let detail = format!("{origin} leads to {}, which the settings do not allow here", addr.ip());
        return Err(Problem::new(403, "forbidden-host", detail));
    }
    let mut failure = None;
    for (index, addr) in addresses.iter().enumerate() {
        if timeout(left(), leads_back(context, *addr)).await.unwrap_or(false) {
            return Err(Problem::new(
                508,
                "loop",
                format!("{origin} leads back to this proxy itself; the request would come round for ever"),
            ));
        }
        // An address that swallows packets must not use up the time of those behind it.
        let share = left() / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(addr)).await {
            Ok(Ok(tcp)) => match net::ready(&tcp, context.settings.limits.tcp_keepalive_ms) {
                Ok(()) => return Ok((tcp, *addr)),
                Err(error) => failure = Some((*addr, error)),
            },
            Ok(Err(error)) => failure = Some((*addr, error)),
            Err(_) => failure = Some((*addr, io::ErrorKind::TimedOut.into())),
        }
    }
    Err(match failure {
        Some((_, error)) if is_ours(&error) => {
            tracing::error!(%error, "no server can be reached");
            Problem::new(
                503,
                "no-resources",
                format!("the proxy can open no further connection: {error}"),
            )
        }
        Some((addr, error)) if error.kind() == io::ErrorKind::TimedOut => {
            Problem::too_slow(format!("the server {origin} ({addr}) does not answer"))
        }
        Some((addr, error)) => Problem::bad_gateway(
            "server-unreachable",
            format!("the server {origin} ({addr}) cannot be reached: {}", words(&error)),
        ),
        None => Problem::bad_gateway("host-not-found", format!("the host {:?} has no address", origin.host)),
    })
}

/// The addresses of a server.
pub(super) async fn resolve(origin: &Origin) -> Result<Vec<SocketAddr>, Problem> {
    if let Ok(ip) = origin.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, origin.port)]);
    }
    match lookup_host((origin.host.as_str(), origin.port)).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(Problem::bad_gateway(
            "host-not-found",
            format!("the host {:?} cannot be found: {error}", origin.host),
        )),
    }
}

/// The system gives this process no more of something. There is no kind of error for it.
fn is_ours(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    error.kind() == io::ErrorKind::OutOfMemory || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// What went wrong, without the number that the system has for it.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "it refuses the connection".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to it".to_owned(),
        _ => error.to_string(),
    }
}
