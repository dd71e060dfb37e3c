//! The requests of one client connection, one after another.

use tokio::time::{sleep, timeout};
use wire::http::{Framing, RequestHead};
use wire::upgrade;

use super::exchange::{exchange, send_problem};
use super::request::NoHead;
use super::route::{Door, Route, check};
use super::{Context, Exchanged, Links, Origin, Problem, failed};
use crate::flow::Timestamp;
use crate::net::Conn;
use crate::relay::WebSocket;
use crate::telemetry::{self, By, Class};
use crate::tls;
use crate::upgrade::upgrade as upgrade_to_websocket;

/// How a connection leaves HTTP.
#[derive(Debug)]
pub(crate) enum Next {
    /// It has ended.
    Closed,
    /// The client asked for a tunnel.
    Connect(Box<Connect>),
    /// It has become a WebSocket.
    WebSocket(Box<WebSocket>),
}

/// A client that waits for a tunnel to a server, which was not dialled yet.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) client: Conn,
    pub(crate) request: RequestHead,
    pub(crate) origin: Origin,
}

/// What follows one request.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next one.
    KeepAlive,
    /// The client gets to read what was sent, then the connection ends.
    Close,
    /// The connection breaks off: a response on it can not be completed.
    Abort,
    /// A tunnel.
    Connect(Origin),
    /// A WebSocket.
    WebSocket(Box<crate::upgrade::Agreed>),
}

/// Serves a client's requests until one of them is the last.
pub(crate) async fn serve(context: &Context, mut client: Conn, door: &dyn Door, mut links: Links) -> Next {
    let mut is_first = true;
    loop {
        let request = match next_request(context, &mut client, is_first).await {
            Ok(request) => request,
            Err(None) => return Next::Closed,
            Err(Some(problem)) => {
                tracing::debug!(client = %context.client_addr, problem = problem.detail, "no request");
                let (head, body) = problem.response();
                let _ = client.send(format!("{head}{body}").as_bytes()).await;
                record_no_request(context, &client, problem).await;
                drop(links);
                client.linger(context.close()).await;
                return Next::Closed;
            }
        };
        is_first = false;
        match step(context, &mut client, door, &mut links, &request).await {
            Step::KeepAlive => {}
            Step::Close => {
                drop(links);
                client.linger(context.close()).await;
                return Next::Closed;
            }
            Step::Abort => return Next::Closed,
            Step::Connect(origin) => {
                return Next::Connect(Box::new(Connect {
                    client,
                    request,
                    origin,
                }));
            }
            Step::WebSocket(agreed) => return Next::WebSocket(Box::new(agreed.with(context, client))),
        }
    }
}

/// The next request. `Err(None)`: there is none.
async fn next_request(context: &Context, client: &mut Conn, is_first: bool) -> Result<RequestHead, Option<Problem>> {
    if !is_first {
        let keep_alive = std::time::Duration::from_millis(context.settings.limits.keep_alive_ms);
        let has_come = tokio::select! {
            biased;
            first = client.first_byte() => first.unwrap_or(false),
            () = sleep(keep_alive) => false,
            () = context.stop_accepting.cancelled() => false,
        };
        if !has_come {
            return Err(None);
        }
    }
    match timeout(context.handshake(), client.request_head(&context.head_limits())).await {
        Ok(Ok(request)) => Ok(request),
        Ok(Err(NoHead::Malformed(error))) => Err(Some(Problem::bad_head(error))),
        Ok(Err(NoHead::Ended(false))) => Err(None),
        Ok(Err(NoHead::Ended(true))) => Err(Some(Problem::bad_request(
            "the client's connection ended in the middle of a request's head",
        ))),
        Err(_) if client.buffer.is_empty() => Err(None),
        Err(_) => Err(Some(Problem::new(
            408,
            "client-too-slow",
            format!(
                "the request's head was not complete within {} ms",
                context.settings.limits.handshake_ms
            ),
        ))),
    }
}

