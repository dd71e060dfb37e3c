//! What a search finds, before and after the index has it.

use super::*;
use crate::flow::FlowId;

/// The (flow, sequence) of each hit, in the order of their place.
fn places(reader: &Reader, words: &str) -> Vec<(u32, u32)> {
    let hits = reader.search(words, 100).unwrap();
    let mut places: Vec<_> = hits.iter().map(|hit| (hit.flow.0, hit.sequence)).collect();
    places.sort_unstable();
    places
}

#[test]
fn the_index_and_the_rest_answer_by_the_same_rules() {
    let place = Place::new();
    let mut writer = place.writer();
    conversation(
        &mut writer,
        &[
            "The Quick brown fox",                         // 2
            "a brown dog, quick!",                         // 3
            "Crème brûlée im Café",                        // 4
            r#"{"type":"order","id":4711,"note":"a\"b"}"#, // 5
            "ÄÖÜ straße",                                  // 6
            "embedded\0nul word",                          // 7
            "",                                            // 8
        ],
        1,
    );
    let reader = place.reader();
    let check = |state: &str| {
        let expect = |words: &str, sequences: &[u32]| {
            let expected: Vec<_> = sequences.iter().map(|sequence| (1, *sequence)).collect();
            assert_eq!(places(&reader, words), expected, "{words:?} {state}");
        };
        expect("quick", &[2, 3]);
        expect("QUICK Brown", &[2, 3]);
        expect("\"quick brown\"", &[2]);
        expect("\"brown fox\" quick", &[2]);
        expect("\"brown quick", &[]);
        expect("qui", &[]);
        expect("creme", &[4]);
        expect("CAFÉ BRULEE", &[4]);
        expect("äöü", &[6]);
        expect("aou", &[6]);
        expect(r#"{"type":"order"}"#, &[5]);
        expect("4711", &[5]);
        expect("nul", &[7]);
        expect("quick OR fox", &[]);
        expect("body:quick", &[]);
        expect("brown -fox", &[2]);
        expect("quick\0brown", &[2]);
        expect("nowhere", &[]);
        for odd in [
            "", "   ", "\"", "\"\"", "*", "()", "^", "{ }", "NEAR(", "\"\"\"", "\0", "…", "' --", "\u{fdd0}",
        ] {
            expect(odd, &[]);
        }
    };
    check("before it is indexed");
    index_all(&mut writer);
    assert_eq!(rows(&writer, "unindexed"), 0);
    check("when it is indexed");
}

#[test]
fn flows_that_take_turns_and_messages_that_come_late_are_all_found() {
    let place = Place::new();
    let mut writer = place.writer();
    let (a, b) = (open(&mut writer), open(&mut writer));
    let reader = place.reader();
    assert!(writer.message(&text(b, 2, "needle")).unwrap());
    index_all(&mut writer);
    assert!(writer.message(&text(a, 2, "needle")).unwrap());
    assert!(writer.message(&text(b, 4, "needle")).unwrap());
    index_all(&mut writer);
    // Message 3 was held; it comes on record after 4.
    assert!(writer.message(&text(b, 3, "needle")).unwrap());
    writer.commit().unwrap();
    let all = [(a.0, 2), (b.0, 2), (b.0, 3), (b.0, 4)];
    assert_eq!(places(&reader, "needle"), all);
    assert_eq!(rows(&writer, "latecomers"), 1);
    index_all(&mut writer);
    assert_eq!(rows(&writer, "latecomers"), 0);
    assert_eq!(places(&reader, "needle"), all);
    for id in [a, b] {
        writer.end_flow(id, &Counts::default(), &complete(1)).unwrap();
    }
    index_all(&mut writer);
    assert_eq!(rows(&writer, "unindexed"), 0);
    assert_eq!(places(&reader, "needle"), all);
}

#[test]
fn an_index_pass_in_small_steps_misses_nothing() {
    let place = Place::new();
    let mut writer = place.writer();
    let flows: Vec<FlowId> = (0..3).map(|_| open(&mut writer)).collect();
    for sequence in 2..12 {
        for id in &flows {
            assert!(writer.message(&text(*id, sequence, "straw")).unwrap());
        }
    }
    for sequence in [20, 19, 18] {
        assert!(writer.message(&text(flows[0], sequence, "straw")).unwrap());
    }
    let mut steps = 1;
    while writer.index_some(4).unwrap() {
        steps += 1;
    }
    assert!(steps >= 33 / 4, "{steps}");
    let indexed: i64 = writer
        .connection
        .query_row("SELECT count(*) FROM words WHERE words MATCH 'straw'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(indexed, 33);
    assert!(!writer.index_some(4).unwrap(), "nothing is left");
}

#[test]
fn only_bodies_that_are_text_are_searched() {
    let place = Place::new();
    let mut writer = place.writer();
    let id = open(&mut writer);
    let rows = [
        Row {
            kind: Kind::UpgradeRequest,
            ..text(id, 0, "needle")
        },
        Row {
            kind: Kind::Binary,
            payload: PayloadRef::Bytes(b"needle"),
            ..text(id, 2, "")
        },
        Row {
            kind: Kind::Response,
            head: Some("needle"),
            ..text(id, 3, "body")
        },
        Row {
            kind: Kind::Response,
            ..text(id, 4, "needle")
        },
    ];
    for row in &rows {
        assert!(writer.message(row).unwrap());
    }
    writer.commit().unwrap();
    assert_eq!(places(&place.reader(), "needle"), [(1, 4)]);
    index_all(&mut writer);
    assert_eq!(places(&place.reader(), "needle"), [(1, 4)]);
}

#[test]
fn the_best_come_first_and_show_where_they_match() {
    let place = Place::new();
    let mut writer = place.writer();
    let filler = "lorem ipsum dolor sit amet ".repeat(40);
    let far = format!("{}needle{}", "padding ".repeat(20_000), " padding".repeat(20_000));
    let blob = format!("needle {}", "QUJD".repeat(2_000));
    let texts = [
        format!("{filler} needle {filler}"),
        "needle needle needle".to_owned(),
        far,
        blob,
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    conversation(&mut writer, &texts, 1);
    let reader = place.reader();
    let check = || {
        let hits = reader.search("NEEDLE", 10).unwrap();
        assert_eq!(hits.len(), 4);
        assert_eq!(hits[0].sequence, 3);
        for hit in &hits {
            assert!(!hit.matches.is_empty(), "{hit:?}");
            assert!(
                hit.matches.iter().all(|found| &hit.snippet[found.clone()] == "needle"),
                "{hit:?}"
            );
            assert!(hit.snippet.len() < 500, "{}", hit.snippet.len());
        }
        assert_eq!(hits[0].snippet, "needle needle needle");
        assert_eq!(reader.search("needle", 2).unwrap(), hits[..2]);
        assert_eq!(reader.search("needle", 0).unwrap(), []);
    };
    check();
    index_all(&mut writer);
    check();
}

#[test]
fn the_rest_that_is_searched_is_bounded() {
    let place = Place::new();
    let mut writer = place.writer();
    let old = conversation(&mut writer, &["hay needle"], 1);
    conversation(&mut writer, &vec!["hay"; 20_000], 2);
    let reader = place.reader();
    assert_eq!(reader.search("needle", 1).unwrap(), []);
    index_all(&mut writer);
    assert_eq!(reader.search("needle", 1).unwrap()[0].flow, old);
}
