//! The last good result of the same tool and arguments stands in, with the instant at which it was recorded.

use std::time::Duration;

use holdfast_engine::{Action, Event, Input};
use holdfast_types::plan::{StepKind, Template};
use holdfast_types::task::{ResultSource, StepStatus, TaskSpec};
use holdfast_types::{Class, Effect, Failure, Payload, Reason, TaskOutcome};
use serde_json::json;

use crate::plans::{call, id, spec, step, with_last_good, with_value};
use crate::scenarios::with_faults;
use crate::sim::Sim;
use crate::world::Fault;

const MINUTE: Duration = Duration::from_secs(60);

/// `one` records a result under the tool and arguments with which `two` fails.
pub fn twice() -> TaskSpec {
    spec(vec![
        with_last_good(step("one", call("read"), &[]), MINUTE),
        with_value(with_last_good(step("two", call("read"), &["one"]), MINUTE), json!("by hand")),
    ])
}

fn stood_in(sim: &Sim) -> Option<holdfast_engine::event::StoodIn> {
    sim.journal.iter().find_map(|row| match holdfast_engine::decode(row).unwrap() {
        Event::StoodIn(stood) => Some(stood),
        _ => None,
    })
}

#[test]
fn the_newest_result_of_the_same_tool_and_arguments_stands_in_and_says_when_it_was_recorded() {
    let mut sim = with_faults(twice(), &[("two", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    let view = sim.task.step_view(&id("two")).unwrap();
    assert_eq!((view.status, view.source), (StepStatus::Degraded, Some(ResultSource::LastGood)));
    let recorded = stood_in(&sim).unwrap().recorded.unwrap();
    assert_eq!((recorded.task, recorded.call.to_string()), (sim.task.id(), "one".to_owned()));
    assert_eq!(view.recorded_at, Some(recorded.at));
    let one = sim.task.step_view(&id("one")).unwrap();
    assert_eq!((one.recorded_at, one.ended_at), (None, Some(recorded.at)));
    let folded = holdfast_engine::Task::fold(sim.task.id(), &sim.journal).unwrap();
    assert_eq!(folded.step_view(&id("two")), Some(view));
}

#[test]
fn a_result_that_is_too_old_is_passed_over_for_the_next_fallback() {
    let mut sim = with_faults(twice(), &[("two", 1, Fault::Permanent)]);
    while !sim.pending().iter().any(|action| matches!(action, Action::LastGood(_))) {
        sim.perform_next();
    }
    sim.now = sim.now.after(MINUTE);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("two")).unwrap().source, Some(ResultSource::Value));
}

#[test]
fn other_arguments_have_a_last_good_result_of_their_own() {
    let mut other = call("read");
    other.args = Template::Literal(json!({"of": "something else"}));
    let mut sim = with_faults(
        spec(vec![
            with_last_good(step("one", call("read"), &[]), MINUTE),
            with_last_good(step("two", other, &["one"]), MINUTE),
        ]),
        &[("two", 1, Fault::Permanent)],
    );
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    let failure = sim.task.step_view(&id("two")).unwrap().failure.unwrap();
    assert_eq!((failure.class, failure.reason), (Class::Unavailable, Reason::NotFound));
}

#[test]
fn it_stands_in_for_a_call_of_which_no_attempt_came_about() {
    let mut sim = Sim::new(twice());
    while sim.pending().iter().all(|action| !matches!(action, Action::Prepare(p) if p.call.step == id("two")))
    {
        sim.perform_next();
    }
    let gone = Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::ToolGone, "no live worker");
    let is_wanted = |action: Action| match action {
        Action::Prepare(prepare) => Some(prepare.call),
        _ => None,
    };
    let call = sim.pending().into_iter().find_map(is_wanted).unwrap();
    sim.feed(Input::PrepareFailed { call, failure: gone });
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("two")).unwrap().source, Some(ResultSource::LastGood));
}

#[test]
fn only_steps_with_such_a_fallback_record_results_and_only_of_reads() {
    let mut sim = Sim::new(spec(vec![step("plain", call("read"), &[])]));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert!(sim.last_good.is_empty());
    // Validation refuses this plan where it knows the class; a rule over arguments may give it only now.
    let plan = || spec(vec![with_last_good(step("mail", call("send"), &[]), MINUTE)]);
    let mut sim = Sim::new(plan());
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert!(sim.last_good.is_empty());
    let mut sim = with_faults(plan(), &[("mail", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    assert!(stood_in(&sim).is_none());
    // UNKNOWN: nothing stands in before it is settled.
    let mut sim = with_faults(plan(), &[("mail", 1, Fault::Ambiguous)]);
    assert_eq!(sim.run(), None);
    assert_eq!(sim.task.step_view(&id("mail")).unwrap().status, StepStatus::Unknown);
}

#[test]
fn a_result_of_a_fallback_is_nobodys_last_good() {
    let mut plan = with_last_good(step("one", call("read"), &[]), MINUTE);
    let StepKind::Call(one) = &mut plan.kind else { panic!("a call") };
    one.fallback.insert(
        0,
        holdfast_types::plan::Fallback::Tool {
            tool: crate::plans::tool("read"),
            args: Template::Literal(json!({})),
        },
    );
    let mut sim = with_faults(spec(vec![plan]), &[("one", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert!(sim.last_good.is_empty());
}

#[test]
fn a_journal_from_before_it_was_said_where_a_result_was_recorded_reads() {
    let body = r#"{"call":"one~fallback0","source":"VALUE","result":{"json":1}}"#;
    let stood: Result<holdfast_engine::event::StoodIn, _> = serde_json::from_str(
        &body.replace(r#"{"json":1}"#, &serde_json::to_string(&Payload::Json(json!(1))).unwrap()),
    );
    assert_eq!(stood.unwrap().recorded, None);
}
