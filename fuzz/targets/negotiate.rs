//! Arbitrary bytes for [`framegate_fuzz::negotiate`]. Built by `cargo fuzz` it fuzzes; built by cargo it replays files.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| framegate_fuzz::negotiate::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    framegate_fuzz::replay(framegate_fuzz::negotiate::check)
}
