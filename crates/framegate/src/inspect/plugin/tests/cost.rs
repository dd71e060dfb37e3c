//! What a call costs.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Instant;

use super::super::Hook;
use super::{Tried, hook, opening, text};
use crate::flow::FlowId;
use crate::query::FlowFacts;

#[test]
#[ignore = "a measurement: cargo test --release -p framegate --lib plugin::tests::cost -- --ignored --nocapture"]
fn a_call_costs() {
    const CALLS: u32 = 200_000;
    let message = text(&"x".repeat(125));
    let opening = opening();
    let flow = FlowFacts::open(Cow::Borrowed(&opening));
    for (what, body) in [
        ("None", "    return None"),
        (
            "a look at the size",
            "    return drop() if message.size > 1000 else None",
        ),
        (
            "a look at the text",
            "    return drop() if message.text.startswith('y') else None",
        ),
        (
            "a look at the flow",
            "    return drop() if message.flow.host == 'x' else None",
        ),
        (
            "a pattern",
            "    return drop() if re_match('y+$', message.text) else None",
        ),
        ("a replacement", "    return message.text.upper()"),
        (
            "a count in the state",
            "    message.state['n'] = message.state.get('n', 0) + 1",
        ),
    ] {
        let mut tried = Tried::new(&hook(body));
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let began = Instant::now();
            for _ in 0..CALLS {
                let said = tried.plugin.call(
                    Hook::ReceiveFromClient,
                    &flow,
                    FlowId(1),
                    black_box(&message),
                    &mut tried.state,
                );
                black_box(said).unwrap();
            }
            best = best.min(began.elapsed().as_secs_f64() / f64::from(CALLS));
        }
        println!("{what}: {:.0} ns", best * 1e9);
    }
}
