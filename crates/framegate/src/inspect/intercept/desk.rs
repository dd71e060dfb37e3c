//! Where held messages of all connections lie, to be looked at and answered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use wire::frame::Opcode;
use wire::session::Ticket;

use super::super::judge::Opinion;
use crate::flow::{Direction, FlowId, Timestamp};

/// Names one held message; never given out twice while the proxy runs.
pub(super) type HoldId = u64;

/// Answers that are remembered, so that a second one is told what the first was.
const REMEMBERED: usize = 1024;

/// All held messages. One lock, taken when a message is held and when it is answered, never for one that passes.
#[derive(Debug, Default)]
pub struct Desk(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    held: BTreeMap<HoldId, Lying>,
    bytes: usize,
    last: HoldId,
    /// What became of the last ones.
    gone: VecDeque<(HoldId, &'static str)>,
}

#[derive(Debug)]
struct Lying {
    message: HeldMessage,
    ticket: Ticket,
    answer: mpsc::UnboundedSender<Answered>,
}

/// A held message, for whoever is to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldMessage {
    /// Names it in the answer.
    pub id: u64,
    /// Its flow.
    pub flow: FlowId,
    /// The URL of the upgrade.
    pub url: String,
    /// Which way it goes.
    pub direction: Direction,
    /// Its place in the flow.
    pub sequence: u32,
    /// [`Opcode::Text`] or [`Opcode::Binary`].
    pub opcode: Opcode,
    /// Its payload as it would leave now.
    pub payload: Arc<Vec<u8>>,
    /// Since when it is held.
    pub held_since: Timestamp,
    /// The ids of the rules that mean it.
    pub rules: Vec<String>,
    /// Bytes that a payload in its place may have.
    pub bytes_max: u64,
}

/// What is to become of a held message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It goes on as it is.
    Release,
    /// It goes on with another payload.
    Modify(Vec<u8>),
    /// It does not leave.
    Drop,
}

/// Why a held message was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No message was ever held under that id, or so long ago that nobody knows.
    #[error("no message is held as {0}")]
    Unknown(u64),
    /// Somebody was faster.
    #[error("the message {id} is not held any more: {what}")]
    Gone {
        /// The id.
        id: u64,
        /// What became of it.
        what: &'static str,
    },
    /// The new payload cannot be sent.
    #[error("{0}")]
    NotSendable(String),
}

/// An answer on its way to the connection.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) ticket: Ticket,
    pub(super) opinion: Opinion,
    /// Told when the connection has it.
    pub(super) taken: oneshot::Sender<()>,
}

impl Desk {
    /// Everything that is held, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<HeldMessage> {
        self.lock().held.values().map(|lying| lying.message.clone()).collect()
    }

    /// How many messages are held, and their payload bytes.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.held.len(), inner.bytes)
    }

    /// Answers a held message: the first answer counts. What is given back is told when the connection acts upon it, and
    /// fails if it ended before that.
    ///
    /// # Errors
    /// [`AnswerError`]: nothing was changed, and a message that is still held stays so.
    pub fn answer(&self, id: u64, reply: Reply) -> Result<oneshot::Receiver<()>, AnswerError> {
        let mut inner = self.lock();
        let Some(lying) = inner.held.get(&id) else {
            let gone = inner.gone.iter().find(|(gone, _)| *gone == id);
            return Err(match gone {
                Some((_, what)) => AnswerError::Gone { id, what },
                None => AnswerError::Unknown(id),
            });
        };
        let (opinion, what) = match reply {
            Reply::Release => (Opinion::Pass, "it was released"),
            Reply::Drop => (Opinion::Drop, "it was dropped"),
            Reply::Modify(payload) => {
                let opcode = lying.message.takes(&payload)?;
                (Opinion::Replace { opcode, payload }, "it was modified and forwarded")
            }
        };
        let (taken, is_taken) = oneshot::channel();
        let answered = Answered {
            ticket: lying.ticket,
            opinion,
            taken,
        };
        // A connection that is gone has dropped its end, which whoever waits for `is_taken` sees.
        let _ = lying.answer.send(answered);
        inner.remove(id, what);
        Ok(is_taken)
    }

    /// Puts a message on the desk; `None`: there is no room within `held_max` messages and `held_bytes_max` bytes.
    pub(super) fn put(
        &self,
        message: HeldMessage,
        ticket: Ticket,
        answer: &mpsc::UnboundedSender<Answered>,
        (held_max, held_bytes_max): (usize, usize),
    ) -> Option<HoldId> {
        let mut inner = self.lock();
        let bytes = inner.bytes + message.payload.len();
        if inner.held.len() >= held_max || bytes > held_bytes_max {
            return None;
        }
        inner.bytes = bytes;
        inner.last += 1;
        let id = inner.last;
        let lying = Lying {
            message: HeldMessage { id, ..message },
            ticket,
            answer: answer.clone(),
        };
        inner.held.insert(id, lying);
        Some(id)
    }

    /// Takes a message off the desk, if nobody has answered it yet; `what` is what others are told of it.
    pub(super) fn take(&self, id: HoldId, what: &'static str) -> bool {
        self.lock().remove(id, what)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, id: HoldId, what: &'static str) -> bool {
        let Some(lying) = self.held.remove(&id) else {
            return false;
        };
        self.bytes -= lying.message.payload.len();
        if self.gone.len() >= REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back((id, what));
        true
    }
}

impl HeldMessage {
    /// What a payload in its place is sent as, if it can be.
    fn takes(&self, payload: &[u8]) -> Result<Opcode, AnswerError> {
        let (len, most) = (payload.len() as u64, self.bytes_max);
        if len > most {
            let what = format!("{len} bytes are more than limits.message_bytes_max, {most}");
            return Err(AnswerError::NotSendable(what));
        }
        if self.opcode == Opcode::Binary {
            return Ok(Opcode::Binary);
        }
        match simdutf8::basic::from_utf8(payload) {
            Ok(_) => Ok(Opcode::Text),
            Err(_) => Err(AnswerError::NotSendable("a text message must be UTF-8".to_owned())),
        }
    }
}
