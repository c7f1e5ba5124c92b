//! Forks: results are inherited, undos are not (PROTOCOL 7).

use holdfast_engine::event::{Event, Replayed};
use holdfast_engine::fork::{ForkPoint, NoFork, inherit};
use holdfast_engine::state::StepResult;
use holdfast_engine::{Task, decode};
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::plan::{Expr, OnEnd, Quorum, Rest};
use holdfast_types::task::{ResultSource, StepStatus, TaskBody, TaskSpec};
use holdfast_types::{CallId, Payload, TaskId, TaskOutcome};
use proptest::prelude::*;

use crate::plans::{call, fan_out, group, id, optional, spec, step, with_fallback, with_value};
use crate::scenarios::{trip, with_faults};
use crate::sim::{Crash, Sim};
use crate::world::{EVERY, Fault};

fn new_id() -> TaskId {
    TaskId::new(2, [2; 10])
}

fn from(step: &str) -> ForkPoint {
    ForkPoint { at_seq: None, from_step: Some(id(step)) }
}

fn at(seq: u64) -> ForkPoint {
    ForkPoint { at_seq: Some(seq), from_step: None }
}

fn keep(mut spec: TaskSpec) -> TaskSpec {
    let TaskBody::Plan(plan) = &mut spec.body;
    plan.on_failure = OnEnd::Keep;
    spec
}

fn forked(source: &Sim, point: &ForkPoint) -> Sim {
    source.fork(new_id(), point, |_| {}).unwrap()
}

/// What `steps.ID` means, but for what an inherited step does not have: attempts, a source and times of its own.
fn meaning(task: &Task) -> Vec<String> {
    let plain = |result: StepResult| match result {
        StepResult::Items(items) => {
            let item = |item: holdfast_engine::state::ItemView| {
                format!("{} {} {:?} {:?}", item.item, item.status, item.result, item.failure)
            };
            items.into_iter().map(item).collect::<Vec<_>>().join(";")
        }
        other => format!("{other:?}"),
    };
    task.steps()
        .map(|step| format!("{} {} {} {:?}", step.id, step.status, plain(step.result), step.failure))
        .collect()
}

#[test]
fn what_was_done_is_not_done_again_and_its_undo_stays_where_it_was() {
    let mut source = Sim::new(trip());
    assert_eq!(source.run(), Some(TaskOutcome::Succeeded));
    let mut fork = forked(&source, &from("hotel"));
    assert_eq!(fork.run(), Some(TaskOutcome::Succeeded));
    for (deed, times) in [("flight", 1), ("charge", 1), ("hotel", 2)] {
        assert_eq!(fork.world.count(deed), times, "{deed}");
    }
    let flight = fork.task.step_view(&id("flight")).unwrap();
    assert_eq!((flight.status, flight.source), (StepStatus::Succeeded, Some(ResultSource::Replay)));
    let by = |name: &str| fork.task.calls().find(|call| call.call.to_string() == name).unwrap().recorded_by;
    assert_eq!(by("flight"), Some(format!("{}/flight", source.task.id())));
    assert_eq!(by("hotel"), None);
    // Only its own deed is its own to undo.
    fork.send(Message::Compensate { from: None, reason: String::new() });
    assert_eq!(fork.run(), Some(TaskOutcome::Compensated));
    assert_eq!(fork.world.count("hotel~undo"), 1);
    assert_eq!(fork.world.count("flight~undo") + fork.world.count("charge~undo"), 0);
}

#[test]
fn the_source_asks_before_it_undoes_what_a_fork_relies_on() {
    let mut source = Sim::new(trip());
    source.run();
    let fork = forked(&source, &from("hotel"));
    source.keys.clone_from(&fork.keys);
    source.send(Message::Compensate { from: None, reason: String::new() });
    assert_eq!(source.run(), None, "{:#?}", source.task.summary());
    let asked: Vec<String> =
        source.task.summary().questions.iter().map(|asked| asked.call.to_string()).collect();
    assert_eq!(asked, ["charge~undo", "flight~undo"]);
    assert_eq!(source.world.count("hotel~undo"), 1, "the fork does not rely on it");
    assert_eq!(source.world.count("charge~undo") + source.world.count("flight~undo"), 0);
}

#[test]
fn a_fork_of_a_fork_names_and_relies_on_whoever_executed() {
    let mut source = Sim::new(trip());
    source.run();
    let mut fork = forked(&source, &from("hotel"));
    fork.run();
    let point = from("hotel");
    let inherited = inherit(fork.task.id(), &fork.journal, &point).unwrap();
    let first = source.task.id();
    for event in &inherited.events {
        if let Event::CallReplayed(replayed) = event {
            assert_eq!(replayed.from, format!("{first}/{}", replayed.call));
        }
    }
    let keys: Vec<_> = inherited.relies_on.iter().map(|on| on.key.clone()).collect();
    for deed in ["charge", "flight"] {
        let call: CallId = deed.parse().unwrap();
        assert!(keys.contains(source.task.key_of(&call).unwrap()), "{deed}");
    }
    assert_eq!(keys.len(), 2, "reads have no row to rely on");
}

