//! What it costs to look at a message. Prints figures for `docs/safety.md` and asserts none.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "measures; run with: cargo test --release -p framegate --lib safety::tests::cost -- --ignored --nocapture"]
fn what_a_look_costs() {
    let talk =
        "Hello there, how are you doing today? I have been thinking about the trip we planned for next week, and ";
    let json = r#"{"type":"message","id":1234,"ts":1769847300123,"user":{"name":"zoe","room":"lobby"},"text":"hello, see you at the station at five"}"#;
    let escaped = r#"{"type":"message","id":1234,"text":"hello,\nsee you \"there\" at the station at five","user":{"name":"zo\u00eb"}}"#;
    let japanese = "こんにちは、明日の会議は午後三時からです。資料を共有してください。よろしくお願いします。";
    for (name, piece) in [
        ("talk", talk),
        ("json", json),
        ("json with escapes", escaped),
        ("japanese", japanese),
    ] {
        for size in [125, 1024] {
            let text: Vec<u8> = piece.bytes().cycle().take(size).collect();
            let flow = flow();
            let filter = nanoseconds(|| ALL.check(&flow, message(&text)).is_some());
            let redactor = nanoseconds(|| REDACTOR.redact(&text).is_some());
            println!("{name}, {size} B: filter {filter} ns, redactor {redactor} ns");
        }
    }
}

fn nanoseconds(look: impl Fn() -> bool) -> u128 {
    let rounds = 20_000;
    (0..rounds / 10).for_each(|_| _ = std::hint::black_box(look()));
    let start = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(look());
    }
    start.elapsed().as_nanos() / rounds
}
