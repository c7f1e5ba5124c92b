//! The platform spread out: each member killed and frozen in the middle of the work, at every point of it.
//!
//! Pairs are chosen so that every member meets every point of both plans, killed in the one and frozen in the other; the
//! full product would say no more, and take an hour.

use holdfast_testkit::Sign;

use crate::cluster::{BEYOND_THE_LEASE, Cluster, Role, Serving};
use crate::journal::{assert_nothing_recorded_ran_again, events};
use crate::plans;
use crate::scene::let_pass;

/// How many steps the chain has, and how wide the fan-out is.
const STEPS: usize = 40;
const WIDTH: usize = 100;

/// What is struck: a member, or what all of them stand on.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Member(Role),
    Postgres,
    Redis,
}

const VICTIMS: [Victim; 7] = [
    Victim::Member(Role::Orchestrator),
    Victim::Member(Role::Worker),
    Victim::Member(Role::Checkpoint),
    Victim::Member(Role::Health),
    Victim::Member(Role::Idempotency),
    Victim::Postgres,
    Victim::Redis,
];

/// The points at which a victim is struck: so many effects of the task have happened.
fn points(steps: usize) -> [usize; 3] {
    [1, steps / 2, steps - 4]
}

#[test]
fn every_member_is_killed_in_a_chain() {
    let mut cluster = Cluster::start(|ledger| plans::chain(ledger, STEPS));
    for victim in VICTIMS {
        for point in points(STEPS) {
            strike(&mut cluster, victim, Blow::Kill, point, STEPS);
        }
    }
}

#[test]
fn every_member_is_killed_in_a_fan_out() {
    let mut cluster = Cluster::start(|ledger| plans::fan(ledger, WIDTH));
    for victim in VICTIMS {
        strike(&mut cluster, victim, Blow::Kill, WIDTH / 2, WIDTH);
    }
}

#[test]
fn every_member_is_frozen_in_a_chain() {
    let mut cluster = Cluster::start(|ledger| plans::chain(ledger, STEPS));
    for victim in VICTIMS {
        strike(&mut cluster, victim, Blow::Freeze, STEPS / 2, STEPS);
    }
}

#[test]
fn every_member_is_frozen_in_a_fan_out() {
    let mut cluster = Cluster::start(|ledger| plans::fan(ledger, WIDTH));
    for victim in VICTIMS {
        strike(&mut cluster, victim, Blow::Freeze, WIDTH / 3, WIDTH);
    }
}

/// How a victim is struck.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// SIGKILL; it is started again at once.
    Kill,
    /// SIGSTOP, until what it held has been given to others.
    Freeze,
}

fn strike(cluster: &mut Cluster, victim: Victim, blow: Blow, point: usize, effects: usize) {
    // The task's own orchestrator is the one that is struck: whoever is asked claims.
    let task = cluster.submit(0);
    cluster.until_effects(&task, point);
    let before = cluster.scene.effects().iter().filter(|effect| effect.task == task).count();
    assert!(before < effects, "{victim:?}: the task had ended before the blow");
    match (victim, blow) {
        (Victim::Member(role), Blow::Kill) => {
            cluster.kill(role, 0);
            cluster.start_again(role, 0);
        }
        (Victim::Member(role), Blow::Freeze) => {
            cluster.send(role, 0, Sign::Stop);
            let_pass(BEYOND_THE_LEASE);
            cluster.send(role, 0, Sign::Continue);
        }
        (Victim::Postgres, Blow::Kill) => {
            cluster.postgres.kill().unwrap();
            cluster.postgres.start_again().unwrap();
        }
        (Victim::Postgres, Blow::Freeze) => {
            cluster.postgres.freeze().unwrap();
            let_pass(BEYOND_THE_LEASE);
            cluster.postgres.thaw().unwrap();
        }
        (Victim::Redis, Blow::Kill) => {
            cluster.redis.kill().unwrap();
            cluster.redis.restart_empty().unwrap();
        }
        (Victim::Redis, Blow::Freeze) => {
            cluster.redis.pause().unwrap();
            let_pass(BEYOND_THE_LEASE);
            cluster.redis.resume().unwrap();
        }
    }
    let outcome = cluster.outcome(&task);
    assert!(
        outcome.ends_with("SUCCEEDED"),
        "{victim:?} {blow:?} at {point}: {outcome}, {:?}\n{}",
        cluster.get(1, &task),
        cluster.logged()
    );
    let seen = cluster.scene.effects().iter().filter(|effect| effect.task == task).count();
    assert_eq!(seen, effects, "{victim:?} {blow:?} at {point}");
    cluster.scene.assert_each_effect_once();
    let server = cluster.any_server();
    assert_nothing_recorded_ran_again(&events(&cluster.scene, &server, &task));
}

