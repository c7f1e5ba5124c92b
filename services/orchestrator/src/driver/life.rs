//! The beginning of a driver's life: the journal is read and folded, and the first actions follow.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::stream::FuturesUnordered;
use holdfast_engine::event::{LifeStarted, Quarantined, Resume};
use holdfast_engine::{Event, Task, encode};
use holdfast_ports::Journal;
use holdfast_runtime::Shutdown;
use holdfast_telemetry::propagation;
use holdfast_types::journal::{Append, Appended, EventRow, Hold, PreviousLife, Progress, RowUpdate};
use holdfast_types::task::TaskBody;
use holdfast_types::{StepId, TaskId, TaskStatus};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::evaluate::{Evaluation, Known};
use super::front::Front;
use super::reattach::Reattaches;
use super::snapshot::{self, Read};
use super::spans::{self, Spans};
use super::tools::Seen;
use super::writer::Writer;
use super::{Claim, Drain, Driver, Ended, Error, Reading, with_env};
use crate::lease::Lease;
use crate::payloads::Payloads;
use crate::shared::Shared;

/// How many events one read of the journal takes.
const EVENTS_A_READ: u32 = 1_000;

/// How a driver is reached.
#[derive(Debug)]
pub(crate) struct Control {
    /// The end of the process.
    pub(crate) shutdown: Shutdown,
    /// Another driver has the task.
    pub(crate) stale: CancellationToken,
    /// Something may stand in the inbox.
    pub(crate) inbox: Notify,
    /// The driver has recorded an outcome.
    pub(crate) progressed: AtomicBool,
    /// The driver's append under way gives the task back.
    pub(crate) gives_back: AtomicBool,
}

impl Control {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        let (stale, inbox) = (CancellationToken::new(), Notify::new());
        let (progressed, gives_back) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { shutdown, stale, inbox, progressed, gives_back }
    }
}

/// A life that begins.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) claim: Claim,
    /// How the one before ended.
    pub(crate) previous: PreviousLife,
    /// The journal, where it is at hand: of a task that was made just now.
    pub(crate) events: Option<Vec<EventRow>>,
}

/// Drives a task until it is given back, lost, or can't go on.
pub(crate) async fn begin(
    shared: Arc<Shared>,
    lease: Arc<Lease>,
    control: Arc<Control>,
    life: Life,
) -> Ended {
    let claim = life.claim;
    let began = Instant::now();
    let read = match life.events {
        Some(events) => snapshot::from_beginning(claim.task, events),
        None => snapshot::read(&*shared.deps.journal, claim.task).await,
    };
    let Read { task, events, meter } = match read {
        Ok(read) => read,
        Err(error) => return Ended::Failed(error),
    };
    let resume = match life.previous {
        PreviousLife::None => Resume::First,
        PreviousLife::Released => Resume::Released,
        PreviousLife::Lost => Resume::Crash,
    };
    let spans = Spans::take_up(shared.deps.tracer.clone(), &task, &events);
    let root = spans.life();
    let payloads = Payloads::new(Arc::clone(&shared.deps.blobs));
    let evaluation = Evaluation::new(shared.deps.evaluator.clone(), payloads.clone(), &task);
    let manifests = task.spec().manifests.iter().map(|m| (m.name.clone(), Arc::new(m.clone()))).collect();
    let since = super::tools::Known::now(&shared);
    let waits = task.waits_for_tools();
    let tools = if waits { Seen::Watched { since } } else { Seen::Unwatched { since } };
    let mut driver = Driver {
        writer: Writer::new(claim, Arc::clone(&shared.deps.journal)),
        evaluation: Arc::new(evaluation),
        payloads,
        steps: Known::default(),
        positions: positions(&task),
        manifests,
        claim,
        task,
        work: FuturesUnordered::new(),
        ready: VecDeque::new(),
        running: HashMap::new(),
        front: Front::default(),
        reattaches: Reattaches::default(),
        evaluating: 0,
        taken: HashSet::new(),
        reading_inbox: Reading::No,
        next_read: Instant::now(),
        alarm: Alarm::new(),
        drain: Drain::No,
        spans,
        meter,
        snapshot_due: false,
        tools,
        recovering: (life.previous == PreviousLife::Lost).then_some(began),
        shared: Arc::clone(&shared),
        lease: Arc::clone(&lease),
        control,
    };
    driver.read_inbox();
    if resume == Resume::Crash {
        driver.export_lost();
    }
    let started = LifeStarted { epoch: claim.epoch, instance: lease.instance(), resume };
    let first = with_env(&shared, |env| driver.task.begin(started, lease.restores(), env));
    propagation::under(root, driver.run(first)).await
}

fn positions(task: &Task) -> HashMap<StepId, usize> {
    let TaskBody::Plan(plan) = &task.spec().body;
    plan.steps.iter().enumerate().map(|(position, step)| (step.id.clone(), position)).collect()
}

/// Sets a task aside that killed its drivers (PROTOCOL 18), and gives it back.
pub(crate) async fn quarantine(shared: &Shared, claim: Claim, barren_lives: u32) -> Result<(), Error> {
    let event = Event::Quarantined(Quarantined { barren_lives });
    let append = Append {
        id: shared.deps.ids.append(),
        task: claim.task,
        epoch: claim.epoch,
        owner: claim.owner,
        expected_seq: claim.last_seq,
        events: vec![encode(&event, shared.deps.clock.now())?],
        keys: Vec::new(),
        last_good: Vec::new(),
        handled: Vec::new(),
        row: RowUpdate { status: TaskStatus::Quarantined, outcome: None, waits_for: None, wake_at: None },
        progress: Progress::None,
        hold: Hold::GiveBack,
    };
    match super::writer::ask(Arc::clone(&shared.deps.journal), append).await.result {
        Ok(Appended::Ok { .. }) => {
            shared.deps.metrics.quarantine();
            // No life follows that could.
            spans::export_lost(shared, claim).await;
            Ok(())
        }
        Ok(Appended::Refused(refusal)) => {
            tracing::warn!(task_id = %claim.task, %refusal, "quarantine was refused");
            Ok(())
        }
        Err(error) => Err(Error::Append(error)),
    }
}

/// Reads a whole journal, from its beginning.
pub(crate) async fn all_events(journal: &dyn Journal, task: TaskId) -> holdfast_ports::Result<Vec<EventRow>> {
    let loaded = journal.load(task).await?;
    let Some(snapshot) = loaded.snapshot else { return Ok(loaded.events) };
    let mut events = Vec::new();
    let mut after = 0;
    while after < snapshot.seq {
        let page = journal.events(task, after, EVENTS_A_READ).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        events.extend(page.into_iter().filter(|row| row.seq <= snapshot.seq));
    }
    events.extend(loaded.events);
    Ok(events)
}
