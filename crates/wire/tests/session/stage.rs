//! A stage for sessions: sends in what peers say, collects what the other one gets and what goes on record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wire::deflate::{Caps, Inflated, Inflater, Params};
use wire::frame::{FrameHead, Opcode};
use wire::session::{
    Agreed, Bytes, Config, End, Entry, Facts, Fate, Gate, Inspect, Output, Payload, Reason, Recorded, Refused, Session,
    Ticket, Verdict,
};
use wire::{Direction, Peer, mask};

pub const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

pub fn config() -> Config {
    Config {
        close_on_violation: false,
        validate_utf8: false,
        frame_bytes_max: 1 << 20,
        message_bytes_max: 1 << 21,
        inflate_ratio_max: 200,
        held_max: 16,
        held_bytes_max: 1 << 20,
        idle_ms: 0,
        close_ms: 5_000,
        record_bytes_max: Some(1 << 20),
        mask_key: || [9, 8, 7, 6],
    }
}

/// One frame as a peer sends it: the client masks, the server does not.
pub fn frame(from: Peer, fin: bool, rsv: u8, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let key = (from == Peer::Client).then_some(KEY);
    let head = FrameHead {
        fin,
        rsv,
        ..FrameHead::new(Opcode::from_bits(opcode), key, payload.len() as u64)
    };
    let mut bytes = Vec::new();
    head.encode(&mut bytes);
    mask::unmask_into(&mut bytes, payload, key, 0);
    bytes
}

pub fn text(from: Peer, payload: &str) -> Vec<u8> {
    frame(from, true, 0, 1, payload.as_bytes())
}

/// A session in which nobody judges.
pub fn plain(config: Config) -> Stage {
    Stage::new(config, Agreed::default())
}

/// One in which somebody judges both directions.
pub fn judged(agreed: Agreed) -> Stage {
    let mut stage = Stage::new(config(), agreed);
    for direction in Direction::BOTH {
        stage.gate(direction, Gate::Judge);
    }
    stage
}

pub fn deflate() -> Agreed {
    Agreed::both(Some(Params::default()))
}

