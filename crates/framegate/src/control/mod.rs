//! The doors for people and scripts: what can be asked, the HTTP API, the query commands.

pub mod json;
pub mod operations;
pub mod run_file;
pub mod api;
pub mod client;
pub mod cli;
pub mod ca;
pub mod doctor;
pub mod exit;
