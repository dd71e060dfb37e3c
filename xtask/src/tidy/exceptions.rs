//! The one place for exceptions to the rules. Best left empty; whoever adds one says why.

use super::Finding;

/// `rule` does not hold for `path`, or for all below it when it ends in `/`.
pub(super) struct Exception {
    rule: &'static str,
    path: &'static str,
    /// Printed nowhere: it is here for whoever reads this list.
    #[expect(dead_code)]
    why: &'static str,
}

/// Each with its reason.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: "env-outside-config",
        path: "crates/framegate/src/tls/tests/with_clients.rs",
        why: "rustls itself reads SSLKEYLOGFILE, so its test runs in a process that has it and must see where",
    },
    Exception {
        rule: "env-outside-config",
        path: "crates/framegate/src/inspect/safety/tests/reference.rs",
        why: "FRAMEGATE_BLESS renews the list of rules, which are no settings",
    },
];

/// Takes out what is excepted; an exception that nothing needs any more is a finding itself.
pub(super) fn apply(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let mut used = vec![false; exceptions.len()];
    let mut left = Vec::new();
    for finding in findings {
        match exceptions.iter().position(|exception| exception.covers(&finding)) {
            Some(index) => used[index] = true,
            None => left.push(finding),
        }
    }
    for (exception, used) in exceptions.iter().zip(used) {
        if !used {
            left.push(Finding {
                path: exception.path.to_owned(),
                line: 1,
                rule: "exception",
                advice: format!(
                    "the exception from `{}` is not needed any more: take it out",
                    exception.rule
                ),
                warning: false,
            });
        }
    }
    left
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        let path = if self.path.ends_with('/') {
            finding.path.starts_with(self.path)
        } else {
            finding.path == self.path
        };
        path && finding.rule == self.rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str, rule: &'static str) -> Finding {
        Finding {
            path: path.to_owned(),
            line: 1,
            rule,
            advice: String::new(),
            warning: false,
        }
    }

    #[test]
    fn an_exception_covers_its_rule_and_path_alone() {
        let exceptions = [Exception {
            rule: "tab",
            path: "a/",
            why: "made up",
        }];
        let findings = vec![
            finding("a/b.rs", "tab"),
            finding("a/b.rs", "link"),
            finding("ab.rs", "tab"),
        ];
        let left = apply(findings, &exceptions);
        assert_eq!(left, [finding("a/b.rs", "link"), finding("ab.rs", "tab")]);
    }

    #[test]
    fn an_exception_without_use_is_found() {
        let exceptions = [Exception {
            rule: "tab",
            path: "a.rs",
            why: "made up",
        }];
        assert_eq!(apply(Vec::new(), &exceptions)[0].rule, "exception");
    }
}
