//! What holds for every session, whatever came and whatever was commanded: its record tells exactly what was
//! received, and what left is exactly what the record says.
//!
//! Checked from outside: the bytes that a peer said are read once more here, frame by frame, and held against the
//! record and against the bytes that the other peer got.

use std::collections::BTreeSet;

use wire::deflate::{Inflater, Params};
use wire::error::Rule;
use wire::frame::{FrameHead, Opcode, PAYLOAD_BYTES_MAX, RSV1};
use wire::session::{Agreed, Fate};
use wire::{Direction, mask};

use super::stage::{Receiver, Seen, Stage, inflate, leg, sender_inflater};

/// Holds a session that has a record against all of it.
pub fn hold(stage: &Stage) {
    gap_free(stage);
    if stage.session.ending().is_some() {
        assert!(stage.waiting.is_empty(), "no message is left without a fate");
        assert!(stage.injected.is_empty(), "whoever injected a message is told");
    }
    for direction in Direction::BOTH {
        let said = frames(&stage.said[direction.from().index()]);
        let got = frames(&stage.got[direction.to().index()]);
        let way = Way {
            stage,
            direction,
            data: said.iter().copied().filter(|frame| !frame.is_control()).collect(),
            control: said.iter().copied().filter(Frame::is_control).collect(),
            got,
        };
        way.data_is_on_record();
        way.control_is_on_record();
        way.what_left_is_what_the_record_says();
        way.is_readable();
        way.one_close();
    }
}

/// Every message, of either direction, has one place in the sequence, and none is missing once all is over.
pub fn gap_free(stage: &Stage) {
    let mut numbers: Vec<u32> = stage.seen.iter().map(|seen| seen.facts.sequence).collect();
    numbers.sort_unstable();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "every message has one record: {numbers:?}"
    );
    if stage.session.ending().is_some() {
        assert!(
            numbers.iter().copied().eq(2..2 + numbers.len() as u32),
            "the sequence has no gap: {numbers:?}"
        );
    }
}

/// A frame as it stands in a stream.
#[derive(Clone, Copy)]
struct Frame<'a> {
    head: FrameHead,
    bytes: &'a [u8],
}

impl Frame<'_> {
    const fn is_control(&self) -> bool {
        self.head.opcode.is_control()
    }

    const fn is_close(&self) -> bool {
        matches!(self.head.opcode, Opcode::Close)
    }

    const fn is_cut(&self) -> bool {
        (self.bytes.len() as u64) < self.head.payload_len.saturating_add(self.head.head_len as u64)
    }

    fn payload_into(&self, out: &mut Vec<u8>) {
        mask::unmask_into(out, &self.bytes[usize::from(self.head.head_len)..], self.head.mask, 0);
    }

    fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        self.payload_into(&mut payload);
        payload
    }
}

/// All frames of a stream whose header is complete; the last may be cut.
fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Some(head) = FrameHead::parse(bytes) {
        let len = u64::from(head.head_len).saturating_add(head.payload_len);
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len());
        let (frame, rest) = bytes.split_at(len);
        frames.push(Frame { head, bytes: frame });
        bytes = rest;
    }
    frames
}

/// One direction of a session.
struct Way<'a> {
    stage: &'a Stage,
    direction: Direction,
    /// What was said.
    data: Vec<Frame<'a>>,
    control: Vec<Frame<'a>>,
    /// What was got.
    got: Vec<Frame<'a>>,
}

/// A received message, as it may leave.
struct Leaving<'a> {
    frames: &'a [Frame<'a>],
    how: How,
}

/// How a received message leaves.
enum How {
    /// As it came.
    Raw,
    /// As it came, or as one frame of the proxy's own with this opcode.
    RawOrAnew(Opcode),
    /// As one frame of the proxy's own.
    Anew(Opcode),
    /// Not at all.
    Not,
    /// Some of its first frames, the last perhaps cut: nothing that was received leaves behind it.
    Part,
}

