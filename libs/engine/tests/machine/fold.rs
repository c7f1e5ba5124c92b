//! Folding the same journal always gives the same task; what does not fold says why.

use holdfast_engine::{CodecError, Event, FoldError, SnapshotMeter, Task};
use holdfast_types::TaskId;
use holdfast_types::plan::Template;

use crate::plans::{call, spec, step};
use crate::scenarios::{trip, with_faults};
use crate::sim::Sim;
use crate::world::Fault;

fn facts(task: &Task) -> String {
    let steps: Vec<_> = task.steps().collect();
    let calls: Vec<_> = task.calls().filter(|call| call.attempts > 0).collect();
    format!("{:#?}\n{steps:#?}\n{calls:#?}", task.summary())
}

#[test]
fn the_fold_of_a_finished_journal_is_the_task_that_wrote_it() {
    for faults in [
        &[][..],
        &[("charge", 1, Fault::Transient)],
        &[("hotel", 1, Fault::Permanent)],
        &[("flight", 1, Fault::Ambiguous), ("offers", 1, Fault::Semantic)],
    ] {
        let mut sim = with_faults(trip(), faults);
        assert!(sim.run().is_some());
        let folded = Task::fold(sim.task.id(), &sim.journal).unwrap();
        assert_eq!(facts(&folded), facts(&sim.task));
    }
}

#[test]
fn a_replayed_call_of_which_no_intent_stands_in_the_journal_folds() {
    let keyed = |name: &str, after: &[&str]| {
        let mut spec = call("pay");
        spec.key = Some(Template::Literal(serde_json::json!("order-7")));
        step(name, spec, after)
    };
    let mut sim = Sim::new(spec(vec![keyed("first", &[]), keyed("second", &["first"])]));
    assert!(sim.run().is_some());
    assert!(sim.kinds().contains(&"call_replayed"));
    let folded = Task::fold(sim.task.id(), &sim.journal).unwrap();
    assert_eq!(facts(&folded), facts(&sim.task));
}

#[test]
fn a_snapshot_at_any_event_and_what_came_after_give_the_same_task() {
    let mut sim = with_faults(trip(), &[("hotel", 1, Fault::Permanent), ("charge", 1, Fault::Ambiguous)]);
    assert!(sim.run().is_some());
    for cut in 1..=sim.journal.len() {
        let upto = Task::fold(sim.task.id(), &sim.journal[..cut]).unwrap();
        let snapshot = upto.snapshot(cut as u64).unwrap();
        let restored = Task::restore(sim.task.id(), &sim.journal[0], &snapshot, &sim.journal[cut..]).unwrap();
        assert_eq!(facts(&restored.expect("it reads")), facts(&sim.task), "cut at {cut}");
    }
}

#[test]
fn a_snapshot_of_another_version_is_passed_over() {
    let sim = Sim::new(trip());
    let mut snapshot = sim.task.snapshot(2).unwrap();
    snapshot.v += 1;
    assert!(Task::restore(sim.task.id(), &sim.journal[0], &snapshot, &[]).unwrap().is_none());
    snapshot.v -= 1;
    snapshot.body.truncate(10);
    assert!(Task::restore(sim.task.id(), &sim.journal[0], &snapshot, &[]).unwrap().is_none());
}

#[test]
fn snapshots_are_taken_at_doubling_distances() {
    let mut meter = SnapshotMeter::default();
    let (mut taken, mut state) = (0, 0);
    for _ in 0..40_000 {
        state += 1_000;
        if meter.event(1_000) {
            meter.taken(state);
            taken += 1;
        }
    }
    assert!((5..=9).contains(&taken), "{taken} snapshots of 40 MB");
}

#[test]
fn a_kind_of_a_newer_binary_is_refused_by_name() {
    let sim = Sim::new(trip());
    let mut journal = sim.journal.clone();
    journal[1].kind = "teleported".to_owned();
    let error = Task::fold(sim.task.id(), &journal).unwrap_err();
    assert!(matches!(error, FoldError::Codec(CodecError::UnknownKind { seq: 2, .. })), "{error}");
    let mut journal = sim.journal.clone();
    journal[1].v += 1;
    assert!(Task::fold(sim.task.id(), &journal).is_err());
}

#[test]
fn a_journal_begins_with_submitted() {
    let sim = Sim::new(trip());
    let error = Task::fold(TaskId::new(1, [0; 10]), &sim.journal[1..]).unwrap_err();
    assert!(matches!(error, FoldError::NoBeginning { .. }));
}

#[test]
fn every_kind_has_its_own_text() {
    let mut kinds: Vec<_> = Event::KINDS.iter().map(|(kind, _)| kind).collect();
    kinds.sort_unstable();
    let total = kinds.len();
    kinds.dedup();
    assert_eq!(kinds.len(), total);
}
