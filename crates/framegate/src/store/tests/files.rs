//! Files, locks and schemas.

use rusqlite::Connection;

use super::*;
use crate::store::{StoreError, schema};

#[test]
fn two_writers_are_refused_and_the_first_is_named() {
    let place = Place::new();
    let first = place.writer();
    let error = Writer::open(&place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.is_locked());
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(first);
    place.writer();
}

#[test]
fn a_reader_of_nothing_says_so_and_creates_nothing() {
    let place = Place::new();
    assert!(Reader::open(&place.path()).unwrap_err().is_missing());
    assert!(!place.path().exists());
}

#[test]
fn an_empty_file_is_a_new_database() {
    let place = Place::new();
    std::fs::write(place.path(), b"").unwrap();
    assert!(Reader::open(&place.path()).unwrap_err().is_missing());
    let mut writer = place.writer();
    let id = conversation(&mut writer, &["hi"], 1);
    assert!(place.reader().flow(id).unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn the_record_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let directory = place.directory.path().join("new").join("data");
    let path = directory.join("framegate.db");
    let mut writer = Writer::open(&path).unwrap();
    conversation(&mut writer, &["hi"], 1);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut seen = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
        seen += 1;
    }
    assert!(seen >= 3, "the database, its log and its lock");
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.writer());
    let newer = Connection::open(place.path()).unwrap();
    newer.execute_batch("PRAGMA user_version = 999").unwrap();
    drop(newer);
    let before = std::fs::read(place.path()).unwrap();
    for error in [
        Writer::open(&place.path()).unwrap_err(),
        Reader::open(&place.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error}");
        assert!(error.to_string().contains("newer framegate"), "{error}");
    }
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_database_of_an_earlier_version_is_left_to_a_writer_which_brings_it_up_to_date() {
    let place = Place::new();
    let mut earlier = place.writer();
    let id = conversation(&mut earlier, &["kept"], 1);
    drop(earlier);
    let ours = schema::MIGRATIONS.0;
    let later: Vec<&str> = ours.iter().copied().chain(["CREATE TABLE notes (text);"]).collect();
    let later = schema::Migrations(later.leak());
    let before = std::fs::read(place.path()).unwrap();
    let error = Reader::open_with(&place.path(), later).unwrap_err();
    let version = i64::try_from(ours.len()).unwrap();
    assert!(
        matches!(&error, StoreError::Older { found, path } if *found == version && *path == place.path()),
        "{error}"
    );
    let words = error.to_string();
    assert!(
        words.contains(&format!("earlier schema {version}")) && words.contains("`framegate run`"),
        "{words}"
    );
    assert!(!error.is_missing() && !error.is_locked());
    assert_eq!(std::fs::read(place.path()).unwrap(), before);

    // What it advises helps, and loses nothing; then it is this version that is too old.
    drop(Writer::open_with(&place.path(), later).unwrap());
    let reader = Reader::open_with(&place.path(), later).unwrap();
    assert_eq!(reader.messages(id, 0, 10).unwrap().len(), 1);
    for error in [
        Reader::open(&place.path()).unwrap_err(),
        Writer::open(&place.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    }
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let place = Place::new();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("CREATE TABLE notes (text)").unwrap();
    drop(other);
    let text = place.directory.path().join("notes.txt");
    std::fs::write(&text, "by hand\n".repeat(500)).unwrap();
    for path in [place.path(), text] {
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(Writer::open(&path), Err(StoreError::Foreign(_))));
        assert!(matches!(Reader::open(&path), Err(StoreError::Foreign(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn readers_of_many_threads_see_what_is_committed_and_no_more() {
    const MESSAGES: u32 = 2_000;
    let place = Place::new();
    let mut writer = place.writer();
    let id = open(&mut writer);
    writer.commit().unwrap();
    let reader = place.reader();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < MESSAGES as usize {
                    let messages = reader.messages(id, 0, usize::MAX).unwrap();
                    let gapless = (0..).zip(&messages).all(|(n, message)| message.sequence == n);
                    assert!(gapless && messages.len() >= seen && messages.len().is_multiple_of(10));
                    seen = messages.len();
                }
            });
        }
        for sequence in 0..MESSAGES {
            assert!(writer.message(&text(id, sequence, "tick")).unwrap());
            if sequence % 10 == 9 {
                writer.commit().unwrap();
            }
        }
    });
    let uncommitted = open(&mut writer);
    assert!(reader.flow(uncommitted).unwrap().is_none());
    writer.commit().unwrap();
    assert!(reader.flow(uncommitted).unwrap().is_some());
}

#[test]
fn ids_are_never_given_out_again() {
    let place = Place::new();
    let mut writer = place.writer();
    conversation(&mut writer, &["a"], 1);
    let last = conversation(&mut writer, &["b"], 1);
    while writer.retain(1, 0, Timestamp::now()).unwrap() {}
    assert!(place.reader().flow(last).unwrap().is_none());
    drop(writer);
    assert_eq!(place.writer().next_flow_id(), FlowId(last.0 + 1));
}

#[test]
fn the_last_id_is_the_last() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.open_flow(FlowId::MAX, &opening()).unwrap();
    assert!(writer.message(&text(FlowId::MAX, u32::MAX, "the end")).unwrap());
    writer.commit().unwrap();
    index_all(&mut writer);
    let hits = place.reader().search("end", 1).unwrap();
    assert_eq!((hits[0].flow, hits[0].sequence), (FlowId::MAX, u32::MAX));
    // An id that there cannot be is refused before anything is written: what was written before stays.
    let beyond = writer.next_flow_id();
    assert!(writer.message(&text(FlowId::MAX, 1, "not undone")).unwrap());
    for _ in 0..2 {
        assert!(matches!(
            writer.open_flow(beyond, &opening()),
            Err(StoreError::OutOfIds)
        ));
    }
    writer.commit().unwrap();
    assert_eq!(place.reader().messages(FlowId::MAX, 0, 10).unwrap().len(), 2);
}
