//! A worker in this process whose tools do what a test says, with a ledger of every effect.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use holdfast_ports::{ExecuteStream, Tools};
use holdfast_types::worker::{
    CallOutcome, CallRef, Execute, ExecuteEvent, FenceAnswer, ProbeAnswer, Recorded, Success,
};
use holdfast_types::{Class, Effect, Failure, Key, Payload, Reason, Source, ToolName, WorkerId};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a call does.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Takes effect and returns this.
    Give(Value),
    /// Fails without an effect.
    Refuse(Class),
    /// Fails without an effect: it is called too often, and wants to be left alone for so long.
    Limit(Duration),
    /// Fails for good.
    Break,
    /// Takes effect, and fails for good with this message.
    Complain(String),
    /// Takes effect, and runs until the test lets go.
    Hold,
    /// As `Hold`, with heartbeats; a cancel comes after the effect may have begun.
    Beat,
    /// As `Hold`, without a sign of life; a cancel comes after the effect may have begun.
    Hang,
    /// Takes effect, and the connection is lost with the worker.
    Vanish,
    /// Takes the driver that calls it down.
    Panic,
}

/// One effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    pub tool: String,
    pub call: String,
    pub key: Key,
    pub args: Value,
    pub epoch: u64,
}

#[derive(Debug, Clone)]
struct Running {
    epoch: u64,
    /// How often it gives a sign of life.
    beat: Option<Duration>,
    /// What is known of the effect of a call that is called off.
    called_off: Effect,
    outcome: watch::Sender<Option<CallOutcome>>,
}

#[derive(Debug, Default)]
struct State {
    replies: HashMap<String, VecDeque<Reply>>,
    calls: HashMap<CallRef, Running>,
    /// The highest epoch that was shown, by call.
    shown: HashMap<CallRef, u64>,
    ledger: Vec<Deed>,
    /// The token of each request that was begun, with the call's name.
    tokens: Vec<(String, u64)>,
    acks: Vec<CallRef>,
    cancels: Vec<CallRef>,
    /// It answers nothing any more.
    gone: bool,
    /// How many requests for a call that it has already can't reach it.
    unreachable: u32,
    /// Its process is dead: nobody listens.
    dead: bool,
    /// How often a dead one was dialled.
    dials: usize,
    /// How many of the next trials of a tool's own fail.
    failing_trials: usize,
    /// How many were asked for.
    trials: usize,
    /// The tool has none by now, whatever its manifest said.
    has_no_trials: bool,
}

/// The worker.
#[derive(Debug, Default)]
pub struct Worker {
    state: Mutex<State>,
    /// Whether requests are under way for as long as the test wants.
    slow: watch::Sender<bool>,
}

impl Worker {
    /// What the next calls of a tool do; after them each gives its arguments back.
    pub fn script(&self, tool: &str, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().replies.entry(tool.to_owned()).or_default().extend(replies);
    }

    pub fn ledger(&self) -> Vec<Deed> {
        self.state.lock().unwrap().ledger.clone()
    }

    /// The calls that took effect, in order.
    pub fn deeds(&self) -> Vec<String> {
        self.ledger().into_iter().map(|deed| deed.call).collect()
    }