#[test]
fn a_fork_begins_only_where_no_call_is_open() {
    let mut source = Sim::new(trip());
    source.run();
    let intent = |name: &str| {
        let wanted: CallId = name.parse().unwrap();
        let is = |event: &Event| matches!(event, Event::AttemptStarted(started) if started.call == wanted);
        source.journal.iter().find(|row| is(&decode(row).unwrap())).unwrap().seq
    };
    let open = intent("charge");
    let refused = source.fork(new_id(), &at(open), |_| {}).err().unwrap();
    let NoFork::Open { at_seq, calls, nearest } = refused else { panic!("{refused}") };
    assert_eq!((at_seq, nearest), (open, open - 1));
    assert_eq!(calls, ["charge".parse().unwrap()]);
    // There, flight had ended and charge had not begun.
    let mut fork = forked(&source, &at(nearest));
    assert_eq!(fork.run(), Some(TaskOutcome::Succeeded));
    let counts = ["flight", "charge", "hotel"].map(|deed| fork.world.count(deed));
    assert_eq!(counts, [1, 2, 2]);
    let beyond = source.fork(new_id(), &at(10_000), |_| {}).err().unwrap();
    assert!(matches!(beyond, NoFork::BeyondEnd { .. }), "{beyond}");
    let unknown = source.fork(new_id(), &from("nowhere"), |_| {}).err().unwrap();
    assert!(matches!(unknown, NoFork::NoStep { .. }), "{unknown}");
}

