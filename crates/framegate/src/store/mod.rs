//! Where the record is kept: one SQLite database, one writer, any number of readers.
//!
//! This is the only place that speaks SQL. [`Writer`] lives on the recorder's thread and holds a lock that no second
//! process can take; [`Reader`] answers questions from any thread and any process, also while the writer writes.
//! What a column means is written down in `migrations/`, and how messages lie in it in [`block`].
//!
//! It decides neither what goes on record nor when to commit: that is the recorder's.

mod block;
mod columns;
mod error;
mod import;
mod index;
mod lock;
mod reader;
mod recovery;
mod retain;
mod row;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod writer;

pub use error::StoreError;
pub use reader::{FlowQuery, Reader};
pub use row::{PayloadRef, Row};
pub use search::Hit;
pub use writer::{Rows, Writer};
