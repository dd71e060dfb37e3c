//! An operation's answer as the body of a response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::Frame;

use super::problem::Problem;
use crate::control::operations::{Answer, Gives, Item, Operation, OperationError};

/// Waits for the first piece, so that what fails at once has the status of an error, and streams the rest.
pub(super) async fn respond(
    operation: &'static Operation,
    mut answer: Answer,
    content_type: HeaderValue,
) -> Result<Response, Problem> {
    let lines = matches!(operation.gives, Gives::Many(_));
    let first = answer.next().await.transpose()?;
    let mut start = Vec::new();
    for item in first.iter().flatten() {
        write(item, lines, &mut start);
    }
    let body = match operation.gives {
        Gives::One(_) => Body::from(start),
        Gives::Many(_) | Gives::File => Body::new(Streamed { start, answer, lines }),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

fn write(item: &Item, lines: bool, out: &mut Vec<u8>) {
    item.write_json(out);
    if lines {
        out.push(b'\n');
    }
}

/// What an operation gives, piece by piece. If it fails on the way, the body ends without its proper end, so that
/// nobody takes the part for the whole.
struct Streamed {
    start: Vec<u8>,
    answer: Answer,
    lines: bool,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = OperationError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OperationError>>> {
        if !self.start.is_empty() {
            let start = std::mem::take(&mut self.start);
            return Poll::Ready(Some(Ok(Frame::data(start.into()))));
        }
        match ready!(self.answer.poll_next(cx)) {
            None => Poll::Ready(None),
            Some(Err(error)) => {
                tracing::warn!("an answer broke off: {error}");
                Poll::Ready(Some(Err(error)))
            }
            Some(Ok(items)) => {
                let mut out = Vec::new();
                items.iter().for_each(|item| write(item, self.lines, &mut out));
                Poll::Ready(Some(Ok(Frame::data(out.into()))))
            }
        }
    }
}
