//! Each thread's connections to hooks: those that nobody uses for now, and who waits for one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, oneshot};

use super::link::{Link, Many};
use crate::config::{HookHttp, HookTerms, Reach};

/// So long a connection is kept that nobody uses.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Where a connection leads, and how. Those to equal places are interchangeable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) http: HookHttp,
    /// Which addresses it may have.
    pub(super) reach: Option<Arc<Reach>>,
}

impl Place {
    pub(super) fn new(hook: &HookTerms, http: HookHttp) -> Self {
        Self {
            tls: hook.url.tls,
            host: hook.url.host.clone(),
            port: hook.url.port,
            http,
            reach: hook.reach.clone(),
        }
    }
}

#[derive(Default)]
struct Pool {
    limit: usize,
    /// Slots that are given out, and idle connections.
    open: usize,
    /// The one that was used last at the back.
    idle: VecDeque<(Arc<Place>, Box<Link>)>,
    /// Connections for many requests.
    shared: Vec<Shared>,
    /// Only one at a time makes a connection that many can share.
    making: Vec<(Arc<Place>, Rc<Mutex<()>>)>,
    waiting: VecDeque<(Arc<Place>, oneshot::Sender<Slot>)>,
}

struct Shared {
    place: Arc<Place>,
    many: Many,
    used: Rc<Cell<usize>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// One of the connections that there may be. With a link in it when dropped, that is kept for others.
pub(super) struct Slot {
    place: Arc<Place>,
    pub(super) link: Option<Box<Link>>,
    passed_on: bool,
}

/// A connection that others use too.
pub(super) struct Use {
    pub(super) many: Many,
    used: Rc<Cell<usize>>,
}

/// Waits for one of `limit` connections, in the order of asking. It has a link if there is one to that place.
pub(super) async fn take(place: &Arc<Place>, limit: usize) -> Slot {
    let taken = POOL.with_borrow_mut(|pool| pool.take(place, limit));
    let waiting = match taken {
        Ok(slot) => return slot,
        Err(waiting) => waiting,
    };
    // The pool lives as long as the thread, and gives each slot to somebody.
    waiting.await.unwrap_or_else(|_| Slot {
        place: Arc::clone(place),
        link: None,
        passed_on: true,
    })
}

/// A connection to that place that many share, if there is one.
pub(super) fn shared(place: &Arc<Place>) -> Option<Use> {
    POOL.with_borrow_mut(|pool| {
        pool.shared.retain(|shared| !shared.many.is_closed());
        let shared = pool.shared.iter().find(|shared| shared.place.is(place))?;
        Some(Use::new(&shared.many, &shared.used))
    })
}

/// Keeps a connection that many can share.
pub(super) fn share(place: &Arc<Place>, many: Many) -> Use {
    let used = Rc::default();
    let first = Use::new(&many, &used);
    POOL.with_borrow_mut(|pool| {
        pool.shared.push(Shared {
            place: Arc::clone(place),
            many,
            used,
        });
    });
    first
}

/// A connection to that place that many share does not answer: nobody else uses it.
pub(super) fn distrust(place: &Arc<Place>) {
    POOL.with_borrow_mut(|pool| pool.shared.retain(|shared| !shared.place.is(place)));
}

/// The lock under which a connection is made that many can share.
pub(super) fn making(place: &Arc<Place>) -> Rc<Mutex<()>> {
    POOL.with_borrow_mut(|pool| {
        if let Some((_, lock)) = pool.making.iter().find(|(known, _)| known.is(place)) {
            return Rc::clone(lock);
        }
        pool.making.retain(|(_, lock)| Rc::strong_count(lock) > 1);
        let lock = Rc::default();
        pool.making.push((Arc::clone(place), Rc::clone(&lock)));
        lock
    })
}

impl Pool {
    fn take(&mut self, place: &Arc<Place>, limit: usize) -> Result<Slot, oneshot::Receiver<Slot>> {
        self.limit = limit;
        let slot = |link| Slot {
            place: Arc::clone(place),
            link,
            passed_on: false,
        };
        // A link lies here only when nobody waits.
        if let Some(at) = self.idle.iter().rposition(|(known, _)| known.is(place)) {
            let link = self.idle.remove(at).map(|(_, link)| link);
            return Ok(slot(link));
        }
        if self.waiting.is_empty() {
            if self.open < limit {
                self.open += 1;
                return Ok(slot(None));
            }
            if self.idle.pop_front().is_some() {
                return Ok(slot(None));
            }
        }
        // What nobody uses of those that many share ends, and gives its slot back then.
        self.shared
            .retain(|shared| shared.used.get() > 0 || shared.place.is(place));
        let (give, waiting) = oneshot::channel();
        self.waiting.push_back((Arc::clone(place), give));
        Err(waiting)
    }

    /// A slot is free: whose it is next, if somebody waits.
    fn put(&mut self, place: &Arc<Place>, link: &mut Option<Box<Link>>) -> Option<(Arc<Place>, oneshot::Sender<Slot>)> {
        if self.open > self.limit {
            self.open -= 1;
            return None;
        }
        let next = self.waiting.pop_front();
        if next.is_none() {
            let now = Instant::now();
            match link.take() {
                Some(mut link) => {
                    link.idle_since = now;
                    self.idle.push_back((Arc::clone(place), link));
                }
                None => self.open -= 1,
            }
            while let Some((_, oldest)) = self.idle.front()
                && now.saturating_duration_since(oldest.idle_since) > IDLE_MAX
            {
                self.idle.pop_front();
                self.open -= 1;
            }
        }
        next
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.passed_on {
            return;
        }
        let mut link = self.link.take();
        loop {
            // A thread that ends has no pool any more.
            let put = POOL.try_with(|pool| pool.borrow_mut().put(&self.place, &mut link));
            let Ok(Some((place, give))) = put else { return };
            let slot = Slot {
                link: link.take().filter(|_| place.is(&self.place)),
                place,
                passed_on: false,
            };
            // Whoever waited may have gone.
            let Err(mut back) = give.send(slot) else { return };
            back.passed_on = true;
            if back.place.is(&self.place) {
                link = back.link.take();
            }
        }
    }
}

impl Use {
    fn new(many: &Many, used: &Rc<Cell<usize>>) -> Self {
        used.set(used.get() + 1);
        Self {
            many: many.clone(),
            used: Rc::clone(used),
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.used.set(self.used.get() - 1);
    }
}