#[test]
fn a_call_that_waits_for_a_person_is_open() {
    let mut source = with_faults(trip(), &[("hotel", 1, Fault::Ambiguous)]);
    assert_eq!(source.run(), None);
    let refused = source.fork(new_id(), &ForkPoint::default(), |_| {}).err().unwrap();
    assert!(
        matches!(&refused, NoFork::Open { calls, .. } if calls == &["hotel".parse().unwrap()]),
        "{refused}"
    );
    source.send(Message::ResolveOutcome {
        call: "hotel".parse().unwrap(),
        resolution: Resolution::Happened { result: Payload::null() },
        reason: String::new(),
    });
    assert_eq!(source.run(), Some(TaskOutcome::Succeeded));
    let mut fork = forked(&source, &ForkPoint::default());
    assert_eq!(fork.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(fork.world.count("hotel"), 1);
}

#[test]
fn what_the_source_has_undone_is_not_inherited() {
    let mut source = with_faults(trip(), &[("hotel", 1, Fault::Permanent)]);
    assert_eq!(source.run(), Some(TaskOutcome::Compensated));
    let refused = source.fork(new_id(), &from("hotel"), |_| {}).err().unwrap();
    let NoFork::Undone { calls, first } = refused else { panic!("{refused}") };
    assert_eq!((calls.len(), first), (2, id("flight")));
    // Not even up to where they still stood.
    let stood = source.journal.iter().rposition(|row| row.kind == "verdict_reached").unwrap() as u64;
    assert!(matches!(source.fork(new_id(), &at(stood), |_| {}).err(), Some(NoFork::Undone { .. })));
    let mut fork = forked(&source, &from("flight"));
    assert_eq!(fork.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(["flight", "charge", "hotel"].map(|deed| fork.world.count(deed)), [2, 2, 1]);
    assert_eq!(fork.world.runs, source.world.runs + 3, "the offers were not read again");
}

#[test]
fn a_task_that_kept_what_it_did_is_gone_on_with_where_it_failed() {
    let plan = keep(spec(vec![
        fan_out("mails", call("send"), 5, Quorum::ByImportance, &[]),
        step("after", call("pay"), &["mails"]),
    ]));
    let mut source = with_faults(plan, &[("mails", 2, Fault::Permanent)]);
    assert_eq!(source.run(), Some(TaskOutcome::Failed));
    let sent = source.world.effects.len();
    assert!((1..5).contains(&sent), "{sent}");
    let mut fork = forked(&source, &ForkPoint::default());
    assert_eq!(fork.run(), Some(TaskOutcome::Succeeded));
    for index in 0..5 {
        assert_eq!(fork.world.count(&format!("mails[{index}]")), 1, "{index}");
    }
    // Asked for by name it is run again as a whole.
    let mut fork = forked(&source, &from("mails"));
    assert_eq!(fork.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(fork.world.effects.len(), sent + 6);
}

#[test]
fn a_pivot_of_the_source_is_no_pivot_of_the_fork() {
    let mut source =
        Sim::new(spec(vec![step("fire", call("fire"), &[]), step("pay", call("pay"), &["fire"])]));
    assert_eq!(source.run(), Some(TaskOutcome::Succeeded));
    let mut fork = forked(&source, &from("pay"));
    fork.world.faults.insert(("pay".to_owned(), EVERY), Fault::Permanent);
    assert_eq!(fork.run(), Some(TaskOutcome::Failed), "{:#?}", fork.task.summary());
    assert_eq!(fork.world.count("fire"), 1);
}

/// Steps of every kind, which end in every way.
fn all_kinds() -> TaskSpec {
    let mut steps = vec![
        fan_out("offers", call("read"), 3, Quorum::AtLeast(2), &[]),
        optional(step("weather", call("read"), &[])),
        with_value(step("hotel", call("put"), &["offers"]), serde_json::json!("none")),
        with_fallback(step("car", call("put"), &["offers"]), "put"),
        optional(fan_out("sums", call("put"), 3, Quorum::ByImportance, &[])),
    ];
    let mut skipped = step("skipped", call("pay"), &["offers"]);
    skipped.when = Some(Expr { source: "false".to_owned(), place: None });
    steps.push(skipped);
    let members = ["one", "two", "three"].map(|name| step(name, call("put"), &[])).to_vec();
    steps.extend(group("race", members, Quorum::AtLeast(1), Rest::Cancel));
    let members = ["left", "right"].map(|name| optional(step(name, call("put"), &[]))).to_vec();
    steps.extend(group("both", members, Quorum::AtLeast(1), Rest::Wait));
    let before = ["weather", "hotel", "car", "sums", "skipped", "race", "both"];
    steps.push(step("end", call("pay"), &before));
    keep(spec(steps))
}

const STEPS: [&str; 10] =
    ["offers", "weather", "hotel", "car", "sums", "one", "two", "three", "left", "right"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happened to the source: its steps mean the same in the fork, and nothing of them is done again.
    #[test]
    fn an_inherited_step_means_what_it_meant(
        faults in proptest::collection::vec((0..STEPS.len(), 1..4_u32, 0..3_usize), 0..8),
        crash in 0..60_u32,
    ) {
        let mut source = Sim::new(all_kinds());
        for (step, nth, fault) in faults {
            let fault = [Fault::Permanent, Fault::Transient, Fault::Semantic][fault];
            source.world.faults.insert((STEPS[step].to_owned(), nth), fault);
        }
        source.crash = Crash::After(crash);
        let outcome = source.run();
        prop_assert!(outcome.is_some());
        let succeeded = !matches!(outcome, Some(TaskOutcome::Failed));
        let point = if succeeded { from("end") } else { ForkPoint::default() };
        let fork = forked(&source, &point);
        for (there, here) in source.task.steps().zip(fork.task.steps()) {
            if here.status.is_ended() && succeeded {
                prop_assert_eq!(there.status, here.status);
            }
        }
        if succeeded {
            // As a reader of its journal has it: what was called off before its first event stands in none.
            let source = Task::fold(source.task.id(), &source.journal).unwrap();
            let but_end = |task: &Task| {
                meaning(task).into_iter().filter(|line| !line.starts_with("end ")).collect::<Vec<_>>()
            };
            prop_assert_eq!(but_end(&source), but_end(&fork.task));
        }
        // The fold of what was written is the task that was driven, also through a snapshot.
        let folded = Task::fold(fork.task.id(), &fork.journal).unwrap();
        prop_assert_eq!(folded.summary(), fork.task.summary());
        let mut fork = fork;
        let before = fork.world.effects.clone();
        fork.world.faults.clear();
        let ended = fork.run();
        prop_assert!(matches!(ended, Some(TaskOutcome::Succeeded | TaskOutcome::Degraded)), "{:?}", ended);
        for call in before {
            let kept = source.task.calls().any(|view| view.call == call && view.status == StepStatus::Succeeded);
            let again = fork.world.count(&call.to_string());
            let inherited = fork.task.calls().any(|view| view.call == call && view.recorded_by.is_some());
            if kept && inherited {
                prop_assert_eq!(again, 1, "{} again", call);
            }
        }
        let last = fork.journal.last().unwrap().seq;
        let snapshot = folded_prefix(&fork).snapshot(last).unwrap();
        let restored = Task::restore(fork.task.id(), &fork.journal[0], &snapshot, &[]).unwrap().unwrap();
        prop_assert_eq!(restored.summary(), fork.task.summary());
    }
}

fn folded_prefix(fork: &Sim) -> Task {
    Task::fold(fork.task.id(), &fork.journal).unwrap()
}

#[test]
fn a_long_fan_out_is_inherited_in_as_many_events_as_it_has_items() {
    let n = 2_000;
    let mut source = Sim::new(spec(vec![
        fan_out("mails", call("put"), n, Quorum::ByImportance, &[]),
        step("end", call("pay"), &["mails"]),
    ]));
    assert_eq!(source.run(), Some(TaskOutcome::Succeeded));
    let inherited = inherit(source.task.id(), &source.journal, &from("end")).unwrap();
    assert_eq!(inherited.events.len(), n + 1);
    assert_eq!(inherited.relies_on.len(), n);
    let results = inherited.events.iter().filter(|event| {
        matches!(event, Event::CallReplayed(replayed) if matches!(replayed.outcome, Replayed::Result(_)))
    });
    assert_eq!(results.count(), n);
}
