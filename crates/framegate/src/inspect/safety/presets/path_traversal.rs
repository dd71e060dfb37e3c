//! The preset `path-traversal`.

use super::{Preset, Rule};

/// A full stop that is written otherwise.
const DOT: &str = r"(?:%(?:25)*2e|%(?:25)*c0%(?:25)*(?:ae|2e)|%(?:25)*e0%(?:25)*80%(?:25)*ae|%u002e|%uff0e|&#0*46;|&#x0*2e;|\xC0\xAE|\xE0\x80\xAE)";
/// A slash or backslash that is written otherwise.
const SLASH: &str = r"(?:%(?:25)*(?:2f|5c)|%(?:25)*c0%(?:25)*(?:af|9v|2f)|%(?:25)*c1%(?:25)*(?:9c|1c|8s)|%(?:25)*e0%(?:25)*80%(?:25)*af|%u(?:002f|005c|2215|2216|f025)|&#0*(?:47|92);|&#x0*(?:2f|5c);|\xC0\xAF|\xE0\x80\xAF)";

/// `DOT` and `SLASH` are those that are written otherwise, `dot` and `slash` all.
fn spell(pattern: &str) -> String {
    let pattern = pattern
        .replace("DOT", DOT)
        .replace("SLASH", SLASH)
        .replace("<dot>", &format!(r"(?:\.|{DOT})"))
        .replace("<slash>", &format!(r"(?:[/\\]|{SLASH})"));
    format!("(?i-u){pattern}")
}

pub(super) const PRESET: Preset = Preset {
    name: "path-traversal",
    about: "Paths that lead out of where they should stay, and files that everybody tries to read.",
    spell,
    secret: false,
    rules: &[
        Rule {
            name: "parent",
            about: "`../` behind a slash or an equals sign, or twice in a row; the same with backslashes.",
            pattern: r"(?:[/=]\.\.[/\\]|\.\.\\+\.\.[/\\]|[/=\\]\.\.\\+[\w.])",
            only_if: None,
            hits: &[
                "../../../secret",
                r"..\..\boot",
                "/static/../admin",
                "file=../config.php",
                r#"{"f":"\u002e\u002e/\u002e./x"}"#,
                r#"{"f":"..\\..\\x"}"#,
            ],
            misses: &[
                r#"import x from "../utils""#,
                "wait.../or not",
                r#"{"text":"hm...\nwell"}"#,
                "1../2",
                "and so on..",
            ],
        },
        Rule {
            name: "encoded",
            about: "A step upwards with its stops or slash percent-encoded, once or several times, overlong or as entities.",
            pattern: r"(?:DOT<dot><slash>|\.DOT<slash>|\.\.SLASH)",
            only_if: None,
            hits: &[
                "%2e%2e/x",
                "..%2fx",
                ".%2e/x",
                "%252e%252e%252fx",
                "%c0%ae%c0%ae/x",
                "..%5cx",
                "..%c0%afx",
                "%u002e%u002e%u2215x",
                "%25252e./",
            ],
            misses: &["100%2efficient", "a%2fb", "wait..%20what", "v1.%2e"],
        },
        Rule {
            name: "system-file",
            about: "Files of the system or of its users that are secret.",
            pattern: r"(?:<slash>+etc<slash>+(?:<dot><slash>+)*(?:passwd|shadow|gshadow|sudoers|master\.passwd
                |ssh<slash>+ssh_host)|<slash>+proc<slash>+(?:self|\d+)<slash>+(?:environ|cmdline|maps|mem|fd)\b
                |<slash>(?:<dot>ssh<slash>+(?:id_\w+|authorized_keys)|<dot>aws<slash>+credentials
                |<dot>git<slash>+config|<dot>htpasswd)\b|<slash>+win(?:dows|nt)<slash>+(?:win\.ini|system\.ini
                |system32<slash>+(?:config|drivers<slash>+etc)|repair<slash>+sam)\b)",
            only_if: None,
            hits: &[
                "/etc/passwd",
                "/etc/./shadow",
                "%2fetc%2fpasswd",
                r"c:\windows\win.ini",
                r#"{"f":"\/etc\/passwd"}"#,
                r#"{"f":"\\\\host\\c$\\windows\\win.ini"}"#,
                "/proc/self/environ",
                "~/.ssh/id_rsa",
            ],
            misses: &["the passwd command", "/etc/hosts", "windows/win", "/home/etc/notes"],
        },
        Rule {
            name: "file-url",
            about: "A URL of a local file.",
            pattern: r"\bfile:(?:<slash>){2}",
            only_if: None,
            hits: &["file:///var/log", r#"{"u":"file:\/\/\/x"}"#, "FILE:%2f%2fx"],
            misses: &["file: //", "profile:x", "the file:/ prefix"],
        },
        Rule {
            name: "null-byte",
            about: "An encoded NUL that cuts a path before its ending.",
            pattern: r"(?:\.\w+%(?:25)*00(?:\.\w|[\x22'&?\s])|\w%(?:25)*00\.[a-z])",
            only_if: None,
            hits: &["shell.php%00.jpg", "a%2500.png"],
            misses: &["100%00", "5%003"],
        },
    ],
};
