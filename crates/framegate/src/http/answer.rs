//! The server's answer on its way to the client: the head, interim ones before it, and the body.

use std::cell::OnceCell;
use std::io;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use wire::http::{BodyError, HeadError, Limits, RequestHead, ResponseHead, Version};

use super::body::{self, BodyFault};
use super::{Context, Lane, Link, Problem};

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
    /// The client left before it had it.
    Left,
    /// Nothing moved for `limits.http_idle_ms`.
    Stalled(Stall),
}

/// What an exchange that stands still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// More of the client's request.
    Request,
    /// The server to take more of the request.
    ServerTakes,
    /// The server's answer, or more of it.
    Answer,
    /// The client to take more of the response.
    ClientTakes,
}

impl AnswerFault {
    /// What the client is told, if it can still be told anything.
    pub(crate) fn problem(&self, context: &Context, link: &Link) -> Problem {
        let server = &link.origin;
        let detail = match self {
            Self::Silent => format!("the server {server} ended the connection without an answer"),
            Self::Broken(how) => format!("the connection to the server {server} broke: {how}"),
            Self::Head(error) => format!("the response of the server {server} is malformed: {error}"),
            Self::Body(error) => format!("the body of the server {server}'s response: {error}"),
            Self::Unasked => format!("the server {server} switched protocols without being asked"),
            Self::Client(error) => format!("the client did not take the response: {error}"),
            Self::Left => "the client left before it had the whole response".to_owned(),
            Self::Stalled(stall) => return stall.problem(context, link),
        };
        Problem::bad_gateway("bad-response", detail)
    }
}

impl Stall {
    fn problem(self, context: &Context, link: &Link) -> Problem {
        let server = &link.origin;
        let what = match self {
            Self::Request => "the client sent no more of its request".to_owned(),
            Self::ServerTakes => format!("the server {server} took no more of the request"),
            Self::Answer => format!("the server {server} sent nothing"),
            Self::ClientTakes => "the client took no more of the response".to_owned(),
        };
        let detail = format!("{what} for {} ms", context.settings.limits.http_idle_ms);
        match self {
            Self::Request | Self::ClientTakes => Problem::new(408, "client-too-slow", detail),
            Self::ServerTakes | Self::Answer => Problem::too_slow(detail),
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
    lane: &Lane<'_>,
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
                lane.write(client, head.raw()).await.map_err(AnswerFault::Client)?;
            }
            continue;
        }
        buffer.reserve(HEAD_READ_BYTES);
        match lane.read(server, buffer).await {
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
    lane: &Lane<'_>,
) -> Result<(), AnswerFault>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let framing = head.framing(method).map_err(AnswerFault::Head)?;
    let head = sent.get_or_init(|| head);
    lane.write(client, head.raw()).await.map_err(AnswerFault::Client)?;
    body::pass(server, buffer, client, framing, lane)
        .await
        .map_err(|fault| match fault {
            BodyFault::Read(error) => AnswerFault::Broken(error.to_string()),
            BodyFault::Form(error) => AnswerFault::Body(error),
            BodyFault::Write(error) => AnswerFault::Client(error),
        })
}
