//! A worker in this process whose tools do what a test says, with a ledger of every effect.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use holdfast_ports::{ExecuteStream, Tools};
use holdfast_types::worker::{
    CallOutcome, CallRef, Execute, ExecuteEvent, FenceAnswer, ProbeAnswer, Recorded, Success,
};
use holdfast_types::{Class, Effect, Failure, Key, Payload, Reason, ToolName, WorkerId};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a call does.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Takes effect and returns this.
    Give(Value),
    /// Fails without an effect.
    Refuse(Class),
    /// Fails for good.
    Break,
    /// Takes effect, and runs until the test lets go.
    Hold,
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
    outcome: watch::Sender<Option<CallOutcome>>,
}

#[derive(Debug, Default)]
struct State {
    replies: HashMap<String, VecDeque<Reply>>,
    calls: HashMap<CallRef, Running>,
    /// The highest epoch that was shown, by call.
    shown: HashMap<CallRef, u64>,
    ledger: Vec<Deed>,
    acks: Vec<CallRef>,
    cancels: Vec<CallRef>,
    /// It answers nothing any more.
    gone: bool,
    /// How many requests for a call that it has already can't reach it.
    unreachable: u32,
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

    pub fn cancels(&self) -> Vec<String> {
        self.state.lock().unwrap().cancels.iter().map(|call| call.call.to_string()).collect()
    }

    pub fn acks(&self) -> usize {
        self.state.lock().unwrap().acks.len()
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

fn follow(outcome: watch::Receiver<Option<CallOutcome>>) -> ExecuteStream {
    stream::once(async move {
        let mut outcome = outcome;
        let ended = outcome.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
        match ended {
            Some(ended) => Ok(ExecuteEvent::Finished(ended)),
            None => Err(lost()),
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
                return Ok(follow(running.outcome.subscribe()));
            }
        }
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
        if !matches!(reply, Reply::Refuse(_) | Reply::Break) {
            state.ledger.push(Deed {
                tool: execute.tool.to_string(),
                call: execute.call.call.to_string(),
                key: execute.key.clone(),
                args,
                epoch: execute.epoch,
            });
        }
        let ended = match reply {
            Reply::Give(result) => Some(success(result)),
            Reply::Refuse(class) => {
                Some(Err(Failure::new(class, Effect::NotExecuted, Reason::DependencyUnavailable, "not now")))
            }
            Reply::Break => {
                Some(Err(Failure::new(Class::Permanent, Effect::NotExecuted, Reason::ToolError, "never")))
            }
            Reply::Hold | Reply::Panic => None,
            Reply::Vanish => {
                state.gone = true;
                return Err(lost());
            }
        };
        let (outcome, receiver) = watch::channel(ended);
        state.calls.insert(execute.call, Running { epoch: execute.epoch, outcome });
        Ok(follow(receiver))
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
            let cancelled =
                Failure::new(Class::Cancelled, Effect::NotExecuted, Reason::CancelledByCaller, "called off");
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
}
