//! What plans mean: retries, fallbacks, importance, quorum, conditions, undos.

use std::time::Duration;

use holdfast_engine::{Action, Input};
use holdfast_types::plan::{Expr, OnEnd, Quorum, Rest, StepKind, Template, Undo};
use holdfast_types::retry::Jitter;
use holdfast_types::task::{ResultSource, StepStatus, TaskBody, TaskSpec};
use holdfast_types::{Class, Reason, TaskOutcome};
use serde_json::json;

use crate::plans::{START, call, fan_out, group, id, optional, spec, step, with_fallback, with_value};
use crate::sim::Sim;
use crate::world::{EVERY, Fault};

pub fn trip() -> TaskSpec {
    spec(vec![
        fan_out("offers", call("read"), 3, Quorum::AtLeast(2), &[]),
        step("flight", call("pay"), &["offers"]),
        step("charge", call("put"), &["flight"]),
        step("hotel", call("send"), &["charge"]),
    ])
}

pub fn with_faults(spec: TaskSpec, faults: &[(&str, u32, Fault)]) -> Sim {
    let mut sim = Sim::new(spec);
    for (step, nth, fault) in faults {
        sim.world.faults.insert(((*step).to_owned(), *nth), *fault);
    }
    sim
}

#[test]
fn a_chain_ends_well_with_one_append_of_two_events_a_step() {
    let mut sim = Sim::new(spec(vec![
        step("a", call("pay"), &[]),
        step("b", call("pay"), &["a"]),
        step("c", call("pay"), &["b"]),
    ]));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    let per_step = ["attempt_started", "attempt_ended"];
    let expected: Vec<&str> =
        ["submitted", "life_started"].into_iter().chain([per_step; 3].concat()).chain(["finished"]).collect();
    assert_eq!(sim.kinds(), expected);
}

