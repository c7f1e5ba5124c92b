//! A breaker as a line for people.

use holdfast_proto::v1;

/// A breaker's columns: the dependency, where it is, since when, and what is to be known besides.
pub(super) fn row(breaker: &v1::Breaker) -> Vec<String> {
    let (state, force) = (breaker.state(), breaker.force());
    let word = match (state, force) {
        (_, v1::BreakerForce::Open) => "HELD OPEN",
        (_, v1::BreakerForce::Closed) => "HELD CLOSED",
        (v1::BreakerState::Open, _) => "OPEN",
        (v1::BreakerState::HalfOpen, _) => "HALF_OPEN",
        (v1::BreakerState::Closed, _) => "CLOSED",
        (v1::BreakerState::Unspecified, _) => "?",
    };
    let since = breaker.since.map(second).unwrap_or_default();
    let more = match (force, breaker.forced_until, breaker.retry_at) {
        (v1::BreakerForce::Open | v1::BreakerForce::Closed, Some(until), _) => {
            format!("until {}: {}", second(until), breaker.force_reason)
        }
        (v1::BreakerForce::Open | v1::BreakerForce::Closed, None, _) => breaker.force_reason.clone(),
        (_, _, Some(at)) if state != v1::BreakerState::Closed => {
            let why = breaker.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
            format!("next trial {}: {why}", second(at))
        }
        _ => String::new(),
    };
    vec![breaker.dependency.clone(), word.to_owned(), since, more]
}

fn second(at: prost_types::Timestamp) -> String {
    prost_types::Timestamp { nanos: 0, ..at }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_holds_it_and_until_when() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 7 });
        let held = v1::Breaker {
            dependency: "mail".into(),
            state: v1::BreakerState::Open.into(),
            force: v1::BreakerForce::Open.into(),
            since: at(0),
            force_reason: "migration".into(),
            forced_until: at(60),
            ..v1::Breaker::default()
        };
        let wanted = ["mail", "HELD OPEN", "1970-01-01T00:00:00Z", "until 1970-01-01T00:01:00Z: migration"];
        assert_eq!(row(&held), wanted);
        let open = v1::Breaker { force: v1::BreakerForce::Auto.into(), retry_at: at(5), ..held };
        assert_eq!(row(&open)[3], "next trial 1970-01-01T00:00:05Z: ");
    }
}
