//! `framegate doctor waf`: asks each hook about harmless messages and about attacks, as the proxy would ask about those of
//! clients, and says what its answers mean.
//!
//! Reading order: `hooks` (which there are) · `policy` (what the settings let past them) · `meaning` (of the answers about
//! short messages) · `failure` (where there is no answer) · `length` (long messages).

mod hooks;
mod policy;
mod meaning;
mod failure;
mod length;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::LocalSet;

use super::Check;
use crate::config::cli::DoctorArgs;
use crate::config::{HookFail, HookUrl, Mode, Settings};
use crate::control::exit::ExitError;
use crate::flow::Direction;
use crate::inspect::probe::{Manner, Outcome, Prober, Reply};
use crate::inspect::{AnswerLimits, Hooked, Hooks};
use crate::tls::{Ca, Tls};
use hooks::Asked;

/// What a chat says every day.
const HARMLESS: &str = "Hello there, how are you?";
const HARMLESS_JSON: &str = r#"{"text":"Hello there, how are you?"}"#;

/// What every rule set knows: a script, and a condition of SQL that always holds.
const ATTACK: &str = "<script>alert(1)</script>' OR '1'='1";
/// The latter behind escapes, which a reader of JSON undoes, and rules for SQL do not.
const ATTACK_JSON: &str = r#"{"text":"x\u0027 \u006fr \u00271\u0027=\u00271"}"#;

/// One hook under examination.
struct Case<'a> {
    settings: &'a Settings,
    asked: &'a Asked,
    manner: Manner,
    fail: HookFail,
}

/// The answers about short messages.
struct Replies {
    harmless: Reply,
    attack: Reply,
    harmless_json: Reply,
    attack_json: Reply,
}

/// Asks the hooks that the settings or the flags name, and writes one line for each message: as [`super::run`] does, with
/// the URL of the `hook` in each JSON object.
///
/// # Errors
/// [`ExitError::Usage`] if there is no hook, or a setting that cannot be used; [`ExitError::Silent`] if a hook does not
/// protect; and those of `out`.
pub fn run(settings: &Settings, args: &DoctorArgs, out: &mut dyn Write) -> Result<(), ExitError> {
    let asked = match &args.hooks[..] {
        [] => hooks::of_routes(settings, args.url.as_ref())?,
        named => hooks::named(settings, named, args.url.as_ref())?,
    };
    if asked.is_empty() {
        let what = "no hook is configured: give a route a send_hook or a receive_hook (and name the file with --config), \
                    or name a hook with --hook URL";
        return Err(ExitError::Usage(what.to_owned()));
    }
    let mut checks = Vec::new();
    if args.hooks.is_empty() {
        checks.extend(policy::door(settings));
    }
    let shared = Arc::new(hooks_of(settings)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ExitError::Failed(format!("cannot wait for answers: {error}")))?;
    let local = LocalSet::new();
    for one in &asked {
        let examined = local.block_on(&runtime, examine(settings, one, &shared))?;
        checks.extend(examined);
    }
    super::write(&checks, args.json, out)
}

/// That there are hooks, for those who do not know this command.
pub(super) fn hint(settings: &Settings) -> Option<Check> {
    let hooks: usize = settings
        .routes
        .iter()
        .map(|row| usize::from(row.send_hook.is_some()) + usize::from(row.receive_hook.is_some()))
        .sum();
    (hooks > 0).then(|| Check::ok("hooks", format!("{hooks} in routes")).advise("framegate doctor waf asks them"))
}

/// As the running proxy has it: with its TLS towards hooks, and its doors, which no hook can be.
fn hooks_of(settings: &Settings) -> Result<Hooks, ExitError> {
    let failed = |what: &dyn std::fmt::Display| ExitError::Failed(format!("cannot set up TLS towards hooks: {what}"));
    // Nobody gets a certificate of it: it is made to be thrown away.
    let directory = tempfile::tempdir().map_err(|error| failed(&error))?;
    let ca = Ca::load_or_create(directory.path()).map_err(|error| failed(&error))?;
    let tls = Tls::new(settings, Arc::new(ca)).map_err(|error| ExitError::Usage(error.to_string()))?;
    let hooks = Hooks::new(Arc::new(ArcSwap::from_pointee(tls)));
    let doors = settings.listen.modes.iter();
    let doors = doors.filter(|mode| !matches!(mode, Mode::Reverse { .. }));
    let doors: Vec<SocketAddr> = doors.map(Mode::addr).filter(|addr| addr.port() != 0).collect();
    hooks.surround(1, doors);
    Ok(hooks)
}

