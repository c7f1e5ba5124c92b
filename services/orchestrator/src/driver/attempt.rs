//! One attempt of a call at its worker: sent, followed, and brought to its end.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use holdfast_engine::Input;
use holdfast_engine::action::Execute;
use holdfast_ports::{ExecuteStream, LiveWorker};
use holdfast_telemetry::propagation;
use holdfast_types::key::{Holder, Key};
use holdfast_types::time::format_duration;
use holdfast_types::worker::{CallOutcome, CallRef, ExecuteEvent, Recorded, Success};
use holdfast_types::{CallId, Class, Effect, Failure, Reason, SideEffect, Source, WorkerId, worker};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Claim, Done, Driver};
use crate::breakers::Permit;
use crate::lease::Lease;
use crate::payloads::Payloads;
use crate::places::Place;
use crate::shared::Shared;

/// How long the cancels of a driver that lost its task may take.
const ABORT_WITHIN: Duration = Duration::from_secs(2);

/// How long the question for a token may take.
const TOKEN_WITHIN: Duration = Duration::from_secs(2);

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Running {
    worker: LiveWorker,
    /// Cancelled as soon as the worker has the attempt, or never will: a cancel that comes before it finds nothing.
    reached: CancellationToken,
}

/// An attempt that may be sent, with what was got for it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) execute: Execute,
    /// The place on a worker; none for one that is attached to.
    pub(super) place: Option<Place>,
    /// The token under which its intent has claimed the key, as this life's appends have told.
    pub(super) token: Option<u64>,
}

/// The fencing token that goes along.
#[derive(Debug)]
enum Token {
    /// This one.
    Known(u64),
    /// That of the row: another life's append has claimed the key, or the call stands under its own tombstone.
    OfRow(Key),
}

/// What an attempt needs.
struct Attempt {
    shared: Arc<Shared>,
    lease: Arc<Lease>,
    payloads: Payloads,
    claim: Claim,
    namespace: holdfast_types::Namespace,
    worker: LiveWorker,
    execute: Execute,
    token: Token,
    sending: Sending,
    /// Before it is sent.
    pause: Duration,
    /// The breaker's; none for what is attached to.
    permit: Option<Permit>,
    reached: CancellationToken,
    /// How long the worker may say nothing; none: only the attempt's time counts.
    silence: Option<Duration>,
    /// The attempt may be followed by another although nobody knows that it is over (PROTOCOL 1).
    supersedable: bool,
}

/// Whether an attempt begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// It does.
    New,
    /// It runs, or has ended, under an earlier life.
    Attach,
}

/// How the worker's side of an attempt ended.
enum End {
    /// The worker said so.
    Finished(CallOutcome),
    /// This request began nothing.
    Refused(Failure),
    /// The connection was lost, or nobody knows; the work may go on.
    Lost(Failure),
}

impl End {
    /// Says whether the worker could not be reached, or the connection to it was lost.
    fn says_unreachable(&self) -> bool {
        let unreachable = [Reason::ConnectFailed, Reason::ConnectionLost];
        match self {
            Self::Finished(_) => false,
            Self::Refused(failure) | Self::Lost(failure) => unreachable.contains(&failure.reason),
        }
    }
}

