//! Arbitrary bytes read as a script. What is not there reads as zero, so every input is one.

/// The bytes that have not been read.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// At most as many bytes.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// One of these, all with the same right.
    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::from(self.byte()) % N]
    }

    /// A payload: a byte below 200 is its length, and it is in the script; others name a length that is much to
    /// write down, and a byte to fill it with.
    pub(crate) fn payload(&mut self) -> Vec<u8> {
        const LENGTHS: [usize; 8] = [125, 126, 127, 300, 1_000, 5_000, 300, 65_536];
        match self.byte() {
            len @ 0..200 => self.take(usize::from(len)).to_vec(),
            code => vec![self.byte(); LENGTHS[usize::from(code) % LENGTHS.len()]],
        }
    }
}
