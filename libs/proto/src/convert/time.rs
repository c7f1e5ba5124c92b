//! Instants and durations. Both sides are foreign to this crate, so these are functions.

use std::time::Duration;

use holdfast_types::Timestamp;

use super::Invalid;

const MICROS: i64 = 1_000_000;
const NANOS: i32 = 1_000_000_000;

/// Writes an instant.
#[must_use]
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let nanos = at.micros().rem_euclid(MICROS) * 1_000;
    prost_types::Timestamp {
        seconds: at.micros().div_euclid(MICROS),
        // Below a thousand million by the line above.
        nanos: i32::try_from(nanos).unwrap_or(NANOS - 1),
    }
}

/// Reads an instant; parts of a microsecond are dropped.
///
/// # Errors
/// [`Invalid`] where it is not normal (nanoseconds outside a second), or too far away for 64 bits of microseconds.
pub fn read_timestamp(field: &str, wire: prost_types::Timestamp) -> Result<Timestamp, Invalid> {
    let error = || Invalid::new(field, format!("{} s, {} ns", wire.seconds, wire.nanos), "an instant");
    if !(0..NANOS).contains(&wire.nanos) {
        return Err(error());
    }
    let micros = i128::from(wire.seconds) * i128::from(MICROS) + i128::from(wire.nanos / 1_000);
    i64::try_from(micros).map(Timestamp::from_micros).map_err(|_| error())
}

/// Reads an instant that must be there.
///
/// # Errors
/// [`Invalid`] where it is absent or not an instant.
pub fn required_timestamp(field: &str, wire: Option<prost_types::Timestamp>) -> Result<Timestamp, Invalid> {
    read_timestamp(field, wire.ok_or_else(|| Invalid::missing(field, "an instant"))?)
}

/// Reads an instant that may be absent.
///
/// # Errors
/// [`Invalid`] where it is there and not an instant.
pub fn optional_timestamp(
    field: &str,
    wire: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Invalid> {
    wire.map(|wire| read_timestamp(field, wire)).transpose()
}

/// Writes a duration; one that is longer than the wire can say becomes the longest.
#[must_use]
pub fn duration(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let nanos = i32::try_from(duration.subsec_nanos()).unwrap_or(NANOS - 1);
    prost_types::Duration { seconds, nanos }
}

/// Reads a duration.
///
/// # Errors
/// [`Invalid`] where it is negative or not normal.
pub fn read_duration(field: &str, wire: prost_types::Duration) -> Result<Duration, Invalid> {
    let error = || {
        Invalid::new(field, format!("{} s, {} ns", wire.seconds, wire.nanos), "a duration of zero or more")
    };
    let seconds = u64::try_from(wire.seconds).map_err(|_| error())?;
    let nanos = u32::try_from(wire.nanos).ok().filter(|_| wire.nanos < NANOS).ok_or_else(error)?;
    Ok(Duration::new(seconds, nanos))
}

/// Reads a duration that must be there.
///
/// # Errors
/// [`Invalid`] where it is absent, negative or not normal.
pub fn required_duration(field: &str, wire: Option<prost_types::Duration>) -> Result<Duration, Invalid> {
    read_duration(field, wire.ok_or_else(|| Invalid::missing(field, "a duration"))?)
}

/// Reads a duration that may be absent.
///
/// # Errors
/// [`Invalid`] where it is there and negative or not normal.
pub fn optional_duration(
    field: &str,
    wire: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Invalid> {
    wire.map(|wire| read_duration(field, wire)).transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn instants_round_trip(micros in any::<i64>()) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(read_timestamp("at", timestamp(at)).unwrap(), at);
        }

        #[test]
        fn durations_round_trip(seconds in 0..=i64::MAX as u64, nanos in 0u32..1_000_000_000) {
            let given = Duration::new(seconds, nanos);
            prop_assert_eq!(read_duration("d", duration(given)).unwrap(), given);
        }

        #[test]
        fn any_wire_value_is_read_or_refused(seconds in any::<i64>(), nanos in any::<i32>()) {
            let _ = read_timestamp("at", prost_types::Timestamp { seconds, nanos });
            let read = read_duration("d", prost_types::Duration { seconds, nanos });
            prop_assert_eq!(read.is_ok(), seconds >= 0 && (0..1_000_000_000).contains(&nanos));
        }
    }

    #[test]
    fn too_long_becomes_the_longest() {
        assert_eq!(duration(Duration::MAX).seconds, i64::MAX);
    }
}
