use proptest::prelude::*;

use super::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Sends whatever may leave, until `end`, with as many waiting as one likes; returns when each left.
fn send_all(pacer: &mut Pacer, from: Duration, end: Duration) -> Vec<Duration> {
    let (mut now, mut sent) = (from, Vec::new());
    while sent.len() < 10_000 {
        now = pacer.opens_at(now).max(now);
        if now >= end || pacer.is_free(now) {
            break;
        }
        pacer.sent(now);
        sent.push(now);
    }
    sent
}

/// A dependency that is called 20 times a second.
fn busy() -> (Pacer, Duration) {
    let (mut pacer, mut now) = (Pacer::default(), Duration::ZERO);
    for _ in 0..200 {
        pacer.sent(now);
        now += seconds(0.05);
    }
    (pacer, now)
}

#[test]
fn an_untroubled_dependency_is_free() {
    let (pacer, now) = busy();
    assert!(pacer.is_free(now));
    assert_eq!(pacer.opens_at(now), now);
    assert_eq!(pacer.held_until(now), None);
}

#[test]
fn nothing_leaves_before_the_hint_is_over_and_then_one_by_one() {
    let (mut pacer, now) = busy();
    pacer.refused(now, seconds(10.0), now);
    assert_eq!(pacer.opens_at(now), now + seconds(10.0));
    assert_eq!(pacer.held_until(now), Some(now + seconds(10.0)));
    let sent = send_all(&mut pacer, now, now + seconds(3_600.0));
    assert_eq!(sent[0], now + seconds(10.0));
    let gaps: Vec<_> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[0] >= seconds(0.5), "{gaps:?}");
    // It grows until nothing is held back any more, and that within half a minute.
    assert!(gaps[gaps.len() - 1] < gaps[0] / 4, "{gaps:?}");
    assert!(sent[sent.len() - 1] < now + seconds(40.0));
    assert!(pacer.is_free(now + seconds(40.0)));
}

#[test]
fn without_a_hint_the_pace_falls_to_seven_tenths() {
    let (mut pacer, now) = busy();
    pacer.refused(now, Duration::ZERO, now);
    assert_eq!(pacer.held_until(now), None);
    let wait = pacer.opens_at(now) - now;
    assert!(wait > seconds(1.0 / 20.0) && wait < seconds(1.0 / 10.0), "{wait:?}");
}

#[test]
fn one_burst_of_refusals_reduces_the_pace_once() {
    let (mut once, now) = busy();
    let mut often = once.clone();
    once.refused(now, seconds(1.0), now);
    for n in 0..25 {
        often.refused(now - seconds(0.1), seconds(1.0), now + Duration::from_millis(n));
    }
    // The later ones only hold for longer.
    assert_eq!(often.held_until(now), Some(now + seconds(1.024)));
    let reduced = |pacer: &Pacer| pacer.slowed.as_ref().map(|slowed| slowed.interval);
    assert_eq!(reduced(&often), reduced(&once));
    often.refused(now + seconds(2.0), seconds(1.0), now + seconds(2.0));
    assert!(reduced(&often) > reduced(&once));
}

#[test]
fn turns_are_given_away_one_by_one() {
    let (mut pacer, now) = busy();
    assert_eq!(pacer.book(3, now), Duration::ZERO);
    pacer.refused(now, seconds(10.0), now);
    let turns: Vec<_> = (0..3).map(|_| pacer.book(0, now)).collect();
    assert_eq!(turns[0], seconds(10.0));
    assert!(turns[0] < turns[1] && turns[1] < turns[2], "{turns:?}");
    assert!(pacer.book(1_000, now) > turns[2]);
    // However many there are: none stays away for much longer than the hint, and no two come back together.
    let many: Vec<_> = (0..1_000).map(|_| pacer.book(0, now)).collect();
    assert!(many.iter().all(|turn| *turn >= seconds(10.0) && *turn <= seconds(70.1)));
    assert!(many.windows(2).all(|pair| pair[0] != pair[1]));
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Pass(u64),
    Send,
    Refuse { sent_ago: u64, hint: u64 },
    Book,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..5_000_u64).prop_map(Act::Pass),
        Just(Act::Send),
        Just(Act::Send),
        (0..10_000_u64, prop_oneof![Just(0), 0..20_000_u64, Just(u64::MAX / 2_000)])
            .prop_map(|(sent_ago, hint)| Act::Refuse { sent_ago, hint }),
        Just(Act::Book),
    ]
}

proptest! {
    #[test]
    fn no_call_leaves_before_a_hint_is_over_and_none_waits_for_ever(acts in prop::collection::vec(act(), 1..200)) {
        let (mut pacer, mut now) = (Pacer::default(), Duration::ZERO);
        let mut held = Duration::ZERO;
        for act in acts {
            match act {
                Act::Pass(millis) => now += Duration::from_millis(millis),
                Act::Send => {
                    let at = pacer.opens_at(now);
                    prop_assert!(at >= held || now >= held);
                    if at <= now {
                        prop_assert!(now >= held);
                        pacer.sent(now);
                    }
                }
                Act::Refuse { sent_ago, hint } => {
                    let hint = Duration::from_millis(hint);
                    pacer.refused(now.saturating_sub(Duration::from_millis(sent_ago)), hint, now);
                    held = held.max(now.saturating_add(hint));
                }
                Act::Book => {
                    let turn = now.saturating_add(pacer.book(1, now));
                    prop_assert!(turn >= pacer.opens_at(now).min(now.max(held)));
                    prop_assert!(turn <= now.max(held).saturating_add(Duration::from_secs(70)));
                }
            }
            // Past the hint a call waits for no more than the floor's two seconds.
            prop_assert!(pacer.opens_at(now) <= now.max(held).saturating_add(Duration::from_secs(2)));
            prop_assert!(pacer.held_until(now).is_none_or(|until| until <= held));
        }
        // By time alone it is free again, and soon where its rate was small.
        prop_assert!(pacer.is_free(now.max(held).saturating_add(Duration::from_secs(300))));
    }

    #[test]
    fn the_pace_is_at_most_twice_what_was_called(hint in 0..5_000_u64, rate in 1..200_u32) {
        let (mut pacer, mut now) = (Pacer::default(), Duration::ZERO);
        for _ in 0..rate * 5 {
            pacer.sent(now);
            now += Duration::from_secs(1) / rate;
        }
        pacer.refused(now, Duration::from_millis(hint), now);
        let sent = send_all(&mut pacer, now, now + Duration::from_secs(600));
        let mut before = f64::MAX;
        for second in sent.chunk_by(|a, b| a.as_secs() == b.as_secs()) {
            let calls = second.len() as f64;
            // A second has two buckets of the count and parts of a third, each of at most twice the one before.
            prop_assert!(calls <= before.mul_add(6.0, 4.0), "{calls} after {before}");
            before = calls;
        }
    }
}