#[test]
fn all_of_it_is_killed_at_once() {
    let mut cluster = Cluster::start(|ledger| plans::chain(ledger, STEPS));
    let task = cluster.submit(0);
    cluster.until_effects(&task, STEPS / 2);
    let everybody = [
        (Role::Orchestrator, 0),
        (Role::Orchestrator, 1),
        (Role::Worker, 0),
        (Role::Worker, 1),
        (Role::Idempotency, 0),
        (Role::Health, 0),
        (Role::Checkpoint, 0),
    ];
    for (role, which) in everybody {
        cluster.kill(role, which);
    }
    cluster.postgres.kill().unwrap();
    cluster.redis.kill().unwrap();
    cluster.postgres.start_again().unwrap();
    cluster.redis.restart_empty().unwrap();
    for (role, which) in everybody.into_iter().rev() {
        cluster.start_again(role, which);
    }
    assert!(cluster.outcome(&task).ends_with("SUCCEEDED"), "{}", cluster.logged());
    let seen = cluster.scene.effects().iter().filter(|effect| effect.task == task).count();
    assert_eq!(seen, STEPS);
    cluster.scene.assert_each_effect_once();
}

#[test]
fn one_that_is_cut_off_from_checkpoint_but_not_from_its_workers_stops_before_another_begins() {
    let mut cluster = Cluster::start(|ledger| plans::chain(ledger, STEPS));
    let wire = cluster.put_behind_a_wire(0);
    let task = cluster.submit(0);
    cluster.until_effects(&task, STEPS / 4);
    wire.cut();
    let stopped = time_in(&cluster.until_logged("session is lost; its tasks are stopped here"));
    cluster.until_serving(0, Serving::No);
    let outcome = cluster.outcome_at(&[1], &task);
    assert!(outcome.ends_with("SUCCEEDED"), "{outcome}\n{}", cluster.logged());
    let lives: Vec<_> =
        cluster.history(1, &task).into_iter().filter(|e| e["kind"] == "life_started").collect();
    assert_eq!(lives.len(), 2, "{lives:?}");
    let taken_over = time_in(lives[1]["at"].as_str().unwrap());
    assert!(stopped <= taken_over, "it stopped at {stopped}, and another began at {taken_over}");
    assert_eq!(cluster.scene.effects().len(), STEPS);
    cluster.scene.assert_each_effect_once();

    // What stayed on the wire arrives late, and changes nothing; whoever was cut off is of use again.
    wire.mend();
    cluster.until_serving(0, Serving::Yes);
    let next = cluster.submit(0);
    assert!(cluster.outcome(&next).ends_with("SUCCEEDED"), "{}", cluster.logged());
    assert_eq!(cluster.scene.effects().len(), 2 * STEPS);
    cluster.scene.assert_each_effect_once();
    assert_eq!(lives.len(), cluster.lives(1, &task), "nobody has touched the first task again");
}

/// The first time in a text, in a form that sorts: both clocks are this machine's.
fn time_in(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-:.".contains(c));
    let mut times = words.filter_map(|word| word.find("20").map(|at| &word[at..]));
    let time = times.find(|word| word.contains('T') && word.ends_with('Z'));
    // To the millisecond, which both have.
    time.unwrap_or_else(|| panic!("no time in {text}")).chars().take(23).collect()
}

#[test]
fn a_drained_orchestrator_hands_its_tasks_over() {
    let mut cluster = Cluster::start(|ledger| plans::chain(ledger, STEPS));
    let task = cluster.submit(0);
    cluster.until_effects(&task, STEPS / 4);
    cluster.send(Role::Orchestrator, 0, Sign::Terminate);
    cluster.ended(Role::Orchestrator, 0);
    cluster.start_again(Role::Orchestrator, 0);
    assert!(cluster.outcome(&task).ends_with("SUCCEEDED"), "{}", cluster.logged());
    cluster.scene.assert_each_effect_once();
}
