//! The ledger under several tools and several processes at once.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Agency, args, context, key};
use futures::future::join_all;
use holdfast_testkit::Folder;
use serde_json::json;
use trip_worker::{Ledger, LedgerError};

/// Each opens the file on its own, as a process would.
async fn workers(file: &std::path::Path, count: usize) -> Vec<Agency> {
    join_all((0..count).map(|_| Agency::open(file, "fan_item:1000=transient"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_that_start_together_share_one_file() {
    let folder = Folder::new().unwrap();
    let workers = workers(&folder.join("ledger.db"), 6).await;
    let calls = workers.iter().enumerate().flat_map(|(number, worker)| {
        (0..20).map(move |call| {
            let name = format!("item-{number}-{call}");
            worker.call_with(context("fan_item", &key(&name), 1), args("fan_item"))
        })
    });
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(workers[0].rows("fan_item").await.len(), 120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_under_one_key_one_charges() {
    let folder = Folder::new().unwrap();
    let workers = workers(&folder.join("ledger.db"), 4).await;
    let calls = workers
        .iter()
        .flat_map(|worker| (1..=10).map(|attempt| worker.call("charge_card", attempt, args("charge_card"))));
    let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.replayed_downstream).count(), 1);
    let [row] = workers[3].rows("charge_card").await.try_into().unwrap();
    assert_eq!(row.replays, 39);
}

#[tokio::test]
async fn a_ledger_in_memory_is_shared_by_its_clones_and_by_nobody_else() {
    let ledger = Ledger::in_memory().await.unwrap();
    let agency = Agency::over(ledger.clone(), "");
    agency.call("send_mail", 1, args("send_mail")).await.unwrap();
    assert_eq!(ledger.rows().await.unwrap().len(), 1);
    assert!(Ledger::in_memory().await.unwrap().rows().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_leaves_the_ledger_whole() {
    let agency = Agency::in_memory("").await;
    agency.call("book_flight", 1, args("book_flight")).await.unwrap();
    let mut dropped = 0;
    for number in 0..100 {
        let cancel = json!({"booking": "", "call_key": key("book_flight").as_str()});
        let key = key(&format!("undo-{number}"));
        let mut call = Box::pin(agency.call_with(context("cancel_flight", &key, 1), cancel));
        // A few polls: the drop falls between the statements of its transaction, each time elsewhere.
        let mut pending = true;
        for _ in 0..=number {
            pending = futures::poll!(&mut call).is_pending();
            if !pending {
                break;
            }
            tokio::task::yield_now().await;
        }
        dropped += usize::from(pending);
    }
    assert!(dropped > 0, "nothing was dropped half way");
    let (deeds, undos) = (agency.rows("book_flight").await, agency.rows("cancel_flight").await);
    assert_eq!((deeds.len(), deeds[0].undone_by.is_some()), (1, !undos.is_empty()), "the halves agree");
    assert!(undos.len() <= 1);
}

#[tokio::test]
async fn a_folder_is_made_and_a_file_that_can_not_be_opened_is_named() {
    let folder = Folder::new().unwrap();
    let file = folder.join("data/ledger.db");
    Ledger::open(&file).await.unwrap();
    for bad in [file.join("ledger.db"), folder.join("data")] {
        let error = Ledger::open(&bad).await.unwrap_err();
        assert!(matches!(&error, LedgerError::Open { path, .. } if *path == bad), "{error}");
    }
}