impl Driver {
    /// Sends an attempt, or attaches to one. Frees the place when it has ended.
    pub(super) fn attempt(&mut self, parcel: Parcel) {
        let Parcel { execute, mut place, token } = parcel;
        let shared = Arc::clone(&self.shared);
        let worker = match &place {
            Some(place) => Some(place.worker.clone()),
            None => shared.deps.directory.view().worker(execute.worker).cloned(),
        };
        // Only what was prepared just now has a place.
        let sending = if place.is_some() { Sending::New } else { Sending::Attach };
        let Some(worker) = worker else {
            let Execute { call, attempt, .. } = execute;
            let failure = lost(Reason::ConnectFailed, "the worker went away before it was attached to");
            let input = Input::AttemptLost { call: call.clone(), attempt, failure };
            self.ready.push_back(Done::Attempt((call, attempt), input));
            return;
        };
        // What was begun before was let through in a life that is over: it says nothing to the breaker any more.
        let permit = place.as_mut().and_then(|place| place.permit.take());
        let pause = match sending {
            Sending::New => Duration::ZERO,
            Sending::Attach => self.reattaches.next(&execute.call, execute.attempt),
        };
        let manifest = self.manifests.get(&execute.tool);
        if execute.attempt == 1 {
            shared.budgets.first_attempt(manifest.map_or(execute.tool.as_str(), |m| m.dependency()));
        }
        // A worker's own heartbeats are all that comes of a healthy call: less than a few of them is no silence.
        let silence = manifest
            .and_then(|manifest| manifest.heartbeat_timeout)
            .map(|timeout| timeout.max(shared.config.worker_silence));
        let honours_key = manifest.is_some_and(|manifest| manifest.key.valid_for.is_some());
        let supersedable = match execute.side_effect {
            SideEffect::ReadOnly => true,
            SideEffect::Idempotent => honours_key,
            SideEffect::Verifiable | SideEffect::Unsafe => false,
        };
        let token = match token {
            // A read claims no key: the epoch orders the attempts of its task.
            _ if execute.side_effect == SideEffect::ReadOnly => Token::Known(self.claim.epoch),
            Some(token) => Token::Known(token),
            None => self.task.key_of(&execute.call).map_or(Token::Known(0), |key| Token::OfRow(key.clone())),
        };
        let reached = CancellationToken::new();
        let running = Running { worker: worker.clone(), reached: reached.clone() };
        self.running.insert((execute.call.clone(), execute.attempt), running);
        let attempt = Attempt {
            shared,
            lease: Arc::clone(&self.lease),
            payloads: self.payloads.clone(),
            claim: self.claim,
            namespace: self.task.spec().namespace.clone(),
            worker,
            execute,
            token,
            sending,
            pause,
            permit,
            reached,
            silence,
            supersedable,
        };
        let in_flight = attempt.shared.deps.metrics.call_in_flight();
        let span = self.spans.attempt(&attempt.execute.call, attempt.execute.attempt);
        self.work.push(Box::pin(async move {
            // The worker's span hangs under the attempt's, which is in the journal: no process takes it along.
            let done = propagation::under(span, attempt.run()).await;
            drop((place, in_flight));
            done
        }));
    }

    /// Aborts a call's work; the attempt's end tells what became of it.
    pub(super) fn cancel(&mut self, call: CallId, attempt: u32, worker: WorkerId) {
        let running = self.running.get(&(call.clone(), attempt));
        let reached = running.map(|running| running.reached.clone());
        let live = running.map(|running| running.worker.clone());
        let live = live.or_else(|| self.shared.deps.directory.view().worker(worker).cloned());
        let Some(live) = live else { return };
        let (task, epoch) = (self.claim.task, self.claim.epoch);
        self.work.push(Box::pin(async move {
            if let Some(reached) = reached {
                reached.cancelled().await;
            }
            let call = CallRef { task, call };
            if let Err(failure) =
                live.tools.cancel(worker, call.clone(), epoch, "called off by its task").await
            {
                tracing::warn!(%call, %failure, "cancel was not taken");
            }
            Done::Nothing
        }));
    }

    /// What is cancelled as soon as an attempt has reached its worker, or never will.
    pub(super) fn reached(&self, call: &CallId, attempt: u32) -> Option<CancellationToken> {
        self.running.get(&(call.clone(), attempt)).map(|running| running.reached.clone())
    }

    /// Aborts all calls of a task that another driver has: a worker that it has been shown a higher epoch refuses.
    pub(super) async fn abort_calls(&mut self) {
        let (task, epoch) = (self.claim.task, self.claim.epoch);
        let cancels = self.running.drain().map(|((call, _), running)| async move {
            let call = CallRef { task, call };
            let id = running.worker.info.id;
            if let Err(failure) =
                running.worker.tools.cancel(id, call.clone(), epoch, "another driver has it").await
            {
                tracing::debug!(%call, %failure, "cancel was not taken");
            }
        });
        let all = futures::future::join_all(cancels);
        if tokio::time::timeout(ABORT_WITHIN, all).await.is_err() {
            tracing::warn!(task_id = %task, "calls of a lost task are not aborted in time");
        }
    }
}

