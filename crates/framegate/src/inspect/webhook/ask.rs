//! One question to a hook: a connection for it, the request, and its answer; again where the hook has said nothing yet.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedMutexGuard;

use super::answer::{Failure, Head, Outcome, Said};
use super::breaker::{Breaker, Turn};
use super::hooks::Hooks;
use super::link::{Link, Made, Then, Trouble, connect};
use super::pool::{self, Place, Slot, Use};
use super::probe::Witness;
use super::request::{Message, SigningKey, Template};
use super::{AnswerLimits, Hooked, deadline};
use crate::config;
use crate::flow::{Direction, millis, millis_at};
use crate::telemetry;

/// The first pause before a request is made again; each is twice as long as the one before, up to the longest.
const PAUSE: Duration = Duration::from_millis(5);

/// So soon a hook is asked that is back.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// So much of a body that says nothing is read, so that the connection can be used again.
const IGNORED_MAX: usize = 64 << 10;

/// Puts the questions of one direction of a connection.
pub(super) struct Asker {
    pub(super) hooks: Arc<Hooks>,
    pub(super) place: Arc<Place>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) settings: Arc<config::Hook>,
    pub(super) direction: Direction,
    /// The error: what cannot be in a request.
    pub(super) template: Result<Template, String>,
    pub(super) limits: AnswerLimits,
    /// How the log names it.
    pub(super) name: String,
    /// Whoever wants to know more of an answer than its verdict.
    pub(super) witness: Option<Witness>,
}

/// The connection that an answer comes on.
enum Lane {
    One(Slot, Box<Link>),
    Many(Use, Option<Incoming>),
}

/// What a question has of the pool while it has no connection.
struct Hold {
    slot: Option<Slot>,
    /// It makes the connection that others wait for.
    making: Option<OwnedMutexGuard<()>>,
}

impl Asker {
    /// Whoever asks about that direction's messages, if it has a hook.
    pub(super) fn new(
        hooked: &Hooked,
        direction: Direction,
        settings: &Arc<config::Hook>,
        signing: Option<Arc<SigningKey>>,
        limits: AnswerLimits,
    ) -> Option<Self> {
        let Hooked {
            terms,
            handshake,
            hooks,
        } = hooked;
        let hook = terms.hook(direction)?;
        let scheme = if hook.url.tls { "https" } else { "http" };
        Some(Self {
            hooks: Arc::clone(hooks),
            place: Arc::new(Place::new(hook, settings.http)),
            breaker: hooks.breaker(&hook.url),
            settings: Arc::clone(settings),
            direction,
            template: Template::new(hook, terms.route.as_deref(), handshake, settings, signing),
            limits,
            name: format!("{scheme}://{}", hook.url.authority()),
            witness: None,
        })
    }

    /// Asks, and hands what came of it to `deliver` as soon as it is known.
    pub(super) async fn ask(self: Rc<Self>, message: Message, deliver: impl FnOnce(Outcome)) {
        let template = match &self.template {
            Ok(template) => template,
            Err(why) => return deliver(Outcome::Failed(Failure::Protocol(why.clone()))),
        };
        let began = Instant::now();
        let Some(permit) = self.breaker.permit(millis_at(began)) else {
            return deliver(Outcome::Failed(Failure::Breaker));
        };
        let timeout = Duration::from_millis(self.settings.timeout_ms);
        let last = RefCell::new(None);
        let mut again = false;
        let (asked, deadline) = loop {
            let slot = self.turn().await;
            if permit.is_void() {
                return deliver(Outcome::Failed(Failure::Breaker));
            }
            if !again {
                telemetry::counts().hook_requests.one(self.direction);
            }
            let deadline = tokio::time::Instant::now() + timeout;
            let asked = deadline::until(deadline, pin!(self.attempts(template, &message, slot, &last))).await;
            // It waits for a connection of its own, as it would have done had it known, and its time begins then: once.
            if again || !matches!(asked, Some(Ok(None))) {
                break (asked, deadline);
            }
            again = true;
        };
        let (outcome, rest) = match asked {
            Some(Ok(Some(answer))) => answer,
            Some(Err(failure)) => (Outcome::Failed(failure), None),
            Some(Ok(None)) | None => {
                // A peer that is gone without a word would hold up everybody for as long as TCP believes in it.
                pool::distrust(&self.place);
                (Outcome::Failed(last.take().unwrap_or(Failure::Timeout)), None)
            }
        };
        let turn = match &outcome {
            // Nobody was asked: it is the settings that refuse, and another may be allowed to ask the same hook.
            Outcome::Failed(Failure::Reach(_) | Failure::OwnDoor(_)) => None,
            Outcome::Failed(_) => permit.failed(millis(), self.settings.breaker_failures, self.settings.breaker_ms),
            _ => permit.answered(),
        };
        self.tell(turn, &outcome);
        telemetry::counts().hook_seconds.took(self.direction, began.elapsed());
        deliver(outcome);
        if let Some(rest) = rest {
            // What is left of it matters only for using the connection again.
            deadline::until(deadline, pin!(rest.finish())).await;
        }
    }

