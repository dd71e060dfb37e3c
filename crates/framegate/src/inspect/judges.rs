//! All judges that the settings ask for, compiled once, and who of them looks at which connection.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use super::chain::{Chain, Place, States};
use super::intercept::{Desk, Intercept, Rule};
use super::judge::{Judge, JudgedFlow};
use super::plugin::{Hook, OnError, Plugin, PluginCounts, PluginSpec, Scripted, Stage};
use super::rewrite::{Rewrite, Rewriter};
use super::safety::{Action, Guard, InputRuleSpec, InputRules, InputSpec, OutputRuleSpec, Redact, Redactor, RuleError};
use super::schema::{Schema, Schemas};
use super::webhook::{AnswerLimits, Hooked, SigningKey, Webhook};
use crate::config::{self, ApplyTo, OnPluginError, SafetyAction, SafetyOutput, Settings, Terms};
use crate::flow::{Direction, FlowId, Opening};
use crate::query::FlowFacts;

/// The judges that some settings ask for. When the settings change there are others, and open conversations have those
/// from their next message on.
#[derive(Debug)]
pub struct Judges {
    guard: Option<Guard>,
    blocks: bool,
    redactor: Option<Arc<Redactor>>,
    output: SafetyOutput,
    schemas: Vec<Arc<Schema>>,
    plugins: Vec<Arc<Plugin>>,
    rewrite: Vec<Arc<Rewrite>>,
    intercept: Vec<Arc<Rule>>,
    intercept_settings: config::Intercept,
    desk: Arc<Desk>,
    limits: config::Limits,
    hook: Arc<config::Hook>,
    signing: Option<Arc<SigningKey>>,
}

/// Why there are no judges as the settings ask for them.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {what}")]
pub struct JudgesError {
    /// The setting.
    key: String,
    what: String,
}

impl Judges {
    /// Compiles every rule and loads every plugin. What is held goes onto `desk`.
    ///
    /// # Errors
    /// The first rule or plugin that cannot be used.
    pub fn new(settings: &Settings, desk: Arc<Desk>) -> Result<Self, JudgesError> {
        let wrong = |key: String, what: &dyn std::fmt::Display| JudgesError {
            key,
            what: what.to_string(),
        };
        let row = |list: &str, at: usize| format!("{list}[{}]", at + 1);
        let output = &settings.safety_output;
        let redactor = redactor(settings).map_err(|error| wrong("safety.output".to_owned(), &error))?;
        let redactor = (!redactor.is_empty()).then(|| Arc::new(redactor));
        let discreet = redactor.is_some() && output.apply_to != ApplyTo::Forward;
        let rules = input_rules(settings).map_err(|error| wrong("safety.input".to_owned(), &error))?;
        let input = &settings.safety_input;
        let guard = (!rules.is_empty()).then(|| Guard {
            rules,
            binary: input.binary,
            receive: input.receive,
            close: input.close,
            bytes_max: input.bytes_max,
            action: action(input.action),
            discreet,
        });
        let mut schemas = Vec::new();
        for (at, schema) in settings.schemas.iter().enumerate() {
            let schema = Schema::new(schema).map_err(|error| wrong(row("schemas", at), &error))?;
            schemas.push(Arc::new(schema));
        }
        let mut plugins = Vec::new();
        for (at, file) in settings.plugins.iter().enumerate() {
            let plugin = Plugin::load(spec(file, discreet)).map_err(|error| wrong(row("plugins", at), &error))?;
            plugins.push(Arc::new(plugin));
        }
        let mut rewrite = Vec::new();
        for (at, rule) in settings.rewrite.iter().enumerate() {
            let rule = Rewrite::new(rule).map_err(|error| wrong(row("rewrite", at), &error))?;
            rewrite.push(Arc::new(rule));
        }
        let mut intercept = Vec::new();
        for (at, rule) in settings.intercept_rules.iter().enumerate() {
            let rule = Rule::new(rule).map_err(|error| wrong(row("intercept.rules", at), &error))?;
            intercept.push(Arc::new(rule));
        }
        let signing = SigningKey::parse(&settings.hook.signing_key)
            .map_err(|error| wrong("hook.signing_key".to_owned(), &error))?;
        Ok(Self {
            guard,
            blocks: settings.blocks(),
            redactor,
            output: output.clone(),
            schemas,
            plugins,
            rewrite,
            intercept,
            intercept_settings: settings.intercept.clone(),
            desk,
            limits: settings.limits.clone(),
            hook: Arc::new(settings.hook.clone()),
            signing: signing.map(Arc::new),
        })
    }

    /// Whether somebody looks at messages of a connection with those hooks.
    pub(crate) fn concern(&self, hooked: Option<&Terms>) -> bool {
        let has_hook = |terms: &Terms| Direction::BOTH.iter().any(|direction| terms.hook(*direction).is_some());
        !self.is_empty() || hooked.is_some_and(has_hook)
    }

