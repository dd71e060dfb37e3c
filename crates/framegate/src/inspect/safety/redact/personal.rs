//! Numbers and addresses of persons: what a pattern alone cannot tell from other numbers.

use std::ops::Range;

/// A digit of ASCII or of full width.
macro_rules! digit {
    () => {
        "[0-9\u{ff10}-\u{ff19}]"
    };
}
/// What may stand between two groups of digits: once, a space or a dash.
macro_rules! separator {
    () => {
        "[ \\-\u{a0}\u{2010}-\u{2015}\u{2212}\u{3000}\u{ff0d}]"
    };
}

/// Where a card's number may be.
pub(super) const CARD: &str = concat!(
    "(?:[2-6][0-9]{2}|[\u{ff12}-\u{ff16}])(?:",
    separator!(),
    "?",
    digit!(),
    "){10}"
);
/// Where a My Number may be.
pub(super) const MY_NUMBER: &str = concat!(
    r"(?:(?-u:\b)(?:[0-9]{12}|[0-9]{4}",
    separator!(),
    "[0-9]{4}",
    separator!(),
    r"[0-9]{4})(?-u:\b)|[",
    "\u{ff10}-\u{ff19}](?:",
    separator!(),
    "?",
    digit!(),
    "){11})"
);
/// A telephone number: international, of the United States, of Japan.
pub(super) const PHONE: &str = concat!(
    r"(?:[+",
    "\u{ff0b}][1-9\u{ff11}-\u{ff19}]",
    digit!(),
    r"{0,2}(?:[ .-]?\(?",
    digit!(),
    r"{1,4}\)?){2,6}|\(?0",
    digit!(),
    r"{1,4}[)(-]",
    digit!(),
    r"{1,4}[)-]",
    digit!(),
    r"{3,4}|0[5789]0[0-9]{8}|[0",
    "\u{ff10}]",
    digit!(),
    r"{1,4}",
    separator!(),
    digit!(),
    r"{1,4}",
    separator!(),
    digit!(),
    r"{3,4}|\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}|[2-9][0-9]{2}[-.][2-9][0-9]{2}[-.][0-9]{4})"
);
/// An address of e-mail.
pub(super) const EMAIL: &str = r"(?-u)[\w+][\w.%+'~-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2}[A-Za-z0-9-]*";

/// Numbers of cards: 13 to 19 digits, in groups of at least three but for the last, of an issuer, with the check digit.
pub(super) fn cards(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for run in runs(text) {
        for first in 0..run.len() {
            let mut digits = Vec::with_capacity(19);
            for group in &run[first..] {
                if digits.len() + group.digits.len() > 19 {
                    break;
                }
                digits.extend_from_slice(&group.digits);
                if digits.len() >= 13 && has_issuer(&digits) && luhn(&digits) {
                    found.push(run[first].range.start..group.range.end);
                }
                if group.digits.len() < 3 {
                    break;
                }
            }
        }
    }
    found
}

/// The individual numbers of Japan: twelve digits, at once or in three groups of four, with the check digit.
pub(super) fn my_numbers(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for run in runs(text) {
        let whole = run[0].range.start..run[run.len() - 1].range.end;
        let fours = run.len() == 3 && run.iter().all(|group| group.digits.len() == 4);
        if fours && is_my_number(&run.iter().flat_map(|group| group.digits.clone()).collect::<Vec<_>>()) {
            if stands_alone(text, &whole) {
                found.push(whole);
            }
            continue;
        }
        let single = run
            .iter()
            .filter(|group| group.digits.len() == 12 && is_my_number(&group.digits));
        found.extend(
            single
                .map(|group| group.range.clone())
                .filter(|range| stands_alone(text, range)),
        );
    }
    found
}

/// Whether what the pattern found can be called.
pub(super) fn is_phone(text: &[u8], range: &Range<usize>) -> bool {
    let found = &text[range.clone()];
    let digits: Vec<u8> = Digits { text: found, at: 0 }.map(|(digit, _)| digit).collect();
    let is_international = found[0] == b'+' || found.starts_with("\u{ff0b}".as_bytes());
    let before = text[..range.start].last();
    let behind = &text[range.end..];
    let goes_on = matches!(behind, [b'-' | b'.' | b'/' | b':', next, ..] if next.is_ascii_digit())
        || behind.first().is_some_and(|byte| is_word(*byte))
        || digit_at(behind).is_some();
    let begins_before = before.is_some_and(|byte| is_word(*byte) || matches!(byte, b'-' | b'.' | b'+'))
        || (!is_international && before == Some(&b'/'))
        || range.start >= 3 && digit_at(&text[range.start - 3..]).is_some();
    if goes_on || begins_before {
        return false;
    }
    match digits[..] {
        _ if is_international => (8..=15).contains(&digits.len()),
        [0, 1, 2, 0, ..] => digits.len() == 10,
        [0, 8, 0, 0, ..] => matches!(digits.len(), 10 | 11),
        [0, 5 | 7 | 8 | 9, 0, fourth, ..] => digits.len() == 11 && fourth != 0,
        [0, second, ..] => digits.len() == 10 && second != 0,
        _ => digits.len() == 10,
    }
}

