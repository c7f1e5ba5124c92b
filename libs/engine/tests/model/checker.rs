//! A small model checker: every state that can be reached, each looked at once, nearest first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::Hash;

/// A model with more states than this is not looked at: nobody would wait for it.
const MOST_STATES: usize = 3_000_000;

/// Something that takes steps.
pub trait Model {
    type State: Clone + Eq + Hash;
    type Step: Clone + Debug;

    fn first(&self) -> Self::State;

    /// Every step that is possible, with what it leads to.
    fn steps(&self, state: &Self::State) -> Vec<(Self::Step, Self::State)>;

    /// What must never be. Nothing is looked at beyond it.
    fn is_wrong(&self, state: &Self::State) -> bool;

    /// Where everybody may rest.
    fn is_end(&self, state: &Self::State) -> bool;

    /// The end that is hoped for.
    fn is_success(&self, state: &Self::State) -> bool;
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// No further than the nearest wrong state.
    ToTheFirstWrong,
}

/// What was found in a space of states.
#[derive(Debug)]
pub struct Explored<Step> {
    /// How many states were seen.
    pub states: usize,
    /// The shortest way to a wrong one.
    pub broken_by: Option<Vec<Step>>,
    /// The shortest way to a state from which no end can be reached.
    pub stuck_after: Option<Vec<Step>>,
    /// The shortest way to success.
    pub succeeds_by: Option<Vec<Step>>,
}

/// Explores a model's space.
pub fn explore<M: Model>(model: &M, extent: Extent) -> Explored<M::Step> {
    let mut space = Space { known: HashMap::new(), reached_by: Vec::new(), before: Vec::new() };
    let mut found = Explored { states: 0, broken_by: None, stuck_after: None, succeeds_by: None };
    let mut ends = Vec::new();
    let mut layer = vec![model.first()];
    space.add(model.first(), None);
    while !layer.is_empty() {
        let mut next = Vec::new();
        for state in layer {
            let at = space.known[&state];
            if model.is_wrong(&state) {
                found.broken_by.get_or_insert_with(|| space.way_to(at));
                ends.push(at);
                continue;
            }
            if model.is_end(&state) {
                ends.push(at);
            }
            if model.is_success(&state) && found.succeeds_by.is_none() {
                found.succeeds_by = Some(space.way_to(at));
            }
            for (step, then) in model.steps(&state) {
                if space.add(then.clone(), Some((at, step))) {
                    next.push(then);
                }
            }
        }
        layer =
            if extent == Extent::ToTheFirstWrong && found.broken_by.is_some() { Vec::new() } else { next };
        assert!(
            space.reached_by.len() < MOST_STATES,
            "more than {MOST_STATES} states: the model is too large"
        );
    }
    found.states = space.reached_by.len();
    found.stuck_after = space.first_without_way_to(ends).map(|at| space.way_to(at));
    found
}

/// The states, by number, in the order in which they were found.
struct Space<State, Step> {
    known: HashMap<State, u32>,
    reached_by: Vec<Option<(u32, Step)>>,
    /// From which states each can be reached in one step.
    before: Vec<Vec<u32>>,
}

impl<State: Eq + Hash, Step: Clone> Space<State, Step> {
    /// Notes a step; says whether it leads to a state that was not known.
    fn add(&mut self, state: State, by: Option<(u32, Step)>) -> bool {
        let next = u32::try_from(self.reached_by.len()).unwrap_or(u32::MAX);
        let from = by.as_ref().map(|(from, _)| *from);
        let (at, new) = match self.known.entry(state) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(place) => {
                place.insert(next);
                self.reached_by.push(by);
                self.before.push(Vec::new());
                (next, true)
            }
        };
        self.before[at as usize].extend(from);
        new
    }

    fn way_to(&self, mut at: u32) -> Vec<Step> {
        let mut way = Vec::new();
        while let Some((from, step)) = &self.reached_by[at as usize] {
            way.push(step.clone());
            at = *from;
        }
        way.reverse();
        way
    }

    fn first_without_way_to(&self, mut ends: Vec<u32>) -> Option<u32> {
        let mut leads = vec![false; self.before.len()];
        while let Some(at) = ends.pop() {
            if !std::mem::replace(&mut leads[at as usize], true) {
                ends.extend(&self.before[at as usize]);
            }
        }
        leads.iter().position(|leads| !leads).and_then(|at| u32::try_from(at).ok())
    }
}

/// A counter that a second hand can overrun, and a pit.
struct Toy {
    limit: u8,
    pit: bool,
}

impl Model for Toy {
    type State = u8;
    type Step = &'static str;

    fn first(&self) -> u8 {
        0
    }

    fn steps(&self, state: &u8) -> Vec<(&'static str, u8)> {
        match *state {
            100 => Vec::new(),
            at if at >= 10 => vec![("again", 0)],
            2 if self.pit => vec![("one", 3), ("fall", 100)],
            at => vec![("one", at + 1), ("two", at + 2)],
        }
    }

    fn is_wrong(&self, state: &u8) -> bool {
        *state != 100 && *state > self.limit
    }

    fn is_end(&self, state: &u8) -> bool {
        *state == 10
    }

    fn is_success(&self, state: &u8) -> bool {
        *state == 5
    }
}

#[test]
fn a_space_is_explored_whole() {
    let found = explore(&Toy { limit: 11, pit: false }, Extent::Whole);
    assert_eq!((found.states, found.broken_by, found.stuck_after), (12, None, None));
    assert_eq!(found.succeeds_by.map(|way| way.len()), Some(3));
}

#[test]
fn the_shortest_way_to_what_is_wrong_is_shown() {
    let found = explore(&Toy { limit: 3, pit: false }, Extent::Whole);
    assert_eq!(found.broken_by, Some(vec!["two", "two"]));
    let first = explore(&Toy { limit: 3, pit: false }, Extent::ToTheFirstWrong);
    assert!(first.broken_by == found.broken_by && first.states <= found.states);
}

#[test]
fn a_state_without_a_way_out_is_found() {
    let found = explore(&Toy { limit: 11, pit: true }, Extent::Whole);
    assert_eq!(found.stuck_after, Some(vec!["two", "fall"]));
}
