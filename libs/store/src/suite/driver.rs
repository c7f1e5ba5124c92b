//! A driver as far as a store sees one: it claims a task, appends, and gives it back.

use std::collections::BTreeMap;

use holdfast_types::journal::{
    Append, Appended, Claimant, Claimed, Created, Hold, NewEvent, NewTask, Progress, Refusal, RowUpdate,
};
use holdfast_types::key::{Holder, Key, KeyChange, KeyOp};
use holdfast_types::{CallId, InstanceId, Namespace, OwnerId, StepId, TaskId, TaskStatus, Timestamp};

use super::Fixture;

/// Fresh ids of all kinds, in growing order.
pub mod ids {
    use std::sync::atomic::{AtomicU64, Ordering};

    use holdfast_types::{AppendId, InstanceId, MessageId, OwnerId, TaskId};

    static NEXT: AtomicU64 = AtomicU64::new(1);

    fn next() -> (u64, [u8; 10]) {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        random[2..].copy_from_slice(&n.to_be_bytes());
        (n, random)
    }

    #[must_use]
    pub fn task() -> TaskId {
        let (n, random) = next();
        TaskId::new(n, random)
    }

    #[must_use]
    pub fn owner() -> OwnerId {
        let (n, random) = next();
        OwnerId::new(n, random)
    }

    #[must_use]
    pub fn instance() -> InstanceId {
        let (n, random) = next();
        InstanceId::new(n, random)
    }

    #[must_use]
    pub fn append() -> AppendId {
        let (n, random) = next();
        AppendId::new(n, random)
    }

    #[must_use]
    pub fn message() -> MessageId {
        let (n, random) = next();
        MessageId::new(n, random)
    }
}

/// An event that says `text`.
#[must_use]
pub fn event(text: &str) -> NewEvent {
    NewEvent {
        at: Timestamp::from_micros(1),
        kind: "noted".to_owned(),
        v: 1,
        body: serde_json::json!({ "text": text }).to_string(),
        blobs: Vec::new(),
    }
}

/// A row in a state, which wants to be driven at `wake_at`.
#[must_use]
pub fn row(status: TaskStatus, wake_at: Option<Timestamp>) -> RowUpdate {
    RowUpdate { status, outcome: None, waits_for: None, wake_at }
}

/// A digest of arguments, as the wire takes it.
#[must_use]
pub fn fingerprint(number: u32) -> String {
    format!("{number:064x}")
}

/// A key that no other test has.
#[must_use]
pub fn key(name: &str) -> Key {
    Key::try_new(format!("default/charge_card/ns/{name}")).unwrap()
}

/// A task that is to be created, with one event.
#[must_use]
pub fn spec(fixture: &Fixture) -> NewTask {
    NewTask {
        id: ids::task(),
        namespace: Namespace::default(),
        name: "trip".to_owned(),
        labels: BTreeMap::new(),
        digest: "d1".to_owned(),
        events: vec![event("created")],
        submitted_at: fixture.clock.now(),
        claimant: None,
        queue_limit: 10_000,
        priority: holdfast_types::Priority::default(),
    }
}

/// Who drives a task.
#[derive(Debug, Clone)]
pub struct Driver {
    pub task: TaskId,
    pub instance: InstanceId,
    pub owner: OwnerId,
    pub epoch: u64,
    pub seq: u64,
}

/// Creates a task that a fresh instance drives.
pub async fn driven(fixture: &Fixture) -> Driver {
    let instance = ids::instance();
    fixture.leases.open(instance).await.unwrap();
    let owner = ids::owner();
    let mut task = spec(fixture);
    task.claimant = Some(Claimant { instance, owner });
    let created = fixture.journal.create(task.clone()).await.unwrap();
    assert_eq!(created, Created::New { epoch: 1, last_seq: 1 });
    Driver { task: task.id, instance, owner, epoch: 1, seq: 1 }
}

impl Driver {
    /// A driver by a claim.
    #[must_use]
    pub fn of(instance: InstanceId, claim: &Claimed) -> Self {
        Self { task: claim.task, instance, owner: claim.owner, epoch: claim.epoch, seq: claim.last_seq }
    }

    /// An append of one event at this driver's place.
    #[must_use]
    pub fn request(&self) -> Append {
        Append {
            id: ids::append(),
            task: self.task,
            epoch: self.epoch,
            owner: self.owner,
            expected_seq: self.seq,
            events: vec![event("step")],
            keys: Vec::new(),
            last_good: Vec::new(),
            handled: Vec::new(),
            row: row(TaskStatus::Running, None),
            progress: Progress::None,
            hold: Hold::Keep,
        }
    }

    /// Appends, and expects success. Returns the tokens of what it claims.
    pub async fn append(&mut self, fixture: &Fixture, append: Append) -> Vec<u64> {
        let events = append.events.len() as u64;
        let claims = append.claimants().count();
        let Appended::Ok { last_seq, tokens } = fixture.journal.append(append).await.unwrap() else {
            panic!("the append was refused")
        };
        assert_eq!((last_seq, tokens.len()), (self.seq + events, claims));
        self.seq += events;
        tokens
    }

    /// Appends, and expects a refusal.
    pub async fn refused(&self, fixture: &Fixture, append: Append) -> Refusal {
        match fixture.journal.append(append).await.unwrap() {
            Appended::Refused(refusal) => refusal,
            Appended::Ok { .. } => panic!("the append was not refused"),
        }
    }

    /// Gives the task back in a state, with an event.
    pub async fn give_back(&mut self, fixture: &Fixture, row: RowUpdate) {
        let append = Append { row, hold: Hold::GiveBack, ..self.request() };
        self.append(fixture, append).await;
    }

    /// An append with one change of a key, in the name of the call `charge`.
    #[must_use]
    pub fn change(&self, key: &Key, generation: u32, op: KeyOp) -> Append {
        let change = KeyChange { key: key.clone(), generation, call: call(), op };
        Append { keys: vec![change], ..self.request() }
    }

    /// An append that claims a key in its first generation.
    #[must_use]
    pub fn claim(&self, key: &Key) -> Append {
        self.change(key, 1, KeyOp::Claim { fingerprint: fingerprint(1) })
    }

    /// This driver's call, as the holder of a key.
    #[must_use]
    pub fn holder(&self) -> Holder {
        Holder::Call { task: self.task, call: call() }
    }
}

fn call() -> CallId {
    CallId::forward(StepId::try_new("charge").unwrap(), None)
}