    /// Waits for one of the connections that there may be, if each takes one question at a time.
    async fn turn(&self) -> Option<Slot> {
        if pool::multiplexes(&self.place) {
            return None;
        }
        Some(pool::take(&self.place, self.share()).await)
    }

    fn share(&self) -> usize {
        self.hooks.share(self.settings.pool_size)
    }

    fn tell(&self, turn: Option<Turn>, outcome: &Outcome) {
        let name = &self.name;
        match (turn, outcome) {
            (Some(Turn::Opened), Outcome::Failed(failure)) => {
                tracing::warn!(
                    "the hook {name} is not asked for {} ms: {failure}",
                    self.settings.breaker_ms
                );
            }
            (Some(Turn::Closed), _) => tracing::info!("the hook {name} is back"),
            _ => {}
        }
        match outcome {
            Outcome::Failed(failure @ (Failure::Reach(_) | Failure::OwnDoor(_))) if self.breaker.is_news() => {
                tracing::error!("the hook {name} cannot be asked: {failure}");
            }
            Outcome::Failed(failure) => tracing::debug!("the hook {name} has failed: {failure}"),
            _ => {}
        }
    }

    /// What the hook says, at the first attempt or a later one. `None`: it turns out to take one question at a time.
    async fn attempts(
        &self,
        template: &Template,
        message: &Message,
        slot: Option<Slot>,
        last: &RefCell<Option<Failure>>,
    ) -> Result<Option<(Outcome, Option<Lane>)>, Failure> {
        let mut hold = Hold { slot, making: None };
        let (mut pause, mut tried) = (PAUSE, false);
        loop {
            let (mut lane, fresh) = match self.lane(&mut hold).await {
                Ok(Some(lane)) => lane,
                Ok(None) => return Ok(None),
                Err(trouble) => {
                    retry(trouble, &mut pause, true, last).await?;
                    continue;
                }
            };
            let asked = lane.ask(template, message, &self.limits).await;
            let trouble = match asked {
                Ok(head) => {
                    let heard = self.hear(lane, &head).await;
                    return heard.map(Some).map_err(|trouble| trouble.failure);
                }
                Err(trouble) => trouble,
            };
            if let Lane::One(back, _) = lane {
                // The connection is of no use, but its place is still this question's.
                hold.slot = Some(back);
            }
            // One that was kept may have ended meanwhile: that says nothing of the next one.
            if trouble.then == Then::Elsewhere && !fresh {
                continue;
            }
            retry(trouble, &mut pause, fresh || tried, last).await?;
            tried = true;
            telemetry::counts().hook_retries.one(self.direction);
        }
    }

    /// A connection to the hook, and whether it was made just now. `None`: it turns out to take one question at a time.
    async fn lane(&self, hold: &mut Hold) -> Result<Option<(Lane, bool)>, Trouble> {
        if hold.slot.is_none() && hold.making.is_none() {
            let known = || match pool::shared(&self.place) {
                Some(many) => Some(Some((Lane::Many(many, None), false))),
                None if !pool::multiplexes(&self.place) => Some(None),
                None => None,
            };
            if let Some(known) = known() {
                return Ok(known);
            }
            let making = pool::making(&self.place).lock_owned().await;
            if let Some(known) = known() {
                return Ok(known);
            }
            // Whoever makes the connection goes on with that until it is there: nobody waits for the lock who has a slot.
            hold.making = Some(making);
        }
        let made = self.one(&mut hold.slot).await?;
        hold.making = None;
        Ok(Some(made))
    }

