//! The machine alone, and three of them at a place that does what the script in Redis does.
#![allow(clippy::unwrap_used)]

use holdfast_resilience::breaker::Policy;
use holdfast_resilience::breaker::{Forced, Outcome, Position};
use holdfast_types::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::breakers::{CallKind, CallReport, Standing};

const LEASE: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);
const PAY: &str = "pay";

fn instance(number: u8) -> InstanceId {
    InstanceId::new(u64::from(number), [number; 10])
}

fn policy() -> Policy {
    Policy { open_jitter_percent: 0, ..Policy::default() }
}

/// The place where replicas meet, as the script has it.
#[derive(Debug, Default)]
struct Place {
    owner: Option<(usize, Duration)>,
    board: Option<(Published, Duration)>,
    /// Whose it is, while that is the owner.
    by: Option<usize>,
    letters: Vec<Letter>,
    present: BTreeMap<usize, BTreeSet<InstanceId>>,
}

impl Place {
    fn exchange(&mut self, who: usize, speech: Speech, now: Duration) -> Heard {
        let role = match self.owner {
            Some((owner, _)) if owner == who => ShareRole::Owner,
            Some((_, until)) if now < until => ShareRole::Follower,
            Some(_) => ShareRole::NewOwner,
            None if speech.vacancy == Vacancy::Take => ShareRole::NewOwner,
            None => ShareRole::Nobody,
        };
        self.present.insert(who, speech.present);
        let before = self.board.clone().map(|(board, at)| board.after(now.saturating_sub(at)));
        if matches!(role, ShareRole::Follower | ShareRole::Nobody) {
            self.letters.extend(speech.letters);
            let owner = self.owner.map(|(owner, _)| owner);
            let board = before.filter(|_| owner.is_some() && self.by == owner);
            return Heard { role, board, letters: Vec::new(), present: BTreeSet::new() };
        }
        self.owner = Some((who, now + LEASE));
        if role == ShareRole::NewOwner {
            self.by = None;
        } else if let Some(published) = speech.board {
            self.board = Some((published, now));
            self.by = Some(who);
        }
        let others = self.present.iter().filter(|(replica, _)| **replica != who);
        let present = others.flat_map(|(_, present)| present.clone()).collect();
        Heard { role, board: before, letters: std::mem::take(&mut self.letters), present }
    }
}

/// Replicas, the place, and the clocks.
struct World {
    replicas: Vec<Replica>,
    place: Place,
    running: Duration,
    /// The replicas' wall clocks differ, and jump.
    walls: Vec<i64>,
    incarnation: u64,
    report: u64,
    /// Whose words reach the place.
    reaches: Vec<bool>,
}

impl World {
    fn new(count: usize) -> Self {
        let replicas = (0..count).map(|at| Replica::joining(policy(), 10_000 + at as u64, LEASE)).collect();
        Self {
            replicas,
            place: Place::default(),
            running: SECOND * 100,
            walls: vec![0; count],
            incarnation: 0,
            report: 0,
            reaches: vec![true; count],
        }
    }

    fn now(&self, who: usize) -> Now {
        let micros = i64::try_from(self.running.as_micros()).unwrap() + self.walls[who];
        Now { running: self.running, wall: Timestamp::from_micros(micros) }
    }

    /// One word of a replica, and its answer.
    fn word(&mut self, who: usize) {
        let (now, running) = (self.now(who), self.running);
        self.incarnation += 1;
        let speech = self.replicas[who].speak(now);
        if self.reaches[who] {
            let heard = self.place.exchange(who, speech, running);
            self.replicas[who].hears(heard, running, self.incarnation, now);
        } else {
            self.replicas[who].hears_nothing(self.incarnation, now);
        }
    }

    fn words(&mut self) {
        (0..self.replicas.len()).for_each(|who| self.word(who));
    }

    /// Lets time pass, with words every quarter of a second.
    fn pass(&mut self, time: Duration) {
        let end = self.running + time;
        while self.running < end {
            self.running += Duration::from_millis(250);
            self.words();
        }
    }

    fn standing(&self, who: usize) -> Option<Standing> {
        self.replicas[who].board(self.now(who)).remove(PAY)
    }

