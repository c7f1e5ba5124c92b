//! What holds and what is broken: each naive design with the shortest way to a second effect, and the whole protocol.

use crate::checker::{Explored, Extent, explore};
use crate::protocol::{
    Closing, FULL, Foreign, Happens, Index, LeaseEnd, NAIVE, Protocol, Release, Task, Tokens, World,
};
use crate::state::Life;
use crate::system::{Step, System};

const NOBODY: World = World {
    task: Task::Absent,
    second: Task::Absent,
    foreign: 0,
    leases_end: Happens::Never,
    flushall: Happens::Never,
};

/// A task that changes drivers.
const TAKEOVER: World = World { task: Task::TwoLives, ..NOBODY };

/// Two tasks with one key.
const TWO_TASKS: World = World { task: Task::OneLife, second: Task::OneLife, ..NOBODY };

/// Three callers without a task, of which any may be slow.
const CALLERS: World = World { foreign: 3, leases_end: Happens::AnyTime, ..NOBODY };

/// A task and a caller without one.
const TASK_AND_CALLER: World = World { task: Task::OneLife, foreign: 1, ..NOBODY };

/// Everybody, and everything that may go wrong.
const EVERYBODY: World = World {
    task: Task::TwoLives,
    second: Task::OneLife,
    foreign: 2,
    leases_end: Happens::AnyTime,
    flushall: Happens::AnyTime,
};

/// Two halves of everybody, for the designs in which tokens and attempts count on.
const HALVES: [World; 2] =
    [World { second: Task::Absent, ..EVERYBODY }, World { task: Task::OneLife, foreign: 1, ..EVERYBODY }];

const fn with_flushall(world: World) -> World {
    World { flushall: Happens::AnyTime, ..world }
}

fn look(what: &str, extent: Extent, protocol: Protocol, world: World) -> Explored<Step> {
    let found = explore(&System { protocol, world }, extent);
    let verdict = if found.broken_by.is_some() { "broken" } else { "holds" };
    println!("{what}: {} states, at most one effect: {verdict}", found.states);
    if let Some(way) = &found.broken_by {
        println!("  {way:?}");
    }
    found
}

/// Explores the space, and returns the shortest way to a second effect.
fn broken(what: &str, protocol: Protocol, world: World) -> Vec<Step> {
    // The space of everybody is seen whole where it must hold.
    let extent = if world.foreign > 1 && world.task == Task::TwoLives {
        Extent::ToTheFirstWrong
    } else {
        Extent::Whole
    };
    let way = look(what, extent, protocol, world).broken_by;
    way.unwrap_or_else(|| panic!("{what}: no way to a second effect was found"))
}

/// Explores the space, in which the effect comes at most once, and can come.
fn holds(what: &str, protocol: Protocol, world: World) -> Explored<Step> {
    let found = look(what, Extent::Whole, protocol, world);
    assert_eq!(found.broken_by, None, "{what}");
    assert!(found.succeeds_by.is_some(), "{what}: nothing is ever done");
    found
}

#[test]
fn an_early_takeover_needs_a_fence_before_its_probe() {
    let way = broken("takeover by epochs alone", NAIVE, TAKEOVER);
    let probe = way.iter().position(|step| *step == Step::Probes(Life::Next));
    let effect = way.iter().position(|step| *step == Step::Runs(Life::First));
    assert!(probe < effect, "the first attempt runs after the probe found nothing: {way:?}");
    let fenced = Protocol { closing: Closing::Fence, ..NAIVE };
    holds("takeover with a fence before the probe", fenced, TAKEOVER);
    holds("the same, and Redis forgets", fenced, with_flushall(TAKEOVER));
}

#[test]
fn two_tasks_with_one_key_need_an_exclusive_claim() {
    let records = Protocol { closing: Closing::Fence, index: Index::Records, ..NAIVE };
    holds("two tasks, the index records, Redis keeps", records, TWO_TASKS);
    let way = broken("two tasks, the index records, Redis forgets", records, with_flushall(TWO_TASKS));
    assert!(way.contains(&Step::RedisForgets), "{way:?}");
    let claims = Protocol { index: Index::Claims, ..records };
    holds("two tasks, the index is a claim, Redis forgets", claims, with_flushall(TWO_TASKS));
}

#[test]
fn without_an_index_a_foreign_caller_needs_doubt_and_history() {
    let way = broken("three foreign callers by leases alone", NAIVE, CALLERS);
    assert!(way.contains(&Step::LeaseEnds) && !way.contains(&Step::RedisForgets), "{way:?}");
    let history = Protocol { release: Release::KeepsHistory, ..NAIVE };
    holds("the same, and a release keeps history", history, CALLERS);
    let with_task = World { second: Task::OneLife, ..CALLERS };
    let way = broken("the same, and a task takes over a foreign lease that ran out", history, with_task);
    assert!(way.contains(&Step::Probes(Life::Other)), "the holder was only slow: {way:?}");
    let doubt = Protocol { lease_end: LeaseEnd::InDoubt, ..history };
    holds("the same, and a lease that ran out leaves doubt", doubt, with_task);
    broken("the same, and Redis forgets: REDIS_ONLY promises no more", doubt, with_flushall(with_task));
}

#[test]
fn keys_of_foreign_callers_must_stand_in_the_index() {
    let redis_only = Protocol { foreign: Foreign::RedisOnly, ..FULL };
    let way = broken("task and foreign caller, Redis forgets", redis_only, with_flushall(TASK_AND_CALLER));
    assert!(way.contains(&Step::RedisForgets), "{way:?}");
    holds("the same, with its key in the index", FULL, with_flushall(TASK_AND_CALLER));
}

#[test]
fn with_all_rules_the_effect_comes_at_most_once_and_everybody_ends() {
    let found = holds("all rules, everybody, everything", FULL, EVERYBODY);
    assert_eq!(found.stuck_after, None, "somebody waits for ever");
    assert!(found.states > 100_000, "{} states are not everybody's", found.states);
}

#[test]
fn each_of_the_three_rules_of_the_index_and_the_fence_is_needed() {
    let without_fence = Protocol { closing: Closing::Epochs, ..FULL };
    broken("all rules less the fence", without_fence, EVERYBODY);
    let without_claim = Protocol { index: Index::Records, ..FULL };
    broken("all rules less the exclusive claim", without_claim, EVERYBODY);
    let without_foreign_keys = Protocol { foreign: Foreign::RedisOnly, ..FULL };
    broken("all rules less foreign keys in the index", without_foreign_keys, EVERYBODY);
}

#[test]
fn the_index_covers_a_release_that_forgets() {
    let forgets = Protocol { release: Release::Forgets, ..FULL };
    holds("all rules less a release that keeps history", forgets, EVERYBODY);
}

#[test]
fn the_index_covers_a_lease_that_leaves_no_doubt() {
    let takeover = Protocol { lease_end: LeaseEnd::Takeover, ..FULL };
    for world in HALVES {
        holds("all rules less doubt", takeover, world);
    }
}

#[test]
fn the_index_covers_tokens_that_start_anew() {
    let restart = Protocol { tokens: Tokens::Restart, ..FULL };
    for world in HALVES {
        holds("all rules less tokens that grow", restart, world);
    }
}
