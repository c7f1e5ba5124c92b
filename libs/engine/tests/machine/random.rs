//! Random plans, faults, crashes and takeovers: the invariants hold for all of them.

use std::collections::BTreeMap;

use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::plan::{Importance, Quorum, Step};
use holdfast_types::{Payload, TaskOutcome};
use proptest::prelude::*;

use crate::plans::{fan_out, hedged, spec, step};
use crate::scenarios::with_faults;
use crate::sim::{Crash, WorkerFate};
use crate::world::Fault;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const TOOLS: [&str; 5] = ["read", "put", "set", "pay", "send"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = (0..TOOLS.len(), proptest::bits::u8::ANY, 0..4usize, any::<bool>());
    proptest::collection::vec(one, 1..NAMES.len()).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(i, (tool, edges, width, optional))| {
                let after: Vec<&str> = (0..i).filter(|j| edges & (1 << j) != 0).map(|j| NAMES[j]).collect();
                let mut made = match width {
                    0 => fan_out(NAMES[i], hedged(TOOLS[tool]), 3, Quorum::AtLeast(2), &after),
                    _ => step(NAMES[i], hedged(TOOLS[tool]), &after),
                };
                if optional {
                    made.importance = Importance::Optional;
                }
                made
            })
            .collect()
    })
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, u32, Fault)>> {
    let fault = prop_oneof![
        3 => Just(Fault::Transient),
        2 => Just(Fault::Ambiguous),
        1 => Just(Fault::Permanent),
        1 => Just(Fault::Semantic),
        2 => Just(Fault::Absent),
        2 => Just(Fault::Slow),
        1 => Just(Fault::SlowTransient),
    ];
    proptest::collection::vec((proptest::sample::select(&NAMES[..]), 1..7u32, fault), 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn each_effect_once_and_every_task_ends(
        steps in steps(),
        faults in faults(),
        crash_at in 0..40u32,
        after in any::<bool>(),
        lives_on in any::<bool>(),
        cancel_at in proptest::option::of(0..3u32),
    ) {
        let mut sim = with_faults(spec(steps), &faults);
        sim.fate = if lives_on { WorkerFate::LivesOn } else { WorkerFate::DiesToo };
        sim.crash = if after { Crash::After(crash_at) } else { Crash::Before(crash_at) };
        if cancel_at == Some(0) {
            sim.send(Message::Cancel { on_cancel: None, reason: String::new() });
        }
        let mut outcome = None;
        for asked in 0..40 {
            outcome = sim.run();
            if outcome.is_some() {
                break;
            }
            let question = sim.task.summary().questions.first().cloned().expect("it waits for a person");
            let happened = sim.world.count(&question.call.to_string()) > 0;
            let resolution = match happened {
                true => Resolution::Happened { result: Payload::null() },
                false if asked % 2 == 0 => Resolution::RunAgain,
                false => Resolution::DidNotHappen,
            };
            sim.send(Message::ResolveOutcome { call: question.call, resolution, reason: String::new() });
        }
        let outcome = outcome.expect("it ends");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for effect in &sim.world.effects {
            *counts.entry(effect.to_string()).or_default() += 1;
        }
        for (call, count) in &counts {
            prop_assert_eq!(*count, 1, "{} took effect {} times: {:?}", call, count, sim.kinds());
        }
        // An undo follows only a deed; a compensated task leaves no deed without one.
        for call in counts.keys().filter(|call| call.contains("~undo")) {
            prop_assert!(outcome != TaskOutcome::Succeeded, "{} although it succeeded", call);
        }
        if outcome == TaskOutcome::Compensated {
            for call in counts.keys().filter(|call| !call.contains("~undo")) {
                prop_assert!(counts.contains_key(&format!("{call}~undo")), "{} stands: {:?}", call, sim.kinds());
            }
        }
        let folded = holdfast_engine::Task::fold(sim.task.id(), &sim.journal).unwrap();
        prop_assert_eq!(folded.summary(), sim.task.summary());
    }
}