    async fn one(&self, slot: &mut Option<Slot>) -> Result<(Lane, bool), Trouble> {
        let mut mine = match slot.take() {
            Some(slot) => slot,
            None => pool::take(&self.place, self.share()).await,
        };
        if let Some(link) = mine.link.take() {
            return Ok((Lane::One(mine, link), false));
        }
        // It is large and rare.
        match Box::pin(connect(&self.hooks, &self.place)).await {
            Ok(Made::One(link)) => {
                if self.place.may_multiplex() {
                    pool::learn(&self.place, true);
                }
                Ok((Lane::One(mine, link), true))
            }
            Ok(Made::Many(many, driver)) => {
                pool::learn(&self.place, false);
                tokio::task::spawn_local(async move {
                    driver.await;
                    drop(mine);
                });
                Ok((Lane::Many(pool::share(&self.place, many), None), true))
            }
            Err(trouble) => {
                *slot = Some(mine);
                Err(trouble)
            }
        }
    }

    /// Hears an answer as far as its verdict needs. Beside it, the lane of one that is not at its end.
    async fn hear(&self, mut lane: Lane, head: &Head) -> Result<(Outcome, Option<Lane>), Trouble> {
        let witness = self.witness.as_ref();
        if let Some(witness) = witness {
            witness.head(head);
        }
        let outcome = match Said::of(head, self.settings.body) {
            Said::Now(outcome) => return Ok((outcome, Some(lane))),
            Said::Whole(outcome) => {
                if lane.skip(witness).await? {
                    lane.keep();
                }
                outcome
            }
            Said::Body { status, opcode } => {
                let payload = lane.collect(self.limits.replacement_bytes_max).await?;
                lane.keep();
                Outcome::Replace {
                    status,
                    opcode,
                    payload,
                }
            }
        };
        Ok((outcome, None))
    }
}

/// Waits before the next attempt, if there may be one.
async fn retry(
    trouble: Trouble,
    pause: &mut Duration,
    waits: bool,
    last: &RefCell<Option<Failure>>,
) -> Result<(), Failure> {
    if trouble.then == Then::Last {
        return Err(trouble.failure);
    }
    last.replace(Some(trouble.failure));
    if waits {
        tokio::time::sleep(*pause).await;
        *pause = longer(*pause);
    }
    Ok(())
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(PAUSE_MAX)
}

impl Lane {
    /// Puts the question and waits for the head of its answer.
    async fn ask(&mut self, template: &Template, message: &Message, limits: &AnswerLimits) -> Result<Head, Trouble> {
        match self {
            Self::One(_, link) => {
                let head = link
                    .ask(template.written(message), template.method(), &limits.head)
                    .await?;
                Ok(Head::One(head))
            }
            Self::Many(shared, body) => {
                let answer = shared.many.send_request(template.request(message)).await;
                let answer = answer.map_err(|error| Trouble::again(Failure::Connect(error.to_string())))?;
                let (head, rest) = answer.into_parts();
                *body = Some(rest);
                Ok(Head::Many(head))
            }
        }
    }

    /// The next piece of the answer's body; trailers say nothing.
    async fn piece(&mut self) -> Result<Option<Bytes>, Trouble> {
        let body = match self {
            Self::One(_, link) => return link.piece().await,
            Self::Many(_, body) => body,
        };
        while let Some(body) = body
            && !body.is_end_stream()
            && let Some(frame) = body.frame().await
        {
            let frame = frame.map_err(|error| Trouble::last(Failure::Protocol(error.to_string())))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Reads a body that says nothing. False: it is so long that its end does not matter.
    async fn skip(&mut self, witness: Option<&Witness>) -> Result<bool, Trouble> {
        let mut read = 0;
        while let Some(piece) = self.piece().await? {
            read += piece.len();
            if let Some(witness) = witness {
                witness.piece(&piece);
            }
            if read > IGNORED_MAX {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn collect(&mut self, max: u64) -> Result<Bytes, Trouble> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if (all.len() + piece.len()) as u64 > max {
                let why = format!("a replacement is longer than {max} bytes");
                return Err(Trouble::last(Failure::Protocol(why)));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Its answer is over: the connection may be used again.
    fn keep(self) {
        if let Self::One(mut slot, link) = self
            && link.is_reusable()
        {
            slot.link = Some(link);
        }
    }

    /// Reads an answer whose verdict is known to its end.
    async fn finish(mut self) {
        if let Ok(true) = self.skip(None).await {
            self.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PAUSE, PAUSE_MAX, longer};

    #[test]
    fn a_hook_that_is_back_is_asked_soon_however_long_it_was_away() {
        let mut pauses = std::iter::successors(Some(PAUSE), |pause| Some(longer(*pause)));
        assert!(pauses.by_ref().take(1000).all(|pause| pause <= PAUSE_MAX));
        assert_eq!(pauses.next(), Some(PAUSE_MAX));
    }
}
