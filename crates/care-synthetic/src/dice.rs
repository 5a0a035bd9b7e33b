//! Chance that can be replayed: SplitMix64, seeded by a number and a label.
//!
//! Never used for anything secret. The generator is the public-domain SplitMix64 of Sebastiano
//! Vigna (a 64-bit counter through a mixing function); it has 64 bits of state and passes the usual
//! statistical batteries, which is ample for inventing people.

/// A stream of chance. The same seed and label give the same stream on every machine.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// One step of the mixing function.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Dice {
    /// A stream for one purpose: streams with different labels do not run in step.
    pub fn new(seed: u64, label: &str) -> Self {
        let labelled = label.bytes().fold(mix(seed ^ GOLDEN), |state, byte| {
            mix(state.wrapping_add(GOLDEN) ^ u64::from(byte))
        });
        Self { state: labelled }
    }

    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A whole number from 0 up to and without `bound`; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.next_bits()) * u128::from(bound)) >> 64) as u32
    }

    /// A whole number from `low` to `high`, both included.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        let width = high.saturating_sub(low).max(0) as u32;
        low + self.below(width + 1) as i32
    }

    /// True `per_thousand` times in a thousand.
    pub fn chance(&mut self, per_thousand: u32) -> bool {
        self.below(1000) < per_thousand
    }

    /// A number from -1 to 1 that is mostly near 0.
    pub fn wobble(&mut self) -> f64 {
        let sum: u32 = (0..4).map(|_| self.below(10_001)).sum();
        f64::from(sum) / 20_000.0 - 1.0
    }

    /// One of the things; `None` where there are none.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len() as u32) as usize)
    }

    /// One of the texts, or an empty one where there are none.
    pub fn word_static(&mut self, words: &[&'static str]) -> &'static str {
        self.pick(words).copied().unwrap_or_default()
    }

    /// The place of one weight among several, heavier ones more often; 0 where all weigh nothing.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let total: u32 = weights.clone().sum();
        let mut left = self.below(total);
        for (place, weight) in weights.enumerate() {
            if left < weight {
                return place;
            }
            left -= weight;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_label_roll_the_same_and_another_label_does_not() {
        let rolls = |seed, label| {
            let mut dice = Dice::new(seed, label);
            [dice.next_bits(), dice.next_bits(), dice.next_bits()]
        };
        assert_eq!(rolls(7, "people"), rolls(7, "people"));
        assert_ne!(rolls(7, "people"), rolls(7, "letters"));
        assert_ne!(rolls(7, "people"), rolls(8, "people"));
    }

    #[test]
    fn rolls_stay_in_their_bounds() {
        let mut dice = Dice::new(1, "bounds");
        for _ in 0..10_000 {
            assert!(dice.below(7) < 7);
            assert!((-3..=4).contains(&dice.between(-3, 4)));
            assert!(dice.wobble().abs() <= 1.0);
        }
        assert_eq!(dice.below(0), 0);
    }
}
