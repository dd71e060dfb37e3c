//! What the settings let past a hook, whatever it says.

use super::{Case, Check};
use crate::config::{HookFail, Mode, OnBinary, OnOversize, Settings};

/// A regular door has no routes.
pub(super) fn door(settings: &Settings) -> Option<Check> {
    let has_routes = |mode: &Mode| matches!(mode, Mode::Gateway { .. } | Mode::Reverse { .. });
    (!settings.listen.modes.iter().any(has_routes)).then(|| {
        let seen = "listen.modes has no gateway or reverse door: hooks of routes are asked about no message";
        Check::warn("door", seen).advise("add gateway@ADDR or reverse:URL@ADDR, unless --mode does when framegate runs")
    })
}

/// What goes on unjudged, or judged in part.
pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let hook = &case.settings.hook;
    let fail = case.fail_key();
    let mut checks = Vec::new();
    match case.fail {
        HookFail::Closed => {}
        HookFail::Open => {
            let seen = format!("{fail} = \"open\": a message that the hook fails to judge goes on");
            checks.push(Check::warn(fail, seen).advise("\"closed\" ends the conversation instead"));
        }
        HookFail::Shadow => {
            let seen = format!(
                "{fail} = \"shadow\": nothing is blocked. A message goes on before the hook has answered, and its verdict is in \
                 the log and in metrics only"
            );
            checks.push(Check::warn(fail, seen).advise("set \"closed\" when the log shows nothing harmless"));
        }
    }
    let max = hook.body_bytes_max;
    let long = match hook.on_oversize {
        OnOversize::Block => None,
        OnOversize::Truncate => Some(("truncate", "are judged by their beginning alone")),
        OnOversize::Pass => Some(("pass", "go on unjudged")),
    };
    if let Some((word, what)) = long {
        let seen = format!("hook.on_oversize = {word:?}: messages whose body would have more than {max} bytes {what}");
        checks.push(Check::warn("hook.on_oversize", seen).advise("\"block\" lets nothing through unread"));
    }
    if case.asked.terms.binary == OnBinary::Pass {
        let seen = "binary = \"pass\": binary messages go on unjudged, and many servers read text from them";
        checks.push(Check::warn("binary", seen).advise("\"hook\" asks about them too, \"close\" takes none"));
    }
    checks
}
