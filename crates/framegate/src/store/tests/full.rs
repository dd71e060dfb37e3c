//! A disk that is full, and other errors while writing.

use super::*;

/// Limits the database to the pages that it has and a few more.
fn fill(writer: &Writer, pages: i64) {
    let now: i64 = writer
        .connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    limit(writer, now + pages);
}

fn limit(writer: &Writer, pages: i64) {
    writer
        .connection
        .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        .unwrap();
}

#[test]
fn a_full_disk_undoes_the_batch_and_the_writer_goes_on_once_there_is_room() {
    let place = Place::new();
    let mut writer = place.writer();
    let kept = conversation(&mut writer, &["kept"], 1);
    fill(&writer, 8);
    let lost = open(&mut writer);
    let long = "x".repeat(2_000);
    let error = (2..10_000)
        .find_map(|sequence| writer.message(&text(lost, sequence, &long)).err())
        .expect("8 pages have no room for so much");
    assert!(error.is_full(), "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");

    // The opening was part of the batch: its messages have nowhere to go, and nothing else suffered.
    assert!(!writer.message(&text(lost, 2, "again")).unwrap());
    writer.commit().unwrap();
    let reader = place.reader();
    assert!(reader.flow(lost).unwrap().is_none());
    assert_eq!(reader.messages(kept, 0, 10).unwrap().len(), 1);

    limit(&writer, 1_000_000);
    writer.open_flow(lost, &opening()).unwrap();
    assert!(writer.message(&text(lost, 2, &long)).unwrap());
    writer.commit().unwrap();
    index_all(&mut writer);
    assert_eq!(reader.messages(lost, 0, 10).unwrap().len(), 1);
    assert_sound(&writer);
}

#[test]
fn an_index_pass_that_failed_is_done_again() {
    let place = Place::new();
    let mut writer = place.writer();
    let many: Vec<String> = (0..3_000)
        .map(|n| format!("number{n} word{} more{}", n * 7, n * 13))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    conversation(&mut writer, &many, 1);
    fill(&writer, 2);
    assert!(writer.index_some(usize::MAX).unwrap_err().is_full());
    limit(&writer, 1_000_000);
    index_all(&mut writer);
    assert_eq!(rows(&writer, "unindexed"), 0);
    let hits = place.reader().search("number2999", 10).unwrap();
    assert_eq!(hits.len(), 1);
    assert_sound(&writer);
}

#[test]
fn a_sequence_that_is_taken_undoes_the_batch() {
    let place = Place::new();
    let mut writer = place.writer();
    let id = open(&mut writer);
    assert!(writer.message(&text(id, 2, "first")).unwrap());
    writer.commit().unwrap();
    assert!(writer.message(&text(id, 3, "undone")).unwrap());
    let error = writer.message(&text(id, 2, "again")).unwrap_err();
    assert!(!error.is_full() && !error.is_read_only());
    assert!(writer.message(&text(id, 3, "third")).unwrap());
    writer.commit().unwrap();
    let texts: Vec<_> = place.reader().messages(id, 0, 10).unwrap();
    let texts: Vec<_> = texts.iter().map(|message| message.payload.as_bytes()).collect();
    assert_eq!(texts, [b"first", b"third"]);
}

#[test]
fn a_flow_opened_twice_keeps_its_messages_and_its_counts() {
    let place = Place::new();
    let mut writer = place.writer();
    let id = open(&mut writer);
    assert!(writer.message(&text(id, 2, "kept")).unwrap());
    let counts = Counts {
        messages_sent: 1,
        ..Counts::default()
    };
    writer.progress(id, &counts).unwrap();
    let now_known = Opening {
        server_addr: Some("127.0.0.1:9".to_owned()),
        ..opening()
    };
    writer.open_flow(id, &now_known).unwrap();
    writer.commit().unwrap();
    let flow = place.reader().flow(id).unwrap().unwrap();
    assert_eq!((flow.opening, flow.counts), (now_known, counts));
    assert_eq!(place.reader().messages(id, 0, 9).unwrap().len(), 1);
}
