//! How patient the loop detector is.

/// After how many repetitions each rung of the ladder is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ladder {
    /// The model is told.
    pub note: u32,
    /// The tools of the loop are withheld.
    pub withhold: u32,
    /// A person is asked, or the task fails.
    pub stop: u32,
}

impl Ladder {
    pub(super) const fn rung(self, repetitions: u32) -> Option<Rung> {
        match repetitions {
            n if n >= self.stop => Some(Rung::Stop),
            n if n >= self.withhold => Some(Rung::Withhold),
            n if n >= self.note => Some(Rung::Note),
            _ => None,
        }
    }
}

/// How far the ladder was climbed (DESIGN section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rung {
    /// The model is told what it repeats.
    Note,
    /// The tools of the loop are withheld for some turns: their calls are answered with an error.
    Withhold,
    /// A person is asked, or the task fails, by policy.
    Stop,
}

/// How patient the loop detector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Policy {
    /// For the same turn again and again, and for cycles of turns.
    pub calls: Ladder,
    /// For the same turn again and again where all its calls are polls.
    pub polls: Ladder,
    /// For the same error of the same tool, whatever the arguments.
    pub errors: Ladder,
    /// For turns without a call.
    pub monologue: Ladder,
    /// The longest cycle that is looked for, in turns; at most [`Policy::PERIOD_LIMIT`].
    pub longest_period: u32,
    /// For how many turns a tool is withheld.
    pub withheld_turns: u64,
}

impl Policy {
    /// The longest cycle that can be looked for, in turns.
    pub const PERIOD_LIMIT: u32 = 32;

    /// How many turns must be remembered to see the longest cycle climb the whole ladder.
    pub(super) fn memory(&self) -> usize {
        let turns =
            u64::from(self.longest_period.clamp(1, Self::PERIOD_LIMIT)) * u64::from(self.calls.stop.min(64));
        usize::try_from(turns).unwrap_or(usize::MAX)
    }
}

impl Default for Policy {
    /// FACTS section 10: told at 3, withheld at 4, stopped at 6; cycles of up to 8 turns.
    fn default() -> Self {
        Self {
            calls: Ladder { note: 3, withhold: 4, stop: 6 },
            polls: Ladder { note: 10, withhold: 15, stop: 20 },
            errors: Ladder { note: 5, withhold: 6, stop: 8 },
            monologue: Ladder { note: 3, withhold: 4, stop: 6 },
            longest_period: 8,
            withheld_turns: 5,
        }
    }
}
