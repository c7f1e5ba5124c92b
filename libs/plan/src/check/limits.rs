//! Bounds, and what a step's parts ask of each other.

use holdfast_types::Plan;
use holdfast_types::plan::{CallSpec, Fallback, Importance, Items, Quorum, Step, StepKind, Template, Undo};

use super::Index;
use crate::site::Site;

/// The most steps of a plan, members of groups included.
pub const MAX_STEPS: usize = 10_000;

/// The longest name of a plan, in bytes.
const MAX_NAME: usize = 200;

/// The longest list of a fan-out.
pub const MAX_FAN_OUT: usize = 100_000;

pub(super) fn check(plan: &Plan, ids: &Index, site: &mut Site<'_>) {
    if plan.name.trim().is_empty() || plan.name.len() > MAX_NAME {
        site.report("/name", format!("a plan's name has 1 to {MAX_NAME} bytes"));
    }
    match plan.steps.len() {
        0 if site.is_clean() => site.report("/steps", "a plan has steps"),
        count if count > MAX_STEPS => {
            site.report("/steps", format!("a plan has at most {MAX_STEPS} steps, this one has {count}"));
        }
        _ => {}
    }
    for (index, step) in plan.steps.iter().enumerate() {
        match &step.kind {
            StepKind::Call(call) => check_call(index, step, call, site),
            StepKind::FanOut(fan_out) => {
                check_call(index, step, &fan_out.call, site);
                if fan_out.concurrency == Some(0) {
                    site.report(&site.step(index, "/concurrency"), "at least one item runs at once");
                }
                if let Items::Literal(items) = &fan_out.items {
                    let count = items.len();
                    if count > MAX_FAN_OUT {
                        let message =
                            format!("a list has at most {MAX_FAN_OUT} elements, this one has {count}");
                        site.report(&site.step(index, "/for_each"), message);
                    }
                    check_quorum(index, fan_out.quorum, count, "items", site);
                }
            }
            StepKind::Group(group) => {
                check_quorum(index, group.quorum, group.members.len(), "members", site);
                for member in &group.members {
                    let is_mutual =
                        ids.step(plan, member).is_some_and(|member| member.group.as_ref() == Some(&step.id));
                    if !is_mutual && site.is_clean() {
                        let message = format!("'{member}' is no step that names this group as its own");
                        site.report(&site.step(index, "/group"), message);
                    }
                }
                if step.group.is_some() {
                    site.report(&site.step(index, "/group"), "a group can't be a member of a group");
                }
            }
        }
    }
}

fn check_call(index: usize, step: &Step, call: &CallSpec, site: &mut Site<'_>) {
    if step.importance == Importance::Degradable && call.fallback.is_empty() && site.is_clean() {
        site.report(&site.step(index, "/importance"), "a DEGRADABLE step has a 'fallback'");
    }
    if call.retry.max_attempts == Some(0) {
        site.report(&site.step(index, "/retry/max_attempts"), "at least one attempt is made");
    }
    let mut args = vec![("/args".to_owned(), &call.args)];
    for (position, fallback) in call.fallback.iter().enumerate() {
        if let Fallback::Tool { args: with, .. } = fallback {
            args.push((format!("/fallback/{position}/args"), with));
        }
    }
    if let Undo::Tool { args: with, .. } = &call.undo {
        args.push(("/undo/args".to_owned(), with));
    }
    for (part, args) in args {
        check_object(index, &part, args, site);
    }
}

/// Arguments of a document are maps by its schema; those of a plan that came otherwise may be anything.
fn check_object(index: usize, part: &str, args: &Template, site: &mut Site<'_>) {
    if !args.value().is_object() {
        site.report(&site.step(index, part), "arguments are a map");
    }
}

fn check_quorum(index: usize, quorum: Quorum, total: usize, what: &str, site: &mut Site<'_>) {
    let message = match quorum {
        Quorum::AtLeast(count) if usize::try_from(count).unwrap_or(usize::MAX) > total => {
            format!("{count} of {total} {what} can't succeed")
        }
        Quorum::Percent(percent) if percent > 100 => format!("{percent}% of the {what} can't succeed"),
        _ => return,
    };
    site.report(&site.step(index, "/min_successes"), message);
}