    /// Whether nobody looks at any message of any connection, but for its hooks.
    fn is_empty(&self) -> bool {
        self.guard.is_none()
            && self.forwarded().is_none()
            && self.schemas.is_empty()
            && self.plugins.is_empty()
            && self.rewrite.is_empty()
            && self.intercept.is_empty()
    }

    /// Whether a rule may stop messages. Then no peer may say anything that the other could take otherwise than the
    /// rule does.
    pub(crate) fn block(&self) -> bool {
        self.blocks
    }

    /// What takes out of the server's texts what does not go on record.
    pub(crate) fn recorded(&self) -> Option<&Arc<Redactor>> {
        self.redactor
            .as_ref()
            .filter(|_| self.output.apply_to != ApplyTo::Forward)
    }

    /// What takes out of the server's texts what does not go to the client.
    fn forwarded(&self) -> Option<&Arc<Redactor>> {
        self.redactor
            .as_ref()
            .filter(|_| self.output.apply_to != ApplyTo::Record)
    }

    /// Where held messages lie.
    #[must_use]
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// What the plugins have done, in their order.
    #[must_use]
    pub fn plugin_counts(&self) -> Vec<(String, PluginCounts)> {
        let plugins = self.plugins.iter();
        plugins
            .map(|plugin| (plugin.id().to_owned(), plugin.counts()))
            .collect()
    }

    /// For each rule of the safety filter what becomes of messages that it is found in, and how many that were.
    #[must_use]
    pub fn safety_matches(&self) -> Vec<(String, SafetyAction, u64)> {
        let counts = self.guard.iter().flat_map(|guard| guard.rules.counts());
        let owned = counts.map(|(rule_id, action, messages)| {
            let action = match action {
                Action::Block => SafetyAction::Block,
                Action::LogOnly => SafetyAction::LogOnly,
            };
            (rule_id.to_owned(), action, messages)
        });
        owned.collect()
    }

    /// How many messages did not have the form of each schema, in their order.
    #[must_use]
    pub fn schema_violations(&self) -> Vec<(String, u64)> {
        let schemas = self.schemas.iter();
        schemas
            .map(|schema| (schema.id().to_owned(), schema.violations()))
            .collect()
    }

    /// The plugins, in order.
    pub(crate) fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// The judges of one connection, in the order that the [room](super) states; `None`: nobody looks at it. What plugins
    /// have kept for the flow goes on from the chain `before`.
    pub(crate) fn chain(
        &self,
        id: FlowId,
        opening: &Opening,
        hooked: Option<&Hooked>,
        before: Option<&Chain>,
    ) -> Option<Chain> {
        if !self.concern(hooked.map(|hooked| &*hooked.terms)) {
            return None;
        }
        let message_bytes_max = self.message_bytes_max(hooked);
        let facts = FlowFacts::open(Cow::Owned(opening.clone()));
        let route = hooked.and_then(|hooked| hooked.terms.route.as_deref());
        let formed = concerning(&self.schemas, |schema, way| schema.concerns(&facts, route, way));
        let rewrite = concerning(&self.rewrite, |rule, direction| rule.concerns(&facts, direction));
        let held = concerning(&self.intercept, |rule, direction| rule.concerns(&facts, direction));
        let mut judges: Vec<Box<dyn Judge>> = Vec::new();
        let mut seat = |judge: Box<dyn Judge>| {
            judges.push(judge);
            judges.len() - 1
        };
        let guard = self.guard.as_ref().map(|guard| (guard, seat(Box::new(guard.clone()))));
        let discreet = self.recorded().is_some();
        let schemas = formed.rules;
        let schemas = seat(Box::new(Schemas { schemas, discreet }));
        let kept = |plugin: &Arc<Plugin>| before.and_then(|before| before.kept_by(plugin.id()));
        let state = |plugin: &Arc<Plugin>| (plugin.id().to_owned(), kept(plugin).unwrap_or_default());
        let states: States = self.plugins.iter().map(state).collect();
        let mut scripts = |stage| -> Vec<(&Plugin, usize)> {
            let scripted = |plugin| Scripted::boxed(plugin, stage, &states[plugin.id()]);
            let plugins = self.plugins.iter();
            plugins.map(|plugin| (&**plugin, seat(scripted(plugin)))).collect()
        };
        let (on_receive, before_send) = (scripts(Stage::Receive), scripts(Stage::BeforeSend));
        let rewriter = seat(Box::new(Rewriter(rewrite.rules)));
        let intercept = Intercept::new(Arc::clone(&self.desk), held.rules, self.intercept_settings.clone());
        let intercept = seat(Box::new(intercept));
        let webhooks = Direction::BOTH.map(|direction| self.webhook(hooked?, direction).map(&mut seat));
        let redact = self.redact().map(seat);
        let rows = Direction::BOTH.map(|direction| {
            let guard = guard
                .filter(|(guard, _)| guard.concerns(direction))
                .map(|(_, seat)| seat);
            let with = |scripts: &[(&Plugin, usize)], stage| -> Vec<usize> {
                let has = |(plugin, _): &&(&Plugin, usize)| plugin.has(Hook::of(direction, stage));
                scripts.iter().filter(has).map(|(_, seat)| *seat).collect()
            };
            let mut row = Row::default();
            let schemas = formed.concerned[direction.index()].then_some(schemas);
            row.add(guard);
            row.add(schemas);
            row.add(with(&on_receive, Stage::Receive));
            row.add(rewrite.concerned[direction.index()].then_some(rewriter));
            row.add(held.concerned[direction.index()].then_some(intercept));
            row.add(with(&before_send, Stage::BeforeSend));
            row.add(webhooks[direction.index()]);
            row.add_if_changed(guard);
            row.add_if_changed(schemas);
            row.add(redact.filter(|_| direction == Direction::Receive));
            row.0
        });
        let flow = JudgedFlow {
            id,
            facts,
            message_bytes_max,
        };
        let some = rows.iter().any(|row| !row.is_empty());
        some.then(|| Chain::new(flow, judges, rows).with(self.guard.clone(), states))
    }

