#![allow(clippy::unwrap_used)]

use holdfast_resilience::breaker::Policy;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const BAD: Outcome = Outcome::Failure { took: SECOND, retry_after: None };
const GOOD: Outcome = Outcome::Success { took: SECOND };

fn at(seconds: u64) -> Now {
    let running = Duration::from_secs(seconds);
    Now { running, wall: Timestamp::from_micros(0).after(running) }
}

fn instance(number: u8) -> InstanceId {
    InstanceId::new(u64::from(number), [number; 10])
}

fn plain(breakers: &Breakers, outcome: Outcome, now: Now) -> CallReport {
    let generation = breakers.board(now).get("pay").map(|standing| standing.generation);
    CallReport { dependency: "pay".into(), outcome, generation, kind: CallKind::Plain }
}

fn hold(order: Forced, valid_for: Option<Duration>) -> Command {
    Command::Hold { order, reason: "maintenance".into(), valid_for }
}

fn opened(now: Now) -> Breakers {
    let mut breakers = Breakers::new(Policy { open_jitter_percent: 0, ..Policy::default() }, 7);
    for _ in 0..5 {
        let call = plain(&breakers, BAD, now);
        breakers.report(instance(1), &call, now);
    }
    breakers
}

fn standing(breakers: &Breakers, now: Now) -> Standing {
    breakers.board(now)["pay"].clone()
}

#[test]
fn reports_of_an_instance_that_was_told_nothing_open_a_new_breaker_and_then_count_no_more() {
    let mut breakers = Breakers::new(Policy::default(), 7);
    let blind =
        CallReport { dependency: "pay".into(), outcome: BAD, generation: None, kind: CallKind::Plain };
    for _ in 0..5 {
        breakers.report(instance(1), &blind, at(1));
    }
    assert!(!standing(&breakers, at(1)).passes());
    breakers.force("pay", &hold(Forced::Closed, None), at(1));
    breakers.force("pay", &Command::LetGo, at(1));
    for _ in 0..9 {
        breakers.report(instance(1), &blind, at(1));
    }
    assert!(standing(&breakers, at(1)).passes());
}

#[test]
fn the_trial_goes_to_one_user_and_to_the_next_when_it_is_not_used() {
    let mut breakers = opened(at(1));
    let late = CallReport { generation: None, ..plain(&breakers, GOOD, at(1)) };
    breakers.report(instance(2), &late, at(1));
    assert_eq!(breakers.next_timer(), Some(SECOND * 6));
    breakers.tick(at(6));
    let first = standing(&breakers, at(6)).trial.unwrap();
    assert_eq!(first.instance, instance(1));
    breakers.tick(at(11));
    let second = standing(&breakers, at(11)).trial.unwrap();
    assert_eq!(second.instance, instance(2));
    // The first holder's late word is not the trial's any more.
    let generation = Some(standing(&breakers, at(11)).generation);
    let word = CallReport { dependency: "pay".into(), outcome: GOOD, generation, kind: CallKind::Trial };
    breakers.report(instance(1), &word, at(11));
    assert_eq!(standing(&breakers, at(11)).trial, Some(second));
    breakers.report(instance(2), &word, at(11));
    let again = standing(&breakers, at(11)).trial.unwrap();
    breakers.report(again.instance, &word, at(11));
    assert_eq!(standing(&breakers, at(11)).position, Position::Closed);
}

#[test]
fn a_restarted_service_starts_open_where_an_instance_says_so() {
    let old = opened(at(1));
    let position = standing(&old, at(2)).position;
    let view = View { generation: standing(&old, at(2)).generation, position, level: 1 };
    let mut new = Breakers::new(Policy::default(), 8);
    new.adopt("pay", view, at(0));
    assert!(!standing(&new, at(0)).passes());
    // What is known here is not overwritten.
    new.force("pay", &hold(Forced::Closed, None), at(0));
    new.adopt("pay", view, at(0));
    assert!(standing(&new, at(0)).passes());
}

#[test]
fn the_breakers_of_two_credentials_know_nothing_of_each_other() {
    // Two workers with other credentials name other dependencies.
    let mut breakers = Breakers::new(Policy::default(), 7);
    for name in ["mail/tenant-a", "mail/tenant-b"] {
        let outcome = if name.ends_with('a') { BAD } else { GOOD };
        let call = CallReport { dependency: name.into(), outcome, generation: None, kind: CallKind::Plain };
        (0..9).for_each(|_| breakers.report(instance(1), &call, at(1)));
    }
    let board = breakers.board(at(1));
    assert!(!board["mail/tenant-a"].passes() && board["mail/tenant-b"].passes());
}

#[test]
fn a_repeated_report_counts_once() {
    let mut breakers = Breakers::new(Policy::default(), 7);
    assert_eq!(breakers.accept(instance(1), 1), Some(Acquaintance::First));
    assert_eq!(breakers.accept(instance(1), 1), None);
    assert_eq!(breakers.accept(instance(1), 2), Some(Acquaintance::Known));
}

#[test]
fn an_order_is_shown_with_its_reason_and_its_end_and_nothing_else_ends_it() {
    let mut breakers = opened(at(1));
    breakers.force("pay", &hold(Forced::Open, Some(SECOND * 600)), at(2));
    let held = standing(&breakers, at(2));
    let order = held.order.clone().unwrap();
    assert_eq!(
        (&*order.reason, order.until, held.retry_at),
        ("maintenance", Some(at(602).wall), order.until)
    );
    for (call, second) in [(GOOD, 3), (BAD, 4), (GOOD, 601)] {
        let call = plain(&breakers, call, at(second));
        breakers.report(instance(1), &call, at(second));
        breakers.tick(at(second));
        assert_eq!(standing(&breakers, at(second)), held);
    }
    assert_eq!(breakers.next_timer(), Some(SECOND * 602));
    breakers.tick(at(602));
    let over = standing(&breakers, at(602));
    assert!(matches!(over.position, Position::HalfOpen { .. }) && over.order.is_none(), "{over:?}");
    assert_eq!(over.trial.map(|trial| trial.instance), Some(instance(1)));
    // Taken back before its end it starts anew, closed, and the end that it named means nothing any more.
    breakers.force("pay", &hold(Forced::Open, Some(SECOND * 10)), at(603));
    breakers.force("pay", &Command::LetGo, at(604));
    breakers.tick(at(700));
    assert_eq!(standing(&breakers, at(700)).position, Position::Closed);
}