pub fn close(from: Peer, code: u16, reason: &str) -> Vec<u8> {
    frame(from, true, 0, 8, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

/// A message as it went on record, its parts put together.
#[derive(Clone, Debug)]
pub struct Seen {
    pub facts: Facts,
    pub payload: Vec<u8>,
    pub fate: Fate,
    pub ticket: Option<Ticket>,
    /// It was held until it was whole.
    pub held: bool,
}

/// A session with everything that came of it.
pub struct Stage {
    pub session: Session,
    pub config: Arc<Config>,
    pub agreed: Agreed,
    pub now: u64,
    /// What each peer has said, and the session has taken, while the conversation went on.
    pub said: [Vec<u8>; 2],
    /// What each peer has said and the session has not taken.
    pub unread: [Vec<u8>; 2],
    /// The session has once not taken all that was said.
    pub had_unread: bool,
    /// What each peer has got: client, server.
    pub got: [Vec<u8>; 2],
    pub finished: [bool; 2],
    pub aborted: [bool; 2],
    pub seen: Vec<Seen>,
    pub inspects: Vec<Inspect>,
    /// The messages that were shown to a judge and are not on record yet: their direction and their size.
    pub waiting: BTreeMap<Ticket, (Direction, usize)>,
    /// What was injected and is not on record yet.
    pub injected: BTreeSet<Ticket>,
    /// The direction stands still for want of an inflater.
    pub stalled: [bool; 2],
    parts: [[Vec<u8>; 2]; 2],
    inflaters: [Inflater; 2],
}

impl Stage {
    pub fn new(config: Config, agreed: Agreed) -> Self {
        let config = Arc::new(config);
        Self {
            session: Session::new(Arc::clone(&config), agreed, 2, 0),
            config,
            agreed,
            now: 0,
            said: Default::default(),
            unread: Default::default(),
            had_unread: false,
            got: Default::default(),
            finished: [false; 2],
            aborted: [false; 2],
            seen: Vec::new(),
            inspects: Vec::new(),
            waiting: BTreeMap::new(),
            injected: BTreeSet::new(),
            stalled: [false; 2],
            parts: Default::default(),
            inflaters: Direction::BOTH.map(|direction| sender_inflater(direction, &agreed)),
        }
    }

    /// A peer says this. What the session does not take is said again as soon as it wants more.
    pub fn says(&mut self, from: Peer, bytes: &[u8]) -> &mut Self {
        self.unread[from.index()].extend_from_slice(bytes);
        self.hand_in(from);
        self.go_on();
        self
    }

    fn hand_in(&mut self, from: Peer) {
        let mut read = std::mem::take(&mut self.unread[from.index()]);
        let (goes_on, wanted) = (self.session.ending().is_none(), self.session.wants(from));
        let mut out = Vec::new();
        let taken = self.session.receive(from, &read, self.now, &mut out);
        if goes_on {
            self.said[from.index()].extend_from_slice(&read[..taken]);
            assert!(wanted || taken == 0, "what is not wanted is not taken");
            assert!(
                taken == read.len() || !self.session.wants(from),
                "what is wanted is taken"
            );
        }
        self.take(out, &read);
        let mut out = Vec::new();
        self.session.pass_by(&mut out);
        self.take(out, &[]);
        self.unread[from.index()] = read.split_off(taken);
        self.had_unread |= !self.unread[from.index()].is_empty();
    }

    /// Says again what was not taken and is wanted now.
    fn go_on(&mut self) {
        for from in [Peer::Client, Peer::Server] {
            while !self.unread[from.index()].is_empty() && self.session.wants(from) {
                self.hand_in(from);
            }
        }
    }

    pub fn ends(&mut self, from: Peer, end: End) -> &mut Self {
        self.unread[from.index()].clear();
        let mut out = Vec::new();
        self.session.end(from, end, self.now, &mut out);
        self.take(out, &[]);
        self
    }

    /// Answers the oldest message that waits.
    pub fn judge(&mut self, verdict: Verdict) -> &mut Self {
        let ticket = self.inspects.remove(0).ticket;
        self.judge_ticket(ticket, verdict)
    }

    pub fn judge_ticket(&mut self, ticket: Ticket, verdict: Verdict) -> &mut Self {
        let result = self.try_judge(ticket, verdict);
        result.expect("a verdict that can be carried out");
        self
    }

    pub fn try_judge(&mut self, ticket: Ticket, verdict: Verdict) -> Result<(), Refused> {
        let mut out = Vec::new();
        let result = self.session.verdict(ticket, verdict, self.now, &mut out);
        self.take(out, &[]);
        self.go_on();
        result
    }

    pub fn close(&mut self, reason: Reason) -> &mut Self {
        let mut out = Vec::new();
        self.session.close(reason, self.now, &mut out);
        self.take(out, &[]);
        self.go_on();
        self
    }

    pub fn inject(&mut self, to: Peer, opcode: Opcode, payload: &[u8]) -> Result<Ticket, Refused> {
        let mut out = Vec::new();
        let message = wire::message::NewMessage {
            opcode,
            payload: payload.to_vec(),
        };
        let result = self.session.inject(to, message, &mut out);
        self.injected.extend(result.ok());
        self.take(out, &[]);
        result
    }

    pub fn close_peer(&mut self, to: Peer, code: u16, reason: &str) -> Result<Ticket, Refused> {
        let mut out = Vec::new();
        let result = self.session.close_peer(to, code, reason, self.now, &mut out);
        self.injected.extend(result.ok());
        self.take(out, &[]);
        self.go_on();
        result
    }

    pub fn gate(&mut self, direction: Direction, gate: Gate) -> &mut Self {
        let mut out = Vec::new();
        self.session.set_gate(direction, gate, &mut out);
        self.take(out, &[]);
        self
    }

    /// Hands over the inflater that has seen what went on record, if there is one and it is asked for. Says whether the
    /// gate is shut.
    pub fn resume(&mut self, direction: Direction, with: bool) -> bool {
        let side = direction.from().index();
        self.stalled[side] = false;
        let inflater = (with && self.config.record_bytes_max.is_some())
            .then(|| std::mem::replace(&mut self.inflaters[side], Inflater::new(true)));
        let asked = inflater.is_some();
        let unused = self.session.resume(direction, inflater);
        let shut = asked && unused.is_none();
        if let Some(inflater) = unused {
            self.inflaters[side] = inflater;
        }
        self.go_on();
        shut
    }

    pub fn later(&mut self, millis: u64) -> &mut Self {
        self.now += millis;
        let mut out = Vec::new();
        self.session.tick(self.now, &mut out);
        self.take(out, &[]);
        self.go_on();
        self
    }

    /// Takes what a peer has got since it was last asked.
    pub fn gets(&mut self, peer: Peer) -> Vec<u8> {
        std::mem::take(&mut self.got[peer.index()])
    }

    /// The record in short: `2 send text "hi" sent`.
    pub fn record(&self) -> Vec<String> {
        self.seen
            .iter()
            .map(|seen| {
                let Facts {
                    direction,
                    sequence,
                    opcode,
                    violation,
                    ..
                } = seen.facts;
                let flaw = violation.map_or(String::new(), |rule| format!(" ({rule})"));
                let fate = match &seen.fate {
                    Fate::Replaced(new) => format!("replaced {:?}", String::from_utf8_lossy(&new.payload)),
                    fate => format!("{fate:?}").to_lowercase(),
                };
                let payload = String::from_utf8_lossy(&seen.payload);
                format!("{sequence} {direction:?} {opcode:?} {payload:?} {fate}{flaw}").to_lowercase()
            })
            .collect()
    }

    fn take(&mut self, out: Vec<Output>, input: &[u8]) {
        for output in out {
            match output {
                Output::Send { to, bytes } => {
                    assert!(
                        !self.finished[to.index()] && !self.aborted[to.index()],
                        "nothing leaves behind the end"
                    );
                    match bytes {
                        Bytes::Read(range) => self.got[to.index()].extend_from_slice(&input[range]),
                        Bytes::New(bytes) => self.got[to.index()].extend_from_slice(&bytes),
                    }
                }
                Output::Finish { to } => assert!(!std::mem::replace(&mut self.finished[to.index()], true), "one end"),
                Output::Abort { to } => self.aborted[to.index()] = true,
                Output::Inspect(inspect) => {
                    let about = (inspect.facts.direction, inspect.payload.len());
                    assert!(self.waiting.insert(inspect.ticket, about).is_none(), "one ticket each");
                    self.inspects.push(inspect);
                }
                Output::NeedsInflater { direction } => {
                    let side = direction.from().index();
                    assert!(!std::mem::replace(&mut self.stalled[side], true), "asked for once");
                }
                Output::Record(Entry::Part {
                    direction,
                    control,
                    span,
                    ..
                }) => {
                    let part = &mut self.parts[direction.from().index()][usize::from(control)];
                    mask::unmask_into(part, &input[span.range], span.key, span.offset);
                }
                Output::Record(Entry::Message(recorded)) => self.recorded(recorded, input),
            }
        }
    }

    fn recorded(&mut self, recorded: Recorded, input: &[u8]) {
        let Recorded {
            facts,
            payload,
            fate,
            ticket,
        } = recorded;
        if let Some(ticket) = ticket {
            let injected = fate == Fate::Injected || facts.frames == 0;
            let was = if injected {
                self.injected.remove(&ticket)
            } else {
                self.waiting.remove(&ticket).is_some()
            };
            assert!(was, "one fate for what was judged or injected");
        }
        let held = matches!(payload, Payload::Plain(_));
        let side = facts.direction.from().index();
        let payload = match payload {
            Payload::Plain(plain) => plain.to_vec(),
            Payload::Parts(last) => {
                let mut whole = std::mem::take(&mut self.parts[side][usize::from(facts.opcode.is_control())]);
                if let Some(span) = last {
                    mask::unmask_into(&mut whole, &input[span.range], span.key, span.offset);
                }
                if facts.compressed {
                    inflate(&mut self.inflaters[side], &whole)
                } else {
                    whole
                }
            }
        };
        self.seen.push(Seen {
            facts,
            payload,
            fate,
            ticket,
            held,
        });
    }
}

pub fn inflate(inflater: &mut Inflater, compressed: &[u8]) -> Vec<u8> {
    let caps = Caps {
        message_bytes_max: 1 << 24,
        ratio_max: u32::MAX,
        keep_bytes_max: usize::MAX,
    };
    let mut out = Inflated::default();
    match inflater
        .push(compressed, &caps, &mut out)
        .and_then(|()| inflater.finish(&caps, &mut out))
    {
        Ok(()) => out.bytes,
        Err(error) => error.to_string().into_bytes(),
    }
}

/// What inflates the messages of a direction as their sender compresses them.
pub fn sender_inflater(direction: Direction, agreed: &Agreed) -> Inflater {
    leg_inflater(direction, leg(direction.from(), agreed).unwrap_or_default())
}

/// What was agreed on with a peer.
pub fn leg(peer: Peer, agreed: &Agreed) -> Option<Params> {
    match peer {
        Peer::Client => agreed.client,
        Peer::Server => agreed.server,
    }
}

fn leg_inflater(direction: Direction, params: Params) -> Inflater {
    match direction {
        Direction::Send => Inflater::new(!params.client_no_context_takeover),
        Direction::Receive => Inflater::new(!params.server_no_context_takeover),
    }
}

/// What a strict receiver makes of the bytes it got: whole data messages in order, inflated, and its control frames.
pub struct Receiver {
    /// There if its leg is compressed.
    inflater: Option<Inflater>,
}

impl Receiver {
    pub fn new(direction: Direction, agreed: &Agreed) -> Self {
        Self {
            inflater: leg(direction.to(), agreed).map(|params| leg_inflater(direction, params)),
        }
    }

    pub fn read(&mut self, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut messages = Vec::new();
        let mut under_way: Option<(u8, bool, Vec<u8>)> = None;
        while !bytes.is_empty() {
            let head = FrameHead::parse(bytes).expect("a whole header");
            let end = usize::from(head.head_len) + head.payload_len as usize;
            let mut payload = Vec::new();
            mask::unmask_into(&mut payload, &bytes[usize::from(head.head_len)..end], head.mask, 0);
            bytes = &bytes[end..];
            if head.opcode.is_control() {
                messages.push((head.opcode.bits(), payload));
                continue;
            }
            match &mut under_way {
                None => under_way = Some((head.opcode.bits(), head.rsv == 0b100, payload)),
                Some((_, _, whole)) => {
                    assert_eq!(head.opcode, Opcode::Continuation, "no message inside another");
                    whole.extend_from_slice(&payload);
                }
            }
            if head.fin {
                let (opcode, compressed, whole) = under_way.take().expect("just put there");
                messages.push((
                    opcode,
                    match &mut self.inflater {
                        Some(inflater) if compressed => inflate(inflater, &whole),
                        _ => whole,
                    },
                ));
            }
        }
        messages
    }
}
