//! Medians and percentiles of small samples.

use std::time::Duration;

/// The value below which `part` (0 to 1) of the samples lie; zero where there is none.
pub(crate) fn percentile(samples: &mut [Duration], part: f64) -> Duration {
    samples.sort_unstable();
    if samples.is_empty() {
        return Duration::ZERO;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let place = ((samples.len() - 1) as f64 * part).round() as usize;
    samples[place]
}

/// Milliseconds with fractions.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// How many a second.
pub(crate) fn rate(count: u64, span: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    count / span.as_secs_f64()
}
