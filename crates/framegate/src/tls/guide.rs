//! How people make their systems and programs trust the CA, step by step: said by `framegate ca install` and shown on the
//! CA's web page. Nothing is done here.

/// How one system or program is made to trust the CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guide {
    /// Whom it is for.
    pub(super) system: &'static str,
    pub(super) lines: Vec<Line>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// To be read.
    Say(String),
    /// To be typed into a shell.
    Type(String),
}

/// The guides for desktops, programs and phones. `pem`: where the certificate's PEM file is, as a shell wants it.
pub(super) fn guides(pem: &str) -> Vec<Guide> {
    let mut all = desktops(pem);
    all.extend(browsers());
    all.extend(phones());
    all.extend(programs(pem));
    all
}

/// The guide for one system; the names are those of [`guides`].
#[cfg(test)]
pub(super) fn guide(system: &str, pem: &str) -> Option<Guide> {
    guides(pem).into_iter().find(|guide| guide.system == system)
}

/// Quotes a path so that a POSIX shell reads it as one word.
pub(super) fn quoted(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte);
    if !path.is_empty() && path.bytes().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

fn desktops(pem: &str) -> Vec<Guide> {
    vec![
        guide_for(
            "Linux: Debian, Ubuntu, Alpine",
            vec![
                typed(format!(
                    "sudo cp {pem} /usr/local/share/ca-certificates/framegate-ca.crt"
                )),
                typed("sudo update-ca-certificates"),
            ],
        ),
        guide_for(
            "Linux: Fedora, RHEL, CentOS",
            vec![
                typed(format!(
                    "sudo cp {pem} /etc/pki/ca-trust/source/anchors/framegate-ca.pem"
                )),
                typed("sudo update-ca-trust"),
            ],
        ),
        guide_for("Linux: Arch", vec![typed(format!("sudo trust anchor --store {pem}"))]),
        guide_for(
            "macOS",
            vec![
                typed(format!(
                    "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {pem}"
                )),
                say(
                    "Safari, Chrome and most programs then trust it. To undo: remove it in Keychain Access, keychain System.",
                ),
            ],
        ),
        guide_for(
            "Windows",
            vec![
                typed(format!("certutil -user -addstore Root {pem}")),
                say(
                    "For all users, leave out -user and run it as administrator. To undo: certmgr.msc, Trusted Root \
                     Certification Authorities.",
                ),
            ],
        ),
    ]
}

fn browsers() -> Vec<Guide> {
    vec![
        guide_for(
            "Firefox",
            vec![
                say(
                    "Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import: choose the PEM file \
                     and tick \"Trust this CA to identify websites\".",
                ),
                say(
                    "On Windows and macOS it may take the system's word instead: about:config, \
                     security.enterprise_roots.enabled = true.",
                ),
            ],
        ),
        guide_for(
            "Chromium, Chrome, Edge",
            vec![
                say("Windows and macOS: the system's trust store is used, nothing more is to be done."),
                say(
                    "Linux: Settings, Privacy and security, Security, Manage certificates, Custom (or Authorities), Import: \
                     trust it for identifying websites.",
                ),
            ],
        ),
    ]
}

fn phones() -> Vec<Guide> {
    vec![
        guide_for(
            "Android",
            vec![
                say(
                    "Download the certificate (DER), then Settings, Security, Encryption & credentials, Install a certificate, \
                     CA certificate.",
                ),
                say(
                    "Browsers then trust it. An app trusts it only if its network security configuration has \
                     <certificates src=\"user\" />.",
                ),
            ],
        ),
        guide_for(
            "iOS and iPadOS",
            vec![
                say(
                    "Open the certificate (PEM) in Safari and allow the profile; then Settings, General, VPN & Device \
                     Management: install it.",
                ),
                say("Then Settings, General, About, Certificate Trust Settings: switch on full trust for it."),
            ],
        ),
    ]
}

fn programs(pem: &str) -> Vec<Guide> {
    vec![
        guide_for("curl", vec![typed(format!("curl --cacert {pem} https://example.com/"))]),
        guide_for(
            "Python",
            vec![
                typed(format!("export SSL_CERT_FILE={pem}")),
                typed(format!("export REQUESTS_CA_BUNDLE={pem}")),
                say(
                    "The first is for ssl, websockets, aiohttp and httpx, the second for requests. Both replace the usual roots: \
                     to keep these too, name a file that has both.",
                ),
            ],
        ),
        guide_for("Node.js", vec![typed(format!("export NODE_EXTRA_CA_CERTS={pem}"))]),
        guide_for(
            "Java",
            vec![typed(format!(
                "keytool -importcert -noprompt -cacerts -storepass changeit -alias framegate -file {pem}"
            ))],
        ),
    ]
}

fn guide_for(system: &'static str, lines: Vec<Line>) -> Guide {
    Guide { system, lines }
}

fn say(text: &str) -> Line {
    Line::Say(text.to_owned())
}

fn typed(command: impl Into<String>) -> Line {
    Line::Type(command.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_file() {
        for system in ["macOS", "Windows", "Java", "Node.js", "Python", "curl", "Linux: Arch"] {
            let guide = guide(system, "/some/where/ca.pem");
            let names_it = |line: &Line| matches!(line, Line::Type(command) if command.contains("/some/where/ca.pem"));
            assert!(guide.is_some_and(|guide| guide.lines.iter().any(names_it)), "{system}");
        }
    }

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("/home/a-b/.framegate/ca.pem"), "/home/a-b/.framegate/ca.pem");
        assert_eq!(quoted("/my files/ca.pem"), "'/my files/ca.pem'");
        assert_eq!(quoted("/it's"), r"'/it'\''s'");
        assert_eq!(quoted("$(id)"), "'$(id)'");
    }
}
