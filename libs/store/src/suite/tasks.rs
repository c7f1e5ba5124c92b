//! Rows of tasks: lists and removal.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_ports::{Error, Page};
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::journal::{Append, Hold, RowUpdate, Snapshot, TaskFilter};
use holdfast_types::{Namespace, TaskId, TaskOutcome, TaskStatus};

use super::{Fixture, driven, ids, row, spec};

async fn list(fixture: &Fixture, filter: TaskFilter) -> Vec<TaskId> {
    let page = fixture.tasks.list(filter, Page { size: 100, token: None }).await.unwrap();
    assert_eq!(page.next, None);
    page.tasks.iter().map(|row| row.id).collect()
}

async fn finish(fixture: &Fixture, outcome: TaskOutcome) -> TaskId {
    let mut driver = driven(fixture).await;
    driver.give_back(fixture, RowUpdate { outcome: Some(outcome), ..row(TaskStatus::Finished, None) }).await;
    driver.task
}

pub async fn an_unknown_task_is_not_found(fixture: &Fixture) {
    let task = ids::task();
    assert!(matches!(fixture.tasks.get(task).await, Err(Error::NotFound { .. })));
    assert!(matches!(fixture.journal.load(task).await, Err(Error::NotFound { .. })));
    assert!(matches!(fixture.journal.events(task, 0, 1).await, Err(Error::NotFound { .. })));
}

pub async fn a_list_has_pages_newest_first(fixture: &Fixture) {
    let mut created = Vec::new();
    for n in 0..7 {
        let task = spec(fixture);
        fixture.journal.create(task.clone()).await.unwrap();
        created.insert(0, task.id);
        // Some share a moment.
        fixture.clock.advance(Duration::from_secs(n % 2));
    }
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let page = fixture.tasks.list(TaskFilter::default(), Page { size: 3, token }).await.unwrap();
        assert!(page.tasks.len() <= 3);
        seen.extend(page.tasks.iter().map(|row| row.id));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, created);
}

pub async fn a_list_is_filtered(fixture: &Fixture) {
    let done = finish(fixture, TaskOutcome::Succeeded).await;
    let failed = finish(fixture, TaskOutcome::Failed).await;
    let running = driven(fixture).await.task;
    fixture.clock.advance(Duration::from_secs(10));
    let later = fixture.clock.now();
    let mut queued = spec(fixture);
    queued.namespace = Namespace::try_new("team").unwrap();
    queued.labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    fixture.journal.create(queued.clone()).await.unwrap();

    let filter = TaskFilter::default;
    assert_eq!(list(fixture, filter()).await, [queued.id, running, failed, done]);
    let in_state = |statuses: &[TaskStatus]| TaskFilter { statuses: statuses.to_vec(), ..filter() };
    assert_eq!(list(fixture, in_state(&[TaskStatus::Finished])).await, [failed, done]);
    assert_eq!(
        list(fixture, in_state(&[TaskStatus::Queued, TaskStatus::Running])).await,
        [queued.id, running]
    );
    let ended = |outcomes: &[TaskOutcome]| TaskFilter { outcomes: outcomes.to_vec(), ..filter() };
    assert_eq!(list(fixture, ended(&[TaskOutcome::Failed, TaskOutcome::Succeeded])).await, [failed, done]);
    let neither = TaskFilter { statuses: vec![TaskStatus::Running], ..ended(&[TaskOutcome::Failed]) };
    assert!(list(fixture, neither).await.is_empty());
    let team = TaskFilter { namespace: Some(queued.namespace.clone()), ..filter() };
    assert_eq!(list(fixture, team.clone()).await, [queued.id]);
    let other = TaskFilter { statuses: vec![TaskStatus::Running], ..team };
    assert!(list(fixture, other).await.is_empty());
    assert_eq!(list(fixture, TaskFilter { from: Some(later), ..filter() }).await, [queued.id]);
    assert_eq!(list(fixture, TaskFilter { until: Some(later), ..filter() }).await.len(), 3);
    assert_eq!(list(fixture, TaskFilter { labels: queued.labels.clone(), ..filter() }).await, [queued.id]);
    let mut labels = queued.labels;
    labels.insert("b".to_owned(), "3".to_owned());
    assert!(list(fixture, TaskFilter { labels, ..filter() }).await.is_empty());
}

pub async fn a_strange_page_token_is_refused(fixture: &Fixture) {
    for token in ["", "x", "1-", "zz-1", "1-2-3"] {
        let page = Page { size: 1, token: Some(token.to_owned()) };
        let refused = fixture.tasks.list(TaskFilter::default(), page).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{token}");
    }
}

pub async fn finished_tasks_are_removed_with_all_that_is_theirs(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let message = InboxMessage {
        id: ids::message(),
        task: driver.task,
        at: fixture.clock.now(),
        from: None,
        message: Message::Pause,
    };
    fixture.inbox.put(message.clone()).await.unwrap();
    let snapshot = Snapshot { seq: 1, v: 1, body: "{}".to_owned() };
    fixture.journal.put_snapshot(driver.task, snapshot).await.unwrap();
    let append = Append {
        events: vec![super::event("x"); 2500],
        handled: vec![message.id],
        row: row(TaskStatus::Finished, None),
        hold: Hold::GiveBack,
        ..driver.request()
    };
    driver.append(fixture, append).await;
    let second = finish(fixture, TaskOutcome::Succeeded).await;
    let end = fixture.clock.now();
    assert_eq!(fixture.tasks.prune(end, 10).await.unwrap(), 0);
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 1).await.unwrap(), 1);
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    for task in [driver.task, second] {
        assert!(matches!(fixture.tasks.get(task).await, Err(Error::NotFound { .. })));
        assert!(matches!(fixture.journal.load(task).await, Err(Error::NotFound { .. })));
        assert!(fixture.inbox.read(task).await.unwrap().is_empty());
    }
    assert!(list(fixture, TaskFilter::default()).await.is_empty());
}

pub async fn what_still_has_work_is_not_removed(fixture: &Fixture) {
    let running = driven(fixture).await.task;
    let woken = finish(fixture, TaskOutcome::Succeeded).await;
    let message = InboxMessage {
        id: ids::message(),
        task: woken,
        at: fixture.clock.now(),
        from: None,
        message: Message::Pause,
    };
    fixture.inbox.put(message).await.unwrap();
    let mut held = driven(fixture).await;
    let append = Append { row: row(TaskStatus::Finished, None), ..held.request() };
    held.append(fixture, append).await;
    fixture.clock.advance(Duration::from_secs(3600));
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 0);
    for task in [running, woken, held.task] {
        assert!(fixture.tasks.get(task).await.is_ok());
    }
}
