//! Settings whose names are known, but whose parts are not in this version.
//!
//! A file that has them at their defaults asks for nothing and is taken. Anything else is refused: a filter that
//! somebody believes to be active, and is not, is worse than none.

use toml::Value;

use super::check::toml_value;
use super::sources::Given;

/// What an entry of a part that is not in this version asks for.
pub(super) enum Found {
    /// Nothing: the value is the default.
    AsDefault,
    /// Something that this version cannot do.
    Other,
}

/// The names and their defaults.
const LATER: &str = r#"
[gateway]
trusted_proxies = ["127.0.0.0/8", "::1/128"]
secret_header = ""
upstream_allow = []
hook_allow = []
binary = "close"

[hook]
timeout_ms = 200
fail = "closed"
in_flight = 16
pool_size = 100
body = "raw"
body_bytes_max = 131072
on_oversize = "block"
"#;

/// Looks a dotted name up; `None`: it is no setting of any version.
pub(super) fn find(key: &str, given: &Given) -> Option<Found> {
    let known: toml::Table = LATER.parse().ok()?;
    let mut parts = key.split('.');
    let first = known.get(parts.next()?)?;
    let default = parts.try_fold(first, |value, part| value.as_table()?.get(part))?;
    let same = match given {
        Given::Typed(value, _) => {
            value == default || matches!((value, default), (Value::Table(t), Value::Table(_)) if t.is_empty())
        }
        Given::Rows(_) => false,
        Given::Text(text) => toml_value(text).as_ref() == Some(default) || default.as_str() == Some(text),
    };
    Some(if same { Found::AsDefault } else { Found::Other })
}
