//! Stands in for the relay until it is there.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use crate::config::{Settings, Violations};
use crate::flow::{Direction, Ending, State, Timestamp};
use crate::net::Stream;
use crate::record::FlowTap;

/// One side of a relayed connection.
#[derive(Debug)]
pub struct Leg {
    /// The stream to the peer.
    pub stream: Stream,
    /// What was read behind the head.
    pub early: bytes::Bytes,
}

/// How a connection is relayed.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The settings of the connection.
    pub settings: Arc<Settings>,
    /// What happens to a violation, the door's own default applied.
    pub violations: Violations,
}

/// Relays a WebSocket.
pub async fn websocket(
    client: Leg,
    server: Leg,
    _negotiated: &wire::upgrade::Negotiated,
    policy: &Policy,
    flow: FlowTap,
    close_now: &CancellationToken,
) {
    tunnel(client, server, policy, flow, close_now).await;
}

/// Relays bytes.
pub async fn tunnel(
    mut client: Leg,
    mut server: Leg,
    _policy: &Policy,
    mut flow: FlowTap,
    close_now: &CancellationToken,
) {
    let pass = async {
        server.stream.write_all(&client.early).await?;
        client.stream.write_all(&server.early).await?;
        server.stream.flush().await?;
        client.stream.flush().await?;
        tokio::io::copy_bidirectional(&mut client.stream, &mut server.stream).await
    };
    let passed = tokio::select! {
        passed = pass => passed.ok(),
        () = close_now.cancelled() => None,
    };
    if let Some((sent, received)) = passed {
        flow.tunnelled(Direction::Send, sent);
        flow.tunnelled(Direction::Receive, received);
    }
    flow.end(Ending {
        ended_at: Timestamp::now(),
        state: State::Complete,
        error: None,
        close: None,
    });
}
