//! The recorder's thread: takes batches, writes rows, commits in time, and keeps house when nothing else is to do.

use std::collections::HashMap;
use std::iter::Peekable;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;
use wire::deflate::Caps;

use super::RecorderConfig;
use super::assemble::{FlowState, Keep};
use super::batch::{Batch, What};
use super::queue::{Import, Job, Jobs};
use crate::config::{OnError, Settings};
use crate::control::operations::Event as Live;
use crate::flow::{Flow, FlowId, Timestamp};
use crate::store::{Row, Rows, StoreError, Writer};
use crate::telemetry::{self, LostBy};

/// So much is written at once at the most.
const GATHER_BYTES: usize = 8 << 20;

/// After a failure the store is left in peace for so long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often retention looks for something to delete.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// Rows of one step of the full-text pass: small, because a batch may be waiting behind it.
const INDEX_ROWS: usize = 2_000;

/// The full-text pass has the thread for itself when nothing has come for so long. A search looks at what is not
/// indexed yet as well.
const INDEX_AFTER: Duration = Duration::from_millis(500);

/// While messages come, the full-text pass rests so many times as long as it has worked: it costs several times what
/// storing does, and storing comes first.
const INDEX_REST: u32 = 10;

/// Flows that wait for a store that is broken; beyond it, those that have ended are given up.
const UNSTORED_FLOWS_MAX: usize = 50_000;

/// The recorder.
pub(super) struct Thread {
    writer: Writer,
    jobs: Jobs,
    live: broadcast::Sender<Arc<Live>>,
    settings: Arc<Settings>,
    database: PathBuf,
    failed: CancellationToken,
    keep: Keep,
    commit_every: Duration,
    /// What has come and is not written yet.
    gathered: Vec<Batch>,
    gathered_bytes: usize,
    flows: HashMap<FlowId, FlowState>,
    /// Flows that the open transaction has touched.
    touched: Vec<FlowId>,
    flushes: Vec<oneshot::Sender<()>>,
    last_commit: Instant,
    last_job: Instant,
    last_retain: Instant,
    to_index: bool,
    next_index: Instant,
    /// The store has failed; until then nothing is tried.
    broken_until: Option<Instant>,
}

