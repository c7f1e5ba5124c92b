#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn serves(tools: &[&str]) -> Serves {
    let names: BTreeSet<_> = tools.iter().map(|tool| (*tool).to_owned()).collect();
    Serves { tools: names.clone(), dependencies: names }
}

fn exact() -> Policy {
    Policy { jitter_percent: 0, ..Policy::default() }
}

fn of(count: u8) -> Outliers<u8> {
    let mut outliers = Outliers::new(exact(), 1);
    outliers.set_hosts((0..count).map(|id| (id, serves(&["pay"]))), Duration::ZERO);
    outliers
}

fn fail(outliers: &mut Outliers<u8>, id: u8, times: u32, now: Duration) -> Vec<Blame> {
    (0..times).map(|_| outliers.report(id, "pay", Ending::Failed, now)).collect()
}

fn out(outliers: &Outliers<u8>) -> Vec<(u8, Duration)> {
    outliers.ejected().collect()
}

#[test]
fn five_failures_in_a_row_eject_a_host_for_thirty_seconds() {
    let mut outliers = of(3);
    fail(&mut outliers, 0, 4, SECOND);
    outliers.report(0, "pay", Ending::Good, SECOND);
    fail(&mut outliers, 0, 4, SECOND);
    assert_eq!(out(&outliers), []);
    fail(&mut outliers, 0, 1, SECOND);
    assert_eq!(out(&outliers), [(0, SECOND * 31)]);
    assert_eq!(outliers.next_timer(), Some(SECOND * 31));
    // What was under way counts no more, and nothing shortens its time.
    outliers.report(0, "pay", Ending::Good, SECOND * 2);
    fail(&mut outliers, 0, 9, SECOND * 3);
    outliers.tick(SECOND * 30);
    assert_eq!(out(&outliers), [(0, SECOND * 31)]);
    outliers.tick(SECOND * 31);
    assert_eq!(out(&outliers), []);
    fail(&mut outliers, 0, 4, SECOND * 31);
    assert_eq!(out(&outliers), [], "it begins anew");
}

#[test]
fn each_ejection_is_longer_up_to_the_cap_and_calm_makes_it_shorter_again() {
    let mut outliers = of(3);
    let mut now = Duration::ZERO;
    for times in (1..=12u32).map(|times| times.min(10)) {
        fail(&mut outliers, 0, 5, now);
        let until = outliers.next_timer().unwrap();
        assert_eq!(until - now, SECOND * 30 * times);
        now = until;
        outliers.tick(now);
    }
    now += SECOND * 30 * 11;
    fail(&mut outliers, 0, 5, now);
    assert_eq!(outliers.next_timer().unwrap() - now, SECOND * 60);
}

#[test]
fn the_last_host_of_a_tool_is_never_ejected_and_one_in_ten_at_most() {
    let mut one = of(1);
    fail(&mut one, 0, 50, SECOND);
    assert_eq!(out(&one), []);
    let mut ten = of(10);
    for id in 0..10 {
        fail(&mut ten, id, 9, SECOND);
    }
    assert_eq!(out(&ten).len(), 1);
    let mut thirty = of(30);
    for id in 0..30 {
        fail(&mut thirty, id, 9, SECOND);
    }
    assert_eq!(out(&thirty).len(), 3);
    // A host that alone has a second tool stays, whatever it does.
    let mut mixed = Outliers::new(exact(), 1);
    mixed.set_hosts([(0, serves(&["pay", "post"])), (1, serves(&["pay"]))], Duration::ZERO);
    fail(&mut mixed, 0, 50, SECOND);
    assert_eq!(out(&mixed), []);
}

#[test]
fn when_hosts_go_away_so_many_come_back_that_the_limit_holds() {
    let mut outliers = of(20);
    fail(&mut outliers, 3, 5, SECOND);
    fail(&mut outliers, 4, 5, SECOND * 2);
    assert_eq!(out(&outliers).len(), 2);
    outliers.set_hosts((0..10).map(|id| (id, serves(&["pay"]))), SECOND * 3);
    assert_eq!(out(&outliers), [(4, SECOND * 32)]);
    outliers.set_hosts([(4, serves(&["pay"]))], SECOND * 4);
    assert_eq!(out(&outliers), []);
}

#[test]
fn a_share_that_stands_out_ejects_and_one_that_all_have_does_not() {
    let answers = |outliers: &mut Outliers<u8>, id| outliers.report(id, "pay", Ending::Good, SECOND);
    let mut outliers = of(3);
    for _ in 0..12 {
        answers(&mut outliers, 1);
    }
    // Nine of ten fail, never five in a row.
    for run in [4, 4, 1] {
        fail(&mut outliers, 0, run, SECOND);
        if run == 4 && out(&outliers).is_empty() {
            answers(&mut outliers, 0);
        }
    }
    assert_eq!(out(&outliers), [], "8 and 9 of 11 are less than 85 %");
    fail(&mut outliers, 0, 3, SECOND);
    assert_eq!(out(&outliers).len(), 1, "12 of 14 are more");

    let mut all = of(3);
    for _ in 0..20 {
        for id in 0..3 {
            fail(&mut all, id, 4, SECOND);
            if id == 2 {
                for id in 0..3 {
                    answers(&mut all, id);
                }
            }
        }
    }
    assert_eq!(out(&all), []);
}

