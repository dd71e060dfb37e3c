//! Whether the settings have messages stopped for what they say.

use super::settings::Settings;
use super::words::{SafetyAction, SchemaAction};

impl Settings {
    /// Whether anything stops messages by what they say.
    #[must_use]
    pub fn blocks(&self) -> bool {
        let mut schemas = self.schemas.iter();
        self.safety_blocks() || schemas.any(|schema| schema.action != SchemaAction::LogOnly)
    }

    /// Whether `safety.input` has a rule that blocks, its own or one of a preset.
    #[must_use]
    pub fn safety_blocks(&self) -> bool {
        let action = self.safety_input.action;
        let presets = !self.safety_input.presets.is_empty() && action == SafetyAction::Block;
        let mut rules = self.safety_input_rules.iter();
        presets || rules.any(|rule| rule.action.unwrap_or(action) == SafetyAction::Block)
    }
}