impl Thread {
    pub(super) fn new(writer: Writer, jobs: Jobs, live: broadcast::Sender<Arc<Live>>, config: &RecorderConfig) -> Self {
        let settings = Arc::clone(&config.settings);
        let caps = Caps {
            message_bytes_max: settings.limits.message_bytes_max,
            // Held beyond the message's limit only. Up to there what compresses very well is no harm to a record that
            // keeps a bounded part of it, and giving it up would leave all later messages of its direction unread.
            ratio_max: settings.limits.inflate_ratio_max,
            keep_bytes_max: settings.record.payload_bytes_max,
        };
        let now = Instant::now();
        Self {
            writer,
            jobs,
            live,
            database: config.database.clone(),
            failed: config.failed.clone(),
            keep: Keep { caps },
            // A tap gathers for a fifth of the time at the most; committing takes its part, too.
            commit_every: Duration::from_millis((settings.store.flush_ms / 2).max(1)),
            settings,
            gathered: Vec::new(),
            gathered_bytes: 0,
            flows: HashMap::new(),
            touched: Vec::new(),
            flushes: Vec::new(),
            last_commit: now,
            last_job: now,
            last_retain: now.checked_sub(RETAIN_EVERY).unwrap_or(now),
            to_index: config.settings.store.full_text,
            next_index: now,
            broken_until: None,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            match self.jobs.next(self.patience()) {
                Ok(Job::Batch(batch)) => {
                    self.last_job = Instant::now();
                    self.gather(batch);
                }
                Ok(Job::Flush(done)) => {
                    self.flushes.push(done);
                    self.commit();
                }
                Ok(Job::Inflater { flow, direction, to }) => {
                    // It has read what came before when that has been written.
                    if !self.gathered.is_empty() {
                        self.write();
                    }
                    let flow = self.flows.get_mut(&flow);
                    // Whoever asked may have gone.
                    let _ = to.send(flow.and_then(|flow| flow.take_inflater(direction)));
                }
                Ok(Job::Import(import)) => self.import(*import),
                // The flows that have an id are as well off as before.
                Ok(Job::OutOfIds) => self.report(&StoreError::OutOfIds),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.last_commit.elapsed() >= self.commit_every && self.has_work() {
                self.commit();
            }
            self.keep_house();
        }
        self.broken_until = None;
        self.commit();
    }

    /// How long to wait for the next job.
    fn patience(&self) -> Duration {
        let idle = self.last_job.elapsed();
        if self.has_work() {
            self.commit_every.saturating_sub(self.last_commit.elapsed())
        } else if let Some(until) = self.broken_until.filter(|until| *until > Instant::now()) {
            // Whatever there is to do is not tried before then.
            until.saturating_duration_since(Instant::now())
        } else if self.to_index && idle >= INDEX_AFTER {
            Duration::ZERO
        } else if self.to_index {
            INDEX_AFTER.saturating_sub(idle)
        } else {
            RETAIN_EVERY.saturating_sub(self.last_retain.elapsed())
        }
    }

    /// Whether something has come that is not committed.
    fn has_work(&self) -> bool {
        !self.gathered.is_empty() || !self.touched.is_empty()
    }

    fn gather(&mut self, batch: Batch) {
        self.gathered_bytes += batch.weight();
        self.gathered.push(batch);
        if self.gathered_bytes >= GATHER_BYTES.min(self.settings.record.queue_bytes_max / 4) {
            self.write();
        }
    }

    /// Writes what was gathered, flow by flow: the rows of one flow lie side by side in the store, and the more of
    /// them come together, the fewer pages are touched.
    fn write(&mut self) {
        let batches = std::mem::take(&mut self.gathered);
        let mut order: Vec<(FlowId, usize, usize)> = Vec::with_capacity(batches.iter().map(|it| it.events.len()).sum());
        for (at, batch) in batches.iter().enumerate() {
            order.extend(batch.events.iter().enumerate().map(|(n, event)| (event.flow, at, n)));
        }
        // By batch and place within a flow: its own events stay in their order.
        order.sort_unstable();
        for of_flow in order.chunk_by(|one, other| one.0 == other.0) {
            let flow = of_flow[0].0;
            let mut events = of_flow
                .iter()
                .map(|&(_, at, n)| (&batches[at].events[n].what, &*batches[at].bytes))
                .peekable();
            while events.peek().is_some() {
                if let Err(error) = self.events(flow, &mut events) {
                    self.fail(&error);
                }
            }
        }
        self.jobs.done(std::mem::take(&mut self.gathered_bytes));
        self.to_index = self.settings.store.full_text;
    }

    /// Takes the next events of one flow: one about the flow itself, or all about its messages that come in a row. On
    /// an error those that are left may be taken by the next call.
    fn events<'a>(
        &mut self,
        id: FlowId,
        events: &mut Peekable<impl Iterator<Item = (&'a What, &'a [u8])>>,
    ) -> Result<(), StoreError> {
        let broken = self.is_broken();
        let about_flow = |(what, _): &(&What, &[u8])| matches!(what, What::Opened(_) | What::Ended(_));
        match events.next_if(about_flow).map(|(what, _)| what) {
            Some(What::Opened(opening)) => {
                self.flows.insert(id, FlowState::new(id, opening.clone()));
                self.tell_flow(id);
            }
            Some(What::Ended(ending)) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.end(ending);
                }
                self.tell_flow(id);
            }
            _ => {
                let messages = std::iter::from_fn(|| events.next_if(|event| !about_flow(event)));
                return self.messages(id, messages, broken);
            }
        }
        self.touch(id);
        if broken { Ok(()) } else { self.open(id) }
    }

    /// Takes what happened to messages of one flow, up to the first that the store does not take.
    fn messages<'a>(
        &mut self,
        id: FlowId,
        mut events: impl Iterator<Item = (&'a What, &'a [u8])>,
        broken: bool,
    ) -> Result<(), StoreError> {
        self.touch(id);
        if !broken {
            self.open(id)?;
        }
        let Some(flow) = self.flows.get_mut(&id) else {
            events.for_each(drop);
            return Ok(());
        };
        let (live, keep) = (&self.live, self.keep);
        let listened = live.receiver_count() > 0;
        let tell = |row: &Row<'_>| {
            if listened {
                let _ = live.send(Arc::new(Live::Message(row.into())));
            }
        };
        let mut each = |rows: &mut Option<&mut Rows<'_>>| {
            events.try_for_each(|(what, bytes)| {
                flow.take(what, bytes, keep, |row| {
                    tell(row);
                    match rows {
                        // The last number stands for all that come behind it: the store takes none twice.
                        Some(rows) if row.sequence != u32::MAX => rows.insert(row),
                        _ => Ok(false),
                    }
                })
            })
        };
        if broken {
            // Nothing is stored, so nothing fails.
            let _ = each(&mut None);
            return Ok(());
        }
        self.writer.messages(id, |rows| each(&mut Some(rows)))
    }

    /// Notes that the open transaction has something of this flow.
    fn touch(&mut self, id: FlowId) {
        if let Some(flow) = self.flows.get_mut(&id)
            && !std::mem::replace(&mut flow.touched, true)
        {
            self.touched.push(id);
        }
    }

    /// Makes sure that the store knows the flow.
    fn open(&mut self, id: FlowId) -> Result<(), StoreError> {
        if let Some(flow) = self.flows.get_mut(&id)
            && !flow.opened
        {
            self.writer.open_flow(id, &flow.opening)?;
            flow.opened = true;
        }
        Ok(())
    }

    fn is_broken(&self) -> bool {
        self.broken_until.is_some_and(|until| Instant::now() < until)
    }

    /// Commits what has come, and answers who waits for that.
    fn commit(&mut self) {
        if !self.gathered.is_empty() {
            self.write();
        }
        self.last_commit = Instant::now();
        if !self.is_broken() {
            match self.write_progress().and_then(|()| self.writer.commit()) {
                Ok(()) => self.committed(),
                Err(error) => self.fail(&error),
            }
        }
        for done in self.flushes.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    fn write_progress(&mut self) -> Result<(), StoreError> {
        for at in 0..self.touched.len() {
            let id = self.touched[at];
            self.open(id)?;
            let Some(flow) = self.flows.get(&id) else { continue };
            match &flow.ending {
                Some(ending) => self.writer.end_flow(id, &flow.counts, ending)?,
                None => self.writer.progress(id, &flow.counts)?,
            };
        }
        Ok(())
    }

    fn committed(&mut self) {
        if self.broken_until.take().is_some() {
            tracing::info!("the store takes messages again");
        }
        for id in self.touched.drain(..) {
            let Some(flow) = self.flows.get_mut(&id) else { continue };
            (flow.touched, flow.stored, flow.uncommitted) = (false, true, 0);
            if flow.ending.is_some() {
                self.flows.remove(&id);
            }
        }
    }

    /// The store did not take something: what was not committed is lost, and counted on its flows.
    fn fail(&mut self, error: &StoreError) {
        self.report(error);
        self.broken_until = Some(Instant::now() + RETRY_AFTER);
        for id in &self.touched {
            if let Some(flow) = self.flows.get_mut(id) {
                let lost = std::mem::take(&mut flow.uncommitted);
                flow.counts.messages_lost += lost;
                telemetry::counts().messages_lost.add(LostBy::Store, lost);
                flow.opened = flow.stored;
            }
        }
        if self.touched.len() > UNSTORED_FLOWS_MAX {
            // Ended flows that the store has never seen must not pile up while it is broken.
            let flows = &mut self.flows;
            self.touched.retain(|id| {
                let ended = flows.get(id).is_none_or(|flow| flow.ending.is_some());
                if ended {
                    flows.remove(id);
                }
                !ended
            });
        }
    }

    /// Says that something passes unrecorded, and stops the proxy if it is to stop then.
    fn report(&self, error: &StoreError) {
        let database = self.database.display();
        telemetry::counts().store_errors.one(());
        match self.settings.store.on_error {
            OnError::Relay => tracing::error!(%database, "the store failed, messages pass unrecorded: {error}"),
            OnError::Stop => {
                tracing::error!(%database, "the store failed, the proxy stops: {error}");
                self.failed.cancel();
            }
        }
    }

    fn import(&mut self, import: Import) {
        self.commit();
        let Import {
            id,
            flow,
            messages,
            done,
        } = import;
        let stored = self.writer.import_flow_as(id, &flow, &messages).map(|_| ());
        self.to_index = self.settings.store.full_text;
        // Whoever asked may have gone.
        let _ = done.send(stored.map_err(|error| error.to_string()));
    }

    fn tell_flow(&self, id: FlowId) {
        if self.live.receiver_count() > 0
            && let Some(state) = self.flows.get(&id)
        {
            let flow = Flow {
                id,
                opening: (*state.opening).clone(),
                counts: state.counts,
                ending: state.ending.as_deref().cloned(),
            };
            let _ = self.live.send(Arc::new(Live::Flow(flow)));
        }
    }

    /// Full-text index and retention, in steps small enough for a batch to wait behind one.
    fn keep_house(&mut self) {
        let now = Instant::now();
        let idle = now.duration_since(self.last_job) >= INDEX_AFTER;
        let index = self.to_index && (idle || now >= self.next_index);
        let retain = self.last_retain.elapsed() >= RETAIN_EVERY;
        if self.is_broken() || !(index || retain) {
            return;
        }
        // Both commit for themselves: what came before must be known to be stored first.
        self.commit();
        if index {
            match self.writer.index_some(INDEX_ROWS) {
                Ok(more) => self.to_index = more,
                Err(error) => self.fail(&error),
            }
            self.next_index = Instant::now() + now.elapsed() * INDEX_REST;
        }
        if retain {
            let store = &self.settings.store;
            let more = self.writer.retain(store.keep_days, store.bytes_max, Timestamp::now());
            let wait = if matches!(more, Ok(true)) {
                Duration::from_millis(50)
            } else {
                RETAIN_EVERY
            };
            self.last_retain = (Instant::now() + wait)
                .checked_sub(RETAIN_EVERY)
                .unwrap_or_else(Instant::now);
            if let Err(error) = more {
                self.fail(&error);
            }
        }
    }
}
