//! Numbers that differ, and are the same in each run: for what is to be spread, never for secrets.

/// A linear congruential generator (Knuth, MMIX).
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// How many parts of 65 536.
    pub fn part(&mut self) -> u16 {
        u16::try_from(self.step() >> 48).unwrap_or(u16::MAX)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.step() >> 33).unwrap_or(usize::MAX) % bound.max(1)
    }

    /// The upper bits of the state are the better ones.
    fn step(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }
}
