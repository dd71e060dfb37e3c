//! Chance that can be repeated.

/// A small generator of the splitmix kind: the same seed, the same story, on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    /// One of these, all with the same right.
    pub fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[self.roll(N as u64) as usize]
    }
}

/// The seeds of the stories to tell: so many, unless the command line says otherwise.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a story is replayed from the command line; the engine reads nothing"
    )]
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    match number("FRAMEGATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FRAMEGATE_SEEDS").unwrap_or(usual),
    }
}
