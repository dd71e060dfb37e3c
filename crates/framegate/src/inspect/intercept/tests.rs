//! One connection's held messages, and answers that come at the wrong time.

#![allow(clippy::unwrap_used)]

use std::task::Waker;

use wire::frame::Opcode;

use super::super::samples;
use super::*;
use crate::config::InterceptRule;

/// Holds these messages, as 1 and so on.
fn holding(tickets: &[Ticket]) -> (Intercept, Arc<Desk>) {
    let rule = InterceptRule {
        id: "all".to_owned(),
        ..InterceptRule::default()
    };
    let rules = vec![Arc::new(Rule::new(&rule).unwrap())];
    let desk = Arc::new(Desk::default());
    let mut intercept = Intercept::new(Arc::clone(&desk), rules, config::Intercept::default());
    for ticket in tickets {
        let subject = Subject {
            ticket: *ticket,
            facts: samples::text(Direction::Send, 2),
            at: Timestamp(0),
            opcode: Opcode::Text,
            payload: Arc::new(b"hi".to_vec()),
            changed: false,
        };
        let answer = intercept.judge(&samples::flow(100), &subject, &mut Decision::default());
        assert!(matches!(answer, Answer::Later));
    }
    (intercept, desk)
}

fn poll(intercept: &mut Intercept) -> Option<(Ticket, String)> {
    match intercept.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready((ticket, decided)) => Some((ticket, decided.by)),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn who_answers_what_is_not_there_any_more_is_not_told_that_it_is_done() {
    let (mut intercept, desk) = holding(&[Ticket(7), Ticket(8)]);
    let (first, second) = (
        desk.answer(1, Reply::Release).unwrap(),
        desk.answer(2, Reply::Release).unwrap(),
    );
    intercept.forget(Ticket(7));
    assert_eq!(poll(&mut intercept), Some((Ticket(8), "intercept".to_owned())));
    assert!(first.await.is_err() && second.await.is_ok());
}

#[tokio::test]
async fn an_answer_counts_that_came_before_the_peer_left() {
    let (mut intercept, desk) = holding(&[Ticket(7), Ticket(8)]);
    assert_eq!(poll(&mut intercept), None);
    let answered = desk.answer(2, Reply::Drop).unwrap();
    intercept.hurry(Direction::Send);
    let mut all: Vec<_> = std::iter::from_fn(|| poll(&mut intercept)).collect();
    all.sort();
    assert_eq!(
        all,
        [
            (Ticket(7), "intercept:disconnect".to_owned()),
            (Ticket(8), "intercept".to_owned())
        ]
    );
    assert!(answered.await.is_ok());
}
