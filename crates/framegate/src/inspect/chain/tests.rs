//! Messages on their way past judges that were made up for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use super::super::samples;
use super::*;
use crate::telemetry::JudgeKind;

/// What the judges were asked, and what the slow one is to say.
#[derive(Default)]
struct Court {
    asked: Vec<String>,
    late: VecDeque<(u64, Opinion)>,
    forgotten: Vec<u64>,
}

/// Says of a message what its text says: `drop`, `close`, `NAME=TEXT` is replaced by TEXT if this judge has that name.
struct Plain(&'static str, Rc<RefCell<Court>>);

impl Judge for Plain {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Plugin
    }

    fn judge(&mut self, _: &JudgedFlow, subject: &Subject, _: &mut Decision) -> Answer {
        let text = String::from_utf8_lossy(&subject.payload).into_owned();
        self.1.borrow_mut().asked.push(format!("{} {text}", self.0));
        let opinion = match text.split_once('=') {
            _ if text == "drop" => Opinion::Drop,
            _ if text == "close" => ends(),
            Some((name, text)) if name == self.0 => Opinion::Replace {
                opcode: Opcode::Text,
                payload: text.as_bytes().to_vec(),
            },
            _ => return Answer::Pass,
        };
        let by = self.0.to_owned();
        Answer::Decided(Decided { opinion, by })
    }
}

/// Takes its time for everything.
struct Slow(JudgeKind, Rc<RefCell<Court>>);

impl Judge for Slow {
    fn kind(&self) -> JudgeKind {
        self.0
    }

    fn judge(&mut self, _: &JudgedFlow, subject: &Subject, _: &mut Decision) -> Answer {
        let text = String::from_utf8_lossy(&subject.payload).into_owned();
        self.1.borrow_mut().asked.push(format!("slow {text}"));
        Answer::Later
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<(Ticket, Decided)> {
        match self.1.borrow_mut().late.pop_front() {
            None => Poll::Pending,
            Some((ticket, opinion)) => {
                let by = "slow".to_owned();
                Poll::Ready((Ticket(ticket), Decided { opinion, by }))
            }
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        self.1.borrow_mut().forgotten.push(ticket.0);
    }
}

struct Trial {
    chain: Chain,
    court: Rc<RefCell<Court>>,
    next: u64,
}

impl Trial {
    /// `first`, a slow judge, `last`, and `first` again for what has changed.
    fn new() -> Self {
        Self::with(JudgeKind::Hook)
    }

    /// The same with a slow judge of that kind.
    fn with(kind: JudgeKind) -> Self {
        let court = Rc::<RefCell<Court>>::default();
        let judges: Vec<Box<dyn Judge>> = vec![
            Box::new(Plain("first", Rc::clone(&court))),
            Box::new(Slow(kind, Rc::clone(&court))),
            Box::new(Plain("last", Rc::clone(&court))),
        ];
        let place = |judge, if_changed| Place { judge, if_changed };
        let send = vec![place(0, false), place(1, false), place(2, false), place(0, true)];
        Self {
            chain: Chain::new(samples::flow(10), judges, [send, vec![place(0, false)]]),
            court,
            next: 0,
        }
    }

    fn comes(&mut self, direction: Direction, text: &str) -> Option<(u64, Verdict)> {
        let ticket = Ticket(self.next);
        self.next += 1;
        let facts = samples::text(direction, text.len() as u64);
        let payload = Arc::new(text.as_bytes().to_vec());
        let decided = self.chain.inspect(Inspect { ticket, facts, payload }, Timestamp(0));
        decided.map(|(ticket, verdict)| (ticket.0, verdict))
    }

    fn slow_says(&mut self, ticket: u64, opinion: Opinion) -> &mut Self {
        self.court.borrow_mut().late.push_back((ticket, opinion));
        self
    }

    fn decided(&mut self) -> Vec<(u64, Verdict)> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready((_, ticket, verdict)) = self.chain.poll(&mut cx) {
            all.push((ticket.0, verdict));
        }
        all
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.court.borrow_mut().asked)
    }