/// Everything about one hook.
async fn examine(settings: &Settings, asked: &Asked, shared: &Arc<Hooks>) -> Result<Vec<Check>, ExitError> {
    let hooked = Hooked {
        terms: Arc::clone(&asked.terms),
        handshake: Arc::clone(&asked.handshake),
        hooks: Arc::clone(shared),
    };
    let limits = AnswerLimits::new(&settings.limits, &asked.terms);
    let wrong = |why: String| ExitError::Usage(format!("hook.signing_key: {why}"));
    let prober = Prober::new(&hooked, asked.direction, &settings.hook, limits).map_err(wrong)?;
    let (Some(prober), Some(terms)) = (prober, asked.terms.hook(asked.direction)) else {
        return Ok(Vec::new());
    };
    let url = shown(&terms.url);
    let mut checks = match prober.manner() {
        Ok(manner) => {
            let case = Case {
                settings,
                asked,
                manner,
                fail: settings.hook.fail_of(asked.direction),
            };
            let mut checks = vec![case.hook(&url)];
            checks.extend(policy::checks(&case));
            checks.extend(conversation(&case, &prober).await);
            checks
        }
        Err(why) => vec![Check::fail("hook", format!("{url} cannot be asked: {why}"))],
    };
    for check in &mut checks {
        check.name = format!("{} {}", word(asked.direction), check.name);
        check.hook = Some(url.clone());
    }
    Ok(checks)
}

/// Asks, and says what the answers mean.
async fn conversation(case: &Case<'_>, prober: &Prober) -> Vec<Check> {
    let harmless = prober.ask(HARMLESS).await;
    if let Outcome::Failed(failure) = &harmless.outcome
        && failure::is_final(failure)
    {
        // The others would fail as well, and each would take its time.
        return vec![case.harmless("harmless text", HARMLESS, &harmless)];
    }
    let replies = Replies {
        harmless,
        attack: prober.ask(ATTACK).await,
        harmless_json: prober.ask(HARMLESS_JSON).await,
        attack_json: prober.ask(ATTACK_JSON).await,
    };
    let mut checks = vec![
        case.harmless("harmless text", HARMLESS, &replies.harmless),
        case.attack_in_text(&replies),
        case.harmless("harmless JSON", HARMLESS_JSON, &replies.harmless_json),
        case.attack_in_json(&replies),
    ];
    if meaning::goes_on(&replies.harmless.outcome) {
        checks.extend(length::checks(case, prober, &replies).await);
    }
    checks
}

impl Case<'_> {
    /// Who is asked, and how.
    fn hook(&self, url: &str) -> Check {
        let Manner {
            method, target, host, ..
        } = &self.manner;
        let by = match &self.asked.routes[..] {
            [] => String::new(),
            [one] => format!(" of route {one}"),
            [one, rest @ ..] => format!(" of route {one} and {} more", rest.len()),
        };
        let body = match self.settings.hook.body {
            crate::config::HookBody::Raw => "raw",
            crate::config::HookBody::Waf => "waf",
            crate::config::HookBody::Json => "json",
        };
        let target = target.split('?').next().unwrap_or_default();
        Check::ok(
            "hook",
            format!("{url}{by}: {method} {target} with Host {host}, hook.body = {body:?}"),
        )
    }

    /// What hooks of that direction are asked about.
    fn peer(&self) -> &'static str {
        match self.asked.direction {
            Direction::Send => "client",
            Direction::Receive => "server",
        }
    }
}

/// A URL without its query, which may hold a secret.
fn shown(url: &HookUrl) -> String {
    let whole = url.to_string();
    match whole.split_once('?') {
        Some((before, _)) => format!("{before}?…"),
        None => whole,
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Send => "send",
        Direction::Receive => "receive",
    }
}
