//! Nothing that runs often reads a whole table: what SQLite plans for the statements of claims, lists and appends.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_types::journal::TaskFilter;
use holdfast_types::{Namespace, TaskOutcome, TaskStatus, Timestamp};
use sqlx::{AssertSqlSafe, Row};

use super::keys::verbs as keys;
use super::rows::EVENT;
use super::{Fsync, SqliteConfig, SqliteStore, claims, leases, tasks, turns};

async fn store(folder: &tempfile::TempDir) -> SqliteStore {
    let config = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("plans.db")) };
    SqliteStore::open(config, Arc::new(|| Timestamp::from_micros(1))).await.unwrap()
}

/// The steps of a statement's plan.
async fn plan(store: &SqliteStore, text: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")))
        .fetch_all(store.readers())
        .await
        .unwrap();
    rows.iter().map(|row| row.get(3)).collect()
}

/// Whether a step walks through a table that grows. Sessions are as many as instances.
fn is_walk(step: &str) -> bool {
    let small =
        ["SCAN s", "SCAN sessions", "SCAN j", "SCAN json_each", "SCAN CONSTANT ROW", "SCAN v", "SCAN 2-ROW"];
    step.starts_with("SCAN")
        && !small.iter().any(|name| step == *name || step.starts_with(&format!("{name} ")))
}

async fn check(store: &SqliteStore, text: &str) {
    let steps = plan(store, text).await;
    assert!(!steps.is_empty());
    assert!(!steps.iter().any(|step| is_walk(step)), "{text}\n{steps:#?}");
}

#[tokio::test]
async fn claims_and_wakeups_stay_flat() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    for text in [
        claims::due_text(),
        turns::NEXT_NAMESPACE.to_owned(),
        turns::of_priority_text(),
        claims::lost_text(),
        claims::rest_text(),
        claims::one_text(),
        claims::of_instance_text(),
        leases::next_wake_text(),
    ] {
        check(&store, &text).await;
    }
    let due = plan(&store, &claims::due_text()).await;
    assert!(due[0].contains("tasks_wake"), "{due:?}");
    let in_turn = plan(&store, &turns::of_priority_text()).await;
    assert!(in_turn.len() == 1 && in_turn[0].contains("tasks_turns"), "{in_turn:?}");
}

#[tokio::test]
async fn appends_and_loads_find_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    for text in [
        format!("SELECT {EVENT} FROM events WHERE task = (SELECT no FROM tasks WHERE id = ?) AND seq > ? ORDER BY seq LIMIT ?"),
        "SELECT no FROM tasks WHERE id IN (SELECT unhex(value) FROM json_each(?))".to_owned(),
        "SELECT key FROM keys WHERE key IN (SELECT value FROM json_each(?))".to_owned(),
        "SELECT no FROM blobs WHERE sha256 IN (SELECT unhex(value) FROM json_each(?))".to_owned(),
        "UPDATE tasks SET last_seq = column2 FROM (VALUES (?, ?)) AS v WHERE tasks.no = v.column1".to_owned(),
        "UPDATE inbox SET handled = 1 FROM json_each(?) j WHERE inbox.id = unhex(j.value ->> 1) \
         AND inbox.task = j.value ->> 0"
            .to_owned(),
        "SELECT i.body FROM tasks t JOIN inbox i ON i.task = t.no AND i.handled = 0 WHERE t.id = ? ORDER BY i.no"
            .to_owned(),
        keys::PROLONG.to_owned(),
        keys::REMOVE.to_owned(),
        "SELECT no, id FROM tasks WHERE finished_at IS NOT NULL AND finished_at < ? ORDER BY finished_at".to_owned(),
        "DELETE FROM tasks WHERE no = ?".to_owned(),
    ] {
        check(&store, &text).await;
    }
}

#[tokio::test]
async fn a_page_reads_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let after = Some(tasks::Place { submitted_at: 1, no: 1 });
    let namespaces = [None, Some(Namespace::default())];
    let states = [
        (vec![], vec![]),
        (vec![TaskStatus::Running], vec![]),
        (vec![TaskStatus::Waiting, TaskStatus::Finished], vec![]),
        (vec![], vec![TaskOutcome::Failed, TaskOutcome::Degraded]),
    ];
    for namespace in namespaces {
        for (statuses, outcomes) in &states {
            let filter = TaskFilter {
                namespace: namespace.clone(),
                statuses: statuses.clone(),
                outcomes: outcomes.clone(),
                labels: BTreeMap::new(),
                from: Some(Timestamp::from_micros(1)),
                until: Some(Timestamp::from_micros(9)),
            };
            for after in [None, after] {
                let question = tasks::question(&filter, tasks::states(&filter).as_deref(), after, 50);
                let steps = plan(&store, &question.text).await;
                // A sort would read all that match before it shows the first.
                let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE") || is_walk(step));
                assert!(!sorts, "{filter:?} {steps:#?}");
            }
        }
    }
}
