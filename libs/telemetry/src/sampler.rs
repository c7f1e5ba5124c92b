//! Which traces are exported: as `OTEL_TRACES_SAMPLER` says, parent-based and all by default.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// The variable that names the sampler.
pub(crate) const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
/// The variable with the share of traces, from 0 to 1, where the sampler takes one.
pub(crate) const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

/// The random bits of a trace's id, by W3C's trace context level 2: its last 56. (The bits before them are fixed in a
/// task's id, which is a UUID of version 7.)
const RANDOM_BITS: u32 = 56;

/// Decides by a trace's id alone, so that every process says the same of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    parents: Parents,
    roots: Roots,
}

/// What the choice of a caller counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Parents {
    Followed,
    Ignored,
}

/// Which traces are exported of those that begin here.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Roots {
    All,
    None,
    /// Those whose random bits reach this threshold.
    From(u64),
}

impl Default for Sampler {
    fn default() -> Self {
        Self { parents: Parents::Followed, roots: Roots::All }
    }
}

impl Sampler {
    /// Reads the environment; what it does not know is the default, as OpenTelemetry asks for.
    pub(crate) fn choose(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let share = || {
            let share = env(SAMPLER_ARG).and_then(|text| text.trim().parse::<f64>().ok());
            share.filter(|share| (0.0..=1.0).contains(share)).map_or(Roots::All, Roots::share)
        };
        use Parents::{Followed, Ignored};
        let (parents, roots) = match env(SAMPLER).unwrap_or_default().trim() {
            "always_on" => (Ignored, Roots::All),
            "always_off" => (Ignored, Roots::None),
            "traceidratio" => (Ignored, share()),
            "parentbased_always_off" => (Followed, Roots::None),
            "parentbased_traceidratio" => (Followed, share()),
            _ => (Followed, Roots::All),
        };
        Self { parents, roots }
    }

    /// Says whether a trace is exported; `parent` is its caller's choice, where there is a caller.
    pub(crate) fn takes(self, trace_id: [u8; 16], parent: Option<bool>) -> bool {
        match (self.parents, parent) {
            (Parents::Followed, Some(sampled)) => sampled,
            _ => self.roots.take(trace_id),
        }
    }
}

impl Roots {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn share(share: f64) -> Self {
        // From 0 to 2^56, which an f64 holds exactly.
        Self::From(((1.0 - share) * (1_u64 << RANDOM_BITS) as f64) as u64)
    }

    fn take(self, trace_id: [u8; 16]) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::From(threshold) => {
                let random = u128::from_be_bytes(trace_id) & ((1 << RANDOM_BITS) - 1);
                random >= u128::from(threshold)
            }
        }
    }
}

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let caller = parent.map(|context| context.span().span_context().clone());
        let caller = caller.filter(opentelemetry::trace::SpanContext::is_valid);
        let takes = self.takes(trace_id.to_bytes(), caller.as_ref().map(|caller| caller.is_sampled()));
        SamplingResult {
            decision: if takes { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: caller.map_or_else(TraceState::default, |caller| caller.trace_state().clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::TaskId;

    use super::*;

    fn sampler(name: &'static str, arg: &'static str) -> Sampler {
        let env = move |variable: &str| match variable {
            SAMPLER => Some(name.to_owned()),
            SAMPLER_ARG => Some(arg.to_owned()),
            _ => None,
        };
        Sampler::choose(&env)
    }

    /// Trace ids as tasks have them: version 7 of a UUID, one after the other.
    fn ids() -> impl Iterator<Item = [u8; 16]> {
        (0..4_000_u64).map(|number| {
            let mut random = [0; 10];
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            random[..8].copy_from_slice(&mixed.to_be_bytes());
            random[8..].copy_from_slice(&mixed.to_le_bytes()[..2]);
            *TaskId::new(1_700_000_000_000 + number, random).bytes()
        })
    }

    fn taken(sampler: Sampler, parent: Option<bool>) -> usize {
        ids().filter(|id| sampler.takes(*id, parent)).count()
    }

    #[test]
    fn all_is_taken_unless_somebody_says_otherwise() {
        let silent = Sampler::choose(&|_| None);
        assert_eq!(silent, Sampler::default());
        assert_eq!(
            (taken(silent, None), taken(silent, Some(true)), taken(silent, Some(false))),
            (4_000, 4_000, 0)
        );
        assert_eq!(sampler("nonsense", ""), Sampler::default());
        assert_eq!(taken(sampler("parentbased_always_off", ""), None), 0);
        assert_eq!(taken(sampler("parentbased_always_off", ""), Some(true)), 4_000);
        assert_eq!(taken(sampler("always_off", ""), Some(true)), 0);
        assert_eq!(taken(sampler("always_on", ""), Some(false)), 4_000);
    }

    #[test]
    fn a_share_of_tasks_is_a_share_although_their_ids_are_not_all_random() {
        for (arg, share) in [("0", 0), ("0.25", 1_000), ("0.5", 2_000), ("1", 4_000)] {
            let count = taken(sampler("parentbased_traceidratio", arg), None);
            assert!(count.abs_diff(share) < 200, "{arg}: {count}");
            assert_eq!(taken(sampler("traceidratio", arg), Some(true)), count);
        }
        assert_eq!(taken(sampler("parentbased_traceidratio", "0.5"), Some(true)), 4_000);
        for bad in ["", "2", "-1", "half"] {
            assert_eq!(taken(sampler("traceidratio", bad), None), 4_000, "{bad}");
        }
    }

    #[test]
    fn a_larger_share_takes_what_a_smaller_one_takes() {
        let (few, many) = (sampler("traceidratio", "0.1"), sampler("traceidratio", "0.6"));
        assert!(ids().all(|id| !few.takes(id, None) || many.takes(id, None)));
    }
}