    fn passes(&self, who: usize) -> bool {
        self.standing(who).is_none_or(|standing| standing.passes())
    }

    /// An instance reports how a call of it ended, as the replica that it watches shows the breaker.
    fn report(&mut self, who: usize, user: InstanceId, outcome: Outcome, kind: CallKind) {
        self.report += 1;
        let generation = self.standing(who).map(|standing| standing.generation);
        let call = CallReport { dependency: PAY.to_owned(), outcome, generation, kind };
        let said = Said { instance: user, number: self.report, known: Vec::new(), calls: vec![call] };
        self.say(who, said);
    }

    fn say(&mut self, who: usize, said: Said) {
        let now = self.now(who);
        if self.replicas[who].accept(said.instance, said.number).is_some() {
            self.replicas[who].hear(said, now);
        }
    }

    fn owners(&self) -> usize {
        self.replicas.iter().filter(|replica| matches!(replica.role, Role::Owner { .. })).count()
    }

    /// What a watching instance is allowed to try, by the replica that it watches.
    fn permit(&self, who: usize, user: InstanceId) -> Option<(Trial, Standing)> {
        let standing = self.standing(who)?;
        let trial = standing.trial.filter(|trial| trial.instance == user)?;
        // One whose time is over is not begun.
        matches!(standing.position, Position::HalfOpen { left } if !left.is_zero())
            .then_some((trial, standing))
    }
}

const BAD: Outcome = Outcome::Failure { took: SECOND, retry_after: None };
const GOOD: Outcome = Outcome::Success { took: SECOND };

#[test]
fn failures_heard_by_all_replicas_trip_one_breaker_once_and_all_show_it() {
    let mut world = World::new(3);
    world.words();
    assert_eq!(world.owners(), 1);
    for call in 0..5 {
        world.report(call % 3, instance(call as u8 % 3), BAD, CallKind::Plain);
    }
    world.pass(SECOND);
    assert_eq!([0, 1, 2].map(|who| world.passes(who)), [false; 3]);
    let generations = [0, 1, 2].map(|who| world.standing(who).unwrap().generation);
    assert_eq!(generations, [generations[0]; 3]);
    let moves: usize = world.replicas.iter_mut().map(|replica| replica.take_moves().len()).sum();
    assert_eq!(moves, 1);
}

fn opened_by_the_owner(count: usize) -> World {
    let mut world = World::new(count);
    world.words();
    (0..5).for_each(|_| world.report(0, instance(1), BAD, CallKind::Plain));
    world.words();
    world.words();
    world
}

#[test]
fn when_the_owner_dies_open_stays_open_under_a_new_incarnation() {
    let mut world = opened_by_the_owner(2);
    let before = world.standing(1).unwrap();
    world.reaches[0] = false;
    world.pass(LEASE + SECOND);
    assert!(matches!(world.replicas[1].role, Role::Owner { .. }));
    let after = world.standing(1).unwrap();
    assert!(!after.passes());
    assert_ne!(after.generation.incarnation, before.generation.incarnation);
    // Nor does it stay open for longer because of that.
    let late = after.retry_at.unwrap().since(before.retry_at.unwrap());
    assert!(late < SECOND, "{late:?}");
}

#[test]
fn an_operators_order_given_to_any_replica_stands_for_all_and_survives_the_owner() {
    let mut world = World::new(2);
    world.words();
    let hold = Command::Hold { order: Forced::Open, reason: "move".into(), valid_for: Some(SECOND * 60) };
    let now = world.now(1);
    world.replicas[1].force(PAY, hold, now);
    world.pass(SECOND);
    assert!(!world.passes(0) && !world.passes(1));
    world.reaches[0] = false;
    world.pass(SECOND * 10);
    let held = world.standing(1).unwrap();
    assert_eq!(held.order.as_ref().map(|order| &*order.reason), Some("move"));
    world.pass(SECOND * 52);
    assert!(world.standing(1).unwrap().order.is_none(), "its end is kept too");
}

