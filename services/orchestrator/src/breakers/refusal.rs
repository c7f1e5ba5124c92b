//! What a call is told that a breaker does not let through.

use std::time::Duration;

use holdfast_resilience::breaker::Position;
use holdfast_telemetry::BreakerState;
use holdfast_types::{Class, Effect, Failure, Reason, Source};

use super::entry::Refused;

/// Nothing was sent: the name of the breaker, where it is, and when to ask again.
pub(super) fn failure(dependency: &str, refused: Refused) -> Failure {
    let message = match refused.position {
        Position::Forced { .. } => format!("an operator holds the breaker of {dependency} open"),
        Position::HalfOpen { .. } => {
            format!("the breaker of {dependency} is half-open, and its trial is taken")
        }
        Position::Open { .. } | Position::Closed => format!("the breaker of {dependency} is open"),
    };
    let failure = Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::CircuitOpen, message)
        .from_source(Source::Platform)
        .detail("breaker", dependency)
        .detail("breaker_state", BreakerState::from(refused.position).as_str());
    Failure { retry_after: refused.retry_after.map(whole_millis), ..failure }
}

/// Rounds up to what the journal keeps.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
