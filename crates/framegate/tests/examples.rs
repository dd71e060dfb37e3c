//! The files under `examples/` are in order.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_configuration_file_passes_the_check_without_a_warning() {
    let mut checked = Vec::new();
    check(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples"),
        &mut checked,
    );
    assert!(
        checked.iter().any(|path| path.ends_with("examples/waf/framegate.toml")),
        "{checked:?}"
    );
}

/// Checks each configuration file in a directory and below it.
fn check(directory: &Path, checked: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check(&path, checked);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_framegate"))
            .args(["config", "check"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let ok = format!("{}: ok\n", path.display());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), ok);
        checked.push(path);
    }
}