impl Attempt {
    async fn run(mut self) -> Done {
        let _reached = self.reached.clone().drop_guard();
        // A sleep of no time lasts to the timer's next millisecond.
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        let mut permit = self.permit.take();
        if let Some(permit) = &mut permit {
            permit.sent(self.execute.worker);
        }
        let begun = Instant::now();
        let end = self.follow().await;
        if let (Sending::New, End::Finished(Ok(_))) = (self.sending, &end) {
            self.shared.durations.took(&self.execute.tool, begun.elapsed());
        }
        // Before what follows is decided.
        if let Some(permit) = permit {
            match &end {
                End::Finished(outcome) => permit.ended(outcome),
                End::Refused(failure) | End::Lost(failure) => permit.failed(failure),
            }
        }
        if end.says_unreachable() {
            // Before its place is free again.
            self.shared.places.rest(self.execute.worker);
        }
        let (call, attempt) = (self.execute.call, self.execute.attempt);
        let input = match end {
            End::Finished(outcome) => {
                let outcome = match outcome {
                    Ok(Success { result, replayed_downstream }) => {
                        let result = self.payloads.keep_result(result).await;
                        Ok(Success { result, replayed_downstream })
                    }
                    Err(failure) => Err(failure),
                };
                Input::AttemptEnded { call: call.clone(), attempt, outcome }
            }
            End::Refused(failure) => match self.sending {
                Sending::New => Input::AttemptEnded { call: call.clone(), attempt, outcome: Err(failure) },
                // That nothing was begun by attaching says nothing about what was begun before.
                Sending::Attach => {
                    let failure = lost(failure.reason, &failure.message);
                    Input::AttemptLost { call: call.clone(), attempt, failure }
                }
            },
            End::Lost(failure) => Input::AttemptLost { call: call.clone(), attempt, failure },
        };
        Done::Attempt((call, attempt), input)
    }

    async fn follow(&self) -> End {
        if !self.lease.holds() {
            // No new attempt without a session (PROTOCOL 1): the driver is about to be stopped.
            return std::future::pending().await;
        }
        let limit = self.execute.timeout + self.shared.config.attempt_grace;
        match tokio::time::timeout(limit, self.converse()).await {
            Ok(end) => end,
            Err(_) => {
                self.give_up("out of time").await;
                let message = "the worker did not end the attempt within its time";
                End::Lost(lost(Reason::AttemptTimeout, message))
            }
        }
    }

    async fn converse(&self) -> End {
        let request = match self.request().await {
            Ok(request) => request,
            Err(failure) => return End::Refused(failure),
        };
        self.let_go_of_earlier().await;
        match self.worker.tools.execute(request).await {
            Ok(stream) => {
                self.reached.cancel();
                self.listen(stream).await
            }
            Err(failure) if failure.effect == Effect::NotExecuted => {
                if failure.reason == Reason::ConnectFailed {
                    self.report_dial().await;
                }
                End::Refused(failure)
            }
            Err(failure) => End::Lost(failure),
        }
    }

    /// A worker holds on to an unknown outcome of a call that must not be repeated, and would answer a later attempt
    /// with it. That attempt's intent is durable only where the one before was settled, so the worker may forget it.
    async fn let_go_of_earlier(&self) {
        let repeatable = self.execute.side_effect.is_repeatable();
        if self.sending == Sending::Attach || self.execute.attempt == 1 || repeatable {
            return;
        }
        let call = CallRef { task: self.claim.task, call: self.execute.call.clone() };
        let id = self.worker.info.id;
        let attempt = self.execute.attempt - 1;
        let recorded = Recorded { call: call.clone(), attempt, epoch: self.claim.epoch };
        if let Err(failure) = self.worker.tools.ack(id, vec![recorded]).await {
            tracing::debug!(%call, %failure, "ack was not taken");
        }
    }

    /// The request: arguments that stand in the blob table go along whole, since a worker stores nothing.
    async fn request(&self) -> Result<worker::Execute, Failure> {
        let execute = &self.execute;
        let args = match execute.args.as_blob() {
            Some(_) => holdfast_types::Payload::Json(self.payloads.value(&execute.args).await?),
            None => execute.args.clone(),
        };
        Ok(worker::Execute {
            worker: execute.worker,
            call: CallRef { task: self.claim.task, call: execute.call.clone() },
            attempt: execute.attempt,
            epoch: self.claim.epoch,
            not_after: execute.not_after,
            timeout: execute.timeout,
            namespace: self.namespace.clone(),
            tool: execute.tool.clone(),
            args,
            key: execute.key.clone(),
            token: self.token().await,
            side_effect: Some(execute.side_effect),
        })
    }

