//! SIGHUP: reads the configuration again and puts into force what can be changed while the proxy runs.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::config::{self, ConfigError, Control, Kind, Loaded, Settings};
use crate::inspect::Judges;
use crate::listen::{Rules, World};
use crate::tls::Tls;

/// Where the settings of this process come from.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) file: Option<PathBuf>,
    pub(super) sets: Vec<String>,
}

impl Sources {
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        config::load(self.file.as_deref(), config::environment(), &self.sets)
    }
}

/// New settings go for new connections. If anything is wrong with them, nothing changes and the log says what it is.
pub(super) fn reload(sources: &Sources, world: &World) {
    let loaded = match sources.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            for problem in &error.problems {
                tracing::error!("{problem}");
            }
            tracing::error!("the configuration was not reloaded: nothing changed");
            return;
        }
    };
    let current = world.settings.load_full();
    let next = in_force(&current, &loaded.settings);
    // Made anew in any case: the file of `tls.upstream_ca` or the platform's roots may have changed.
    let tls = match Tls::new(&next, Arc::clone(&world.ca)) {
        Ok(tls) => tls,
        Err(error) => {
            tracing::error!("the configuration was not reloaded, nothing changed: {error}");
            return;
        }
    };
    let judges = match Judges::new(&next, Arc::clone(world.judges.load().desk())) {
        Ok(judges) => judges,
        Err(error) => {
            tracing::error!("the configuration was not reloaded, nothing changed: {error}");
            return;
        }
    };
    let gateway = match Rules::new(&next) {
        Ok(gateway) => gateway,
        Err(error) => {
            tracing::error!("the configuration was not reloaded, nothing changed: {error}");
            return;
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let changed = differences(&current, &next);
    for difference in &changed {
        tracing::info!("from now on {difference}");
    }
    for difference in differences(&next, &loaded.settings) {
        tracing::warn!("not changed, needs a restart: {difference}");
    }
    world.tls.store(Arc::new(tls));
    world.gateway.store(Arc::new(gateway));
    world.judges.store(Arc::new(judges));
    world.live.judges_changed();
    world.settings.store(Arc::new(next));
    world.slots.look_again();
    tracing::info!(
        "the configuration was reloaded; settings that changed: {}",
        changed.len()
    );
}

/// Loads plugins again whose files have changed. A file that cannot be used leaves the version before it in force.
pub(super) fn plugins(world: &World) {
    for plugin in world.judges.load().plugins() {
        match plugin.reload_if_changed() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("the plugin {} was loaded again", plugin.id());
                // It may have other hooks now.
                world.live.judges_changed();
            }
            Err(error) => tracing::error!("the plugin {} stays as it was: {error}", plugin.id()),
        }
    }
}

/// What was asked for, except where it takes a restart: doors, threads, the token, recorder, store and log are made once.
fn in_force(current: &Settings, asked: &Settings) -> Settings {
    Settings {
        listen: current.listen.clone(),
        record: current.record.clone(),
        store: current.store.clone(),
        log: current.log.clone(),
        limits: asked.limits.clone(),
        upgrade: asked.upgrade.clone(),
        wire: asked.wire.clone(),
        gateway: asked.gateway.clone(),
        routes: asked.routes.clone(),
        hook: asked.hook.clone(),
        safety_input: asked.safety_input.clone(),
        safety_input_rules: asked.safety_input_rules.clone(),
        safety_output: asked.safety_output.clone(),
        safety_output_rules: asked.safety_output_rules.clone(),
        schemas: asked.schemas.clone(),
        plugins: asked.plugins.clone(),
        intercept: asked.intercept.clone(),
        intercept_rules: asked.intercept_rules.clone(),
        rewrite: asked.rewrite.clone(),
        tls: asked.tls.clone(),
        control: Control {
            token_file: current.control.token_file.clone(),
            hosts: asked.control.hosts.clone(),
        },
        metrics: asked.metrics.clone(),
    }
}

/// `key = new (was old)` for each setting that differs; without the values where there may be a password in them, and
/// only the lengths of lists of tables.
fn differences(old: &Settings, new: &Settings) -> Vec<String> {
    old.values()
        .zip(new.values())
        .filter(|((_, old), (_, new))| old != new)
        .map(|((setting, old), (_, new))| {
            let key = setting.key;
            let rows = |list: &Value| list.as_array().map_or(0, Vec::len);
            match setting.kind {
                _ if setting.is_private() => key.to_owned(),
                Kind::Rows(_) => format!("{key} = a list of {} (was another, of {})", rows(&new), rows(&old)),
                _ => format!("{key} = {new} (was {old})"),
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{differences, in_force};
    use crate::config::{InputRule, InterceptRule, OutputRule, PluginFile, RewriteRule, SchemaRow, Settings};

    #[test]
    fn what_takes_a_restart_stays_as_it_is() {
        let current = Settings::default();
        let mut asked = Settings::default();
        asked.limits.idle_ms = 7;
        asked.tls.passthrough = vec!["example.com".to_owned()];
        asked.store.flush_ms = 7;
        asked.control.token_file = "token".to_owned();
        asked.control.hosts = vec!["framegate.internal".to_owned()];
        asked.listen.threads = 7;
        let next = in_force(&current, &asked);
        assert_eq!(
            differences(&current, &next),
            [
                "limits.idle_ms = 7 (was 0)",
                "tls.passthrough = [\"example.com\"] (was [])",
                "control.hosts = [\"framegate.internal\"] (was [])"
            ]
        );
        assert_eq!(
            differences(&next, &asked),
            [
                "listen.threads = 7 (was 0)",
                "store.flush_ms = 7 (was 100)",
                "control.token_file = \"token\" (was \"\")"
            ]
        );
        assert_eq!(differences(&asked, &asked), Vec::<String>::new());
    }

    #[test]
    fn what_the_judges_go_by_is_in_force_at_once() {
        let mut asked = Settings::default();
        asked.safety_input.binary = true;
        asked.safety_input_rules = vec![InputRule::default()];
        asked.safety_output.presets = vec!["jwt".to_owned()];
        asked.safety_output_rules = vec![OutputRule::default()];
        asked.plugins = vec![PluginFile::default()];
        asked.schemas = vec![SchemaRow::default()];
        asked.upgrade.origins_allow = vec!["null".to_owned()];
        asked.intercept.hold_ms = 7;
        asked.intercept_rules = vec![InterceptRule::default()];
        asked.rewrite = vec![RewriteRule::default()];
        assert_eq!(in_force(&Settings::default(), &asked), asked);
    }

    #[test]
    fn a_list_of_tables_that_changed_is_named_and_not_repeated() {
        let rule = |pattern: &str| OutputRule {
            pattern: pattern.to_owned(),
            ..OutputRule::default()
        };
        let mut old = Settings::default();
        let mut new = Settings::default();
        old.safety_output_rules = vec![rule("a")];
        new.safety_output_rules = vec![rule("a"), rule("b")];
        let grown = "safety.output.rules = a list of 2 (was another, of 1)";
        assert_eq!(differences(&old, &new), [grown]);
        old.safety_output_rules = vec![rule("b"), rule("a")];
        let sorted = "safety.output.rules = a list of 2 (was another, of 2)";
        assert_eq!(differences(&old, &new), [sorted]);
        assert_eq!(differences(&new, &new), Vec::<String>::new());
    }

    #[test]
    fn a_value_that_may_hold_a_password_is_not_logged() {
        let mut asked = Settings::default();
        asked.store.url = "postgres://me:hush@h/db".to_owned();
        assert_eq!(differences(&Settings::default(), &asked), ["store.url"]);
    }
}