#[test]
fn a_failure_in_passing_is_tried_again_and_told() {
    let mut sim = with_faults(trip(), &[("charge", 1, Fault::Transient), ("charge", 2, Fault::Transient)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("charge"), 1);
    assert_eq!(sim.task.summary().report.retries, 2);
    assert_eq!(sim.task.step_view(&id("charge")).unwrap().attempts, 3);
}

#[test]
fn a_permanent_failure_is_not_retried_once_and_undos_run_in_reverse_order() {
    let mut sim = with_faults(trip(), &[("hotel", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    let effects: Vec<String> = sim.world.effects.iter().map(ToString::to_string).collect();
    assert_eq!(effects, ["flight", "charge", "charge~undo", "flight~undo"]);
    let report = sim.task.summary().report;
    assert_eq!(report.undone.iter().map(ToString::to_string).collect::<Vec<_>>(), ["charge", "flight"]);
    assert!(report.stands.is_empty());
}

#[test]
fn an_undo_that_fails_for_good_is_listed_and_the_others_still_run() {
    let mut sim =
        with_faults(trip(), &[("hotel", 1, Fault::Permanent), ("charge~undo", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let report = sim.task.summary().report;
    assert_eq!(report.stands.len(), 1);
    assert_eq!(report.stands[0].call.to_string(), "charge");
    assert_eq!(sim.world.count("flight~undo"), 1);
}

#[test]
fn keep_leaves_what_was_done() {
    let mut trip = trip();
    let TaskBody::Plan(plan) = &mut trip.body;
    plan.on_failure = OnEnd::Keep;
    let mut sim = with_faults(trip, &[("hotel", 1, Fault::Semantic)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    assert_eq!(sim.world.effects.len(), 2);
    assert_eq!(sim.task.summary().report.stands.len(), 2);
}

#[test]
fn an_optional_failure_is_noted_and_its_dependents_go_on() {
    let mut sim = with_faults(
        spec(vec![optional(step("weather", call("read"), &[])), step("pay", call("pay"), &["weather"])]),
        &[("weather", 1, Fault::Semantic)],
    );
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.summary().report.missing[0].step, id("weather"));
    assert_eq!(sim.world.count("pay"), 1);
}

#[test]
fn a_fallback_stands_in_only_where_the_call_is_proven_not_to_have_run() {
    let plan = || spec(vec![with_value(with_fallback(step("hotel", call("send"), &[]), "put"), json!(null))]);
    let mut sim = with_faults(plan(), &[("hotel", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("hotel")).unwrap().source, Some(ResultSource::Fallback));
    let mut sim =
        with_faults(plan(), &[("hotel", 1, Fault::Permanent), ("hotel~fallback0", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("hotel")).unwrap().source, Some(ResultSource::Value));
    // UNSAFE and UNKNOWN: no second room is booked, a person is asked (PROTOCOL 2).
    let mut sim = with_faults(plan(), &[("hotel", 1, Fault::Ambiguous)]);
    assert_eq!(sim.run(), None);
    assert_eq!(sim.world.effects.len(), 1);
    assert_eq!(sim.task.step_view(&id("hotel")).unwrap().status, StepStatus::Unknown);
}

#[test]
fn a_verifiable_call_whose_outcome_is_unknown_is_probed_and_not_repeated() {
    let mut sim = with_faults(trip(), &[("flight", 1, Fault::Ambiguous)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("flight"), 1);
    assert!(sim.kinds().contains(&"probed"));
}

#[test]
fn an_idempotent_call_whose_outcome_is_unknown_is_repeated_under_its_key() {
    let mut sim = with_faults(trip(), &[("charge", 1, Fault::Ambiguous)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("charge"), 1);
}

#[test]
fn a_fan_out_reaches_its_quorum_or_fails_at_once() {
    let mut sim = with_faults(trip(), &[("offers", 2, Fault::Semantic)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    let mut sim = with_faults(trip(), &[("offers", 1, Fault::Semantic), ("offers", 2, Fault::Semantic)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    assert!(sim.world.effects.is_empty());
}

#[test]
fn what_failed_wholly_tells_its_most_telling_failure() {
    let faults = [Fault::Semantic, Fault::Permanent, Fault::Semantic];
    let faults: Vec<_> = (1..).zip(faults).map(|(nth, fault)| ("offers", nth, fault)).collect();
    let plan = spec(vec![fan_out("offers", call("read"), 3, Quorum::AtLeast(1), &[])]);
    let mut sim = with_faults(plan, &faults);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    let failure = sim.task.step_view(&id("offers")).unwrap().failure.unwrap();
    assert_eq!(failure.class, Class::Permanent, "{failure:?}");
    let members =
        || vec![step("a", call("read"), &[]), step("b", call("read"), &[]), step("c", call("read"), &[])];
    let plan = spec(group("quotes", members(), Quorum::AtLeast(1), Rest::Wait));
    let faults = [("a", 1, Fault::Semantic), ("b", 1, Fault::Permanent), ("c", 1, Fault::Semantic)];
    let mut sim = with_faults(plan, &faults);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    let failure = sim.task.step_view(&id("quotes")).unwrap().failure.unwrap();
    assert_eq!(failure.class, Class::Permanent, "{failure:?}");
}

#[test]
fn an_empty_fan_out_succeeds() {
    let mut sim = Sim::new(spec(vec![
        fan_out("none", call("pay"), 0, Quorum::ByImportance, &[]),
        step("after", call("pay"), &["none"]),
    ]));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.task.step_view(&id("none")).unwrap().status, StepStatus::Succeeded);
}

#[test]
fn a_group_counts_its_members() {
    let members =
        || vec![step("a", call("read"), &[]), step("b", call("read"), &[]), step("c", call("read"), &[])];
    let plan = |quorum, rest| spec(group("quotes", members(), quorum, rest));
    let mut sim = with_faults(plan(Quorum::AtLeast(2), Rest::Wait), &[("b", 1, Fault::Semantic)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    let mut sim = with_faults(plan(Quorum::AtLeast(1), Rest::Cancel), &[]);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    let statuses: Vec<_> = ["a", "b", "c"].map(|name| sim.task.step_view(&id(name)).unwrap().status).to_vec();
    assert_eq!(statuses[0], StepStatus::Succeeded);
    assert!(statuses[1..].iter().all(|status| *status != StepStatus::Pending), "{statuses:?}");
    let mut sim = with_faults(
        plan(Quorum::AtLeast(2), Rest::Wait),
        &[("a", 1, Fault::Semantic), ("b", 1, Fault::Semantic)],
    );
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
}

#[test]
fn a_false_condition_skips_and_satisfies_dependents() {
    let mut skipped = step("maybe", call("pay"), &[]);
    skipped.when = Some(Expr { source: "false".to_owned(), place: None });
    let mut sim = Sim::new(spec(vec![skipped, step("after", call("pay"), &["maybe"])]));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("maybe"), 0);
    assert_eq!(sim.world.count("after"), 1);
}

fn hurried() -> TaskSpec {
    let mut plan = spec(vec![step("slow", call("put"), &[])]);
    let TaskBody::Plan(body) = &mut plan.body;
    body.steps[0].timeout = Some(Duration::from_secs(1));
    plan
}

#[test]
fn a_step_whose_time_is_over_fails_with_its_own_reason_and_calls_its_work_off() {
    let mut sim = with_faults(hurried(), &[("slow", 1, Fault::Transient)]);
    sim.perform_next(); // its Prepare: the attempt is intended now
    sim.now = sim.now.after(Duration::from_secs(2));
    sim.feed(Input::Tick);
    assert!(sim.pending().iter().any(|action| matches!(action, Action::Cancel { .. })));
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    assert_eq!(sim.task.summary().failure.unwrap().reason, Reason::StepTimeout);
}

#[test]
fn a_result_that_comes_after_the_step_s_time_is_not_thrown_away() {
    let mut sim = Sim::new(hurried());
    sim.perform_next();
    sim.now = sim.now.after(Duration::from_secs(2));
    sim.feed(Input::Tick);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("slow"), 1);
}

#[test]
fn a_retry_that_does_not_fit_into_the_step_s_time_is_not_waited_for() {
    let mut plan = hurried();
    let TaskBody::Plan(body) = &mut plan.body;
    let StepKind::Call(slow) = &mut body.steps[0].kind else { panic!("a call") };
    slow.retry.base = Some(Duration::from_secs(10));
    slow.retry.jitter = Some(Jitter::None);
    let mut sim = with_faults(plan, &[("slow", EVERY, Fault::Transient)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    assert_eq!(sim.world.runs, 1);
    assert!(sim.now < START.after(Duration::from_secs(1)));
}

#[test]
fn attempts_are_bounded_by_the_policy() {
    let mut sim = with_faults(trip(), &[("charge", EVERY, Fault::Transient)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(sim.task.step_view(&id("charge")).unwrap().attempts, 4);
}

#[test]
fn the_same_business_key_is_executed_once_and_a_repeat_is_answered_from_it() {
    let keyed = |name: &str, after: &[&str]| {
        let mut spec = call("pay");
        spec.key = Some(Template::Literal(json!("order-7")));
        step(name, spec, after)
    };
    let mut sim = Sim::new(spec(vec![keyed("first", &[]), keyed("second", &["first"])]));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.effects.len(), 1);
    assert_eq!(sim.task.step_view(&id("second")).unwrap().source, Some(ResultSource::Replay));
    assert_eq!(sim.task.summary().report.replays, 1);
}

#[test]
fn two_calls_with_one_key_at_once_wait_for_each_other() {
    let mut pay = call("pay");
    pay.key = Some(Template::Literal(json!("order-7")));
    let mut sim = Sim::new(spec(vec![step("a", pay.clone(), &[]), step("b", pay, &[])]));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.effects.len(), 1);
}

#[test]
fn the_same_key_with_other_arguments_is_an_error() {
    let keyed = |name: &str, args: serde_json::Value, after: &[&str]| {
        let mut spec = call("pay");
        spec.key = Some(Template::Literal(json!("order-7")));
        spec.args = Template::Literal(args);
        step(name, spec, after)
    };
    let mut sim = Sim::new(spec(vec![
        keyed("first", json!({"cents": 1}), &[]),
        optional(keyed("second", json!({"cents": 2}), &["first"])),
    ]));
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("second")).unwrap().failure.unwrap().reason, Reason::KeyMismatch);
}

#[test]
fn a_replayed_result_registers_no_undo() {
    let keyed = |name: &str, after: &[&str]| {
        let mut spec = call("pay");
        spec.key = Some(Template::Literal(json!("order-7")));
        step(name, spec, after)
    };
    let mut sim = with_faults(
        spec(vec![keyed("first", &[]), keyed("second", &["first"]), step("last", call("send"), &["second"])]),
        &[("last", 1, Fault::Permanent)],
    );
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(sim.world.count("first~undo"), 1);
    assert_eq!(sim.world.count("second~undo"), 0);
}

#[test]
fn an_undo_that_is_stated_away_is_not_run() {
    let mut plan = trip();
    let TaskBody::Plan(body) = &mut plan.body;
    let StepKind::Call(charge) = &mut body.steps[2].kind else { panic!("a call") };
    charge.undo = Undo::None;
    let mut sim = with_faults(plan, &[("hotel", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(sim.world.count("charge~undo"), 0);
    assert_eq!(sim.task.summary().report.stands[0].call.to_string(), "charge");
}

#[test]
fn after_a_pivot_nothing_is_undone_and_a_person_decides() {
    let mut sim = with_faults(
        spec(vec![
            step("pay", call("pay"), &[]),
            step("launch", call("fire"), &["pay"]),
            step("after", call("send"), &["launch"]),
        ]),
        &[("after", 1, Fault::Permanent)],
    );
    assert_eq!(sim.run(), None);
    assert_eq!(sim.task.summary().questions.len(), 1);
    assert_eq!(sim.world.count("pay~undo"), 0);
}
