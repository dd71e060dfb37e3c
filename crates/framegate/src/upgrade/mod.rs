//! The way from a client's request for a WebSocket to the server's answer, and the hand-over to the relay.
//!
//! The server is asked with the client's own words and answers first: the client gets its 101, or whatever else it
//! says, as it came. Frames are the [`relay`](crate::relay)'s.

mod extensions;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::time::timeout;
use wire::http::{Framing, RequestHead, ResponseHead};
use wire::upgrade::WebSocketRequest;

use extensions::Extensions;

use crate::config::Terms;
use crate::flow::{Direction, FlowId, FlowType, Kind, Opening, Protocol, Timestamp, millis};
use crate::http::{
    AnswerFault, Captured, Context, Exchanged, Lane, Link, Links, Onward, Problem, Pulse, Stall, Step, failed,
    final_head, left, opening, pass_response, refuse, whole,
};
use crate::inspect::{Handshake, Hooked};
use crate::limit::{self, Crowded, Limit, Seat};
use crate::net::Conn;
use crate::record::{FlowTap, HttpMessage};
use crate::relay::{Leg, Orders, WebSocket};
use crate::telemetry::{self, By, Class};

/// A WebSocket that both peers have agreed to.
#[derive(Debug)]
pub(crate) struct Agreed {
    server: Conn,
    /// What goes on each leg.
    legs: wire::session::Agreed,
    opening: Arc<Opening>,
    flow: FlowTap,
    terms: Option<Arc<Terms>>,
    hooked: Option<Hooked>,
    orders: Option<Orders>,
    seat: Option<Seat>,
}

impl Agreed {
    /// Adds the client's side.
    pub(crate) fn with(self, context: &Context, client: Conn) -> WebSocket {
        WebSocket {
            client: leg(client),
            server: leg(self.server),
            agreed: self.legs,
            policy: context.policy(self.terms, self.hooked),
            opening: self.opening,
            flow: self.flow,
            judges: Arc::clone(&context.judges),
            orders: self.orders,
            seat: self.seat,
        }
    }
}

/// A connection as the relay takes it. The buffer in which its heads were read is given back.
pub(crate) fn leg(conn: Conn) -> Leg {
    Leg {
        early: Bytes::copy_from_slice(&conn.buffer),
        stream: conn.stream,
    }
}

/// Asks the server for the WebSocket that the client wants, if it may have one.
pub(crate) async fn upgrade(
    context: &Context,
    client: &mut Conn,
    links: &mut Links,
    request: &RequestHead,
    asked: &WebSocketRequest,
    onward: &Onward,
) -> Step {
    let seat = match let_in(context, request, onward) {
        Ok(seat) => seat,
        Err(problem) => {
            let record = Exchanged::without(context, onward.url(true), Timestamp::now(), None);
            return refuse(client, request, Some(record), problem).await;
        }
    };
    let mut step = agree(context, client, links, request, asked, onward).await;
    if let Step::WebSocket(agreed) = &mut step {
        agreed.seat = seat;
    }
    step
}

/// Has client and server agree to a WebSocket.
async fn agree(
    context: &Context,
    client: &mut Conn,
    links: &mut Links,
    request: &RequestHead,
    asked: &WebSocketRequest,
    onward: &Onward,
) -> Step {
    let (started_at, began) = (Timestamp::now(), Instant::now());
    let extensions = Extensions::new(
        asked,
        onward.terms.as_deref(),
        context.judges.concern(onward.terms.as_deref()),
    );
    let mut head = onward.rewritten(request, true);
    extensions.offer(&mut head);
    let head = head.finish();
    let (link, answer) = match answered(context, client, links, request, onward, &head, started_at).await {
        Ok(answered) => answered,
        Err(step) => return step,
    };
    let answered_at = Timestamp::now();
    let url = onward.url_at(&link.origin, true);
    if answer.status() != 101 {
        let refused = (By::Server, Class::of(answer.status()));
        telemetry::counts().upgrades_refused.one(refused);
        let record = Exchanged::with(context, url, started_at, &link);
        return refused_by_server(context, client, links, link, request, answer, record).await;
    }
    let settled = match extensions.answered(&answer) {
        Ok(settled) => settled,
        Err(why) => {
            let record = Exchanged::with(context, url, started_at, &link);
            return refuse(client, request, Some(record), unreadable(&why)).await;
        }
    };
    let opening = Arc::new(websocket_opening(context, url, started_at, &link, &answer));
    telemetry::counts().upgrade_seconds.took((), began.elapsed());
    let mut flow = context.tap.open(Arc::clone(&opening));
    if let Some(redactor) = context.judges.recorded() {
        flow.redact(Some(Arc::clone(redactor)), settled.agreed.unknown);
    }
    let told = settled.answer(&answer);
    record_upgrade(&mut flow, request, started_at, &answer, answered_at, settled.notes);
    // Whoever sees the client connected may give orders at once.
    let orders = (flow.id() != FlowId(0)).then(|| context.live.enter(flow.id()));
    if let Err(error) = client.send(&told).await {
        flow.end(failed(format!("the client did not take the server's 101: {error}")));
        return Step::Abort;
    }
    flow.ready().await;
    Step::WebSocket(Box::new(Agreed {
        server: link.conn,
        legs: settled.agreed,
        opening,
        flow,
        terms: onward.terms.clone(),
        hooked: hooked(context, request, onward),
        orders,
        seat: None,
    }))
}

