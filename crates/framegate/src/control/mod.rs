//! control.

pub mod ca;
pub mod doctor;
pub mod exit;