    fn by(&mut self, ticket: u64) -> String {
        self.chain
            .recorded(Ticket(ticket), true)
            .map_or(String::new(), |decision| decision.by)
    }
}

fn text(text: &str) -> Verdict {
    Verdict::Replace(NewMessage {
        opcode: Opcode::Text,
        payload: text.as_bytes().to_vec(),
    })
}

#[test]
fn what_needs_no_time_is_decided_at_once() {
    let mut trial = Trial::new();
    assert_eq!(trial.comes(Direction::Receive, "hello"), Some((0, Verdict::Pass)));
    assert_eq!(trial.comes(Direction::Receive, "first=x"), Some((1, text("x"))));
    assert_eq!(trial.comes(Direction::Send, "drop"), Some((2, Verdict::Drop)));
    assert_eq!(
        trial.asked(),
        ["first hello", "first first=x", "first drop"],
        "nobody sees what was dropped"
    );
    assert_eq!([trial.by(0), trial.by(1), trial.by(2)], ["", "first", "first"]);
}

#[test]
fn several_wait_for_the_same_judge_and_none_passes_another() {
    let mut trial = Trial::new();
    for word in ["a", "last=b", "c"] {
        assert_eq!(trial.comes(Direction::Send, word), None);
    }
    assert_eq!(
        trial.asked(),
        ["first a", "slow a", "first last=b", "slow last=b", "first c", "slow c"],
        "they wait side by side"
    );
    trial.slow_says(1, Opinion::Pass).slow_says(2, Opinion::Drop);
    assert_eq!(
        trial.decided(),
        [(2, Verdict::Drop)],
        "what is over needs nobody any more"
    );
    assert_eq!(
        trial.asked(),
        Vec::<String>::new(),
        "the second does not pass the first"
    );
    trial.slow_says(0, Opinion::Pass);
    assert_eq!(trial.decided(), [(0, Verdict::Pass), (1, text("b"))]);
    assert_eq!(
        trial.asked(),
        ["last a", "last last=b", "first b"],
        "what was changed is looked at again, and nothing else"
    );
    assert_eq!([trial.by(0), trial.by(1), trial.by(2)], ["slow", "slow, last", "slow"]);
}

#[test]
fn the_other_direction_waits_for_nobody() {
    let mut trial = Trial::new();
    assert_eq!(trial.comes(Direction::Send, "held"), None);
    assert_eq!(trial.comes(Direction::Receive, "free"), Some((1, Verdict::Pass)));
}

#[test]
fn what_cannot_be_sent_is_discarded_and_the_message_goes_on_as_it_was() {
    let mut trial = Trial::new();
    let long = "first=01234567890";
    assert_eq!(trial.comes(Direction::Receive, long), Some((0, Verdict::Pass)));
    let decision = trial.chain.recorded(Ticket(0), true).map(|decision| *decision);
    let decision = decision.unwrap_or_default();
    assert_eq!(decision.by, "");
    assert_eq!(
        decision.more,
        [(
            "replacement_discarded".to_owned(),
            "first: 11 bytes are more than limits.message_bytes_max, 10".to_owned()
        )]
    );
    assert_eq!(trial.comes(Direction::Send, "x"), None);
    let opcode = Opcode::Text;
    let payload = vec![0xff];
    trial.slow_says(1, Opinion::Replace { opcode, payload });
    assert_eq!(trial.decided(), [(1, Verdict::Pass)]);
}

#[test]
fn who_says_the_same_again_has_changed_nothing() {
    let mut trial = Trial::new();
    assert_eq!(trial.comes(Direction::Send, "same"), None);
    let opcode = Opcode::Text;
    let payload = b"same".to_vec();
    trial.slow_says(0, Opinion::Replace { opcode, payload });
    assert_eq!(trial.decided(), [(0, Verdict::Pass)]);
}

