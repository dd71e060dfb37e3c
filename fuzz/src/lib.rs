//! What arbitrary bytes are held against: each module is one fuzz target, and its `check` panics when an invariant of
//! `framegate-wire` does not hold.
//!
//! The checks are an ordinary library, so that `cargo test` replays every seed without a fuzzer.

pub mod frame;
pub mod http;
pub mod upgrade;
pub mod negotiate;
pub mod deflate;
pub mod session;
mod script;

use std::{env, fs, io};

/// A target's name and its check.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("frame", frame::check),
    ("http", http::check),
    ("upgrade", upgrade::check),
    ("negotiate", negotiate::check),
    ("deflate", deflate::check),
    ("session", session::check),
];

/// Checks the files that the command line names.
///
/// # Errors
/// When a file cannot be read.
pub fn replay(check: fn(&[u8])) -> io::Result<()> {
    for path in env::args_os().skip(1) {
        check(&fs::read(&path)?);
        println!("{}: holds", path.display());
    }
    Ok(())
}
