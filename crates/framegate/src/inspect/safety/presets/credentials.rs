//! Keys, tokens and private keys: what the preset `secrets` blocks and what the redactor takes out.

use super::{Preset, Rule};

fn spell(pattern: &str) -> String {
    // Not inside a longer word, whatever language surrounds it.
    format!("(?-u){pattern}")
}

pub(in super::super) const PRESET: Preset = Preset {
    name: "secrets",
    about: "Keys and tokens that open something. The redactor's `api-key`, `jwt` and `private-key` look for the same.",
    spell,
    secret: true,
    rules: RULES,
};

/// The preset of the redactor that takes out what the rule matches.
pub(in super::super) fn redacted_by(rule: &Rule) -> &'static str {
    match rule.name {
        "private-key" => "private-key",
        "jwt" => "jwt",
        _ => "api-key",
    }
}

/// Where a pattern has a group, the secret is inside it.
const RULES: &[Rule] = &[
    Rule {
        name: "private-key",
        about: "A private key in PEM; without its end to the end of the text.",
        pattern: r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
        only_if: None,
        hits: &[
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            r#"{"k":"-----BEGIN \u0050RIVATE KEY-----\nMII"}"#,
        ],
        misses: &[
            "-----BEGIN PUBLIC KEY-----",
            "BEGIN PRIVATE KEY",
            "-----BEGIN CERTIFICATE-----",
        ],
    },
    Rule {
        name: "jwt",
        about: "A JSON Web Token, signed or encrypted.",
        pattern: r"\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*(?:\.[\w-]+){0,2}",
        only_if: None,
        hits: &[
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            r#"{"t":"\u0065yJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0."}"#,
        ],
        misses: &[
            "eyJ.a.b",
            "eyJust a word.",
            "keyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        ],
    },
    Rule {
        name: "aws",
        about: "An access key of AWS.",
        pattern: r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        only_if: None,
        hits: &["AKIAIOSFODNN7EXAMPLE", "key=ASIAIOSFODNN7EXAMPLE"],
        misses: &["AKIA", "AKIAIOSFODNN7EXAMPLEX", "xAKIAIOSFODNN7EXAMPLE"],
    },
    Rule {
        name: "github",
        about: "A token of GitHub or GitLab.",
        pattern: r"\b(?:gh[oprsu]_[A-Za-z0-9]{36}[A-Za-z0-9]*|github_pat_[A-Za-z0-9_]{22}[A-Za-z0-9_]*
            |glpat-[\w-]{20}[\w-]*)",
        only_if: None,
        hits: &[
            "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
            "github_pat_0123456789abcdefghijkl_0123456789",
            "glpat-0123456789abcdefghij",
        ],
        misses: &["ghp_short", "github_pattern", "glpat-x"],
    },
    Rule {
        name: "slack",
        about: "A token or a webhook of Slack.",
        pattern: r"\b(?:xox[abeprs]|xapp)-[A-Za-z0-9-]{10}[A-Za-z0-9-]*
            |\bhooks\.slack\.com/services/[A-Za-z0-9/]{20}[A-Za-z0-9/]*",
        only_if: None,
        hits: &[
            "xoxb-123456789012-abcdefghij",
            "https://hooks.slack.com/services/T00000000/B00000000/abcdefgh",
        ],
        misses: &["xox-1", "xoxo-hugs-and-kisses"],
    },
    Rule {
        name: "stripe",
        about: "A secret or restricted key of Stripe, or the secret of its webhooks.",
        pattern: r"\b(?:[rs]k_(?:live|test)_[A-Za-z0-9]{10}[A-Za-z0-9]*|whsec_[A-Za-z0-9+/=]{16}[A-Za-z0-9+/=]*)",
        only_if: None,
        hits: &["sk_live_0123456789abcdef", "rk_test_0123456789abcdef"],
        misses: &["pk_live_0123456789abcdef", "task_live_0123456789", "sk_live_"],
    },
    Rule {
        name: "google",
        about: "An API key, a client's secret or an access token of Google.",
        pattern: r"\b(?:AIza[\w-]{35}|GOCSPX-[\w-]{20}[\w-]*|ya29\.[\w-]{20}[\w-]*)",
        only_if: None,
        hits: &["AIza0123456789abcdefghijklmnopqrstuvwxy", "ya29.0123456789abcdefghij"],
        misses: &["AIzawa is a town", "ya29.x"],
    },
    Rule {
        name: "model",
        about: "A key of OpenAI, Anthropic and whoever writes keys like theirs.",
        pattern: r"\bsk-(?:[A-Za-z0-9]{20}[A-Za-z0-9]*|(?:proj|ant|svcacct|admin|or)-[\w-]{16}[\w-]*)",
        only_if: None,
        hits: &[
            "sk-0123456789abcdefghij",
            "sk-ant-api03-0123456789abcdef",
            "sk-proj-0123456789_abcdef",
        ],
        misses: &["sk-fading-circle-container", "task-0123456789abcdefghij", "sk-1"],
    },
    Rule {
        name: "other-services",
        about: "Tokens of npm, PyPI, SendGrid, Hugging Face, DigitalOcean and Azure storage.",
        pattern: r"\b(?:npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{20}[\w-]*|SG\.[\w-]{16}[\w-]*\.[\w-]{16}[\w-]*
            |hf_[A-Za-z0-9]{30}[A-Za-z0-9]*|do[opr]_v1_[a-f0-9]{64}|AccountKey=[A-Za-z0-9+/]{40}[A-Za-z0-9+/=]*)",
        only_if: None,
        hits: &[
            "npm_0123456789abcdefghijklmnopqrstuvwxyz",
            "SG.0123456789abcdef.0123456789abcdef",
        ],
        misses: &["npm_install", "hf_hub_download", "SG.x.y"],
    },
    Rule {
        name: "authorization",
        about: "What stands behind `Authorization: Bearer`, `Basic` or `Token`.",
        pattern: r#"(?i:\bauthorization["']?\s*[:=,]\s*["']?(?:bearer|basic|token
            |apikey)\s+)([\w.~+/=:-]{6}[\w.~+/=:-]*)"#,
        only_if: None,
        hits: &[
            "Authorization: Bearer abc.def-123",
            r#"{"Authorization":"Basic dXNlcjpwdw=="}"#,
        ],
        misses: &[
            "authorization: none",
            "Authorization of the bearer",
            "Authorization: Bearer x",
        ],
    },
    Rule {
        name: "named-text",
        about: "A quoted value of a name such as `api_key`, `client_secret` or `access_token`.",
        pattern: r#"(?i:(?:api[_-]?key|(?:client|app|api|auth|shared|consumer|webhook)[_-]?secret
            |secret[_-]?(?:access[_-]?)?key|(?:access|refresh|auth|api|bearer|id)[_-]?token))["']?\s*(?:[:=]
            |=>)\s*(?:"((?:[^"\\]|\\[^\r\n]){6}(?:[^"\\]|\\[^\r\n])*)|'((?:[^'\\]|\\[^\r\n]){6}(?:[^'\\]
            |\\[^\r\n])*))"#,
        only_if: None,
        hits: &[
            r#"{"api_key": "s3cr3t-value"}"#,
            r#"{"x-api-key":"s3cr3t-value"}"#,
            "clientSecret = 's3cr3t-value'",
            r#"{"a":"{\"access_token\":\"abcdefgh\"}"}"#,
        ],
        misses: &[
            r#"{"api_key": ""}"#,
            r#"{"api_key": null, "b": "abcdefgh"}"#,
            "the api key: \"x\"",
            r#"{"tokens": "abcdefgh"}"#,
        ],
    },
    Rule {
        name: "named-bare",
        about: "The same in a query or a list of variables, without quotes.",
        pattern: r"(?i:(?:api[_-]?key|(?:client|app|api|auth|shared|consumer|webhook)[_-]?secret
            |secret[_-]?(?:access[_-]?)?key|(?:access|refresh|auth|api|bearer
            |id)[_-]?token)\s*[:=]\s*)([A-Za-z0-9._~+/=-]{8}[A-Za-z0-9._~+/=-]*)",
        only_if: None,
        hits: &[
            "https://x/?api_key=0123456789abcdef",
            "AWS_SECRET_ACCESS_KEY=abcdefgh/ijk",
            "X-Api-Key: 0123456789",
        ],
        misses: &["api_key=", "apikeys=0123456789", "access_token: none"],
    },
];
