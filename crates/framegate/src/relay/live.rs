//! The connections that are open, as the control doors reach them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;
use wire::Peer;
use wire::message::NewMessage;

use crate::flow::FlowId;

/// Orders of one connection that may wait.
const WAITING_MAX: usize = 64;

/// Every open WebSocket that is on record. One lock, taken when a connection opens or ends and when somebody asks for
/// one, never for a message.
#[derive(Debug, Default)]
pub struct Live(Mutex<HashMap<FlowId, Arc<Mailbox>>>);

/// What somebody wants of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A message of one's own: text, binary, Ping or Pong.
    Inject {
        /// Who gets it.
        to: Peer,
        /// What it is.
        message: NewMessage,
    },
    /// A Close.
    Close {
        /// Who gets it.
        to: Peer,
        /// Its status code.
        code: u16,
        /// Its reason.
        reason: String,
    },
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is no such open connection.
    #[error("the flow {0} is not open")]
    NotOpen(FlowId),
    /// It cannot be done, or not any more.
    #[error("{0}")]
    Refused(String),
}

/// An order on its way.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) order: Order,
    pub(super) done: oneshot::Sender<Result<(), String>>,
}

/// What a connection finds in its mailbox.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Somebody wants something of it.
    Order(Given),
    /// There are other judges now.
    Judges,
}

/// Where a connection finds its orders. Small, because every connection has one.
#[derive(Debug, Default)]
struct Mailbox(Mutex<Post>);

#[derive(Debug, Default)]
struct Post {
    given: VecDeque<Given>,
    /// There are other judges now.
    judges: bool,
    waker: Option<Waker>,
    closed: bool,
}

impl Live {
    /// Has an open connection carry out an order; done when its bytes have been handed to the session.
    ///
    /// # Errors
    /// [`OrderError`]; nothing was sent.
    pub async fn order(&self, flow: FlowId, order: Order) -> Result<(), OrderError> {
        let mailbox = self.lock().get(&flow).cloned().ok_or(OrderError::NotOpen(flow))?;
        let (done, is_done) = oneshot::channel();
        mailbox.put(Given { order, done })?;
        match is_done.await {
            Ok(result) => result.map_err(OrderError::Refused),
            // It ended before it came to this.
            Err(_) => Err(OrderError::NotOpen(flow)),
        }
    }

    /// Tells every open connection that there are other judges now.
    pub fn judges_changed(&self) {
        for mailbox in self.lock().values() {
            let mut post = mailbox.lock();
            post.judges = true;
            post.wake();
        }
    }

    /// A connection has opened; it can be reached until what is given back is dropped.
    pub(crate) fn enter(self: &Arc<Self>, flow: FlowId) -> Orders {
        let mailbox = Arc::<Mailbox>::default();
        self.lock().insert(flow, Arc::clone(&mailbox));
        Orders {
            live: Arc::clone(self),
            flow,
            mailbox,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FlowId, Arc<Mailbox>>> {
        // Nothing that holds the lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's own end.
#[derive(Debug)]
pub(crate) struct Orders {
    live: Arc<Live>,
    flow: FlowId,
    mailbox: Arc<Mailbox>,
}

impl Orders {
    /// The next thing that is wanted.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Wanted> {
        let mut post = self.mailbox.lock();
        if std::mem::take(&mut post.judges) {
            return Poll::Ready(Wanted::Judges);
        }
        if let Some(given) = post.given.pop_front() {
            return Poll::Ready(Wanted::Order(given));
        }
        if !post.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            post.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.live.lock().remove(&self.flow);
        let mut post = self.mailbox.lock();
        post.closed = true;
        // Whoever waits for one of these learns that it was not carried out.
        post.given.clear();
    }
}

impl Post {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Mailbox {
    fn put(&self, given: Given) -> Result<(), OrderError> {
        let mut post = self.lock();
        if post.given.len() >= WAITING_MAX {
            return Err(OrderError::Refused(format!(
                "{WAITING_MAX} orders for this flow wait already"
            )));
        }
        // A connection that has just ended drops the order, which says so.
        if !post.closed {
            post.given.push_back(given);
            post.wake();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Post> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
