//! What was decided about a message, as it goes on record.

/// Who decided what became of a message, and what else is to be said about that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Everybody who changed it or let it go or not, in order, such as `plugin:redact, intercept`; empty: nobody did.
    pub by: String,
    /// It was stopped by a rule: a message that did not leave is blocked, not just dropped.
    pub blocked: bool,
    /// Further facts for the record, such as `safety_rule_id`; names are unique.
    pub more: Vec<(String, String)>,
}

impl Decision {
    /// Adds one who decided.
    pub fn add(&mut self, by: &str) {
        if !self.by.is_empty() {
            self.by.push_str(", ");
        }
        self.by.push_str(by);
    }

    /// Adds a fact; what was said under the same name before stays.
    pub fn fact(&mut self, name: &str, value: impl Into<String>) {
        if !self.more.iter().any(|(known, _)| known == name) {
            self.more.push((name.to_owned(), value.into()));
        }
    }

    /// Takes over what another says, but for who decided.
    pub fn absorb(&mut self, other: Self) {
        self.blocked |= other.blocked;
        for (name, value) in other.more {
            self.fact(&name, value);
        }
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by.is_empty() && !self.blocked && self.more.is_empty()
    }
}
