//! One ordinary exchange: the request to the server, the response to the client, both at the same time.

use std::cell::{Cell, OnceCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::time::timeout;
use wire::http::{BodyError, Framing, RequestHead, ResponseHead};

use super::answer::{AnswerFault, Stall, final_head, pass_response};
use super::body::{self, BodyFault};
use super::record::{Exchanged, failed, whole};
use super::serve::{Step, refuse};
use super::{Context, Lane, Link, Links, Onward, Problem, Pulse, left};
use crate::flow::Timestamp;
use crate::net::Conn;

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
        let pulse = Pulse::new(context);
        let attempt = Attempt {
            context,
            request,
            head: &head,
            framing,
            pulse: &pulse,
            there: Lane::new(context, &pulse),
            back: Lane::new(context, &pulse),
            sent_at: Cell::new(None),
            answer: OnceCell::new(),
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
    pulse: &'a Pulse,
    /// The request's way.
    there: Lane<'a>,
    /// The response's way.
    back: Lane<'a>,
    /// When the request was whole.
    sent_at: Cell<Option<Timestamp>>,
    /// The response's head, from the moment on at which the client gets to see it.
    answer: OnceCell<ResponseHead>,
}

/// How an attempt went.
struct Outcome {
    /// What is wrong with the request, or with the server that should take it.
    request: Option<BodyFault>,
    /// `None`: it was given up because of the request.
    answer: Option<Result<(), AnswerFault>>,
}

impl Attempt<'_> {
    async fn run(&self, client: &mut Conn, link: &mut Link) -> Outcome {
        let (mut client_read, mut client_write) = tokio::io::split(&mut client.stream);
        let (mut server_read, mut server_write) = tokio::io::split(&mut link.conn.stream);
        // `None`: the request is whole, and the client has left since.
        let mut there = pin!(async {
            let head = self.there.write(&mut server_write, self.head).await;
            if let Err(error) = head {
                return Some(BodyFault::Write(error));
            }
            let (from, buffer) = (&mut client_read, &mut client.buffer);
            let passed = body::pass(from, buffer, &mut server_write, self.framing, &self.there).await;
            if let Err(fault) = passed {
                return Some(fault);
            }
            self.sent_at.set(Some(Timestamp::now()));
            left(self.context, from, buffer).await;
            None
        });
        let mut back = pin!(async {
            let buffer = &mut link.conn.buffer;
            let (to, limits, lane) = (&mut client_write, self.context.head_limits(), &self.back);
            let head = final_head(&mut server_read, buffer, to, self.request, &limits, lane).await?;
            if head.status() == 101 {
                return Err(AnswerFault::Unasked);
            }
            let method = self.request.method();
            pass_response(&mut server_read, buffer, to, head, method, &self.answer, lane).await
        });
        let mut outcome = Outcome {
            request: None,
            answer: None,
        };
        while outcome.answer.is_none() {
            tokio::select! {
                biased;
                fault = &mut there, if outcome.request.is_none() => match fault {
                    None => outcome.answer = Some(Err(AnswerFault::Left)),
                    Some(fault) => {
                        // A server that takes no more may still say why; a client that breaks its request gets nothing.
                        let is_over = !matches!(fault, BodyFault::Write(_));
                        outcome.request = Some(fault);
                        if is_over {
                            return outcome;
                        }
                    }
                },
                answer = &mut back => outcome.answer = Some(answer),
                () = self.pulse.stops() => outcome.answer = Some(Err(AnswerFault::Stalled(self.stall(&outcome)))),
            }
        }
        if outcome.request.is_none() && self.is_worth_finishing(&outcome) {
            outcome.request = timeout(self.context.handshake(), self.is_sent(there))
                .await
                .unwrap_or(None);
        }
        outcome
    }

    /// Whether the server answered early and goes on reading.
    fn is_worth_finishing(&self, outcome: &Outcome) -> bool {
        matches!(outcome.answer, Some(Ok(())))
            && self.answer.get().is_some_and(|head| head.keep_alive())
            && !self.waits_for_100()
    }

    /// Ready as soon as the request is whole, or will not be.
    async fn is_sent(&self, mut there: Pin<&mut impl Future<Output = Option<BodyFault>>>) -> Option<BodyFault> {
        poll_fn(|cx| {
            if self.sent_at.get().is_some() {
                return Poll::Ready(None);
            }
            match there.as_mut().poll(cx) {
                Poll::Pending if self.sent_at.get().is_some() => Poll::Ready(None),
                poll => poll,
            }
        })
        .await
    }

    /// Whether the client holds its body back until the server asks for it (RFC 9110 §10.1.1).
    fn waits_for_100(&self) -> bool {
        self.request.has_token("Expect", "100-continue") && self.there.captured.borrow().wire_bytes == 0
    }

    /// What an exchange waits for in which nothing moves.
    fn stall(&self, outcome: &Outcome) -> Stall {
        let is_sending = self.sent_at.get().is_none() && outcome.request.is_none();
        if self.back.is_writing() {
            Stall::ClientTakes
        } else if is_sending && self.there.is_writing() {
            Stall::ServerTakes
        } else if is_sending && !self.waits_for_100() {
            Stall::Request
        } else {
            Stall::Answer
        }
    }

    fn record(&self, record: &mut Exchanged, outcome: &Outcome) {
        let sent_at = self.sent_at.get();
        let at = sent_at.unwrap_or_else(Timestamp::now);
        record.request(self.request, &self.there.captured.borrow(), at, sent_at.is_some());
        if let Some(head) = self.answer.get() {
            let is_whole = matches!(outcome.answer, Some(Ok(())));
            record.response(head, &self.back.captured.borrow(), Timestamp::now(), is_whole);
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
        if let Some(Err(fault @ (AnswerFault::Left | AnswerFault::Stalled(Stall::ClientTakes)))) = &outcome.answer {
            record.end(failed(fault.problem(self.context, &link).detail)).await;
            return Step::Abort;
        }
        let problem = match (&outcome.request, &outcome.answer) {
            (_, Some(Err(fault))) => Some(fault.problem(self.context, &link)),
            (Some(BodyFault::Form(BodyError::Truncated) | BodyFault::Read(_)), None) => Some(Problem::bad_request(
                "the client's connection ended in the middle of its request",
            )),
            (Some(BodyFault::Form(error)), None) => Some(Problem::bad_request(format!(
                "the client's request body is malformed: {error}"
            ))),
            _ => None,
        };
        let Some(answer) = self.answer.get() else {
            let problem = problem.unwrap_or_else(|| AnswerFault::Silent.problem(self.context, &link));
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
        let keeps = is_framed && self.sent_at.get().is_some() && answer.keep_alive();
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
