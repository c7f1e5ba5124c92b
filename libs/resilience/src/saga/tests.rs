#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn step(number: usize) -> StepId {
    StepId::try_new(&format!("s{number}")).unwrap()
}

fn deed(number: usize, standing: Standing) -> Deed {
    Deed {
        call: CallId::forward(step(number), None),
        standing,
        progress: Progress::Waiting,
        reversibility: Reversibility::Reversible,
    }
}

fn completed(number: usize, outcome: u64) -> Deed {
    deed(number, Standing::Completed { outcome })
}

fn unsettled(number: usize, intent: u64) -> Deed {
    deed(number, Standing::Unsettled { intent })
}

fn pivot(deed: Deed) -> Deed {
    Deed { reversibility: Reversibility::Irreversible, ..deed }
}

fn chain(length: usize) -> Dependencies {
    (1..length).map(|number| (step(number), BTreeSet::from([step(number - 1)]))).collect()
}

fn started(deeds: &[Deed], dependencies: &Dependencies) -> Vec<String> {
    match next(deeds, dependencies) {
        Next::Start(calls) => calls.into_iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// Ends one undo after the other, always the first that may start, and returns their order.
fn one_by_one(mut deeds: Vec<Deed>, dependencies: &Dependencies) -> Vec<String> {
    let mut order = Vec::new();
    loop {
        let first = match next(&deeds, dependencies) {
            Next::Start(calls) => calls[0].clone(),
            Next::Done => return order,
            other => panic!("{other:?}"),
        };
        order.push(first.to_string());
        deeds.iter_mut().find(|deed| deed.call == first).unwrap().progress = Progress::Ended;
    }
}

#[test]
fn a_chain_is_undone_backwards_one_at_a_time() {
    let deeds = vec![completed(0, 10), completed(1, 20), completed(2, 30)];
    assert_eq!(started(&deeds, &chain(3)), ["s2"]);
    assert_eq!(one_by_one(deeds, &chain(3)), ["s2", "s1", "s0"]);
}

#[test]
fn what_nothing_orders_runs_at_once_latest_first() {
    let both = Dependencies::from([(step(2), BTreeSet::from([step(0), step(1)]))]);
    let mut deeds = vec![completed(0, 10), completed(1, 20), completed(2, 30)];
    assert_eq!(started(&deeds, &both), ["s2"]);
    deeds[2].progress = Progress::Running;
    assert_eq!(next(&deeds, &both), Next::Wait);
    deeds[2].progress = Progress::Ended;
    assert_eq!(started(&deeds, &both), ["s1", "s0"]);
}

#[test]
fn a_step_without_a_deed_still_orders_its_neighbours() {
    let deeds = [completed(0, 10), completed(2, 30)];
    assert_eq!(started(&deeds, &chain(3)), ["s2"]);
}

#[test]
fn unsettled_calls_come_first_by_order_of_intent() {
    let deeds = [completed(0, 40), unsettled(1, 7), completed(2, 50), unsettled(3, 3)];
    assert_eq!(started(&deeds, &Dependencies::new()), ["s3", "s1", "s2", "s0"]);
}

#[test]
fn a_pivot_that_happened_stops_everything() {
    let deeds = [completed(0, 10), pivot(completed(1, 20)), unsettled(2, 25)];
    assert_eq!(next(&deeds, &chain(3)), Next::Pivot(&deeds[1].call));
}

#[test]
fn an_unsettled_pivot_is_settled_before_anything_is_undone() {
    let mut deeds = vec![completed(0, 10), unsettled(2, 15), pivot(unsettled(1, 20))];
    assert_eq!(started(&deeds, &Dependencies::new()), ["s1"]);
    deeds[2].progress = Progress::Running;
    assert_eq!(next(&deeds, &Dependencies::new()), Next::Wait);
    deeds[2].progress = Progress::Ended;
    assert_eq!(started(&deeds, &Dependencies::new()), ["s2", "s0"]);
}

#[test]
fn items_of_one_fan_out_are_undone_at_once() {
    let item = |index| Deed { call: CallId::forward(step(0), Some(index)), ..completed(0, u64::from(index)) };
    assert_eq!(started(&[item(0), item(1)], &Dependencies::new()), ["s0[1]", "s0[0]"]);
}

#[test]
fn nothing_done_is_nothing_to_undo() {
    assert_eq!(next(&[], &Dependencies::new()), Next::Done);
}

const STEPS: usize = 7;

/// Any graph without a cycle (a step depends on lower numbers only), with any standing of its steps.
fn sagas() -> impl Strategy<Value = (Vec<Deed>, Dependencies)> {
    let edges = proptest::collection::vec(any::<bool>(), STEPS * STEPS);
    let standings = proptest::collection::vec((any::<bool>(), any::<bool>()), STEPS);
    (edges, standings).prop_map(|(edges, standings)| {
        let dependencies = (0..STEPS)
            .map(|to| (step(to), (0..to).filter(|from| edges[to * STEPS + from]).map(step).collect()))
            .collect();
        let deeds = standings
            .into_iter()
            .enumerate()
            .filter(|(_, (done, _))| *done)
            .map(|(number, (_, settled))| match settled {
                true => completed(number, 100 + number as u64),
                false => unsettled(number, number as u64),
            })
            .collect();
        (deeds, dependencies)
    })
}

fn depends(dependencies: &Dependencies, on: &StepId, step: &StepId) -> bool {
    dependencies.get(step).is_some_and(|direct| {
        direct.contains(on) || direct.iter().any(|between| depends(dependencies, on, between))
    })
}

proptest! {
    #[test]
    fn every_undo_starts_once_and_after_those_of_its_dependents(
        (mut deeds, dependencies) in sagas(),
        picks in proptest::collection::vec(any::<proptest::sample::Index>(), 64),
    ) {
        let mut starts: Vec<CallId> = Vec::new();
        for pick in picks {
            let ready: Vec<CallId> = match next(&deeds, &dependencies) {
                Next::Start(calls) => calls.into_iter().cloned().collect(),
                Next::Wait => Vec::new(),
                Next::Done => break,
                Next::Pivot(call) => panic!("no pivot here: {call}"),
            };
            for call in &ready {
                prop_assert!(!starts.contains(call));
                for other in deeds.iter().filter(|deed| deed.progress != Progress::Ended) {
                    prop_assert!(!depends(&dependencies, &call.step, &other.call.step), "{call} before {}", other.call);
                }
            }
            // Either one that may starts, or one that runs ends.
            let running = deeds.iter().filter(|deed| deed.progress == Progress::Running).count();
            let place = pick.index(ready.len() + running);
            if let Some(call) = ready.get(place) {
                starts.push(call.clone());
                deeds.iter_mut().find(|deed| deed.call == *call).unwrap().progress = Progress::Running;
            } else {
                let mut running = deeds.iter_mut().filter(|deed| deed.progress == Progress::Running);
                running.nth(place - ready.len()).unwrap().progress = Progress::Ended;
            }
        }
        prop_assert_eq!(next(&deeds, &dependencies), Next::Done);
        prop_assert_eq!(starts.len(), deeds.len());
    }
}