impl<'a> Way<'a> {
    /// What is on record of this direction, in sequence.
    fn seen(&self, matches: impl Fn(&Seen) -> bool) -> Vec<&'a Seen> {
        let of_mine = |seen: &&Seen| seen.facts.direction == self.direction && matches(seen);
        let mut mine: Vec<&Seen> = self.stage.seen.iter().filter(of_mine).collect();
        mine.sort_by_key(|seen| seen.facts.sequence);
        mine
    }

    fn received(&self, control: bool) -> Vec<&'a Seen> {
        self.seen(|seen| seen.facts.opcode.is_control() == control && !is_own(seen))
    }

    /// The data messages on record are the frames that were said: every one in exactly one message.
    fn data_is_on_record(&self) {
        let mut inflater = Some(sender_inflater(self.direction, &self.stage.agreed));
        let mut rest = &self.data[..];
        for seen in self.received(false) {
            let facts = &seen.facts;
            assert!(facts.frames as usize <= rest.len(), "{facts:?} was never said");
            let frames;
            (frames, rest) = rest.split_at(facts.frames as usize);
            let first = frames.first().expect("a message has a frame").head;
            assert_eq!((facts.opcode, facts.masked), (first.opcode, first.mask.is_some()));
            let deflate = leg(self.direction.from(), &self.stage.agreed).is_some();
            let compressed = deflate && first.rsv & RSV1 != 0 && first.opcode != Opcode::Continuation;
            assert_eq!(facts.compressed, compressed, "{facts:?}");
            assert!(
                frames[1..]
                    .iter()
                    .all(|frame| frame.head.opcode == Opcode::Continuation)
            );
            let wire: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
            let heads: usize = frames.iter().map(|frame| usize::from(frame.head.head_len)).sum();
            assert_eq!(facts.wire_bytes, wire as u64, "{facts:?}");
            assert_eq!(facts.payload_bytes, (wire - heads) as u64, "{facts:?}");
            let mut payload = Vec::new();
            frames.iter().for_each(|frame| frame.payload_into(&mut payload));
            if facts.compressed {
                // A gate that shuts where no message refers to another begins with an inflater to which nothing has happened.
                let anew = |inflater: &Inflater| seen.held && inflater.has_failed();
                inflater = inflater.filter(|inflater| facts.violation.is_none() && !anew(inflater));
                if let Some(inflater) = &mut inflater {
                    assert!(inflate(inflater, &payload) == seen.payload, "{facts:?}");
                }
            } else if self.within_limits(frames) {
                if !seen.held {
                    let kept = self.stage.config.record_bytes_max.unwrap_or(0);
                    payload.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
                }
                assert!(payload == seen.payload, "{facts:?}");
            }
        }
        if self.stage.session.ending().is_some() {
            assert!(rest.is_empty(), "{} frames are in no message", rest.len());
        }
    }

    /// Payload beyond a limit is let go unread.
    fn within_limits(&self, frames: &[Frame<'_>]) -> bool {
        let config = &self.stage.config;
        let lens = frames.iter().map(|frame| frame.head.payload_len);
        lens.clone()
            .all(|len| len <= config.frame_bytes_max.min(PAYLOAD_BYTES_MAX))
            && lens.fold(0, u64::saturating_add) <= config.message_bytes_max
    }

    /// The control frames on record are those that were said.
    fn control_is_on_record(&self) {
        let seen = self.received(true);
        assert!(
            seen.len() <= self.control.len(),
            "no control frame but those that were said"
        );
        if self.stage.session.ending().is_some() {
            assert_eq!(seen.len(), self.control.len(), "every control frame is on record");
        }
        for (seen, frame) in seen.into_iter().zip(&self.control) {
            let facts = &seen.facts;
            assert_eq!((facts.opcode, facts.frames), (frame.head.opcode, 1));
            if self.within_limits(std::slice::from_ref(frame)) {
                assert!(frame.payload() == seen.payload, "{facts:?}");
            }
        }
    }

    /// Data, Close and other control frames may overtake each other; of one kind, all is in order.
    fn what_left_is_what_the_record_says(&self) {
        let said = &self.stage.said[self.direction.from().index()];
        assert!(
            said.ends_with(self.cut_header()),
            "a header is cut only where the stream was"
        );
        let own = self.seen(|seen| seen.fate == Fate::Injected);
        let own: Vec<Vec<u8>> = own.into_iter().map(|seen| self.own(seen)).collect();
        let data = self.leaving(&self.data, self.received(false));
        let control = self.leaving(&self.control, self.received(true));
        type Kind = fn(&Frame<'_>) -> bool;
        let kinds: [(Kind, &[Leaving<'_>]); 3] = [
            (|frame| !frame.is_control(), &data),
            (|frame| frame.is_control() && !frame.is_close(), &control),
            (|frame| frame.is_close(), &control),
        ];
        for (kind, theirs) in kinds {
            let got: Vec<&Frame<'_>> = self.got.iter().filter(|frame| kind(frame)).collect();
            let own: Vec<&[u8]> = own
                .iter()
                .map(Vec::as_slice)
                .filter(|bytes| frames(bytes).iter().all(kind))
                .collect();
            let theirs: Vec<&Leaving<'_>> = theirs
                .iter()
                .filter(|leaving| leaving.frames.iter().all(kind))
                .collect();
            assert!(
                interleave(&got, &theirs, &own),
                "{:?}: what left is not what the record says",
                self.direction
            );
        }
        self.far_end_decodes();
    }

    /// What was got behind the last frame.
    fn cut_header(&self) -> &'a [u8] {
        let frames = self.got.iter().map(|frame| frame.bytes.len()).sum();
        &self.stage.got[self.direction.to().index()][frames..]
    }

    /// A frame of the proxy's own, as it leaves.
    fn own(&self, seen: &Seen) -> Vec<u8> {
        let key = (self.direction == Direction::Send).then(self.stage.config.mask_key);
        let mut bytes = Vec::new();
        FrameHead::new(seen.facts.opcode, key, seen.payload.len() as u64).encode(&mut bytes);
        mask::unmask_into(&mut bytes, &seen.payload, key, 0);
        bytes
    }

    /// How each received message leaves; what is not on record yet may have left in part.
    fn leaving<'b>(&self, mut frames: &'b [Frame<'b>], seen: Vec<&Seen>) -> Vec<Leaving<'b>> {
        let mut leaving = Vec::new();
        for seen in seen {
            let mine;
            (mine, frames) = frames.split_at(seen.facts.frames as usize);
            let how = match &seen.fate {
                Fate::Sent if seen.held => self.sent(seen, mine),
                Fate::Sent => How::Raw,
                Fate::Replaced(new) => How::Anew(new.opcode),
                Fate::Dropped if seen.held => How::Not,
                Fate::Dropped => How::Part,
                Fate::Injected => unreachable!("only what was received"),
            };
            leaving.push(Leaving { frames: mine, how });
        }
        let part = |frame| Leaving {
            frames: std::slice::from_ref(frame),
            how: How::Part,
        };
        match frames.first() {
            Some(first) if first.is_control() => leaving.extend(frames.iter().map(part)),
            Some(_) => leaving.push(Leaving { frames, how: How::Part }),
            None => {}
        }
        leaving
    }

    /// How a message leaves that was held, and that nobody changed.
    fn sent(&self, seen: &Seen, frames: &[Frame<'_>]) -> How {
        let facts = &seen.facts;
        let [from, to] = [self.direction.from(), self.direction.to()].map(|peer| leg(peer, &self.stage.agreed));
        let misread = from.is_none() && to.is_some();
        assert!(
            !misread || frames.iter().all(|frame| frame.head.rsv & RSV1 == 0),
            "what means nothing on one leg is not passed on to where it means something: {facts:?}"
        );
        let data = matches!(facts.opcode, Opcode::Text | Opcode::Binary);
        if facts.compressed && !fit(self.direction, &self.stage.agreed) {
            How::Anew(facts.opcode)
        } else if facts.compressed || misread && data && facts.violation.is_none() {
            How::RawOrAnew(facts.opcode)
        } else {
            How::Raw
        }
    }

    /// A peer without permessage-deflate on its leg gets no message that says it is compressed.
    fn is_readable(&self) {
        let agreed = &self.stage.agreed;
        let deflate = |peer| leg(peer, agreed).is_some();
        if !deflate(self.direction.from()) || deflate(self.direction.to()) {
            return;
        }
        for frame in self.got.iter().filter(|frame| !frame.is_control()) {
            let first = frame.head.opcode != Opcode::Continuation;
            assert!(!first || frame.head.rsv & RSV1 == 0, "{:?}: unreadable", self.direction);
        }
    }

    /// Where no peer did anything wrong, the far end decodes exactly what was let through.
    fn far_end_decodes(&self) {
        let flawed = !self.seen(|seen| seen.facts.violation.is_some()).is_empty();
        if flawed
            || self.stage.agreed.unknown
            || self.stage.config.record_bytes_max != Some(u64::MAX)
            || self.stage.session.ending().is_none()
            || self.got.iter().any(Frame::is_cut)
            || !self.cut_header().is_empty()
            || self.got.last().is_some_and(|frame| !frame.head.fin)
        {
            return;
        }
        let got = Receiver::new(self.direction, &self.stage.agreed).read(&self.stage.got[self.direction.to().index()]);
        let got: Vec<(u8, Vec<u8>)> = got.into_iter().filter(|(opcode, _)| *opcode < 8).collect();
        let own = self.seen(|seen| seen.fate == Fate::Injected && !seen.facts.opcode.is_control());
        let mut theirs = self.received(false);
        theirs.retain(|seen| seen.fate != Fate::Dropped);
        // How many of theirs and of its own may have been read so far.
        let mut places = BTreeSet::from([(0, 0)]);
        for (opcode, payload) in &got {
            let is = |seen: Option<&&Seen>| {
                seen.is_some_and(|seen| match &seen.fate {
                    Fate::Replaced(new) => new.opcode.bits() == *opcode && new.payload == *payload,
                    _ => seen.facts.opcode.bits() == *opcode && seen.payload == *payload,
                })
            };
            let mut next = BTreeSet::new();
            for (theirs_at, own_at) in places {
                next.extend(is(theirs.get(theirs_at)).then_some((theirs_at + 1, own_at)));
                next.extend(is(own.get(own_at)).then_some((theirs_at, own_at + 1)));
            }
            places = next;
        }
        assert!(
            places.contains(&(theirs.len(), own.len())),
            "{:?}: the far end decodes what was let through, and nothing else",
            self.direction
        );
    }

    /// A peer gets one Close, its own words or the proxy's, and under strict rules nothing behind it.
    fn one_close(&self) {
        let closes = self.seen(|seen| {
            let first = seen.facts.violation != Some(Rule::FrameAfterClose);
            seen.facts.opcode == Opcode::Close && seen.fate != Fate::Dropped && first
        });
        assert!(closes.len() <= 1, "{:?}: two Closes have left", self.direction);
        if self.stage.config.close_on_violation
            && let Some(place) = self.got.iter().position(Frame::is_close)
        {
            assert_eq!(
                place + 1,
                self.got.len(),
                "{:?}: nothing leaves behind a Close",
                self.direction
            );
        }
    }
}

/// Whether what a direction's sender may compress is something that its receiver can read, and the other way round.
pub fn fit(direction: Direction, agreed: &Agreed) -> bool {
    let window = |params: Params| match direction {
        Direction::Send => (params.client_max_window_bits, !params.client_no_context_takeover),
        Direction::Receive => (params.server_max_window_bits, !params.server_no_context_takeover),
    };
    let [from, to] = [direction.from(), direction.to()].map(|peer| leg(peer, agreed).map(window));
    match (from, to) {
        (Some((from_bits, from_keeps)), Some((to_bits, to_keeps))) => from_bits <= to_bits && from_keeps <= to_keeps,
        (from, to) => from == to,
    }
}

/// The proxy wrote it; of what could not leave, there is no frame.
fn is_own(seen: &Seen) -> bool {
    seen.fate == Fate::Injected || seen.facts.frames == 0
}

/// Whether `got` is `theirs` and `own`, each in order, one woven into the other.
fn interleave(got: &[&Frame<'_>], theirs: &[&Leaving<'_>], own: &[&[u8]]) -> bool {
    // Where one may stand: the message and the frame in it that may come next, and how many own ones have been.
    let mut places = BTreeSet::from([(0, 0, 0)]);
    for frame in got {
        let mut next = BTreeSet::new();
        for (message, part, used) in with_skips(&places, theirs) {
            if own.get(used) == Some(&frame.bytes) {
                next.insert((message, part, used + 1));
            }
            let Some(leaving) = theirs.get(message) else { continue };
            let raw = leaving.frames.get(part).is_some_and(|wanted| {
                // Behind a Close the proxy may stop in the middle of a frame.
                let cut = matches!(leaving.how, How::Part) && wanted.bytes.starts_with(frame.bytes);
                wanted.bytes == frame.bytes || cut && frame.is_cut()
            });
            if raw && !matches!(leaving.how, How::Not | How::Anew(_)) {
                let over = part + 1 == leaving.frames.len();
                next.insert(if over {
                    (message + 1, 0, used)
                } else {
                    (message, part + 1, used)
                });
            }
            if let How::Anew(opcode) | How::RawOrAnew(opcode) = leaving.how
                && part == 0
                && frame.head.fin
                && frame.head.opcode == opcode
            {
                next.insert((message + 1, 0, used));
            }
        }
        places = next;
    }
    with_skips(&places, theirs).contains(&(theirs.len(), 0, own.len()))
}

/// The places, and those that are reached from them by messages that do not leave, or not to their end.
fn with_skips(places: &BTreeSet<(usize, usize, usize)>, theirs: &[&Leaving<'_>]) -> BTreeSet<(usize, usize, usize)> {
    let mut all = places.clone();
    for &(mut message, part, used) in places {
        let part_left = |at: usize| theirs.get(at).is_some_and(|leaving| matches!(leaving.how, How::Part));
        while part == 0
            && theirs
                .get(message)
                .is_some_and(|leaving| matches!(leaving.how, How::Not))
        {
            message += 1;
        }
        all.insert((message, part, used));
        if part_left(message) {
            all.insert((theirs.len(), 0, used));
        }
    }
    all
}
