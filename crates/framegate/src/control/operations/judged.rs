//! Operations that decide about messages of the running proxy: what is held, and what is injected.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use wire::Peer;
use wire::frame::Opcode;
use wire::message::NewMessage;

use super::{Args, Call, Item, OperationError, Running, Work};
use crate::flow::Direction;
use crate::inspect::{AnswerError, HeldMessage, Judges, Reply};
use crate::relay::{Order, OrderError};

/// What may stand in for a message's payload, in the order in which it is looked for.
const PAYLOADS: &str = "`text`, `base64` or a body";

pub(super) fn held(mut call: Call) -> Work {
    Box::pin(async move {
        let running = running(&call)?;
        let held = reading(move || Ok(shown(&running.judges.load()))).await?;
        call.out.send(held.into_iter().map(Item::Held).collect()).await
    })
}

/// What is held. What the record does not show of it, the control door does not show either.
fn shown(judges: &Judges) -> Vec<HeldMessage> {
    let mut held = judges.desk().list();
    if let Some(redactor) = judges.recorded() {
        let server_texts = held
            .iter_mut()
            .filter(|message| message.direction == Direction::Receive && message.opcode != Opcode::Binary);
        for message in server_texts {
            if let Some(redacted) = redactor.redact(&message.payload) {
                message.payload = Arc::new(redacted.text);
            }
        }
    }
    held
}

pub(super) fn release(call: Call) -> Work {
    answer(call, |_, _| Ok(Reply::Release))
}

pub(super) fn drop(call: Call) -> Work {
    answer(call, |_, _| Ok(Reply::Drop))
}

pub(super) fn modify(call: Call) -> Work {
    answer(call, |args, file| match payload(args, file)? {
        Some((payload, _)) => Ok(Reply::Modify(payload)),
        None => Err(OperationError::BadArgument(format!(
            "what takes the message's place is missing: {PAYLOADS}"
        ))),
    })
}

pub(super) fn inject(mut call: Call) -> Work {
    Box::pin(async move {
        let running = running(&call)?;
        let flow = call.args.flow();
        let (args, file) = (call.args.clone(), call.file.take());
        let order = reading(move || order(&args, file)).await?;
        let done = running.live.order(flow, order).await;
        done.map_err(|error| match error {
            OrderError::NotOpen(_) => OperationError::NotFound(error.to_string()),
            OrderError::Refused(_) => OperationError::Conflict(error.to_string()),
        })?;
        call.out.send(vec![Item::Done]).await
    })
}

fn answer(mut call: Call, reply: fn(&Args, Option<File>) -> Result<Reply, OperationError>) -> Work {
    Box::pin(async move {
        let running = running(&call)?;
        let id = call.args.number("id").unwrap_or_default();
        let (args, file) = (call.args.clone(), call.file.take());
        let reply = reading(move || reply(&args, file)).await?;
        let taken = running.judges.load().desk().answer(id, reply);
        let taken = taken.map_err(|error| match error {
            AnswerError::Unknown(_) => OperationError::NotFound(error.to_string()),
            AnswerError::Gone { .. } => OperationError::Conflict(error.to_string()),
            AnswerError::NotSendable(_) => OperationError::BadArgument(error.to_string()),
        })?;
        if taken.await.is_err() {
            let what = format!("the connection of the message {id} ended before it could be done");
            return Err(OperationError::Conflict(what));
        }
        call.out.send(vec![Item::Done]).await
    })
}

/// The operations here are live: without the running proxy they are not asked.
fn running(call: &Call) -> Result<Arc<Running>, OperationError> {
    let running = call.context.running.clone();
    running.ok_or_else(|| OperationError::NotRunning("no proxy runs".to_owned()))
}

/// Works where it holds up nobody: reads a file, or a payload.
async fn reading<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
) -> Result<T, OperationError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(OperationError::Failed(format!("the work was broken off: {error}"))))
}

/// The payload that is given, and whether it was given as text; `None`: none is. A body that is empty is none.
fn payload(args: &Args, file: Option<File>) -> Result<Option<(Vec<u8>, bool)>, OperationError> {
    let mut body = Vec::new();
    if let Some(mut file) = file {
        file.read_to_end(&mut body)
            .map_err(|error| OperationError::Failed(format!("cannot read the payload: {error}")))?;
    }
    let given = [
        args.text("text").is_some(),
        args.text("base64").is_some(),
        !body.is_empty(),
    ];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(OperationError::BadArgument(format!(
            "only one can be given of {PAYLOADS}"
        )));
    }
    if let Some(text) = args.text("text") {
        return Ok(Some((text.as_bytes().to_vec(), true)));
    }
    if let Some(text) = args.text("base64") {
        let bytes = BASE64.decode(text.trim());
        let bytes = bytes.map_err(|error| OperationError::BadArgument(format!("`base64`: {error}")))?;
        return Ok(Some((bytes, false)));
    }
    Ok((!body.is_empty()).then_some((body, false)))
}

/// What is to be injected.
fn order(args: &Args, file: Option<File>) -> Result<Order, OperationError> {
    let to = match args.text("to") {
        Some("client") => Peer::Client,
        _ => Peer::Server,
    };
    let payload = payload(args, file)?;
    let kind = args.text("kind");
    let message = |opcode, payload| {
        let message = NewMessage { opcode, payload };
        Ok(Order::Inject { to, message })
    };
    let wrong = |what: &str| Err(OperationError::BadArgument(what.to_owned()));
    if kind != Some("close") && (args.number("code").is_some() || args.text("reason").is_some()) {
        return wrong("`code` and `reason` are for `kind=close`");
    }
    match (kind, payload) {
        (Some("close"), Some(_)) => wrong("a Close has a `code` and a `reason`, and no payload"),
        (Some("close"), None) => close(to, args),
        (Some("ping"), payload) => message(Opcode::Ping, payload.map(|(bytes, _)| bytes).unwrap_or_default()),
        (Some("pong"), payload) => message(Opcode::Pong, payload.map(|(bytes, _)| bytes).unwrap_or_default()),
        (_, None) => wrong("a message needs `text`, `base64` or a body"),
        (Some("binary"), Some((bytes, _))) | (None, Some((bytes, false))) => message(Opcode::Binary, bytes),
        (_, Some((bytes, _))) => message(Opcode::Text, bytes),
    }
}

fn close(to: Peer, args: &Args) -> Result<Order, OperationError> {
    let code = args.number("code").unwrap_or(1000);
    let reason = args.text("reason").unwrap_or_default().to_owned();
    let code = u16::try_from(code).ok().filter(|code| wire::close::may_be_sent(*code));
    let Some(code) = code else {
        let what = "`code` is none that a peer may send: 1000 to 1003, 1007 to 1014, 3000 to 4999";
        return Err(OperationError::BadArgument(what.to_owned()));
    };
    if reason.len() > wire::close::REASON_BYTES_MAX {
        let what = format!("`reason` has more than {} bytes", wire::close::REASON_BYTES_MAX);
        return Err(OperationError::BadArgument(what));
    }
    Ok(Order::Close { to, code, reason })
}
