use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Queue = Fair<u8, u8, u16, usize>;

fn at(lane: u8, namespace: u8, priority: u8, task: u16) -> Place<u8, u8, u16> {
    Place { lane, namespace, priority, task }
}

fn served(queue: &mut Queue) -> Vec<(u8, u16)> {
    std::iter::from_fn(|| queue.next(|_, _| true)).map(|(place, _)| (place.namespace, place.task)).collect()
}

#[test]
fn a_single_call_is_not_behind_a_hundred_thousand() {
    let mut queue = Queue::default();
    for n in 0..100_000 {
        queue.enter(at(0, 1, 3, 1), n);
    }
    queue.enter(at(0, 2, 3, 2), 0);
    queue.enter(at(0, 1, 3, 3), 0);
    let first: Vec<_> = (0..4).filter_map(|_| queue.next(|_, _| true)).map(|(place, _)| place.task).collect();
    // The namespace that came first, the other one, and then the task of the first that was not served.
    assert_eq!(first, [1, 2, 3, 1]);
}

#[test]
fn within_a_namespace_the_better_priority_goes_first() {
    let mut queue = Queue::default();
    for (priority, task) in [(5, 1), (3, 2), (1, 3), (3, 4)] {
        queue.enter(at(0, 1, priority, task), 0);
    }
    assert_eq!(served(&mut queue), [(1, 3), (1, 2), (1, 4), (1, 1)]);
}

#[test]
fn no_priority_goes_over_another_namespace() {
    let mut queue = Queue::default();
    for n in 0..3 {
        queue.enter(at(0, 1, 1, 1), n);
        queue.enter(at(0, 2, 5, 2), n);
    }
    assert_eq!(served(&mut queue), [(1, 1), (2, 2), (1, 1), (2, 2), (1, 1), (2, 2)]);
}

#[test]
fn who_comes_again_and_again_goes_before_nobody() {
    let mut queue = Queue::default();
    queue.enter(at(0, 1, 3, 1), 0);
    queue.enter(at(0, 2, 3, 2), 0);
    queue.enter(at(0, 2, 3, 2), 0);
    let mut order = Vec::new();
    for _ in 0..4 {
        let Some((place, _)) = queue.next(|_, _| true) else { break };
        if place.namespace == 1 {
            queue.enter(place.clone(), 0);
        }
        order.push(place.namespace);
    }
    assert_eq!(order, [1, 2, 1, 2]);
}

#[test]
fn a_closed_lane_or_namespace_holds_up_no_other() {
    let mut queue = Queue::default();
    queue.enter(at(0, 1, 3, 1), 0);
    queue.enter(at(1, 2, 3, 2), 0);
    queue.enter(at(1, 3, 3, 3), 0);
    let next = queue.next(|lane, namespace| *lane == 1 && *namespace != 2);
    assert_eq!(next.map(|(place, _)| place.task), Some(3));
    assert!(queue.next(|_, _| false).is_none());
    assert_eq!((queue.len(), queue.waiting(&1)), (2, 1));
}

#[derive(Debug, Clone)]
enum Act {
    Enter(u8, u8, u8, u16),
    Leave(usize),
    Next(BTreeSet<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3_u8, 0..4_u8, 1..4_u8, 0..3_u16).prop_map(|(l, n, p, t)| Act::Enter(l, n, p, t)),
        1 => any::<usize>().prop_map(Act::Leave),
        2 => prop::collection::btree_set(0..3_u8, 0..3).prop_map(Act::Next),
    ]
}

proptest! {
    /// Against the plain list of who waits: nobody is lost or served twice, an open lane in which somebody waits serves
    /// somebody, a namespace is never passed over twice by the same one, and a task's own come in their order.
    #[test]
    fn it_is_work_conserving_cancel_safe_and_fair(acts in prop::collection::vec(act(), 1..300)) {
        let mut queue = Queue::default();
        let mut waiting: BTreeMap<usize, Ticket<u8, u8, u16>> = BTreeMap::new();
        // How often each namespace was served since another one has waited in an open lane without being served.
        let mut passed: BTreeMap<(u8, u8), u32> = BTreeMap::new();
        for (number, act) in acts.into_iter().enumerate() {
            match act {
                Act::Enter(lane, namespace, priority, task) => {
                    let place = at(lane, namespace, priority, task % 3 + u16::from(namespace) * 3);
                    waiting.insert(number, queue.enter(place, number));
                }
                Act::Leave(which) => {
                    let Some((number, ticket)) = waiting.iter().nth(which % waiting.len().max(1)) else { continue };
                    let (number, ticket) = (*number, ticket.clone());
                    prop_assert_eq!(queue.leave(&ticket), Some(number));
                    prop_assert_eq!(queue.leave(&ticket), None);
                    waiting.remove(&number);
                }
                Act::Next(closed) => {
                    let open = |place: &Place<u8, u8, u16>| !closed.contains(&place.lane);
                    let could: Vec<_> = waiting.values().map(|t| t.place.clone()).filter(open).collect();
                    let next = queue.next(|lane, _| !closed.contains(lane));
                    prop_assert_eq!(next.is_some(), !could.is_empty());
                    let Some((place, number)) = next else { continue };
                    prop_assert!(open(&place));
                    let ticket = waiting.remove(&number);
                    prop_assert_eq!(ticket.map(|ticket| ticket.place), Some(place.clone()));
                    let own = could.iter().filter(|other| other.namespace == place.namespace);
                    prop_assert!(own.clone().all(|other| other.priority >= place.priority));
                    let earlier = waiting.iter().any(|(n, t)| *n < number && t.place == place);
                    prop_assert!(!earlier, "a task's own come in their order");
                    for other in could.iter().map(|other| other.namespace).collect::<BTreeSet<_>>() {
                        if other != place.namespace {
                            let times = passed.entry((place.namespace, other)).or_default();
                            *times += 1;
                            prop_assert!(*times <= 1, "{} was passed over twice", other);
                        }
                    }
                    passed.retain(|(_, other), _| *other != place.namespace);
                }
            }
            let present: BTreeSet<u8> = waiting.values().map(|t| t.place.namespace).collect();
            passed.retain(|(_, other), _| present.contains(other));
            prop_assert_eq!(queue.len(), waiting.len());
            prop_assert_eq!(queue.is_empty(), waiting.is_empty());
        }
    }
}