#[test]
fn failures_of_one_bad_host_are_not_the_dependencys() {
    let mut outliers = of(3);
    outliers.report(1, "pay", Ending::Good, SECOND);
    // Up to its ejection, and what was under way then.
    assert_eq!(fail(&mut outliers, 0, 8, SECOND), [Blame::Host; 8]);
    assert_eq!(out(&outliers).len(), 1);
    // Now the one that answered fails too: what is known of others is bad.
    assert_eq!(fail(&mut outliers, 1, 5, SECOND * 2), [Blame::Dependency; 5]);
}

#[test]
fn a_dependency_that_is_down_for_all_is_blamed_from_the_second_host_on() {
    let mut outliers = of(3);
    assert_eq!(fail(&mut outliers, 0, 1, SECOND), [Blame::Host], "nobody else was heard");
    assert_eq!(fail(&mut outliers, 1, 1, SECOND), [Blame::Dependency]);
    assert_eq!(fail(&mut outliers, 0, 1, SECOND), [Blame::Dependency]);
    // A single host is the dependency, as far as anybody can tell.
    assert_eq!(fail(&mut of(1), 0, 9, SECOND), [Blame::Dependency; 9]);
    // An answer of long ago says nothing.
    let mut old = of(2);
    old.report(1, "pay", Ending::Good, SECOND);
    fail(&mut old, 1, 1, SECOND * 2);
    assert_eq!(fail(&mut old, 0, 1, SECOND * 3), [Blame::Dependency]);
    assert_eq!(fail(&mut old, 0, 1, SECOND * 33), [Blame::Host]);
}

#[test]
fn a_suspicion_that_the_limit_forbids_to_act_on_does_not_shield_the_dependency_for_ever() {
    let mut outliers = of(4);
    outliers.report(3, "pay", Ending::Good, SECOND);
    fail(&mut outliers, 0, 5, SECOND);
    let blamed = fail(&mut outliers, 1, 9, SECOND);
    assert_eq!(out(&outliers).len(), 1);
    assert_eq!(blamed[..5], [Blame::Host; 5]);
    assert_eq!(blamed[5..], [Blame::Dependency; 4]);
}

#[derive(Debug, Clone)]
enum Op {
    /// A call of a host, told once or twice.
    Call {
        host: u8,
        tool: usize,
        ending: Ending,
        told: u8,
    },
    /// The clock reads so many milliseconds more, or less.
    Clock(i64),
    Tick,
    /// These hosts are there, with these tools.
    Hosts(Vec<(u8, u8)>),
}

const TOOLS: [&str; 3] = ["pay", "post", "fly"];

fn ops() -> impl Strategy<Value = Op> {
    let ending = prop_oneof![1 => Just(Ending::Good), 4 => Just(Ending::Failed)];
    prop_oneof![
        12 => (0u8..24, 0usize..3, ending, 1u8..3)
            .prop_map(|(host, tool, ending, told)| Op::Call { host, tool, ending, told }),
        2 => (-100_000i64..100_000).prop_map(Op::Clock),
        1 => Just(Op::Tick),
        1 => proptest::collection::vec((0u8..24, 0u8..8), 0..24).prop_map(Op::Hosts),
    ]
}

proptest! {
    #[test]
    fn never_more_than_the_limit_nor_a_tools_last_host(
        seed in any::<u64>(),
        most_percent in 0u8..=100,
        ops in proptest::collection::vec(ops(), 0..400),
    ) {
        let mut outliers = Outliers::new(Policy { most_percent, ..Policy::default() }, seed);
        let all = (0..24u8).map(|id| (id, serves(&TOOLS[..1 + usize::from(id % 3)])));
        outliers.set_hosts(all, Duration::ZERO);
        let (mut clock, mut last) = (1_000_000u64, BTreeMap::new());
        for op in ops {
            let now = Duration::from_millis(clock);
            match op {
                Op::Call { host, tool, ending, told } => {
                    for _ in 0..told {
                        outliers.report(host, TOOLS[tool], ending, now);
                    }
                }
                Op::Clock(millis) => clock = clock.saturating_add_signed(millis),
                Op::Tick => outliers.tick(now),
                Op::Hosts(hosts) => {
                    let of = |bits: u8| TOOLS.iter().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1);
                    let names = |bits| of(bits).map(|(_, tool)| *tool).collect::<Vec<_>>();
                    outliers.set_hosts(hosts.into_iter().map(|(id, bits)| (id, serves(&names(bits)))), now);
                }
            }
            let ejected: BTreeMap<_, _> = outliers.ejected().collect();
            prop_assert!(ejected.len() <= outliers.limit(), "{ejected:?}");
            for host in outliers.hosts.values() {
                for tool in &host.serves.tools {
                    let takes = |peer: &Host| peer.is_taking() && peer.serves.tools.contains(tool);
                    prop_assert!(outliers.hosts.values().any(takes), "nobody is left for {tool}");
                }
            }
            // Nobody is out for longer than the cap, and no time is changed while it runs.
            for (id, until) in &ejected {
                prop_assert!(*until <= outliers.now + outliers.policy.cap);
                prop_assert!(*until > outliers.now);
                prop_assert!(last.get(id).is_none_or(|before: &Duration| before == until || *before <= outliers.now));
            }
            last = ejected;
        }
        // Left alone, all come back.
        outliers.tick(outliers.now + outliers.policy.cap);
        prop_assert_eq!(outliers.ejected().count(), 0);
    }
}
