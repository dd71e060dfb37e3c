//! SIGHUP: reads the configuration again and puts into force what can be changed while the proxy runs.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::config::{self, ConfigError, Kind, Loaded, SECTIONS, Settings};
use crate::listen::World;
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
    world.settings.store(Arc::new(next));
    tracing::info!(
        "the configuration was reloaded; settings that changed: {}",
        changed.len()
    );
}

/// What was asked for, except where it takes a restart: doors, threads, recorder, store and log are made once.
fn in_force(current: &Settings, asked: &Settings) -> Settings {
    Settings {
        listen: current.listen.clone(),
        record: current.record.clone(),
        store: current.store.clone(),
        log: current.log.clone(),
        limits: asked.limits.clone(),
        wire: asked.wire.clone(),
        tls: asked.tls.clone(),
    }
}

/// `key = new (was old)` for each setting that differs; without the values where there may be a password in them.
fn differences(old: &Settings, new: &Settings) -> Vec<String> {
    let json = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let (old, new) = (json(old), json(new));
    let at = |values: &Value, key: &str| key.split('.').fold(values.clone(), |value, part| value[part].clone());
    SECTIONS
        .iter()
        .flat_map(|section| section.settings)
        .filter_map(|setting| {
            let (old, new) = (at(&old, setting.key), at(&new, setting.key));
            let private = matches!(setting.kind, Kind::Text(form) | Kind::List(form) if form.private);
            (old != new).then(|| match private {
                true => setting.key.to_owned(),
                false => format!("{} = {new} (was {old})", setting.key),
            })
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{differences, in_force};
    use crate::config::Settings;

    #[test]
    fn what_takes_a_restart_stays_as_it_is() {
        let current = Settings::default();
        let mut asked = Settings::default();
        asked.limits.idle_ms = 7;
        asked.tls.passthrough = vec!["example.com".to_owned()];
        asked.store.flush_ms = 7;
        asked.listen.threads = 7;
        let next = in_force(&current, &asked);
        assert_eq!(
            differences(&current, &next),
            [
                "limits.idle_ms = 7 (was 0)",
                "tls.passthrough = [\"example.com\"] (was [])"
            ]
        );
        assert_eq!(
            differences(&next, &asked),
            ["listen.threads = 7 (was 0)", "store.flush_ms = 7 (was 100)"]
        );
        assert_eq!(differences(&asked, &asked), Vec::<String>::new());
    }

    #[test]
    fn a_value_that_may_hold_a_password_is_not_logged() {
        let mut asked = Settings::default();
        asked.store.url = "postgres://me:hush@h/db".to_owned();
        assert_eq!(differences(&Settings::default(), &asked), ["store.url"]);
    }
}