/// What the connection's webhooks go by, if it may have some.
fn hooked(context: &Context, request: &RequestHead, onward: &Onward) -> Option<Hooked> {
    let terms = Arc::clone(onward.terms.as_ref()?);
    let way = onward.forwarded_for.as_deref();
    let client = context.client_addr.ip();
    let handshake = Handshake::new(request, &onward.target, &onward.removed, client, way);
    Some(Hooked {
        terms,
        handshake: Arc::new(handshake),
        hooks: Arc::clone(&context.hooks),
    })
}

/// Whether this client may have a WebSocket here: asked before anything is dialled.
fn let_in(context: &Context, request: &RequestHead, onward: &Onward) -> Result<Option<Seat>, Problem> {
    let settings = &context.settings;
    // Through the forward proxy pages of all origins speak with servers of all others.
    if context.mode != "regular" {
        let of_route = onward.terms.as_ref().map(|terms| &terms.origins);
        let allowed = of_route.filter(|origins| !origins.is_empty());
        let allowed = allowed.unwrap_or(&settings.upgrade.origins_allow);
        limit::check(request, allowed, settings.upgrade.origin_required).map_err(|why| {
            telemetry::counts().limits_exceeded.one(Limit::Origin);
            Problem::forbidden_origin(why)
        })?;
    }
    let addr = onward.client.unwrap_or_else(|| context.client_addr.ip());
    let entered = context.sources.enter(addr, &settings.limits, millis());
    entered.map_err(|Crowded { limit, retry_after_ms }| {
        let what = match limit {
            Limit::SourceConnections => "limits.source_connections_max WebSockets open",
            _ => "opened limits.source_connections_per_minute_max WebSockets",
        };
        Problem::too_many(format!("the client's source {addr} has {what}"), retry_after_ms)
    })
}

fn too_slow(context: &Context, link: &Link) -> Problem {
    let limit = context.settings.limits.handshake_ms;
    Problem::too_slow(format!(
        "the server {} did not answer the upgrade within {limit} ms",
        link.origin
    ))
}

fn unreadable(why: &str) -> Problem {
    let detail = format!("the server's 101 cannot be taken, because its messages could not be read: {why}");
    Problem::bad_gateway("unreadable-extension", detail)
}

/// The server that takes the request, and the head with which it answers; otherwise the client has been told.
async fn answered(
    context: &Context,
    client: &mut Conn,
    links: &mut Links,
    request: &RequestHead,
    onward: &Onward,
    head: &[u8],
    started_at: Timestamp,
) -> Result<(Link, ResponseHead), Step> {
    loop {
        let mut link = match links.take_any(context, onward).await {
            Ok(link) => link,
            Err(no_link) => {
                let record = Exchanged::without(context, onward.url(true), started_at, no_link.addr);
                return Err(refuse(client, request, Some(record), no_link.problem).await);
            }
        };
        let url = onward.url_at(&link.origin, true);
        match timeout(context.handshake(), ask(context, client, &mut link, request, head)).await {
            Ok(Ok(answer)) => return Ok((link, answer)),
            Ok(Err(AnswerFault::Silent)) if link.was_idle => {}
            Ok(Err(fault)) => {
                let record = Exchanged::with(context, url, started_at, &link);
                return Err(unanswered(context, client, request, record, &link, fault).await);
            }
            Err(_) => {
                let record = Exchanged::with(context, url, started_at, &link);
                return Err(refuse(client, request, Some(record), too_slow(context, &link)).await);
            }
        }
    }
}

