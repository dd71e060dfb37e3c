//! The session from outside: bytes in, bytes and facts out. No sockets, no clock.
//!
//! `playbook`, `judging`, `gates`, `own`, `ends`, `bridged` and `allowance` tell single stories. `simulation` makes up
//! thousands of them from a seed and holds them against the invariants; `FRAMEGATE_SEED=N` replays one story,
//! `FRAMEGATE_SEEDS=N` asks for more of them. `windows` changes compressed directions at random, and reads them with a
//! receiver that is as strict as any; `legs` does so where the two legs are compressed each in its own way.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs, unreachable_pub)]

mod stage;
mod dice;
mod invariants;
mod playbook;
mod judging;
mod gates;
mod own;
mod ends;
mod allowance;
mod simulation;
mod inflate;
mod talk;
mod windows;
mod legs;
mod bridged;