    /// The fencing tokens that came with the attempts of a call, in order.
    pub fn tokens(&self, call: &str) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        state.tokens.iter().filter(|(of, _)| of == call).map(|(_, token)| *token).collect()
    }

    pub fn cancels(&self) -> Vec<String> {
        self.state.lock().unwrap().cancels.iter().map(|call| call.call.to_string()).collect()
    }

    /// Lets the next trials of a tool's own fail.
    pub fn fail_trials(&self, times: usize) {
        self.state.lock().unwrap().failing_trials = times;
    }

    /// Lets no tool have a trial of its own any more.
    pub fn forget_trials(&self) {
        self.state.lock().unwrap().has_no_trials = true;
    }

    /// How many trials of a tool's own were asked for.
    pub fn trials(&self) -> usize {
        self.state.lock().unwrap().trials
    }

    pub fn acks(&self) -> usize {
        self.state.lock().unwrap().acks.len()
    }

    /// Lets every dial fail from now on: its process is dead, and the directory does not know yet.
    pub fn die(&self) {
        self.state.lock().unwrap().dead = true;
    }

    /// How often it was dialled since it died.
    pub fn dials(&self) -> usize {
        self.state.lock().unwrap().dials
    }

    /// Lets it forget every call, as a worker that died and came back under its name.
    pub fn restart(&self) {
        let mut state = self.state.lock().unwrap();
        state.calls.clear();
        state.shown.clear();
    }

    /// Lets that many attaches fail as if nobody listened.
    pub fn refuse_attaches(&self, times: u32) {
        self.state.lock().unwrap().unreachable = times;
    }

    /// Keeps the calls that are sent from now on on their way, or lets them arrive.
    pub fn delay_calls(&self, slow: bool) {
        self.slow.send_replace(slow);
    }

    /// Lets a held call go, with this result.
    pub fn let_go(&self, call: &str, result: Value) {
        let state = self.state.lock().unwrap();
        let (_, running) = state.calls.iter().find(|(of, _)| of.call.to_string() == call).unwrap();
        running.outcome.send_replace(Some(success(result)));
    }
}

fn success(result: Value) -> CallOutcome {
    Ok(Success { result: Payload::Json(result), replayed_downstream: false })
}

fn stale() -> Failure {
    Failure::new(Class::Transient, Effect::NotExecuted, Reason::StaleEpoch, "a higher epoch was shown")
}

