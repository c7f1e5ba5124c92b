//! Tasks that wait in every way, and what a look at them has to say.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_store::Backlog;
use holdfast_store::suite::{Driver, Fixture, driven, ids, row, spec};
use holdfast_types::TaskStatus;
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::journal::RowUpdate;
use holdfast_types::task::WaitReason;

fn waits(reason: WaitReason, fixture: &Fixture) -> RowUpdate {
    let tomorrow = fixture.clock.now().after(Duration::from_secs(86_400));
    RowUpdate { waits_for: Some(reason), ..row(TaskStatus::Waiting, Some(tomorrow)) }
}

/// Writes a task of each kind; returns who drives the one that is driven.
pub(crate) async fn fill(fixture: &Fixture) -> Driver {
    // Nobody's: a new one, and one whose time has come.
    fixture.journal.create(spec(fixture)).await.unwrap();
    let mut due = driven(fixture).await;
    due.give_back(fixture, row(TaskStatus::Waiting, Some(fixture.clock.now()))).await;
    for reason in [WaitReason::Approval, WaitReason::Approval, WaitReason::ToolGone] {
        let mut driver = driven(fixture).await;
        driver.give_back(fixture, waits(reason, fixture)).await;
    }
    let driver = driven(fixture).await;
    let message = InboxMessage {
        id: ids::message(),
        task: driver.task,
        at: fixture.clock.now(),
        from: None,
        message: Message::Pause,
    };
    fixture.inbox.put(message).await.unwrap();
    driver
}

/// What a look at [`fill`]ed stores says, while the driver lives.
pub(crate) fn filled() -> Backlog {
    let waiting = BTreeMap::from([(WaitReason::Approval, 2), (WaitReason::ToolGone, 1)]);
    Backlog { queued: 2, waiting, messages: 1 }
}
