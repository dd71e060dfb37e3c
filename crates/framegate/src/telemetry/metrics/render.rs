//! The text that is handed out: OpenMetrics 1.0, which Prometheus reads.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::cells::count;
use super::counts::Counts;
use super::threads;
use crate::flow::Timestamp;

/// What is not counted but looked up when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    /// Since when the proxy runs.
    pub(crate) started_at: Timestamp,
    /// Messages that are held for somebody, and their bytes.
    pub(crate) held: (usize, usize),
    /// The plugins that are in force.
    pub(crate) plugins: Vec<PluginNow>,
    /// The rules of the safety filter that are in force.
    pub(crate) safety: Vec<SafetyNow>,
    /// The schemas that are in force, and the messages that did not have the form of each.
    pub(crate) schemas: Vec<(String, u64)>,
    /// Hooks by scheme, host and port, and whether each is left alone.
    pub(crate) breakers: Vec<(String, bool)>,
    /// `None`: nothing is recorded.
    pub(crate) store: Option<StoreNow>,
}

/// What a plugin has done since it was configured.
#[derive(Clone, Debug)]
pub(crate) struct PluginNow {
    /// Its id in the configuration.
    pub(crate) id: String,
    /// Calls of its hooks.
    pub(crate) calls: u64,
    /// Calls that failed.
    pub(crate) failures: u64,
    /// Calls by what they decided.
    pub(crate) decided: [(&'static str, u64); 3],
}

/// What a rule of the safety filter has found since it was configured.
#[derive(Clone, Debug)]
pub(crate) struct SafetyNow {
    /// Its id in the configuration, or that of a preset's.
    pub(crate) rule: String,
    /// What becomes of messages that it is found in.
    pub(crate) action: &'static str,
    /// How many that were.
    pub(crate) messages: u64,
}

/// The record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreNow {
    /// Bytes of the database's files.
    pub(crate) bytes: u64,
    /// Bytes that wait to be stored.
    pub(crate) queue_bytes: u64,
    /// Bytes that may wait.
    pub(crate) queue_bytes_max: u64,
}

/// Header fields may name ever new hooks: of more than these, some are not told.
const BREAKERS_MAX: usize = 100;

/// The text's media type.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, beside their media type.
pub(crate) fn render(now: Now) -> Result<(&'static str, String), fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(now));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok((CONTENT_TYPE, text))
}

/// A docstring's text as HELP has it.
pub(super) fn help(doc: &str) -> &str {
    doc.trim()
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        encoder
            .encode_descriptor("framegate_build", "The framegate that runs.", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        let name = "process_start_time_seconds";
        gauge(
            encoder,
            name,
            "When the proxy began, in seconds since 1970.",
            &seconds(self.started_at),
        )?;
        Counts::encode(&threads::all(), encoder)?;
        let (messages, bytes) = self.held;
        let help = "Messages that are held for a person or a program to decide about.";
        gauge(encoder, "framegate_held_messages", help, &count(messages as u64))?;
        gauge(
            encoder,
            "framegate_held_bytes",
            "Payload bytes of held messages.",
            &count(bytes as u64),
        )?;
        self.plugins(encoder)?;
        let help = "Messages in which a rule of the safety filter was found.";
        let mut metric = encoder.encode_descriptor("framegate_safety_matches", help, None, MetricType::Counter)?;
        for SafetyNow { rule, action, messages } in &self.safety {
            metric
                .encode_family(&[("rule", rule.as_str()), ("action", action)])?
                .encode_counter::<NoLabelSet, u64, u64>(messages, None)?;
        }
        let help = "Messages that did not have the form that a schema wants.";
        let mut metric = encoder.encode_descriptor("framegate_schema_violations", help, None, MetricType::Counter)?;
        for (id, violations) in &self.schemas {
            metric
                .encode_family(&[("schema", id.as_str())])?
                .encode_counter::<NoLabelSet, u64, u64>(violations, None)?;
        }
        self.breakers(encoder)?;
        let Some(store) = self.store else { return Ok(()) };
        let help = "Bytes that wait to be stored.";
        gauge(encoder, "framegate_record_queue_bytes", help, &count(store.queue_bytes))?;
        let help = "Bytes that may wait to be stored, record.queue_bytes_max.";
        gauge(
            encoder,
            "framegate_record_queue_bytes_max",
            help,
            &count(store.queue_bytes_max),
        )?;
        let help = "Bytes of the database's files on disk.";
        gauge(encoder, "framegate_store_bytes", help, &count(store.bytes))
    }
}

impl Now {
    /// Those that are left alone go before others.
    fn breakers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether a hook is left alone because it has failed again and again: 1, or else 0.";
        let mut metric = encoder.encode_descriptor("framegate_hook_breaker_open", help, None, MetricType::Gauge)?;
        let mut breakers: Vec<_> = self.breakers.iter().map(|(hook, open)| (!open, hook)).collect();
        breakers.sort_unstable();
        for (closed, hook) in breakers.into_iter().take(BREAKERS_MAX) {
            metric
                .encode_family(&[("hook", hook.as_str())])?
                .encode_gauge(&i64::from(!closed))?;
        }
        Ok(())
    }

    fn plugins(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls of a plugin's hooks.";
        let mut metric = encoder.encode_descriptor("framegate_plugin_calls", help, None, MetricType::Counter)?;
        for plugin in &self.plugins {
            metric
                .encode_family(&[("plugin", plugin.id.as_str())])?
                .encode_counter::<NoLabelSet, u64, u64>(&plugin.calls, None)?;
        }
        let help = "Calls of a plugin's hooks that came to nothing.";
        let mut metric = encoder.encode_descriptor("framegate_plugin_failures", help, None, MetricType::Counter)?;
        for plugin in &self.plugins {
            metric
                .encode_family(&[("plugin", plugin.id.as_str())])?
                .encode_counter::<NoLabelSet, u64, u64>(&plugin.failures, None)?;
        }
        let help = "Calls of a plugin's hooks that decided something.";
        let mut metric = encoder.encode_descriptor("framegate_plugin_decisions", help, None, MetricType::Counter)?;
        for plugin in &self.plugins {
            for (outcome, decided) in &plugin.decided {
                metric
                    .encode_family(&[("plugin", plugin.id.as_str()), ("outcome", outcome)])?
                    .encode_counter::<NoLabelSet, u64, u64>(decided, None)?;
            }
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)] // it is to the microsecond until the year 2255
fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1e6
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Gauge)?
        .encode_gauge(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{BREAKERS_MAX, Now, render};
    use crate::flow::Timestamp;

    #[test]
    fn however_many_hooks_are_named_a_hundred_are_told_and_those_that_are_left_alone_first() {
        let mut breakers: Vec<(String, bool)> = (0..1000).map(|at| (format!("http://{at}.test"), false)).collect();
        breakers.push(("http://z.test".to_owned(), true));
        let now = Now {
            started_at: Timestamp(0),
            held: (0, 0),
            plugins: Vec::new(),
            safety: Vec::new(),
            schemas: Vec::new(),
            breakers,
            store: None,
        };
        let (_, text) = render(now).unwrap();
        let told: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("framegate_hook_breaker_open{"))
            .collect();
        assert_eq!(told.len(), BREAKERS_MAX);
        assert_eq!(told[0], r#"framegate_hook_breaker_open{hook="http://z.test"} 1"#);
        assert_eq!(told[1], r#"framegate_hook_breaker_open{hook="http://0.test"} 0"#);
    }
}