    /// The fencing token; 0 where nobody knows it: a tool that checks tokens refuses that.
    async fn token(&self) -> u64 {
        let key = match &self.token {
            Token::Known(token) => return *token,
            Token::OfRow(key) => key,
        };
        let (task, call) = (self.claim.task, &self.execute.call);
        match tokio::time::timeout(TOKEN_WITHIN, self.shared.deps.keys.get(key)).await {
            Ok(Ok(Some((row, _)))) if matches!(row.holder, Holder::Call { task: of, .. } if of == task) => {
                row.token
            }
            Ok(Ok(_)) => 0,
            Ok(Err(error)) => {
                tracing::warn!(task_id = %task, %call, %error, "token of a key is not known");
                0
            }
            Err(_) => {
                tracing::warn!(task_id = %task, %call, "token of a key is not told in time");
                0
            }
        }
    }

    /// Follows an attempt to its end, and gives it up where the worker is silent for too long.
    async fn listen(&self, mut stream: ExecuteStream) -> End {
        let Some(silence) = self.silence else { return read(&mut stream).await };
        match read_or_silence(&mut stream, silence).await {
            Some(end) => end,
            None => self.hung(stream, silence).await,
        }
    }

    /// The worker, or the way to it, hangs. It is told to stop; what it then says of the attempt is believed, and where
    /// it says nothing a call that must not be repeated is fenced first, as one whose connection was lost.
    async fn hung(&self, mut stream: ExecuteStream, silence: Duration) -> End {
        self.give_up("no sign of life").await;
        match tokio::time::timeout(ABORT_WITHIN, read(&mut stream)).await {
            Ok(End::Finished(Err(failure))) if failure.class == Class::Cancelled => {
                End::Finished(Err(self.silent(silence, failure.effect)))
            }
            Ok(end @ (End::Finished(_) | End::Refused(_))) => end,
            Ok(End::Lost(_)) | Err(_) if self.supersedable => {
                End::Finished(Err(self.silent(silence, Effect::Unknown)))
            }
            Ok(End::Lost(_)) | Err(_) => End::Lost(self.silent(silence, Effect::Unknown)),
        }
    }

    fn silent(&self, silence: Duration, effect: Effect) -> Failure {
        let ambiguous = effect == Effect::Unknown && !self.execute.side_effect.is_repeatable();
        let class = if ambiguous { Class::Ambiguous } else { Class::Transient };
        let message = format!("the worker gave no sign of life for {}", format_duration(silence));
        Failure::new(class, effect, Reason::HeartbeatLost, message).from_source(Source::Platform)
    }

    async fn give_up(&self, why: &str) {
        let call = CallRef { task: self.claim.task, call: self.execute.call.clone() };
        let cancel = self.worker.tools.cancel(self.execute.worker, call, self.claim.epoch, why);
        if !matches!(tokio::time::timeout(ABORT_WITHIN, cancel).await, Ok(Ok(()))) {
            tracing::warn!(task_id = %self.claim.task, call = %self.execute.call, "cancel was not taken");
        }
    }

    async fn report_dial(&self) {
        let worker_id = self.execute.worker;
        if let Err(error) = self.shared.deps.directory.report_failed_dial(worker_id).await {
            tracing::debug!(%worker_id, %error, "failed dial was not reported");
        }
    }
}

async fn read(stream: &mut ExecuteStream) -> End {
    loop {
        if let Some(end) = end_of(stream.next().await) {
            return end;
        }
    }
}

/// Reads to the end; none where nothing came for that long.
async fn read_or_silence(stream: &mut ExecuteStream, silence: Duration) -> Option<End> {
    loop {
        let event = tokio::time::timeout(silence, stream.next()).await.ok()?;
        if let Some(end) = end_of(event) {
            return Some(end);
        }
    }
}

/// What an event of the worker's stream ends.
fn end_of(event: Option<Result<ExecuteEvent, Failure>>) -> Option<End> {
    Some(match event {
        Some(Ok(ExecuteEvent::Heartbeat(progress))) => {
            tracing::trace!(?progress, "call runs");
            return None;
        }
        Some(Ok(ExecuteEvent::Finished(outcome))) => End::Finished(outcome),
        Some(Err(failure)) if failure.effect == Effect::NotExecuted => End::Refused(failure),
        Some(Err(failure)) => End::Lost(failure),
        None => {
            let message = "the worker's stream ended without an outcome";
            End::Lost(lost(Reason::ConnectionLost, message))
        }
    })
}

/// Of an attempt that may have begun, and whose end nobody has heard.
fn lost(reason: Reason, message: &str) -> Failure {
    Failure::new(Class::Transient, Effect::Unknown, reason, message).from_source(Source::Platform)
}
