//! One ordinary exchange: the request to the server, the response to the client, both at the same time.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::pin::pin;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use wire::http::{BodyError, Framing, HeadError, Limits, RequestHead, ResponseHead, Version};

use super::body::{self, BodyFault, Captured};
use super::record::{Exchanged, failed, whole};
use super::serve::{Step, refuse};
use super::{Conn, Context, Link, Links, Onward, Problem};
use crate::flow::Timestamp;

/// Room that is made before a read of a response's head.
const HEAD_READ_BYTES: usize = 16 << 10;

/// Why a response did not get to the client.
#[derive(Debug)]
pub(crate) enum AnswerFault {
    /// The server's stream ended or broke before its first byte.
    Silent,
    /// It did so later.
    Broken(String),
    /// The head is not valid.
    Head(HeadError),
    /// The body is not valid, or not whole.
    Body(BodyError),
    /// 101, though nobody asked for an upgrade.
    Unasked,
    /// The client does not take the response.
    Client(io::Error),
}

impl AnswerFault {
    /// What the client is told, if it can still be told anything.
    pub(crate) fn problem(&self, link: &Link) -> Problem {
        let detail = match self {
            Self::Silent => format!("the server {} ended the connection without an answer", link.origin),
            Self::Broken(how) => format!("the connection to the server {} broke: {how}", link.origin),
            Self::Head(error) => format!("the response of the server {} is malformed: {error}", link.origin),
            Self::Body(error) => format!("the body of the server {}'s response: {error}", link.origin),
            Self::Unasked => format!("the server {} switched protocols without being asked", link.origin),
            Self::Client(error) => format!("the client did not take the response: {error}"),
        };
        Problem::bad_gateway("bad-response", detail)
    }
}

/// Carries out one exchange and puts it on record.
pub(super) async fn exchange(
    context: &Context,
    client: &mut Conn,
    links: &mut Links,
    request: &RequestHead,
    onward: &Onward,
) -> Step {
    let started_at = Timestamp::now();
    // A head with two framings does not get here.
    let framing = request.framing().unwrap_or(Framing::Empty);
    let has_body = !matches!(framing, Framing::Empty | Framing::Length(0));
    let head = onward.rewrite(request, false);
    let mut record = None;
    loop {
        let mut link = match links.take(context, &onward.origin).await {
            Ok(link) => link,
            Err(no_link) => {
                let record =
                    record.unwrap_or_else(|| Exchanged::without(context, onward.url(false), started_at, no_link.addr));
                return refuse(client, request, Some(record), no_link.problem).await;
            }
        };
        let record_now = record.get_or_insert_with(|| Exchanged::with(context, onward.url(false), started_at, &link));
        let attempt = Attempt {
            context,
            request,
            head: &head,
            framing,
            sent: RefCell::new(Captured::new(context.capture_max())),
            sent_at: Cell::new(None),
            answer: OnceCell::new(),
            received: RefCell::new(Captured::new(context.capture_max())),
        };
        let outcome = attempt.run(client, &mut link).await;
        let again = !has_body && is_idempotent(request.method());
        if matches!(outcome.answer, Some(Err(AnswerFault::Silent))) && link.was_idle && again {
            continue;
        }
        attempt.record(record_now, &outcome);
        // It was put there above.
        let Some(record) = record else { return Step::Close };
        return attempt.conclude(client, links, link, outcome, record).await;
    }
}

/// One attempt at an exchange, on one connection to the server.
struct Attempt<'a> {
    context: &'a Context,
    request: &'a RequestHead,
    /// The request's head as the server gets it.
    head: &'a [u8],
    framing: Framing,
    sent: RefCell<Captured>,
    /// When the request was whole.
    sent_at: Cell<Option<Timestamp>>,
    /// The response's head, from the moment on at which the client gets to see it.
    answer: OnceCell<ResponseHead>,
    received: RefCell<Captured>,
}

/// How an attempt went. `None`: it was given up, because of the other one or because it took too long.
struct Outcome {
    request: Option<Result<(), BodyFault>>,
    answer: Option<Result<(), AnswerFault>>,
}

