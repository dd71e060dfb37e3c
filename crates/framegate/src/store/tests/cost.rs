//! What writing and indexing cost. Prints figures and asserts none; run it alone, in release:
//! `cargo test --release -p framegate cost -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

const ROWS: u32 = 1_000_000;
/// Different bodies.
const BODIES: u32 = 50_000;

/// Nanoseconds that this thread has been on a processor; where the system does not tell, those that have passed.
fn spent(since: Instant) -> u64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|stat| stat.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| u64::try_from(since.elapsed().as_nanos()).unwrap())
}

/// Runs `work`, and prints what each of `count` took of it.
fn measure(what: &str, count: u32, work: impl FnOnce()) {
    let since = Instant::now();
    let before = spent(since);
    work();
    let nanos = spent(since) - before;
    println!("{what}: {:.2} us each", nanos as f64 / f64::from(count) / 1_000.0);
}

#[test]
#[ignore = "prints figures; takes a minute in release"]
fn cost_of_rows_and_words() {
    let body = |n: u32| {
        let id = n.wrapping_mul(2_654_435_761);
        let text = format!(
            r#"{{"type":"order","id":{n},"symbol":"S{}","price":{}.{:02},"note":"{id:x}","client":"desk-{}","#,
            n % 500,
            id % 10_000,
            n % 100,
            n % 40,
        );
        format!("{text:<124}}}")
    };
    let bodies: Vec<String> = (0..BODIES).map(body).collect();
    for (flows, run, batch) in [
        (1, 1_000, 1_000),
        (64, 100, 6_400),
        (64, 1_000, 64_000),
        (1_000, 1, 1_000),
        (1_000, 10, 10_000),
    ] {
        let place = Place::new();
        let mut writer = place.writer();
        let ids: Vec<FlowId> = (0..flows).map(|_| open(&mut writer)).collect();
        writer.commit().unwrap();
        let mut sequences = vec![2_u32; ids.len()];
        let what = format!("a row of 125 bytes, {flows} flows taking turns of {run}, {batch} a commit");
        measure(&what, ROWS, || {
            for n in 0..ROWS {
                let flow = (n / run % flows) as usize;
                let row = text(ids[flow], sequences[flow], &bodies[(n % BODIES) as usize]);
                sequences[flow] += 1;
                assert!(writer.message(&row).unwrap());
                if n % batch == batch - 1 {
                    writer.commit().unwrap();
                }
            }
            writer.commit().unwrap();
        });
        println!("  {} bytes each", writer.bytes_used().unwrap() / u64::from(ROWS));
        if run == 1_000 {
            words(&place, &mut writer);
        }
    }
}

/// What the index costs and answers.
fn words(place: &Place, writer: &mut Writer) {
    let before = writer.bytes_used().unwrap();
    measure("  the words of a row, in steps of 5,000", ROWS, || {
        while writer.index_some(5_000).unwrap() {}
    });
    println!(
        "  {} bytes each",
        (writer.bytes_used().unwrap() - before) / u64::from(ROWS)
    );
    let reader = place.reader();
    for (words, found) in [("49999", 20), ("nowhere", 0), ("order", 20), ("\"type order\"", 20)] {
        let since = Instant::now();
        assert_eq!(reader.search(words, 20).unwrap().len(), found);
        println!("  a search for {words}: {:.1} ms", since.elapsed().as_secs_f64() * 1e3);
    }
}
