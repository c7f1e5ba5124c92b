//! The plan whose steps are counted.

use std::fmt::Write as _;

/// How many steps the chain has.
pub(crate) const STEPS: usize = 15;

/// Faults of the trip worker: the example's own, and answers of the chain that come some time after their effect, so
/// that a blow meets a task in the middle of its work.
pub(crate) const FAULTS: [&str; 2] = ["charge_card:1=transient", "chain_step:*=late=400ms"];

/// Steps one after the other, each with an effect that must not be repeated.
pub(crate) fn chain() -> String {
    let mut plan = "holdfast: v1\nname: chain\nsteps:\n".to_owned();
    for step in 0..STEPS {
        let echo = match step {
            0 => "0".to_owned(),
            _ => format!("${{steps.s{}.result.index}}", step - 1),
        };
        let _ = writeln!(plan, "  - id: s{step}");
        let _ = writeln!(plan, "    tool: chain_step");
        let _ = writeln!(plan, "    args: {{ index: {step}, bytes: 100, echo: \"{echo}\" }}");
    }
    plan
}