#[test]
fn a_trial_is_shown_only_when_the_others_can_know_of_it() {
    let mut world = opened_by_the_owner(2);
    let now = world.now(0);
    world.replicas[0].watches(instance(1), now);
    world.words();
    world.running += SECOND * 5;
    let now = world.now(0);
    world.replicas[0].tick(now);
    assert!(matches!(world.standing(0).unwrap().position, Position::HalfOpen { .. }));
    assert_eq!(world.permit(0, instance(1)), None, "nobody else knows of it");
    world.word(0);
    assert!(world.permit(0, instance(1)).is_some());
}

#[test]
fn an_emptied_place_is_left_to_its_owner() {
    let mut world = opened_by_the_owner(2);
    world.place = Place::default();
    world.word(1);
    assert_eq!(world.owners(), 1, "the other has only seen some of it");
    world.word(0);
    world.word(0);
    world.word(1);
    assert!(matches!(world.replicas[0].role, Role::Owner { .. }));
    assert!(!world.passes(0) && !world.passes(1));
    // Where the owner is gone with it, the other goes on with what it saw.
    world.place = Place::default();
    world.reaches[0] = false;
    world.pass(SECOND * 2);
    assert!(!world.passes(1));
    world.pass(LEASE);
    assert!(matches!(world.replicas[1].role, Role::Owner { .. }));
}

#[test]
fn apart_each_decides_and_together_again_open_is_what_any_has_open() {
    let mut world = World::new(2);
    world.words();
    world.reaches = vec![false; 2];
    world.pass(LEASE + SECOND);
    assert_eq!(world.owners(), 0);
    (0..5).for_each(|_| world.report(1, instance(2), BAD, CallKind::Plain));
    assert_eq!([world.passes(0), world.passes(1)], [true, false]);
    world.reaches = vec![true; 2];
    world.pass(SECOND);
    assert_eq!(world.owners(), 1);
    assert_eq!([world.passes(0), world.passes(1)], [false; 2]);
}

#[test]
fn word_of_an_opening_that_is_older_than_what_came_after_it_opens_nothing() {
    let mut world = opened_by_the_owner(2);
    // The owner stands still, as a paused process does: it knows of an open breaker only.
    let stale = world.replicas[0].breakers.publish(world.now(0)).that_hold_calls();
    world.reaches[0] = false;
    world.pass(LEASE + SECOND);
    let (hold, now) =
        (Command::Hold { order: Forced::Closed, reason: "well".into(), valid_for: None }, world.now(1));
    world.replicas[1].force(PAY, hold, now);
    let now = world.now(1);
    world.replicas[1].read(&Letter::Peer(stale.clone()), now);
    assert!(world.passes(1));
    world.replicas[1].force(PAY, Command::LetGo, now);
    world.replicas[1].read(&Letter::Peer(stale), now);
    assert!(world.passes(1));
}

