//! Shell scripts stop at the first thing that goes wrong.

use super::Finding;
use super::tree::{File, Tree};

const STRICT: &str = "set -euo pipefail";

/// Every shell script is a strict, executable bash script. A file is one by its first line or its name.
pub(super) fn strict(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter(|file| file.is("sh") || file.shell().is_some())
        .flat_map(faults)
        .collect()
}

fn faults(file: &File) -> Vec<Finding> {
    let fault = |broken: bool, advice: &str| broken.then(|| Finding::new(file, 1, "script", advice));
    let lax = !file.lines().any(|(_, line)| line.trim() == STRICT);
    [
        fault(
            file.shell() != Some("bash"),
            "begin with #!/usr/bin/env bash: only bash has pipefail everywhere",
        ),
        fault(lax, "add a line `set -euo pipefail`"),
        fault(!file.executable, "make it executable: chmod +x"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, text: &str) -> usize {
        strict(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_lax_script_is_found() {
        assert_eq!(faults_of("run", "#!/usr/bin/env bash\nset -euo pipefail\n"), 0);
        assert_eq!(faults_of("run", "#!/usr/bin/env bash\n# set -euo pipefail\n"), 1);
        assert_eq!(faults_of("run", "#!/bin/sh\nset -euo pipefail\n"), 1);
        assert_eq!(
            faults_of("run.sh", "set -euo pipefail\n"),
            2,
            "neither a first line nor executable"
        );
        assert_eq!(faults_of("run.py", "#!/usr/bin/env python3\n"), 0);
    }
}