#[test]
fn a_message_that_ends_with_its_conversation_is_forgotten() {
    let mut trial = Trial::new();
    assert_eq!(trial.comes(Direction::Send, "held"), None);
    assert_eq!(trial.by(0), "");
    assert_eq!(trial.court.borrow().forgotten, [0]);
    trial.slow_says(0, Opinion::Pass);
    assert_eq!(trial.decided(), [], "an answer that comes too late is for nobody");
}

#[test]
fn nobody_has_decided_what_the_end_of_the_conversation_did() {
    let mut trial = Trial::new();
    for word in ["first=x", "drop", "first=waits"] {
        trial.comes(Direction::Send, word);
    }
    trial.slow_says(0, Opinion::Pass);
    assert_eq!(trial.decided(), [(0, text("x"))]);
    let mut by = |ticket| trial.chain.recorded(Ticket(ticket), false).map(|decision| decision.by);
    assert_eq!(by(0), None, "it was to leave, changed");
    assert_eq!(by(1).as_deref(), Some("first"), "it was to be dropped");
    assert_eq!(by(2), None, "it had not come past all of them");
    assert_eq!(trial.court.borrow().forgotten, [2]);
}

fn close() -> Verdict {
    Verdict::Close {
        code: 1008,
        reason: String::new(),
    }
}

fn ends() -> Opinion {
    Opinion::Close {
        code: 1008,
        reason: String::new(),
    }
}

#[test]
fn what_ends_the_conversation_lets_those_before_it_leave_first_and_nobody_behind_it_be_judged() {
    let mut trial = Trial::new();
    assert_eq!(trial.comes(Direction::Receive, "close"), Some((0, close())));
    for word in ["held", "close", "behind", "far behind"] {
        assert_eq!(trial.comes(Direction::Send, word), None);
    }
    assert_eq!(trial.decided(), []);
    assert_eq!(trial.asked(), ["first close", "first held", "slow held", "first close"]);
    trial.slow_says(1, Opinion::Pass);
    assert_eq!(trial.decided(), [(1, Verdict::Pass), (2, close())]);
    assert_eq!(trial.by(2), "first");
}

#[test]
fn it_does_not_wait_for_a_person() {
    let mut trial = Trial::with(JudgeKind::Intercept);
    assert_eq!(trial.comes(Direction::Send, "held"), None);
    assert_eq!(trial.comes(Direction::Send, "close"), Some((1, close())));
    let mut trial = Trial::with(JudgeKind::Intercept);
    assert_eq!(trial.comes(Direction::Send, "held"), None);
    assert_eq!(trial.comes(Direction::Send, "held too"), None);
    trial.slow_says(1, ends());
    assert_eq!(trial.decided(), [(1, close())]);
}

#[test]
fn nobody_far_behind_it_is_judged_either() {
    let mut trial = Trial::new();
    for word in ["a", "b", "c"] {
        assert_eq!(trial.comes(Direction::Send, word), None);
    }
    trial.asked();
    trial.slow_says(1, ends()).slow_says(2, Opinion::Pass);
    assert_eq!(trial.decided(), []);
    assert_eq!(trial.comes(Direction::Send, "d"), None);
    assert_eq!(trial.asked(), Vec::<String>::new());
    trial.slow_says(0, Opinion::Pass);
    assert_eq!(trial.decided()[..2], [(0, Verdict::Pass), (1, close())]);
}

#[test]
fn what_was_to_end_the_conversation_was_decided_though_it_ended_before() {
    let mut trial = Trial::new();
    trial.comes(Direction::Send, "held");
    trial.comes(Direction::Send, "close");
    let by = trial.chain.recorded(Ticket(1), false).map(|decision| decision.by);
    assert_eq!(by.as_deref(), Some("first"));
}
