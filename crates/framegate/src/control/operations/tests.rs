//! Tests of the operations against a prepared record, without a door.
#![allow(clippy::unwrap_used)]
