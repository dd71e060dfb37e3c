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

/// So long somebody waits for a slot before connections that many share take no further questions.
const TURN: Duration = Duration::from_millis(50);

/// So many places are remembered that were offered HTTP/2 and speak HTTP/1.1.
const SERIAL_MAX: usize = 100;

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
    making: Vec<(Arc<Place>, Arc<Mutex<()>>)>,
    /// Those that were offered HTTP/2 and speak HTTP/1.1.
    serial: Vec<Arc<Place>>,
    waiting: VecDeque<Waiting>,
}

/// Who waits for a slot.
struct Waiting {
    place: Arc<Place>,
    give: oneshot::Sender<Slot>,
    since: Instant,
}

struct Shared {
    place: Arc<Place>,
    many: Many,
    uses: Rc<Uses>,
}

/// How many questions a connection has that many share.
#[derive(Debug)]
struct Uses {
    now: Cell<usize>,
    /// Since when it has had none.
    idle_since: Cell<Instant>,
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
    uses: Rc<Uses>,
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
        let now = Instant::now();
        // One that always has questions would never make room.
        let first = pool.first_waiting();
        if first.is_some_and(|first| now.saturating_duration_since(first.since) > TURN) {
            return None;
        }
        pool.shared
            .retain(|shared| !shared.many.is_closed() && !shared.uses.is_stale(now));
        let shared = pool.shared.iter().find(|shared| shared.place.is(place))?;
        Some(Use::new(&shared.many, &shared.uses))
    })
}

/// Keeps a connection that many can share.
pub(super) fn share(place: &Arc<Place>, many: Many) -> Use {
    let uses = Rc::new(Uses {
        now: Cell::new(0),
        idle_since: Cell::new(Instant::now()),
    });
    let first = Use::new(&many, &uses);
    POOL.with_borrow_mut(|pool| {
        pool.shared.push(Shared {
            place: Arc::clone(place),
            many,
            uses,
        });
    });
    first
}

/// A connection to that place that many share does not answer: nobody else uses it.
pub(super) fn distrust(place: &Arc<Place>) {
    POOL.with_borrow_mut(|pool| pool.shared.retain(|shared| !shared.place.is(place)));
}

/// The lock under which a connection is made that many can share.
pub(super) fn making(place: &Arc<Place>) -> Arc<Mutex<()>> {
    POOL.with_borrow_mut(|pool| {
        if let Some((_, lock)) = pool.making.iter().find(|(known, _)| known.is(place)) {
            return Arc::clone(lock);
        }
        pool.making.retain(|(_, lock)| Arc::strong_count(lock) > 1);
        let lock = Arc::default();
        pool.making.push((Arc::clone(place), Arc::clone(&lock)));
        lock
    })
}

/// Whether one connection to that place has many questions at once, as far as is known: TLS tells only when there is one.
pub(super) fn multiplexes(place: &Arc<Place>) -> bool {
    place.may_multiplex() && POOL.with_borrow(|pool| !pool.serial.iter().any(|known| known.is(place)))
}

/// A connection to a place that was offered HTTP/2 takes one question at a time, or many.
pub(super) fn learn(place: &Arc<Place>, is_serial: bool) {
    POOL.with_borrow_mut(|pool| {
        pool.serial.retain(|known| !known.is(place));
        if is_serial {
            // Header fields may name ever new hooks.
            pool.serial.truncate(SERIAL_MAX - 1);
            pool.serial.insert(0, Arc::clone(place));
        }
    });
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
            // What is between may have forgotten it by now, and would not say so.
            return Ok(slot(link.filter(|link| link.idle_since.elapsed() <= IDLE_MAX)));
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
        let (give, waiting) = oneshot::channel();
        self.waiting.push_back(Waiting {
            place: Arc::clone(place),
            give,
            since: Instant::now(),
        });
        self.let_go();
        Err(waiting)
    }

    /// Where somebody waits, what nobody uses of those that many share ends, and gives its slot back then.
    fn let_go(&mut self) {
        if self.first_waiting().is_some() {
            self.shared.retain(|shared| shared.uses.now.get() > 0);
        }
    }

    /// Who waits longest. Those whose time is over are gone.
    fn first_waiting(&mut self) -> Option<&Waiting> {
        while self.waiting.front().is_some_and(|first| first.give.is_closed()) {
            self.waiting.pop_front();
        }
        self.waiting.front()
    }

    /// A slot is free: whose it is next, if somebody waits.
    fn put(&mut self, place: &Arc<Place>, link: &mut Option<Box<Link>>) -> Option<Waiting> {
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
            let Ok(Some(Waiting { place, give, .. })) = put else {
                return;
            };
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

impl Uses {
    fn is_stale(&self, now: Instant) -> bool {
        self.now.get() == 0 && now.saturating_duration_since(self.idle_since.get()) > IDLE_MAX
    }
}

impl Use {
    fn new(many: &Many, uses: &Rc<Uses>) -> Self {
        uses.now.set(uses.now.get() + 1);
        Self {
            many: many.clone(),
            uses: Rc::clone(uses),
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.uses.now.set(self.uses.now.get() - 1);
        if self.uses.now.get() == 0 {
            self.uses.idle_since.set(Instant::now());
            // A thread that ends has no pool any more.
            let _ = POOL.try_with(|pool| pool.try_borrow_mut().map(|mut pool| pool.let_go()));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};

    use super::super::link::Link;
    use super::{IDLE_MAX, POOL, Place, take};
    use crate::config::HookHttp;
    use crate::net::Conn;

    #[tokio::test]
    async fn a_connection_that_nobody_has_used_for_long_is_not_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let place = Arc::new(Place {
            tls: false,
            host: "hook.test".to_owned(),
            port: 80,
            http: HookHttp::Auto,
            reach: None,
        });
        let mut slot = take(&place, 1).await;
        slot.link = Some(Box::new(Link::new(Conn::new(tcp.into()))));
        drop(slot);
        let slot = take(&place, 1).await;
        assert!(slot.link.is_some());
        drop(slot);
        POOL.with_borrow_mut(|pool| pool.idle[0].1.idle_since -= 2 * IDLE_MAX);
        let slot = take(&place, 1).await;
        assert!(slot.link.is_none());
        drop(slot);
        assert_eq!(POOL.with_borrow(|pool| pool.open), 0, "its place is free");
    }
}
