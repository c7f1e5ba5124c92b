//! Whatever drivers send, in whatever order: one call never takes effect twice, and a stop that is called "before the
//! effect" was one.

use std::time::Duration;

use crate::common::{Rig, call_ref, settle};
use futures::StreamExt;
use holdfast_ports::ExecuteStream;
use holdfast_types::worker::{Execute, ExecuteEvent, FenceAnswer};
use holdfast_worker::Adopt;
use proptest::prelude::*;
use serde_json::json;

#[derive(Debug, Clone)]
enum Step {
    Execute { epoch: u64, attempt: u32 },
    Fence { epoch: u64, adopt: bool },
    Cancel { epoch: u64 },
    DropStreams,
    Pass { millis: u64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u64..5, 1u32..5).prop_map(|(epoch, attempt)| Step::Execute { epoch, attempt }),
        2 => (1u64..5, any::<bool>()).prop_map(|(epoch, adopt)| Step::Fence { epoch, adopt }),
        1 => (1u64..5).prop_map(|epoch| Step::Cancel { epoch }),
        1 => Just(Step::DropStreams),
        3 => (1u64..20_000).prop_map(|millis| Step::Pass { millis }),
    ]
}

async fn play(
    tool: &str,
    how: &str,
    prepare: u64,
    after: u64,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let rig = Rig::new();
    let mut streams: Vec<ExecuteStream> = Vec::new();
    let mut highest = 0;
    let mut known = false;
    let me = rig.worker.id();
    for step in steps {
        match step {
            Step::Execute { epoch, attempt } => {
                let args = json!({"prepare_ms": prepare, "after_ms": after, "end": how});
                let request = rig.request(tool, "a", args);
                let request = Execute { epoch, attempt, timeout: Duration::from_secs(12), ..request };
                let began = rig.world.started();
                let answer = rig.tools().execute(request).await;
                settle().await;
                if epoch < highest {
                    prop_assert!(answer.is_err(), "a stale epoch is refused");
                    prop_assert_eq!(rig.world.started(), began, "and starts nothing");
                }
                known |= answer.is_ok();
                streams.extend(answer.ok());
                highest = highest.max(epoch);
            }
            Step::Fence { epoch, adopt } => {
                let before = rig.world.effects();
                let adopt = if adopt { Adopt::Running } else { Adopt::Nothing };
                let answer = rig.worker.executor().fence_until(me, &call_ref("a"), epoch, None, adopt).await;
                prop_assert_eq!(answer.is_err(), epoch < highest);
                highest = highest.max(epoch);
                known |= answer.is_ok();
                match answer {
                    Ok(FenceAnswer::NeverSeen) => prop_assert_eq!(rig.world.started(), 0),
                    Ok(FenceAnswer::StoppedBeforeEffect) => {
                        // The proof must hold for as long as anybody can look.
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        prop_assert_eq!(rig.world.effects(), before);
                    }
                    _ => {}
                }
            }
            Step::Cancel { epoch } => {
                let answer = rig.worker.executor().cancel_call(me, &call_ref("a"), epoch, "");
                prop_assert_eq!(answer.is_err(), epoch < highest);
                // An unknown call is no error, whatever the epoch, and leaves nothing behind.
                if known {
                    highest = highest.max(epoch);
                }
            }
            Step::DropStreams => streams.clear(),
            Step::Pass { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
        prop_assert!(rig.world.effects() <= 1, "the effect happened twice");
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    for stream in streams {
        let events: Vec<_> = stream.collect().await;
        let ends = events.iter().filter(|event| matches!(event, Ok(ExecuteEvent::Finished(_)))).count();
        prop_assert_eq!(ends, 1, "every stream has exactly one end");
        if let Some(Ok(ExecuteEvent::Finished(Ok(_)))) = events.last() {
            prop_assert_eq!(rig.world.effects(), 1, "a success is one effect");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_call_takes_effect_at_most_once(
        tool in prop::sample::select(vec!["fire", "book", "blunt"]),
        how in prop::sample::select(vec!["ok", "transient", "semantic"]),
        prepare in 0u64..15_000,
        after in 0u64..15_000,
        steps in prop::collection::vec(any_step(), 1..14),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(tool, how, prepare, after, steps))?;
    }
}
