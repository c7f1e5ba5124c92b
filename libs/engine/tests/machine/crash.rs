//! Every scenario is crashed before and after every action, with a worker that dies too and one that lives on.

use std::collections::BTreeMap;

use holdfast_engine::event::Question;
use holdfast_types::Payload;
use holdfast_types::TaskOutcome;
use holdfast_types::inbox::{Decision, Message, Resolution};
use holdfast_types::plan::Quorum;
use holdfast_types::task::TaskSpec;

use crate::plans::{call, fan_out, optional, spec, step, with_fallback};
use crate::scenarios::{trip, with_faults};
use crate::sim::{Crash, Sim, WorkerFate};
use crate::world::{EVERY, Fault};

type Scenario = (&'static str, fn() -> TaskSpec, &'static [(&'static str, u32, Fault)]);

fn chain() -> TaskSpec {
    spec(vec![step("a", call("pay"), &[]), step("b", call("send"), &["a"]), step("c", call("put"), &["b"])])
}

fn wide() -> TaskSpec {
    spec(vec![
        fan_out("many", call("pay"), 8, Quorum::ByImportance, &[]),
        step("sum", call("read"), &["many"]),
    ])
}

fn degraded() -> TaskSpec {
    spec(vec![
        optional(step("weather", call("read"), &[])),
        with_fallback(step("hotel", call("pay"), &[]), "put"),
        step("end", call("set"), &["hotel", "weather"]),
    ])
}

const SCENARIOS: &[Scenario] = &[
    ("chain", chain, &[]),
    ("trip", trip, &[("charge", 1, Fault::Transient)]),
    ("trip undone", trip, &[("hotel", EVERY, Fault::Permanent)]),
    ("trip ambiguous", trip, &[("flight", 1, Fault::Ambiguous), ("charge", 1, Fault::Ambiguous)]),
    ("undo retried", trip, &[("hotel", EVERY, Fault::Permanent), ("charge~undo", 1, Fault::Ambiguous)]),
    (
        "tools gone for a while",
        trip,
        &[
            ("flight", 1, Fault::Absent),
            ("flight", 2, Fault::Absent),
            ("charge", 1, Fault::Absent),
            ("hotel", EVERY, Fault::Permanent),
            ("charge~undo", 1, Fault::Absent),
            ("charge~undo", 2, Fault::Absent),
        ],
    ),
    (
        "breakers open for a while",
        trip,
        &[
            ("flight", 1, Fault::Shut),
            ("charge", 1, Fault::Shut),
            ("charge", 2, Fault::Absent),
            ("charge", 3, Fault::Shut),
            ("hotel", EVERY, Fault::Permanent),
            ("charge~undo", 1, Fault::Shut),
            ("charge~undo", 2, Fault::Shut),
        ],
    ),
    (
        "degraded by open breakers",
        degraded,
        &[("hotel", EVERY, Fault::Shut), ("weather", EVERY, Fault::Shut)],
    ),
    ("unsettled undone", trip, &[("charge", EVERY, Fault::Ambiguous)]),
    ("shared undone", trip, &[("charge", EVERY, Fault::Shared), ("hotel", EVERY, Fault::Permanent)]),
    ("wide", wide, &[("many", 3, Fault::Transient)]),
    ("hedged", crate::hedges::slow, &[("look", 1, Fault::Slow)]),
    ("hedged, all slow", crate::hedges::slow, &[("look", EVERY, Fault::Slow)]),
    (
        "hedged, one fails",
        crate::hedges::slow,
        &[("look", 1, Fault::SlowTransient), ("look", 2, Fault::Slow)],
    ),
    ("last good", crate::last_good::twice, &[("two", EVERY, Fault::Permanent)]),
    ("degraded", degraded, &[("hotel", EVERY, Fault::Permanent), ("weather", EVERY, Fault::Semantic)]),
];

/// Runs to the end; a person who is asked looks at the world and says what happened there.
fn run_with_person(sim: &mut Sim) -> TaskOutcome {
    for _ in 0..10 {
        if let Some(outcome) = sim.run() {
            return outcome;
        }
        let question = sim.task.summary().questions.first().cloned().expect("it waits for a person");
        if let Question::SharedUndo { digest, .. } = question.question {
            let decision = Decision::Approved;
            sim.send(Message::Approve { call: question.call, digest, decision, edited_args: None });
            continue;
        }
        let happened = sim.world.count(&question.call.to_string()) > 0;
        let resolution =
            if happened { Resolution::Happened { result: Payload::null() } } else { Resolution::RunAgain };
        sim.send(Message::ResolveOutcome { call: question.call, resolution, reason: String::new() });
    }
    panic!("a person was asked ten times");
}

fn check(name: &str, sim: &Sim, outcome: TaskOutcome, expected: TaskOutcome) {
    assert_eq!(outcome, expected, "{name}: {:?}\n{:#?}", sim.kinds(), sim.task.summary());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for effect in &sim.world.effects {
        *counts.entry(effect.to_string()).or_default() += 1;
    }
    for (call, count) in &counts {
        assert_eq!(*count, 1, "{name}: {call} took effect {count} times: {:?}", sim.kinds());
    }
    if expected == TaskOutcome::Compensated {
        for call in counts.keys().filter(|call| !call.contains("~undo")) {
            assert!(counts.contains_key(&format!("{call}~undo")), "{name}: {call} stands");
        }
    }
}

#[test]
fn crashed_at_every_action_each_effect_happens_once() {
    for (name, plan, faults) in SCENARIOS {
        let mut whole = with_faults(plan(), faults);
        let expected = run_with_person(&mut whole);
        check(name, &whole, expected, expected);
        for fate in [WorkerFate::DiesToo, WorkerFate::LivesOn] {
            for at in 1..=whole.performed {
                for crash in [Crash::Before(at), Crash::After(at)] {
                    let mut sim = with_faults(plan(), faults);
                    sim.fate = fate;
                    sim.crash = crash;
                    let outcome = run_with_person(&mut sim);
                    check(&format!("{name} {fate:?} {crash:?}"), &sim, outcome, expected);
                }
            }
        }
    }
}

#[test]
fn every_input_repeated_changes_nothing() {
    for (name, plan, faults) in SCENARIOS {
        let mut once = with_faults(plan(), faults);
        let expected = run_with_person(&mut once);
        let mut twice = with_faults(plan(), faults);
        twice.stutter = true;
        let outcome = run_with_person(&mut twice);
        check(name, &twice, outcome, expected);
    }
}

#[test]
fn a_recorded_step_is_not_run_again() {
    let mut whole = with_faults(trip(), &[]);
    run_with_person(&mut whole);
    for at in 1..=whole.performed {
        let mut sim = with_faults(trip(), &[]);
        sim.crash = Crash::Before(at);
        run_with_person(&mut sim);
        let mut recorded = Vec::new();
        for row in &sim.journal {
            let body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
            match row.kind.as_str() {
                "attempt_ended" => recorded.push(body["call"].clone()),
                "attempt_started" => assert!(!recorded.contains(&body["call"]), "{at}: {}", body["call"]),
                _ => {}
            }
        }
    }
}

#[test]
fn an_unsafe_call_that_was_under_way_is_never_repeated_in_silence() {
    let mut sim = Sim::new(spec(vec![step("mail", call("send"), &[])]));
    // The only Execute is the second action: Prepare, then Execute.
    sim.crash = Crash::After(2);
    assert_eq!(sim.run(), None, "{:?}", sim.kinds());
    assert_eq!(sim.world.count("mail"), 1);
    assert_eq!(sim.task.summary().questions.len(), 1);
    assert_eq!(run_with_person(&mut sim), TaskOutcome::Succeeded);
    assert_eq!(sim.world.count("mail"), 1);
}

#[test]
fn a_worker_that_lives_on_hands_its_result_over_and_nobody_is_asked() {
    let mut sim = Sim::new(spec(vec![step("mail", call("send"), &[])]));
    sim.fate = WorkerFate::LivesOn;
    sim.crash = Crash::After(2);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("mail"), 1);
}