impl Attempt<'_> {
    async fn run(&self, client: &mut Conn, link: &mut Link) -> Outcome {
        let (mut client_read, mut client_write) = tokio::io::split(&mut client.stream);
        let (mut server_read, mut server_write) = tokio::io::split(&mut link.conn.stream);
        let mut there = pin!(async {
            server_write.write_all(self.head).await.map_err(BodyFault::Write)?;
            server_write.flush().await.map_err(BodyFault::Write)?;
            body::pass(
                &mut client_read,
                &mut client.buffer,
                &mut server_write,
                self.framing,
                &self.sent,
            )
            .await?;
            self.sent_at.set(Some(Timestamp::now()));
            Ok(())
        });
        let mut back = pin!(async {
            let buffer = &mut link.conn.buffer;
            let limits = self.context.head_limits();
            let head = final_head(&mut server_read, buffer, &mut client_write, self.request, &limits).await?;
            if head.status() == 101 {
                return Err(AnswerFault::Unasked);
            }
            let method = self.request.method();
            pass_response(
                &mut server_read,
                buffer,
                &mut client_write,
                head,
                method,
                &self.answer,
                &self.received,
            )
            .await
        });
        let mut outcome = Outcome {
            request: None,
            answer: None,
        };
        while outcome.answer.is_none() {
            tokio::select! {
                biased;
                request = &mut there, if outcome.request.is_none() => {
                    // A server that takes no more may still say why; a client that breaks its own request gets nothing.
                    let is_over = matches!(request, Err(BodyFault::Read(_) | BodyFault::Form(_)));
                    outcome.request = Some(request);
                    if is_over {
                        return outcome;
                    }
                }
                answer = &mut back => outcome.answer = Some(answer),
            }
        }
        let may_go_on =
            matches!(outcome.answer, Some(Ok(()))) && self.answer.get().is_some_and(|head| head.keep_alive());
        let is_awaited = !self.request.has_token("Expect", "100-continue") || self.sent.borrow().wire_bytes > 0;
        if outcome.request.is_none() && may_go_on && is_awaited {
            // The server answered early and goes on reading.
            outcome.request = timeout(self.context.handshake(), there).await.ok();
        }
        outcome
    }

    fn record(&self, record: &mut Exchanged, outcome: &Outcome) {
        let request_whole = matches!(outcome.request, Some(Ok(())));
        let sent_at = self.sent_at.get().unwrap_or_else(Timestamp::now);
        record.request(self.request, &self.sent.borrow(), sent_at, request_whole);
        if let Some(head) = self.answer.get() {
            let is_whole = matches!(outcome.answer, Some(Ok(())));
            record.response(head, &self.received.borrow(), Timestamp::now(), is_whole);
        }
    }

    /// Ends the flow, keeps what can be kept, and tells the client what it does not know yet.
    async fn conclude(
        &self,
        client: &mut Conn,
        links: &mut Links,
        link: Link,
        outcome: Outcome,
        record: Exchanged,
    ) -> Step {
        let problem = match (&outcome.request, &outcome.answer) {
            (_, Some(Err(fault))) => Some(fault.problem(&link)),
            (Some(Err(BodyFault::Form(BodyError::Truncated) | BodyFault::Read(_))), None) => Some(
                Problem::bad_request("the client's connection ended in the middle of its request"),
            ),
            (Some(Err(BodyFault::Form(error))), None) => Some(Problem::bad_request(format!(
                "the client's request body is malformed: {error}"
            ))),
            _ => None,
        };
        let Some(answer) = self.answer.get() else {
            let problem = problem.unwrap_or_else(|| AnswerFault::Silent.problem(&link));
            let mut record = record;
            record.refusal(&problem);
            send_problem(client, self.request, &problem).await;
            record.end(failed(problem.detail)).await;
            return Step::Close;
        };
        if let Some(problem) = problem {
            record.end(failed(problem.detail)).await;
            // Nothing that is added now could be told from the response.
            return Step::Abort;
        }
        record.end(whole()).await;
        let is_framed = !matches!(answer.framing(self.request.method()), Ok(Framing::UntilClose) | Err(_));
        let keeps = is_framed && matches!(outcome.request, Some(Ok(()))) && answer.keep_alive();
        if keeps && link.conn.buffer.is_empty() {
            links.keep(link);
        }
        if keeps && self.request.keep_alive() {
            Step::KeepAlive
        } else {
            Step::Close
        }
    }
}

/// Reads the head that answers the request; interim ones (RFC 9110 §15.2) go to the client on the way.
pub(crate) async fn final_head<R, W>(
    server: &mut R,
    buffer: &mut BytesMut,
    client: &mut W,
    request: &RequestHead,
    limits: &Limits,
) -> Result<ResponseHead, AnswerFault>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut is_silent = true;
    loop {
        let parsed = if buffer.is_empty() {
            None
        } else {
            ResponseHead::parse(buffer, limits).map_err(AnswerFault::Head)?
        };
        if let Some(head) = parsed {
            buffer.advance(head.raw().len());
            is_silent = false;
            if !matches!(head.status(), 100 | 102..=199) {
                return Ok(head);
            }
            // HTTP/1.0 has no interim responses.
            if request.version() == Version::Http11 {
                client.write_all(head.raw()).await.map_err(AnswerFault::Client)?;
                client.flush().await.map_err(AnswerFault::Client)?;
            }
            continue;
        }
        buffer.reserve(HEAD_READ_BYTES);
        match server.read_buf(buffer).await {
            Ok(0) | Err(_) if is_silent && buffer.is_empty() => return Err(AnswerFault::Silent),
            Ok(0) => {
                return Err(AnswerFault::Broken(
                    "it ended in the middle of the response's head".to_owned(),
                ));
            }
            Ok(_) => {}
            Err(error) => return Err(AnswerFault::Broken(error.to_string())),
        }
    }
}

/// Passes the response on: the head as it came, then the body. `sent` gets the head as soon as the client gets it.
pub(crate) async fn pass_response<R, W>(
    server: &mut R,
    buffer: &mut BytesMut,
    client: &mut W,
    head: ResponseHead,
    method: &str,
    sent: &OnceCell<ResponseHead>,
    received: &RefCell<Captured>,
) -> Result<(), AnswerFault>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let framing = head.framing(method).map_err(AnswerFault::Head)?;
    let head = sent.get_or_init(|| head);
    client.write_all(head.raw()).await.map_err(AnswerFault::Client)?;
    client.flush().await.map_err(AnswerFault::Client)?;
    body::pass(server, buffer, client, framing, received)
        .await
        .map_err(|fault| match fault {
            BodyFault::Read(error) => AnswerFault::Broken(error.to_string()),
            BodyFault::Form(error) => AnswerFault::Body(error),
            BodyFault::Write(error) => AnswerFault::Client(error),
        })
}

/// Sends the proxy's own answer. A client that has gone does not matter any more.
pub(super) async fn send_problem(client: &mut Conn, request: &RequestHead, problem: &Problem) {
    let (head, body) = problem.response();
    let body = if request.method() == "HEAD" { "" } else { body.as_str() };
    let _ = client.send(format!("{head}{body}").as_bytes()).await;
}

/// Whether asking twice is as good as asking once, so that a proxy may do so unasked (RFC 9110 §9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}
