//! The filter language: which flows and messages are meant.
//!
//! There is no language yet, only its place: the empty filter, which means all of them. Any other text is an error
//! rather than half a language, so that a script written today means the same tomorrow.

/// Which flows and messages are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter;

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// For any text but blanks.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            Ok(Self)
        } else {
            Err(FilterError(text.to_owned()))
        }
    }
}

/// A text that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filters are not in this version: {0:?} cannot be understood; leave it out to have everything")]
pub struct FilterError(String);

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn only_the_empty_filter_is_one() {
        assert_eq!(Filter::parse("  "), Ok(Filter));
        let error = Filter::parse("url ~ chat").map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("not in this version") && text.contains("url ~ chat")));
    }
}