fn follow(running: &Running) -> ExecuteStream {
    let (outcome, beat) = (running.outcome.subscribe(), running.beat);
    stream::unfold(Some(outcome), move |outcome| async move {
        let mut outcome = outcome?;
        let tick = async {
            match beat {
                Some(beat) => tokio::time::sleep(beat).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = outcome.wait_for(Option::is_some) => Some(ended.ok().and_then(|ended| ended.clone())),
            () = tick => None,
        };
        match ended {
            Some(ended) => Some((ended.map(ExecuteEvent::Finished).ok_or_else(lost), None)),
            None => Some((Ok(ExecuteEvent::Heartbeat(None)), Some(outcome))),
        }
    })
    .boxed()
}

fn refused_dial() -> Failure {
    Failure::new(Class::Transient, Effect::NotExecuted, Reason::ConnectFailed, "nobody listens")
}

fn lost() -> Failure {
    Failure::new(Class::Transient, Effect::Unknown, Reason::ConnectionLost, "the connection was lost")
}

#[async_trait]
impl Tools for Worker {
    async fn execute(&self, execute: Execute) -> Result<ExecuteStream, Failure> {
        let _ = self.slow.subscribe().wait_for(|slow| !*slow).await;
        let mut state = self.state.lock().unwrap();
        if state.dead {
            state.dials += 1;
            return Err(refused_dial().from_source(Source::Platform));
        }
        if state.unreachable > 0 && state.calls.contains_key(&execute.call) {
            state.unreachable -= 1;
            return Err(refused_dial());
        }
        let shown = state.shown.entry(execute.call.clone()).or_default();
        if execute.epoch < *shown {
            return Err(stale());
        }
        *shown = execute.epoch;
        if let Some(running) = state.calls.get(&execute.call) {
            let again = running.outcome.borrow().as_ref().is_some_and(Result::is_err);
            if !again {
                return Ok(follow(running));
            }
        }
        state.tokens.push((execute.call.call.to_string(), execute.token));
        let args = execute.args.as_json().cloned().unwrap_or_default();
        let reply = state
            .replies
            .get_mut(execute.tool.as_str())
            .and_then(VecDeque::pop_front)
            .unwrap_or_else(|| Reply::Give(json!({ "of": args })));
        if matches!(reply, Reply::Panic) {
            drop(state);
            panic!("the test asked for it");
        }
        if !matches!(reply, Reply::Refuse(_) | Reply::Limit(_) | Reply::Break) {
            state.ledger.push(Deed {
                tool: execute.tool.to_string(),
                call: execute.call.call.to_string(),
                key: execute.key.clone(),
                args,
                epoch: execute.epoch,
            });
        }
        let (beat, called_off) = match &reply {
            Reply::Beat => (Some(Duration::from_millis(5)), Effect::Unknown),
            Reply::Hang => (None, Effect::Unknown),
            _ => (None, Effect::NotExecuted),
        };
        let ended = match reply {
            Reply::Give(result) => Some(success(result)),
            Reply::Refuse(class) => {
                Some(Err(Failure::new(class, Effect::NotExecuted, Reason::DependencyUnavailable, "not now")))
            }
            Reply::Limit(hint) => {
                let refused =
                    Failure::new(Class::RateLimited, Effect::NotExecuted, Reason::RateLimited, "too often");
                Some(Err(Failure { retry_after: Some(hint), ..refused }))
            }
            Reply::Break => {
                Some(Err(Failure::new(Class::Permanent, Effect::NotExecuted, Reason::ToolError, "never")))
            }
            Reply::Complain(message) => {
                Some(Err(Failure::new(Class::Permanent, Effect::NotExecuted, Reason::ToolError, message)))
            }
            Reply::Hold | Reply::Beat | Reply::Hang | Reply::Panic => None,
            Reply::Vanish => {
                state.gone = true;
                return Err(lost());
            }
        };
        let outcome = watch::Sender::new(ended);
        let running = Running { epoch: execute.epoch, beat, called_off, outcome };
        let stream = follow(&running);
        state.calls.insert(execute.call, running);
        Ok(stream)
    }

    async fn fence(&self, _worker: WorkerId, call: CallRef, epoch: u64) -> Result<FenceAnswer, Failure> {
        let mut state = self.state.lock().unwrap();
        if state.gone {
            return Err(lost());
        }
        let shown = state.shown.entry(call.clone()).or_default();
        if epoch < *shown {
            return Err(stale());
        }
        *shown = epoch;
        let Some(running) = state.calls.get_mut(&call) else { return Ok(FenceAnswer::NeverSeen) };
        running.epoch = epoch;
        let ended = running.outcome.borrow().clone();
        Ok(ended.map_or(FenceAnswer::Running, FenceAnswer::Finished))
    }

    async fn cancel(
        &self,
        _worker: WorkerId,
        call: CallRef,
        epoch: u64,
        _reason: &str,
    ) -> Result<(), Failure> {
        let mut state = self.state.lock().unwrap();
        if state.shown.get(&call).is_some_and(|shown| epoch < *shown) {
            return Err(stale());
        }
        state.cancels.push(call.clone());
        if let Some(running) = state.calls.get(&call) {
            let effect = running.called_off;
            let cancelled = Failure::new(Class::Cancelled, effect, Reason::CancelledByCaller, "called off");
            running.outcome.send_if_modified(|outcome| {
                let open = outcome.is_none();
                if open {
                    *outcome = Some(Err(cancelled));
                }
                open
            });
        }
        Ok(())
    }

    async fn ack(&self, _worker: WorkerId, recorded: Vec<Recorded>) -> Result<(), Failure> {
        self.state.lock().unwrap().acks.extend(recorded.into_iter().map(|one| one.call));
        Ok(())
    }

    async fn reconcile(
        &self,
        _worker: WorkerId,
        _tool: &ToolName,
        key: &Key,
        _args: &Value,
    ) -> Result<ProbeAnswer, Failure> {
        let state = self.state.lock().unwrap();
        let done = state.ledger.iter().any(|deed| deed.key == *key);
        Ok(if done {
            ProbeAnswer::Done { result: Payload::Json(json!("probed")) }
        } else {
            ProbeAnswer::NotDone
        })
    }

    async fn check(&self, _worker: WorkerId) -> Result<(), Failure> {
        Ok(())
    }

    async fn trial(&self, _worker: WorkerId, tool: &ToolName) -> Result<(), Failure> {
        let mut state = self.state.lock().unwrap();
        state.trials += 1;
        if state.has_no_trials {
            return Err(holdfast_ports::no_own_trial(tool));
        }
        match state.failing_trials.checked_sub(1) {
            Some(left) => {
                state.failing_trials = left;
                let (class, reason) = (Class::Transient, Reason::DependencyUnavailable);
                Err(Failure::new(class, Effect::NotExecuted, reason, "still down"))
            }
            None => Ok(()),
        }
    }
}