/// Digits that stand together.
struct Group {
    range: Range<usize>,
    digits: Vec<u8>,
}

/// Groups with one separator between them. Digits behind a decimal point are none.
fn runs(text: &[u8]) -> Vec<Vec<Group>> {
    let mut runs: Vec<Vec<Group>> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if digit_at(&text[at..]).is_none() {
            at += 1;
            continue;
        }
        let group = group_at(text, at);
        let end = group.range.end;
        let is_fraction = at >= 2 && text[at - 1] == b'.' && text[at - 2].is_ascii_digit();
        at = end;
        if is_fraction {
            continue;
        }
        let joins = runs.last().and_then(|run| run.last()).is_some_and(|last| {
            let between = &text[last.range.end..group.range.start];
            separator_length(between).is_some_and(|length| length == between.len())
        });
        match runs.last_mut() {
            Some(run) if joins => run.push(group),
            _ => runs.push(vec![group]),
        }
    }
    runs
}

fn group_at(text: &[u8], start: usize) -> Group {
    let mut digits = Vec::new();
    let mut at = start;
    while let Some((digit, length)) = digit_at(&text[at..]) {
        // A longer one is no number of anybody; that it is longer is enough to know.
        if digits.len() < 20 {
            digits.push(digit);
        }
        at += length;
    }
    Group {
        range: start..at,
        digits,
    }
}

/// The digit that the text begins with, and its bytes.
fn digit_at(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [byte @ b'0'..=b'9', ..] => Some((byte - b'0', 1)),
        [0xef, 0xbc, byte @ 0x90..=0x99, ..] => Some((byte - 0x90, 3)),
        _ => None,
    }
}

fn separator_length(text: &[u8]) -> Option<usize> {
    match text {
        [b' ' | b'-', ..] => Some(1),
        [0xc2, 0xa0, ..] => Some(2),
        [0xe2, 0x80, 0x90..=0x95, ..] | [0xe2, 0x88, 0x92, ..] | [0xe3, 0x80, 0x80, ..] | [0xef, 0xbc, 0x8d, ..] => {
            Some(3)
        }
        _ => None,
    }
}

/// All digits of a text, whatever is between them.
struct Digits<'a> {
    text: &'a [u8],
    at: usize,
}

impl Iterator for Digits<'_> {
    type Item = (u8, usize);

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.text.len() {
            if let Some((digit, length)) = digit_at(&self.text[self.at..]) {
                self.at += length;
                return Some((digit, self.at));
            }
            self.at += 1;
        }
        None
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Neither a word nor a dash goes on into it, as in a UUID.
fn stands_alone(text: &[u8], range: &Range<usize>) -> bool {
    let joins = |byte: &u8| is_word(*byte) || *byte == b'-';
    !text[..range.start].last().is_some_and(joins) && !text[range.end..].first().is_some_and(joins)
}

/// The check digit of ISO/IEC 7812-1.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match u32::from(*digit) << (index % 2) {
            sum @ 10.. => sum - 9,
            sum => sum,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The beginnings of numbers that issuers give out: from, to, and how many digits there may be.
const ISSUERS: [(u32, u32, Range<usize>); 17] = [
    (4000, 4999, 13..20), // Visa; 14, 15, 17 and 18 are not in use, and are let through with the others.
    (5100, 5599, 16..17), // Mastercard
    (2221, 2720, 16..17), // Mastercard
    (3400, 3499, 15..16), // American Express
    (3700, 3799, 15..16), // American Express
    (3000, 3059, 14..20), // Diners Club
    (3095, 3095, 14..20), // Diners Club
    (3600, 3699, 14..20), // Diners Club
    (3800, 3999, 14..20), // Diners Club
    (3528, 3589, 16..20), // JCB
    (6011, 6011, 16..20), // Discover
    (6440, 6599, 16..20), // Discover
    (6200, 6299, 16..20), // UnionPay
    (2200, 2204, 16..20), // Mir
    (5018, 5099, 13..20), // Maestro and others
    (5600, 5899, 13..20), // Maestro
    (6300, 6399, 13..20), // Maestro
];

fn has_issuer(digits: &[u8]) -> bool {
    let start = digits[..4]
        .iter()
        .fold(0, |start, digit| start * 10 + u32::from(*digit));
    let maestro = (6700..=6799).contains(&start) || (6000..=6099).contains(&start);
    maestro
        || ISSUERS
            .iter()
            .any(|(from, to, lengths)| (*from..=*to).contains(&start) && lengths.contains(&digits.len()))
}

/// The check digit of the individual number: eleven digits with the weights 2 to 7 and 2 to 6 from the right, their sum
/// modulo 11 taken from 11; a remainder of 0 or 1 gives 0.
fn is_my_number(digits: &[u8]) -> bool {
    let [front @ .., check] = digits else { return false };
    let sum: u32 = front
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6])
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    let wanted = match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    front.len() == 11 && u32::from(*check) == wanted
}
