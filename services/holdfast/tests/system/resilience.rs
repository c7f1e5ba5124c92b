//! A dependency that fails in every way: what its server sees, and how the tasks end.

use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};

use crate::binary::{GUARD, lines, output};
use crate::cluster::{Cluster, Role};
use crate::dependency::{Answer, Dependency};
use crate::scene::wait_until;

/// A plan of one read of the dependency; `more` are further lines of its step.
fn read(dependency: &Dependency, more: &str) -> String {
    let url = dependency.url();
    format!(
        "holdfast: v1\nname: read\nsteps:\n  - id: ask\n    tool: http_request\n    args: {{ method: GET, url: \"{url}\" }}\n{more}"
    )
}

/// Has a cluster's next tasks run another plan.
fn next(cluster: &Cluster, plan: &str) {
    std::fs::write(cluster.scene.plan(), plan).unwrap();
}

fn ends(cluster: &Cluster, task: &str, outcome: &str) {
    let ended = cluster.outcome(task);
    assert!(ended.ends_with(outcome), "{ended}\n{}", cluster.logged());
}

#[test]
fn a_dependency_that_is_down_sees_one_trial_a_period_over_three_orchestrators() {
    const TASKS: usize = 4;
    const ORCHESTRATORS: usize = 3;
    /// Before the first open time is over, which is at least four seconds, and after the breaker has opened.
    const TRIPPED: Duration = Duration::from_secs(3);
    let dependency = Dependency::start(Answer::Status(503));
    let plan = read(&dependency, "    timeout: 60s\n    retry: { max_attempts: 8, base: 2s }\n");
    let cluster = Cluster::start_calling(ORCHESTRATORS, &plan);
    let tasks: Vec<String> = (0..TASKS * ORCHESTRATORS).map(|n| cluster.submit(n % ORCHESTRATORS)).collect();
    let is_late = |at: &Duration| *at > TRIPPED;
    wait_until("the trial", GUARD, || dependency.asked().last().is_some_and(is_late));
    let before = dependency.asked();
    dependency.answer(Answer::Well);
    for task in &tasks {
        ends(&cluster, task, "SUCCEEDED");
    }
    // Each instance's budget: ten retries, and a fifth of its calls.
    let (early, late): (Vec<Duration>, Vec<Duration>) = before.iter().partition(|at| !is_late(at));
    let retries = ORCHESTRATORS * 10 + tasks.len() / 5;
    assert!(early.len() <= tasks.len() + retries, "{early:?}");
    assert!(early.len() >= 5, "the breaker opened without a reason: {early:?}");
    assert_eq!(late.len(), 1, "one trial, after the first open time: {before:?}");
}

#[test]
fn each_way_of_failing_costs_what_it_must_and_no_more() {
    let dependency = Dependency::start(Answer::Status(401));
    let cluster = Cluster::start_calling(2, &read(&dependency, ""));

    // Refused for good: asked once, and no task after it is held back.
    ends(&cluster, &cluster.submit(0), "FAILED");
    assert_eq!(dependency.asked().len(), 1);

    // What is no HTTP may be well the next time.
    dependency.forget();
    dependency.answer(Answer::Garbage);
    let task = cluster.submit(0);
    wait_until("the first answer", GUARD, || !dependency.asked().is_empty());
    dependency.answer(Answer::Well);
    ends(&cluster, &task, "SUCCEEDED");
    assert!(dependency.asked().len() >= 2);

    // Three of ten fail in passing: each is tried again, and no other.
    dependency.forget();
    dependency.answer(Answer::Flaky);
    let url = dependency.url();
    next(
        &cluster,
        &format!(
            "holdfast: v1\nname: fan\nsteps:\n  - id: ask\n    tool: http_request\n    for_each: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]\n    concurrency: 4\n    args: {{ method: GET, url: \"{url}\" }}\n"
        ),
    );
    ends(&cluster, &cluster.submit(1), "SUCCEEDED");
    let asked = dependency.asked().len();
    let failed = (1..=asked).filter(|number| matches!(number % 10, 0 | 3 | 7)).count();
    assert_eq!(asked, 20 + failed, "each failure costs one more");

    // Nothing is answered: the step's time ends the call at the server too.
    dependency.forget();
    dependency.answer(Answer::Nothing);
    next(&cluster, &read(&dependency, "    timeout: 2s\n    importance: OPTIONAL\n"));
    ends(&cluster, &cluster.submit(0), "DEGRADED");
    wait_until("the end of the call", GUARD, || dependency.hung_up() == dependency.asked().len());
}

