//! What labels with a closed list of values can say.

use holdfast_types::breaker::{Forced, Position};

macro_rules! label_values {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the label's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

label_values! {
    /// The states of a breaker.
    BreakerState {
        /// Calls go through.
        Closed = "closed",
        /// None does.
        Open = "open",
        /// A trial does.
        HalfOpen = "half_open",
        /// An operator holds it open.
        ForcedOpen = "forced_open",
        /// An operator holds it closed.
        ForcedClosed = "forced_closed",
    }
}

impl From<Position> for BreakerState {
    fn from(position: Position) -> Self {
        match position {
            Position::Closed => Self::Closed,
            Position::Open { .. } => Self::Open,
            Position::HalfOpen { .. } => Self::HalfOpen,
            Position::Forced { order: Forced::Open } => Self::ForcedOpen,
            Position::Forced { order: Forced::Closed } => Self::ForcedClosed,
        }
    }
}

label_values! {
    /// Why a task has a new life.
    ResumeKind {
        /// The driver gave it back: a wait, a drain, a redeploy.
        Released = "released",
        /// The driver died, or its lease ended.
        Crash = "crash",
    }
}

label_values! {
    /// How it became known after all whether a call happened.
    Resolution {
        /// The tool was asked, and knew.
        Probe = "probe",
        /// A late answer came.
        Late = "late",
        /// A person said so.
        Person = "person",
        /// Nobody knew: a person is asked.
        Unresolved = "unresolved",
    }
}

label_values! {
    /// How an undo ended.
    CompensationResult {
        /// The effect is undone.
        Undone = "undone",
        /// There was no effect.
        NothingToUndo = "nothing_to_undo",
        /// It was not run: others rely on the effect, or the time was over. The effect stands.
        LeftStanding = "left_standing",
        /// It failed for good: the effect stands.
        Failed = "failed",
    }
}

label_values! {
    /// What Redis said of a key.
    FrontAnswer {
        /// It answered alone.
        Hit = "hit",
        /// The table was asked.
        Miss = "miss",
        /// It did not answer, or is left alone for a while: the table was asked.
        Away = "away",
    }
}

label_values! {
    /// The verbs of the idempotency service that decide or change something.
    KeyVerb {
        /// Asks for the right to run an operation.
        Begin = "begin",
        /// Prolongs a right.
        Extend = "extend",
        /// Records a result.
        Complete = "complete",
        /// Gives a right back.
        Release = "release",
        /// Records a failure for good.
        FailFinal = "fail_final",
        /// Removes a key.
        Forget = "forget",
    }
}

label_values! {
    /// What the idempotency service answered.
    KeyVerbAnswer {
        /// Run it.
        Acquired = "acquired",
        /// Another one runs it.
        InProgress = "in_progress",
        /// It ran: the recorded result.
        Completed = "completed",
        /// It failed for good: the recorded failure.
        FailedFinal = "failed_final",
        /// Nobody knows how it ended.
        InDoubt = "in_doubt",
        /// It was undone.
        Tombstone = "tombstone",
        /// The key came with other arguments.
        Mismatch = "mismatch",
        /// Done.
        Ok = "ok",
        /// A token or an epoch that is not the current one.
        Fenced = "fenced",
        /// There is no such key.
        NotFound = "not_found",
        /// Refused, or the table did not answer.
        Error = "error",
    }
}

label_values! {
    /// Which losses an answer survives.
    KeyDurability {
        /// It stands in the journal's store.
        Index = "index",
        /// It stands in Redis alone.
        RedisOnly = "redis_only",
    }
}

label_values! {
    /// Why a span was not exported.
    SpanLoss {
        /// Too many waited for the exporter already.
        QueueFull = "queue_full",
        /// The collector did not take it.
        ExportFailed = "export_failed",
    }
}