/// Sends the request on and waits for the head that answers it.
async fn ask(
    context: &Context,
    client: &mut Conn,
    link: &mut Link,
    request: &RequestHead,
    head: &[u8],
) -> Result<ResponseHead, AnswerFault> {
    // A server that no longer takes the request may have said why; if it has not, reading tells.
    let _ = link.conn.send(head).await;
    let Conn { stream, buffer } = &mut link.conn;
    let (mut client_read, mut client_write) = tokio::io::split(&mut client.stream);
    let (limits, pulse) = (context.head_limits(), Pulse::new(context));
    let lane = Lane::new(context, &pulse);
    tokio::select! {
        biased;
        answer = final_head(stream, buffer, &mut client_write, request, &limits, &lane) => answer,
        () = left(context, &mut client_read, &mut client.buffer) => Err(AnswerFault::Left),
    }
}

/// Ends an upgrade, or what the server said instead of 101, before the client had anything of it.
async fn unanswered(
    context: &Context,
    client: &mut Conn,
    request: &RequestHead,
    mut record: Exchanged,
    link: &Link,
    fault: AnswerFault,
) -> Step {
    let problem = fault.problem(context, link);
    if !matches!(fault, AnswerFault::Left) {
        return refuse(client, request, Some(record), problem).await;
    }
    record.request(request, &Captured::default(), Timestamp::now(), true);
    record.end(failed(problem.detail)).await;
    Step::Abort
}

/// The server says something else than 101: an ordinary response.
async fn refused_by_server(
    context: &Context,
    client: &mut Conn,
    links: &mut Links,
    mut link: Link,
    request: &RequestHead,
    answer: ResponseHead,
    mut record: Exchanged,
) -> Step {
    let sent = OnceCell::new();
    let pulse = Pulse::new(context);
    let lane = Lane::new(context, &pulse);
    let Conn { stream, buffer } = &mut link.conn;
    let (mut client_read, mut client_write) = tokio::io::split(&mut client.stream);
    let is_last = !request.keep_alive()
        || !answer.keep_alive()
        || matches!(answer.framing(request.method()), Ok(Framing::UntilClose) | Err(_));
    let passed = tokio::select! {
        biased;
        passed = pass_response(stream, buffer, &mut client_write, answer, request.method(), &sent, &lane) => passed,
        () = left(context, &mut client_read, &mut client.buffer) => Err(AnswerFault::Left),
        () = pulse.stops() => {
            let stall = if lane.is_writing() { Stall::ClientTakes } else { Stall::Answer };
            Err(AnswerFault::Stalled(stall))
        }
    };
    let Some(answer) = sent.get() else {
        let fault = passed.err().unwrap_or(AnswerFault::Silent);
        return unanswered(context, client, request, record, &link, fault).await;
    };
    record.request(request, &Captured::default(), Timestamp::now(), true);
    record.response(answer, &lane.captured.borrow(), Timestamp::now(), passed.is_ok());
    if let Err(fault) = passed {
        record.end(failed(fault.problem(context, &link).detail)).await;
        return Step::Abort;
    }
    record.end(whole()).await;
    if is_last {
        return Step::Close;
    }
    if link.conn.buffer.is_empty() {
        links.keep(link);
    }
    Step::KeepAlive
}

fn websocket_opening(
    context: &Context,
    url: String,
    started_at: Timestamp,
    link: &Link,
    answer: &ResponseHead,
) -> Opening {
    let text = |name| -> Option<String> {
        let lines: Vec<_> = answer.values(name).map(String::from_utf8_lossy).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    };
    Opening {
        protocol: Protocol::WebSocket,
        flow_type: FlowType::Bidirectional,
        subprotocol: text("Sec-WebSocket-Protocol"),
        extensions: text("Sec-WebSocket-Extensions"),
        ..opening(context, url, started_at, Some(link.addr), link.tls.clone())
    }
}

fn record_upgrade(
    flow: &mut FlowTap,
    request: &RequestHead,
    asked_at: Timestamp,
    answer: &ResponseHead,
    answered_at: Timestamp,
    notes: Vec<(String, String)>,
) {
    let message = |kind, direction, at, head, more| HttpMessage {
        direction,
        kind,
        at,
        head,
        body: &[],
        size: 0,
        wire_bytes: 0,
        more,
    };
    let method = vec![("method".to_owned(), request.method().to_owned())];
    let mut asked = message(Kind::UpgradeRequest, Direction::Send, asked_at, request.raw(), method);
    asked.wire_bytes = request.raw().len() as u64;
    flow.http(&asked);
    let mut answered = message(
        Kind::UpgradeResponse,
        Direction::Receive,
        answered_at,
        answer.raw(),
        notes,
    );
    answered.wire_bytes = answer.raw().len() as u64;
    flow.http(&answered);
}