/// Puts a refused head on record, as far as it was read. Where it should have gone is not known: the URL is the door's.
async fn record_no_request(context: &Context, client: &Conn, problem: Problem) {
    let mut record = Exchanged::without(context, door_url(context), Timestamp::now(), None);
    let head_max = context.settings.limits.head_bytes_max;
    record.no_request(&client.buffer[..client.buffer.len().min(head_max)]);
    record.refusal(&problem);
    record.end(failed(problem.detail)).await;
}

/// The door's own URL, as the client found it.
fn door_url(context: &Context) -> String {
    let (tls, local) = (context.client_tls.is_some(), context.local_addr);
    Origin::new(tls, local.ip().to_canonical().to_string(), local.port()).url(false)
}

/// Deals with one request.
async fn step(context: &Context, client: &mut Conn, door: &dyn Door, links: &mut Links, request: &RequestHead) -> Step {
    let onward = match check(request).and_then(|()| door.route(request, context)) {
        Ok(Route::Server(onward)) => onward,
        Ok(Route::Connect(origin)) if matches!(request.framing(), Ok(Framing::Empty | Framing::Length(0))) => {
            return Step::Connect(origin);
        }
        Ok(Route::Connect(_)) => {
            return refuse(
                client,
                request,
                None,
                Problem::bad_request("the client's CONNECT has a body"),
            )
            .await;
        }
        Ok(Route::OwnPage(path)) => return own_page(context, client, request, &path).await,
        Err(problem) => {
            // Where it should have gone is not known.
            let asks = !matches!(upgrade::Request::of(request), upgrade::Request::NotUpgrade);
            let record = asks.then(|| Exchanged::without(context, door_url(context), Timestamp::now(), None));
            return refuse(client, request, record, problem).await;
        }
    };
    match upgrade::Request::of(request) {
        upgrade::Request::NotUpgrade => exchange(context, client, links, request, &onward).await,
        upgrade::Request::Bad(bad) => {
            let record = Exchanged::without(context, onward.url(true), Timestamp::now(), None);
            refuse(client, request, Some(record), Problem::bad_upgrade(&bad)).await
        }
        upgrade::Request::WebSocket(asked) => {
            upgrade_to_websocket(context, client, links, request, &asked, &onward).await
        }
    }
}

/// Answers a request in place of a server, and puts that on record where there is a record of it.
pub(crate) async fn refuse(
    client: &mut Conn,
    request: &RequestHead,
    record: Option<Exchanged>,
    problem: Problem,
) -> Step {
    if !matches!(upgrade::Request::of(request), upgrade::Request::NotUpgrade) {
        let refused = (By::Proxy, Class::of(problem.status));
        telemetry::counts().upgrades_refused.one(refused);
    }
    send_problem(client, request, &problem).await;
    if let Some(mut record) = record {
        record.request(request, &super::Captured::default(), Timestamp::now(), true);
        record.refusal(&problem);
        record.end(failed(problem.detail)).await;
    }
    Step::Close
}

/// The proxy's own pages, where clients get the CA's certificate.
async fn own_page(context: &Context, client: &mut Conn, request: &RequestHead, path: &str) -> Step {
    if !matches!(request.method(), "GET" | "HEAD") {
        let problem = Problem::new(405, "bad-request", "the proxy's own pages can only be read");
        return refuse(client, request, None, problem).await;
    }
    let Some(page) = tls::page(path, &context.ca) else {
        let problem = Problem::new(404, "no-such-page", "the proxy has no page of its own at that path");
        return refuse(client, request, None, problem).await;
    };
    let disposition = page.filename.map_or_else(String::new, |name| {
        format!("Content-Disposition: attachment; filename=\"{name}\"\r\n")
    });
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nServer: framegate\r\nContent-Type: {}\r\n{disposition}Content-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        page.content_type,
        page.body.len(),
    )
    .into_bytes();
    if request.method() == "GET" {
        response.extend_from_slice(&page.body);
    }
    let _ = client.send(&response).await;
    Step::Close
}
