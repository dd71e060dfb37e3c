//! A hook that is asked about messages which nobody has said, to find out how it is set up. The requests and the readings
//! of their answers are those of the judge.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::frame::Opcode;

use super::answer::Head;
pub(crate) use super::answer::{Failure, Outcome};
use super::ask::Asker;
use super::body::{About, Body};
use super::request::{Message, SigningKey};
use super::{AnswerLimits, Hooked};
use crate::config;
use crate::flow::{Direction, Timestamp};

/// So much of an answer's body is kept, for telling two apart.
const BEGINNING: usize = 16 << 10;

/// Asks one direction's hook, one question after another.
pub(crate) struct Prober {
    asker: Rc<Asker>,
    direction: Direction,
    settings: Arc<config::Hook>,
    sequence: Cell<u32>,
}

/// What all its requests have in common.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) user_agent: bool,
}

/// What came of one question.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// What the request's body was called.
    pub(crate) content_type: Option<&'static str>,
    /// The bytes of its body.
    pub(crate) len: usize,
    pub(crate) outcome: Outcome,
    /// What the answer was besides its status; empty if there was none.
    pub(crate) page: Page,
    pub(crate) took: Duration,
}

/// What an answer has besides its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The names of its fields, without those that are about the connection.
    pub(crate) names: BTreeSet<String>,
    pub(crate) content_type: String,
    pub(crate) location: String,
    /// How its body begins, if the message goes on: for the others nobody reads it.
    pub(crate) beginning: Vec<u8>,
}

/// Keeps what an answer has besides its verdict.
#[derive(Debug, Default)]
pub(super) struct Witness(RefCell<Page>);

impl Prober {
    /// `None`: that direction has no hook.
    ///
    /// # Errors
    /// What is wrong with `hook.signing_key`.
    pub(crate) fn new(
        hooked: &Hooked,
        direction: Direction,
        settings: &config::Hook,
        limits: AnswerLimits,
    ) -> Result<Option<Self>, String> {
        let settings = Arc::new(config::Hook {
            // Each question is to be put, whatever came of the one before.
            breaker_failures: 0,
            ..settings.clone()
        });
        let signing = SigningKey::parse(&settings.signing_key)?.map(Arc::new);
        let asker = Asker::new(hooked, direction, &settings, signing, limits);
        Ok(asker.map(|asker| Self {
            asker: Rc::new(Asker {
                witness: Some(Witness::default()),
                ..asker
            }),
            direction,
            settings,
            sequence: Cell::new(1),
        }))
    }

    /// How it asks.
    ///
    /// # Errors
    /// What cannot be in a request.
    pub(crate) fn manner(&self) -> Result<Manner, String> {
        let template = self.asker.template.as_ref().map_err(Clone::clone)?;
        Ok(template.manner())
    }

    /// Asks about a text message.
    pub(crate) async fn ask(&self, text: &str) -> Reply {
        let payload = Arc::new(text.as_bytes().to_vec());
        let about = self.about(&payload);
        let body = Body::new(self.settings.body, &about);
        let (content_type, len) = (body.content_type, body.bytes.len());
        let message = Message::new(&about, Timestamp::now(), body);
        self.sequence.set(about.sequence.wrapping_add(1));
        if let Some(witness) = &self.asker.witness {
            witness.0.take();
        }
        let began = Instant::now();
        let mut told = None;
        // It takes longer than its outcome is known: the rest of the answer is read too.
        let hear = |outcome| told = Some((outcome, began.elapsed()));
        Rc::clone(&self.asker).ask(message, hear).await;
        let (outcome, took) = told.unwrap_or((Outcome::Failed(Failure::Timeout), began.elapsed()));
        let page = self.asker.witness.as_ref().map(|witness| witness.0.take());
        Reply {
            content_type,
            len,
            outcome,
            page: page.unwrap_or_default(),
            took,
        }
    }

    /// A text that ends with `end` and whose body has so many bytes, if they are enough for it.
    pub(crate) fn of_length(&self, len: usize, end: &str) -> String {
        let payload = Arc::new(end.as_bytes().to_vec());
        let least = Body::new(self.settings.body, &self.about(&payload)).bytes.len();
        // Letters are the same in every kind of body.
        let filler = "loremipsumdolorsitamet".chars().cycle();
        filler.take(len.saturating_sub(least)).chain(end.chars()).collect()
    }

    fn about<'a>(&self, payload: &'a Arc<Vec<u8>>) -> About<'a> {
        About {
            flow: 0,
            sequence: self.sequence.get(),
            direction: self.direction,
            opcode: Opcode::Text,
            payload,
        }
    }
}

impl Witness {
    /// The answer has begun.
    pub(super) fn head(&self, head: &Head) {
        let field = |name| String::from_utf8_lossy(head.value(name).unwrap_or_default()).into_owned();
        let mut names = head.names();
        names.retain(|name| !matches!(name.as_str(), "connection" | "keep-alive"));
        self.0.replace(Page {
            names,
            content_type: field("content-type"),
            location: field("location"),
            beginning: Vec::new(),
        });
    }

    /// So its body goes on.
    pub(super) fn piece(&self, piece: &[u8]) {
        let mut page = self.0.borrow_mut();
        let room = BEGINNING.saturating_sub(page.beginning.len());
        page.beginning.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}
