//! control.

pub mod doctor;
pub mod exit;
