//! Every seed is held against its target's invariants, without a fuzzer.

use std::fs;
use std::path::Path;

use framegate_fuzz::TARGETS;

#[test]
fn every_seed_holds() {
    for (name, check) in TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let mut seeds = 0;
        for entry in fs::read_dir(&dir).expect("a target has seeds") {
            let path = entry.expect("a seed").path();
            let seed = fs::read(&path).expect("a seed is a file");
            let held = std::panic::catch_unwind(|| check(&seed));
            assert!(
                held.is_ok(),
                "replay with: cargo run -p framegate-fuzz --bin {name} {}",
                path.display()
            );
            seeds += 1;
        }
        assert!(seeds > 0, "{} is empty", dir.display());
    }
}
