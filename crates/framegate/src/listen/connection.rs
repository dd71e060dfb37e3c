//! One client connection, from the first byte to the last.
//!
//! The task starts in HTTP. What it needs for that (heads, handshakes, bodies) lives in one boxed future, which is gone
//! when the connection becomes a WebSocket or a tunnel: those live long, and there are many of them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use wire::http::RequestHead;

use super::World;
use super::accept::Slot;
use super::connect::connect;
use super::gateway::Gateway;
use super::regular::Regular;
use super::reverse::Reverse;
use crate::config::Mode;
use crate::http::{self, Context, Links, Next, OwnDoor, Problem, Route, serve};
use crate::net::{self, Conn};
use crate::record::{FlowTap, Tap};
use crate::relay::{self, Leg, Policy, WebSocket};
use crate::telemetry;

/// What the connections of one thread share.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) world: World,
    pub(super) tap: Tap,
}

/// A door as its connections know it.
#[derive(Debug)]
pub(super) struct Door {
    kind: Kind,
    mode: &'static str,
    /// As what its connections are counted.
    pub(super) counted: telemetry::Door,
    pub(super) addr: SocketAddr,
    own_doors: Rc<[OwnDoor]>,
}

#[derive(Debug)]
enum Kind {
    Regular(Regular),
    Gateway(Gateway),
    Reverse(Reverse),
}

impl Door {
    /// `own_doors` are all doors of this process.
    pub(super) fn new(mode: &Mode, addr: SocketAddr, own_doors: Rc<[OwnDoor]>, world: &World) -> Self {
        Self {
            kind: match mode {
                Mode::Regular { .. } => Kind::Regular(Regular),
                Mode::Gateway { .. } => Kind::Gateway(Gateway(Arc::clone(&world.gateway))),
                Mode::Reverse { url, .. } => Kind::Reverse(Reverse::new(url.clone(), Arc::clone(&world.gateway))),
            },
            mode: mode.name(),
            counted: telemetry::Door::named(mode.name()),
            addr,
            own_doors,
        }
    }

    /// What others have to know of a door before they dial it.
    pub(super) fn own(mode: &Mode, addr: SocketAddr) -> OwnDoor {
        OwnDoor {
            addr,
            server: match mode {
                Mode::Regular { .. } | Mode::Gateway { .. } => None,
                Mode::Reverse { url, .. } => Some(Reverse::origin(url)),
            },
        }
    }
}

impl http::Door for Door {
    fn route(&self, request: &RequestHead, context: &Context) -> Result<Route, Problem> {
        match &self.kind {
            Kind::Regular(door) => door.route(request, context),
            Kind::Gateway(door) => door.route(request, context),
            Kind::Reverse(door) => door.route(request, context),
        }
    }
}

/// Everything that the relay needs for a tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) client: Leg,
    pub(super) server: Leg,
    pub(super) policy: Policy,
    pub(super) flow: FlowTap,
}

/// What a connection becomes after HTTP.
#[derive(Debug)]
pub(super) enum Then {
    Closed,
    WebSocket(Box<WebSocket>),
    Tunnel(Box<Tunnel>),
}

/// Carries one connection. `slot` is its place under `limits.connections_max`.
pub(super) async fn connection(
    tcp: TcpStream,
    client_addr: SocketAddr,
    door: Rc<Door>,
    thread: Rc<Thread>,
    slot: Slot,
) {
    let close_now = thread.world.close_now.clone();
    let then = Box::pin(in_http(tcp, client_addr, door, thread)).await;
    if let Some(relayed) = then.relay(close_now) {
        relayed.await;
    }
    drop(slot);
}

impl Then {
    /// The rest of the connection's life, in a future that is no larger than it needs.
    fn relay(self, close_now: CancellationToken) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        match self {
            Self::Closed => None,
            Self::WebSocket(relayed) => Some(Box::pin(async move {
                relay::websocket(*relayed, &close_now).await;
            })),
            Self::Tunnel(tunnel) => {
                let Tunnel {
                    client,
                    server,
                    policy,
                    flow,
                } = *tunnel;
                Some(Box::pin(async move {
                    relay::tunnel(client, server, &policy, flow, &close_now).await;
                }))
            }
        }
    }
}

async fn in_http(tcp: TcpStream, client_addr: SocketAddr, door: Rc<Door>, thread: Rc<Thread>) -> Then {
    let close_now = thread.world.close_now.clone();
    // A flow that is dropped in the middle ends as an error.
    tokio::select! {
        then = until_it_leaves_http(tcp, client_addr, &door, &thread) => then,
        () = close_now.cancelled() => Then::Closed,
    }
}

async fn until_it_leaves_http(tcp: TcpStream, client_addr: SocketAddr, door: &Door, thread: &Thread) -> Then {
    let world = &thread.world;
    let settings = world.settings.load_full();
    // Neither fails but on a connection that is gone already.
    let (Ok(()), Ok(local_addr)) = (net::ready(&tcp, settings.limits.tcp_keepalive_ms), tcp.local_addr()) else {
        return Then::Closed;
    };
    let context = Context {
        settings,
        tls: world.tls.load_full(),
        ca: Arc::clone(&world.ca),
        judges: world.judges.load_full(),
        judges_now: Arc::clone(&world.judges),
        hooks: Arc::clone(&world.hooks),
        live: Arc::clone(&world.live),
        sources: Arc::clone(&world.sources),
        tap: thread.tap.clone(),
        mode: door.mode,
        client_addr,
        local_addr,
        client_tls: None,
        own_doors: Rc::clone(&door.own_doors),
        door: door.addr,
        stop_accepting: world.stop_accepting.clone(),
    };
    match serve(&context, Conn::new(tcp.into()), door, Links::default()).await {
        Next::Closed => Then::Closed,
        Next::WebSocket(relayed) => Then::WebSocket(relayed),
        Next::Connect(asked) => Box::pin(connect(context, *asked)).await,
    }
}

#[cfg(test)]
mod tests {
    /// Every open connection has one of these besides its relay.
    #[test]
    fn the_task_of_a_connection_is_small() {
        fn size<A, B, C, D, E, F>(_: fn(A, B, C, D, E) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(super::connection) <= 256, "{} bytes", size(super::connection));
    }
}
