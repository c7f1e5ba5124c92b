//! Breakers, and what calls say of them.

use std::time::Duration;

use holdfast_types::breaker::{Forced, Generation, Position, View};

use super::{Invalid, time};
use crate::v1;

/// Writes a generation.
#[must_use]
pub fn generation(generation: Generation) -> v1::BreakerGeneration {
    let incarnation = format!("{:016x}", generation.incarnation);
    v1::BreakerGeneration { incarnation, number: generation.number }
}

/// Reads a generation.
///
/// # Errors
/// [`Invalid`] where the incarnation is none of an owner's.
pub fn read_generation(wire: &v1::BreakerGeneration) -> Result<Generation, Invalid> {
    let incarnation = u64::from_str_radix(&wire.incarnation, 16).map_err(|_| {
        Invalid::new("generation.incarnation", wire.incarnation.clone(), "a hexadecimal number")
    })?;
    Ok(Generation { incarnation, number: wire.number })
}

/// Writes where an instance's own breaker is.
#[must_use]
pub fn breaker(dependency: String, view: &View) -> v1::Breaker {
    let (state, force, left) = match view.position {
        Position::Closed => (v1::BreakerState::Closed, v1::BreakerForce::Auto, None),
        Position::Open { left } => (v1::BreakerState::Open, v1::BreakerForce::Auto, Some(left)),
        Position::HalfOpen { left } => (v1::BreakerState::HalfOpen, v1::BreakerForce::Auto, Some(left)),
        Position::Forced { order: Forced::Open } => (v1::BreakerState::Open, v1::BreakerForce::Open, None),
        Position::Forced { order: Forced::Closed } => {
            (v1::BreakerState::Closed, v1::BreakerForce::Closed, None)
        }
    };
    v1::Breaker {
        dependency,
        state: state.into(),
        force: force.into(),
        generation: Some(generation(view.generation)),
        retry_in: left.map(time::duration),
        ..v1::Breaker::default()
    }
}

/// Reads where a breaker is.
///
/// # Errors
/// [`Invalid`] where its state, its generation or its time can't be read.
pub fn read_breaker(wire: &v1::Breaker) -> Result<View, Invalid> {
    let left = time::optional_duration("retry_in", wire.retry_in)?.unwrap_or(Duration::ZERO);
    let position = match (wire.force(), wire.state()) {
        (v1::BreakerForce::Open, _) => Position::Forced { order: Forced::Open },
        (v1::BreakerForce::Closed, _) => Position::Forced { order: Forced::Closed },
        (_, v1::BreakerState::Open) => Position::Open { left },
        (_, v1::BreakerState::HalfOpen) => Position::HalfOpen { left },
        (_, v1::BreakerState::Closed) => Position::Closed,
        (_, v1::BreakerState::Unspecified) => {
            return Err(Invalid::new("state", wire.state, "CLOSED, OPEN or HALF_OPEN"));
        }
    };
    let of =
        wire.generation.as_ref().ok_or_else(|| Invalid::missing("generation", "the breaker's period"))?;
    Ok(View { generation: read_generation(of)?, position, level: 0 })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_position_comes_back_as_it_went() {
        let left = Duration::from_millis(1_500);
        for position in [
            Position::Closed,
            Position::Open { left },
            Position::HalfOpen { left },
            Position::Forced { order: Forced::Open },
            Position::Forced { order: Forced::Closed },
        ] {
            let generation = Generation { incarnation: u64::MAX - 1, number: 7 };
            let view = View { generation, position, level: 0 };
            assert_eq!(read_breaker(&breaker("pay".to_owned(), &view)).unwrap(), view);
        }
    }

    #[test]
    fn what_says_nothing_is_named() {
        let view = View { generation: Generation::default(), position: Position::Closed, level: 0 };
        let whole = || breaker("pay".to_owned(), &view);
        let error = |wire: v1::Breaker| read_breaker(&wire).unwrap_err().to_string();
        assert!(error(v1::Breaker { state: 0, ..whole() }).contains("HALF_OPEN"));
        assert!(error(v1::Breaker { generation: None, ..whole() }).contains("generation"));
        let generation = Some(v1::BreakerGeneration { incarnation: "mine".to_owned(), number: 1 });
        assert!(error(v1::Breaker { generation, ..whole() }).contains("hexadecimal"));
    }
}
