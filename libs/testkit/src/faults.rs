//! Faults that are random and still repeat: every test says its seed.

use std::ops::Range;
use std::time::Duration;

use holdfast_runtime::{Entropy, SeededEntropy};

/// A seeded source of decisions. The seed is shown when a test panics while it holds one.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    entropy: SeededEntropy,
}

impl Faults {
    /// Takes the seed from `HOLDFAST_TEST_SEED`, else `default`.
    #[must_use]
    pub fn seeded(default: u64) -> Self {
        let seed =
            std::env::var("HOLDFAST_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
        Self { seed, entropy: SeededEntropy::new(seed) }
    }

    /// Decides whether a fault strikes, with this probability (0 to 1).
    #[must_use]
    pub fn strikes(&self, probability: f64) -> bool {
        self.entropy.unit() < probability
    }

    /// Draws from a range; its start where the range is empty.
    #[must_use]
    pub fn draw(&self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start);
        // The product is below the width: `unit` is below 1.
        range.start + (self.entropy.unit() * width as f64) as u64
    }

    /// Draws a moment, to the microsecond: when to kill.
    #[must_use]
    pub fn moment(&self, range: Range<Duration>) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.draw(micros(range.start)..micros(range.end)))
    }

    /// Picks one of several; none of none.
    #[must_use]
    pub fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.draw(0..from.len() as u64)).unwrap_or(0))
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat these faults: HOLDFAST_TEST_SEED={}", self.seed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_the_same_faults_within_their_range() {
        let draw = || {
            let faults = Faults::seeded(11);
            (0..200).map(|_| faults.draw(5..9)).collect::<Vec<_>>()
        };
        let drawn = draw();
        assert_eq!(drawn, draw());
        assert!((5..9).all(|number| drawn.contains(&number)));
        assert!(drawn.iter().all(|number| (5..9).contains(number)));
    }

    #[test]
    fn never_and_always_are_kept() {
        let faults = Faults::seeded(11);
        assert!((0..100).all(|_| !faults.strikes(0.0) && faults.strikes(1.0)));
        assert_eq!(faults.pick::<u8>(&[]), None);
        assert_eq!(faults.pick(&[7]), Some(&7));
    }
}
