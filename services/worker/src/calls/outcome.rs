//! What the end of a tool's work means: the outcome axis beside the class (PROTOCOL 2).

use holdfast_tool::{Answer, ToolFailure};
use holdfast_types::manifest::ErrorRule;
use holdfast_types::{Class, Effect, Failure, Reason, SideEffect};

use super::attempt::Attempt;
use super::stop::Cause;

/// How the work of an attempt ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The tool returned.
    Returned(Result<Answer, ToolFailure>),
    /// The tool panicked.
    Panicked,
    /// It was dropped, because it did not stop by itself.
    Aborted,
}

/// Turns the end of a tool's work into what the driver is told, by how far the attempt was.
///
/// A tool's own word on its effect is believed, and so is a result that came although the attempt was stopped. What
/// is left open is judged: before the gate nothing happened, behind it nobody knows.
pub(crate) fn judge(ended: Ended, attempt: &Attempt, errors: &[ErrorRule]) -> Result<Answer, Failure> {
    let class = attempt.facts.class;
    let by_standing = if class != SideEffect::ReadOnly && attempt.may_have_begun() {
        Effect::Unknown
    } else {
        Effect::NotExecuted
    };
    let (failure, rule) = match ended {
        Ended::Returned(Ok(answer)) => return Ok(answer),
        Ended::Returned(Err(failure)) => {
            let rule = rule_for(&failure, errors);
            (failure, rule)
        }
        Ended::Panicked => {
            // The panic's text may hold anything, a secret included: it stays in the worker's log.
            (ToolFailure::new(Class::Crashed, Reason::ToolPanicked, "the tool panicked"), None)
        }
        Ended::Aborted => (ToolFailure::new(Class::Cancelled, Reason::CancelledByCaller, "aborted"), None),
    };
    let stated = rule.map(|rule| rule.effect).or(failure.effect);
    let effect = match class {
        SideEffect::ReadOnly => Effect::NotExecuted,
        _ => stated.unwrap_or(by_standing),
    };
    if let Some((cause, when)) = attempt.stopped() {
        // A tool that was stopped fails in whatever way; why it was stopped is the better answer.
        let effect = stated.unwrap_or_else(|| Cause::effect(class, when));
        let effect = if class == SideEffect::ReadOnly { Effect::NotExecuted } else { effect };
        return Err(cause.failure(class, effect));
    }
    let who = rule.map_or(failure.class, |rule| rule.class);
    Err(Failure {
        class: unless_ambiguous(who, class, effect),
        effect,
        reason: failure.reason,
        message: failure.message,
        retry_after: failure.retry_after,
        retry_hint: failure.retry_hint,
        attempts: 0,
        elapsed: std::time::Duration::ZERO,
        source: holdfast_types::Source::Tool,
        details: failure.details,
    })
}

/// Finds the rule of the manifest that knows the failure. A failure without a code whose effect the tool has stated is
/// settled already, perhaps by these very rules: its text is not judged once more.
fn rule_for<'a>(failure: &ToolFailure, errors: &'a [ErrorRule]) -> Option<&'a ErrorRule> {
    let code = failure.code.as_deref();
    let open = code.is_some() || failure.effect.is_none();
    errors.iter().filter(|_| open).find(|rule| rule.fits(code, &failure.message))
}

/// Says who acts: nobody but a probe or a person, where a call that must not be repeated may have happened.
const fn unless_ambiguous(who: Class, class: SideEffect, effect: Effect) -> Class {
    match effect {
        Effect::Unknown if !class.is_repeatable() => Class::Ambiguous,
        _ => who,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_types::Pattern;

    use super::*;

    #[test]
    fn a_pattern_judges_only_what_the_tool_left_open() {
        let pattern = Pattern::try_new("*too many connections*").unwrap();
        let rules = [
            ErrorRule::by_code("1040", Class::RateLimited, Effect::NotExecuted),
            ErrorRule::by_message(pattern, Class::Transient, Effect::NotExecuted),
        ];
        let class = |failure: ToolFailure| rule_for(&failure, &rules).map(|rule| rule.class);
        let busy = || ToolFailure::permanent("HY000: Too many connections");
        assert_eq!(class(busy()), Some(Class::Transient));
        assert_eq!(class(busy().code("1040")), Some(Class::RateLimited), "the first that fits wins");
        assert_eq!(class(busy().unknown()), None, "the tool has said what happened");
        assert_eq!(class(ToolFailure::permanent("gone")), None);
    }
}
