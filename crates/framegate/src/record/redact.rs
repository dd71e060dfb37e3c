//! What must not go on record is taken out of a message's row here, before anybody else sees it: the store, its index,
//! and whoever follows live.

use std::borrow::Cow;

use super::assemble::Keep;
use crate::flow::{ClosedBy, Direction, Ending};
use crate::inspect::Redactor;
use crate::store::{PayloadRef, Row};

impl Keep {
    /// What is kept until redaction has seen it: a secret that lies across the cut must be seen whole.
    pub(super) fn with_margin(mut self, redactor: Option<&Redactor>) -> Self {
        let margin = redactor.map_or(0, |_| Redactor::margin_bytes());
        self.caps.keep_bytes_max = self.caps.keep_bytes_max.saturating_add(margin);
        self
    }
}

/// Gives `with` the row without what must not go on record, and cut where records are cut. `may_be_text`: it is looked
/// at, if it is the server's.
pub(super) fn redacted<T>(
    redactor: &Redactor,
    keep: Keep,
    may_be_text: bool,
    row: &Row<'_>,
    with: impl FnOnce(&Row<'_>) -> T,
) -> T {
    let mut most = keep.caps.keep_bytes_max;
    if row.compressed && row.size > keep.caps.message_bytes_max {
        // It was inflated up to the limit, and not beyond: what lies across that was not seen whole.
        let inflated = usize::try_from(keep.caps.message_bytes_max).unwrap_or(usize::MAX);
        most = most.min(inflated.saturating_sub(Redactor::margin_bytes()));
    }
    let mut row = row.clone();
    let is_text = may_be_text && row.direction == Direction::Receive;
    row.truncated |= row.payload.len() > most;
    let clean = |payload: PayloadRef<'_>| is_text.then(|| redactor.redact_cut(payload.as_bytes(), most)).flatten();
    let (payload, original) = (clean(row.payload), row.original.and_then(clean));
    let mut more = Cow::Borrowed(row.more);
    if payload.is_some() || original.is_some() {
        let rules = payload.iter().chain(&original).flat_map(|found| &found.rules);
        let mut names: Vec<&str> = Vec::new();
        rules.for_each(|rule| {
            if !names.contains(rule) {
                names.push(rule);
            }
        });
        more.to_mut().push(("redacted".to_owned(), names.join(", ")));
    }
    if let Some(found) = &payload {
        row.payload = again(row.payload, &found.text);
    }
    if let (Some(found), Some(before)) = (&original, row.original) {
        row.original = Some(again(before, &found.text));
    }
    if row.payload.len() > most {
        // A replacement may be longer than what it stands for.
        (row.payload, row.truncated) = (cut(row.payload, most), true);
    }
    row.original = row.original.map(|original| cut(original, most));
    row.more = &more;
    with(&row)
}

/// The row without its payload: nobody knows what is in it, so nobody can take anything out of it.
pub(super) fn emptied<'a>(row: &Row<'a>) -> Row<'a> {
    Row {
        payload: PayloadRef::Bytes(&[]),
        truncated: true,
        ..row.clone()
    }
}

/// How a flow ended, without what must not go on record of what the server, or somebody for it, gave as the reason.
pub(super) fn redacted_ending(redactor: &Redactor, ending: &Ending) -> Ending {
    let mut ending = ending.clone();
    let reason = ending.close.as_mut().filter(|close| close.by != ClosedBy::Client);
    for text in reason
        .map(|close| &mut close.reason)
        .into_iter()
        .chain(&mut ending.error)
    {
        if let Some(found) = redactor.redact(text.as_bytes()) {
            *text = String::from_utf8_lossy(&found.text).into_owned();
        }
    }
    ending
}

/// New bytes as what the old ones were.
fn again<'a>(before: PayloadRef<'_>, bytes: &'a [u8]) -> PayloadRef<'a> {
    match std::str::from_utf8(bytes) {
        Ok(text) if before.is_text() => PayloadRef::Text(text),
        // It was cut inside a character: that is all that can be wrong with what is left of a text.
        Err(error) if before.is_text() => again(before, &bytes[..error.valid_up_to()]),
        _ => PayloadRef::Bytes(bytes),
    }
}

/// At most so many bytes of it, text at a character's border.
fn cut(payload: PayloadRef<'_>, most: usize) -> PayloadRef<'_> {
    match payload {
        PayloadRef::Text(text) => PayloadRef::Text(&text[..text.floor_char_boundary(most)]),
        PayloadRef::Bytes(bytes) => PayloadRef::Bytes(&bytes[..bytes.len().min(most)]),
    }
}
