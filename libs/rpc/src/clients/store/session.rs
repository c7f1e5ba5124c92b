//! Sessions of instances: one stream each, which comes back at any replica with all that the session holds.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_ports::{Error, Renewal, Renewed, Result, Session};
use holdfast_proto::v1::instance_session_request::open::Earlier;
use holdfast_types::{InstanceId, TaskId};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::session_stream::{Opened, Opening, connect};
use super::session_task::SessionTask;
use crate::clients::Replicas;

/// How long a renewal's answer is waited for: shorter than a lease, so that it can be asked again within it.
const RENEWAL: Duration = Duration::from_secs(5);

/// Requests that wait for a session's task; a caller has one at a time.
const ORDERS: usize = 8;

/// Hints that a slow listener may be behind; more are dropped, and found by polling.
const HINTS: usize = 1_024;

/// What a session's task is asked to do.
pub(super) enum Order {
    Renew(Renewal, oneshot::Sender<Result<Renewed>>),
    Close(oneshot::Sender<Result<()>>),
}

/// The sessions that this client has opened.
pub(super) struct Sessions {
    service: Replicas,
    woken: broadcast::Sender<TaskId>,
    // A std mutex: held for a look-up, never across an await.
    open: Mutex<HashMap<InstanceId, mpsc::Sender<Order>>>,
}

impl Sessions {
    pub(super) fn new(service: Replicas) -> Self {
        Self { service, woken: broadcast::channel(HINTS).0, open: Mutex::default() }
    }

    pub(super) fn woken(&self) -> broadcast::Receiver<TaskId> {
        self.woken.subscribe()
    }

    /// Begins anew: what an earlier session of the instance held is free.
    pub(super) async fn open(&self, instance: InstanceId) -> Result<Session> {
        let opened = match connect(&self.service, instance, Earlier::Over).await? {
            Opening::Opened(opened) => opened,
            Opening::Ended => return Err(not_opened()),
        };
        let Opened { session, stream } = *opened;
        let (orders, inbox) = mpsc::channel(ORDERS);
        let task = SessionTask::new(self.service.clone(), instance, stream, inbox, self.woken.clone());
        tokio::spawn(task.run());
        // The earlier stream's task ends with the sender that goes here.
        self.state().insert(instance, orders);
        Ok(session)
    }

    pub(super) async fn renew(&self, renewal: Renewal) -> Result<Renewed> {
        let instance = renewal.instance;
        let Some(orders) = self.orders(instance) else { return Ok(Renewed::Ended) };
        let (answer, answered) = oneshot::channel();
        let renewed = async {
            if orders.send(Order::Renew(renewal, answer)).await.is_err() {
                return Ok(Renewed::Ended);
            }
            // A task that ends without an answer has heard that the session has ended.
            answered.await.unwrap_or(Ok(Renewed::Ended))
        };
        let renewed =
            tokio::time::timeout(RENEWAL, renewed).await.unwrap_or_else(|_| Err(silent("renew")))?;
        if renewed == Renewed::Ended {
            self.forget(instance, &orders);
        }
        Ok(renewed)
    }

    pub(super) async fn close(&self, instance: InstanceId) -> Result<()> {
        let Some(orders) = self.orders(instance) else { return Ok(()) };
        let (answer, answered) = oneshot::channel();
        let closed = async {
            match orders.send(Order::Close(answer)).await {
                Ok(()) => answered.await.unwrap_or(Ok(())),
                Err(_) => Ok(()),
            }
        };
        let closed = tokio::time::timeout(RENEWAL, closed).await.unwrap_or_else(|_| Err(silent("close")));
        self.forget(instance, &orders);
        closed
    }

    fn orders(&self, instance: InstanceId) -> Option<mpsc::Sender<Order>> {
        self.state().get(&instance).cloned()
    }

    fn forget(&self, instance: InstanceId, orders: &mpsc::Sender<Order>) {
        let mut open = self.state();
        if open.get(&instance).is_some_and(|present| present.same_channel(orders)) {
            open.remove(&instance);
        }
    }

    fn state(&self) -> MutexGuard<'_, HashMap<InstanceId, mpsc::Sender<Order>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_opened() -> Error {
    Error::Corrupt { what: "the answer to open a session".into(), why: "a new session has ended".into() }
}

/// The error of a session whose stream does not answer.
pub(super) fn silent(what: &'static str) -> Error {
    Error::Unavailable { what, why: "the session's stream does not answer".into(), retry_after: None }
}
