//! Messages in blocks: wherever a block begins and ends, the messages are the same.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn sequences(reader: &Reader, flow: FlowId, from: u32, limit: usize) -> Vec<u32> {
    let messages = reader.messages(flow, from, limit).unwrap();
    messages.iter().map(|message| message.sequence).collect()
}

#[test]
fn a_long_flow_lies_in_few_blocks_and_can_be_read_from_anywhere() {
    let place = Place::new();
    let mut writer = place.writer();
    let (one, other) = (open(&mut writer), open(&mut writer));
    let body = "x".repeat(1_000);
    for sequence in 0..1_000 {
        assert!(writer.message(&text(one, sequence, &body)).unwrap());
    }
    assert!(writer.message(&text(other, 0, "short")).unwrap());
    writer.commit().unwrap();
    let blocks = rows(&writer, "blocks");
    assert!((10..30).contains(&blocks), "{blocks} blocks hold a megabyte");
    let reader = place.reader();
    for from in [0, 1, 63, 64, 65, 500, 998] {
        assert_eq!(sequences(&reader, one, from, 2), [from, from + 1]);
        assert_eq!(reader.message(one, from).unwrap().unwrap().sequence, from);
    }
    assert_eq!(sequences(&reader, one, 999, 9), [999]);
    assert!(
        sequences(&reader, one, 1_000, 9).is_empty(),
        "the next block is another flow's"
    );
    assert_eq!(reader.message(one, 1_000).unwrap(), None);
    assert_eq!(reader.messages(one, 0, 0).unwrap(), []);
}

#[test]
fn a_sequence_in_the_middle_of_a_block_is_taken() {
    let place = Place::new();
    let mut writer = place.writer();
    let id = open(&mut writer);
    for sequence in [0, 1, 2, 5] {
        assert!(writer.message(&text(id, sequence, "first")).unwrap());
    }
    writer.commit().unwrap();
    for taken in [0, 1, 2, 5] {
        writer.message(&text(id, taken, "second")).unwrap_err();
    }
    for free in [4, 3, 6] {
        assert!(writer.message(&text(id, free, "late")).unwrap());
    }
    writer.commit().unwrap();
    assert_eq!(sequences(&place.reader(), id, 0, 10), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_damaged_block_is_named_and_hides_no_other() {
    let place = Place::new();
    let mut writer = place.writer();
    let (damaged, whole) = (open(&mut writer), open(&mut writer));
    for id in [damaged, whole] {
        for sequence in 0..3 {
            assert!(writer.message(&text(id, sequence, "needle")).unwrap());
        }
    }
    writer.commit().unwrap();
    let cut = "UPDATE blocks SET messages = substr(messages, 1, octet_length(messages) - 1) WHERE id >> 32 = ?1";
    writer.connection.execute(cut, [damaged.0]).unwrap();
    let reader = place.reader();
    let error = reader.messages(damaged, 0, 10).unwrap_err().to_string();
    assert_eq!(
        error,
        "the record is damaged: message 2 of flow 1: its block ends before it"
    );
    assert_eq!(sequences(&reader, damaged, 0, 2), [0, 1], "up to there it can be read");
    assert_eq!(reader.search("needle", 10).unwrap().len(), 5);
    index_all(&mut writer);
    assert_eq!(reader.search("needle", 10).unwrap().len(), 5);
    let left = place.crash();
    drop(left.writer());
    let ending = left.reader().flow(damaged).unwrap().unwrap().ending.unwrap();
    assert_eq!(
        ending.ended_at,
        Timestamp(10_001),
        "that of the last one that can be read"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Flows that take turns, messages that come late or twice, commits, index passes and failures in between.
    #[test]
    fn whatever_comes_in_whatever_order_is_read_once_and_in_order(
        steps in prop::collection::vec((0..3_usize, 0..40_u32, 0..12_u8), 1..200)
    ) {
        let place = Place::new();
        let mut writer = place.writer();
        let flows: Vec<FlowId> = (0..3).map(|_| open(&mut writer)).collect();
        writer.commit().unwrap();
        let mut committed = BTreeSet::new();
        let mut known = BTreeSet::new();
        for (at, sequence, then) in steps {
            let row = text(flows[at], sequence, "straw");
            if known.insert((at, sequence)) {
                prop_assert!(writer.message(&row).unwrap());
            } else {
                writer.message(&row).unwrap_err();
                known.clone_from(&committed);
            }
            match then {
                0 => writer.commit().unwrap(),
                1 => drop(writer.index_some(5).unwrap()),
                _ => continue,
            }
            committed.clone_from(&known);
        }
        writer.commit().unwrap();
        let reader = place.reader();
        let mut read = BTreeSet::new();
        for (at, flow) in flows.iter().enumerate() {
            let sequences = sequences(&reader, *flow, 0, usize::MAX);
            prop_assert!(sequences.is_sorted_by(|one, next| one < next));
            read.extend(sequences.into_iter().map(|sequence| (at, sequence)));
        }
        prop_assert_eq!(&read, &known);
        prop_assert_eq!(reader.search("straw", 1_000).unwrap().len(), known.len());
        index_all(&mut writer);
        prop_assert_eq!(reader.search("straw", 1_000).unwrap().len(), known.len());
    }
}