#[test]
fn a_rate_limit_holds_every_task_back_for_as_long_as_it_says() {
    const WAIT: Duration = Duration::from_secs(3);
    let dependency = Dependency::start(Answer::TooMany { retry_after: WAIT.as_secs() });
    let cluster = Cluster::start_calling(1, &read(&dependency, "    timeout: 60s\n"));
    let mut tasks = vec![cluster.submit(0)];
    wait_until("the first refusal", GUARD, || !dependency.asked().is_empty());
    dependency.answer(Answer::Well);
    tasks.extend((0..3).map(|_| cluster.submit(0)));
    for task in &tasks {
        ends(&cluster, task, "SUCCEEDED");
    }
    let asked = dependency.asked();
    assert_eq!(asked.len(), tasks.len() + 1, "the one that was refused is asked again: {asked:?}");
    // The wait counts from the answer, which is a moment after the request.
    assert!(asked[1..].iter().all(|at| *at >= WAIT), "somebody came too early: {asked:?}");
}

/// Whether an operator sees that the dependency's breaker lets calls through.
fn lets_through(cluster: &Cluster) -> bool {
    let server = format!("http://{}", cluster.addresses(Role::Orchestrator)[0]);
    let listed = output(cluster.caller().args(["breakers", "list", "--json", "--server", &server]));
    let listed = lines(&listed);
    let breaker = listed.iter().find(|breaker| breaker["dependency"] == "http_request").unwrap();
    breaker["state"] == "BREAKER_STATE_CLOSED"
}

#[test]
fn one_that_is_dead_for_twenty_seconds_is_left_alone_and_no_task_is_lost() {
    const DEAD: Duration = Duration::from_secs(20);
    const TASKS: usize = 4;
    let mut dependency = Dependency::start(Answer::Well);
    // Two workers: both meet the same end, so neither is to blame for it.
    let plan = read(&dependency, "    timeout: 120s\n    retry: { max_attempts: 30, base: 1s }\n");
    let cluster = Cluster::start_calling_with(2, 2, Vec::new(), &plan);
    ends(&cluster, &cluster.submit(0), "SUCCEEDED");
    dependency.die();
    let begun = SystemClock.boot();
    let tasks: Vec<String> = (0..TASKS).map(|n| cluster.submit(n % 2)).collect();
    wait_until("the breaker", GUARD, || !lets_through(&cluster));
    let tripped = SystemClock.boot().since(begun);
    assert!(tripped < DEAD, "it took {tripped:?}");
    wait_until("its return", GUARD, || SystemClock.boot().since(begun) >= DEAD);
    dependency.forget();
    dependency.come_back();
    for task in &tasks {
        ends(&cluster, task, "SUCCEEDED");
    }
    // The trials are calls that somebody wanted: what comes back is asked once for each task.
    assert_eq!(dependency.asked().len(), TASKS, "{:?}", dependency.asked());
    wait_until("the end of it", GUARD, || lets_through(&cluster));
}

#[test]
fn a_slow_one_opens_its_breaker_though_it_succeeds_and_what_may_be_missing_is_skipped_at_once() {
    let dependency = Dependency::start(Answer::Slowly(Duration::from_millis(600)));
    let slow = vec![("HOLDFAST_BREAKERS__DEFAULT__SLOW_AFTER", "300ms".to_owned())];
    let cluster = Cluster::start_calling_with(1, 1, slow, &read(&dependency, ""));
    for task in (0..5).map(|_| cluster.submit(0)).collect::<Vec<_>>() {
        ends(&cluster, &task, "SUCCEEDED");
    }
    wait_until("the breaker", GUARD, || !lets_through(&cluster));
    next(&cluster, &read(&dependency, "    importance: OPTIONAL\n"));
    let asked = dependency.asked().len();
    ends(&cluster, &cluster.submit(0), "DEGRADED");
    assert_eq!(dependency.asked().len(), asked, "nothing was sent");
    dependency.answer(Answer::Well);
    wait_until("its recovery", GUARD, || {
        ends(
            &cluster,
            &cluster.submit(0),
            if dependency.asked().len() > asked { "SUCCEEDED" } else { "DEGRADED" },
        );
        lets_through(&cluster)
    });
}
