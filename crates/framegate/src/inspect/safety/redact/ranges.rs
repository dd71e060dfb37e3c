//! Where something is to be replaced: ranges of a text, through its escapes, merged, and written anew.

use std::ops::Range;

use super::super::unescape::{LEVELS_MAX, Unit, undo};

/// What a rule matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) range: Range<usize>,
    /// The number of its detector.
    pub(super) rule: usize,
    /// The replacement stands in quotes, for it replaces a number of JSON.
    pub(super) quoted: bool,
}

/// A text with one more level undone, and where everything came from.
pub(super) struct Level {
    pub(super) text: Vec<u8>,
    units: Vec<Unit>,
}

impl Level {
    /// `None`: there is nothing to undo.
    pub(super) fn below(text: &[u8]) -> Option<Self> {
        let (mut undone, mut units) = (Vec::new(), Vec::new());
        undo(text, &mut undone, |unit| units.push(unit)).then_some(Self { text: undone, units })
    }

    /// All levels below the text itself.
    pub(super) fn all_below(text: &[u8]) -> Vec<Self> {
        let mut levels: Vec<Self> = Vec::new();
        while levels.len() < LEVELS_MAX {
            match Self::below(levels.last().map_or(text, |level| &level.text)) {
                Some(level) => levels.push(level),
                None => break,
            }
        }
        levels
    }

    /// The same range in the text above.
    pub(super) fn above(&self, range: Range<usize>) -> Range<usize> {
        // The last unit that begins at or before the byte; what stands behind it was taken over as it is.
        let unit_at = |at: usize| {
            let count = self.units.partition_point(|unit| unit.to.start <= at);
            count.checked_sub(1).map(|last| &self.units[last])
        };
        let start = match unit_at(range.start) {
            None => range.start,
            Some(unit) if range.start < unit.to.end => unit.from.start,
            Some(unit) => range.start - unit.to.end + unit.from.end,
        };
        let end = match range.end.checked_sub(1).and_then(unit_at) {
            None => range.end,
            Some(unit) => unit.from.end + range.end.saturating_sub(unit.to.end),
        };
        start..end.max(start)
    }

    /// The range of the text above without an escape that it has only half of; with all of it where `grow`.
    pub(super) fn whole_escapes(&self, range: Range<usize>, grow: bool) -> Range<usize> {
        let cut_at = |at: usize| {
            let count = self.units.partition_point(|unit| unit.from.start < at);
            let unit = count.checked_sub(1).map(|last| &self.units[last])?;
            (at < unit.from.end).then_some(&unit.from)
        };
        let start = cut_at(range.start).map_or(range.start, |unit| if grow { unit.start } else { unit.end });
        let end = cut_at(range.end).map_or(range.end, |unit| if grow { unit.end } else { unit.start });
        start..end.max(start)
    }
}

/// In order, and those that overlap made one: it is called what the first and longest of them is.
pub(super) fn merge(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.retain(|hit| !hit.range.is_empty());
    hits.sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end), hit.rule));
    let mut merged: Vec<Hit> = Vec::new();
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.range.start < last.range.end => last.range.end = last.range.end.max(hit.range.end),
            _ => merged.push(hit),
        }
    }
    merged
}

/// The text with the hits replaced, and where `keep` is in it. A hit that begins before `keep` is kept whole.
pub(super) fn replace<'a>(
    text: &[u8],
    hits: &[Hit],
    keep: usize,
    replacement: impl Fn(usize) -> &'a str,
) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for hit in hits {
        out.extend_from_slice(&text[at..hit.range.start]);
        let quote: &[u8] = if hit.quoted { b"\"" } else { b"" };
        out.extend_from_slice(quote);
        out.extend_from_slice(replacement(hit.rule).as_bytes());
        out.extend_from_slice(quote);
        at = hit.range.end;
    }
    let kept = out.len() + keep.saturating_sub(at);
    out.extend_from_slice(&text[at..]);
    (out, kept)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hit(range: Range<usize>, rule: usize) -> Hit {
        Hit {
            range,
            rule,
            quoted: false,
        }
    }

    #[test]
    fn a_range_is_found_again_above_its_escapes() {
        let level = Level::below(br"a\u0062c\\d").unwrap();
        assert_eq!(level.text, br"abc\d");
        for (below, above) in [(0..1, 0..1), (1..2, 1..7), (0..3, 0..8), (2..4, 7..10), (4..5, 10..11)] {
            assert_eq!(level.above(below.clone()), above, "{below:?}");
        }
        assert_eq!(level.whole_escapes(3..8, true), 1..8);
        assert_eq!(level.whole_escapes(3..8, false), 7..8);
        assert_eq!(level.whole_escapes(0..9, true), 0..10);
        assert_eq!(level.whole_escapes(0..1, true), 0..1);
    }

    #[test]
    fn hits_that_overlap_are_one_and_neighbours_are_two() {
        let merged = merge(vec![
            hit(5..9, 0),
            hit(2..6, 1),
            hit(2..4, 2),
            hit(9..10, 3),
            hit(7..7, 4),
        ]);
        assert_eq!(merged, [hit(2..9, 1), hit(9..10, 3)]);
    }

    #[test]
    fn a_cut_moves_with_what_was_replaced_before_it() {
        let replaced = |keep| replace(b"0123456789", &[hit(2..4, 0), hit(6..7, 1)], keep, |_| "xyz");
        assert_eq!(replaced(10), (b"01xyz45xyz789".to_vec(), 13));
        assert_eq!(replaced(8).1, 11);
    }
}