    /// What the terms of a connection say goes for what takes a message's place, too.
    fn message_bytes_max(&self, hooked: Option<&Hooked>) -> u64 {
        let own = hooked.map_or(u64::MAX, |hooked| hooked.terms.message_bytes_max);
        self.limits.message_bytes_max.min(own)
    }

    fn webhook(&self, hooked: &Hooked, direction: Direction) -> Option<Box<dyn Judge>> {
        let limits = AnswerLimits::new(&self.limits, &hooked.terms);
        let webhook = Webhook::new(hooked, direction, &self.hook, self.signing.clone(), limits)?;
        Some(Box::new(webhook))
    }

    fn redact(&self) -> Option<Box<dyn Judge>> {
        Some(Box::new(Redact {
            redactor: Arc::clone(self.forwarded()?),
            bytes_max: self.output.bytes_max,
        }))
    }
}

/// The judges of one direction, in their order.
#[derive(Default)]
struct Row(Vec<Place>);

impl Row {
    fn add(&mut self, judges: impl IntoIterator<Item = usize>) {
        let always = |judge| Place {
            judge,
            if_changed: false,
        };
        self.0.extend(judges.into_iter().map(always));
    }

    /// It has seen the message before, and looks again at what others have made of it.
    fn add_if_changed(&mut self, judge: Option<usize>) {
        self.0.extend(judge.map(|judge| Place {
            judge,
            if_changed: true,
        }));
    }
}

/// The rules that concern a flow, and whether there are any for each direction.
struct Concerning<T> {
    rules: Vec<Arc<T>>,
    concerned: [bool; 2],
}

fn concerning<T>(all: &[Arc<T>], concerns: impl Fn(&T, Direction) -> bool) -> Concerning<T> {
    let of = |direction| all.iter().any(|rule| concerns(rule, direction));
    let concerned = Direction::BOTH.map(of);
    let either = |rule: &&Arc<T>| Direction::BOTH.iter().any(|direction| concerns(rule, *direction));
    Concerning {
        rules: all.iter().filter(either).cloned().collect(),
        concerned,
    }
}

fn redactor(settings: &Settings) -> Result<Redactor, RuleError> {
    let rules: Vec<OutputRuleSpec> = settings
        .safety_output_rules
        .iter()
        .map(|rule| OutputRuleSpec {
            id: rule.id.clone(),
            pattern: rule.pattern.clone(),
            replacement: rule.replacement.clone(),
        })
        .collect();
    Redactor::new(&settings.safety_output.presets, &rules)
}

fn action(action: SafetyAction) -> Action {
    match action {
        SafetyAction::Block => Action::Block,
        SafetyAction::LogOnly => Action::LogOnly,
    }
}

fn input_rules(settings: &Settings) -> Result<InputRules, RuleError> {
    let rules = settings.safety_input_rules.iter().map(|rule| InputRuleSpec {
        id: rule.id.clone(),
        pattern: rule.pattern.clone(),
        when: rule.when.clone(),
        action: rule.action.map(action),
    });
    InputRules::new(&InputSpec {
        presets: settings.safety_input.presets.clone(),
        action: action(settings.safety_input.action),
        rules: rules.collect(),
    })
}

fn spec(file: &config::PluginFile, discreet: bool) -> PluginSpec {
    PluginSpec {
        id: file.id.clone(),
        path: PathBuf::from(&file.path),
        on_error: match file.on_error {
            OnPluginError::Skip => OnError::Skip,
            OnPluginError::Close => OnError::Close,
        },
        time_ms: file.time_ms,
        ticks_max: file.ticks_max,
        memory_bytes: file.memory_bytes,
        state_bytes: file.state_bytes,
        discreet,
    }
}