#[derive(Debug, Clone)]
enum Op {
    Report { who: usize, user: u8, good: bool, told: u8, lost: bool },
    Try { user: u8, good: bool },
    Word(usize),
    Words,
    Wait(u64),
    Wall(usize, i64),
    Cut(usize),
    Mend(usize),
    Flush,
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0usize..3, 0u8..4, any::<bool>(), 1u8..3, any::<bool>())
            .prop_map(|(who, user, good, told, lost)| Op::Report { who, user, good, told, lost }),
        4 => (0u8..4, any::<bool>()).prop_map(|(user, good)| Op::Try { user, good }),
        6 => (0usize..3).prop_map(Op::Word),
        6 => Just(Op::Words),
        4 => (0u64..4_000).prop_map(Op::Wait),
        1 => (0usize..3, -3_600_000_000i64..3_600_000_000).prop_map(|(who, by)| Op::Wall(who, by)),
        1 => (0usize..3).prop_map(Op::Cut),
        2 => (0usize..3).prop_map(Op::Mend),
        1 => Just(Op::Flush),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is reported, lost or doubled, however owners change, the place is emptied and wall clocks jump: nobody is
    /// shown an older word of an owner after a newer one, and a dependency that is well again is found to be so.
    #[test]
    fn no_stale_word_and_never_stuck_open_over_a_healthy_dependency(ops in proptest::collection::vec(ops(), 0..200)) {
        let mut world = World::new(3);
        // Each instance watches one replica.
        for user in 0..4u8 {
            let who = usize::from(user) % 3;
            let now = world.now(who);
            world.replicas[who].watches(instance(user), now);
        }
        world.words();
        let mut shown: Vec<BTreeMap<u64, u64>> = vec![BTreeMap::new(); 3];
        for op in ops {
            match op {
                Op::Report { who, user, good, told, lost } => {
                    world.report += 1;
                    let generation = world.standing(who).map(|standing| standing.generation);
                    let outcome = if good { GOOD } else { BAD };
                    let call = CallReport { dependency: PAY.to_owned(), outcome, generation, kind: CallKind::Plain };
                    let said = Said { instance: instance(user), number: world.report, known: Vec::new(), calls: vec![call] };
                    for _ in 0..if lost { 0 } else { told } {
                        world.say(who, said.clone());
                    }
                }
                Op::Try { user, good } => {
                    let who = usize::from(user) % 3;
                    if world.permit(who, instance(user)).is_some() {
                        world.report(who, instance(user), if good { GOOD } else { BAD }, CallKind::Trial);
                    }
                }
                Op::Word(who) => world.word(who),
                Op::Words => world.words(),
                Op::Wait(millis) => world.running += Duration::from_millis(millis),
                Op::Wall(who, by) => world.walls[who] += by,
                Op::Cut(who) => world.reaches[who] = false,
                Op::Mend(who) => world.reaches[who] = true,
                Op::Flush => world.place = Place::default(),
            }
            for (who, shown) in shown.iter_mut().enumerate() {
                // Generations of one owner only grow before anybody's eyes.
                if let Some(standing) = world.standing(who) {
                    let generation = standing.generation;
                    let last = shown.entry(generation.incarnation).or_insert(generation.number);
                    prop_assert!(generation.number >= *last, "{} after {last}", generation.number);
                    *last = generation.number;
                }
            }
        }
        // All are together again, and the dependency is well: by trials alone it is found out.
        world.reaches = vec![true; 3];
        for _ in 0..700 {
            world.pass(SECOND);
            for user in 0..4u8 {
                let who = usize::from(user) % 3;
                if world.permit(who, instance(user)).is_some() {
                    world.report(who, instance(user), GOOD, CallKind::Trial);
                }
            }
            if (0..3).all(|who| world.passes(who)) {
                return Ok(());
            }
        }
        prop_assert!(false, "still {:?}", [0, 1, 2].map(|who| world.standing(who)));
    }

    /// As long as all reach the place, however slow they are, and whoever dies, there is one trial in the cluster.
    #[test]
    fn one_trial_in_the_cluster(
        steps in proptest::collection::vec((0usize..3, 0u64..1_500, 0u8..4, any::<bool>()), 1..200),
        dies in 0usize..200,
    ) {
        let mut world = opened_by_the_owner(3);
        for user in 0..4u8 {
            let who = usize::from(user) % 3;
            let now = world.now(who);
            world.replicas[who].watches(instance(user), now);
        }
        let mut out: Option<(InstanceId, u64, u64, Duration)> = None;
        for (step, (who, millis, user, answers)) in steps.into_iter().enumerate() {
            if step == dies {
                // The first owner is gone with all it knew; who watched it comes to another.
                world.reaches[0] = false;
            }
            world.running += Duration::from_millis(millis);
            world.word(who);
            for user in 0..4u8 {
                let at = usize::from(user) % 3;
                if !world.reaches[at] {
                    continue;
                }
                let Some((trial, standing)) = world.permit(at, instance(user)) else { continue };
                let key = (instance(user), standing.generation.incarnation, trial.number);
                match out {
                    Some((holder, incarnation, number, until)) if world.running < until => {
                        prop_assert_eq!((holder, incarnation, number), key, "two trials at once");
                    }
                    _ => {
                        let Position::HalfOpen { left } = standing.position else { continue };
                        out = Some((key.0, key.1, key.2, world.running + left.min(policy().trial_lease)));
                    }
                }
            }
            let at = usize::from(user) % 3;
            if answers && world.reaches[at] && world.permit(at, instance(user)).is_some() {
                world.report(at, instance(user), BAD, CallKind::Trial);
                out = None;
            }
        }
    }
}
