//! What is deleted, and what is not.

use super::*;
use crate::store::FlowQuery;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

fn retain(writer: &mut Writer, keep_days: u32, bytes_max: u64, now: i64) -> usize {
    let mut steps = 1;
    while writer.retain(keep_days, bytes_max, Timestamp(now)).unwrap() {
        steps += 1;
        assert!(steps < 1_000, "it must come to an end");
    }
    steps
}

fn ids(reader: &Reader) -> Vec<u32> {
    let query = FlowQuery {
        newest_first: false,
        ..FlowQuery::default()
    };
    reader.flows(&query).unwrap().iter().map(|flow| flow.id.0).collect()
}

#[test]
fn flows_that_ended_long_ago_are_deleted_with_messages_and_words() {
    let place = Place::new();
    let mut writer = place.writer();
    let now = 100 * DAY;
    let active = open(&mut writer);
    assert!(writer.message(&text(active, 2, "active needle")).unwrap());
    conversation(&mut writer, &["old needle"], now - 3 * DAY);
    conversation(&mut writer, &["young needle"], now - DAY);
    index_all(&mut writer);
    conversation(&mut writer, &["old needle, not indexed"], now - 2 * DAY - 1);
    let reader = place.reader();

    retain(&mut writer, 0, 0, now);
    assert_eq!(ids(&reader), [1, 2, 3, 4], "0 keeps for ever");
    retain(&mut writer, 2, 0, now);
    assert_eq!(ids(&reader), [1, 3]);
    assert_eq!(rows(&writer, "blocks"), 2);
    assert_eq!(rows(&writer, "expired"), 0);
    index_all(&mut writer);
    assert_eq!(rows(&writer, "words"), 2);
    let mut found: Vec<_> = reader
        .search("needle", 10)
        .unwrap()
        .iter()
        .map(|hit| hit.flow.0)
        .collect();
    found.sort_unstable();
    assert_eq!(found, [1, 3]);
    assert_sound(&writer);
}

#[test]
fn the_oldest_go_until_the_size_fits_and_the_file_shrinks() {
    let place = Place::new();
    let mut writer = place.writer();
    let active = open(&mut writer);
    let long = "x".repeat(100_000);
    for n in 0..100 {
        // The one with the lowest id ended last.
        conversation(&mut writer, &[&long], 1_000 - n);
    }
    assert!(writer.message(&text(active, 2, &long)).unwrap());
    writer.commit().unwrap();
    let before = writer.bytes_used().unwrap();
    assert!(before > 10_000_000);
    let limit = before / 4;
    assert!(retain(&mut writer, 0, limit, 0) > 1);
    let after = writer.bytes_used().unwrap();
    assert!(after <= limit && after > limit / 2, "{after} of {limit}");
    let left = ids(&place.reader());
    assert_eq!(left[0], active.0, "active flows stay");
    let oldest_left = u32::try_from(left.len()).unwrap();
    assert_eq!(
        left,
        (1..=oldest_left).collect::<Vec<_>>(),
        "those that ended first went first"
    );
    writer
        .connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let file = std::fs::metadata(place.path()).unwrap().len();
    assert!(file < limit + 5_000_000 && file < before, "{file}");
    assert_sound(&writer);
}

#[test]
fn a_long_flow_goes_in_steps_and_is_out_of_sight_at_once_even_after_a_crash() {
    let place = Place::new();
    let mut writer = place.writer();
    let id = conversation(&mut writer, &vec!["needle"; 5_000], 1);
    index_all(&mut writer);
    assert!(
        writer.retain(1, 0, Timestamp(10 * DAY)).unwrap(),
        "one step is not enough"
    );
    let left = place.crash();
    let mut again = left.writer();
    let blocks = (rows(&again, "blocks"), rows(&writer, "blocks"));
    assert!(blocks.0 > 0, "{blocks:?}");
    let reader = left.reader();
    assert!(reader.flow(id).unwrap().is_none());
    assert_eq!(reader.messages(id, 0, 10).unwrap(), []);
    assert_eq!(reader.search("needle", 10).unwrap(), []);
    // What was begun is finished, whatever is asked for now.
    retain(&mut again, 0, 0, 10 * DAY);
    for table in ["blocks", "words", "expired"] {
        assert_eq!(rows(&again, table), 0, "{table}");
    }
}
