//! Faults on command: each kind, at the call that was named, over all lives of the worker.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use common::{Agency, args, key, stoppable};
use holdfast_testkit::Folder;
use holdfast_types::{Class, Effect};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_fault_before_the_effect_says_that_nothing_happened() {
    let cases =
        [("transient", Class::Transient), ("permanent", Class::Permanent), ("semantic", Class::Semantic)];
    for (fault, class) in cases {
        let agency = Agency::in_memory(&format!("book_hotel:1={fault}")).await;
        let failure = agency.call("book_hotel", 1, args("book_hotel")).await.unwrap_err();
        assert_eq!((failure.class, failure.effect), (class, Some(Effect::NotExecuted)), "{fault}");
        assert!(agency.rows("book_hotel").await.is_empty(), "{fault}");
        agency.call("book_hotel", 2, args("book_hotel")).await.expect("only the first is told to fail");
    }
}

#[tokio::test]
async fn a_lost_answer_tells_nothing_of_the_effect() {
    let agency = Agency::in_memory("charge_card:1=transient-after").await;
    let failure = agency.call("charge_card", 1, args("charge_card")).await.unwrap_err();
    assert_eq!((failure.class, failure.effect), (Class::Transient, None));
    let second = agency.call("charge_card", 2, args("charge_card")).await.unwrap();
    assert!(second.replayed_downstream);
    assert_eq!(agency.rows("charge_card").await.len(), 1);
}

#[tokio::test]
async fn garbage_breaks_every_output_schema_after_the_effect() {
    let names: Vec<String> = Agency::in_memory("").await.tools.into_keys().collect();
    let faults: Vec<String> = names.iter().map(|name| format!("{name}:*=garbage")).collect();
    let agency = Agency::in_memory(&faults.join(",")).await;
    for tool in &names {
        let result = agency.call(tool, 1, args(tool)).await.unwrap().result;
        assert!(!jsonschema::is_valid(&agency.manifest(tool).output_schema.unwrap(), &result), "{tool}");
    }
    assert_eq!(agency.rows("book_flight").await.len(), 1);
}

#[tokio::test]
async fn a_tool_hangs_until_it_is_told_to_stop() {
    for (fault, rows, effect) in [("hang", 1, Some(Effect::NotExecuted)), ("hang-after", 2, None)] {
        let agency = Agency::in_memory(&format!("fan_item:1={fault}")).await;
        let cancelled = CancellationToken::new();
        let ctx = stoppable("fan_item", &key("hanging"), 1, cancelled.clone());
        let mut hanging = Box::pin(agency.call_with(ctx, args("fan_item")));
        // The ledger has one writer, which serves in order: by the end of the third call the first is in its fault.
        let others = async {
            agency.call("fan_item", 1, args("fan_item")).await.unwrap();
            agency.call("cancel_flight", 1, args("cancel_flight")).await.unwrap();
        };
        tokio::select! {
            biased;
            _ = &mut hanging => panic!("{fault}: it ended by itself"),
            () = others => {}
        }
        cancelled.cancel();
        assert_eq!(hanging.await.unwrap_err().effect, effect, "{fault}");
        assert_eq!(agency.rows("fan_item").await.len(), rows, "{fault}");
    }
}

#[tokio::test]
async fn a_tool_answers_late() {
    let agency = Agency::in_memory("chain_step:1=late=60ms").await;
    let began = Instant::now();
    agency.call("chain_step", 1, args("chain_step")).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(60));
    assert_eq!(agency.rows("chain_step").await.len(), 1);
}

#[tokio::test]
async fn calls_are_counted_by_tool_over_all_lives() {
    let folder = Folder::new().unwrap();
    let file = folder.join("ledger.db");
    let faults = "charge_card:1=transient,book_hotel:2=semantic";
    let first = Agency::open(&file, faults).await;
    first.call("charge_card", 1, args("charge_card")).await.unwrap_err();
    first.call("book_hotel", 1, args("book_hotel")).await.unwrap();
    first.ledger.close().await;

    let second = Agency::open(&file, faults).await;
    second.call("charge_card", 2, args("charge_card")).await.expect("the first call is over");
    second.call("book_hotel", 2, args("book_hotel")).await.unwrap_err();
    assert_eq!(second.rows("book_hotel").await.len(), 1);
}

const LEDGER: &str = "TRIP_WORKER_TEST_LEDGER";
const FAULTS: &str = "TRIP_WORKER_TEST_FAULTS";

/// Not a test of its own: the process that the next one lets die.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn dies() {
    let (Ok(ledger), Ok(faults)) = (std::env::var(LEDGER), std::env::var(FAULTS)) else { return };
    let agency = Agency::open(Path::new(&ledger), &faults).await;
    agency.call("book_flight", 1, args("book_flight")).await.unwrap();
}

fn live(ledger: &Path, faults: &str) -> ExitStatus {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["dies", "--exact", "--ignored"]).env(LEDGER, ledger).env(FAULTS, faults);
    child.output().unwrap().status
}

#[tokio::test]
async fn a_process_dies_before_or_after_the_effect_and_only_once() {
    const SIGABRT: i32 = 6;
    for (fault, rows) in [("die", 0), ("die-after", 1)] {
        let folder = Folder::new().unwrap();
        let file = folder.join("ledger.db");
        let faults = format!("book_flight:1={fault}");
        assert_eq!(live(&file, &faults).signal(), Some(SIGABRT), "{fault}");
        assert_eq!(Agency::open(&file, "").await.rows("book_flight").await.len(), rows, "{fault}");
        assert!(live(&file, &faults).success(), "{fault}: the second life is not told to die");
        assert_eq!(Agency::open(&file, "").await.rows("book_flight").await.len(), rows + 1, "{fault}");
    }
}
