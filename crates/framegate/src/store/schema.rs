//! How a connection to the database is opened, and how its schema is brought up to date.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;
use super::lock::private;

/// Says in the file's header that it is ours: "FGrc".
const APPLICATION_ID: i64 = 0x4647_7263;

/// What makes schema n + 1 of schema n. A released one is never changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migrations(pub(super) &'static [&'static str]);

/// Those of this version.
pub(super) const MIGRATIONS: Migrations = Migrations(&[include_str!("migrations/1.sql")]);

/// How long a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(5);

impl Migrations {
    /// The schema that they lead to.
    fn version(self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }
}

/// Opens the database for writing; creates it (0600, its directory 0700) and brings its schema up to date.
pub(super) fn open_for_writing(path: &Path, migrations: Migrations) -> Result<Connection, StoreError> {
    create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::sqlite("open the database"))?;
    connection
        .busy_timeout(BUSY)
        .map_err(StoreError::sqlite("open the database"))?;
    let found = check(&connection, path, migrations.version())?;
    // No memory mapping: an I/O error would be a signal instead of an error code. The write-ahead log may grow to
    // 64 MiB before it is copied back: with a thousand flows that take turns, each batch touches a thousand pages, and
    // copying them back less often saves much of it. Pages of 8 KiB: of larger ones too much is copied when a block is put
    // in behind those of its flow, in the middle of the table; of smaller ones a long block takes too many.
    let settings = "
        PRAGMA page_size = 8192;
        PRAGMA auto_vacuum = INCREMENTAL;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -32768;
        PRAGMA wal_autocheckpoint = 8192;
        PRAGMA journal_size_limit = 67108864;
    ";
    connection
        .execute_batch(settings)
        .map_err(StoreError::sqlite("open the database for writing"))?;
    connection.set_prepared_statement_cache_capacity(32);
    migrate(&connection, found, migrations)?;
    Ok(connection)
}

/// Opens the database for reading only.
pub(super) fn open_for_reading(path: &Path, migrations: Migrations) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::sqlite("open the database"))?;
    connection
        .busy_timeout(BUSY)
        .map_err(StoreError::sqlite("open the database"))?;
    match check(&connection, path, migrations.version())? {
        0 => return Err(StoreError::Missing(path.to_owned())),
        found if found < migrations.version() => {
            return Err(StoreError::Older {
                path: path.to_owned(),
                found,
            });
        }
        _ => {}
    }
    connection
        .execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;")
        .map_err(StoreError::sqlite("open the database"))?;
    Ok(connection)
}

fn create(path: &Path) -> Result<(), StoreError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { what, path, source }
    };
    // SQLite would make it readable for everybody; what is there already keeps its mode.
    private(OpenOptions::new().append(true).create(true))
        .open(path)
        .map(drop)
        .map_err(failed("open", path))
}

/// Creates the directory of the database, for its owner alone, unless it is there.
pub(super) fn create_directory(path: &Path) -> Result<(), StoreError> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|source| StoreError::Io {
        what: "create",
        path: directory.to_owned(),
        source,
    })
}

/// The schema that the database has; 0 if it is empty.
fn check(connection: &Connection, path: &Path, known: i64) -> Result<i64, StoreError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || {
        let found = number("PRAGMA user_version")?;
        let ours = number("PRAGMA application_id")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        Ok::<_, rusqlite::Error>((found, ours, tables))
    };
    match read() {
        Ok((0, 0, 0)) => Ok(0),
        Ok((found, APPLICATION_ID, _)) if found > known => Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        Ok((found, APPLICATION_ID, _)) if found > 0 => Ok(found),
        Ok(_) => Err(StoreError::Foreign(path.to_owned())),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(StoreError::Foreign(path.to_owned()))
        }
        Err(source) => Err(StoreError::Sqlite {
            what: "read the database",
            source,
        }),
    }
}

fn migrate(connection: &Connection, found: i64, migrations: Migrations) -> Result<(), StoreError> {
    let done = usize::try_from(found).unwrap_or(0);
    for (from, sql) in migrations.0.iter().enumerate().skip(done) {
        let to = from + 1;
        let step = format!(
            "BEGIN IMMEDIATE; {sql} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {to}; COMMIT;"
        );
        if let Err(source) = connection.execute_batch(&step) {
            let _ = connection.execute_batch("ROLLBACK");
            return Err(StoreError::Sqlite {
                what: "bring the schema of the database up to date",
                source,
            });
        }
    }
    Ok(())
}
