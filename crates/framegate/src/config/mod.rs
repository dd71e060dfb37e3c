//! Flags, environment and file, merged into typed [`Settings`] before anything is bound.

mod settings;

pub use settings::{Limits, OnError, OnFull, Profile, Record, Settings, Store, Tls, Violations, Wire};
